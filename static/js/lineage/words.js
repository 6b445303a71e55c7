/** Tracks and events in words. */

import { stateOf } from "../viewer/events.js";
import { amount } from "../viewer/format.js";

const NOUNS = { appear: "appearance", disappear: "disappearance" };
const POLARITIES = { 1: "positive", "-1": "negative", 0: "not known" };

export const kindWords = ({ kind }) => NOUNS[kind] ?? kind;
export const polarityWords = ({ polarity }) => POLARITIES[polarity];
export const area = (mm2) => amount(mm2, mm2 < 10 ? 2 : 1, "Mm²");

/** "3 + 4 → 7": the tracks before and after. */
export function tracksOf(event) {
  const sides = [event.in, event.out].map((numbers) => numbers.join(" + ")).filter(Boolean);
  return sides.join(" → ") || "no track";
}

/** "merge 3 + 4 → 7, frame 12, accepted". */
export function eventWords(event, lineage) {
  const gone = event.there ? "" : ", not in the published lineage";
  const people = event.pk === null ? ", by what was settled" : "";
  const frame = lineage.numbers[event.frame];
  return `${kindWords(event)} ${tracksOf(event)}, frame ${frame}, ${stateOf(event).words}${gone}${people}`;
}

/** "Track 7, lineage 2, frames 3 to 40". */
export function trackWords(track, lineage) {
  const [first, last] = [lineage.numbers[track.first], lineage.numbers[track.last]];
  const frames = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  return `Track ${track.n}, lineage ${track.lineage}, ${frames}`;
}

/** Why a track has no area at a frame, or its area. */
export function areaWords(track, place) {
  if (!track.covers(place)) return place < track.first ? "not yet there" : "no longer there";
  return track.areaAt(place) ? area(track.areaAt(place)) : "not seen in this frame";
}
