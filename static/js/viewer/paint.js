/** A layer to a canvas of its own pixels, north up and west right. */

import { colourTable } from "./colormaps.js";

/**
 * Colour a layer in one pass; a pixel of the canvas is a pixel of the layer.
 *
 * `onto` may be a canvas to use again. Returns the canvas; its first line is the north.
 */
export function paintLayer(layer, colormap, limits, onto = document.createElement("canvas")) {
  const { ny, nx, codes } = layer;
  if (onto.width !== nx || onto.height !== ny) {
    onto.width = nx;
    onto.height = ny;
  }
  const context = onto.getContext("2d");
  const image = context.createImageData(nx, ny);
  const pixels = new Uint32Array(image.data.buffer);
  const table = colourTable(layer, colormap, limits);
  for (let row = 0; row < ny; row += 1) {
    const to = (ny - 1 - row) * nx;
    const from = row * nx;
    for (let col = 0; col < nx; col += 1) pixels[to + col] = table[codes[from + col]];
  }
  context.putImageData(image, 0, 0);
  return onto;
}
