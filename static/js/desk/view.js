/**
 * Where all pictures of the strip look, and how large a pixel is: one view for every frame.
 *
 * `row` and `col` are the middle, in pixels of the grid of labels (pixel centres are whole);
 * `wish` is screen pixels for one of its pixels. From one on a pixel is shown at a whole
 * multiple, so that none is wider than its neighbour.
 */

const LADDER = [1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48];
const [LEAST, MOST] = [LADDER[0], LADDER.at(-1)];

export class View {
  /** `home` is { row, col, half }: what the view goes back to; `onChange()` when it has changed. */
  constructor(home, onChange) {
    this.home = home;
    this.onChange = onChange;
    this.size = { width: 264, height: 264 };
    this.goHome();
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  /** Screen pixels for a pixel as shown. */
  get times() {
    return this.wish < 1 ? this.wish : Math.floor(this.wish + 1e-6);
  }

  /** CSS pixels for a pixel as shown. */
  get scale() {
    return this.times / this.ratio;
  }

  /** All of the event's own pores, as large as they fit. */
  reset() {
    this.goHome();
    this.onChange();
  }

  goHome() {
    this.isHome = true;
    this.row = Math.floor(this.home.row);
    this.col = Math.floor(this.home.col);
    this.fit();
  }

  fit() {
    const { width, height } = this.size;
    const fitting = (Math.min(width, height) * this.ratio) / (2 * this.home.half + 1);
    this.wish = Math.min(MOST, Math.max(LEAST, fitting < 1 ? fitting : Math.floor(fitting)));
  }

  /** The pictures have another size now. */
  resize(width, height) {
    if (!width || (width === this.size.width && height === this.size.height)) return;
    this.size = { width, height };
    if (this.isHome) this.fit();
  }

  /** Where the corner (0, 0) of the grid of labels lies in a picture, north up, and CSS pixels for a pixel. */
  get place() {
    const snap = (value) => Math.round(value * this.ratio) / this.ratio;
    const { width, height } = this.size;
    return {
      x: snap(width / 2 - (this.col + 0.5) * this.scale),
      y: snap(height / 2 + (this.row + 0.5) * this.scale),
      scale: this.scale,
    };
  }

  /** Edges of the grid of labels to a place in the picture. */
  toPicture(row, col) {
    const { x, y, scale } = this.place;
    return { x: x + (col + 0.5) * scale, y: y - (row + 0.5) * scale };
  }

  toGrid(x, y) {
    const { x: left, y: bottom, scale } = this.place;
    return { row: (bottom - y) / scale - 0.5, col: (x - left) / scale - 0.5 };
  }

  panBy(dx, dy) {
    this.isHome = false;
    this.col -= dx / this.scale;
    this.row += dy / this.scale;
    this.onChange();
  }

  /** Zoom by a factor; what lies at (x, y) of the picture stays there. */
  zoomBy(factor, x = this.size.width / 2, y = this.size.height / 2) {
    this.zoomTo(this.wish * factor, x, y);
  }

  /** One step of the ladder up (1) or down (-1). */
  zoomStep(way) {
    const { times } = this;
    const next = way > 0 ? LADDER.find((step) => step > times * 1.001) : LADDER.findLast((step) => step < times / 1.001);
    if (next) this.zoomTo(next, this.size.width / 2, this.size.height / 2);
  }

  zoomTo(wish, x, y) {
    const kept = this.toGrid(x, y);
    this.wish = Math.min(MOST, Math.max(LEAST, wish));
    const now = this.toGrid(x, y);
    this.isHome = false;
    this.row += kept.row - now.row;
    this.col += kept.col - now.col;
    this.onChange();
  }
}
