/** The lineage page: one state, what draws it, and what changes it. */

import { announcer } from "../viewer/announce.js";
import { onThemeChange } from "../viewer/theme.js";
import { addressKeeper, readAddress } from "./address.js";
import { wireControls } from "./controls.js";
import { listenForGestures } from "./gestures.js";
import { EventList, TrackTable } from "./lists.js";
import { eventAt } from "./marks.js";
import { Lineage } from "./model.js";
import { Panel } from "./panel.js";
import { Preview } from "./preview.js";
import { Stage } from "./stage.js";
import { readTheme } from "./theme.js";
import { AXIS, View } from "./view.js";
import { areaWords, eventWords, trackWords } from "./words.js";

const LIST_MS = 250; // the lists follow the window when the hand rests
const READABLE_Y = 14; // CSS pixels a lane, so that a track that was looked for has its number
const TIP_GAP = 14;

export class LineagePage {
  constructor(root, addresses) {
    this.root = root;
    this.addresses = addresses;
    this.theme = readTheme();
    this.canvas = root.querySelector("canvas[data-stage]");
    this.tip = root.querySelector("[data-out=tip]");
    this.announce = announcer();
    this.keepAddress = addressKeeper();
    this.place = 0;
    this.selected = this.selectedEvent = this.hovered = this.range = null;
    this.hue = "polarity";
    this.withMinor = false;
    const onTrack = (track) => this.select(track, { reveal: true });
    this.panel = new Panel(root, addresses, { onTrack });
    this.preview = new Preview(root.querySelector("canvas[data-preview]"), addresses);
    this.events = new EventList(root.querySelector("[data-list=events]"), {
      onSelect: (event) => this.selectEvent(event, { reveal: true }),
    });
    this.table = new TrackTable(document.getElementById("lineage-tracks"), { onSelect: onTrack });
    root.style.setProperty("--viewer-top", `${root.getBoundingClientRect().top + window.scrollY}px`);
    onThemeChange(() => {
      this.theme = readTheme();
      this.stage?.request({ fresh: true });
      this.preview.again();
    });
  }

  /** Take over a lineage: the first one, or a newer one in place of that which is shown. */
  take(chart) {
    const lineage = new Lineage(chart);
    const before = this.lineage;
    this.lineage = lineage;
    this.takeStates();
    if (!before) {
      this.begin();
      return;
    }
    const tRec = before.frames[this.place];
    this.place = lineage.placeOf(tRec) ?? 0;
    this.range = this.range?.map((place) => lineage.placeOf(before.frames[place]) ?? 0) ?? null;
    this.selected = this.selected && lineage.trackOf(this.selected.n);
    this.selectedEvent = this.selectedEvent && (lineage.byKey.get(this.selectedEvent.pk) ?? null);
    this.hovered = null;
    this.view.take(lineage);
    this.stage.request({ fresh: true });
    this.changed();
    this.announce("The lineage has changed and is shown anew.");
  }

  begin() {
    const asked = readAddress();
    const { lineage } = this;
    this.view = new View(lineage);
    this.stage = new Stage(this.canvas, () => this.scene, { onResize: () => this.resized() });
    this.view.resize(this.stage.width, this.stage.height);
    this.selected = asked.track === null ? null : lineage.trackOf(asked.track);
    this.selectedEvent = lineage.byKey.get(asked.event) ?? null;
    this.place = lineage.placeOf(asked.tRec) ?? this.selectedEvent?.frame ?? this.selected?.first ?? 0;
    this.range = this.rangeAsked(asked.range);
    this.hue = asked.hue;
    if (asked.look) this.view.look(asked.look);
    else if (this.selected || this.selectedEvent) this.centre(this.selected ?? this.selectedEvent.track);
    wireControls(this);
    this.listen();
    this.changed();
    this.stage.request({ fresh: true });
    if (asked.track !== null && !this.selected) this.announce(`There is no track ${asked.track} here.`);
  }

  rangeAsked(range) {
    const places = range?.map((tRec) => this.lineage.placeOf(tRec) ?? 0);
    return places ? [Math.min(...places), Math.max(...places)] : null;
  }

  /** What people have said of events meanwhile, as the page has it. */
  takeStates() {
    this.lineage.takeStates(JSON.parse(document.getElementById("event-states")?.textContent ?? "{}"));
  }

  get scene() {
    const { lineage, view, theme, hue, range, place, selected, selectedEvent, hovered } = this;
    return view ? { lineage, view, theme, hue, range, place, selected, selectedEvent, hovered } : null;
  }

