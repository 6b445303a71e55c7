/** Numbers of tracks on their ribbons, and the frame round the one that is selected. */

import { AXIS } from "./view.js";
import { widthOf } from "./ribbons.js";

const ROOM_Y = 11; // CSS pixels of a ribbon's lanes from which its number is written
const MOST = 220;

export function drawNumbers(context, scene) {
  const { lineage, view, theme, selected } = scene;
  const [[x0, x1], [lane0, lane1]] = [view.spanX, view.spanY];
  context.font = `600 ${0.75 * theme.rem}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.lineJoin = "round";
  let written = 0;
  for (const track of lineage.tracks) {
    if (written >= MOST && track !== selected) continue;
    if (track.height * view.scaleY < ROOM_Y && track !== selected) continue;
    if (track.lane > lane1 || track.lane + track.height < lane0) continue;
    const [from, to] = [lineage.x[track.first] - 0.5, lineage.x[track.last] + 0.5];
    if (from > x1 || to < x0) continue;
    const words = String(track.n);
    const left = Math.max(0, view.toX(from)) + 7;
    const needed = context.measureText(words).width;
    if (view.toX(to) - left < needed + 6 && track !== selected) continue;
    context.globalAlpha = selected && track.lineage !== selected.lineage ? 0.35 : 1;
    context.strokeStyle = theme.surface;
    context.lineWidth = 3;
    context.strokeText(words, left, view.toY(track.middle));
    context.fillStyle = theme.text;
    context.fillText(words, left, view.toY(track.middle));
    written += 1;
  }
  context.globalAlpha = 1;
}

/** A frame round the selected and a thinner one round the pointed-at track. */
export function drawSelection(context, scene) {
  for (const [track, width] of [[scene.hovered, 1], [scene.selected, 2]]) {
    if (!track) continue;
    const { lineage, view, theme } = scene;
    const half = Math.max(4, widthOf(track.largest, scene) / 2 + 2);
    const y = view.toY(track.middle);
    const [a, b] = [view.toX(lineage.x[track.first] - 0.5) - 2, view.toX(lineage.x[track.last] + 0.5) + 2];
    if (y + half < AXIS) continue;
    context.strokeStyle = width > 1 ? theme.focus : theme.quiet;
    context.lineWidth = width;
    context.strokeRect(a, y - half, b - a, 2 * half);
  }
}
