/** The viewer page: one state, what draws it, and what changes it. */

import { addressKeeper, readAddress } from "./address.js";
import { announcer } from "./announce.js";
import { startMarks } from "../discussion/marks.js";
import { wireControls } from "./controls.js";
import { setUpDialogs } from "./dialogs.js";
import { LimitsPanel } from "./limits.js";
import { outlinesOf } from "./outlines.js";
import { drawOverlays } from "./overlays.js";
import { paintLayer } from "./paint.js";
import { Panels } from "./panels.js";
import { Player } from "./player.js";
import { inspect } from "./readout.js";
import { TAIL_FRAMES, featuresOf, sceneOf } from "./scene.js";
import { Scrubber, indexAtOrBefore } from "./scrubber.js";
import { Stage } from "./stage.js";
import { FEATURES, FrameStore, LABELS, nearby } from "./store.js";
import { onThemeChange, readTheme } from "./theme.js";
import { absentWords, frameWords, layerWords, noteWords } from "./words.js";

const NEAR = 2; // frames held ready each way
const PLAY_AHEAD = 8;
const QUIET_MS = 150; // a picture that comes within this needs no word about its coming

export class Viewer {
  constructor(root, manifest) {
    this.root = root;
    this.manifest = manifest;
    this.frames = manifest.frames;
    this.theme = readTheme();
    this.index = 0;
    this.direction = 1;
    this.limits = new Map(); // layer key -> limits that somebody chose
    this.show = { outlines: true, ids: true, tails: false, links: false, onion: false, marks: true };
    this.selected = new Set();
    this.point = null;
    this.cross = null;
    this.painted = {};
    this.factor = 2;
    this.panels = new Panels(root, this);
    this.keepAddress = addressKeeper();
    this.announce = announcer();
    this.store = new FrameStore(manifest, { onArrival: (index, layer) => this.arrived(index, layer) });
    const onFrame = (index) => this.goTo(index);
    const part = (id) => document.getElementById(id);
    this.limitsPanel = new LimitsPanel(part("viewer-limits"), { onChange: (limits) => this.setLimits(limits) });
    this.scrubber = new Scrubber(part("viewer-foot"), manifest, { onFrame });
    this.player = new Player({
      step: () => this.playOn(),
      isReady: () => this.isSettled(this.index + 1),
      onChange: () => this.playChanged(),
    });
    this.dialogs = setUpDialogs({
      goto: part("viewer-goto"), help: part("viewer-help"), frames: this.frames, onFrame,
    });
    this.takeAddress(readAddress());
    this.stage = new Stage(part("viewer-canvas"), {
      onPoint: (u, v, kind) => this.pointed(u, v, kind),
      onView: () => this.viewMoved(),
      paintOver: (context, stage) => this.paintOver(context, stage),
    });
    wireControls(this);
    this.talk = startMarks(this);
    root.style.setProperty("--viewer-top", `${root.getBoundingClientRect().top + window.scrollY}px`);
    onThemeChange(() => {
      this.theme = readTheme();
      this.refresh();
    });
    this.refresh();
    if (this.firstView) this.stage.look(this.firstView);
  }

  get frame() {
    return this.frames[this.index];
  }

  get layerLimits() {
    return this.limits.get(this.spec.key) ?? this.spec.limits ?? [0, 1];
  }

  takeAddress({ tRec, layer, show, limits, view, tracks }) {
    if (tRec) this.index = indexAtOrBefore(this.frames.map((frame) => frame.t_rec), tRec); // T_RECs sort as words
    if (tRec && this.frame.t_rec !== tRec) {
      this.notice = `No frame of ${tRec} is held here; this is the nearest before it.`;
    }
    const { layers } = this.manifest;
    this.spec = layers.find((spec) => spec.key === layer)
      ?? layers.find((spec) => this.store.offers(this.index, spec.key)) ?? layers[0];
    if (show) this.show = show;
    if (limits) this.limits.set(this.spec.key, limits);
    this.selected = new Set(tracks);
    this.firstView = view;
  }

  // ---- changes -------------------------------------------------------------------------------

