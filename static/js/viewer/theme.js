/** Colours of the page's style sheet, in a form that a canvas understands. */

const TRACK_COLOURS = 8;
// Round whatever lies on the image in a track's colour: those are bright, the image is grey, in both schemes.
const CASING = "#0b0c0d";
// What has no track, and the outlines of another frame: bright as well, whatever the page's text is.
const NO_TRACK = "#a5a8ab";
const OTHER_FRAME = "#e8e6e1";
// Tracks whose numbers differ by 8 share a colour and differ in dash, as in processing/palette.py.
const DASHES = [[], [6, 3], [2, 3], [12, 3]];

/** The number of the track colour (1 to 8) of a track: its number modulo 8, plus 1. */
export const trackColourNumber = (track) => (track % TRACK_COLOURS) + 1;

/** On and off lengths, in CSS pixels, of the outline of a track; empty is solid. */
export const trackDash = (track) => DASHES[Math.floor((track ?? 0) / TRACK_COLOURS) % DASHES.length];

/** Read the custom properties as they stand now; call again when the theme changes. */
export function readTheme(host = document.body) {
  const probe = document.createElement("span"); // resolves var() and light-dark() to a plain colour
  probe.hidden = true;
  host.append(probe);
  const colour = (name, otherwise) => {
    probe.style.color = otherwise;
    probe.style.color = `var(${name}, ${otherwise})`;
    return getComputedStyle(probe).color;
  };
  const theme = {
    surface: colour("--surface", "#111"),
    text: colour("--text", "#eee"),
    quiet: colour("--text-quiet", "#999"),
    accent: colour("--accent", "#6af"),
    casing: CASING,
    otherFrame: OTHER_FRAME,
    tracks: Array.from({ length: TRACK_COLOURS }, (_, i) => colour(`--track-${i + 1}`, "#ccc")),
    rem: parseFloat(getComputedStyle(document.documentElement).fontSize) || 16,
  };
  theme.track = (track) => (track == null ? NO_TRACK : theme.tracks[trackColourNumber(track) - 1]);
  probe.remove();
  return theme;
}

/** Call when the colour scheme or the page's own choice of theme changes. */
export function onThemeChange(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  new MutationObserver(callback).observe(document.documentElement, {
    attributes: true, attributeFilter: ["class", "data-theme"],
  });
}
