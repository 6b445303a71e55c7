/** The desk: puts its parts together. */

import { announcer } from "../viewer/announce.js";
import { amount } from "../viewer/format.js";
import { fetchAhead } from "./ahead.js";
import { Builder } from "./builder.js";
import { Correction } from "./correction.js";
import { drawCrops } from "./crops.js";
import { Draft } from "./draft.js";
import { listenToStrip, moveByKey } from "./gestures.js";
import { Lineage } from "./lineage.js";
import { Maps } from "./maps.js";
import { Picker } from "./pick.js";
import { Pores, poreName } from "./pores.js";
import { Strip } from "./strip.js";
import { View } from "./view.js";

const USUAL_FRAMES = 3;
const element = (id) => document.getElementById(id);
const data = JSON.parse(element("desk-data").textContent);
const desk = element("desk");
const announce = announcer(100);

const pores = new Pores(data);
const maps = new Maps(data);
let strip = null;
const view = new View(data, () => {
  strip.requestDraw();
  showZoom();
});
strip = new Strip(element("strip"), { data, maps, pores, view, markup: pictureOf, onRange: rangeChanged });
const lineage = new Lineage(element("lineage-drawing"), {
  data, strip, follow: element("follow"), slider: element("cursor"), words: element("cursor-words"),
});
const picker = new Picker(strip, pores, say);
const builder = element("correction") && makeBuilder();

/** Words for the line of the correction, and for a screen reader. */
function say(words) {
  const line = element("correction-line");
  if (line) line.textContent = words;
  announce(words);
}

/** A list item for a frame that the page did not bring. */
function pictureOf({ index, t_rec: time, reason, missing, viewer }) {
  const item = element("strip-frame").content.firstElementChild.cloneNode(true);
  item.dataset.index = index;
  const lost = item.querySelector(".lost-frames");
  if (missing) lost.textContent = `${missing} T_REC not held`;
  else lost.remove();
  item.querySelector("canvas").setAttribute("aria-label", `Frame ${index + 1} at ${time}${reason ? `: ${reason}` : ""}`);
  Object.assign(item.querySelector("a"), { href: viewer, textContent: `Frame ${index + 1}` });
  item.querySelector("time").textContent = time;
  return item;
}

/** Other frames are shown: mark them, name their pores, and keep them in the address. */
function rangeChanged(first, last) {
  lineage?.markShown(first, last);
  picker?.name();
  const frames = data.frames;
  document.querySelector("[data-more='-1']").disabled = first <= frames[0].index;
  document.querySelector("[data-more='1']").disabled = last >= frames.at(-1).index;
  const number = Math.max(data.event.index - first, last - data.event.index + 1);
  const address = new URL(location.href);
  if (number > USUAL_FRAMES) address.searchParams.set("frames", number);
  else address.searchParams.delete("frames");
  history.replaceState(null, "", address);
}

function makeBuilder() {
  const draft = new Draft(desk.dataset.event, desk.dataset.version);
  const correction = new Correction(pores, data, () => made?.render());
  let made = null;
  made = new Builder(element("correction"), { form: element("verdict-form"), strip, picker, correction, draft, say });
  made.begin("sentBack" in desk.dataset);
  return made;
}

function showZoom() {
  const { times } = view;
  element("zoom").textContent = times < 1 ? `1/${Math.round(1 / times)}` : `${times}×`;
}

/** "Track 5 in frame 8: 12.3 Mm², ...": what is known of the pore under the cursor. */
function wordsOf(pore) {
  const without = pore.lacks ? "field missing" : "not known";
  const flux = pore.flux === null ? `flux ${without}` : `${amount(pore.flux / 1e18, 1)}·10¹⁸ Mx`;
  const field = pore.b === null ? `|B| ${without}` : `|B| ${amount(pore.b, 0, "G")}`;
  return `${poreName(pore)}: ${amount(pore.area, 1, "Mm²")}, ${flux}, ${field}.`;
}

const usual = element("strip-line").textContent;

