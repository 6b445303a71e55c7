/**
 * The canvas: what changes seldom (ribbons, links) is kept as a picture somewhat larger than the
 * window, what changes often (marks, numbers, cursor) is drawn over it each time.
 *
 * While somebody zooms or pans and a new picture takes too long, the one that is there is moved
 * and stretched, and made anew when the hand rests.
 */

import { drawAxis, drawCursor, drawGaps, drawRange } from "./axis.js";
import { drawMarks } from "./marks.js";
import { drawNumbers, drawSelection } from "./numbers.js";
import { drawRibbons } from "./ribbons.js";
import { AXIS } from "./view.js";

const MARGIN = 0.35; // of the window, on each side
const SLOW_MS = 9;
const REST_MS = 110;

export class Stage {
  /** `scene()` gives what is to be drawn: lineage, view, theme, hue, range, place, selected, selectedEvent. */
  constructor(canvas, scene, { onResize }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.scene = scene;
    this.kept = null;
    this.cost = 0;
    this.times = []; // milliseconds of the last drawings, for whoever measures
    new ResizeObserver(() => {
      this.resize();
      onResize();
    }).observe(canvas);
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
    this.kept = null;
  }

  /** Draw at the next occasion; `fresh` when more than the view, the cursor or the range has changed. */
  request({ fresh = false } = {}) {
    if (fresh) this.kept = null;
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  /** Somebody's hand is at it: until it rests a stretched picture will do. */
  touch() {
    this.touchedAt = performance.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.request(), REST_MS + 10);
    this.request();
  }

  draw() {
    this.pending = null;
    const start = performance.now();
    const scene = this.scene();
    if (!scene) return;
    const { context, ratio } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    drawGaps(context, scene);
    this.drawKept(scene);
    context.save();
    context.beginPath();
    context.rect(0, AXIS, this.width, this.height - AXIS);
    context.clip();
    drawSelection(context, scene);
    drawNumbers(context, scene);
    drawMarks(context, scene);
    context.restore();
    drawAxis(context, scene);
    drawRange(context, scene);
    drawCursor(context, scene);
    this.times.push(performance.now() - start);
    if (this.times.length > 200) this.times.shift();
  }

  drawKept(scene) {
    const { view } = scene;
    const isTouched = performance.now() - (this.touchedAt ?? -Infinity) < REST_MS;
    if (!this.fits(view) && !(this.kept && isTouched && this.cost > SLOW_MS)) this.keep(scene);
    const { kept, context } = this;
    const across = view.scaleX / kept.scaleX;
    const down = view.scaleY / kept.scaleY;
    context.save();
    context.beginPath();
    context.rect(0, AXIS, this.width, this.height - AXIS);
    context.clip();
    context.drawImage(
      kept.image, view.toX(kept.left), view.toY(kept.top),
      (kept.image.width / this.ratio) * across, (kept.image.height / this.ratio) * down,
    );
    context.restore();
  }

  /** Whether the kept picture shows all of the window, at its scale. */
  fits(view) {
    const { kept } = this;
    if (!kept || kept.scaleX !== view.scaleX || kept.scaleY !== view.scaleY) return false;
    const [[x0, x1], [lane0, lane1]] = [view.spanX, view.spanY];
    return kept.left <= x0 && kept.right >= x1 && kept.top <= lane0 && kept.bottom >= lane1;
  }

  keep(scene) {
    const start = performance.now();
    const { view } = scene;
    const { ratio } = this;
    const [marginX, marginY] = [view.width * MARGIN, view.height * MARGIN];
    const [width, height] = [view.width + 2 * marginX, view.height + 2 * marginY];
    const image = this.kept?.image ?? document.createElement("canvas");
    image.width = Math.ceil(width * ratio);
    image.height = Math.ceil(height * ratio);
    const { scaleX, scaleY } = view;
    const [left, top] = [view.left - marginX / scaleX, view.top - marginY / scaleY];
    const [right, bottom] = [left + width / scaleX, top + height / scaleY];
    const context = image.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const part = { scaleX, scaleY, toX: (x) => (x - left) * scaleX, toY: (lane) => (lane - top) * scaleY };
    drawRibbons(context, { ...scene, view: part }, [[left, right], [top, bottom]]);
    this.kept = { image, left, top, right, bottom, scaleX, scaleY };
    this.cost = performance.now() - start;
  }
}
