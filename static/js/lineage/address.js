/**
 * The lineage page's view in its address.
 *
 * Parameters: t (T_REC of the cursor), track (number), event (key), from and to (T_REC of the
 * selected range), hue ("track"; polarity when left out), x (slot in the middle), z (CSS pixels a
 * slot), y (lane at the top), h (CSS pixels a lane). What is left out shows everything.
 */

const number = (text) => (text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

export function readAddress(search = location.search) {
  const params = new URLSearchParams(search);
  const [centre, scaleX, top, scaleY, track, event] =
    ["x", "z", "y", "h", "track", "event"].map((name) => number(params.get(name)));
  return {
    tRec: params.get("t"), track, event,
    range: params.get("from") && params.get("to") ? [params.get("from"), params.get("to")] : null,
    hue: params.get("hue") === "track" ? "track" : "polarity",
    look: scaleX > 0 && scaleY > 0 && centre !== null && top !== null ? { centre, scaleX, top, scaleY } : null,
  };
}

/** The address of a state of the page; what is null is left out. */
export function writeAddress({ tRec, track, event, range, hue, look }, search = location.search) {
  const params = new URLSearchParams(search);
  const put = (name, value) => (value === null ? params.delete(name) : params.set(name, value));
  const rounded = (value, digits) => String(Number(value.toPrecision(digits)));
  put("t", tRec);
  put("track", track);
  put("event", event);
  put("from", range?.[0] ?? null);
  put("to", range?.[1] ?? null);
  put("hue", hue === "track" ? "track" : null);
  put("x", look && rounded(look.centre, 6));
  put("z", look && rounded(look.scaleX, 4));
  put("y", look && rounded(look.top, 5));
  put("h", look && rounded(look.scaleY, 4));
  const query = params.toString().replaceAll("%3A", ":");
  return query ? `?${query}` : location.pathname;
}

/** A function that puts the latest address in place, at most every so many milliseconds. */
export function addressKeeper(pause = 250) {
  let timer = null;
  return (state) => {
    clearTimeout(timer); // browsers refuse more than about 100 changes in 30 seconds
    timer = setTimeout(() => history.replaceState(null, "", writeAddress(state) + location.hash), pause);
  };
}