  // ---- changes ---------------------------------------------------------------------------------

  resized() {
    this.view.resize(this.stage.width, this.stage.height);
    this.stage.request({ fresh: true });
  }

  viewMoved() {
    this.stage.touch();
    this.hideTip();
    this.keep();
    clearTimeout(this.listTimer);
    this.listTimer = setTimeout(() => this.fillLists(), LIST_MS);
  }

  zoom(factorX, factorY, px, py) {
    this.view.zoomBy(factorX, factorY, px, py);
    this.viewMoved();
  }

  fit() {
    this.view.fit();
    this.viewMoved();
  }

  pan(dx, dy) {
    this.view.panBy(dx, dy);
    this.viewMoved();
  }

  /** Move the cursor to a place, and the window with it. */
  goTo(place, { quiet = false } = {}) {
    this.place = Math.min(this.lineage.frames.length - 1, Math.max(0, place));
    const x = this.lineage.x[this.place];
    this.view.reveal([x, x], this.view.spanY);
    this.viewMoved();
    this.changed();
    if (!quiet) this.announce(this.placeWords());
  }

  placeWords() {
    const { lineage, place, selected } = this;
    const track = selected ? `; track ${selected.n}: ${areaWords(selected, place)}` : "";
    return `Frame ${lineage.numbers[place]}, ${lineage.frames[place]}${track}`;
  }

  /** Select a track, or none; `reveal` brings it into the window and the cursor onto it. */
  select(track, { reveal = false } = {}) {
    this.selected = track;
    this.selectedEvent = null;
    if (track && reveal) {
      if (!track.covers(this.place)) this.place = this.place < track.first ? track.first : track.last;
      const x = this.lineage.x[this.place];
      this.view.reveal([x, x], [track.lane, track.lane + track.height]);
      this.viewMoved();
    }
    this.stage.request({ fresh: true });
    this.changed();
    this.announce(track ? trackWords(track, this.lineage) : "No track selected");
  }

  selectEvent(event, { reveal = false } = {}) {
    this.selectedEvent = event;
    this.selected = event.track;
    this.place = event.frame;
    if (reveal && event.where) {
      const { x, lane } = event.where;
      this.view.reveal([x - 2, x + 2], [lane - 1, lane + 1]);
    }
    this.viewMoved();
    this.stage.request({ fresh: true });
    this.changed();
    this.announce(eventWords(event, this.lineage));
  }

  /** The event before or after the cursor's, in order of time. */
  stepEvent(way) {
    const marked = this.lineage.events.filter((event) => event.where && (this.withMinor || !event.minor));
    const at = marked.indexOf(this.selectedEvent);
    const next = at >= 0 ? marked[at + way]
      : way > 0 ? marked.find((event) => event.frame > this.place)
        : marked.findLast((event) => event.frame < this.place);
    if (next) this.selectEvent(next, { reveal: true });
    else this.announce(way > 0 ? "No event after this one" : "No event before this one");
  }

  /** The track above or below the selected one at the cursor. */
  stepTrack(way) {
    const lane = this.selected?.middle ?? (way > 0 ? -1 : this.lineage.nLanes + 1);
    const next = this.lineage.nextTrack(this.place, lane, way);
    if (next) this.select(next, { reveal: true });
    else this.announce(way > 0 ? "No track below at this frame" : "No track above at this frame");
  }

  /** Bring a track into the middle; its number can be read then. */
  centre(track) {
    const { lineage, view } = this;
    view.zoomBy(1, Math.max(1, READABLE_Y / view.scaleY));
    const [first, last] = [lineage.x[track.first], lineage.x[track.last]];
    const middle = view.width / view.scaleX > last - first ? (first + last) / 2 : lineage.x[this.place];
    view.look({ centre: middle, scaleX: null, scaleY: null, top: track.middle - view.height / view.scaleY / 2 });
  }

  /** Find a track by number; the sentence that says what came of it. */
  find(text) {
    const number = /^\d+$/.test(text.trim()) ? Number(text) : null;
    const track = number === null ? null : this.lineage.trackOf(number);
    if (!track) {
      const most = Math.max(0, ...this.lineage.byNumber.keys());
      return { found: false, words: `No track "${text.trim()}" here. Numbers go up to ${most}.` };
    }
    this.place = track.covers(this.place) ? this.place : track.first;
    this.centre(track);
    this.select(track);
    this.viewMoved();
    const words = track.n === number ? "" : ` The machine's track ${number} is part of it.`;
    return { found: true, words: `${trackWords(track, this.lineage)}.${words}` };
  }

