/**
 * The view as it stands in the address, so that a link shows a colleague the same thing.
 *
 * Parameters: t (T_REC), layer, show (one letter an overlay), lo and hi (limits of the layer),
 * x, y (centre, edges of native pixels), z (CSS pixels for a native pixel), tracks. Others,
 * such as run, stay as they are.
 */

export const OVERLAY_LETTERS = { outlines: "o", ids: "i", tails: "t", links: "l", onion: "n", marks: "m" };

const number = (text) => (text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

/** What the address asks for; null stands for what it does not say or says badly. */
export function readAddress(search = location.search) {
  const params = new URLSearchParams(search);
  const [lo, hi, u, v, scale] = ["lo", "hi", "x", "y", "z"].map((name) => number(params.get(name)));
  const letters = params.get("show");
  return {
    tRec: params.get("t"),
    layer: params.get("layer"),
    show: letters === null ? null
      : Object.fromEntries(Object.entries(OVERLAY_LETTERS).map(([name, letter]) => [name, letters.includes(letter)])),
    limits: lo !== null && hi !== null && lo < hi ? [lo, hi] : null,
    view: u !== null && v !== null && scale > 0 ? { u, v, scale } : null,
    tracks: (params.get("tracks") ?? "").split(",").filter((text) => /^\d+$/.test(text)).map(Number),
  };
}

/** The address of a view; what is null is left out. */
export function writeAddress({ tRec, layer, show, limits, view, tracks }, search = location.search) {
  const params = new URLSearchParams(search);
  const put = (name, value) => (value === null || value === "" ? params.delete(name) : params.set(name, value));
  put("t", tRec);
  put("layer", layer);
  const shown = Object.keys(OVERLAY_LETTERS).filter((name) => show[name]);
  params.set("show", shown.map((name) => OVERLAY_LETTERS[name]).join(""));
  put("lo", limits ? String(limits[0]) : null);
  put("hi", limits ? String(limits[1]) : null);
  put("x", view ? String(Number(view.u.toFixed(1))) : null);
  put("y", view ? String(Number(view.v.toFixed(1))) : null);
  put("z", view ? String(Number(view.scale.toPrecision(4))) : null);
  put("tracks", tracks.length ? tracks.join(",") : null);
  return `?${params.toString().replaceAll("%3A", ":").replaceAll("%2C", ",")}`;
}

/** A function that puts the latest address in place, at most every so many milliseconds. */
export function addressKeeper(pause = 250) {
  let timer = null;
  return (view) => {
    clearTimeout(timer); // browsers refuse more than about 100 changes in 30 seconds
    timer = setTimeout(() => history.replaceState(null, "", writeAddress(view) + location.hash), pause);
  };
}
