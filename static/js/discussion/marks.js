/**
 * Comments in the frame viewer: marks on the image, the tools that draw them, the threads beside it.
 *
 * Needs: #viewer-talk, which htmx fills with the threads and #thread-marks (JSON); #mark-tools on the stage.
 */

import { listenForKeys } from "../viewer/keys.js";
import { Drawing, listenForPointer } from "./drawing.js";
import { drawShape, isHit, N_POINTS, placesOf, solarPoints } from "./shapes.js";

const JUMP = 10; // native pixels, with Shift
const SHAPE_KEYS = { p: "point", r: "rectangle", c: "circle", a: "arrow" };

/** Connect a viewer with its comments; null on a page that has no place for them. */
export function startMarks(viewer) {
  const panel = document.getElementById("viewer-talk");
  return panel && new Marks(viewer, panel, document.getElementById("mark-tools"));
}

class Marks {
  constructor(viewer, panel, tools) {
    Object.assign(this, { viewer, panel, tools });
    this.marks = [];
    this.opened = new Set(); // threads that are shown in full
    this.drawn = []; // what was drawn last, to find it under the pointer
    this.drawing = null;
    this.draft = null; // a mark that is drawn and not yet sent: { shape, points, frame }
    const colour = (name, otherwise) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || otherwise;
    this.colours = { colour: colour("--mark", "#fff"), onColour: colour("--on-mark", "#000") };
    this.shapes = tools.querySelector("#mark-shapes");
    this.hint = document.getElementById("mark-hint");
    this.wireTools();
    this.wirePanel();
  }

  // ---- tools ---------------------------------------------------------------------------------

  get isOpen() {
    return !this.shapes.hidden;
  }