  goTo(index) {
    const next = Math.min(this.frames.length - 1, Math.max(0, index));
    this.notice = "";
    if (next === this.index) return;
    this.direction = next > this.index ? 1 : -1;
    this.leapt = Math.abs(next - this.index) > NEAR;
    this.index = next;
    this.refresh();
    if (!this.player.playing) this.announce(frameWords(this));
  }

  playOn() {
    if (this.index + 1 >= this.frames.length) return false;
    this.goTo(this.index + 1);
    return this.index + 1 < this.frames.length;
  }

  togglePlay() {
    if (!this.player.playing && this.index + 1 >= this.frames.length) this.goTo(0);
    this.player.toggle();
  }

  playChanged() {
    this.panels.showPlaying(this.player.playing);
    if (!this.player.playing) this.announce(frameWords(this));
    this.wantNearby();
  }

  setLayer(key) {
    const spec = this.manifest.layers.find((candidate) => candidate.key === key);
    if (!spec) return;
    this.spec = spec;
    this.refresh();
    const missing = spec.of_all_frames ? ", missing" : ", missing at this T_REC";
    this.announce(`${spec.label}${this.store.offers(this.index, key) ? "" : missing}`);
  }

  /** The first layer of all frames, or the next one when one is shown. */
  nextStatistic() {
    const offered = this.manifest.layers.filter((spec) => spec.of_all_frames);
    this.setLayer(offered[(offered.indexOf(this.spec) + 1) % offered.length]?.key);
  }

  setLimits(limits) {
    if (limits) this.limits.set(this.spec.key, limits);
    else this.limits.delete(this.spec.key);
    this.refresh();
  }

  toggleOverlay(name, on = !this.show[name]) {
    this.show[name] = on;
    this.refresh();
    this.announce(`${name} ${on ? "on" : "off"}`);
  }

  setTracks(tracks) {
    this.selected = new Set(tracks);
    this.refresh();
  }

  stepEvent(way) {
    const frames = (this.manifest.events ?? []).map((event) => event.frame);
    const beyond = frames.filter((frame) => (way > 0 ? frame > this.index : frame < this.index));
    if (beyond.length) this.goTo(way > 0 ? Math.min(...beyond) : Math.max(...beyond));
    else this.announce(way > 0 ? "No event after this frame" : "No event before this frame");
  }

  /** Select or release the track of the pore under the point. */
  pick() {
    const track = this.found?.feature?.track;
    if (track == null) return;
    if (!this.selected.delete(track)) this.selected.add(track);
    this.refresh();
    this.announce(this.selected.has(track) ? `track ${track} selected` : `track ${track} released`);
  }

  pointed(u, v, kind) {
    const was = this.found?.label;
    this.pointAt(kind === "leave" ? this.cross : { u, v });
    if (kind === "tap" && this.talk?.openAt(u, v)) return;
    // a first tap on a touch screen only points; a mouse has pointed before it clicks
    if (kind === "tap" && was && was === this.found.label) this.pick();
  }

  // ---- drawing -------------------------------------------------------------------------------

  isSettled(index) {
    if (index >= this.frames.length || !this.store.offers(index, this.spec.key)) return true;
    const entry = this.store.peek(index, this.spec.key);
    return Boolean(entry && !entry.coming);
  }

  wantNearby() {
    clearTimeout(this.settling);
    const { index, direction, leapt, frames, spec, show, player } = this;
    this.store.want(nearby({
      index, direction,
      count: frames.length,
      layer: spec.key,
      ahead: player.playing ? PLAY_AHEAD : leapt ? 0 : NEAR,
      past: show.tails && !leapt ? TAIL_FRAMES : 0,
    }));
    if (!leapt) return;
    this.leapt = false; // dragged along the line: the neighbours only of where it comes to rest
    this.settling = setTimeout(() => this.wantNearby(), QUIET_MS);
  }

  arrived(index, layer) {
    if (index === this.index || this.store.isOfAll(layer)) this.showFrame();
    else if (layer === FEATURES) this.stage.requestDraw();
    else if (layer === LABELS && this.show.outlines) this.traceSoon(index);
  }

