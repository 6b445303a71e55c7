/**
 * What part of the lineage is in the window: zoom and pan, separately across (time) and down (lanes).
 *
 * `scaleX` is CSS pixels a slot, `scaleY` a lane; (`left`, `top`) is the slot and lane at the upper
 * left corner of the picture, below the line of time.
 */

export const AXIS = 34; // CSS pixels above the picture for the line of time
const MOST_X = 48;
const MOST_Y = 96;
const LEAST_Y = 1.5;
const USUAL_Y = 34; // a lane needs no more to be read, so that few lanes do not fill a high window
const EDGE = 1.5; // slots and lanes left free round everything

const clamp = (value, least, most) => Math.min(Math.max(value, least), Math.max(least, most));

export class View {
  constructor(lineage) {
    this.width = 1;
    this.height = 1;
    this.fitted = true;
    this.take(lineage);
  }

  /** Show another state of the lineage in the same part of it. */
  take(lineage) {
    this.lineage = lineage;
    if (this.fitted) this.fit();
    else this.keepInside();
  }

  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height - AXIS);
    if (this.fitted) this.fit();
    else this.keepInside();
  }

  get fitX() {
    return this.width / (this.lineage.lastX + 2 * EDGE);
  }

  get fitY() {
    return clamp(this.height / (this.lineage.nLanes + 2 * EDGE), LEAST_Y, USUAL_Y);
  }

  fit() {
    this.fitted = true;
    this.scaleX = Math.min(this.fitX, MOST_X);
    this.scaleY = this.fitY;
    this.left = -EDGE;
    this.top = -EDGE;
    this.keepInside();
  }

  /** Slots and lanes to CSS pixels. */
  toX(x) {
    return (x - this.left) * this.scaleX;
  }

  toY(lane) {
    return AXIS + (lane - this.top) * this.scaleY;
  }

  /** CSS pixels to slots and lanes. */
  at(px, py) {
    return { x: this.left + px / this.scaleX, lane: this.top + (py - AXIS) / this.scaleY };
  }

  /** First and last slot that is seen. */
  get spanX() {
    return [this.left, this.left + this.width / this.scaleX];
  }

  get spanY() {
    return [this.top, this.top + this.height / this.scaleY];
  }

  /** Whether a point of slots and lanes is in the window. */
  holds({ x, lane }) {
    const [[x0, x1], [lane0, lane1]] = [this.spanX, this.spanY];
    return x >= x0 && x <= x1 && lane >= lane0 && lane <= lane1;
  }

  /** Zoom by factors across and down; the point under (px, py) stays where it is. */
  zoomBy(factorX, factorY, px = this.width / 2, py = AXIS + this.height / 2) {
    const kept = this.at(px, py);
    this.scaleX = clamp(this.scaleX * factorX, Math.min(this.fitX, MOST_X), MOST_X);
    this.scaleY = clamp(this.scaleY * factorY, Math.min(this.fitY, LEAST_Y), MOST_Y);
    this.left = kept.x - px / this.scaleX;
    this.top = kept.lane - (py - AXIS) / this.scaleY;
    this.fitted = false;
    this.keepInside();
  }

  panBy(dx, dy) {
    this.left -= dx / this.scaleX;
    this.top -= dy / this.scaleY;
    this.fitted = false;
    this.keepInside();
  }

  /** Take over a part of it, such as one from the address; what is null stays. */
  look({ centre, scaleX, top, scaleY }) {
    if (scaleX) this.scaleX = clamp(scaleX, Math.min(this.fitX, MOST_X), MOST_X);
    if (scaleY) this.scaleY = clamp(scaleY, Math.min(this.fitY, LEAST_Y), MOST_Y);
    if (centre !== null) this.left = centre - this.width / this.scaleX / 2;
    if (top !== null) this.top = top;
    this.fitted = false;
    this.keepInside();
  }

  /** Bring slots and lanes into the window, moving as little as it takes; `margin` in CSS pixels. */
  reveal([x0, x1], [lane0, lane1], margin = 40) {
    const shift = (low, high, from, to, scale) => {
      const room = Math.min(margin / scale, Math.max(0, (to - from - (high - low)) / 2));
      if (high - low > to - from || low < from + room) return low - room - from;
      return high > to - room ? high + room - to : 0;
    };
    const [dx, dy] = [
      shift(x0, x1, ...this.spanX, this.scaleX), shift(lane0, lane1, ...this.spanY, this.scaleY),
    ];
    if (dx || dy) this.panBy(-dx * this.scaleX, -dy * this.scaleY);
  }

  keepInside() {
    const [wide, high] = [this.width / this.scaleX, this.height / this.scaleY];
    this.left = clamp(this.left, -EDGE, this.lineage.lastX + EDGE - wide);
    this.top = clamp(this.top, -EDGE, this.lineage.nLanes + EDGE - high);
  }
}
