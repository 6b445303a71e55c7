// Moves the outline on the small disk with the frame that the page shows: [data-locator] holds the address of all places.
const boxes = document.querySelectorAll("[data-locator]");
const coming = new Map(); // address -> promise of { frames, grids }
let wanted = null; // T_REC of the frame that the page shows

function fetchPlaces(address) {
  if (!coming.has(address)) {
    coming.set(address, fetch(address).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null));
  }
  return coming.get(address);
}

function show(box, { frames, grids }, tRec) {
  const place = frames[tRec];
  if (!place) return; // a frame that came after the page
  const part = (name) => box.querySelector(`[data-${name}]`);
  part("outline").setAttribute("d", place.outline);
  if (grids[place.grid]) part("grid").setAttribute("d", grids[place.grid]);
  const [x, y, anchor] = place.label ?? [0, 0, "middle"];
  part("label").setAttribute("visibility", place.outline ? "visible" : "hidden");
  for (const [name, value] of [["x", x], ["y", y], ["text-anchor", anchor]]) part("label").setAttribute(name, value);
  part("words").textContent = place.words;
  part("t-rec").textContent = tRec;
  part("drawing").setAttribute("aria-label", part("drawing").dataset.drawing + place.words);
}

document.addEventListener("frame-shown", async ({ detail }) => {
  wanted = detail.tRec;
  for (const box of boxes) {
    const places = await fetchPlaces(box.dataset.locator);
    if (places && wanted === detail.tRec) show(box, places, detail.tRec);
  }
});
