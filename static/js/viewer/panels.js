/** The words around the image: time, layers, what is under the cursor, events of the frame. */

import { eventWords, kindMark, stateOf } from "./events.js";
import { fillRows, lineOf, poreRows, positionRows } from "./readout.js";
import { layerWords, noPoreWords, qualityCode, qualityWords } from "./words.js";

export class Panels {
  constructor(root, viewer) {
    this.root = root;
    this.viewer = viewer;
    this.outs = Object.fromEntries([...root.querySelectorAll("[data-out]")].map((out) => [out.dataset.out, out]));
    this.words = root.querySelector("#stage-words");
    this.layerButtons = [...root.querySelectorAll("[data-layer]")];
    this.statistics = root.querySelector("[data-statistics]");
    this.lineWords = "";
    this.wireFolds();
  }

  /** Said where the image would be when the region holds no frame. */
  static sayEmpty(root) {
    const words = root.querySelector("#stage-words");
    words.hidden = false;
    words.firstElementChild.textContent = "No frames here yet: fetch or upload frames of this region first.";
    for (const control of root.querySelectorAll("button, input, select")) control.disabled = true;
  }

  /** On a narrow window only the layers stay open; the statistics open when one is shown. */
  wireFolds() {
    const narrow = matchMedia("(max-width: 60rem)");
    const fold = () => {
      for (const part of this.root.querySelectorAll(".viewer-fold")) {
        if (part !== this.statistics) part.open = !narrow.matches || "staysOpen" in part.dataset;
      }
    };
    narrow.addEventListener("change", fold);
    fold();
  }

  /** All that follows from the state of the viewer, apart from the point under the cursor. */
  showState() {
    const { viewer, outs } = this;
    const { frame, frames, index } = viewer;
    outs.t_rec.textContent = frame.t_rec;
    outs.utc.textContent = `${frame.utc} UTC`;
    outs.count.textContent = `frame ${index + 1} of ${frames.length}`;
    outs.quality.textContent = frame.quality ? `QUALITY ${qualityCode(frame)}` : "";
    outs.quality.title = qualityWords(frame);
    for (const button of this.layerButtons) {
      const lacks = !viewer.store.offers(index, button.dataset.layer);
      button.setAttribute("aria-pressed", String(button.dataset.layer === viewer.spec.key));
      button.querySelector("[data-lack]").textContent = lacks ? "missing" : "";
    }
    if (viewer.spec.of_all_frames && this.shownSpec !== viewer.spec) this.statistics.open = true;
    this.shownSpec = viewer.spec;
    for (const box of this.root.querySelectorAll("[data-overlay]")) box.checked = viewer.show[box.dataset.overlay];
    const tracks = [...viewer.selected].sort((a, b) => a - b);
    const field = this.root.querySelector("#track-numbers");
    if (field !== document.activeElement) field.value = tracks.join(", ");
    outs.tracks.textContent = tracks.length
      ? "The other tracks are drawn thin."
      : "A click on a pore selects its track.";
    this.showEvents(index);
  }

  showEvents(index) {
    const here = (this.viewer.manifest.events ?? []).filter((event) => event.frame === index);
    if (this.shownAt === index) return;
    this.shownAt = index;
    this.showQuality(this.viewer.frame);
    this.outs.events.replaceChildren(...here.map((event) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = event.url;
      link.className = `mark-${stateOf(event).key}`;
      link.textContent = `${kindMark(event)} ${eventWords(event)} ${stateOf(event).mark}`.trim();
      item.append(link);
      return item;
    }));
    if (!here.length) {
      const none = document.createElement("li");
      none.textContent = "None.";
      this.outs.events.append(none);
    }
  }

  showQuality(frame) {
    const bits = frame.quality ? frame.quality_words : [frame.quality === 0 ? "0, good" : "Not in the header."];
    this.outs.bits.replaceChildren(...bits.map((words) => {
      const item = document.createElement("li");
      item.textContent = words;
      return item;
    }));
  }

  showPoint(found, spec) {
    const { outs, root } = this;
    this.lineWords = found ? lineOf(found) : "";
    outs.line.textContent = this.lineWords || "\u00a0";
    root.querySelector("[data-hint=position]").hidden = Boolean(found);
    const hint = root.querySelector("[data-hint=pore]");
    hint.hidden = Boolean(found?.feature);
    hint.textContent = noPoreWords(this.viewer);
    fillRows(outs.position, found ? positionRows(found, spec) : []);
    fillRows(outs.pore, found?.feature ? poreRows(found.feature) : []);
  }

  showZoom(times) {
    this.outs.zoom.textContent = `${Number(times.toPrecision(2))}\u00d7`;
  }

  showPlaying(playing) {
    this.outs.play.textContent = playing ? "Pause" : "Play";
    this.outs.play.previousElementSibling.textContent = playing ? "\u2759\u2759" : "\u25b6";
    this.outs.play.parentElement.setAttribute("aria-pressed", String(playing));
  }

  /** A sentence on the stage; an empty one takes it away. */
  say(words, { retry = false, aside = false } = {}) {
    this.words.hidden = !words;
    this.words.classList.toggle("is-aside", aside); // leaves the picture to be seen
    this.words.firstElementChild.textContent = words;
    this.words.lastElementChild.hidden = !retry;
    const canvas = this.root.querySelector("#viewer-canvas");
    const shown = `${layerWords(this.viewer)}, north up, west right`;
    canvas.setAttribute("aria-label", aside || !words ? shown : words);
  }
}

