/** What is drawn over the image: outlines, numbers, tails, links, crosshair, scale bar, directions. */

import { outlinesOf } from "./outlines.js";
import { trackDash } from "./theme.js";

const ROUND_LENGTHS_MM = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

/** A line or shape twice: a casing in the colour of the surface, then the colour itself. */
export function strokeCased(context, path, { colour, width, casing, dash = [], unit = 1 }) {
  context.lineJoin = "round";
  context.strokeStyle = casing;
  context.lineWidth = (width + (width > 1 ? 2 : 1)) * unit;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width * unit;
  context.setLineDash(dash.map((length) => length * unit));
  context.stroke(path);
  context.setLineDash([]);
}

/** Words with a casing, so that they read on any grey. */
export function writeCased(context, words, x, y, { colour, casing }) {
  context.lineJoin = "round";
  context.strokeStyle = casing;
  context.lineWidth = 3;
  context.strokeText(words, x, y);
  context.fillStyle = colour;
  context.fillText(words, x, y);
}

/**
 * Draw outlines through a transform from edges of the grid of labels to the screen.
 *
 * `place` is { x, y, scale }: where (0, 0) lies and CSS pixels for a pixel of labels, north up.
 * `styleOf(label)` gives { colour, width, dash } or null for an outline that is left out.
 */
export function drawOutlines(context, outlines, place, styleOf, casing) {
  context.save();
  context.translate(place.x, place.y);
  context.scale(place.scale, -place.scale);
  for (const [label, outline] of outlines) {
    const style = styleOf(label);
    if (style) strokeCased(context, outline.path, { ...style, casing, unit: 1 / place.scale });
  }
  context.restore();
}

/** A feature's place on the image: edges of native pixels. */
export function placeOf(feature, factor) {
  return { u: (feature.col + 0.5) / factor, v: (feature.row + 0.5) / factor };
}

function arrow(from, to) {
  const path = new Path2D();
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const head = Math.min(7, Math.max(4, length / 2));
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  path.moveTo(from.x, from.y);
  path.lineTo(to.x, to.y);
  for (const side of [-0.5, 0.5]) {
    path.moveTo(to.x - head * Math.cos(angle + side), to.y - head * Math.sin(angle + side));
    path.lineTo(to.x, to.y);
  }
  return path;
}

function disc(at, radius) {
  const path = new Path2D();
  path.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  return path;
}

