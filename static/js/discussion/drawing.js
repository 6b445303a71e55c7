/** A mark while it is drawn, by pointer or by keys: points that stand, and the one that moves. */

import { N_POINTS } from "./shapes.js";

const TAP_PX = 6;
const FIRST_SIZE = 10; // native pixels from the first point to where the second one begins

const HINTS = {
  point: ["Point"],
  rectangle: ["Rectangle, one corner", "Rectangle, opposite corner"],
  circle: ["Circle, its centre", "Circle, its rim"],
  arrow: ["Arrow, its tail", "Arrow, its head"],
};

export class Drawing {
  /** `at` is where the keyboard begins, `shape` [ny, nx] what the points stay inside, in native pixels. */
  constructor(kind, at, [ny, nx]) {
    Object.assign(this, { kind, ny, nx });
    this.standing = [];
    this.moveTo(at);
  }

  get isWhole() {
    return this.standing.length === N_POINTS[this.kind];
  }

  /** Where its points are; one that has just been begun is a single place. */
  get places() {
    return this.isWhole ? this.standing : [...this.standing, this.moving];
  }

  get hint() {
    const part = HINTS[this.kind][this.standing.length] ?? "";
    const drag = N_POINTS[this.kind] > 1 ? "drag on" : "press";
    return `${part}: ${drag} the image, or move it with the arrow keys and set it with Enter. Esc leaves.`;
  }

  moveTo({ u, v }) {
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    this.moving = { u: inside(u, this.nx), v: inside(v, this.ny) };
  }

  moveBy(du, dv) {
    this.moveTo({ u: this.moving.u + du, v: this.moving.v + dv });
  }

  /** Let the moving point stand; the next one begins there, or so far from it that it can be seen. */
  set({ apart = false } = {}) {
    this.standing.push(this.moving);
    if (!this.isWhole && apart) this.moveBy(this.moving.u + FIRST_SIZE > this.nx ? -FIRST_SIZE : FIRST_SIZE, 0);
  }
}

/**
 * Draw with mouse, pen or finger: press for a point; for two points drag, or press twice.
 *
 * `drawing()` is the one at hand or null; events that belong to it do not reach the stage.
 */
export function listenForPointer(stage, { drawing, onMove, onWhole }) {
  let from = null;
  const host = stage.canvas.parentElement;
  const place = (event) => {
    const box = stage.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const on = (type, act) => host.addEventListener(type, (event) => {
    const current = drawing();
    if (current && event.target === stage.canvas) act(current, event, place(event));
  }, { capture: true });

  on("pointerdown", (current, event, at) => {
    event.stopPropagation();
    if (from || event.button > 0) return; // one finger draws
    stage.canvas.setPointerCapture(event.pointerId);
    current.moveTo(stage.toImage(at.x, at.y));
    const begins = N_POINTS[current.kind] > 1 && !current.standing.length;
    from = { id: event.pointerId, ...at, begins };
    if (begins) current.set();
    onMove();
  });
  on("pointermove", (current, event, at) => {
    if (from && from.id !== event.pointerId) return;
    if (from) event.stopPropagation();
    if (!from && !(event.pointerType === "mouse" && current.standing.length)) return;
    current.moveTo(stage.toImage(at.x, at.y));
    onMove();
  });
  on("pointerup", (current, event, at) => {
    if (from?.id !== event.pointerId) return;
    event.stopPropagation();
    const dragged = Math.hypot(at.x - from.x, at.y - from.y) > TAP_PX;
    const isSet = dragged || !from.begins; // a press alone begins; the next one ends
    from = null;
    if (!isSet) return;
    current.set();
    onWhole();
  });
  on("pointercancel", () => { from = null; });
}
