/** The filmstrip: pictures of the frames around the event, more of them on either side, drawn when seen. */

import { drawWords } from "../viewer/canvas.js";
import { onThemeChange, readTheme } from "../viewer/theme.js";
import { drawArrows } from "./arrows.js";
import { drawPicture } from "./picture.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST_ONION = 5;
const NEAR_END_PX = 8;
const MORE = 3;

export class Strip {
  /**
   * `maps`, `pores`, `view`; `markup(frame)` gives a list item for a frame that the page did not bring;
   * `onRange(first, last)` is called when other frames are shown; `overlay` (set by others) has
   * names, cursor, first, spurious, added, removed, isBusy (a pore is asked for): what a correction puts on the pictures.
   */
  constructor(host, { data, maps, pores, view, markup, onRange = () => {} }) {
    Object.assign(this, { host, data, maps, pores, view, markup, onRange });
    this.list = host.querySelector("ol");
    this.frames = data.frames;
    this.cells = new Map();
    this.layer = data.layers[0].key;
    this.onion = 0;
    this.blend = false;
    this.hovered = null;
    this.overlay = { names: new Map(), cursor: null, first: null, spurious: new Set(), added: [], removed: [], isBusy: false };
    this.theme = readTheme();
    this.sheet = document.createElementNS(SVG, "svg");
    this.sheet.setAttribute("class", "filmstrip-links");
    this.sheet.setAttribute("aria-hidden", "true"); // the table of links says the same in words
    host.append(this.sheet);
    for (const item of this.list.children) this.adopt(item);
    this.listen();
  }

  get first() {
    return Math.min(...this.cells.keys());
  }

  get last() {
    return Math.max(...this.cells.keys());
  }

  adopt(item) {
    const canvas = item.querySelector("canvas");
    const index = Number(item.dataset.index);
    const words = canvas.getAttribute("aria-label");
    this.cells.set(index, { item, canvas, words, frame: this.pores.frames.get(index), seen: false });
    this.watcher?.observe(canvas);
  }