/** Where each track was: a line through its places, newest last, with a dot at each. */
function drawTails(context, stage, { past, features, factor, theme, isOn }) {
  for (const feature of features) {
    if (feature.track == null || !isOn(feature)) continue;
    const places = past
      .map((frame) => frame.find((other) => other.track === feature.track))
      .filter(Boolean).concat(feature)
      .map((other) => placeOf(other, factor)).map(({ u, v }) => stage.toScreen(u, v));
    if (places.length < 2) continue;
    const path = new Path2D();
    places.forEach(({ x, y }, i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
    strokeCased(context, path, { colour: theme.track(feature.track), width: 1.5, casing: theme.casing });
    context.fillStyle = theme.track(feature.track);
    for (const place of places.slice(0, -1)) context.fill(disc(place, 2));
  }
}

/** Where each feature goes: an arrow to every feature it is linked to later. */
function drawLinks(context, stage, { features, later, factor, theme, isOn }) {
  for (const feature of features) {
    if (!isOn(feature)) continue;
    const here = placeOf(feature, factor);
    const from = stage.toScreen(here.u, here.v);
    for (const id of feature.next ?? []) {
      const target = later.get(id);
      if (!target) continue;
      const there = placeOf(target, factor);
      const to = stage.toScreen(there.u, there.v);
      const near = Math.hypot(to.x - from.x, to.y - from.y) < 4;
      strokeCased(context, near ? disc(from, 3) : arrow(from, to), {
        colour: theme.track(target.track), width: 1.5, casing: theme.casing,
      });
    }
  }
}

/** The number of the track, or the label in brackets where there is no track yet. */
export const nameOf = (feature) => (feature.track == null ? `(${feature.label})` : String(feature.track));

function drawIds(context, stage, { features, outlines, factor, theme, isOn }) {
  context.font = `600 ${0.8125 * theme.rem}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  context.textAlign = "left";
  const taken = [];
  const bySize = [...features].sort((a, b) => b.area_mm2 - a.area_mm2);
  for (const feature of bySize) {
    if (!isOn(feature)) continue;
    const outline = outlines?.get(feature.label);
    const place = outline ? { u: outline.west / factor, v: outline.north / factor } : placeOf(feature, factor);
    const { x, y } = stage.toScreen(place.u, place.v);
    if (x < -40 || y < -20 || x > stage.width + 40 || y > stage.height + 40) continue;
    const [wide, high] = [context.measureText(nameOf(feature)).width, 0.8 * theme.rem];
    // a heap of numbers tells nothing: the smaller pore's comes when there is room, zoomed in
    if (taken.some((other) => Math.abs(x - other.x) < Math.max(wide, other.wide) && Math.abs(y - other.y) < high)) continue;
    taken.push({ x, y, wide });
    writeCased(context, nameOf(feature), x + 2, y, { colour: theme.track(feature.track), casing: theme.casing });
  }
}

/**
 * Draw all that is switched on.
 *
 * `scene`: show { outlines, ids, tails, links, onion }, labels and labelsBefore (layers or null),
 * features, past (features of the frames before, oldest first), later (Map of id to feature),
 * selected (Set of tracks), hovered (label), cross ({ u, v } or null), sideMm, isOriented (north is up), theme.
 */
export function drawOverlays(context, stage, scene) {
  const { show, labels, labelsBefore, features, selected, theme } = scene;
  const factor = scene.factor;
  const isOn = (feature) => !selected.size || selected.has(feature.track);
  const origin = stage.toScreen(0, 0);
  const place = { ...origin, scale: stage.scale / factor };
  const byLabel = new Map(features.map((feature) => [feature.label, feature]));
  const outlines = labels && outlinesOf(labels);

  if (show.onion && labelsBefore) {
    const before = { colour: theme.otherFrame, width: 1, dash: [1, 2] };
    drawOutlines(context, outlinesOf(labelsBefore), place, () => before, theme.casing);
  }
  if (show.outlines && outlines) {
    drawOutlines(context, outlines, place, (label) => {
      const feature = byLabel.get(label);
      const strong = label === scene.hovered || (feature && selected.has(feature.track));
      const width = strong ? 3 : selected.size ? 1 : 1.5;
      return { colour: theme.track(feature?.track), dash: trackDash(feature?.track), width };
    }, theme.casing);
  }
  const known = { ...scene, outlines, factor, isOn };
  if (show.tails) drawTails(context, stage, known);
  if (show.links) drawLinks(context, stage, known);
  if (show.ids) drawIds(context, stage, known);
  if (scene.cross) drawCross(context, stage, scene.cross, theme);
  if (scene.sideMm) drawScaleBar(context, stage.height, stage.scale / scene.sideMm, theme);
  if (scene.isOriented) drawDirections(context, stage, theme);
}

function drawCross(context, stage, { u, v }, theme) {
  const { x, y } = stage.toScreen(u, v);
  const path = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    path.moveTo(x + 5 * dx, y + 5 * dy);
    path.lineTo(x + 16 * dx, y + 16 * dy);
  }
  strokeCased(context, path, { colour: theme.accent, width: 2, casing: theme.surface });
}

/** Something quiet behind the scale and the directions, so that they read on any picture. */
function drawPlate(context, { x, y, width, height }, theme) {
  context.globalAlpha = 0.75;
  context.fillStyle = theme.surface;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
}

/** A bar of a round length in Mm at the lower left; `pxPerMm` is CSS pixels for one Mm. */
export function drawScaleBar(context, height, pxPerMm, theme, { most = 140, margin = 14 } = {}) {
  const length = ROUND_LENGTHS_MM.findLast((mm) => mm * pxPerMm <= most) ?? ROUND_LENGTHS_MM[0];
  const y = height - margin;
  const end = margin + length * pxPerMm;
  context.font = `${0.8125 * theme.rem}px system-ui, sans-serif`;
  const words = `${length} Mm`;
  const wide = Math.max(length * pxPerMm, context.measureText(words).width);
  drawPlate(context, { x: margin - 8, y: y - theme.rem - 10, width: wide + 16, height: theme.rem + 18 }, theme);
  const bar = new Path2D();
  bar.moveTo(margin, y - 4);
  bar.lineTo(margin, y);
  bar.lineTo(end, y);
  bar.lineTo(end, y - 4);
  strokeCased(context, bar, { colour: theme.text, width: 2, casing: theme.surface });
  context.textAlign = "left";
  context.textBaseline = "bottom";
  writeCased(context, words, margin, y - 6, { colour: theme.text, casing: theme.surface });
}

function drawDirections(context, stage, theme) {
  const corner = { x: stage.width - 58, y: stage.height - 16 };
  const style = { colour: theme.text, width: 1.5, casing: theme.surface };
  drawPlate(context, { x: corner.x - 12, y: corner.y - 36 - theme.rem, width: 64, height: 44 + theme.rem }, theme);
  strokeCased(context, arrow(corner, { x: corner.x, y: corner.y - 30 }), style);
  strokeCased(context, arrow(corner, { x: corner.x + 30, y: corner.y }), style);
  context.font = `600 ${0.8125 * theme.rem}px system-ui, sans-serif`;
  const ink = { colour: theme.text, casing: theme.surface };
  context.textAlign = "center";
  context.textBaseline = "bottom";
  writeCased(context, "N", corner.x, corner.y - 33, ink);
  context.textAlign = "left";
  context.textBaseline = "middle";
  writeCased(context, "W", corner.x + 34, corner.y, ink);
}
