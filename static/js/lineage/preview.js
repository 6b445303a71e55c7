/** The small picture of the frame at the cursor, round the selected track. */

import { drawFilmFrame } from "../viewer/filmstrip.js";

const REST_MS = 60;
const PIXEL_MM = 0.18; // of the doubled grid, where the frames do not tell
const [LEAST, MOST] = [22, 90]; // pixels from the middle to the edge
const ROOM = 12;

export class Preview {
  constructor(canvas, addresses) {
    this.canvas = canvas;
    this.addresses = addresses;
    this.centre = this.wanted = this.last = null;
    this.busy = false;
    canvas.dataset.limits = addresses.limits.join(",");
    if (addresses.pixel_mm) canvas.dataset.pixelMm = addresses.pixel_mm;
    new ResizeObserver(() => this.again()).observe(canvas);
  }

  /** Show the frame at a place, round a track or, without one, round the largest pore. */
  show(lineage, place, selected) {
    const here = lineage.tracks.filter((track) => track.covers(place));
    const track = selected ?? here.reduce((most, other) => (other.areaAt(place) > (most?.areaAt(place) ?? 0) ? other : most), null);
    this.place(track, place);
    this.wanted = this.last = { lineage, place, track, here };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), REST_MS);
  }

  /** Where the picture's middle lies: at the track, or where it was seen nearest in time. */
  place(track, place) {
    if (!track) return;
    const seen = (at) => track.labels[at] > 0;
    const at = Math.min(track.last, Math.max(track.first, place)) - track.first;
    for (let step = 0; step < track.labels.length; step += 1) {
      const near = [at - step, at + step].find(seen);
      if (near === undefined) continue;
      const radius = Math.sqrt(track.largest / Math.PI) / (this.addresses.pixel_mm ?? PIXEL_MM);
      this.centre = {
        row: track.rows[near], col: track.cols[near],
        half: Math.round(Math.min(MOST, Math.max(LEAST, 1.8 * radius + ROOM))),
      };
      return;
    }
  }

  /** Draw what is wanted; what is asked for meanwhile is drawn next, so that nothing older comes over it. */
  async draw() {
    if (this.busy || !this.wanted) return;
    const { lineage, place, track, here } = this.wanted;
    this.wanted = null;
    this.busy = true;
    const { dataset } = this.canvas;
    const url = (layer) => this.addresses.layer.replace("{id}", lineage.frameIds[place]).replace("{layer}", layer);
    const { row, col, half } = this.centre ?? { row: 0, col: 0, half: MOST };
    Object.assign(dataset, {
      layerUrl: url("enhanced"), labelsUrl: url("labels"), row, col, half,
      name: `Frame ${lineage.numbers[place]}, ${lineage.frames[place]}${track ? `, round track ${track.n}` : ""}`,
      marks: JSON.stringify(marksOf(here, track, place)),
    });
    await drawFilmFrame(this.canvas);
    this.busy = false;
    if (this.wanted) this.draw();
  }

  /** The same picture again, as when the theme or the size has changed. */
  again() {
    this.wanted ??= this.last;
    this.draw();
  }
}

/** Which label of the frame is of which track. */
function marksOf(here, selected, place) {
  return here.flatMap((track) => {
    const own = track.labels[place - track.first];
    const strays = track.strays.filter(([at]) => at === place).map(([, label]) => label);
    const role = track === selected ? "parent" : "other";
    return [...(own ? [own] : []), ...strays].map((label) => ({ label, track: track.n, role }));
  });
}
