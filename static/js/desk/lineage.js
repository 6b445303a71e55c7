/** The drawing of the lineage and the curves: they steer the filmstrip, and mark the frames that it shows. */

export class Lineage {
  /** `data.lineage.x`: where each frame stands on the drawing; `strip`; `follow` (checkbox), `slider`, `words`. */
  constructor(drawing, { data, strip, follow, slider, words }) {
    Object.assign(this, { drawing, data, strip, follow, slider, words });
    this.places = data.frames.map(({ index }) => ({ index, x: data.lineage.x[index] }));
    const [first, last] = [this.places[0], this.places.at(-1)];
    this.ends = { from: first.x, span: last.x - first.x || 1 };
    Object.assign(slider, { min: first.index, max: last.index, value: data.event.index });
    this.listen();
    this.point(data.event.index);
  }

  listen() {
    this.slider.addEventListener("input", () => {
      this.point(Number(this.slider.value));
      if (this.follow.checked) this.steer(Number(this.slider.value));
    });
    this.slider.addEventListener("change", () => this.steer(Number(this.slider.value)));
    this.drawing.addEventListener("click", (event) => this.clicked(event));
    for (const plot of document.querySelectorAll("svg.plot")) {
      const { left, right } = plot.querySelector("[data-shown]").dataset;
      plot.addEventListener("click", (event) => {
        const at = (this.across(plot, event) - left) / (right - left);
        this.steer(this.nearest(this.ends.from + at * this.ends.span));
      });
    }
    this.strip.host.addEventListener("scroll", () => {
      if (this.follow.checked) this.pending ??= requestAnimationFrame(() => this.followStrip());
    }, { passive: true });
  }

  /** Where a click lies across a drawing, in its own units. */
  across(drawing, { clientX }) {
    const box = drawing.getBoundingClientRect();
    return ((clientX - box.left) / box.width) * drawing.viewBox.baseVal.width;
  }

  nearest(x) {
    return this.places.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a)).index;
  }

  clicked(event) {
    const mark = event.target.closest("[data-steer]");
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opens the event
    if (mark) event.preventDefault();
    this.steer(mark ? Number(mark.dataset.steer) : this.nearest(this.across(this.drawing, event)));
  }

  /** Show a frame in the strip. */
  steer(index) {
    this.point(this.strip.centreOn(index, { smooth: true }));
  }

  /** The cursor goes where the strip is, when it was moved by hand. */
  followStrip() {
    this.pending = null;
    const { host, cells, byHand } = this.strip;
    if (!byHand || host.scrollWidth <= host.clientWidth + 1) return;
    const middle = host.scrollLeft + host.clientWidth / 2;
    const away = ({ item }) => Math.abs(item.offsetLeft + item.clientWidth / 2 - middle);
    const nearest = [...cells.values()].reduce((a, b) => (away(b) < away(a) ? b : a));
    this.point(nearest.frame.index);
  }

  /** Put the cursor on a frame. */
  point(index) {
    const frame = this.data.frames.find((other) => other.index === index);
    const line = this.drawing.querySelector("#lineage-cursor");
    for (const end of ["x1", "x2"]) line.setAttribute(end, this.data.lineage.x[index]);
    this.slider.value = index;
    this.words.textContent = `${index + 1}, ${frame.t_rec}`;
    this.slider.setAttribute("aria-valuetext", `Frame ${index + 1}, ${frame.t_rec}`);
    this.onPoint?.(index);
  }

  /** Mark the frames that the strip shows, here and on the curves. */
  markShown(first, last) {
    const { x, step } = this.data.lineage;
    const [from, to] = [x[first] - step / 2, x[last] + step / 2];
    const put = (rect, left, width) => {
      rect.setAttribute("x", left);
      rect.setAttribute("width", Math.max(0, width));
    };
    put(this.drawing.querySelector("#lineage-shown"), from, to - from);
    for (const rect of document.querySelectorAll("[data-shown]")) {
      const [left, right] = [Number(rect.dataset.left), Number(rect.dataset.right)];
      const scale = (right - left) / this.ends.span;
      const start = Math.max(left, left + (from - this.ends.from) * scale);
      put(rect, start, Math.min(right, left + (to - this.ends.from) * scale) - start);
    }
  }
}
