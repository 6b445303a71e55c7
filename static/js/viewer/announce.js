/** Say something to a screen reader, not more often than every so many milliseconds. */

/** A function that puts its latest words into the page's status line. */
export function announcer(pause = 1000, host = document.getElementById("announce")) {
  let timer = null;
  let words = "";
  return (next) => {
    words = next;
    timer ??= setTimeout(() => {
      timer = null;
      if (host) host.textContent = words;
    }, pause);
  };
}
