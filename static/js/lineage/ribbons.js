/** Tracks as ribbons as wide as their area, and the links between them as bands; drawn only where they are seen. */

import { trackDash } from "../viewer/theme.js";

const FILLED = 0.86; // of a lane by the area that fills it, so that neighbours stay apart
const THIN = 1.4; // CSS pixels of the narrowest ribbon and band
const FINE = 1.5; // CSS pixels from one point of a ribbon to the next, or
const COARSE = 3; // so many where a lane is low
const LOW = 10;
const FADED = 0.28; // what is of another lineage than the selected track
const BEND = 10; // CSS pixels that a band takes of each of its tracks to bend in, at most
const SHARE = 0.35; // of a track that bands take at most at each end
const DASH = [4, 3];

/** CSS pixels that an area is drawn high. */
export const widthOf = (area, { lineage, view }) => Math.max(THIN, (area / lineage.laneMm2) * FILLED * view.scaleY);

const colourOf = (track, { hue, theme }) => (hue === "track" ? theme.track(track.n) : theme.ofPolarity(track.polarity));

const isFaded = (track, { selected }) => Boolean(selected) && track.lineage !== selected.lineage;

/** CSS pixels at each end of a track that its bands take. */
function cuts(track, { lineage: { x }, view }) {
  const room = Math.min(BEND, SHARE * (x[track.last] - x[track.first] + 1) * view.scaleX);
  return [track.before.length ? room : 0, track.after.length ? room : 0];
}

/** Tracks of which something is inside these slots and lanes. */
function seen(lineage, [x0, x1], [lane0, lane1]) {
  const { x } = lineage;
  return lineage.tracks.filter((track) => x[track.first] - 0.5 <= x1 && x[track.last] + 0.5 >= x0
    && track.lane <= lane1 && track.lane + track.height >= lane0);
}

/** Draw links and tracks of a scene: { lineage, view, theme, hue, selected }; `area` is [[x0, x1], [lane0, lane1]]. */
export function drawRibbons(context, scene, area) {
  const { lineage, view, theme } = scene;
  const shown = seen(lineage, ...area);
  for (const link of lineage.links) drawBand(context, link, scene, area);
  const gaps = { held: new Path2D(), open: new Path2D() };
  for (const track of shown) {
    context.globalAlpha = isFaded(track, scene) ? FADED : 1;
    context.fillStyle = colourOf(track, scene);
    drawRibbon(context, track, scene, area[0], gaps);
    if (scene.hue === "track" && view.scaleY * track.height > LOW) drawSpine(context, track, scene);
  }
  context.globalAlpha = 1;
  context.strokeStyle = theme.quiet;
  context.lineWidth = 1;
  context.stroke(gaps.held);
  context.setLineDash(DASH);
  context.stroke(gaps.open);
  context.setLineDash([]);
}

/** A line in the dash of the track along its middle: tracks of one colour differ in it. */
function drawSpine(context, track, { lineage, view, theme }) {
  const dash = trackDash(track.n);
  if (!dash.length) return;
  const y = view.toY(track.middle);
  context.strokeStyle = theme.casing;
  context.lineWidth = 1;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(view.toX(lineage.x[track.first] - 0.5), y);
  context.lineTo(view.toX(lineage.x[track.last] + 0.5), y);
  context.stroke();
  context.setLineDash([]);
}

