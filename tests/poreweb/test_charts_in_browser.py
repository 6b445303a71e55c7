"""Every kind of figure in a browser, without a site behind it: nothing leaves the site, and no words collide."""

import mimetypes
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest
from django.conf import settings
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Route, sync_playwright

from processing.figures import (
    EventMark,
    LightCurve,
    SolarMark,
    keyword_chart,
    light_curves,
    mu_over_time,
    quiet_sun_levels,
)
from processing.sharp_keywords import SHARP_KEYWORDS, KeywordCurve

ORIGIN = "http://poreweb.test"
DAY = datetime(2011, 2, 15)
TIMES = [DAY + timedelta(minutes=12 * index) for index in range(30)]
BUTTONS = ["Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Autoscale", "Reset axes"]
# Words of each figure (titles, labels of ticks, legends) that lie upon each other or stick out of it, and titles
# among the labels of their axis; lines of text have 3 pixels of air.
COLLISIONS = """() => [...document.querySelectorAll("[data-figure]")].flatMap((box) => {
  const drawn = [...box.querySelectorAll('text[class$="title"], g[class$="tick"] text, .legendtext')]
    .map((element) => ({ words: element.textContent, ...element.getBoundingClientRect().toJSON() }));
  const { left, right, bottom } = box.getBoundingClientRect();
  const outside = drawn.filter((a) => a.left < left - 1 || a.right > right + 1 || a.bottom > bottom + 1);
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const among = [...box.querySelectorAll('text[class^="y"][class$="title"]')].filter((title) => {
    const labels = [...box.querySelectorAll(`.${title.classList[0].replace("title", "tick")} text`)];
    const column = Math.min(...labels.map((label) => label.getBoundingClientRect().left));
    return title.getBoundingClientRect().right > column;
  });
  const upon = drawn.flatMap((a, i) => drawn.slice(i + 1).filter((b) => meet(a, b)).map((b) => [a, b]));
  return [...upon, ...outside.map((a) => [a]), ...among.map((title) => [{ words: title.textContent }])]
    .map((met) => [box.dataset.figure, ...met.map(({ words }) => words)]);
})"""
WORDS = "(box) => [...box.querySelectorAll('text[class$=\"title\"], .legendtext')].map((text) => text.textContent)"


def curve_of(times: list[datetime], *, has_flux: bool = True) -> LightCurve:
    n = len(times)
    flux = [1e20 if has_flux else None] * n
    return LightCurve(times, [20.0] * n, [1] * n, flux, [value and -2 * value for value in flux])


def figures() -> dict[str, go.Figure]:
    sun = [SolarMark(TIMES[9], "flare", "C2.0", "a flare"), SolarMark(TIMES[12], "emerging flux", "", "flux")]
    run = [EventMark(TIMES[3], "merge", "pending", "a merger")]
    keyword = KeywordCurve(SHARP_KEYWORDS["USFLUX"], [1.0, 1.2, None, 1.3], [0.1, 0.1, None, 0.2], 22)
    mu = {n: mu_over_time(TIMES[:n], [0.93] * n, [0.92] * n, [0.94] * n) for n in (1, 30)}
    return {
        "timeline": light_curves(curve_of(TIMES), events=run, solar=sun),
        "one-frame": light_curves(curve_of(TIMES[5:6])),
        "no-field": light_curves(curve_of(TIMES, has_flux=False), events=run),
        "mu": mu[30],
        "mu-of-one": mu[1],
        "keyword-figure": keyword_chart(TIMES[:4], keyword, cadence_s=720),
        "levels": quiet_sun_levels(TIMES, [57_600.0 + index for index in range(30)]),
    }


def page_of(drawn: dict[str, go.Figure]) -> str:
    """The figures with the style sheets and scripts of the site's pages, and below them the downloads of a run."""
    done = SimpleNamespace(
        state="done", get_absolute_url="/x", get_kind_display="Movie", size=1, sha256="0123456789abcdef" * 4
    )
    downloads = render_to_string("exports/_exports.html", {"exports": [done], "can_write": False})
    styles = "".join(f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in ("tokens", "base", "patch"))
    boxes = "".join(
        f'<div class="chart" data-figure="{name}"></div>'
        f'<script type="application/json" id="{name}">{figure.to_json()}</script>'
        for name, figure in drawn.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><title>Charts</title><meta name="viewport" content="width=device-width">'
        f'{styles}</head><body><main>{boxes}<div class="columns"><div></div><section>{downloads}</section></div></main>'
        '<script src="/static/vendor/plotly-basic-4.1.1.min.js" defer></script>'
        '<script type="module" src="/static/js/charts.js"></script></body></html>'
    )


