/**
 * The lineage as the server tells it (see `poreweb/releases/chart.py`), made ready to be drawn.
 *
 * Frames are told by their place, from 0; `x` is where a place lies in time, in slots of the
 * cadence. Lanes count from 0 at the top. Areas are in Mm2; 0 is a frame in which the pore was not seen.
 */

const DOUBTFUL_BELOW = 0.9; // births and deaths less sure than this are marked like other events

/** A track: its areas, and means of them over 2, 4, 8, ... frames for when it is drawn small. */
class Track {
  constructor(told, areaStep) {
    Object.assign(this, told);
    this.machine = told.machine ?? [told.n];
    this.levels = [Float32Array.from(told.areas, (area) => area * areaStep)];
    while (this.levels.at(-1).length > 4) this.levels.push(halved(this.levels.at(-1)));
    this.largest = this.levels[0].reduce((most, area) => Math.max(most, area), 0);
    this.middle = this.lane + this.height / 2;
    this.before = []; // links that end here, then those that begin here
    this.after = [];
    this.strays = told.absorbed ?? [];
  }

  /** Area at a place, Mm2; 0 where it is not seen. */
  areaAt(place) {
    return this.levels[0][place - this.first] ?? 0;
  }

  covers(place) {
    return place >= this.first && place <= this.last;
  }
}

/** Means of two neighbours each; what is not seen does not count. */
function halved(areas) {
  const means = new Float32Array(Math.ceil(areas.length / 2));
  for (let i = 0; i < means.length; i += 1) {
    const [a, b] = [areas[2 * i], areas[2 * i + 1] ?? 0];
    means[i] = a && b ? (a + b) / 2 : a || b;
  }
  return means;
}

export class Lineage {
  constructor(chart) {
    this.frames = chart.frames;
    this.cadence = chart.cadence_s ?? 720; // one that was built before it was told is of HMI's records
    this.frameIds = chart.frame_ids;
    this.numbers = chart.numbers;
    this.x = chart.x;
    this.gaps = chart.gaps;
    this.nLanes = Math.max(1, chart.n_lanes);
    this.laneMm2 = chart.lane_mm2;
    this.tracks = chart.tracks.map((told) => new Track(told, chart.area_step));
    this.byNumber = new Map(this.tracks.map((track) => [track.n, track]));
    this.links = chart.links.map(([from, to, last, first, event, settled]) => ({
      from: this.byNumber.get(from), to: this.byNumber.get(to), last, first, event, settled,
    }));
    for (const link of this.links) {
      link.from.after.push(link);
      link.to.before.push(link);
    }
    for (const track of this.tracks) {
      spread(track.before, "to", (link) => link.from);
      spread(track.after, "from", (link) => link.to);
    }
    this.events = chart.events.map((told, index) => this.placed({ ...told, index }));
    this.byKey = new Map(this.events.filter((event) => event.pk !== null).map((event) => [event.pk, event]));
    this.gapAt = new Map(this.events.filter((event) => event.kind === "gap")
      .map((event) => [`${event.out[0]} ${event.frame}`, event]));
  }

  get lastX() {
    return this.x.at(-1) ?? 0;
  }

  /** An event with the track and the place (slots and lanes) where it is marked; both null if all its pores are gone. */
  placed(event) {
    event.where = null;
    const [before, after] = [event.in, event.out].map((numbers) => this.byNumber.get(numbers[0]));
    const track = event.kind === "split" || event.kind === "disappear" ? before ?? after : after ?? before;
    event.track = track ?? null;
    if (track) {
      event.where = { x: this.x[event.frame] + (event.kind === "disappear" ? 0.5 : -0.5), lane: track.middle };
      event.minor = (event.kind === "appear" || event.kind === "disappear") && event.pk !== null
        && !(event.probability !== null && event.probability < DOUBTFUL_BELOW);
    }
    return event;
  }

  /** Take over what people have said of events meanwhile: { state: [keys] }. */
  takeStates(states) {
    for (const event of this.byKey.values()) event.state = "pending";
    for (const [state, keys] of Object.entries(states)) {
      for (const key of keys) {
        const event = this.byKey.get(key);
        if (event) event.state = state;
      }
    }
  }

  /** The place of the last frame at or before a moment in slots; the first one before all. */
  placeAt(x) {
    let [low, high] = [0, this.x.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.x[middle] <= x + 0.5) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The place of the frame of a T_REC, or of the last one before it; null without one. */
  placeOf(tRec) {
    if (!tRec) return null;
    const place = this.frames.findLastIndex((frame) => frame <= tRec); // T_RECs sort as words
    return place < 0 ? null : place;
  }

  /** The track of that number as published or, failing that, as the machine numbered it. */
  trackOf(number) {
    return this.byNumber.get(number) ?? this.tracks.find((track) => track.machine.includes(number)) ?? null;
  }

  /** The track that lies at a point of slots and lanes, or null. */
  trackAt(x, lane) {
    const place = this.placeAt(x);
    return this.tracks.find((track) => track.covers(place) && lane >= track.lane && lane < track.lane + track.height)
      ?? null;
  }

  /** The next track seen at a place above (-1) or below (1) a lane; null beyond the last. */
  nextTrack(place, lane, way) {
    const ahead = this.tracks.filter((track) => track.covers(place) && (track.middle - lane) * way > 1e-6);
    ahead.sort((a, b) => (a.middle - b.middle) * way);
    return ahead[0] ?? null;
  }

  /** Whether a track is seen in a range of places. */
  static isIn(track, [from, to]) {
    return track.first <= to && track.last >= from;
  }
}

/**
 * Share out the end of a track among the links that meet there, from the top by where they come
 * from or go to: from -0.5 to 0.5 of its width, as `${end}Low` and `${end}High` of each.
 */
function spread(links, end, other) {
  const weights = new Map(links.map((link) => {
    const track = other(link);
    return [link, track.areaAt(end === "to" ? link.last : link.first) || track.largest || 1];
  }));
  const all = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  let at = -0.5;
  for (const link of [...links].sort((a, b) => other(a).middle - other(b).middle)) {
    link[`${end}Low`] = at;
    at += weights.get(link) / all;
    link[`${end}High`] = at;
  }
}
