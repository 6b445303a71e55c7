/** The pores of the frames around an event and the machine's links between them. */

import { fetchFeatures } from "../viewer/layers.js";

const NO_FIELD = 2; // as processing.flags.FeatureFlag

const pairKey = (earlier, later) => `${earlier} ${later}`;

export class Pores {
  /** `data` is what the page says (see strip_json of desk_frames.py). */
  constructor(data) {
    this.data = data;
    this.byId = new Map();
    this.byFrame = new Map();
    this.links = new Map();
    this.coming = new Map();
    this.frames = new Map(data.frames.map((frame) => [frame.index, frame]));
    this.complete = new Set(data.frames.filter((frame) => frame.shown).map((frame) => frame.index));
    for (const row of data.pores) this.add(Object.fromEntries(data.columns.map((name, i) => [name, row[i]])));
    for (const [earlier, later] of data.links) this.links.set(pairKey(earlier, later), [earlier, later]);
  }

  add(pore) {
    if (this.byId.has(pore.id)) return;
    this.byId.set(pore.id, pore);
    if (!this.byFrame.has(pore.index)) this.byFrame.set(pore.index, []);
    this.byFrame.get(pore.index).push(pore);
  }

  get(id) {
    return this.byId.get(id);
  }

  /** The pores of a frame, nearest to the event first; of a frame that has not come, only those that are known. */
  ofFrame(index) {
    const { row, col } = this.data;
    const away = (pore) => (pore.row - row) ** 2 + (pore.col - col) ** 2;
    return [...(this.byFrame.get(index) ?? [])].sort((a, b) => away(a) - away(b) || a.id - b.id);
  }

  /** Have all pores of a frame; resolves when they are there. Raises LayerError. */
  async load(index) {
    const frame = this.frames.get(index);
    if (!frame || frame.reason || this.complete.has(index)) return;
    if (!this.coming.has(index)) this.coming.set(index, this.fetch(frame).finally(() => this.coming.delete(index)));
    await this.coming.get(index);
  }

  async fetch({ index, id }) {
    const { features } = await fetchFeatures(this.data.features_url.replace("{id}", id));
    for (const feature of features) {
      const { id: pk, label, track, row, col, area_mm2: area, flux_mx: flux, b_g: b, flags } = feature;
      const radius = Math.sqrt(area / Math.PI) / this.data.pixel_mm;
      this.add({ id: pk, index, label, track, row, col, radius, area, flux, b, lacks: Boolean(flags & NO_FIELD) });
      for (const later of feature.next) this.links.set(pairKey(pk, later), [pk, later]);
      for (const earlier of feature.previous) this.links.set(pairKey(earlier, pk), [earlier, pk]);
    }
    this.complete.add(index);
  }

  isLinked(earlier, later) {
    return this.links.has(pairKey(earlier, later));
  }

  /** The machine's links out of and into a pore, as pairs. */
  linksOf(id) {
    return [...this.links.values()].filter((pair) => pair.includes(id));
  }

  /** "parent" or "child" for the event's own pores and what else is on their tracks, else "other". */
  roleOf(pore) {
    const { pores, tracks } = this.data.roles;
    return pores[pore.id] ?? tracks[pore.track] ?? "other";
  }
}

/** "track 5 in frame 8": how a pore is named in words. */
export const poreName = (pore) =>
  `${pore.track == null ? `pore ${pore.label} without a track` : `track ${pore.track}`} in frame ${pore.index + 1}`;