  /** Trace the outlines of a neighbour while nothing else is to do, so that the step there is quick. */
  traceSoon(index) {
    const whenIdle = window.requestIdleCallback ?? setTimeout; // Safari has none
    whenIdle(() => {
      const labels = this.store.get(index, LABELS);
      if (labels) outlinesOf(labels);
    });
  }

  refresh() {
    this.wantNearby();
    this.showFrame();
    this.panels.showState();
    this.limitsPanel.show(this.spec, this.layerLimits);
    this.scrubber.show(this.index, frameWords(this));
    this.talk?.showAbout();
    document.dispatchEvent(new CustomEvent("frame-shown", { detail: { tRec: this.frame.t_rec } })); // to the small disk
    this.remember();
  }

  showFrame() {
    const { store, index, spec } = this;
    const [ny, nx] = this.frame.shape ?? [1, 1];
    const entry = store.offers(index, spec.key) ? store.peek(index, spec.key) : { absent: true };
    clearTimeout(this.waiting);
    this.layer = entry?.data ?? null;
    this.labels = store.get(index, LABELS);
    if (this.labels) this.factor = this.labels.factor;
    if (this.layer) {
      this.stage.dimmed = false;
      this.stage.show(this.paint(), { nx, ny });
      const { words, retry } = noteWords(this);
      this.panels.say(words, { retry, aside: true });
    } else if (!entry || entry.coming) {
      this.waiting = setTimeout(() => {
        this.stage.dimmed = true; // the old picture stays, plainly not the one asked for
        this.panels.say(`Loading ${layerWords(this)} \u2026`);
        this.stage.requestDraw();
      }, QUIET_MS);
      this.stage.show(this.stage.image, { nx, ny });
    } else {
      this.stage.show(null, { nx, ny });
      this.panels.say(absentWords(entry, this), { retry: Boolean(entry.reason) });
    }
    this.pointAt(this.point);
  }

  retry() {
    for (const layer of [this.spec.key, LABELS, FEATURES]) this.store.retry(this.index, layer);
    this.refresh();
  }

  /** The picture of the shown layer; painted anew only when layer or limits changed. */
  paint() {
    const { layer, spec, layerLimits: [low, high], painted } = this;
    if (painted.layer !== layer || painted.low !== low || painted.high !== high || painted.spec !== spec) {
      this.painted = { layer, low, high, spec, canvas: paintLayer(layer, spec.colormap, [low, high], painted.canvas) };
    }
    return this.painted.canvas;
  }

  paintOver(context, stage) {
    if (stage.dimmed) return;
    drawOverlays(context, stage, sceneOf(this));
    this.talk?.draw(context, stage);
  }

  pointAt(point) {
    this.point = point;
    const { frame, layer, spec, labels } = this;
    const was = this.found?.label;
    const absent = this.store.offers(this.index, spec.key) ? "not loaded" : `${spec.label} missing`;
    const features = featuresOf(this.store, this.index);
    this.found = point && inspect(point, { frame, layer, spec, absent, labels, features });
    this.panels.showPoint(this.found, spec);
    if (was !== this.found?.label) this.stage.requestDraw();
  }

  viewMoved() {
    if (!this.stage) return; // the first fit, while the stage is being made
    this.panels.showZoom(this.stage.scale * this.stage.ratio);
    this.remember();
  }

  remember() {
    if (!this.stage) return;
    this.keepAddress({
      tRec: this.frame.t_rec,
      layer: this.spec.key,
      show: this.show,
      limits: this.limits.get(this.spec.key) ?? null,
      view: this.stage.fitted ? null : { ...this.stage.centre, scale: this.stage.scale },
      tracks: [...this.selected],
    });
  }
}

const root = document.getElementById("viewer");
if (root) {
  const manifest = JSON.parse(document.getElementById("viewer-manifest").textContent);
  if (manifest.frames.length && manifest.layers.length) new Viewer(root, manifest);
  else Panels.sayEmpty(root);
}
