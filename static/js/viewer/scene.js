/** What the overlays need of the frames before and after, gathered from what has been fetched. */

import { pixelSideMm } from "./geometry.js";
import { FEATURES, LABELS } from "./store.js";

export const TAIL_FRAMES = 10;
const LINK_FRAMES = 3; // a link may reach over a gap of so many frames

const range = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

/** The features of a frame, none when they have not come yet. */
export function featuresOf(store, index) {
  return store.get(index, FEATURES)?.features ?? [];
}

/** The scene of the viewer's frame for `drawOverlays`. */
export function sceneOf({ store, index, show, labels, selected, found, cross, factor, frame, theme }) {
  const features = (indices) => indices.map((at) => featuresOf(store, at));
  const later = show.links ? features(range(index + 1, index + 1 + LINK_FRAMES)).flat() : [];
  return {
    show, labels, selected, cross, factor, theme,
    labelsBefore: show.onion && index > 0 ? store.get(index - 1, LABELS) : null,
    features: featuresOf(store, index),
    past: show.tails ? features(range(Math.max(0, index - TAIL_FRAMES), index)) : [],
    later: new Map(later.map((feature) => [feature.id, feature])),
    hovered: found?.label || null,
    isOriented: frame.geometry !== null || frame.pixel_mm === null, // a bare SHARP is a map as well
    sideMm: frame.geometry ? pixelSideMm(frame.geometry) : frame.pixel_mm ?? null,
  };
}
