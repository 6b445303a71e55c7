/** One picture of the strip: the map, onion skin, outlines, numbers, and what a correction says of its pores. */

import { prepare } from "../viewer/canvas.js";
import { outlinesOf } from "../viewer/outlines.js";
import { drawOutlines, drawScaleBar, nameOf, writeCased } from "../viewer/overlays.js";
import { trackDash } from "../viewer/theme.js";

const WIDTHS = { parent: 2, child: 2, other: 1 };
const ONION_DASH = [1, 2];
const SHARP_FROM = 2; // screen pixels a pixel, from which uneven pixels are no longer seen

/** Put a coloured map where the view says; `alpha` below 1 lays it over what is there. */
function drawMap(context, { picture, layer }, { place, ratio, factor }, alpha = 1) {
  const size = (factor / layer.factor) * place.scale;
  context.globalAlpha = alpha;
  context.imageSmoothingEnabled = size * ratio < SHARP_FROM && size * ratio !== 1;
  context.drawImage(picture, place.x, place.y - layer.ny * size, layer.nx * size, layer.ny * size);
  context.globalAlpha = 1;
}

/**
 * Draw one frame.
 *
 * `shown`: map ({ picture, layer }), labels, pores (of the frame), onion (of the frames before, the nearest
 * first: [{ map, labels, pores }]), `blend` (their maps, not their outlines), `names` (Map of pore id to what
 * is typed to pick it; empty when nothing is picked), `cursor` and `first` (pore ids or null), `spurious`
 * (Set of ids), `hovered` (id or null), `numbered` (Set of ids, all when left out), `sideMm` (null for no
 * scale bar).
 */
export function drawPicture(canvas, view, shown, { theme, roleOf }) {
  const { context, width, height } = prepare(canvas);
  const place = view.place;
  const how = { place, ratio: view.ratio, factor: shown.labels?.factor ?? shown.map.layer.factor };
  drawMap(context, shown.map, how);
  if (shown.blend) shown.onion.forEach(({ map }, i) => map && drawMap(context, map, how, 1 / (i + 2)));
  else [...shown.onion].reverse().forEach((frame, i, all) => drawOnion(context, frame, place, theme, 1 - (all.length - 1 - i) * 0.16));
  if (shown.labels) drawOwn(context, shown, { place, theme, roleOf, width, height });
  drawCorrected(context, shown, { view, theme });
  if (shown.sideMm) drawScaleBar(context, height, place.scale / shown.sideMm, theme, { most: width / 2, margin: 8 });
}

/** Outlines of a frame before, fainter the further away. */
function drawOnion(context, { labels, pores }, place, theme, alpha) {
  if (!labels) return;
  const byLabel = new Map(pores.map((pore) => [pore.label, pore]));
  context.globalAlpha = Math.max(0.2, alpha);
  drawOutlines(context, outlinesOf(labels), place, (label) => {
    const pore = byLabel.get(label);
    return { colour: pore ? theme.track(pore.track) : theme.otherFrame, width: 1, dash: ONION_DASH };
  }, theme.casing);
  context.globalAlpha = 1;
}

function drawOwn(context, { labels, pores, hovered, cursor, first, names, numbered = null }, { place, theme, roleOf, width, height }) {
  const byLabel = new Map(pores.map((pore) => [pore.label, pore]));
  const outlines = outlinesOf(labels);
  drawOutlines(context, outlines, place, (label) => {
    const pore = byLabel.get(label);
    const strong = pore && [hovered, cursor, first].includes(pore.id);
    return { colour: theme.track(pore?.track), dash: trackDash(pore?.track), width: strong ? 3.5 : WIDTHS[pore && roleOf(pore)] ?? 1 };
  }, theme.casing);
  context.font = `600 ${0.8125 * theme.rem}px system-ui, sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  if (!names.size) drawNumbers(context, { outlines, pores, numbered }, { place, theme, roleOf, width, height });
  // else the names to pick by stand in their place
}

/** The number of each track beside its outline; where there is no room for all, those of the event, then the larger. */
function drawNumbers(context, { outlines, pores, numbered }, { place, theme, roleOf, width, height }) {
  const rank = (pore) => (roleOf(pore) === "other" ? 0 : 1e9) + pore.area;
  const taken = [];
  for (const pore of [...pores].sort((a, b) => rank(b) - rank(a))) {
    const outline = outlines.get(pore.label);
    if (!outline || (numbered && !numbered.has(pore.id))) continue;
    const [east, west] = [place.x + outline.east * place.scale, place.x + outline.west * place.scale];
    const [north, south] = [place.y - outline.north * place.scale, place.y - outline.south * place.scale];
    if (west < 0 || east > width || south < 0 || north > height) continue; // not a part of it is in the picture
    const words = nameOf(pore);
    const wide = context.measureText(words).width;
    const [x, y] = [Math.max(2, Math.min(width - wide - 2, west + 2)), Math.max(0.9 * theme.rem, north)];
    if (taken.some((other) => Math.abs(x - other.x) < Math.max(wide, other.wide) && Math.abs(y - other.y) < 0.8 * theme.rem)) continue;
    taken.push({ x, y, wide });
    writeCased(context, words, x, y, { colour: theme.track(pore.track), casing: theme.casing });
  }
}

/** Names to pick by, rings round what is picked, crosses over what is no pore. */
function drawCorrected(context, { pores, names, cursor, first, spurious }, { view, theme }) {
  for (const pore of pores) {
    const { x, y } = view.toPicture(pore.row, pore.col);
    const radius = Math.max(8, pore.radius * view.scale + 4);
    if (spurious.has(pore.id)) drawCross(context, x, y, radius, theme);
    if (pore.id === first || pore.id === cursor) drawRing(context, x, y, radius + 3, pore.id === cursor, theme);
    const name = names.get(pore.id);
    if (name) drawName(context, name, x, y, theme);
  }
}

function drawCross(context, x, y, r, { casing, otherFrame }) {
  const cross = new Path2D(`M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`);
  strokeTwice(context, cross, otherFrame, casing);
}

function drawRing(context, x, y, r, isCursor, { casing, otherFrame }) {
  const ring = new Path2D();
  ring.arc(x, y, r, 0, 2 * Math.PI);
  context.setLineDash(isCursor ? [] : [4, 3]);
  strokeTwice(context, ring, otherFrame, casing);
  context.setLineDash([]);
}

function strokeTwice(context, path, colour, casing) {
  context.strokeStyle = casing;
  context.lineWidth = 4.5;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.stroke(path);
}

function drawName(context, name, x, y, { rem, casing, otherFrame }) {
  context.font = `700 ${0.8125 * rem}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const wide = context.measureText(name).width + 8;
  context.fillStyle = casing;
  context.globalAlpha = 0.85;
  context.fillRect(x - wide / 2, y - 0.6 * rem, wide, 1.2 * rem);
  context.globalAlpha = 1;
  context.fillStyle = otherFrame;
  context.fillText(name, x, y + 1);
}
