"""
Two reviewers and a lead settle the events of a simulated run, in three browsers, by keyboard alone.

First blind, with two equal verdicts to settle an event; then openly, one verdict each. The
lineage that is frozen in the end is compared with one worked out here, from what they did.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.system.conftest import CHROMIUM, PASSWORD, Site, wait_for

TELL_RUN = """
import json
from poreweb.tracks.models import Run
run = Run.objects.get()
print(json.dumps({
    "links": list(run.links.values_list("earlier", "later", "cost")),
    "events": {event.pk: [event.kind, [f.pk for f in event.parents.all()], [f.pk for f in event.children.all()]]
               for event in run.events.prefetch_related("parents", "children")},
    "splits": list(run.events.filter(kind="split").values_list("pk", "probability")),
    "names": {f.pk: [f.segmentation.frame.t_rec, f.label] for s in run.segmentations.all()
              for f in s.features.select_related("segmentation__frame")},
}))
"""
PAUSE_MS = 15_000
ENOUGH = 100
DOUBTFUL = 0.99965  # half of the splits are less sure than that: those are judged by both


# -- What should come of it ------------------------------------------------------------------------


@dataclass
class Expected:
    """Machine links, and what has been settled of events, in that order; nothing of the site's own code."""

    links: dict[tuple[int, int], float]
    events: dict[int, tuple[str, list[int], list[int]]]
    names: dict[int, tuple[str, int]]
    doubtful_splits: list[int]
    settled: dict[int, str] = field(default_factory=dict)

    def settle(self, event: int, choice: str) -> None:
        self.settled.pop(event, None)  # it counts as of now
        self.settled[event] = choice

    def pairs(self, event: int) -> list[tuple[int, int]]:
        """The event's links, cheapest first."""
        _, parents, children = self.events[event]
        pairs = [(a, b) for a in parents for b in children if (a, b) in self.links]
        return sorted(pairs, key=lambda pair: (self.links[pair], pair))

    def tracks(self) -> set[tuple[int, ...]]:
        """Chains of the links that are left."""
        said = {}
        for event, choice in self.settled.items():
            pairs = self.pairs(event)
            if choice == "accept":
                said |= dict.fromkeys(pairs, True)
            elif choice == "reject":
                is_gap = self.events[event][0] == "gap"
                said |= {pair: not is_gap and pair == pairs[0] for pair in pairs}
            else:  # "cut": its first parent and child
                said[pairs[0]] = False
        left = [pair for pair in self.links if said.get(pair, True)]
        n_out, n_in = Counter(a for a, _ in left), Counter(b for _, b in left)
        follows = {a: b for a, b in left if n_out[a] == n_in[b] == 1}
        found, inner = set(), set(follows.values())
        for start in {pore for pair in self.links for pore in pair} - inner:
            chain = [start]
            while chain[-1] in follows:
                chain.append(follows[chain[-1]])
            found.add(tuple(chain))
        return found


# -- Who sits there --------------------------------------------------------------------------------


