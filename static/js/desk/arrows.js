/** Arrows from pore to pore across the pictures of the strip: the machine's links, and what a correction changes. */

const SVG = "http://www.w3.org/2000/svg";
const CLEAR = 4; // CSS pixels left free around a pore, so that an arrow does not hide it
const LOST = "5 4"; // a gap: the pore is not seen in between

const element = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

/** Where a pore lies on the strip, in CSS pixels; null outside its picture, or when its frame is not shown. */
function placeOf(pore, { view, cells }) {
  const canvas = pore && cells.get(pore.index)?.canvas;
  if (!canvas) return null;
  const { x, y } = view.toPicture(pore.row, pore.col);
  if (x <= 0 || y <= 0 || x >= view.size.width || y >= view.size.height) return null;
  const clear = pore.radius * view.scale + CLEAR;
  return { x: canvas.offsetLeft + canvas.clientLeft + x, y: canvas.offsetTop + canvas.clientTop + y, clear };
}

function lineOf(from, to) {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  const room = Math.min(1, (0.8 * length) / (from.clear + to.clear)); // large pores leave an arrow of a fifth
  const a = { x: from.x + room * from.clear * ux, y: from.y + room * from.clear * uy };
  const b = { x: to.x - room * to.clear * ux, y: to.y - room * to.clear * uy };
  const barb = (sign) => `M${b.x} ${b.y}L${b.x - 7 * ux - sign * 4 * uy} ${b.y - 7 * uy + sign * 4 * ux}`;
  return { d: `M${a.x} ${a.y}L${b.x} ${b.y}${barb(1)}${barb(-1)}`, middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
}

const plain = (d, { colour, width, dash = "none", opacity = 1 }) =>
  element("path", { d, fill: "none", stroke: colour, "stroke-width": width, "stroke-dasharray": dash, opacity });

function signAt({ x, y }, sign, className) {
  const group = element("g", { class: className });
  const cross = `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}`;
  const plus = `M${x - 5} ${y}H${x + 5}M${x} ${y - 5}V${y + 5}`;
  group.append(element("circle", { cx: x, cy: y, r: 8 }), element("path", { d: sign === "+" ? plus : cross }));
  return group;
}

/** The nodes of one link; none where an end is not to be seen. */
function nodesOf(pair, kind, scene) {
  const { pores, theme } = scene;
  const [earlier, later] = pair.map((id) => pores.get(id));
  const [from, to] = [placeOf(earlier, scene), placeOf(later, scene)];
  if (!from || !to) return [];
  const { d, middle } = lineOf(from, to);
  const dash = later.index - earlier.index > 1 ? LOST : "none";
  const colour = theme.track(later.track);
  if (kind === "added") {
    return [plain(d, { colour: theme.casing, width: 6 }), plain(d, { colour: theme.otherFrame, width: 3 }), signAt(middle, "+", "sign-added")];
  }
  const opacity = kind === "removed" || kind === "faint" ? 0.45 : 1;
  const nodes = [plain(d, { colour: theme.casing, width: 3.5, dash, opacity }), plain(d, { colour, width: 1.5, dash, opacity })];
  return kind === "removed" ? [...nodes, signAt(middle, "x", "sign-removed")] : nodes;
}

/**
 * Draw all arrows into the sheet, an `<svg>` that covers the strip.
 *
 * `scene`: pores, view, cells (Map of frame index to { canvas }), theme, added, removed (pairs of ids),
 * `all` (also links of pores that have nothing to do with the event).
 */
export function drawArrows(sheet, scene) {
  const { pores, added, removed, all } = scene;
  const cut = new Set(removed.map(String));
  const nodes = [];
  for (const pair of pores.links.values()) {
    if (cut.has(String(pair))) continue;
    const ends = pair.map((id) => pores.get(id));
    if (!ends[0] || !ends[1]) continue;
    const isOwn = ends.every((pore) => pores.roleOf(pore) !== "other") || pair.some((id) => pores.data.roles.pores[id]);
    if (isOwn || all) nodes.push(...nodesOf(pair, isOwn ? "own" : "faint", scene));
  }
  for (const pair of removed) nodes.push(...nodesOf(pair, "removed", scene));
  for (const pair of added) nodes.push(...nodesOf(pair, "added", scene));
  sheet.replaceChildren(...nodes);
}
