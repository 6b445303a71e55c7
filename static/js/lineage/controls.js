/** Buttons, fields and keys of the lineage page. */

import { listenForKeys } from "../viewer/keys.js";

const ZOOM = 1.5;
const LEAP = 10; // frames
const NUDGE = 0.25; // of the window

/** Wire up the page's controls. */
export function wireControls(page) {
  const { root } = page;
  const find = root.querySelector("#find-track");
  const said = root.querySelector("[data-out=found]");
  const help = document.getElementById("lineage-help");
  const last = () => page.lineage.frames.length - 1;
  const follow = (name) => root.querySelector(`[data-out=${name}]`)?.click();
  const actions = {
    "time-in": () => page.zoom(ZOOM, 1),
    "time-out": () => page.zoom(1 / ZOOM, 1),
    "lanes-in": () => page.zoom(1, ZOOM),
    "lanes-out": () => page.zoom(1, 1 / ZOOM),
    fit: () => page.fit(),
    back: () => page.goTo(page.place - 1),
    on: () => page.goTo(page.place + 1),
    "event-back": () => page.stepEvent(-1),
    "event-on": () => page.stepEvent(1),
    "range-from": () => page.setRange([page.place, Math.max(page.place, page.range?.[1] ?? last())]),
    "range-to": () => page.setRange([Math.min(page.place, page.range?.[0] ?? 0), page.place]),
    "range-none": () => page.setRange(null),
    help: () => help.showModal(),
  };
  for (const [name, action] of Object.entries(actions)) {
    for (const button of root.querySelectorAll(`[data-do=${name}]`)) button.addEventListener("click", action);
  }

  root.querySelector("#find-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { found, words } = page.find(find.value);
    said.textContent = words;
    find.setAttribute("aria-invalid", String(!found));
    if (found) page.canvas.focus({ preventScroll: true });
    else find.select();
  });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Escape") page.canvas.focus({ preventScroll: true });
  });

  for (const radio of root.querySelectorAll("input[name=hue]")) {
    radio.checked = radio.value === page.hue;
    radio.addEventListener("change", () => page.setHue(radio.value));
    radio.addEventListener("keydown", (event) => {
      if (event.key.startsWith("Arrow")) event.stopPropagation(); // they choose among the two
    });
  }
  const minor = root.querySelector("#with-minor");
  minor.addEventListener("change", () => page.setMinor(minor.checked));
  page.setMinor(minor.checked);

  const seek = () => find.select();
  listenForKeys({
    ArrowLeft: actions.back,
    ArrowRight: actions.on,
    "Shift+ArrowLeft": () => page.goTo(page.place - LEAP),
    "Shift+ArrowRight": () => page.goTo(page.place + LEAP),
    Home: () => page.goTo(0),
    End: () => page.goTo(last()),
    ArrowUp: () => page.stepTrack(-1),
    ArrowDown: () => page.stepTrack(1),
    "Shift+ArrowUp": () => page.pan(0, NUDGE * page.view.height),
    "Shift+ArrowDown": () => page.pan(0, -NUDGE * page.view.height),
    PageUp: () => page.pan(NUDGE * 2 * page.view.width, 0),
    PageDown: () => page.pan(-NUDGE * 2 * page.view.width, 0),
    "+": () => page.zoom(ZOOM, ZOOM),
    "=": () => page.zoom(ZOOM, ZOOM),
    "-": () => page.zoom(1 / ZOOM, 1 / ZOOM),
    "0": actions.fit,
    "[": actions["event-back"],
    "]": actions["event-on"],
    b: actions["range-from"],
    e: actions["range-to"],
    f: seek,
    "/": seek,
    v: () => follow("to-viewer"),
    d: () => follow("to-desk"),
    Escape: () => (page.range ? page.setRange(null) : page.select(null)),
    "?": actions.help,
  });
}
