/** The line of time above the picture: T_REC, the cursor, gaps, and the range that is selected. */

import { AXIS } from "./view.js";

const MINUTE = 60;
const STEPS = [1, 2, 5, 12, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400].map((minutes) => minutes * MINUTE);
const ROOM = 64; // CSS pixels from one word to the next

/** TAI seconds of a T_REC, from any beginning. */
function secondsOf(tRec) {
  const [year, month, day, hour, minute, second] = tRec.match(/\d+/g).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

const seconds = new WeakMap();

function timesOf(lineage) {
  if (!seconds.has(lineage)) seconds.set(lineage, lineage.frames.map(secondsOf));
  return seconds.get(lineage);
}

/** Places that are named: the first at or after each full step of time, far enough from each other. */
function ticks(lineage, view) {
  const times = timesOf(lineage);
  const [x0, x1] = view.spanX;
  const [from, to] = [lineage.placeAt(x0), lineage.placeAt(x1)];
  if (to <= from) return [from];
  const step = STEPS.find((seconds) => (seconds / lineage.cadence) * view.scaleX >= ROOM) ?? STEPS.at(-1);
  const found = [];
  for (let place = from; place <= to; place += 1) {
    const starts = place === 0 || Math.floor(times[place] / step) > Math.floor(times[place - 1] / step);
    const clear = !found.length || view.toX(lineage.x[place]) - view.toX(lineage.x[found.at(-1)]) >= ROOM;
    if (starts && clear) found.push(place);
  }
  return found;
}

/** Bands where no frame was measured, over the whole height. */
export function drawGaps(context, { lineage, view, theme }) {
  context.fillStyle = theme.sunk;
  context.strokeStyle = theme.line;
  for (const [place] of lineage.gaps) {
    const [a, b] = [view.toX(lineage.x[place] + 0.5), view.toX(lineage.x[place + 1] - 0.5)];
    if (b < 0 || a > view.width) continue;
    context.fillRect(a, AXIS, b - a, view.height);
    context.beginPath();
    for (let y = AXIS - (b - a); y < AXIS + view.height; y += 7) {
      context.moveTo(a, Math.max(AXIS, y + (b - a)));
      context.lineTo(b, Math.max(AXIS, y));
    }
    context.lineWidth = 0.5;
    context.stroke();
  }
}

export function drawRange(context, { lineage, view, theme, range }) {
  if (!range) return;
  const [a, b] = [view.toX(lineage.x[range[0]] - 0.5), view.toX(lineage.x[range[1]] + 0.5)];
  context.fillStyle = theme.accent;
  context.globalAlpha = 0.14;
  context.fillRect(a, 0, b - a, AXIS + view.height);
  context.globalAlpha = 1;
  context.fillRect(a - 1, 0, 2, AXIS + view.height);
  context.fillRect(b - 1, 0, 2, AXIS + view.height);
}

/** Words and strokes of time, over what lies below them. */
export function drawAxis(context, { lineage, view, theme }) {
  context.fillStyle = theme.raised;
  context.fillRect(0, 0, view.width, AXIS);
  context.fillStyle = theme.line;
  context.fillRect(0, AXIS - 1, view.width, 1);
  context.font = `${0.75 * theme.rem}px system-ui, sans-serif`;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  let day = "";
  for (const place of ticks(lineage, view)) {
    const [date, time] = lineage.frames[place].split("_");
    const x = view.toX(lineage.x[place]);
    context.fillStyle = theme.quiet;
    context.fillRect(x, AXIS - 6, 1, 6);
    if (x < -ROOM / 2) continue;
    context.fillText(time.slice(0, 5), x + 3, AXIS - 6);
    if (date !== day) {
      context.fillStyle = theme.text;
      context.fillText(day.slice(0, 4) === date.slice(0, 4) ? date.slice(5) : date, x + 3, AXIS - 20);
      day = date;
    }
  }
}

export function drawCursor(context, { lineage, view, theme, place }) {
  const x = view.toX(lineage.x[place] ?? 0);
  context.fillStyle = theme.accent;
  context.fillRect(x - 0.75, AXIS - 8, 1.5, view.height + 8);
  context.beginPath();
  context.moveTo(x - 6, AXIS - 14);
  context.lineTo(x + 6, AXIS - 14);
  context.lineTo(x, AXIS - 4);
  context.fill();
}
