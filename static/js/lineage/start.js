/** Fetch the lineage, show it, and fetch it anew when what is settled has been worked in. */

import { LineagePage } from "./lineage.js";

const AGAIN_MS = 1500;

const root = document.getElementById("lineage");
const words = root.querySelector("[data-out=words]");
const addresses = JSON.parse(document.getElementById("lineage-addresses").textContent);
const page = new LineagePage(root, addresses);
let shown = null; // of which version the picture is
let fetching = false;

const version = () => document.getElementById("as-of").dataset.version;

function say(sentence) {
  words.textContent = sentence;
  words.hidden = !sentence;
}

async function load() {
  if (fetching) return;
  fetching = true;
  const asked = version();
  try {
    const response = await fetch(addresses.chart, { credentials: "same-origin" });
    if (response.status === 200) {
      page.take(await response.json());
      shown = asked;
      say(page.lineage.tracks.length ? "" : "No pore was found in this run, so there is no lineage.");
    } else if (response.status === 202) {
      say((await response.json()).detail);
      setTimeout(load, AGAIN_MS);
    } else {
      say(response.status === 404 ? "This run has no tracks yet; its lineage is built when it is done."
        : `The lineage could not be loaded: the server answered ${response.status}.`);
    }
  } catch {
    say("The lineage could not be loaded: the server did not answer. It is asked again in a moment.");
    setTimeout(load, 4 * AGAIN_MS);
  }
  fetching = false;
  if (shown !== null && shown !== version() && asked !== version()) load();
}

document.body.addEventListener("htmx:afterSettle", () => {
  if (!page.lineage) return;
  if (version() !== shown) {
    load();
    return;
  }
  page.takeStates();
  page.stage.request({ fresh: true });
  page.changed();
});

window.lineagePage = page; // for the tests, which look at what is drawn
load();
