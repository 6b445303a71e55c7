/**
 * Labels to outlines along pixel edges.
 *
 * Coordinates are pixel edges of the grid of labels, x to the west (column), y to the north (row):
 * pixel (row, col) covers x from col to col + 1 and y from row to row + 1.
 */

class Outline {
  constructor() {
    this.segments = [];
    this.west = -Infinity;
    this.east = Infinity;
    this.north = -Infinity;
    this.south = Infinity;
    this.made = null;
  }

  /** One piece of the boundary, the label on its left. */
  add(x0, y0, x1, y1) {
    this.segments.push(x0, y0, x1, y1);
    this.east = Math.min(this.east, x0); // east is at the smaller x: longitude grows to the west
    this.west = Math.max(this.west, x0);
    this.south = Math.min(this.south, y0);
    this.north = Math.max(this.north, y0);
  }

  /** The boundary as Path2D, made when first drawn: closed loops, so that dashes run along them. */
  get path() {
    this.made ??= loopsOf(this.segments);
    return this.made;
  }
}

function loopsOf(segments) {
  const path = new Path2D();
  const from = new Map(); // corner -> pieces that begin there; two where the label touches itself
  const cornerOf = (at) => segments[at + 1] * 65536 + segments[at];
  for (let i = 0; i < segments.length; i += 4) {
    const corner = cornerOf(i);
    if (!from.has(corner)) from.set(corner, []);
    from.get(corner).push(i);
  }
  for (const waiting of from.values()) {
    while (waiting.length) {
      let piece = waiting.pop();
      path.moveTo(segments[piece], segments[piece + 1]);
      while (piece !== undefined) {
        path.lineTo(segments[piece + 2], segments[piece + 3]);
        piece = from.get(cornerOf(piece + 2))?.pop();
      }
      path.closePath();
    }
  }
  return path;
}

/**
 * The boundary of each label of a labels layer: Map of label -> { segments, path, west, ... }.
 *
 * `segments` is flat: x0, y0, x1, y1 of each straight piece, the label on its left.
 */
export function outlinePaths({ ny, nx, codes }) {
  const found = new Map();
  const add = (label, x0, y0, x1, y1) => {
    if (label === 0) return;
    if (!found.has(label)) found.set(label, new Outline());
    found.get(label).add(x0, y0, x1, y1);
  };
  const at = (row, col) => (row < 0 || col < 0 || row >= ny || col >= nx ? 0 : codes[row * nx + col]);

  // For each vertical line between columns: the pair of labels that meet there, and since which row.
  const since = new Int32Array(nx + 1);
  const leftOf = new Uint16Array(nx + 1);
  const rightOf = new Uint16Array(nx + 1);

  for (let row = 0; row <= ny; row += 1) {
    let start = 0;
    let below = 0;
    let above = 0;
    for (let col = 0; col <= nx; col += 1) {
      const here = at(row, col);
      const under = at(row - 1, col);
      if (here !== above || under !== below) {
        if (above !== below) {
          add(below, col, row, start, row);
          add(above, start, row, col, row);
        }
        start = col;
        below = under;
        above = here;
      }
      const left = at(row, col - 1);
      if (left !== leftOf[col] || here !== rightOf[col]) {
        if (leftOf[col] !== rightOf[col]) {
          add(leftOf[col], col, since[col], col, row);
          add(rightOf[col], col, row, col, since[col]);
        }
        since[col] = row;
        leftOf[col] = left;
        rightOf[col] = here;
      }
    }
  }
  return found;
}

const kept = new WeakMap();

/** `outlinePaths`, kept for as long as the layer itself is. */
export function outlinesOf(labels) {
  if (!kept.has(labels)) kept.set(labels, outlinePaths(labels));
  return kept.get(labels);
}
