/**
 * Comment forms: what is typed is kept until it is sent, and what goes wrong is said beside it.
 *
 * Needs: [data-threads] around forms with [data-problem]; textareas with an id and data-draft.
 */

const KEPT = "poreweb-draft";

const keyOf = (field) => `${KEPT} ${location.pathname} ${field.id}`;

/** Put drafts back into empty fields of a part of the page. */
function restore(part) {
  for (const field of part.querySelectorAll("textarea[data-draft]")) {
    const draft = sessionStorage.getItem(keyOf(field));
    if (draft && !field.value) field.value = draft;
  }
}

/** What the server's answer of that status means for somebody who has typed something. */
function problemWords(status) {
  if (status === 404) return "Not sent: what this is about is no longer there. Your words are still in the field.";
  if (status === 403) return "Not sent: you may no longer do this. Your words are still in the field.";
  return status
    ? `Not sent: the server answered ${status}. Your words are still in the field; try again.`
    : "Not sent: the server cannot be reached. Your words are still in the field; try again.";
}

function keep({ target }) {
  if (!target.matches?.("textarea[data-draft]")) return;
  if (target.value) sessionStorage.setItem(keyOf(target), target.value);
  else sessionStorage.removeItem(keyOf(target));
}

function forget(form) {
  for (const field of form.querySelectorAll("textarea[data-draft]")) sessionStorage.removeItem(keyOf(field));
}

/** Say in the form what went wrong, and keep its words through a reload too. */
function sayProblem({ target, detail }) {
  const form = target.closest?.("[data-threads] form");
  if (!form) return;
  const words = form.querySelector("[data-problem]");
  words.textContent = problemWords(detail.xhr?.status);
  document.getElementById("announce").textContent = words.textContent;
  for (const field of form.querySelectorAll("textarea[data-draft]")) keep({ target: field });
}

document.addEventListener("input", keep);
document.addEventListener("submit", ({ target }) => target.closest("[data-threads]") && forget(target));
document.addEventListener("htmx:sendError", sayProblem);
document.addEventListener("htmx:responseError", sayProblem);
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  const part = detail.elt.closest?.("[data-threads]") ?? detail.elt;
  restore(part);
  part.querySelector("textarea[aria-invalid]")?.focus();
  // the line that was pressed is gone: go on in the thread that has taken its place
  const opened = /^open-(\d+)$/.exec(detail.requestConfig?.elt?.id ?? "");
  if (opened) document.querySelector(`#thread-${opened[1]} .thread-title a`)?.focus();
});
restore(document);
