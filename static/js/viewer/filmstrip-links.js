/**
 * Arrows from pore to pore across the pictures of a filmstrip, for the tracks of its event.
 *
 * Needs: [data-filmstrip-links] naming the id of a JSON script with [earlier id, later id] pairs,
 * around canvases whose data-marks have id, row, col, radius, track and role (see filmstrip.js).
 */

import { cropPlace } from "./filmstrip.js";
import { onThemeChange, readTheme } from "./theme.js";

const SVG = "http://www.w3.org/2000/svg";
const CLEAR = 4; // CSS pixels left free around a pore, so that an arrow does not hide it

/** Where a mark lies in the host, in CSS pixels; null outside its picture. */
function placeOf(canvas, mark) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const { x: left, y: bottom, scale } = cropPlace(canvas);
  const x = left + (mark.col + 0.5) * scale;
  const y = bottom - (mark.row + 0.5) * scale;
  const inside = x > 0 && x < width && y > 0 && y < height;
  if (!inside) return null;
  const clear = mark.radius * scale + CLEAR;
  return { x: canvas.offsetLeft + canvas.clientLeft + x, y: canvas.offsetTop + canvas.clientTop + y, clear };
}

function marksOf(host) {
  const found = new Map();
  for (const [frame, canvas] of host.querySelectorAll("canvas[data-filmstrip]").entries()) {
    for (const mark of JSON.parse(canvas.dataset.marks || "[]")) {
      if (mark.role !== "other") found.set(mark.id, { frame, mark, place: placeOf(canvas, mark) });
    }
  }
  return found;
}

function arrow(from, to, { colour, width, dash }) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  const a = { x: from.x + from.clear * ux, y: from.y + from.clear * uy };
  const b = { x: to.x - to.clear * ux, y: to.y - to.clear * uy };
  const barb = (sign) => `M${b.x} ${b.y}L${b.x - 7 * ux - sign * 4 * uy} ${b.y - 7 * uy + sign * 4 * ux}`;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M${a.x} ${a.y}L${b.x} ${b.y}${barb(1)}${barb(-1)}`);
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", colour);
  path.setAttribute("stroke-width", width);
  path.setAttribute("stroke-dasharray", dash);
  return path;
}

function draw(host) {
  const theme = readTheme();
  host.querySelector("svg.filmstrip-links")?.remove();
  const sheet = document.createElementNS(SVG, "svg");
  sheet.setAttribute("class", "filmstrip-links");
  sheet.setAttribute("aria-hidden", "true"); // the table of links says the same in words
  sheet.setAttribute("width", host.scrollWidth);
  sheet.setAttribute("height", host.clientHeight);
  const marks = marksOf(host);
  for (const [earlier, later] of JSON.parse(document.getElementById(host.dataset.filmstripLinks).textContent)) {
    const [from, to] = [marks.get(earlier), marks.get(later)];
    if (!from?.place || !to?.place) continue;
    const dash = to.frame - from.frame > 1 ? "5 4" : "none"; // a gap: the pore is not seen in between
    sheet.append(
      arrow(from.place, to.place, { colour: theme.casing, width: 3.5, dash }),
      arrow(from.place, to.place, { colour: theme.track(to.mark.track), width: 1.5, dash }),
    );
  }
  host.append(sheet);
}

for (const host of document.querySelectorAll("[data-filmstrip-links]")) {
  const again = () => draw(host);
  again();
  const seen = host.querySelector(".is-event");
  if (seen) host.scrollLeft = seen.offsetLeft - (host.clientWidth - seen.clientWidth) / 2;
  onThemeChange(again);
  window.addEventListener("resize", again);
}
