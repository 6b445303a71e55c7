/** Sliders and number fields for the limits of the shown layer, with its colour bar. */

import { BITMAP_WORDS, cssColour, paintColourBar } from "./colormaps.js";

const STEPS = 500;

/** What the sliders span: the layer's range, or its limits and half as much again. */
export function rangeOf(spec) {
  if (spec.range) return spec.range;
  const [low, high] = spec.limits;
  const more = (high - low) / 2;
  return [low - more, high + more];
}

/** One line of the key of categories: the colour, the value, its meaning. */
function keyOf([value, { words, colour }]) {
  const item = document.createElement("li");
  const swatch = document.createElement("span");
  swatch.style.background = cssColour(colour);
  item.append(swatch, `${value}, ${words}`);
  return item;
}

export class LimitsPanel {
  /** `onChange(limits)` is called while a slider moves; limits null is the layer's own. */
  constructor(host, { onChange }) {
    const part = (name) => host.querySelector(`[data-limits="${name}"]`);
    this.parts = {
      bar: part("bar"), unit: part("unit"), words: part("words"), all: part("all"), key: part("key"),
      low: [part("low-slider"), part("low-number")], high: [part("high-slider"), part("high-number")],
    };
    this.onChange = onChange;
    this.parts.low.forEach((input) => input.addEventListener("input", () => this.changed(input, 0)));
    this.parts.high.forEach((input) => input.addEventListener("input", () => this.changed(input, 1)));
    part("reset").addEventListener("click", () => onChange(null));
  }

  changed(input, end) {
    const value = input.valueAsNumber;
    if (!Number.isFinite(value)) return; // being typed
    let limits = [...this.limits];
    limits[end] = value;
    if (this.spec.colormap === "diverging") { // stays centred on 0
      if (value === 0) return;
      limits = [-Math.abs(value), Math.abs(value)];
    }
    const sound = limits[0] < limits[1];
    this.parts.words.textContent = sound ? "" : "The lower limit must be below the upper one.";
    if (sound) this.onChange(limits);
  }

  /** Show the limits of a layer; the field that is being typed in is left alone. */
  show(spec, limits) {
    const categories = spec.colormap === "categories";
    this.parts.all.hidden = categories;
    this.parts.bar.hidden = categories;
    this.parts.unit.textContent = categories ? "none (categories)" : spec.unit || "no unit";
    if (this.spec !== spec) {
      this.spec = spec;
      this.parts.key.replaceChildren(...(categories ? [...BITMAP_WORDS].map(keyOf) : []));
      if (!categories) paintColourBar(this.parts.bar, spec.colormap);
      const [least, most] = rangeOf(spec);
      for (const slider of [this.parts.low[0], this.parts.high[0]]) {
        slider.min = String(least);
        slider.max = String(most);
        slider.step = String(Number(((most - least) / STEPS).toPrecision(1)));
      }
    }
    this.limits = limits;
    this.parts.words.textContent = "";
    const put = (input, value) => {
      if (input === document.activeElement && input.type === "number") return;
      input.value = String(Number(value.toPrecision(6)));
    };
    this.parts.low.forEach((input) => put(input, limits[0]));
    this.parts.high.forEach((input) => put(input, limits[1]));
  }
}
