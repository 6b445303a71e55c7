/** Events as marks: the shape tells the kind, the colour the state, and a cross what is not in the lineage any more. */

const SMALL = 3;
const LARGE = 5;
const ROOM_X = 4; // CSS pixels a slot, and
const ROOM_Y = 12; // a lane, from which marks are large, and births and deaths are marked too
export const REACH = 11; // CSS pixels from which an event can be pointed at

function shapeOf(kind, x, y, r) {
  const path = new Path2D();
  const polygon = (points) => {
    points.forEach(([dx, dy], i) => (i ? path.lineTo(x + dx * r, y + dy * r) : path.moveTo(x + dx * r, y + dy * r)));
    path.closePath();
  };
  if (kind === "merge") polygon([[-1, -0.9], [1, -0.9], [0, 1]]);
  else if (kind === "split") polygon([[-1, 0.9], [1, 0.9], [0, -1]]);
  else if (kind === "gap") polygon([[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]]);
  else path.arc(x, y, 0.8 * r, 0, 2 * Math.PI);
  return path;
}

/** Whether an event is marked at this zoom. */
export function isMarked(event, { view, selectedEvent }) {
  return Boolean(event.where)
    && (!event.minor || event === selectedEvent || (view.scaleY >= ROOM_Y && view.scaleX >= ROOM_X / 2));
}

/** Draw the events of a scene that are in the window, those that wait for people last. */
export function drawMarks(context, scene) {
  const { lineage, view, theme, selectedEvent, selected } = scene;
  const r = view.scaleX >= ROOM_X && view.scaleY >= ROOM_Y ? LARGE : SMALL;
  const shown = lineage.events.filter((event) => isMarked(event, scene) && view.holds(event.where));
  for (const event of shown) {
    const [x, y] = [view.toX(event.where.x), view.toY(event.where.lane)];
    const path = shapeOf(event.kind, x, y, r);
    const colour = theme.ofState(event.state);
    context.globalAlpha = selected && event.track.lineage !== selected.lineage ? 0.35 : 1;
    context.lineJoin = "round";
    context.strokeStyle = theme.surface;
    context.lineWidth = 3.5;
    context.stroke(path);
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 1.25;
    if (event.there && event.kind !== "disappear" && event.kind !== "gap") context.fill(path);
    else {
      context.fillStyle = theme.surface;
      context.fill(path);
    }
    context.stroke(path);
    if (!event.there) cross(context, x, y, r + 1);
    if (event === selectedEvent) ring(context, x, y, r + 5, theme.focus);
  }
  context.globalAlpha = 1;
}

function cross(context, x, y, r) {
  context.beginPath();
  context.moveTo(x - r, y - r);
  context.lineTo(x + r, y + r);
  context.moveTo(x - r, y + r);
  context.lineTo(x + r, y - r);
  context.stroke();
}

function ring(context, x, y, r, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.stroke();
}

/** The event that is marked nearest to a point of the window, or null. */
export function eventAt(px, py, scene) {
  let [best, least] = [null, REACH];
  for (const event of scene.lineage.events) {
    if (!isMarked(event, scene)) continue;
    const way = Math.hypot(scene.view.toX(event.where.x) - px, scene.view.toY(event.where.lane) - py);
    if (way < least) [best, least] = [event, way];
  }
  return best;
}
