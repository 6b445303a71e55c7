"""The locator follows the frame, and keywords are chosen, in a browser without a site behind it."""

import json
import mimetypes
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, sync_playwright

ORIGIN = "http://poreweb.test"


@pytest.fixture
def drive(run, as_alice) -> Callable[..., None]:
    """Open a page with the answers that the site gives beforehand: a browser's thread may not ask the database."""
    for index, frame in enumerate(run.patch.frames.all()):
        frame.cards |= {"USFLUX": 1e22 + index * 1e21, "MEANGAM": 30.0 + index, "ERRGAM": 0.5}
        frame.save()
    patch = run.patch.get_absolute_url()
    script = {"HX-Request": "true"}
    answers: dict[str, Any] = {
        patch: as_alice.get(patch),
        f"{patch}viewer/?run={run.pk}": as_alice.get(f"{patch}viewer/?run={run.pk}"),
        f"{patch}locator.json": as_alice.get(f"{patch}locator.json"),
        f"{patch}keywords/": as_alice.get(f"{patch}keywords/", headers=script),
        f"{patch}keywords/?keyword=MEANGAM": as_alice.get(f"{patch}keywords/?keyword=MEANGAM", headers=script),
    }

    def answer(route: Route) -> None:
        address = route.request.url.removeprefix(ORIGIN)
        file = settings.BASE_DIR / address.partition("?")[0].lstrip("/")
        if address in answers:
            found = answers[address]
            route.fulfill(body=found.content, headers=dict(found.items()))
        elif address.startswith("/static/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0] or "text/plain")
        else:
            route.fulfill(status=404)

    def driven(address: str, work: Callable[[Page], None]) -> None:
        troubles: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page()
            page.on("pageerror", lambda problem: troubles.append(str(problem)))
            page.route("**/*", answer)
            page.goto(ORIGIN + address)
            work(page)
            browser.close()
        assert troubles == []

    return driven


@pytest.fixture
def places(run, as_alice) -> dict[str, Any]:
    frames: dict[str, Any] = json.loads(as_alice.get(f"{run.patch.get_absolute_url()}locator.json").content)["frames"]
    return frames


def until(page: Page, expression: str) -> None:
    """Wait for what `Page.wait_for_function` may not ask more than once, by the page's security policy."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"waited in vain for {expression}")


def shown(page: Page, t_rec: str, place: dict[str, Any]) -> None:
    """Wait until the disk shows a frame."""
    until(page, f"document.querySelector('[data-t-rec]').textContent === '{t_rec}'")
    assert page.locator("[data-words]").text_content() == place["words"]
    assert page.locator("[data-outline]").get_attribute("d") == place["outline"]
    assert page.locator("[data-label]").get_attribute("text-anchor") == place["label"][2]
    assert str(page.locator("svg[data-drawing]").get_attribute("aria-label")).endswith(f"west right: {place['words']}")


def test_pointing_at_a_curve_moves_the_outline_and_a_keyword_is_chosen(run, drive, places):
    frames = list(run.patch.frames.all())
    first, last = frames[0].t_rec, frames[-1].t_rec
    assert places[first]["outline"] != places[last]["outline"]

    def point_at_a_curve(page: Page) -> None:
        shown(page, last, places[last])
        until(page, "Boolean(document.querySelector('[data-figure=timeline]').data)")
        page.evaluate(
            "at => document.querySelector('[data-figure=timeline]').emit('plotly_hover', { points: [{ x: at }] })",
            "2013-06-19 00:00",
        )
        shown(page, first, places[first])
        assert page.locator("[data-preview] time").text_content() == first

    def choose_a_keyword(page: Page) -> None:
        title = "document.querySelector('[data-figure=keyword-figure] .ytitle')?.textContent"
        until(page, f"{title}?.startsWith('USFLUX')")
        page.locator("#keyword-choice").focus()
        page.select_option("#keyword-choice", "MEANGAM")
        until(page, f"{title} === 'MEANGAM [deg]'")
        until(page, "location.href.endsWith('?keyword=MEANGAM#sharp-keywords')")
        until(page, "document.activeElement.id === 'keyword-choice'")
        colours = page.evaluate("document.querySelector('[data-figure=keyword-figure]').data.map((t) => t.fillcolor)")
        assert re.fullmatch("#[0-9a-f]{6}", colours[0])  # the band has one of the page's

    def work(page: Page) -> None:
        point_at_a_curve(page)
        choose_a_keyword(page)

    drive(run.patch.get_absolute_url(), work)


def test_the_viewers_disk_follows_its_frame(run, drive, places):
    frames = [frame.t_rec for frame in run.patch.frames.all()]

    def work(page: Page) -> None:
        shown(page, frames[0], places[frames[0]])  # the server drew the last
        page.locator("#viewer-canvas").focus()
        page.keyboard.press("ArrowRight")
        shown(page, frames[1], places[frames[1]])
        page.keyboard.press("End")
        shown(page, frames[-1], places[frames[-1]])

    drive(f"{run.patch.get_absolute_url()}viewer/?run={run.pk}", work)
