/** The shapes of marks: how many points each has, where they lie on a frame, and how they are drawn. */

import { lonLat, pixelOf } from "../viewer/geometry.js";
import { strokeCased } from "../viewer/overlays.js";

export const N_POINTS = { point: 1, rectangle: 2, circle: 2, arrow: 2 };
const CROSS_PX = 9;
const HEAD_PX = 12;
const PAD_PX = 4; // around the number on its plate
const NEAR_PX = 12; // width of the band along a line in which a click means it

/** Where a mark lies on a frame: edges of native pixels; null where the frame does not reach or tell. */
export function placesOf({ points }, geometry) {
  if (!geometry) return null;
  const places = points.map(([lon, lat]) => pixelOf(geometry, lon, lat)).map(({ row, col }) => ({ u: col + 0.5, v: row + 0.5 }));
  return places.every(({ u, v }) => Number.isFinite(u) && Number.isFinite(v)) ? places : null;
}

/** The same way back: [Carrington longitude, latitude] of places on a frame; null where one is not on the Sun. */
export function solarPoints(places, geometry) {
  if (!geometry) return null;
  const points = places.map(({ u, v }) => lonLat(geometry, v - 0.5, u - 0.5)).map(({ lon, lat }) => [lon, lat]);
  return points.flat().every(Number.isFinite) ? points : null;
}

const paths = {
  point(path, [{ x, y }]) {
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      path.moveTo(x + 3 * dx, y + 3 * dy);
      path.lineTo(x + CROSS_PX * dx, y + CROSS_PX * dy);
    }
  },
  rectangle(path, [from, to]) {
    path.rect(from.x, from.y, to.x - from.x, to.y - from.y);
  },
  circle(path, [centre, rim]) {
    path.arc(centre.x, centre.y, Math.hypot(rim.x - centre.x, rim.y - centre.y), 0, 2 * Math.PI);
  },
  arrow(path, [tail, head]) {
    path.moveTo(tail.x, tail.y);
    path.lineTo(head.x, head.y);
    const angle = Math.atan2(head.y - tail.y, head.x - tail.x);
    for (const side of [-0.5, 0.5]) {
      path.moveTo(head.x - HEAD_PX * Math.cos(angle + side), head.y - HEAD_PX * Math.sin(angle + side));
      path.lineTo(head.x, head.y);
    }
  },
};

/** Where the number goes: the lower left corner of its plate, beside the shape and not on what it marks. */
function plateAt(shape, [first, second]) {
  if (shape === "rectangle") return { x: Math.max(first.x, second.x) + 3, y: Math.min(first.y, second.y) + 8 };
  if (shape === "circle") {
    const side = Math.hypot(second.x - first.x, second.y - first.y) * Math.SQRT1_2;
    return { x: first.x + side + 3, y: first.y - side };
  }
  if (shape === "arrow") return { x: first.x + (first.x < second.x ? -26 : 6), y: first.y + 8 };
  return { x: first.x + CROSS_PX, y: first.y - 4 };
}

const overlaps = (one, other) => one.x < other.x + other.width && other.x < one.x + one.width
  && one.y < other.y + other.height && other.y < one.y + one.height;

/** Words on a plate whose lower left corner is there, or beside plates that are there already. */
function drawPlate(context, words, at, { ink, ground, casing, rem, dot, taken = [] }) {
  context.font = `600 ${0.8125 * rem}px system-ui, sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const box = { x: at.x, y: at.y - rem, width: context.measureText(words).width + 2 * PAD_PX, height: rem + 2 };
  for (let other; (other = taken.find((plate) => overlaps(plate, box)));) box.x = other.x + other.width + 2;
  taken.push(box);
  context.fillStyle = casing;
  context.fillRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
  context.fillStyle = ground;
  context.fillRect(box.x, box.y, box.width, box.height);
  context.fillStyle = ink;
  context.fillText(words, box.x + PAD_PX, at.y - 2);
  if (dot) {
    const path = new Path2D();
    path.arc(box.x + box.width, box.y, 4, 0, 2 * Math.PI);
    strokeCased(context, path, { colour: ground, width: 2, casing });
    context.fillStyle = ink;
    context.fill(path);
  }
  return box;
}

/**
 * Draw a shape through places on the image, with its number where `look.words` has one.
 *
 * `look`: { colour, onColour, casing, rem, width, dash, words, dot, taken }; plates go into `taken` and leave
 * those alone that are in it. Returns { path, box } to find the shape again.
 */
export function drawShape(context, stage, shape, places, look) {
  const at = places.map(({ u, v }) => stage.toScreen(u, v));
  const path = new Path2D();
  paths[shape](path, at);
  strokeCased(context, path, look);
  if (!look.words) return { path, box: null };
  const box = drawPlate(context, look.words, plateAt(shape, at), { ...look, ink: look.onColour, ground: look.colour });
  return { path, box };
}

/** Whether a point of the screen (CSS pixels) means what `drawShape` drew. */
export function isHit(context, { path, box }, { x, y }, ratio) {
  const pad = NEAR_PX / 2;
  if (box && x > box.x - pad && y > box.y - pad && x < box.x + box.width + pad && y < box.y + box.height + pad) return true;
  context.save();
  context.lineWidth = NEAR_PX;
  const hit = context.isPointInStroke(path, x * ratio, y * ratio);
  context.restore();
  return hit;
}
