/**
 * Picking a pore of the strip: by a click, by typing its name, or with Tab and the arrows and Enter.
 *
 * A name is the frame's letter (the event's own frame is M) and one more sign: 1 to 9, then A to
 * Z, the pores nearest to the event first, so that two keystrokes always are enough.
 */

import { poreName } from "./pores.js";

const SIGNS = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LETTER_OF_EVENT = 12; // M

/** The letter of a frame; empty for frames further away than the alphabet goes. */
export function letterOf(index, eventIndex) {
  const place = index - eventIndex + LETTER_OF_EVENT;
  return place >= 0 && place < 26 ? String.fromCharCode(65 + place) : "";
}

/** Map of pore id to its name, for the frames that are shown. */
export function namesOf(pores, indices, eventIndex) {
  const names = new Map();
  for (const index of indices) {
    const letter = letterOf(index, eventIndex);
    if (letter) pores.ofFrame(index).slice(0, SIGNS.length).forEach((pore, i) => names.set(pore.id, letter + SIGNS[i]));
  }
  return names;
}

export class Picker {
  /** `strip`, `pores`; `say(words)` tells what happens. */
  constructor(strip, pores, say) {
    Object.assign(this, { strip, pores, say });
    this.wanted = null;
  }

  get isOn() {
    return this.wanted !== null;
  }

  /** Ask for a pore; `onPick(pore)`, or `onLeave()` on Esc. `words` say what is asked for. */
  start(words, { onPick, onLeave, first = null }) {
    this.wanted = { words, onPick, onLeave };
    this.typed = "";
    const { overlay } = this.strip;
    overlay.first = first?.id ?? null;
    overlay.cursor = null;
    overlay.isBusy = true;
    this.name();
    this.strip.host.setAttribute("role", "application"); // keys come to us, not to a screen reader
    this.strip.host.focus({ preventScroll: true });
    this.say(words);
  }

  /** Names for what is shown now; again when more frames are. */
  name() {
    if (!this.isOn) return;
    this.strip.overlay.names = namesOf(this.pores, this.strip.cells.keys(), this.strip.data.event.index);
    this.strip.requestDraw();
  }

  stop() {
    this.wanted = null;
    Object.assign(this.strip.overlay, { names: new Map(), cursor: null, first: null, isBusy: false });
    this.strip.host.setAttribute("role", "group");
    this.strip.requestDraw();
  }

  take(pore) {
    const { onPick } = this.wanted;
    this.stop();
    onPick(pore);
  }

  leave() {
    const { onLeave } = this.wanted;
    this.stop();
    onLeave();
  }

  /** A key while a pore is asked for; returns whether it was for us. */
  key(event) {
    const moves = {
      Escape: () => this.leave(),
      Enter: () => this.takeCursor(),
      " ": () => this.takeCursor(),
      Backspace: () => { this.typed = ""; this.say(this.wanted.words); },
      Tab: () => this.stepInFrame(event.shiftKey ? -1 : 1),
      ArrowDown: () => this.stepInFrame(1),
      ArrowUp: () => this.stepInFrame(-1),
      ArrowRight: () => this.stepFrame(1),
      ArrowLeft: () => this.stepFrame(-1),
    };
    if (Object.hasOwn(moves, event.key)) moves[event.key]();
    else if (/^[a-z0-9]$/i.test(event.key)) this.type(event.key.toUpperCase());
    else return false;
    return true;
  }

  type(sign) {
    const { names } = this.strip.overlay;
    const typed = this.typed + sign;
    const fitting = [...names].filter(([, name]) => name.startsWith(typed));
    const exact = fitting.find(([, name]) => name === typed);
    if (exact) {
      this.take(this.pores.get(exact[0]));
    } else if (fitting.length) {
      this.typed = typed;
      this.say(`${typed}…`);
    } else {
      this.typed = "";
      this.say(`No pore is named ${typed}. ${this.wanted.words}`);
    }
  }

  get cursor() {
    return this.pores.get(this.strip.overlay.cursor);
  }

  takeCursor() {
    if (this.cursor) this.take(this.cursor);
    else this.say(`No pore is chosen yet. ${this.wanted.words}`);
  }

  /** The frames that can be stepped through, as indices. */
  get indices() {
    return [...this.strip.cells.keys()].sort((a, b) => a - b).filter((index) => this.pores.ofFrame(index).length);
  }

  stepInFrame(way) {
    const here = this.cursor ?? null;
    const index = here?.index ?? this.startIndex;
    const all = this.pores.ofFrame(index);
    const at = here ? all.indexOf(here) : way > 0 ? -1 : 0;
    this.point(all[(at + way + all.length) % all.length]);
  }

  /** To the pore that this one is linked to, else to the nearest, in the next frame that way. */
  stepFrame(way) {
    const here = this.cursor;
    if (!here) {
      this.stepInFrame(1);
      return;
    }
    const index = this.indices.filter((at) => (way > 0 ? at > here.index : at < here.index)).at(way > 0 ? 0 : -1);
    if (index === undefined) {
      this.say("No further frame is shown there.");
      return;
    }
    const there = this.pores.ofFrame(index);
    const linked = there.find((pore) => this.pores.isLinked(here.id, pore.id) || this.pores.isLinked(pore.id, here.id));
    const away = (pore) => Math.hypot(pore.row - here.row, pore.col - here.col);
    this.point(linked ?? there.reduce((a, b) => (away(a) <= away(b) ? a : b)));
  }

  /** Where the cursor comes first: beside the pore that is picked already, else the frame before the event. */
  get startIndex() {
    const first = this.pores.get(this.strip.overlay.first);
    const wish = first ? first.index + 1 : this.strip.data.event.index - 1;
    return this.indices.reduce((a, b) => (Math.abs(b - wish) < Math.abs(a - wish) ? b : a));
  }

  point(pore) {
    if (!pore) return;
    this.strip.overlay.cursor = pore.id;
    this.strip.reveal(pore);
    const name = this.strip.overlay.names.get(pore.id);
    this.say(`${name ? `${name}, ` : ""}${poreName(pore)}, ${pore.area.toFixed(1)} Mm². Enter picks it.`);
  }
}
