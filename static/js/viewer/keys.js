/** Keys of the page to actions; keys that a focused control needs for itself stay with it. */

const TYPED_IN = "input[type=number], input[type=text], input[type=search], textarea, select";
const PRESSED = "button, a[href], summary, input[type=checkbox]";

/**
 * Run `actions[name](event)` for the key that was pressed.
 *
 * Names are what `KeyboardEvent.key` gives, letters in lower case, with "Shift+" before arrows.
 * With `before`, while `isOn()`, its keys are no longer those of other listeners.
 */
export function listenForKeys(actions, { before = false, isOn = () => true } = {}) {
  document.addEventListener("keydown", (event) => {
    if (!isOn() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    if (target.closest(TYPED_IN)) return;
    if ((event.key === " " || event.key === "Enter") && target.closest(PRESSED)) return;
    if (target.matches("input[type=range]:not([data-frames])") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const named = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : letter;
    const action = actions[named];
    if (!action) return;
    event.preventDefault();
    if (before) event.stopImmediatePropagation();
    action(event);
  }, { capture: before });
}
