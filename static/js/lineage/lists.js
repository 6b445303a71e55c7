/** What the picture shows, in words: events beside it, and a table of tracks, page by page. */

import { kindMark, stateOf } from "../viewer/events.js";
import { area, eventWords, polarityWords } from "./words.js";
import { Lineage } from "./model.js";

const EVENTS_AT_ONCE = 25;
const TRACKS_A_PAGE = 50;

function element(name, words = "", attributes = {}) {
  const made = document.createElement(name);
  if (words !== "") made.textContent = words;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The events of a range of frames, each a button that selects it. */
export class EventList {
  constructor(host, { onSelect }) {
    this.list = host.querySelector("ul");
    this.words = host.querySelector("[data-out=events]");
    this.more = host.querySelector("[data-do=more-events]");
    this.onSelect = onSelect;
    this.shown = EVENTS_AT_ONCE;
    this.more.addEventListener("click", () => {
      this.shown += EVENTS_AT_ONCE;
      this.fill();
    });
  }

  /** Show these events; `words` say where they are. */
  show(lineage, events, { selected, words }) {
    const key = `${words} ${events.length} ${events[0]?.index}`;
    if (key !== this.key) this.shown = EVENTS_AT_ONCE;
    Object.assign(this, { key, lineage, inside: events, selected, range: words });
    this.fill();
  }

  fill() {
    const { inside, lineage, selected } = this;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
    this.words.textContent = `${inside.length} ${inside.length === 1 ? "event" : "events"} ${this.range}`;
    this.list.replaceChildren(...inside.slice(0, this.shown).map((event) => {
      const button = element("button", "", { type: "button", "data-index": event.index });
      const mark = element("span", kindMark(event), { "aria-hidden": "true", class: `mark-${stateOf(event).key}` });
      button.append(mark, ` ${eventWords(event, lineage)}`);
      button.setAttribute("aria-pressed", String(event === selected));
      button.addEventListener("click", () => this.onSelect(event));
      const item = element("li");
      item.append(button);
      return item;
    }));
    this.more.hidden = inside.length <= this.shown;
    this.more.textContent = `Show ${Math.min(EVENTS_AT_ONCE, inside.length - this.shown)} more`;
    if (focused !== null) this.list.querySelector(`[data-index="${focused}"]`)?.focus();
  }
}

/** A table of the tracks, or of those seen in a range. It is filled when it is open. */
export class TrackTable {
  constructor(host, { onSelect }) {
    this.host = host;
    this.body = host.querySelector("tbody");
    this.words = host.querySelector("[data-out=tracks]");
    this.onSelect = onSelect;
    this.page = 0;
    for (const [name, way] of [["tracks-back", -1], ["tracks-on", 1]]) {
      host.querySelector(`[data-do=${name}]`).addEventListener("click", () => {
        this.page += way;
        this.fill();
      });
    }
    host.addEventListener("toggle", () => this.fill());
  }

  show(lineage, range) {
    const tracks = lineage.tracks.filter((track) => !range || Lineage.isIn(track, range));
    if (tracks.length !== this.tracks?.length) this.page = 0;
    Object.assign(this, { lineage, tracks, range });
    this.fill();
  }

  fill() {
    const { tracks, lineage } = this;
    if (!this.host.open || !tracks) return;
    const pages = Math.max(1, Math.ceil(tracks.length / TRACKS_A_PAGE));
    this.page = Math.min(pages - 1, Math.max(0, this.page));
    this.words.textContent = `${tracks.length} ${tracks.length === 1 ? "track" : "tracks"}`
      + `${this.range ? " in the selected range" : ""}, page ${this.page + 1} of ${pages}`;
    this.host.querySelector("[data-do=tracks-back]").disabled = this.page === 0;
    this.host.querySelector("[data-do=tracks-on]").disabled = this.page === pages - 1;
    const numbers = (links, end) => [...new Set(links.map((link) => link[end].n))].join(", ") || "–";
    const rows = tracks.slice(this.page * TRACKS_A_PAGE, (this.page + 1) * TRACKS_A_PAGE).map((track) => {
      const button = element("button", String(track.n), { type: "button", "aria-label": `Select track ${track.n}` });
      button.addEventListener("click", () => this.onSelect(track));
      const head = element("th", "", { scope: "row" });
      head.append(button);
      const row = element("tr");
      row.append(head, ...[
        track.lineage, lineage.numbers[track.first], lineage.numbers[track.last], area(track.largest),
        polarityWords(track), numbers(track.before, "from"), numbers(track.after, "to"),
      ].map((value) => element("td", String(value))));
      return row;
    });
    this.body.replaceChildren(...rows);
  }
}