function pointed(point, kind) {
  const pore = point && strip.poreAt(point);
  const hovered = pore?.id ?? null;
  if (hovered !== strip.hovered) {
    strip.hovered = hovered;
    strip.host.classList.toggle("is-on-pore", pore !== null);
    element("strip-line").textContent = pore ? wordsOf(pore) : usual;
    strip.requestDraw();
  }
  if (kind !== "tap") return;
  if (picker.isOn) {
    if (pore) picker.take(pore);
    else say("No pore there.");
  } else if (pore) {
    if (builder?.isOpen) builder.clicked(pore);
    else announce(wordsOf(pore));
  }
}

function listenToTools() {
  const press = (selector, act) => {
    for (const button of document.querySelectorAll(selector)) button.addEventListener("click", () => act(button));
  };
  press("[data-layer]", (button) => {
    strip.showLayer(button.dataset.layer);
    for (const other of document.querySelectorAll("[data-layer]")) other.setAttribute("aria-pressed", String(other === button));
    announce(`${button.textContent} is shown.`);
  });
  press("[data-onion]", ({ dataset }) => {
    const number = strip.setOnion(strip.onion + Number(dataset.onion));
    element("onion").textContent = number;
    announce(number ? `Onion skin of ${number} frame${number > 1 ? "s" : ""} before.` : "No onion skin.");
  });
  press("[data-zoom]", ({ dataset }) => (dataset.zoom === "0" ? view.reset() : view.zoomStep(Number(dataset.zoom))));
  press("[data-more]", ({ dataset }) => {
    const way = Number(dataset.more);
    const number = strip.extend(way);
    strip.host.scrollTo({ left: way < 0 ? 0 : strip.host.scrollWidth });
    announce(number ? `${number} more frames.` : "There are no more frames here.");
  });
  press("[data-choice]", ({ dataset }) => builder.choose(Number(dataset.choice)));
  press("[data-opens]", ({ dataset }) => element(dataset.opens).showModal());
  press("[data-goes]", ({ dataset }) => {
    const goal = element(dataset.goes);
    goal.scrollIntoView({ block: "start" });
    (goal.querySelector("textarea") ?? goal).focus();
  });
  element("blend").addEventListener("change", ({ target }) => {
    strip.blend = target.checked;
    if (strip.blend && !strip.onion) element("onion").textContent = strip.setOnion(1);
    strip.requestDraw();
  });
  strip.host.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.target !== strip.host || event.ctrlKey || event.metaKey || event.altKey) return;
    if (moveByKey(event, view)) event.preventDefault();
  });
  listenToStrip(strip.host, view, { onPoint: pointed });
}

/** The key for the viewer goes with the cursor: it opens the frame that is looked at. */
lineage.onPoint = (index) => {
  const link = strip.cells.get(index)?.item.querySelector(".caption a");
  const before = strip.list.querySelector("a[data-key]");
  if (!link || !before || link === before) return;
  link.dataset.key = before.dataset.key;
  delete before.dataset.key;
};

/** A verdict is sent once, however often its key is pressed before the next page is there. */
function sendOnce() {
  let isSent = false;
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      if (isSent) event.preventDefault();
      isSent = true;
    });
  }
  window.addEventListener("pageshow", () => { isSent = false; });
}

/** What went wrong comes first: a conflict, or what the server would not take. */
function focusTrouble() {
  const trouble = document.querySelector("[data-focus-first]") ?? document.querySelector(".verdict-panel .errorlist");
  if (!trouble) return;
  trouble.tabIndex = -1;
  trouble.focus();
}

function begin() {
  if (desk.dataset.judged) Draft.forget(desk.dataset.judged);
  if (matchMedia("(max-width: 40rem)").matches) {
    for (const fold of document.querySelectorAll("details.fold")) fold.open = fold.contains(document.querySelector(":target"));
  }
  listenToTools();
  const asked = Number(new URL(location.href).searchParams.get("frames"));
  const { index } = data.event;
  if (asked > USUAL_FRAMES) strip.show(index - asked, index + asked - 1);
  strip.centreOn(index);
  rangeChanged(strip.first, strip.last);
  showZoom();
  sendOnce();
  drawCrops(document, { data, pores, maps });
  focusTrouble();
  fetchAhead(desk.dataset.ahead);
}

begin();
