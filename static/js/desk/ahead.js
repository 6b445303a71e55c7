/** What the next event's desk will ask for, fetched while this one is looked at: the browser keeps it. */

/** Fetch the addresses in `words`, one after another, once the page has what it needs itself. */
export function fetchAhead(words) {
  const addresses = (words ?? "").split(" ").filter(Boolean);
  if (!addresses.length || navigator.connection?.saveData) return;
  const begin = async () => {
    for (const address of addresses) {
      try {
        const answer = await fetch(address, { credentials: "same-origin", priority: "low" });
        await answer.arrayBuffer(); // to the end, so that it is kept
      } catch {
        return; // the next page asks for itself
      }
    }
  };
  const whenIdle = window.requestIdleCallback ?? ((callback) => setTimeout(callback, 500));
  if (document.readyState === "complete") setTimeout(() => whenIdle(begin), 1000);
  else window.addEventListener("load", () => setTimeout(() => whenIdle(begin), 1000));
}