  wireTools() {
    for (const button of this.tools.querySelectorAll("[data-mark]")) {
      button.addEventListener("click", () => this.choose(button.dataset.mark));
    }
    listenForPointer(this.viewer.stage, {
      drawing: () => this.drawing,
      onMove: () => this.moved(),
      onWhole: () => this.finish(),
    });
    const move = (du, dv) => ({ shiftKey }) => this.move(du * (shiftKey ? JUMP : 1), dv * (shiftKey ? JUMP : 1));
    const moves = { ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), ArrowUp: move(0, 1), ArrowDown: move(0, -1) };
    for (const [key, act] of Object.entries(moves)) moves[`Shift+${key}`] = act;
    listenForKeys({ ...moves, Enter: () => this.set() }, { before: true, isOn: () => this.drawing });
    const letters = Object.entries(SHAPE_KEYS).map(([key, kind]) => [key, () => this.choose(kind)]);
    const others = { f: () => this.choose("frame"), Escape: () => this.close() };
    listenForKeys({ ...Object.fromEntries(letters), ...others }, { before: true, isOn: () => this.isOpen });
  }

  choose(what) {
    if (what === "toggle") this.toggle();
    else if (what === "frame") this.write();
    else this.begin(what);
  }

  /** Show or put away the tools; for who may not write there are none. */
  toggle() {
    if (this.tools.hidden) {
      this.viewer.announce("You may read comments here, but not write.");
      return;
    }
    if (this.isOpen) this.close();
    else {
      this.setOpen(true);
      this.shapes.querySelector("button").focus();
    }
  }

  setOpen(isOpen) {
    const toggle = this.tools.querySelector("[data-mark=toggle]");
    this.shapes.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
    toggle.textContent = isOpen ? "Cancel" : "Comment";
  }

  close() {
    const hadFocus = this.tools.contains(document.activeElement) || this.drawing;
    this.drawing = null;
    this.setOpen(false);
    this.showTools();
    if (hadFocus) this.tools.querySelector("[data-mark=toggle]").focus();
  }

  begin(kind) {
    const { viewer } = this;
    if (!viewer.frame.geometry) {
      this.say("This frame does not say where on the Sun it lies, so that no mark can be kept on it.");
      return;
    }
    viewer.player.pause();
    this.setOpen(true);
    this.drawing = new Drawing(kind, viewer.cross ?? viewer.stage.centre, viewer.frame.shape);
    viewer.stage.canvas.focus({ preventScroll: true }); // so that Enter is not for the button
    this.moved();
    viewer.announce(this.drawing.hint);
  }

  move(du, dv) {
    this.drawing.moveBy(du, dv);
    this.viewer.stage.reveal(this.drawing.moving.u, this.drawing.moving.v);
    this.moved();
    this.viewer.pointAt(this.drawing.moving);
    this.viewer.announce(this.viewer.panels.lineWords);
  }

  set() {
    this.drawing.set({ apart: true });
    if (this.drawing.isWhole) this.finish();
    else {
      this.moved();
      this.viewer.announce(this.drawing.hint);
    }
  }

  moved() {
    this.showTools();
    this.viewer.stage.requestDraw();
  }

  finish() {
    const { viewer, drawing } = this;
    const points = solarPoints(drawing.places, viewer.frame.geometry);
    const [first, last] = [drawing.places[0], drawing.places.at(-1)];
    const isSmall = N_POINTS[drawing.kind] > 1 && Math.hypot(last.u - first.u, last.v - first.v) < 0.5;
    if (!points || isSmall) {
      this.begin(drawing.kind);
      this.say(points ? "That was too small; draw it larger." : "That lies beyond the map of the Sun.");
      return;
    }
    this.draft = { shape: drawing.kind, points, frame: viewer.frame };
    this.write();
  }

  /** Go on to the words: about the mark if one is drawn, else about the frame. */
  write() {
    this.drawing = null;
    this.setOpen(false);
    this.showTools();
    this.showAbout();
    this.openPanel();
    const field = this.panel.querySelector("#new-thread");
    field?.focus();
    this.viewer.announce(`Comment on ${this.aboutWords}`);
    this.viewer.stage.requestDraw();
  }

  say(words) {
    this.hint.textContent = words;
    this.viewer.announce(words);
  }

  showTools() {
    this.hint.textContent = this.drawing?.hint ?? "";
    this.tools.classList.toggle("is-drawing", Boolean(this.drawing));
    for (const button of this.shapes.querySelectorAll("[data-mark]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mark === this.drawing?.kind));
    }
  }

  // ---- threads beside the image ----------------------------------------------------------------

  wirePanel() {
    const { panel } = this;
    panel.addEventListener("htmx:afterSettle", ({ detail }) => this.arrived(detail.requestConfig?.elt));
    panel.addEventListener("htmx:responseError", ({ detail }) => this.failed(detail));
    panel.addEventListener("htmx:sendError", ({ detail }) => this.failed(detail));
    panel.addEventListener("submit", ({ target }) => target.matches("[data-viewer-form]") && this.fill(target), { capture: true });
    panel.addEventListener("change", ({ target }) => target.matches("[data-track]") && this.showAbout());
    panel.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("visibilitychange", () => {
      // others may have written meanwhile; who is writing is not disturbed
      if (!document.hidden && !panel.contains(document.activeElement) && !this.drawing) window.htmx.trigger(panel, "refresh");
    });
  }

  get form() {
    return this.panel.querySelector("[data-viewer-form]");
  }

  /** The threads are there, or there anew after something was sent. */
  arrived(sender) {
    const { form, panel } = this;
    const wasSent = sender?.matches?.("[data-viewer-form]") && form && !form.querySelector("[aria-invalid]");
    if (wasSent) this.draft = null;
    const list = panel.querySelector("#thread-marks");
    this.marks = list ? JSON.parse(list.textContent) : [];
    this.opened = new Set([...panel.querySelectorAll("[data-open-thread]")].map((part) => Number(part.dataset.openThread)));
    this.tools.hidden = !form;
    this.showAbout();
    const asked = !this.isFilled && Number(new URLSearchParams(location.search).get("thread"));
    this.isFilled = true;
    if (asked) this.show(asked);
    this.viewer.stage.requestDraw();
  }

  failed({ requestConfig, xhr }) {
    if (requestConfig?.elt !== this.panel) return; // forms say it themselves
    const words = document.createElement("p");
    words.className = "errorlist";
    words.textContent = xhr?.status === 404
      ? "The thread of this address is no longer there."
      : "The comments could not be loaded; reload the page to try again.";
    this.panel.replaceChildren(words);
  }

  /** A link to a frame of this patch steps there instead of loading the page. */
  clicked(event) {
    const link = event.target.closest("[data-frame-id]");
    if (event.target.closest("[data-drop-mark]")) this.drop();
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const index = this.viewer.frames.findIndex(({ id }) => id === Number(link.dataset.frameId));
    if (index < 0 || !link.href.includes("/viewer/")) return;
    event.preventDefault();
    this.viewer.goTo(index);
    this.show(Number(link.dataset.threadId));
  }

  drop() {
    this.draft = null;
    this.showAbout();
    this.panel.querySelector("#new-thread")?.focus();
    this.viewer.stage.requestDraw();
  }

  /** Bring a thread's mark into sight. */
  show(thread) {
    this.openPanel();
    this.opened.add(thread);
    const mark = this.marks.find((candidate) => candidate.thread === thread);
    const places = mark && placesOf(mark, this.viewer.frame.geometry);
    if (places) this.viewer.stage.reveal(places[0].u, places[0].v);
    this.viewer.stage.requestDraw();
  }

  openPanel() {
    const fold = this.panel.closest("details");
    fold.open = true;
    if (matchMedia("(max-width: 60rem)").matches) fold.scrollIntoView({ block: "start" });
  }

  /** Open the thread whose mark lies under a point of the image; whether there is one. */
  openAt(u, v) {
    const { stage } = this.viewer;
    const at = stage.toScreen(u, v);
    const found = this.drawn.findLast((drawn) => isHit(stage.context, drawn, at, stage.ratio));
    if (!found) return false;
    this.openPanel();
    const address = new URL(this.panel.getAttribute("hx-get"), location.href);
    address.searchParams.set("thread", found.thread);
    window.htmx.ajax("GET", address.pathname + address.search, { target: this.panel, source: this.panel });
    return true;
  }

  // ---- what a new thread is about --------------------------------------------------------------

  /** The one track that is selected, for a comment on it; null for none or several. */
  get track() {
    const { selected, manifest } = this.viewer;
    return manifest.run && selected.size === 1 ? [...selected][0] : null;
  }

  get aboutWords() {
    if (this.draft) {
      const [[lon, lat]] = this.draft.points;
      return `${this.draft.shape} at ${lon.toFixed(2)}\u00b0, ${lat < 0 ? "\u2212" : "+"}${Math.abs(lat).toFixed(2)}\u00b0`;
    }
    if (this.panel.querySelector("[data-track]")?.checked) return `track ${this.track}`;
    return `frame ${this.viewer.frame.t_rec}`;
  }

  /** Say in the form what it is about, and offer what else it can be about. */
  showAbout() {
    const offers = this.form?.querySelector("[data-subjects]");
    if (!offers) return;
    const wanted = this.draft ? "mark" : this.track === null ? "" : `track ${this.track}`;
    if (offers.dataset.has !== wanted) {
      offers.dataset.has = wanted;
      offers.replaceChildren(...(this.draft ? [dropButton()] : this.track === null ? [] : [trackBox(this.track)]));
    }
    const words = this.form.querySelector("[data-about]");
    if (words.textContent !== this.aboutWords) words.textContent = this.aboutWords;
  }

  /** Put what it is about into the form, just before it is sent. */
  fill(form) {
    const isTrack = !this.draft && form.querySelector("[data-track]")?.checked;
    const values = {
      frame: isTrack ? "" : String((this.draft?.frame ?? this.viewer.frame).id),
      track: isTrack ? String(this.track) : "",
      mark: this.draft ? JSON.stringify({ shape: this.draft.shape, points: this.draft.points }) : "",
    };
    for (const [name, value] of Object.entries(values)) {
      let field = form.querySelector(`input[name="${name}"]`);
      if (!field) {
        field = Object.assign(document.createElement("input"), { type: "hidden", name });
        form.append(field);
      }
      field.value = value;
    }
  }

  // ---- on the image ----------------------------------------------------------------------------

  /** Draw the marks that are switched on, and always the one that is being made. */
  draw(context, stage) {
    const { viewer } = this;
    const { geometry } = viewer.frame;
    const common = { ...this.colours, casing: viewer.theme.casing, rem: viewer.theme.rem, dash: [], taken: [] };
    this.drawn = [];
    for (const mark of viewer.show.marks ? this.marks : []) {
      const places = placesOf(mark, geometry);
      if (!places) continue;
      const look = {
        ...common,
        width: this.opened.has(mark.thread) ? 3 : 1.5,
        dash: mark.resolved ? [2, 3] : [],
        words: String(mark.thread),
        dot: mark.unread > 0 && !this.opened.has(mark.thread),
      };
      this.drawn.push({ thread: mark.thread, ...drawShape(context, stage, mark.shape, places, look) });
    }
    const unsent = { ...common, width: 2, dash: [5, 3] };
    const draft = this.draft && placesOf(this.draft, geometry);
    if (draft) drawShape(context, stage, this.draft.shape, draft, { ...unsent, words: "new" });
    if (this.drawing) {
      const { kind, places } = this.drawing;
      if (places.length === N_POINTS[kind]) drawShape(context, stage, kind, places, unsent);
      drawShape(context, stage, "point", [places.at(-1)], { ...common, width: 2 });
    }
  }
}

function dropButton() {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Remove mark" });
  button.dataset.dropMark = "";
  return button;
}

function trackBox(track) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox" });
  box.dataset.track = "";
  const label = document.createElement("label");
  label.append(box, ` about track ${track} as a whole`);
  return label;
}
