"""Axe finds nothing serious on any page, light and dark; and no page scrolls sideways on a phone."""

import json
from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.system.at_rest import RestlessPage
from tests.system.conftest import CHROMIUM, PASSWORD, Site, wait_for

PREPARE = """
import json
from django.contrib.auth.models import User
from django.utils import timezone
from poreweb.discussion.models import Comment
from poreweb.people.actions import invite
from poreweb.releases.actions import freeze_release
from poreweb.review import actions
from poreweb.review.judgement import Judgement
from poreweb.tracks.models import Run
from tests.poreweb.acquired_rows import make_one_of_each
from tests.poreweb.sequencing import make_sequence
run = Run.objects.get()
alice, bob, lena = (User.objects.get(username=name) for name in ("alice", "bob", "lena"))
team = run.patch.team
team.quorum = 2
team.save()
events = list(run.events.select_related("run__patch__team").filter(kind="merge")[:3])
for who, said in ((alice, "accept"), (bob, "reject")):
    for event in events[:2]:
        actions.give_verdict(event, who, Judgement(said, note="the flux says so"))
actions.settle(events[0], lena, Judgement("accept"))
Comment.objects.create(patch=run.patch, author=bob, text="Look at this, @lena", event=events[1], run=run)
freeze_release(run, lena, "for a paper")
_, secret = invite(team, lena, role="viewer", note="a guest", days=7)
make_sequence(team)
keys = {"event": events[1].pk, "open": events[2].pk, "secret": secret, "track": run.tracks.first().number}
print(json.dumps({**keys, **make_one_of_each(team, alice)}))
"""
PAGES = [
    "/", "/queue/", "/queue/?kind=gap&over=0.5", "/patches/1/", "/patches/1/viewer/", "/patches/1/releases/",
    "/patches/1/releases/1/", "/patches/1/threads/", "/runs/1/", "/runs/1/events/", "/runs/1/lineage/",
    "/runs/1/carry/", "/runs/1/tracks/", "/runs/1/tracks/{track}/", "/runs/1/assignments/", "/events/{event}/",
    "/events/{open}/?frames=6", "/teams/", "/teams/1/", "/teams/1/history/", "/teams/1/agreement/", "/teams/1/gold/",
    "/mentions/", "/uploads/new/", "/accounts/keys/", "/accounts/tokens/", "/accounts/password/",
    "/invitations/{secret}/", "/api/docs/", "/nothing/", "/acquire/", "/acquire/new/", "/acquire/schedule/", "/find/",
    "/acquire/{preview}/", "/acquire/{failed}/", "/acquire/{waiting}/", "/acquire/email/1/",
    "/find/?q=377+AR+11158", "/find/noaa/", "/find/list/",
    "/sequences/", "/sequences/new/", "/sequences/1/", "/sequences/1/correct/", "/sequences/1/add/",
]  # fmt: skip
GRAVE = ("serious", "critical")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
# A border on its way from one colour to another has neither.
AT_REST = "() => document.getAnimations().every((one) => one.playState !== 'running')"


@pytest.fixture(scope="module")
def known(team_site: Site) -> dict[str, str]:
    found: dict[str, str] = json.loads(team_site.manage("shell", "-v", "0", "-c", PREPARE).splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def opened(team_site: Site) -> Iterator[RestlessPage]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        page = browser.new_context(base_url=team_site.address, viewport=DESKTOP).new_page()
        opened = RestlessPage(page)
        opened.goto("/accounts/login/")
        assert grave_in_light_and_dark(page) == []
        page.get_by_label("Username").fill("lena")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        yield opened
        browser.close()


def grave_in_light_and_dark(page: Page) -> list[str]:
    """What axe finds with either set of colours; a page takes on the other while it is open."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(AT_REST)
        found += [f"{scheme}: {problem}" for problem in grave(page)]
    return found


def grave(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in found if item["impact"] in GRAVE]


@pytest.mark.parametrize("address", PAGES)
def test_nothing_serious_and_nothing_too_wide(opened: RestlessPage, known: dict[str, str], address: str) -> None:
    page = opened.page
    opened.goto(address.format(**known))
    assert grave_in_light_and_dark(page) == []
    page.set_viewport_size(PHONE)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    wait_for(lambda: page.evaluate(fits), 5, "a page no wider than the phone")  # a figure follows a little later
    page.set_viewport_size(DESKTOP)
