/** What is selected, in words and links: the frame at the cursor, a track, an event, a range. */

import { stateOf } from "../viewer/events.js";
import { amount } from "../viewer/format.js";
import { area, areaWords, kindWords, polarityWords, tracksOf } from "./words.js";
import { Lineage } from "./model.js";

const MOST_IN_ADDRESS = 60; // tracks that a link to the viewer names

export class Panel {
  constructor(root, addresses, { onTrack }) {
    this.out = (name) => root.querySelector(`[data-out=${name}]`);
    this.addresses = addresses;
    this.onTrack = onTrack;
  }

  show({ lineage, place, selected, selectedEvent, range }) {
    this.out("frame").textContent = `Frame ${lineage.numbers[place]} of ${lineage.numbers.at(-1)}`;
    this.out("t_rec").textContent = lineage.frames[place];
    this.out("to-viewer").href = this.viewerAddress(lineage, place, selected ? [selected] : []);
    this.showTrack(lineage, place, selected);
    this.showEvent(lineage, selectedEvent);
    this.showRange(lineage, place, range);
  }

  viewerAddress(lineage, place, tracks) {
    const numbers = [...new Set(tracks.flatMap((track) => track.machine))].slice(0, MOST_IN_ADDRESS);
    const chosen = numbers.length ? `&tracks=${numbers.join(",")}` : "";
    return `${this.addresses.viewer}&t=${lineage.frames[place]}${chosen}`;
  }

  showTrack(lineage, place, track) {
    const host = this.out("track");
    if (!track) {
      host.replaceChildren(hint("No track selected. Click a ribbon, or find one by its number."));
      return;
    }
    const own = track.machine.map((number) => [String(number), this.addresses.track.replace("{number}", number)]);
    const isSame = own.length === 1 && own[0][0] === String(track.n);
    host.replaceChildren(rows([
      ["Track", isSame ? linksTo(own) : String(track.n)],
      ...(isSame ? [] : [["The machine's", own.length ? linksTo(own) : "none"]]),
      ["Lineage", String(track.lineage)],
      ["Frames", `${lineage.numbers[track.first]} to ${lineage.numbers[track.last]}`],
      ["Area at the cursor", areaWords(track, place)],
      ["Largest area", area(track.largest)],
      ["Polarity", polarityWords(track)],
      ["Comes from", this.buttons(track.before.map((link) => link.from)) ?? "nothing"],
      ["Becomes", this.buttons(track.after.map((link) => link.to)) ?? "nothing"],
    ]));
  }

  buttons(tracks) {
    if (!tracks.length) return null;
    const host = document.createElement("span");
    for (const track of new Set(tracks)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = track.n;
      button.setAttribute("aria-label", `Select track ${track.n}`);
      button.addEventListener("click", () => this.onTrack(track));
      host.append(button, " ");
    }
    return host;
  }

  showEvent(lineage, event) {
    const host = this.out("event");
    host.hidden = !event;
    if (!event) return;
    const key = event.pk ?? event.of;
    const words = event.pk === null ? "To the settled event" : "Open at the desk";
    host.replaceChildren(rows([
      ["Event", `${kindWords(event)} ${tracksOf(event)}`],
      ["State", stateOf(event).words + (event.there ? "" : "; not in the published lineage")],
      ["Probability", event.pk === null ? "none: people have brought it about" : amount(event.probability, 3, "", { without: "not known" })],
    ]));
    if (key) {
      const link = document.createElement("a");
      link.href = this.addresses.event.replace("{pk}", key);
      link.className = "button";
      link.dataset.out = "to-desk";
      link.textContent = words;
      host.append(link);
    }
  }

  showRange(lineage, place, range) {
    const host = this.out("range");
    if (!range) {
      host.replaceChildren(hint("No range selected. Drag along the line of time above the picture, or use the buttons."));
      return;
    }
    const [from, to] = range;
    const tracks = lineage.tracks.filter((track) => Lineage.isIn(track, range));
    const events = lineage.events.filter((event) => event.frame >= from && event.frame <= to);
    const words = document.createElement("p");
    words.textContent = `Frames ${lineage.numbers[from]} to ${lineage.numbers[to]}: `
      + `${tracks.length} ${tracks.length === 1 ? "track" : "tracks"}, ${events.length} ${events.length === 1 ? "event" : "events"}.`;
    host.replaceChildren(words);
    if (!tracks.length) return;
    const link = document.createElement("a");
    link.href = this.viewerAddress(lineage, from, tracks);
    const n = Math.min(tracks.length, MOST_IN_ADDRESS);
    link.textContent = n < tracks.length ? `Viewer with the first ${n} of these tracks` : "Viewer with these tracks";
    host.append(link);
  }
}

function rows(pairs) {
  const list = document.createElement("dl");
  list.className = "viewer-rows";
  for (const [name, value] of pairs) {
    const [term, told] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    told.append(value);
    list.append(term, told);
  }
  return list;
}

function linksTo(pairs) {
  const host = document.createElement("span");
  for (const [words, href] of pairs) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = words;
    host.append(link, " ");
  }
  return host;
}

function hint(words) {
  const made = document.createElement("p");
  made.className = "viewer-hint";
  made.textContent = words;
  return made;
}
