/**
 * What has been fetched of the frames, within a budget of bytes, and what is on its way.
 *
 * Somebody says what is wanted, most urgent first; the rest is aborted when on its way and given
 * up, oldest first, when the budget is used.
 */

import { fetchFeatures, fetchLayer } from "./layers.js";

export const FEATURES = "features";
export const LABELS = "labels";
const AT_ONCE = 5; // browsers open six connections to one HTTP/1.1 host; one is left for the page
const BYTES_A_FEATURE = 400;

export class FrameStore {
  /** `onArrival(index, layer)` is called when something wanted is there or has failed. */
  constructor(manifest, { maxBytes = 200e6, onArrival = () => {} } = {}) {
    this.manifest = manifest;
    this.ofAll = new Set(manifest.layers.filter((spec) => spec.of_all_frames).map((spec) => spec.key));
    this.maxBytes = maxBytes;
    this.onArrival = onArrival;
    this.held = new Map(); // in order of last use
    this.coming = new Map();
    this.queue = [];
    this.bytes = 0;
    this.largest = 0;
  }

  /** Whether it is one map of all frames together, which is fetched and held once. */
  isOfAll(layer) {
    return this.ofAll.has(layer);
  }

  keyOf(index, layer) {
    return this.isOfAll(layer) ? `all ${layer}` : `${index} ${layer}`;
  }

  /** Whether the server holds that layer of the frame, by the manifest. */
  offers(index, layer) {
    const frame = this.manifest.frames[index];
    if (!frame) return false;
    if (this.isOfAll(layer)) {
      const shape = this.manifest.statistics?.shape;
      return Boolean(shape) && shape.every((side, axis) => side === frame.shape?.[axis]);
    }
    return frame.segments.includes(layer === FEATURES ? LABELS : layer); // they are made together
  }

  /** { data } or { reason } when settled, { coming: true } when on its way, null otherwise. */
  peek(index, layer) {
    const key = this.keyOf(index, layer);
    const entry = this.held.get(key);
    if (!entry) return this.coming.has(key) ? { coming: true } : null;
    this.held.delete(key); // to the end: used last
    this.held.set(key, entry);
    return entry;
  }

  /** The data when it is there, else null. */
  get(index, layer) {
    return this.peek(index, layer)?.data ?? null;
  }

  /** Say what is wanted, as [index, layer] pairs, most urgent first. */
  want(pairs) {
    let room = this.maxBytes;
    const asked = new Set();
    const wanted = pairs.filter(([index, layer]) => {
      const key = this.keyOf(index, layer);
      if (asked.has(key) || !this.offers(index, layer)) return false;
      asked.add(key);
      room -= layer === FEATURES ? 0 : this.largest;
      return room > 0 || index === pairs[0][0];
    });
    this.wanted = new Set(wanted.map((pair) => this.keyOf(...pair)));
    for (const [key, controller] of this.coming) {
      if (!this.wanted.has(key)) {
        controller.abort();
        this.coming.delete(key);
      }
    }
    this.queue = wanted.filter((pair) => !this.held.has(this.keyOf(...pair)) && !this.coming.has(this.keyOf(...pair)));
    this.pump();
  }

  /** Forget a failure, so that it is asked for again. */
  retry(index, layer) {
    const key = this.keyOf(index, layer);
    if (this.held.get(key)?.reason) this.held.delete(key);
  }

  pump() {
    while (this.coming.size < AT_ONCE && this.queue.length) this.load(...this.queue.shift());
  }

  async load(index, layer) {
    const key = this.keyOf(index, layer);
    const controller = new AbortController();
    this.coming.set(key, controller);
    let entry;
    try {
      const data = await this.fetch(index, layer, controller.signal);
      entry = { data, bytes: data.codes ? data.codes.buffer.byteLength : BYTES_A_FEATURE * data.features.length };
      if (data.codes) this.largest = Math.max(this.largest, entry.bytes);
    } catch (problem) {
      entry = { reason: problem.message, bytes: 0 };
    }
    if (this.coming.get(key) !== controller) return; // aborted, or asked for anew meanwhile
    this.coming.delete(key);
    this.held.set(key, entry);
    this.bytes += entry.bytes;
    this.giveUpOldest();
    this.pump();
    this.onArrival(index, layer);
  }

  fetch(index, layer, signal) {
    const frame = this.manifest.frames[index];
    const fill = (url) => url.replace("{id}", frame.id).replace("{index}", frame.index).replace("{layer}", layer);
    if (layer === FEATURES) return fetchFeatures(fill(this.manifest.features_url), { signal });
    const address = this.isOfAll(layer) ? this.manifest.statistics.url : this.manifest.layer_url;
    return fetchLayer(fill(address), { signal });
  }

  giveUpOldest() {
    for (const [key, entry] of this.held) {
      if (this.bytes <= this.maxBytes) return;
      if (!this.wanted.has(key)) {
        this.held.delete(key);
        this.bytes -= entry.bytes;
      }
    }
  }
}

/**
 * What to hold for a frame, as pairs for `want`: itself, two frames each way, more the way it plays.
 *
 * `layer` is what is shown; labels and features come along, for outlines and what is under the
 * cursor. `ahead` is how many frames lie ready the way it goes, 0 for none either way; `past`
 * asks for the features of so many frames before, for tails.
 */
export function nearby({ index, count, layer, direction = 1, ahead = 2, past = 0 }) {
  const near = ahead ? [0, direction, -direction, 2 * direction, -2 * direction] : [0];
  for (let step = 3; step <= ahead; step += 1) near.push(step * direction);
  const inside = (at) => at >= 0 && at < count;
  const pairs = near.map((step) => index + step).filter(inside)
    .flatMap((at) => [[at, layer], [at, LABELS], [at, FEATURES]]);
  for (let step = 3; step <= past; step += 1) if (inside(index - step)) pairs.push([index - step, FEATURES]);
  return pairs;
}
