/** The colours of the lineage: the page's roles, read anew when the theme changes. */

import { readTheme as readCommon } from "../viewer/theme.js";

const ROLES = {
  line: "--line", raised: "--surface-raised", sunk: "--surface-sunk", positive: "--positive", negative: "--negative",
  pending: "--text", accepted: "--accept", rejected: "--reject", corrected: "--correct", unsure: "--unsure",
  disputed: "--disputed", focus: "--focus",
};

export function readTheme() {
  const theme = readCommon();
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  for (const [name, role] of Object.entries(ROLES)) {
    probe.style.color = `var(${role})`;
    theme[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  theme.ofState = (state) => theme[state] ?? theme.pending;
  theme.ofPolarity = (polarity) => (polarity > 0 ? theme.positive : polarity < 0 ? theme.negative : theme.quiet);
  return theme;
}
