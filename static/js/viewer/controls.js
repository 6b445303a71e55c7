/** Buttons, boxes and keys of the viewer page, each to the method that does it. */

import { moveCross, toggleCross } from "./crosshair.js";
import { listenForKeys } from "./keys.js";

const OVERLAY_KEYS = { o: "outlines", i: "ids", t: "tails", l: "links", ".": "onion" };
const JUMP = 10;

function wireButtons(viewer, actions) {
  for (const button of viewer.root.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do]());
  }
  for (const button of viewer.root.querySelectorAll("[data-layer]")) {
    button.addEventListener("click", () => viewer.setLayer(button.dataset.layer));
  }
  for (const box of viewer.root.querySelectorAll("[data-overlay]")) {
    box.addEventListener("change", () => viewer.toggleOverlay(box.dataset.overlay, box.checked));
  }
  viewer.root.querySelector("#stage-words button").addEventListener("click", () => viewer.retry());
}

function wireFields(viewer) {
  const speed = viewer.root.querySelector("#viewer-speed");
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) speed.value = "1";
  const setSpeed = () => { viewer.player.perSecond = Number(speed.value); };
  speed.addEventListener("change", setSpeed);
  setSpeed();
  const form = viewer.root.querySelector("#viewer-tracks");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = form.querySelector("input").value.match(/\d+/g) ?? [];
    viewer.setTracks(asked.map(Number));
  });
}

/** A number for each layer of a frame; the next number for the statistics of all, one after the other. */
function layerKeys(viewer) {
  const ofFrame = viewer.manifest.layers.filter((spec) => !spec.of_all_frames);
  const keys = ofFrame.map(({ key }, i) => [i + 1, () => viewer.setLayer(key)]);
  return Object.fromEntries([...keys, [ofFrame.length + 1, () => viewer.nextStatistic()]]);
}

/** Connect everything that can be pressed. */
export function wireControls(viewer) {
  const { stage } = viewer;
  const step = (frames) => () => {
    viewer.player.pause();
    viewer.goTo(viewer.index + frames);
  };
  const actions = {
    play: () => viewer.togglePlay(),
    back: step(-1),
    on: step(1),
    "event-back": () => viewer.stepEvent(-1),
    "event-on": () => viewer.stepEvent(1),
    "zoom-in": () => stage.zoomStep(1),
    "zoom-out": () => stage.zoomStep(-1),
    "zoom-fit": () => stage.fit(),
    goto: () => viewer.dialogs.askFrame(),
    help: () => viewer.dialogs.help(),
  };
  wireButtons(viewer, actions);
  wireFields(viewer);

  const cross = (dx, dy) => ({ shiftKey }) => {
    const pixels = shiftKey ? JUMP : 1;
    moveCross(viewer, dx * pixels, dy * pixels);
  };
  const keys = {
    ArrowLeft: step(-1),
    ArrowRight: step(1),
    "Shift+ArrowLeft": step(-JUMP),
    "Shift+ArrowRight": step(JUMP),
    Home: step(-Infinity),
    End: step(Infinity),
    " ": actions.play,
    "[": actions["event-back"],
    "]": actions["event-on"],
    "+": actions["zoom-in"],
    "=": actions["zoom-in"],
    "-": actions["zoom-out"],
    0: actions["zoom-fit"],
    g: actions.goto,
    "?": actions.help,
    x: () => toggleCross(viewer),
    Enter: () => viewer.pick(),
    c: () => viewer.talk?.toggle(),
    m: () => viewer.toggleOverlay("marks"),
    ...layerKeys(viewer),
    w: cross(0, 1),
    a: cross(-1, 0),
    s: cross(0, -1),
    d: cross(1, 0),
  };
  if (viewer.manifest.run) {
    for (const [key, name] of Object.entries(OVERLAY_KEYS)) keys[key] = () => viewer.toggleOverlay(name);
  }
  listenForKeys(keys);
}
