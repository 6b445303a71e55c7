/** Maps of frames, fetched once and coloured once, for all pictures that show them. */

import { fetchLayer } from "../viewer/layers.js";
import { paintLayer } from "../viewer/paint.js";

const FILES_KEPT = 100;
const PICTURES_KEPT = 48;

/** Put into a map that forgets the oldest beyond `most`; what is asked for again counts as new. */
function keep(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
  return value;
}

export class Maps {
  /** `data.layer_url` with {id} and {layer}, `data.layers` with colormap and limits, `data.frames`. */
  constructor(data) {
    this.url = data.layer_url;
    this.specs = new Map(data.layers.map((spec) => [spec.key, spec]));
    this.files = new Map();
    this.pictures = new Map();
  }

  /** One map of a frame. Raises LayerError, whose message is a sentence. */
  layer(frame, key) {
    const url = this.url.replace("{id}", frame.id).replace("{layer}", key);
    const known = this.files.get(url);
    if (known) return keep(this.files, url, known, FILES_KEPT);
    const coming = fetchLayer(url);
    coming.catch(() => this.files.delete(url)); // a failure may be tried again
    return keep(this.files, url, coming, FILES_KEPT);
  }

  labels(frame) {
    return this.layer(frame, "labels");
  }

  /** The map in colours, as { picture (canvas, north up), layer }. */
  async picture(frame, key) {
    const name = `${frame.id} ${key}`;
    const known = this.pictures.get(name);
    if (known) return keep(this.pictures, name, known, PICTURES_KEPT);
    const layer = await this.layer(frame, key);
    const { colormap, limits } = this.specs.get(key);
    return keep(this.pictures, name, { picture: paintLayer(layer, colormap, limits), layer }, PICTURES_KEPT);
  }
}
