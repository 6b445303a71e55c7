/**
 * Layers as the server sends them: a header of 32 bytes, then one uint16 code for each pixel.
 *
 * Bytes 0-3 are "PWL1"; then uint32 ny, nx, factor (1 native grid, 2 doubled) and float64 offset,
 * scale, all little-endian. Row 0 is the south. Value = offset + scale * code; code 0 is no data.
 */

const HEADER_BYTES = 32;

/** A layer that could not be had; its message is a sentence for the person who looks. */
export class LayerError extends Error {}

/** Bytes to { ny, nx, factor, offset, scale, codes }; raises LayerError when they are no layer. */
export function decodeLayer(buffer) {
  const head = new DataView(buffer);
  const magic = buffer.byteLength < HEADER_BYTES ? "" : String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  if (magic !== "PWL1") throw new LayerError("The answer is not a layer.");
  const [ny, nx, factor] = [4, 8, 12].map((at) => head.getUint32(at, true));
  if (buffer.byteLength !== HEADER_BYTES + 2 * ny * nx) {
    throw new LayerError("The layer was cut short on its way.");
  }
  return {
    ny, nx, factor,
    offset: head.getFloat64(16, true),
    scale: head.getFloat64(24, true),
    codes: new Uint16Array(buffer, HEADER_BYTES, ny * nx), // every browser machine is little-endian
  };
}

async function reasonOf(response) {
  const kind = response.headers.get("Content-Type") ?? "";
  const said = /json|text\/plain/.test(kind) ? (await response.text()).trim() : "";
  let words = said;
  if (kind.includes("json")) {
    try {
      const answer = JSON.parse(said);
      words = answer.reason ?? answer.error ?? answer.detail ?? "";
    } catch {
      words = "";
    }
  }
  if (words && words.length < 300) return words;
  if (response.status === 404) return "The server does not hold it (404).";
  if (response.status === 403) return "You may not see it (403).";
  return `The server answered ${response.status}.`;
}

async function fetchAnswer(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new LayerError("The server did not answer; check the connection.");
  }
  if (!response.ok) throw new LayerError(await reasonOf(response));
  return response;
}

/** Fetch and decode one layer. Raises LayerError, or AbortError when `signal` was used. */
export async function fetchLayer(url, options = {}) {
  return decodeLayer(await (await fetchAnswer(url, options)).arrayBuffer());
}

/** Fetch the features of one frame: { features: [...] } as the server measured them. */
export async function fetchFeatures(url, options = {}) {
  const answer = await (await fetchAnswer(url, options)).json();
  return { features: answer.features ?? [] };
}

/** The value at a row and column of the layer's own grid (whole numbers); NaN is no data. */
export function valueAt(layer, row, col) {
  if (row < 0 || col < 0 || row >= layer.ny || col >= layer.nx) return NaN;
  const code = layer.codes[row * layer.nx + col];
  return code === 0 ? NaN : layer.offset + layer.scale * code;
}

/** The label (0 is background) at a row and column of the grid of labels. */
export function labelAt(labels, row, col) {
  if (row < 0 || col < 0 || row >= labels.ny || col >= labels.nx) return 0;
  return labels.codes[row * labels.nx + col];
}