class Reviewer:
    """One person at one browser with a keyboard and no mouse."""

    def __init__(self, browser: Browser, site: Site, name: str) -> None:
        self.context = browser.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.name, self.problems = name, []  # type: str, list[str]
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto("/")
        self.page.keyboard.type(name)
        self.focus("Password…")
        self.page.keyboard.type(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{site.address}/")

    def go(self, address: str) -> None:
        self.page.goto(address)

    @property
    def event(self) -> int | None:
        """The event that the desk shows; None elsewhere."""
        found = re.search(r"/events/(\d+)/", self.page.url)
        return int(found[1]) if found else None

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def act(self, *keys: str) -> None:
        """Keys of which the last one brings another page."""
        self.ready()
        self.press(*keys[:-1])
        with self.page.expect_navigation(timeout=PAUSE_MS):
            self.page.keyboard.press(keys[-1])

    def ready(self) -> None:
        self.page.wait_for_load_state("load")  # the keys come with the last script

    def focus(self, name: str) -> None:
        """Tab until what is called so, or begins so where the name ends in "…", has the focus."""
        called = """() => { const here = document.activeElement;
            return (here.labels?.[0]?.innerText || here.getAttribute("aria-label") || here.innerText || "").trim() }"""
        for _ in range(150):
            here = str(self.page.evaluate(called))
            if here == name or (name.endswith("…") and here.startswith(name[:-1])):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{name!r} cannot be reached with Tab on {self.page.url}")

    def follow(self, name: str) -> None:
        """Go to a link or button by Tab and press it."""
        self.ready()
        self.focus(name)
        with self.page.expect_navigation(timeout=PAUSE_MS):
            self.page.keyboard.press("Enter")

    def cut(self, pair: tuple[int, int]) -> None:
        """Correct: cut the link between two pores, each picked by the name that the strip shows for it."""
        self.ready()
        self.press("c", "Delete")
        for pore in pair:
            self.page.keyboard.type(self.page.evaluate(NAME_OF, pore))
        expect(self.page.locator("#changes li")).to_have_count(1)
        with self.page.expect_navigation(timeout=PAUSE_MS):
            self.page.keyboard.press("Enter")

    def judge(self, choice: str, expected: Expected) -> None:
        """Give a verdict on the event that is open; the next page comes by itself."""
        event = self.event
        assert event is not None
        if choice == "cut":
            self.cut(expected.pairs(event)[0])
        else:
            self.act({"accept": "a", "reject": "r", "unsure": "s"}[choice])
        assert self.event != event


# The name of a pore on the strip; it is drawn on a canvas, where a test cannot read it.
NAME_OF = """async (id) => {
    const { Pores } = await import("/static/js/desk/pores.js");
    const { namesOf } = await import("/static/js/desk/pick.js");
    const data = JSON.parse(document.getElementById("desk-data").textContent);
    const shown = data.frames.filter((frame) => frame.shown).map((frame) => frame.index);
    return namesOf(new Pores(data), shown, data.event.index).get(id);
}"""


@pytest.fixture
def expected(team_site: Site) -> Expected:
    told = json.loads(team_site.manage("shell", "-v", "0", "-c", TELL_RUN))
    links = {(earlier, later): cost for earlier, later, cost in told["links"]}
    events = {int(pk): tuple(event) for pk, event in told["events"].items()}
    names = {int(pk): tuple(name) for pk, name in told["names"].items()}
    return Expected(links, events, names, [pk for pk, probability in told["splits"] if probability < DOUBTFUL])


@pytest.fixture
def people(team_site: Site) -> Iterator[Callable[[str], Reviewer]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        came: dict[str, Reviewer] = {}

        def person(name: str) -> Reviewer:
            if name not in came:
                came[name] = Reviewer(browser, team_site, name)
            return came[name]

        yield person
        browser.close()
    assert [problem for one in came.values() for problem in one.problems] == []


def set_rules(lead: Reviewer, quorum: int, *, toggle_blind: bool) -> None:
    lead.go("/teams/1/")
    lead.ready()
    lead.focus("Equal verdicts…")
    lead.press("Control+a")
    lead.page.keyboard.type(str(quorum))
    if toggle_blind:
        lead.focus("Hide others…")
        lead.press("Space")
    lead.follow("Save…")


def test_a_hundred_events_are_settled_by_keyboard(people, team_site, expected, tmp_path):
    alice, bob, lena = (people(name) for name in ("alice", "bob", "lena"))
    chance = random.Random(7)
    set_rules(lena, 2, toggle_blind=True)

    # Blind: both judge the doubtful splits; one in four they see differently.
    splits = expected.doubtful_splits
    of_alice = {pk: chance.choice(["accept", "accept", "reject", "cut"]) for pk in splits}
    other = {"accept": "reject", "reject": "accept", "cut": "accept"}
    of_bob = {pk: other[choice] if chance.random() < 1 / 4 else choice for pk, choice in of_alice.items()}
    given: dict[int, dict[str, str]] = {pk: {} for pk in splits}
    for reviewer in (alice, bob):
        reviewer.go(f"/runs/1/events/?kind=split&wait=me&above={DOUBTFUL}")
        reviewer.follow("split")
    turns = 0
    while alice.event or bob.event:
        for reviewer, plan in ((alice, of_alice), (bob, of_bob)):
            if (event := reviewer.event) is None:
                continue
            if reviewer is bob and len(given[event]) == 1:
                expect(bob.page.get_by_text("hidden until yours is in").first).to_be_visible()
            reviewer.judge(plan[event], expected)
            given[event][reviewer.name] = plan[event]
            if len(set(given[event].values())) == 1 and len(given[event]) == 2:
                expected.settle(event, plan[event])
            turns += 1
            if turns == 9:  # a slip: taken back, done again, taken back, and judged as meant
                for step in ("u", "Shift+U", "u"):
                    reviewer.act(step)
                assert reviewer.event == event
                reviewer.judge(plan[event], expected)
                if event in expected.settled:
                    expected.settle(event, plan[event])
    disputed = [pk for pk in splits if of_alice[pk] != of_bob[pk]]
    assert len(disputed) >= 3
    assert len(splits) - len(disputed) > 10
    assert set(expected.settled) == set(splits) - set(disputed)

    # The lead settles what they differ on.
    for _ in disputed:
        lena.go("/runs/1/events/?kind=split&state=disputed")
        lena.follow("split")
        event = lena.event
        lena.ready()
        lena.follow("Settle as rejected")
        expected.settle(event, "reject")
    lena.go("/runs/1/events/?kind=split&state=disputed")
    expect(lena.page.get_by_text("No event fits these filters")).to_be_visible()

    # Openly: alice takes the mergers, bob the gaps and then the splits that are left.
    set_rules(lena, 1, toggle_blind=True)
    sitting = [(alice, iter(["merge"])), (bob, iter(["gap", "split"]))]
    while sitting:
        for reviewer, kinds in list(sitting):
            if reviewer.event is None:
                kind = next(kinds, None)
                if kind is None:
                    sitting.remove((reviewer, kinds))
                    continue
                reviewer.go(f"/runs/1/events/?kind={kind}&wait=me")
                reviewer.follow(kind)
            event, choice = reviewer.event, chance.choice(["accept", "accept", "reject"])
            reviewer.judge(choice, expected)
            expected.settle(event, choice)
    assert len(expected.settled) >= ENOUGH

    # Both have one event open; what bob saves last does not tread on what alice said meanwhile.
    event = next(
        pk for pk, choice in expected.settled.items() if expected.events[pk][0] == "merge" and choice == "accept"
    )
    for reviewer in (alice, bob):
        reviewer.go(f"/events/{event}/")
        reviewer.ready()
    expect(alice.page.locator("#live")).to_contain_text("bob", timeout=4000)
    alice.act("r")
    expect(bob.page.locator("#live")).to_contain_text("alice", timeout=4000)
    bob.act("a")
    expect(bob.page.get_by_text("Nothing was saved: alice has judged this event since you opened it.")).to_be_visible()
    bob.follow("Save yours anyway")
    lena.go("/runs/1/events/?state=disputed")
    lena.follow("merge")
    assert lena.event == event
    lena.follow("Settle as accepted")
    expected.settle(event, "accept")

    # What is frozen is what they did.
    lena.go("/patches/1/releases/")
    lena.follow("Freeze run 1…")
    address = re.sub(r"[?#].*", "", lena.page.url)
    lena.go("/patches/1/releases/1/")
    link = lena.page.get_by_role("link", name=re.compile("lineage.json"))
    wait_for(lambda: lena.page.reload() and link.count(), 60, "the release", every=1)
    assert "releases" in address
    released = lena.context.request.get(link.first.get_attribute("href") or "").json()
    tracks = {tuple(tuple(pore) for pore in track["features"]) for track in released["tracks"]}
    wanted = {tuple(expected.names[pore] for pore in track) for track in expected.tracks()}
    alone = {track for track in tracks - wanted if len(track) == 1}  # a pore without any link
    assert tracks - alone == wanted
    assert len(released["settlements"]) == len(expected.settled)
