// Draws each [data-figure] from the JSON of that id, in the colours of the page.
const role = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const TRACES = { area: "accent", level: "accent", measured: "accent", "measured from the law": "accent", fit: "accent", "fit from the law": "accent", pores: "text", "positive flux": "positive", "negative flux": "negative", flare: "accent", keyword: "accent", "error of single frames": "accent", middle: "accent" };
const EVENTS = { merge: true, split: true, gap: true };
const STATES = { accepted: "accept", rejected: "reject", corrected: "correct", unsure: "unsure", disputed: "disputed" };

function themed(figure) {
  const axis = { gridcolor: role("line"), zerolinecolor: role("text-quiet"), linecolor: role("text-quiet") };
  const layout = { ...figure.layout, font: { ...figure.layout.font, color: role("text"), size: 12 }, autosize: true };
  const upright = { ...axis, exponentformat: "none", separatethousands: true }; // 57,920 DN/s in full
  for (const key of Object.keys(layout)) {
    if (!/^[xy]axis\d*$/.test(key)) continue;
    // the title stands beyond the labels, and the margin grows with both
    const title = { standoff: 6, ...layout[key].title };
    layout[key] = { ...layout[key], ...(key.startsWith("y") ? upright : axis), title, automargin: true };
  }
  layout.hoverlabel = { bgcolor: role("surface-raised"), font: { color: role("text") }, bordercolor: role("line") };
  const data = figure.data.map((trace) => {
    if (trace.customdata && Object.hasOwn(EVENTS, trace.name)) {
      const color = trace.customdata.map(([state]) => role(STATES[state] ?? "text-quiet"));
      return { ...trace, marker: { ...trace.marker, color, line: { ...trace.marker.line, color } } };
    }
    if (trace.fill) return { ...trace, fillcolor: role("line") }; // a band of errors, behind its curve
    const color = role(TRACES[trace.name] ?? "text");
    const errors = trace.error_y ? { error_y: { ...trace.error_y, color: role("text-quiet") } } : {};
    return { ...trace, ...errors, line: { ...trace.line, color }, marker: { ...trace.marker, color } };
  });
  return { data, layout };
}

// Nothing leads out of the site: no upload to Plotly's cloud, no link behind a logo.
const CONFIG = {
  responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "sendChartToCloud"],
};

const figures = (part = document) => [...part.querySelectorAll("[data-figure]")];

function draw(boxes = figures()) {
  for (const box of boxes) {
    const { data, layout } = themed(JSON.parse(document.getElementById(box.dataset.figure).textContent));
    Plotly.react(box, data, layout, CONFIG);
  }
}

/** Show the frame nearest to a moment beside the figure. */
function preview(moment) {
  const at = Date.parse(`${moment}`.replace(" ", "T"));
  const frames = JSON.parse(document.getElementById("previews")?.textContent ?? "[]");
  const away = ([time]) => Math.abs(Date.parse(time) - at);
  const nearest = frames.reduce((best, frame) => (!best || away(frame) < away(best) ? frame : best), null);
  const picture = document.querySelector("[data-preview] img");
  if (!nearest || !picture || picture.src.endsWith(nearest[1])) return;
  [, picture.src] = nearest;
  document.querySelector("[data-preview] time").textContent = nearest[2];
  document.dispatchEvent(new CustomEvent("frame-shown", { detail: { tRec: nearest[2] } }));
}

/** What pointing at a figure and clicking on it does. */
function wire(box) {
  box.on("plotly_hover", ({ points }) => preview(points[0].x));
  box.on("plotly_click", ({ points }) => {
    const [, address] = points.find((point) => Array.isArray(point.customdata))?.customdata ?? [];
    if (address) location.assign(address);
  });
}

draw();
figures().forEach(wire);
document.body.addEventListener("htmx:beforeSwap", ({ detail }) => figures(detail.target).forEach((box) => Plotly.purge(box)));
document.body.addEventListener("htmx:afterSwap", () => {
  const fresh = figures().filter((box) => !box.data);
  draw(fresh);
  fresh.forEach(wire);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