  setRange(range, { quiet = false } = {}) {
    this.range = range && [Math.min(...range), Math.max(...range)];
    this.stage.request();
    this.changed();
    if (quiet) return;
    const { numbers } = this.lineage;
    this.announce(this.range ? `Frames ${numbers[this.range[0]]} to ${numbers[this.range[1]]} selected` : "No range selected");
  }

  setHue(hue) {
    this.hue = hue;
    this.stage.request({ fresh: true });
    this.keep();
  }

  setMinor(withMinor) {
    this.withMinor = withMinor;
    this.fillLists();
  }

  // ---- showing -----------------------------------------------------------------------------------

  /** Bring all that stands beside the picture to what is selected. */
  changed() {
    this.panel.show(this);
    this.preview.show(this.lineage, this.place, this.selected);
    this.fillLists();
    this.describe();
    this.stage.request();
    this.keep();
  }

  fillLists() {
    const { lineage, range, view } = this;
    const isShown = range ? (event) => event.frame >= range[0] && event.frame <= range[1]
      : (event) => view.fitted || (event.where && view.holds(event.where));
    const words = range ? "in the selected range" : view.fitted ? "in all frames" : "in the window";
    const listed = lineage.events.filter((event) => isShown(event) && (this.withMinor || !event.minor));
    this.events.show(lineage, listed, { selected: this.selectedEvent, words });
    this.table.show(lineage, range);
  }

  describe() {
    const { lineage } = this;
    this.canvas.setAttribute("aria-label",
      `Lineage of ${lineage.tracks.length} tracks over ${lineage.frames.length} frames. ${this.placeWords()}.`
      + " The list of events beside it and the table of tracks below say the same in words.");
  }

  keep() {
    const { lineage, place, selected, selectedEvent, range, hue, view } = this;
    const look = view.fitted ? null : {
      centre: view.left + view.width / view.scaleX / 2, scaleX: view.scaleX, top: view.top, scaleY: view.scaleY,
    };
    this.keepAddress({
      tRec: lineage.frames[place], track: selected?.n ?? null, event: selectedEvent?.pk ?? null,
      range: range?.map((at) => lineage.frames[at]) ?? null, hue, look,
    });
  }

  // ---- pointing ------------------------------------------------------------------------------------

  listen() {
    listenForGestures(this.canvas, {
      zoom: (...how) => this.zoom(...how),
      pan: (dx, dy) => this.pan(dx, dy),
      point: (px, py) => this.point(px, py),
      leave: () => this.point(NaN, NaN),
      tap: (px, py) => this.tap(px, py),
      brush: (px0, px1) => this.setRange([px0, px1].map((px) => this.lineage.placeAt(this.view.at(px, 0).x)), { quiet: true }),
      brushed: () => this.range && this.setRange(this.range),
    });
  }

  point(px, py) {
    const event = eventAt(px, py, this.scene);
    const { x, lane } = this.view.at(px, py);
    const track = event || !(py > AXIS) ? null : this.lineage.trackAt(x, lane);
    if (track !== this.hovered) {
      this.hovered = track;
      this.stage.request();
    }
    if (!event && !track) {
      this.hideTip();
      return;
    }
    const place = this.lineage.placeAt(x);
    this.showTip(px, py, event ? eventWords(event, this.lineage)
      : `Track ${track.n}, frame ${this.lineage.numbers[place]}: ${areaWords(track, place)}`);
  }

  showTip(px, py, words) {
    this.tip.textContent = words;
    this.tip.hidden = false;
    const left = Math.min(px + TIP_GAP, this.stage.width - this.tip.offsetWidth - 4);
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${py + TIP_GAP + this.tip.offsetHeight < this.stage.height ? py + TIP_GAP : py - this.tip.offsetHeight - TIP_GAP}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  tap(px, py) {
    const event = eventAt(px, py, this.scene);
    if (event) {
      this.selectEvent(event);
      return;
    }
    const { x, lane } = this.view.at(px, py);
    this.place = this.lineage.placeAt(x);
    const track = py > AXIS ? this.lineage.trackAt(x, lane) : this.selected;
    if (track !== this.selected || this.selectedEvent) this.select(track);
    else {
      this.changed();
      this.announce(this.placeWords());
    }
  }
}