/** Fill the outline of a track, part by part where it was not seen in between. */
function drawRibbon(context, track, scene, [x0, x1], gaps) {
  const { lineage: { x, gapAt }, view } = scene;
  const y = view.toY(track.middle);
  const step = view.scaleY * track.height < LOW ? COARSE : FINE;
  const level = Math.min(track.levels.length - 1, Math.max(0, Math.ceil(Math.log2(step / view.scaleX))));
  const areas = track.levels[level];
  const size = 2 ** level;
  const place = (bin) => Math.min(track.last, track.first + bin * size);
  let [bin, end] = [0, areas.length];
  while (bin + 1 < end && x[place(bin + 1)] < x0) bin += 1;
  while (end - 1 > bin && x[place(end - 1)] > x1 + size) end -= 1;
  const [cutBefore, cutAfter] = cuts(track, scene);
  const least = view.toX(x[track.first] - 0.5) + cutBefore;
  const most = view.toX(x[track.last] + 0.5) - cutAfter;
  const fill = (points) => fillPart(context, points, y, least, most);
  let points = [];
  let gone = null;
  for (; bin < end; bin += 1) {
    const [first, last] = [place(bin), Math.min(track.last, place(bin) + size - 1)];
    if (!areas[bin]) {
      gone ??= x[first] - 0.5;
      if (points.length) fill(points);
      points = [];
      continue;
    }
    if (gone !== null) {
      const how = gapAt.get(`${track.n} ${first}`)?.state === "accepted" ? gaps.held : gaps.open;
      how.moveTo(view.toX(gone), y);
      how.lineTo(view.toX(x[first] - 0.5), y);
      gone = null;
    }
    const half = widthOf(areas[bin], scene) / 2;
    if (!points.length) points.push(view.toX(x[first] - 0.5), half);
    if (size > 1) points.push(view.toX((x[first] + x[last]) / 2), half);
    else points.push(view.toX(x[first] - 0.25), half, view.toX(x[first] + 0.25), half);
    if (bin === end - 1 || !areas[bin + 1]) points.push(view.toX(x[last] + 0.5), half);
  }
  if (points.length) fill(points);
}

/** Fill between the line of points (x, half height), kept from `least` to `most`, and its mirror image. */
function fillPart(context, points, y, least, most) {
  const inside = (px) => (px < least ? least : px > most ? most : px);
  context.beginPath();
  context.moveTo(inside(points[0]), y - points[1]);
  for (let i = 2; i < points.length; i += 2) context.lineTo(inside(points[i]), y - points[i + 1]);
  for (let i = points.length - 2; i >= 0; i -= 2) context.lineTo(inside(points[i]), y + points[i + 1]);
  context.fill();
}

/** The band of a link, from its share of the one track's end to its share of the other's beginning. */
function drawBand(context, link, scene, [[x0, x1], [lane0, lane1]]) {
  const { lineage, view, theme } = scene;
  const [from, to] = [lineage.x[link.last] + 0.5, lineage.x[link.first] - 0.5];
  const lanes = [link.from.middle, link.to.middle];
  if (from > x1 + 2 || to < x0 - 2 || Math.min(...lanes) > lane1 || Math.max(...lanes) < lane0) return;
  const ends = [[link.from, link.last, "from"], [link.to, link.first, "to"]].map(([track, place, end]) => {
    const width = widthOf(track.areaAt(place) || track.largest, scene);
    const [low, high] = [link[`${end}Low`] * width, link[`${end}High`] * width];
    const spare = Math.max(0, THIN - (high - low)) / 2;
    return [view.toY(track.middle) + low - spare, view.toY(track.middle) + high + spare];
  });
  const [left, right] = [view.toX(from) - cuts(link.from, scene)[1], view.toX(to) + cuts(link.to, scene)[0]];
  const middle = (left + right) / 2;
  const edge = new Path2D();
  const shape = new Path2D();
  for (const [i, path] of [[0, edge], [1, edge]]) {
    path.moveTo(left, ends[0][i]);
    path.bezierCurveTo(middle, ends[0][i], middle, ends[1][i], right, ends[1][i]);
  }
  shape.moveTo(left, ends[0][0]);
  shape.bezierCurveTo(middle, ends[0][0], middle, ends[1][0], right, ends[1][0]);
  shape.lineTo(right, ends[1][1]);
  shape.bezierCurveTo(middle, ends[1][1], middle, ends[0][1], left, ends[0][1]);
  const alpha = isFaded(link.to, scene) ? FADED : 1;
  context.fillStyle = colourOf(link.to, scene);
  context.globalAlpha = alpha * (link.settled ? 0.85 : 0.3);
  context.fill(shape);
  if (link.settled) return;
  context.globalAlpha = alpha;
  context.strokeStyle = theme.text;
  context.lineWidth = 0.75;
  context.setLineDash(DASH);
  context.stroke(edge);
  context.setLineDash([]);
}
