/** Mouse, wheel, fingers and arrow keys on the strip: they move and zoom the view, or point at a picture. */

const TAP_PX = 6;
const PAN_PX = 40;

/** Where an event lies in the picture that it is on: { canvas, x, y }, or null beside the pictures. */
function pointOf({ target, clientX, clientY }) {
  const canvas = target instanceof Element ? target.closest("canvas[data-filmstrip]") : null;
  if (!canvas) return null;
  const box = canvas.getBoundingClientRect();
  return { canvas, x: clientX - box.left - canvas.clientLeft, y: clientY - box.top - canvas.clientTop };
}

/** Listen on the strip. `onPoint(point, kind)` with kind hover, tap or leave; `point` is null for leave. */
export function listenToStrip(host, view, { onPoint }) {
  listenToWheel(host, view);
  listenToMouse(host, view, onPoint);
  listenToFingers(host, view, onPoint);
}

function listenToWheel(host, view) {
  host.addEventListener("wheel", (event) => {
    const at = pointOf(event);
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!at || sideways) return; // the strip itself scrolls
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    view.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), at.x, at.y);
  }, { passive: false });
}

function listenToMouse(host, view, onPoint) {
  let drag = null;
  host.addEventListener("pointerdown", (event) => {
    const at = pointOf(event);
    if (!at || event.pointerType === "touch" || event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, moved: 0 };
    at.canvas.setPointerCapture(event.pointerId);
  });
  host.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    if (!drag) {
      const at = pointOf(event);
      onPoint(at, at ? "hover" : "leave");
      return;
    }
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved = Math.max(drag.moved, Math.hypot(dx, dy));
    if (drag.moved <= TAP_PX) return;
    host.classList.add("is-dragged");
    view.panBy(dx, dy);
    Object.assign(drag, { x: event.clientX, y: event.clientY });
    drag.moved = Infinity;
  });
  const end = (event) => {
    if (drag && event.type === "pointerup" && drag.moved <= TAP_PX) onPoint(pointOf(event), "tap");
    drag = null;
    host.classList.remove("is-dragged");
  };
  host.addEventListener("pointerup", end);
  host.addEventListener("pointercancel", end);
  host.addEventListener("pointerleave", () => onPoint(null, "leave"));
}

/** One finger scrolls strip and page, as everywhere, and taps; two move and zoom the pictures. */
function listenToFingers(host, view, onPoint) {
  let last = null;
  let tap = null;
  const pairOf = ({ touches }, canvas) => {
    const box = canvas.getBoundingClientRect();
    const [a, b] = touches;
    return {
      canvas,
      x: (a.clientX + b.clientX) / 2 - box.left,
      y: (a.clientY + b.clientY) / 2 - box.top,
      spread: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1,
    };
  };
  host.addEventListener("touchstart", (event) => {
    const at = pointOf({ target: event.target, ...pick(event.touches[0]) });
    tap = event.touches.length === 1 && at ? { ...at, ...pick(event.touches[0]) } : null;
    if (event.touches.length !== 2 || !at) return;
    event.preventDefault();
    last = pairOf(event, at.canvas);
  }, { passive: false });
  host.addEventListener("touchmove", (event) => {
    const { clientX, clientY } = event.touches[0];
    if (tap && Math.hypot(clientX - tap.clientX, clientY - tap.clientY) > TAP_PX) tap = null;
    if (!last || event.touches.length !== 2) return;
    event.preventDefault();
    const now = pairOf(event, last.canvas);
    view.panBy(now.x - last.x, now.y - last.y);
    view.zoomBy(now.spread / last.spread, now.x, now.y);
    last = now;
  }, { passive: false });
  const end = (event) => {
    if (event.type === "touchend" && tap && !event.touches.length) onPoint(tap, "tap");
    tap = null;
    if (event.touches.length < 2) last = null;
  };
  host.addEventListener("touchend", end);
  host.addEventListener("touchcancel", end);
}

const pick = ({ clientX, clientY }) => ({ clientX, clientY });

/** What a key does to the view; returns whether it did anything. */
export function moveByKey(event, view) {
  const far = event.shiftKey ? 4 * PAN_PX : PAN_PX;
  const moves = {
    ArrowLeft: () => view.panBy(far, 0),
    ArrowRight: () => view.panBy(-far, 0),
    ArrowUp: () => view.panBy(0, far),
    ArrowDown: () => view.panBy(0, -far),
    "+": () => view.zoomStep(1),
    "=": () => view.zoomStep(1),
    "-": () => view.zoomStep(-1),
    0: () => view.reset(),
  };
  if (!Object.hasOwn(moves, event.key)) return false;
  moves[event.key]();
  return true;
}
