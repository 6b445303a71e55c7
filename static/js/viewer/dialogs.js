/** The two dialogs of the viewer: go to a frame, and help. */

/**
 * The frame that somebody asks for: a number from 1, or a T_REC or its beginning.
 *
 * Returns its index, or null when there is none.
 */
export function frameAsked(text, frames) {
  const asked = text.trim();
  if (/^\d+$/.test(asked) && Number(asked) >= 1 && Number(asked) <= frames.length) return Number(asked) - 1;
  if (asked.length < 8) return null; // 2013.06. begins a T_REC, less could be a mistyped number
  const index = frames.findIndex((frame) => frame.t_rec.startsWith(asked) || frame.utc.startsWith(asked));
  return index < 0 ? null : index;
}

/** Wire up the dialogs; returns { askFrame(), help() }. */
export function setUpDialogs({ goto, help, frames, onFrame }) {
  const field = goto.querySelector("input");
  const words = goto.querySelector("[data-error]");
  goto.querySelector("form").addEventListener("submit", (event) => {
    if (event.submitter?.value === "cancel") return;
    const index = frameAsked(field.value, frames);
    if (index === null) {
      event.preventDefault();
      words.textContent = `No frame "${field.value}" here. Give a number from 1 to ${frames.length}, `
        + "or a T_REC such as 2013.06.20_10:36.";
      field.setAttribute("aria-invalid", "true");
      field.focus();
      return;
    }
    onFrame(index);
  });
  return {
    askFrame() {
      words.textContent = "";
      field.removeAttribute("aria-invalid");
      goto.showModal();
      field.select();
    },
    help: () => help.showModal(),
  };
}