@dataclass(frozen=True)
class Seen:
    """What a browser made of the page at one width."""

    collisions: list[list[str]]
    buttons: dict[str, list[str]]
    links: int
    servers: list[str]
    words: dict[str, list[str]]
    bar_colour: str
    quiet_colour: str
    sideways: int
    asked: list[str]
    troubles: list[str]


def look(browser: Browser, width: int) -> Seen:
    asked: list[str] = []
    troubles: list[str] = []
    drawn = figures()

    def answer(route: Route) -> None:
        address = route.request.url.removeprefix(ORIGIN)
        file = settings.BASE_DIR / address.lstrip("/")
        if address == "/":
            route.fulfill(body=page_of(drawn), content_type="text/html; charset=utf-8")
        elif address.startswith("/static/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0] or "text/plain")
        else:
            asked.append(route.request.url)
            route.fulfill(status=404)

    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("pageerror", lambda problem: troubles.append(str(problem)))
    page.route("**/*", answer)
    page.goto(f"{ORIGIN}/")
    page.wait_for_function(f"document.querySelectorAll('.modebar').length === {len(drawn)}")
    boxes = {name: page.locator(f"[data-figure={name}]") for name in drawn}
    titles = "(all) => all.map((one) => one.dataset.title)"
    collisions = page.evaluate(COLLISIONS)
    page.locator("summary", has_text="Checksum").click()
    page.locator("code", has_text="SHA-256").wait_for(state="visible")
    bars = "document.querySelector('[data-figure=keyword-figure]').data.find((trace) => trace.error_y).error_y.color"
    seen = Seen(
        collisions=collisions,
        buttons={name: box.locator(".modebar-btn").evaluate_all(titles) for name, box in boxes.items()},
        links=page.locator(".modebar a[href]").count(),
        servers=[box.evaluate("(box) => box._context.plotlyServerURL") for box in boxes.values()],
        words={name: box.evaluate(WORDS) for name, box in boxes.items()},
        bar_colour=page.evaluate(bars),
        quiet_colour=page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--text-quiet').trim()"
        ),
        sideways=page.evaluate("document.documentElement.scrollWidth") - width,
        asked=asked,
        troubles=troubles,
    )
    page.close()
    return seen


@pytest.fixture(scope="module")
def seen() -> dict[int, Seen]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        by_width = {width: look(browser, width) for width in (390, 1440)}
        browser.close()
    assert [page.troubles for page in by_width.values()] == [[], []]
    return by_width


def test_no_button_sends_a_chart_away(seen):
    assert seen[1440].buttons == dict.fromkeys(figures(), BUTTONS)
    assert seen[1440].links == 0
    assert set(seen[1440].servers) == {""}
    assert seen[1440].asked == []


@pytest.mark.parametrize("width", [390, 1440])
def test_no_words_of_a_figure_collide(seen, width):
    assert seen[width].collisions == []


@pytest.mark.parametrize("width", [390, 1440])
def test_a_checksum_does_not_push_the_page_sideways(seen, width):
    assert seen[width].sideways <= 0


def test_the_words_say_what_is_drawn(seen):
    words = seen[1440].words
    run = ["T_REC [TAI]", "area [Mm²]", "events", "flux [10²⁰ Mx]", "negative flux", "pores", "positive flux"]
    assert sorted(words["timeline"]) == sorted([*run, "Sun"])
    assert sorted(words["no-field"]) == [word for word in run if "flux" not in word]
    assert sorted(words["mu"]) == sorted(words["mu-of-one"]) == ["T_REC [TAI]", "greatest", "least", "middle", "mu"]


def test_bars_of_errors_have_a_colour_of_the_page(seen):
    assert seen[1440].bar_colour == seen[1440].quiet_colour != ""
