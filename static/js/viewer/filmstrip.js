/**
 * A small picture on a canvas: one crop of one frame.
 *
 * Attributes: data-layer-url and data-labels-url (layers, see layers.js), data-row and data-col
 * (centre, on the grid of labels), data-half (half width, in its pixels), data-marks (JSON:
 * [{ label, track, role: "parent" | "child" | "other" }]), data-limits ("0.2,1.2"),
 * data-colormap (grey when left out), data-pixel-mm (side of a pixel of labels), data-without
 * (words for a frame that has no layer). Pixels are shown at a whole multiple, north up.
 */

import { drawWords, prepare } from "./canvas.js";
import { fetchLayer } from "./layers.js";
import { outlinesOf } from "./outlines.js";
import { drawOutlines, drawScaleBar, writeCased } from "./overlays.js";
import { paintLayer } from "./paint.js";
import { readTheme, trackDash } from "./theme.js";

const FILES_KEPT = 32;
const WIDTHS = { parent: 2, child: 2, other: 1 };
const DEFAULT_LIMITS = [0.2, 1.2]; // enhanced intensity over the quiet Sun
const files = new Map();

/** One fetch for each address, however many pictures ask for it; the oldest are forgotten. */
function fetchOnce(url) {
  if (!files.has(url)) {
    files.set(url, fetchLayer(url));
    files.get(url).catch(() => files.delete(url)); // a failure may be tried again
    if (files.size > FILES_KEPT) files.delete(files.keys().next().value);
  }
  return files.get(url);
}

function readRequest(canvas) {
  const data = canvas.dataset;
  const limits = (data.limits ?? "").match(/-?[\d.]+(e[-+]?\d+)?/gi)?.map(Number) ?? [];
  return {
    row: Math.floor(Number(data.row)),
    col: Math.floor(Number(data.col)),
    half: Math.max(1, Math.round(Number(data.half) || 0)),
    marks: JSON.parse(data.marks || "[]"),
    limits: limits.length === 2 ? limits : DEFAULT_LIMITS,
    colormap: data.colormap || "grey",
    pixelMm: Number(data.pixelMm) || null,
  };
}

/** Whether nothing of an outline falls into the crop. */
function isOutside(outline, { row, col, half }) {
  return outline.west < col - half || outline.east > col + half + 1
    || outline.north < row - half || outline.south > row + half + 1;
}

/** Where the corner (0, 0) of the grid of labels falls in a picture, and CSS pixels for one of its pixels. */
function cropPlace(canvas) {
  const { row, col, half } = readRequest(canvas);
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const times = Math.max(1, Math.floor((Math.min(width, height) * ratio) / (2 * half + 1))); // screen pixels a pixel
  const scale = times / ratio;
  const snap = (value) => Math.round(value * ratio) / ratio;
  return { x: snap(width / 2 - (col + 0.5) * scale), y: snap(height / 2 + (row + 0.5) * scale), scale };
}

function drawCrop(canvas, { layer, labels, request, theme }) {
  const { context, width, height } = prepare(canvas);
  const { marks } = request;
  const place = cropPlace(canvas);
  const { scale } = place;
  const factor = labels?.factor ?? layer.factor;
  const size = (factor / layer.factor) * scale;
  context.imageSmoothingEnabled = false;
  const image = paintLayer(layer, request.colormap, request.limits);
  context.drawImage(image, place.x, place.y - layer.ny * size, layer.nx * size, layer.ny * size);

  if (labels) {
    const markOf = new Map(marks.map((mark) => [mark.label, mark]));
    const outlines = outlinesOf(labels);
    drawOutlines(context, outlines, place, (label) => {
      const mark = markOf.get(label);
      return { colour: theme.track(mark?.track), dash: trackDash(mark?.track), width: WIDTHS[mark?.role] ?? 1 };
    }, theme.casing);
    context.font = `600 ${0.8125 * theme.rem}px system-ui, sans-serif`;
    context.textAlign = "left";
    context.textBaseline = "bottom";
    for (const { label, track } of marks) {
      const outline = outlines.get(label);
      if (!outline || track == null || isOutside(outline, request)) continue;
      const words = String(track);
      const x = Math.min(width - context.measureText(words).width - 2, place.x + outline.west * scale + 2);
      const y = Math.max(0.9 * theme.rem, place.y - outline.north * scale);
      writeCased(context, words, Math.max(2, x), y, { colour: theme.track(track), casing: theme.casing });
    }
  }
  if (request.pixelMm) drawScaleBar(context, height, scale / request.pixelMm, theme, { most: width / 2, margin: 8 });
}

/** Draw one picture; words stand in its place where there is no layer. */
export async function drawFilmFrame(canvas, theme = readTheme()) {
  const name = canvas.dataset.name ?? canvas.getAttribute("aria-label") ?? "";
  canvas.dataset.name = name;
  try {
    const { layerUrl, labelsUrl } = canvas.dataset;
    if (!layerUrl) throw new Error(canvas.dataset.without || "No image at this T_REC.");
    const [layer, labels] = await Promise.all([fetchOnce(layerUrl), labelsUrl ? fetchOnce(labelsUrl) : null]);
    drawCrop(canvas, { layer, labels, request: readRequest(canvas), theme });
    if (name) canvas.setAttribute("aria-label", name);
  } catch (problem) {
    drawWords(canvas, problem.message, theme);
    canvas.setAttribute("aria-label", `${name} ${problem.message}`.trim());
  }
}
