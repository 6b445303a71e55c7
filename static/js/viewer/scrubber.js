/**
 * The line of frames at the foot of the viewer: time goes by slots, so that a gap is a gap.
 *
 * A slider moves through the frames; over it lie the events, a shape for each kind and a colour
 * and a mark for each state; gaps and failed frames are marked on the line, and under it frames
 * whose QUALITY is not 0.
 */

import { eventWords, kindMark, stateOf } from "./events.js";
import { qualityWords } from "./words.js";

const ROWS = 3; // marks of one frame are stacked so high, then lie on each other

/** The slots that a gap takes on the line: as many as are missing, but a year does not hide the frames. */
const drawnSlots = (missing, count) => Math.min(missing, Math.max(12, Math.round(count / 10)));

/** The slot of each frame: its index plus the slots missing before it. */
export function slotsOf(frames, gaps) {
  let missing = 0;
  const after = new Map(gaps.map((gap) => [gap.after, drawnSlots(gap.missing, frames.length)]));
  return frames.map((_, index) => {
    const slot = index + missing;
    missing += after.get(index) ?? 0;
    return slot;
  });
}

/** Index of the last entry of a sorted list that is not above `value`, 0 when all are. */
export function indexAtOrBefore(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

export class Scrubber {
  /** `host` holds [data-frames] (the slider), [data-line] and [data-events]. */
  constructor(host, manifest, { onFrame }) {
    this.manifest = manifest;
    this.slider = host.querySelector("[data-frames]");
    this.line = host.querySelector("[data-line]");
    this.lane = host.querySelector("[data-events]");
    this.slots = slotsOf(manifest.frames, manifest.gaps ?? []);
    this.last = Math.max(1, this.slots.at(-1) ?? 1);
    this.onFrame = onFrame;
    this.slider.max = String(this.slots.at(-1) ?? 0);
    this.slider.addEventListener("input", () => onFrame(this.nearest(Number(this.slider.value))));
    this.drawGaps();
    this.drawFailures();
    this.drawQuality();
    this.drawEvents();
  }

  nearest(slot) {
    const before = indexAtOrBefore(this.slots, slot);
    const after = Math.min(before + 1, this.slots.length - 1);
    return slot - this.slots[before] <= this.slots[after] - slot ? before : after;
  }

  at(slot) {
    return `${(100 * slot) / this.last}%`;
  }

  mark(className, words, { from, to }) {
    const span = document.createElement("span");
    span.className = className;
    span.title = words;
    const [begin, end] = [Math.max(0, from), Math.min(this.last, to)]; // half a slot may be half the line
    span.style.left = this.at(begin);
    span.style.width = this.at(end - begin);
    this.line.append(span);
  }

  drawGaps() {
    for (const { after, missing } of this.manifest.gaps ?? []) {
      const slot = this.slots[after];
      const many = `${missing} ${missing === 1 ? "frame" : "frames"}`;
      const words = `${many} missing after ${this.manifest.frames[after].t_rec}`;
      this.mark("scrub-gap", words, { from: slot + 0.5, to: this.slots[after + 1] - 0.5 });
    }
  }

  drawFailures() {
    this.manifest.frames.forEach((frame, index) => {
      const slot = this.slots[index];
      const words = `${frame.t_rec}: ${frame.failed}`;
      if (frame.failed) this.mark("scrub-failed", words, { from: slot - 0.5, to: slot + 0.5 });
    });
  }

  /** Under the line, so that a frame can be of poor quality and failed. */
  drawQuality() {
    this.manifest.frames.forEach((frame, index) => {
      const slot = this.slots[index];
      const words = `${frame.t_rec}: ${qualityWords(frame)}`;
      if (frame.quality) this.mark("scrub-quality", words, { from: slot - 0.5, to: slot + 0.5 });
    });
  }

  drawEvents() {
    const stacked = new Map();
    this.marks = (this.manifest.events ?? []).map((event) => {
      const button = document.createElement("button");
      const row = stacked.get(event.frame) ?? 0;
      stacked.set(event.frame, row + 1);
      button.type = "button";
      button.tabIndex = -1; // hundreds of stops; the keyboard has the buttons for next and previous
      button.className = `scrub-event mark-${stateOf(event).key}`;
      button.dataset.row = String(Math.min(row, ROWS - 1));
      button.style.left = this.at(this.slots[event.frame] ?? 0);
      button.title = eventWords(event);
      button.setAttribute("aria-label", `Go to ${eventWords(event)}`);
      const state = document.createElement("sup");
      state.append(stateOf(event).mark);
      button.append(kindMark(event), state);
      button.addEventListener("click", () => this.onFrame(event.frame));
      this.lane.append(button);
      return { event, button };
    });
    this.lane.dataset.rows = String(Math.min(ROWS, Math.max(0, ...stacked.values())));
  }

  show(index, words) {
    this.slider.value = String(this.slots[index]);
    this.slider.setAttribute("aria-valuetext", words);
    for (const { event, button } of this.marks) button.classList.toggle("is-here", event.frame === index);
  }
}
