/**
 * The canvas that shows one image: zoom, pan, pinch, and where a point of the screen lies in it.
 *
 * Coordinates of the image are edges of native pixels: u to the west from 0 to nx, v to the north
 * from 0 to ny; pixel col covers u from col to col + 1. `scale` is CSS pixels for a native pixel.
 */

const MOST_SCALE = 64;
const LADDER = [1 / 8, 1 / 4, 1 / 2, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128];
const TAP_PX = 6;
const ENOUGH_FILLED = 0.7; // of the length that an exact fit would have
const SHARP_FROM = 2; // screen pixels a pixel, from which uneven pixels are no longer seen

export class Stage {
  /** Callbacks: `onPoint(u, v, kind)` with kind hover, tap or leave; `onView()`; `paintOver(context, stage)`. */
  constructor(canvas, { onPoint, onView, paintOver }) {
    Object.assign(this, { canvas, onPoint, onView, paintOver });
    this.context = canvas.getContext("2d");
    this.image = null;
    this.native = { nx: 1, ny: 1 };
    this.centre = { u: 0.5, v: 0.5 };
    this.scale = 1;
    this.fitted = true; // follows the size of the window until somebody zooms or pans
    this.dimmed = false;
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen();
    this.resize();
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  resize() {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(this.height * this.ratio));
    if (this.fitted) this.fit();
    this.draw();
  }

  /** Show an image (a canvas, or null for none) that covers `nx` by `ny` native pixels. */
  show(image, { nx, ny }) {
    const changed = nx !== this.native.nx || ny !== this.native.ny;
    this.image = image;
    this.native = { nx, ny };
    if (changed && this.fitted) this.fit();
    this.requestDraw();
  }

  /**
   * The largest whole multiple of the native pixel that shows all; one and a half where one
   * leaves much of the window empty; any fraction where the image is larger than the window.
   */
  get fitScale() {
    const exact = Math.min(this.width / this.native.nx, this.height / this.native.ny) * this.ratio;
    if (exact < 1) return Math.max(exact, 0.02) / this.ratio;
    const whole = Math.floor(exact);
    return (whole / exact < ENOUGH_FILLED ? Math.floor(2 * exact) / 2 : whole) / this.ratio;
  }

  fit() {
    this.fitted = true;
    this.scale = this.fitScale;
    this.centre = { u: this.native.nx / 2, v: this.native.ny / 2 };
    this.moved();
  }

  /** Take over a view, such as one from the address. */
  look({ u, v, scale }) {
    this.fitted = false;
    this.scale = scale;
    this.centre = { u, v };
    this.keepInside();
    this.moved();
  }

  toScreen(u, v) {
    return {
      x: this.width / 2 + (u - this.centre.u) * this.scale,
      y: this.height / 2 - (v - this.centre.v) * this.scale,
    };
  }

  toImage(x, y) {
    return {
      u: this.centre.u + (x - this.width / 2) / this.scale,
      v: this.centre.v - (y - this.height / 2) / this.scale,
    };
  }

  /** Zoom by a factor; the point of the image at (x, y) of the screen stays where it is. */
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const least = Math.min(this.fitScale, 1 / this.ratio) / 2;
    const scale = Math.min(MOST_SCALE, Math.max(least, this.scale * factor));
    const kept = this.toImage(x, y);
    this.scale = scale;
    const now = this.toImage(x, y);
    this.panBy((now.u - kept.u) * scale, -(now.v - kept.v) * scale);
  }

  /** To the next whole multiple of the native pixel, up (1) or down (-1). */
  zoomStep(way) {
    const shown = this.scale * this.ratio;
    const next = way > 0
      ? LADDER.find((step) => step > shown * 1.001)
      : LADDER.findLast((step) => step < shown / 1.001);
    if (next) this.zoomBy(next / shown);
  }

  panBy(dx, dy) {
    this.fitted = false;
    this.centre = { u: this.centre.u - dx / this.scale, v: this.centre.v + dy / this.scale };
    this.keepInside();
    this.moved();
  }

  /** Bring a point of the image into the middle when it is out of sight. */
  reveal(u, v, margin = 24) {
    const { x, y } = this.toScreen(u, v);
    if (x >= margin && y >= margin && x <= this.width - margin && y <= this.height - margin) return;
    this.panBy(this.width / 2 - x, this.height / 2 - y);
  }

  keepInside() {
    const clamp = (value, most) => Math.min(most, Math.max(0, value));
    this.centre = { u: clamp(this.centre.u, this.native.nx), v: clamp(this.centre.v, this.native.ny) };
  }

  moved() {
    this.requestDraw();
    this.onView();
  }

  requestDraw() {
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.pending);
    this.pending = null;
    const { context, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    if (this.image) this.drawImage();
    this.paintOver(context, this);
  }

  drawImage() {
    const { context, image, native, ratio } = this;
    const snap = (value) => Math.round(value * ratio) / ratio; // whole screen pixels stay sharp
    const corner = this.toScreen(0, native.ny);
    context.globalAlpha = this.dimmed ? 0.35 : 1;
    const times = (this.scale * ratio * native.nx) / image.width;
    context.imageSmoothingEnabled = times < SHARP_FROM && times !== 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, snap(corner.x), snap(corner.y), native.nx * this.scale, native.ny * this.scale);
    context.globalAlpha = 1;
  }

  listen() {
    const { canvas } = this;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = place(event);
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, { ...place(event), from: place(event) });
      this.tapping = this.pointers.size === 1;
    });
    canvas.addEventListener("pointermove", (event) => this.pointerMoved(event, place(event)));
    const end = (event) => {
      const { x, y } = place(event);
      this.pointers.delete(event.pointerId);
      if (event.type === "pointerup" && this.tapping) this.point(x, y, "tap");
      if (!this.pointers.size) canvas.classList.remove("is-dragged");
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.onPoint(NaN, NaN, "leave"); // a finger leaves after each tap
    });
  }

  pointerMoved(event, at) {
    const was = this.pointers.get(event.pointerId);
    if (!was) {
      if (event.pointerType === "mouse" || event.pointerType === "pen") this.point(at.x, at.y, "hover");
      return;
    }
    if (Math.hypot(at.x - was.from.x, at.y - was.from.y) > TAP_PX) this.tapping = false;
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.zoomBy(spread(at) / spread(was), (at.x + other.x) / 2, (at.y + other.y) / 2);
      this.panBy((at.x - was.x) / 2, (at.y - was.y) / 2);
    } else if (!this.tapping) {
      this.canvas.classList.add("is-dragged");
      this.panBy(at.x - was.x, at.y - was.y);
    }
    this.pointers.set(event.pointerId, { ...at, from: was.from });
  }

  point(x, y, kind) {
    const { u, v } = this.toImage(x, y);
    this.onPoint(u, v, kind);
  }
}
