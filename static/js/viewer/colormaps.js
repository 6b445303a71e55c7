/**
 * Values to colours: one table of 65,536 colours for each (codes of a layer, colormap, limits).
 *
 * Colours are packed as the bytes R, G, B, A of ImageData on a little-endian machine. Code 0 is no
 * data and stays transparent, so that the stage shows through.
 */

const STEPS = 1025; // odd, so that the diverging map has its white in the middle

const NEGATIVE_END = [20, 85, 185]; // these two and the power as in processing/palette.py
const POSITIVE_END = [185, 55, 15];
const SEQUENTIAL = [[8, 8, 20], [60, 20, 90], [140, 41, 99], [213, 72, 66], [245, 140, 40], [252, 240, 170]];

const blend = (from, to, share) => from.map((channel, i) => Math.round(channel + share * (to[i] - channel)));

function alongStops(stops, at) {
  const low = Math.min(Math.floor(at * (stops.length - 1)), stops.length - 2);
  return blend(stops[low], stops[low + 1], at * (stops.length - 1) - low);
}

/** Each colormap as a function of 0 to 1, the lower to the upper limit. */
const RAMPS = {
  grey: (at) => blend([0, 0, 0], [255, 255, 255], at),
  diverging: (at) => blend([255, 255, 255], at < 0.5 ? NEGATIVE_END : POSITIVE_END, Math.abs(2 * at - 1) ** 0.8),
  sequential: (at) => alongStops(SEQUENTIAL, at),
};

/** What the numbers of a SHARP bitmap mean; see the JSOC notes on the bitmap segment. */
export const BITMAP_WORDS = new Map([
  [0, { words: "no data", colour: [40, 40, 48] }],
  [1, { words: "weak field, outside the patch", colour: [92, 96, 108] }],
  [2, { words: "strong field, outside the patch", colour: [86, 152, 204] }],
  [33, { words: "weak field, inside the patch", colour: [196, 190, 176] }],
  [34, { words: "strong field, inside the patch", colour: [222, 136, 52] }],
]);
const OTHER_CATEGORY = [150, 110, 170];

/** A colour of three channels as a style sheet writes it. */
export const cssColour = (channels) => `rgb(${channels.join(" ")})`;

const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const ramps = new Map();

function ramp(name) {
  if (!ramps.has(name)) {
    const colour = RAMPS[name] ?? RAMPS.grey;
    ramps.set(name, Uint32Array.from({ length: STEPS }, (_, step) => pack(colour(step / (STEPS - 1)))));
  }
  return ramps.get(name);
}

const categoryColour = (value) => pack(BITMAP_WORDS.get(Math.round(value))?.colour ?? OTHER_CATEGORY);

function fillTable({ offset, scale }, colormap, [low, high]) {
  const table = new Uint32Array(65536);
  if (colormap === "categories") {
    for (let code = 1; code < 65536; code += 1) table[code] = categoryColour(offset + scale * code);
    return table;
  }
  const colours = ramp(colormap);
  const steps = (STEPS - 1) / (high - low || 1);
  for (let code = 1; code < 65536; code += 1) {
    const step = Math.round((offset + scale * code - low) * steps);
    table[code] = colours[step < 0 ? 0 : step < STEPS ? step : STEPS - 1];
  }
  return table;
}

let last = { key: "", table: null };

/**
 * The colour of each of the 65,536 codes of a layer, as Uint32Array.
 *
 * The last table is kept: steps through frames of one scale and one set of limits reuse it.
 */
export function colourTable(layer, colormap, limits) {
  const key = [layer.offset, layer.scale, colormap, ...limits].join(" ");
  if (last.key !== key) last = { key, table: fillTable(layer, colormap, limits) };
  return last.table;
}

/** Draw the colormap from left to right over the whole canvas. */
export function paintColourBar(canvas, colormap) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, 1);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = ramp(colormap);
  pixels.forEach((_, x) => { pixels[x] = colours[Math.round((x / (canvas.width - 1)) * (STEPS - 1))]; });
  for (let y = 0; y < canvas.height; y += 1) context.putImageData(image, 0, y);
}
