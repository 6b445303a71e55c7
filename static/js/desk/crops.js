/** The two small pictures of each alternative: where its link would begin, and where it would end. */

import { drawWords } from "../viewer/canvas.js";
import { onThemeChange, readTheme } from "../viewer/theme.js";
import { drawPicture } from "./picture.js";
import { View } from "./view.js";

const MARGIN_PX = 6;

/** Both pores of a link in sight, at one scale. */
function viewOf(pair, canvas) {
  const [a, b] = pair;
  const reach = Math.max(Math.abs(a.row - b.row), Math.abs(a.col - b.col)) / 2 + Math.max(a.radius, b.radius);
  const home = { row: (a.row + b.row) / 2, col: (a.col + b.col) / 2, half: Math.ceil(reach) + MARGIN_PX };
  const view = new View(home, () => {});
  view.resize(canvas.clientWidth, canvas.clientHeight);
  return view;
}

async function draw(canvas, { data, pores, maps }, theme) {
  const frame = pores.frames.get(Number(canvas.dataset.frame));
  const pair = canvas.closest("tr").dataset.pair.split(",").map((id) => pores.get(Number(id)));
  if (!frame || !pair.every(Boolean)) {
    drawWords(canvas, "further away", theme);
    return;
  }
  try {
    const [map, labels] = await Promise.all([maps.picture(frame, data.layers[0].key), maps.labels(frame), pores.load(frame.index)]);
    const own = Number(canvas.dataset.crop);
    drawPicture(canvas, viewOf(pair, canvas), {
      map, labels, blend: false, onion: [], names: new Map(), cursor: null, first: null, spurious: new Set(), hovered: own,
      numbered: new Set(pair.map(({ id }) => id)),
      pores: pores.byFrame.get(frame.index) ?? [], sideMm: null,
    }, { theme, roleOf: (pore) => (pore.id === own ? "parent" : "other") });
  } catch (problem) {
    drawWords(canvas, problem.message, theme);
  }
}

/** Draw each crop when it comes into sight, and again when the theme or the fold changes. */
export function drawCrops(host, parts) {
  let theme = readTheme();
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.add(target);
      draw(target, parts, theme);
    }
  }, { rootMargin: "200px" });
  for (const canvas of host.querySelectorAll("canvas.crop")) watcher.observe(canvas);
  onThemeChange(() => {
    theme = readTheme();
    seen.forEach((canvas) => draw(canvas, parts, theme));
  });
}
