/** Sentences about the frame that is shown, or about why it is not. */

import { eventWords } from "./events.js";
import { FEATURES, LABELS } from "./store.js";

/** A frame's QUALITY in hexadecimal, as JSOC's lists of bits have it: "0x400". */
export const qualityCode = ({ quality }) => `0x${quality.toString(16)}`;

/** What the pipeline had to say of a frame: "QUALITY 0x400: ..."; empty where it is good or not known. */
export const qualityWords = (frame) =>
  (frame.quality ? `QUALITY ${qualityCode(frame)}: ${frame.quality_words.join("; ")}` : "");

/** "Frame 3 of 120, T_REC; Br missing; QUALITY ...; merge 7, pending": what a step announces. */
export function frameWords({ manifest, frames, frame, index, store, spec }) {
  const here = (manifest.events ?? []).filter((event) => event.frame === index).map(eventWords);
  const missing = store.offers(index, spec.key) ? [] : [`${spec.label} missing`];
  const said = [`Frame ${index + 1} of ${frames.length}, ${frame.t_rec}`, ...missing, qualityWords(frame), ...here];
  return said.filter(Boolean).join("; ");
}

/** "Br of T_REC", "Mean of all 120 frames", or "Mean of the one frame". */
export function layerWords({ spec, frame, manifest }) {
  if (!spec.of_all_frames) return `${spec.label} of ${frame.t_rec}`;
  const number = manifest.statistics?.n_frames;
  if (number === 1) return `${spec.label} of the one frame`;
  return `${spec.label} of all ${number ? `${number} ` : ""}frames`;
}

/** Why there is no statistic to show. */
function noStatisticsWords({ spec, manifest: { run, statistics } }) {
  if (!run) return `${spec.label} comes from a run; open the viewer from one.`;
  if (statistics) return `${spec.label} is of frames of another shape than this one.`;
  if (run.state === "running") return `${spec.label} is not made yet; it is made when the run ends.`;
  return `Run ${run.number} has no statistics of its frames; a new run makes them.`;
}

const failure = (frame) => (frame.failed ? `This frame failed: ${frame.failed}.` : "");

/** Why there is no picture; `entry` is what the store says of the layer. */
export function absentWords(entry, viewer) {
  const { spec, frame } = viewer;
  if (entry.reason) return `${layerWords(viewer)} could not be loaded. ${entry.reason}`;
  if (spec.of_all_frames) return noStatisticsWords(viewer);
  if (frame.waiting && (spec.key === "enhanced" || spec.key === LABELS)) {
    return `${spec.label} of ${frame.t_rec} is not made yet; the run has not come to this frame.`;
  }
  return `${spec.label} missing at ${frame.t_rec}. ${failure(frame)}`.trim();
}

/** What is to be said beside a picture that is there. */
export function noteWords({ notice, frame, index, store }) {
  const lost = [[LABELS, "The outlines"], [FEATURES, "The measures of the pores"]].flatMap(([layer, name]) => {
    const reason = store.peek(index, layer)?.reason;
    return reason ? [`${name} could not be loaded. ${reason}`] : [];
  });
  return { words: [notice, failure(frame), ...lost].filter(Boolean).join(" "), retry: lost.length > 0 };
}

/** Why no pore is named: none there, or none known of this frame. */
export function noPoreWords({ manifest, index, store }) {
  if (!manifest.run) return "Pores come from a run; open the viewer from one.";
  return store.offers(index, LABELS) ? "No pore under the cursor." : "No outlines of this frame.";
}
