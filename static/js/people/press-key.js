/** Fields that take the key that is pressed in them; the server says once more what may be one. */

import { keyName } from "../keys.js";

const LEFT_ALONE = new Set(["Tab", "Enter", "Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Dead", "Process"]);
const RESERVED = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " "]);
const form = document.querySelector("[data-keys-form]");
const fields = [...form.querySelectorAll("[data-press]")];
const announce = document.querySelector("#announce");

function labelOf(field) {
  return field.labels[0].textContent;
}

/** Two fields with one key are marked at once; the words come from the server. */
function markClashes() {
  for (const field of fields) {
    const clashes = fields.some((other) => other !== field && other.value && other.value === field.value);
    field.classList.toggle("is-clashing", clashes);
  }
}

function put(field, key) {
  field.value = key;
  field.select();
  markClashes();
  const rival = fields.find((other) => other !== field && other.value === key);
  announce.textContent = `${labelOf(field)}: ${key}${rival ? `, as is ${labelOf(rival)}` : ""}`;
}

for (const field of fields) {
  field.addEventListener("focus", () => field.select());
  field.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || LEFT_ALONE.has(event.key)) return;
    if (event.key === "Unidentified" || /^F\d+$/.test(event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") put(field, field.defaultValue);
    else if (event.key === "Backspace" || event.key === "Delete") put(field, field.closest("[data-usual]").dataset.usual);
    else if (event.key.length === 1 && !RESERVED.has(event.key)) put(field, keyName(event));
    else announce.textContent = `${event.key === " " ? "Space" : event.key} cannot be chosen`;
  });
  // A keyboard on glass sends text, not keys: the last character counts.
  field.addEventListener("input", () => {
    const last = [...field.value.trim()].at(-1);
    if (last && !field.value.toLowerCase().startsWith("shift+")) put(field, last.toLowerCase());
    markClashes();
  });
}
form.addEventListener("reset", () => requestAnimationFrame(markClashes));
document.querySelector("[data-press-help]").hidden = false;
markClashes();
