"""When a page in a browser has done all that it does by itself: sooner than any fixed time, and never too soon."""

from playwright.sync_api import Page, Request

from tests.system.conftest import wait_for

SOON_MS = 500  # what a timer does later than that, as asking again each second, is not waited for
LOOK_S = 0.04
# Counts the changes of the document, and the timers that are to go off soon.
WATCH = f"""(() => {{
  const soon = new Set(), set = window.setTimeout, clear = window.clearTimeout;
  window.setTimeout = (then, pause = 0, ...rest) => {{
    const key = set((...told) => {{ soon.delete(key); then(...told); }}, pause, ...rest);
    if (pause < {SOON_MS}) soon.add(key);
    return key;
  }};
  window.clearTimeout = (key) => {{ soon.delete(key); clear(key); }};
  let changes = 0;
  new MutationObserver((all) => {{ changes += all.length; }})
    .observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
  window.goingOn = () => ({{ timers: soon.size, changes }});
}})()"""


class RestlessPage:
    """Follows what a page does; make it before the page goes anywhere."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: set[Request] = set()
        page.add_init_script(WATCH)
        page.on("request", lambda request: self.asked.add(request))
        page.on("requestfinished", lambda request: self.asked.discard(request))
        page.on("requestfailed", lambda request: self.asked.discard(request))

    def goto(self, address: str) -> None:
        """Open a page, and wait until no answer and no timer is due and nothing has changed since the last look."""
        self.asked.clear()  # of the page before
        self.page.goto(address)
        seen: list[int] = []

        def is_at_rest() -> bool:
            self.page.wait_for_timeout(1000 * LOOK_S)  # in which it also hears of requests
            going_on = self.page.evaluate("goingOn()")
            seen.append(going_on["changes"])
            return not self.asked and not going_on["timers"] and seen[-2:] == [seen[-1]] * 2

        wait_for(is_at_rest, 15, f"{address} to come to rest", every=0)
