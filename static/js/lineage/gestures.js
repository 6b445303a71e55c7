/** Wheel, drag, pinch and brush on the canvas. */

import { AXIS } from "./view.js";

const TAP_PX = 6;

/**
 * Callbacks: zoom(factorX, factorY, px, py), pan(dx, dy), point(px, py), leave(), tap(px, py),
 * brush(px0, px1) for a drag along the line of time, brushed() when it ends.
 */
export function listenForGestures(canvas, calls) {
  const pointers = new Map();
  let tapping = false;
  let brushFrom = null;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = place(event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && !event.shiftKey) {
      calls.pan(-event.deltaX * lines, 0);
      return;
    }
    const turn = (event.deltaY || event.deltaX) * lines; // with Shift some systems turn the wheel sideways
    const factor = Math.exp(-turn * (event.ctrlKey ? 0.01 : 0.0015));
    if (event.shiftKey) calls.zoom(1, factor, x, y);
    else calls.zoom(factor, event.ctrlKey ? factor : 1, x, y);
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    pointers.set(event.pointerId, { ...at, from: at });
    tapping = pointers.size === 1;
    brushFrom = tapping && at.y < AXIS ? at.x : null;
  });

  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    const was = pointers.get(event.pointerId);
    if (!was) {
      canvas.classList.toggle("is-over-time", at.y < AXIS);
      if (event.pointerType !== "touch") calls.point(at.x, at.y);
      return;
    }
    if (Math.hypot(at.x - was.from.x, at.y - was.from.y) > TAP_PX) tapping = false;
    const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(at, was, other);
    else if (!tapping && brushFrom !== null) calls.brush(brushFrom, at.x);
    else if (!tapping) {
      canvas.classList.add("is-dragged");
      calls.pan(at.x - was.x, at.y - was.y);
    }
    pointers.set(event.pointerId, { ...at, from: was.from });
  });

  /** Two fingers zoom each way by how far they part each way. */
  function pinch(at, was, other) {
    brushFrom = null;
    const factor = (axis) => {
      const [now, before] = [Math.abs(at[axis] - other[axis]), Math.abs(was[axis] - other[axis])];
      return before > 24 && now > 24 ? now / before : 1;
    };
    calls.zoom(factor("x"), factor("y"), (at.x + other.x) / 2, (at.y + other.y) / 2);
    calls.pan((at.x - was.x) / 2, (at.y - was.y) / 2);
  }

  const end = (event) => {
    const { x, y } = place(event);
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && tapping) calls.tap(x, y);
    else if (brushFrom !== null) calls.brushed();
    if (!pointers.size) {
      canvas.classList.remove("is-dragged");
      brushFrom = null;
    }
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") calls.leave();
  });
}
