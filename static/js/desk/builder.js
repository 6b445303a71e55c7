/** The correction as it is made: modes and their keys, each change in words, on the strip, and in the form's fields. */

import { isTypedIn } from "../keys.js";
import { readState } from "./correction.js";
import { poreName } from "./pores.js";

const PRESSED = "button, a[href], summary, input, label";
const HINT = "Pick a mode, click two pores to draw or cut a link, or take an alternative by its number.";

const parse = (text) => {
  try {
    return JSON.parse(text || "null");
  } catch {
    return null;
  }
};

export class Builder {
  /** `panel` (null for who may not judge), `form`, `strip`, `picker`, `correction`, `draft`, `say(words)`. */
  constructor(panel, parts) {
    Object.assign(this, { panel, ...parts });
    const part = (name) => panel.querySelector(`#${name}`);
    this.parts = { line: part("correction-line"), rows: part("changes"), save: part("save-correction"), words: part("draft-words") };
    this.opener = document.getElementById("correct");
    this.dialog = document.getElementById("join");
    this.fields = Object.fromEntries(["correction", "joined", "note", "reason"].map((name) => [name, this.form.elements[name]]));
    this.sound = this.told(readState(parse(this.fields.correction.value), parse(this.fields.joined.value)));
    this.listen();
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  listen() {
    this.opener.addEventListener("click", () => (this.isOpen ? this.save() : this.open()));
    for (const button of this.panel.querySelectorAll("[data-mode]")) {
      button.addEventListener("click", () => this.enter(button.dataset.mode));
    }
    document.getElementById("drop-correction").addEventListener("click", () => this.drop());
    for (const name of ["note", "reason"]) this.fields[name].addEventListener("input", () => this.keepDraft());
    this.form.addEventListener("submit", (event) => this.submitting(event));
    this.dialog.addEventListener("close", () => this.joined());
    document.addEventListener("keydown", (event) => this.key(event), true); // before the keys of the page
  }

  /** Take up what is in the form, or what was begun here before; `isSentBack`: the server did not take it. */
  begin(isSentBack) {
    const state = readState(parse(this.fields.correction.value), parse(this.fields.joined.value));
    const kept = isSentBack ? null : this.draft.read();
    if (kept) {
      this.fields.note.value = kept.note ?? "";
      this.fields.reason.value = kept.reason ?? "";
      this.correction.set(readState(kept.correction, kept.joined));
      this.parts.words.textContent = kept.isOlder
        ? "Begun before others judged this event; look at what they said."
        : "Kept from before; not saved yet.";
    } else {
      this.correction.set(state);
    }
    if (this.correction.isEmpty) return;
    this.unfold();
    this.parts.line.textContent = this.changed();
  }

  unfold() {
    this.panel.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
  }

  open() {
    this.unfold();
    this.strip.host.focus({ preventScroll: true });
    this.say(HINT);
  }

  close() {
    this.panel.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.focus({ preventScroll: true });
  }

  /** Start a mode; the mode that was on ends. */
  enter(mode) {
    if (this.picker.isOn) this.picker.stop();
    this.unfold();
    const start = { link: () => this.pickTwo("toggle"), cut: () => this.pickTwo("cut"), spurious: () => this.pickSpurious(),
      join: () => this.askWhich(), part: () => this.part() };
    this.mark(mode);
    start[mode]();
  }

  mark(mode) {
    for (const button of this.panel.querySelectorAll("[data-mode]")) {
      if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
  }

  idle(words) {
    this.mark(null);
    this.say(words);
  }

  leave() {
    this.idle(`Left. ${this.changed()}`);
  }

  changed() {
    const n = this.correction.rows().length;
    return n ? `${n} change${n > 1 ? "s" : ""}; Enter saves.` : "Nothing is changed yet.";
  }

  done(words) {
    this.idle(`${words} ${this.changed()}`);
  }

  /** Two pores, the first of which may be picked already; `act` is toggle, cut or draw. */
  pickTwo(act, first = null) {
    const verb = { toggle: "Draw or cut a link", cut: "Cut a link", draw: "Draw a link" }[act];
    const onLeave = () => this.leave();
    const second = (one) => this.picker.start(`${verb}: ${poreName(one)} and which other? Pick a pore of another frame.`, {
      first: one, onLeave, onPick: (other) => this.done(this.correction[act](one, other)),
    });
    if (first) second(first);
    else this.picker.start(`${verb}: pick the pore in the earlier frame.`, { onLeave, onPick: second });
  }

  pickSpurious() {
    this.picker.start("No pore: pick what is none.", {
      onLeave: () => this.leave(), onPick: (pore) => this.done(this.correction.toggleSpurious(pore)),
    });
  }

  askWhich() {
    if (!this.dialog.querySelector("input")) {
      this.idle("No other event is within three frames of these pores.");
      return;
    }
    for (const box of this.dialog.querySelectorAll("input")) {
      box.checked = this.correction.state.joined.includes(Number(box.value));
    }
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  joined() {
    const taken = [...this.dialog.querySelectorAll("input:checked")].map((box) => Number(box.value));
    this.strip.host.focus({ preventScroll: true });
    if (this.dialog.returnValue === "take") this.done(this.correction.join(taken));
    else this.leave();
  }

  part() {
    const { words, alone } = this.correction.part();
    this.done(words);
    if (alone) this.pickTwo("draw", alone);
  }

  choose(n) {
    if (this.picker.isOn) this.picker.stop();
    this.unfold();
    for (const id of this.correction.data.choices[n]?.add ?? []) this.strip.include(this.correction.pores.get(id));
    this.done(this.correction.choose(n));
  }

  /** A pore was clicked while nothing was asked for. */
  clicked(pore) {
    if (!this.isOpen) return;
    this.mark("link");
    this.pickTwo("toggle", pore);
  }

  drop() {
    if (this.picker.isOn) this.picker.stop();
    this.correction.clear();
    this.close();
    this.say("The correction is discarded; Ctrl Z brings it back.");
  }

  save() {
    this.form.requestSubmit(this.parts.save);
  }

  submitting(event) {
    const choice = event.submitter?.value;
    if (choice === "correct" && this.correction.isEmpty) {
      event.preventDefault();
      this.unfold();
      this.say("Nothing is changed yet: a correction draws or cuts a link, marks what is no pore, or joins events.");
    }
  }

  key(event) {
    if (isTypedIn(event.target) || document.querySelector("dialog[open]") || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.ctrlKey && event.key === "z" && this.correction.undo()) this.take(event, "Taken back.");
      return;
    }
    const isPressed = event.target.closest(PRESSED) && ["Enter", " "].includes(event.key);
    const leavesStrip = event.key === "Tab" && event.target !== this.strip.host;
    if (isPressed || leavesStrip) return;
    if (this.picker.isOn) {
      if (this.picker.key(event)) event.preventDefault();
    } else if (this.isOpen && event.key === "Enter") {
      event.preventDefault();
      this.save();
    } else if (this.isOpen && event.key === "Escape") {
      event.preventDefault();
      if (this.correction.isEmpty) this.close();
      else this.say(`Not saved: ${this.changed()} Discard drops them.`);
    }
  }

  take(event, words) {
    event.preventDefault();
    if (!this.correction.isEmpty) this.unfold();
    this.say(`${words} ${this.changed()}`);
  }

  /** Show the correction as it stands: rows, strip, buttons of the alternatives, fields, draft. */
  render() {
    const { state } = this.correction;
    const rows = this.correction.rows();
    this.parts.rows.replaceChildren(...rows.map((row) => this.rowOf(row)));
    const { overlay } = this.strip;
    Object.assign(overlay, { added: state.add, removed: state.remove, spurious: new Set(state.spurious) });
    for (const button of document.querySelectorAll("[data-choice]")) {
      button.setAttribute("aria-pressed", String(this.correction.hasChoice(Number(button.dataset.choice))));
    }
    const { add, remove, spurious, joined } = state;
    this.fields.correction.value = JSON.stringify({ add, remove, spurious });
    this.fields.joined.value = JSON.stringify(joined);
    this.strip.requestDraw();
    this.keepDraft();
  }

  rowOf({ sign, words, drop }) {
    const item = document.createElement("li");
    const mark = document.createElement("span");
    mark.className = "sign";
    mark.textContent = sign;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove: ${words}`);
    button.addEventListener("click", () => {
      drop();
      this.strip.host.focus({ preventScroll: true }); // the button is gone
      this.say(`Removed: ${words}. ${this.changed()}`);
    });
    const said = document.createElement("span");
    said.textContent = words;
    item.append(mark, said, button);
    return item;
  }

  told(state) {
    const { add, remove, spurious, joined } = state;
    return JSON.stringify([add, remove, spurious, joined, this.fields.note.value, this.fields.reason.value]);
  }

  /** Keep what differs from what the server has. */
  keepDraft() {
    const { add, remove, spurious, joined } = this.correction.state;
    const isSound = this.told(this.correction.state) === this.sound;
    const { note, reason } = this.fields;
    this.draft.write(isSound ? null : { correction: { add, remove, spurious }, joined, note: note.value, reason: reason.value });
  }
}
