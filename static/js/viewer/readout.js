/** What lies under the cursor, in words: position, value, pore. */

import { BITMAP_WORDS } from "./colormaps.js";
import { amount, digitsFor, scientific } from "./format.js";
import { helioprojective, lonLat, mu } from "./geometry.js";
import { labelAt, valueAt } from "./layers.js";
import { nameOf } from "./overlays.js";

/**
 * All that is known of a point (edges of native pixels) of a frame.
 *
 * Returns { row, col, inside, position, valueWords, label, feature }; `position` is null
 * without a geometry.
 */
export function inspect({ u, v }, { frame, layer, spec, absent, labels, features }) {
  const [ny, nx] = frame.shape;
  const row = v - 0.5;
  const col = u - 0.5;
  const inside = u >= 0 && v >= 0 && u < nx && v < ny;
  const place = [frame.geometry, row, col];
  const position = frame.geometry && inside
    ? { ...lonLat(...place), ...helioprojective(...place), mu: mu(...place) }
    : null;
  const label = labels && inside ? labelAt(labels, Math.floor(v * labels.factor), Math.floor(u * labels.factor)) : 0;
  return {
    row, col, inside, position, label,
    valueWords: valueWords({ u, v, inside, layer, spec, absent, position }),
    feature: label ? features.find((feature) => feature.label === label) ?? null : null,
  };
}

function valueWords({ u, v, inside, layer, spec, absent, position }) {
  if (!inside) return "outside the map";
  if (!layer) return absent;
  const value = valueAt(layer, Math.floor(v * layer.factor), Math.floor(u * layer.factor));
  if (Number.isNaN(value)) return position && Number.isNaN(position.mu) ? "no data, off the limb" : "no data";
  if (spec.colormap === "categories") {
    const words = BITMAP_WORDS.get(Math.round(value))?.words;
    return words ? `${Math.round(value)}, ${words}` : String(Math.round(value));
  }
  return amount(value, digitsFor(spec.limits), spec.unit, { signed: spec.colormap === "diverging" });
}

const angle = (value, options) => amount(value, 3, "\u00b0", options);
const arcsec = (value) => amount(value, 1, "\u2033", { signed: true, without: "off the limb" });

/** The one line under the image. */
export function lineOf(found) {
  if (!found.inside) return "outside the map";
  const where = `col ${amount(found.col, 1)} row ${amount(found.row, 1)}`;
  return [where, found.valueWords, found.feature && poreWords(found.feature)].filter(Boolean).join(" \u00b7 ");
}

const poreWords = (feature) =>
  feature.track == null ? `pore ${nameOf(feature)}, no track` : `pore of track ${feature.track}`;

/** Rows [name, value] for the table of positions. */
export function positionRows(found, spec) {
  const { position } = found;
  const lacking = found.inside ? "place unknown" : "outside the map";
  return [
    [spec.label, found.valueWords],
    ["Native col, row", `${amount(found.col, 1)}, ${amount(found.row, 1)}`],
    ["Carrington lon", position ? angle(position.lon) : lacking],
    ["Carrington lat", position ? angle(position.lat, { signed: true }) : lacking],
    ["Tx (west)", position ? arcsec(position.tx) : lacking],
    ["Ty (north)", position ? arcsec(position.ty) : lacking],
    ["\u03bc", position ? amount(position.mu, 4, "", { without: "off the limb" }) : lacking],
  ];
}

/** Rows [name, value] for the pore under the cursor. */
export function poreRows(feature) {
  return [
    ["Track", feature.track == null ? "none" : String(feature.track)],
    ["Feature", `${feature.id} (label ${feature.label})`],
    ["Area", amount(feature.area_mm2, 2, "Mm\u00b2")],
    ["Flux", scientific(feature.flux_mx, "Mx")],
    ["|B|", amount(feature.b_g, 0, "G")],
    ["Br", amount(feature.bz_g, 0, "G", { signed: true })],
    ["\u03bc", amount(feature.mu, 4, "", { without: "not known" })],
    ["Centre", feature.lon_deg == null ? "place unknown"
      : `${angle(feature.lon_deg)}, ${angle(feature.lat_deg, { signed: true })}`],
  ];
}

/** Put rows into a <dl>; the same nodes are used again, so that moving the cursor is cheap. */
export function fillRows(list, rows) {
  while (list.children.length > 2 * rows.length) list.lastElementChild.remove();
  while (list.children.length < 2 * rows.length) {
    list.append(document.createElement(list.children.length % 2 ? "dd" : "dt"));
  }
  rows.flat().forEach((words, i) => {
    if (list.children[i].textContent !== words) list.children[i].textContent = words;
  });
}
