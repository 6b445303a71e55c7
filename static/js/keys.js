/**
 * One key for each control that names it in data-key: "a", "shift+u", "?"; typing in a field is left alone.
 *
 * A control is clicked, a field to type in is focused. Of several with one key the first counts.
 */

const TYPED_IN = "textarea, select, [contenteditable]:not([contenteditable=false]), "
  + "input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=range])";

export const isTypedIn = (target) => target instanceof Element && target.closest(TYPED_IN) !== null;

/** The key as data-key names it: in lower case, "shift+" only before what has two cases or a name. */
export function keyName({ key, shiftKey }) {
  const small = key.toLowerCase();
  const shifted = shiftKey && (key.length > 1 || small !== key.toUpperCase()); // "?" is typed with Shift on most boards
  return shifted ? `shift+${small}` : small;
}

function controlOf(name) {
  const controls = document.querySelectorAll(`[data-key="${CSS.escape(name)}"]`);
  return [...controls].find((control) => !control.disabled);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTypedIn(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const control = controlOf(keyName(event));
  if (!control) return;
  event.preventDefault();
  if (isTypedIn(control)) control.focus();
  else if (!event.repeat || control.hasAttribute("data-key-repeats")) control.click(); // a held key judges once
});