  listen() {
    this.watcher = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        const cell = this.cellOf(target);
        if (cell) cell.seen = isIntersecting;
      }
      this.requestDraw();
    }, { rootMargin: "200px 400px" });
    for (const { canvas } of this.cells.values()) this.watcher.observe(canvas);
    onThemeChange(() => {
      this.theme = readTheme();
      this.requestDraw();
    });
    new ResizeObserver(() => this.requestDraw()).observe(this.list);
    this.host.addEventListener("scroll", () => this.scrolled(), { passive: true });
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) {
      this.host.addEventListener(kind, () => { this.byHand = true; }, { passive: true });
    }
  }

  cellOf(canvas) {
    return this.cells.get(Number(canvas.closest("li")?.dataset.index));
  }

  /** Who scrolls to an end by hand gets more frames there. */
  scrolled() {
    const { scrollLeft, scrollWidth, clientWidth } = this.host;
    if (!this.byHand || scrollWidth <= clientWidth) return;
    if (scrollLeft < NEAR_END_PX) this.extend(-1);
    else if (scrollLeft > scrollWidth - clientWidth - NEAR_END_PX) this.extend(1);
  }

  /** So many more frames before (way -1) or after (1); returns how many there were. */
  extend(way, number = MORE) {
    return way < 0 ? this.show(this.first - number, this.last) : this.show(this.first, this.last + number);
  }

  /** Show these frames too; returns how many pictures that adds. What is in sight stays where it is. */
  show(first, last) {
    const missing = this.frames.filter(({ index }) => index >= first && index <= last && !this.cells.has(index));
    const before = this.host.scrollWidth;
    const earlier = missing.filter(({ index }) => index < this.first);
    for (const frame of missing) {
      const item = this.markup(frame);
      const next = [...this.list.children].find((other) => Number(other.dataset.index) > frame.index);
      this.list.insertBefore(item, next ?? null);
      this.adopt(item);
      this.pores.load(frame.index).then(() => this.requestDraw(), () => {}); // the picture says what is wrong
    }
    if (earlier.length) this.host.scrollLeft += this.host.scrollWidth - before;
    if (missing.length) this.onRange(this.first, this.last);
    this.requestDraw();
    return missing.length;
  }

  /** Bring a frame into the middle, with the frames between when it was not shown. */
  centreOn(index, { smooth = false } = {}) {
    const near = this.frames.reduce((best, { index: at }) => (Math.abs(at - index) < Math.abs(best - index) ? at : best), this.frames[0].index);
    this.show(Math.min(near - MORE, this.first), Math.max(near + MORE - 1, this.last)); // so that it can be in the middle
    const { item } = this.cells.get(near);
    this.byHand = false;
    const left = item.offsetLeft - (this.host.clientWidth - item.clientWidth) / 2;
    this.host.scrollTo({ left, behavior: smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches ? "smooth" : "auto" });
    for (const [at, cell] of this.cells) cell.item.classList.toggle("is-cursor", at === near);
    return near;
  }

  /** Have the frame of a pore among those shown. */
  include(pore) {
    if (pore) this.show(Math.min(this.first, pore.index), Math.max(this.last, pore.index));
  }

  /** Have a pore in sight: its frame, and its place in the picture. */
  reveal(pore) {
    const { item } = this.cells.get(pore.index);
    item.scrollIntoView({ block: "nearest", inline: "nearest" });
    const { x, y } = this.view.toPicture(pore.row, pore.col);
    const { width, height } = this.view.size;
    if (x < 8 || y < 8 || x > width - 8 || y > height - 8) this.view.panBy(width / 2 - x, height / 2 - y);
    this.requestDraw();
  }

  showLayer(key) {
    this.layer = key;
    this.requestDraw();
  }

  /** Frames in the onion skin, 0 to 5; returns how many there are now. */
  setOnion(number) {
    this.onion = Math.max(0, Math.min(MOST_ONION, number));
    this.requestDraw();
    return this.onion;
  }

  requestDraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  draw() {
    const any = this.cells.values().next().value?.canvas;
    if (!any) return;
    this.view.resize(any.clientWidth, any.clientHeight);
    for (const cell of this.cells.values()) if (cell.seen) this.drawCell(cell);
    this.sheet.setAttribute("width", this.list.offsetWidth);
    this.sheet.setAttribute("height", this.list.offsetHeight);
    const { added, removed, isBusy } = this.overlay;
    this.sheet.classList.toggle("is-behind", isBusy); // the names to pick by stand above
    drawArrows(this.sheet, { pores: this.pores, view: this.view, cells: this.cells, theme: this.theme, added, removed, all: isBusy });
  }

  /** What a picture needs, when it is all there; else it is fetched, and drawn then. */
  drawCell(cell) {
    const { frame } = cell;
    if (frame.reason) {
      drawWords(cell.canvas, `No pores here: ${frame.reason}`, this.theme);
      return;
    }
    const parts = this.partsOf(frame);
    const key = `${this.layer} ${this.onion} ${this.blend}`;
    if (cell.problem && cell.asked === key) drawWords(cell.canvas, cell.problem, this.theme);
    else if (cell.ready?.key === key) this.paint(cell, cell.ready);
    else if (cell.asked !== key) {
      cell.asked = key;
      cell.problem = null;
      Promise.all(parts).then((found) => this.arrived(cell, key, found), (problem) => this.failed(cell, key, problem));
    }
    if (cell.ready && cell.ready.key !== key) this.paint(cell, cell.ready); // the old until the new is there
  }

  /** Promises: the map, labels, and the same of each frame of the onion skin (null where there is none). */
  partsOf(frame) {
    const at = this.frames.indexOf(frame);
    const before = this.frames.slice(Math.max(0, at - this.onion), at).reverse().filter(({ reason }) => !reason);
    const onion = before.map(async (other) => {
      await this.pores.load(other.index);
      const map = this.blend ? await this.maps.picture(other, this.layer) : null;
      return { map, labels: this.blend ? null : await this.maps.labels(other), index: other.index };
    });
    const skin = Promise.all(onion.map((one) => one.catch(() => null)));
    return [this.maps.picture(frame, this.layer), this.maps.labels(frame).catch(() => null), skin];
  }

  arrived(cell, key, [map, labels, onion]) {
    if (cell.asked !== key) return;
    cell.ready = { key, map, labels, onion: onion.filter(Boolean) };
    cell.canvas.setAttribute("aria-label", cell.words);
    this.requestDraw();
  }

  failed(cell, key, problem) {
    if (cell.asked !== key) return;
    cell.ready = null;
    cell.problem = problem.message;
    drawWords(cell.canvas, cell.problem, this.theme);
    cell.canvas.setAttribute("aria-label", `${cell.words}: ${problem.message}`);
  }

  paint(cell, { map, labels, onion }) {
    const { names, cursor, first, spurious } = this.overlay;
    const poresOf = (index) => this.pores.byFrame.get(index) ?? [];
    drawPicture(cell.canvas, this.view, {
      map, labels, blend: this.blend, names, cursor, first, spurious, hovered: this.hovered,
      pores: poresOf(cell.frame.index),
      onion: onion.map((frame) => ({ ...frame, pores: poresOf(frame.index) })),
      sideMm: cell.frame.index === this.data.event.index ? this.data.pixel_mm : null,
    }, { theme: this.theme, roleOf: (pore) => this.pores.roleOf(pore) });
  }

  /** The pore at a place of a picture: under the point, else the nearest within a finger's breadth; or null. */
  poreAt({ canvas, x, y }) {
    const cell = this.cellOf(canvas);
    const away = (pore) => {
      const at = this.view.toPicture(pore.row, pore.col);
      return Math.hypot(at.x - x, at.y - y) - pore.radius * this.view.scale;
    };
    const near = (this.pores.byFrame.get(cell?.frame.index) ?? []).map((pore) => ({ pore, apart: away(pore) }));
    const best = near.reduce((a, b) => (a && a.apart <= b.apart ? a : b), null);
    return best && best.apart < 12 ? best.pore : null;
  }
}
