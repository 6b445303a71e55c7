"""In the browser: the closed form as Python has it, from the Sun back to a pixel of any frame, from hand to shape."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, sync_playwright

from processing.geometry import CeaGeometry

STATIC = Path(__file__).parents[2] / "static"
SITE = "http://poreweb.test/"  # answered by `serve`, never asked for on the network
# HARP 2875 and a wider map of it, a map across the wrap of longitude, one near the pole, one with columns reversed.
GEOMETRIES = (
    CeaGeometry(292.0, 125.5, 253.723282, 10.8939, 0.03, 0.03, 238.070175, 1.67519, 152031959146.69),
    CeaGeometry(305.0, 127.5, 253.723282, 10.8939, 0.03, 0.03, 237.960025, 1.67519, 152031959146.69),
    CeaGeometry(100.0, 60.0, 359.8, -21.3, 0.5, 0.5, 250.0, -6.8, 147.2e9),
    CeaGeometry(80.0, 50.0, 12.0, 78.0, 0.2, 0.2, 20.0, 7.1, 151.0e9),
    CeaGeometry(80.0, 50.0, 12.0, -40.0, -0.2, 0.2, 20.0, 7.1, 151.0e9),
)
# A southern patch whose western part lies beyond the limb.
BEYOND_THE_LIMB = CeaGeometry(100.0, 60.0, 322.0, -21.3, 0.5, 0.5, 250.0, -6.8, 147.2e9)
READOUT = """async ([geometry, pixels]) => {
  const { lonLat, mu, helioprojective, doubled } = await import("/js/viewer/geometry.js");
  const flat = (found) => Array.isArray(found) ? found : Object.values(found);
  const all = (of) => pixels.map(([row, col]) =>
    [...flat(lonLat(of, row, col)), mu(of, row, col), ...flat(helioprojective(of, row, col))]);
  return [all(geometry), all(doubled(geometry))];
}"""
PIXELS = """async ([geometry, places]) => {
  const { pixelOf } = await import("/js/viewer/geometry.js");
  return places.map(([lon, lat]) => Object.values(pixelOf(geometry, lon, lat)));
}"""
ELSEWHERE = """async ([drawn, shown, places]) => {
  const { placesOf, solarPoints } = await import("/js/discussion/shapes.js");
  const points = solarPoints(places.map(([u, v]) => ({ u, v })), drawn);
  return placesOf({ points }, shown).map(({ u, v }) => [u, v]);
}"""
KEYS = """async ([kind, moves]) => {
  const { Drawing } = await import("/js/discussion/drawing.js");
  const drawing = new Drawing(kind, { u: 5, v: 5 }, [20, 30]);
  for (const move of moves) move ? drawing.moveBy(...move) : drawing.set({ apart: true });
  return [drawing.isWhole, drawing.places.map(({ u, v }) => [u, v])];
}"""
# The image fills the page, one native pixel a pixel of the screen, v counted downwards; what reaches the stage is kept.
STAGE = """async (kind) => {
  const { Drawing, listenForPointer } = await import("/js/discussion/drawing.js");
  const canvas = document.querySelector("canvas");
  window.drawing = new Drawing(kind, { u: 0, v: 0 }, [200, 300]);
  window.reached = [];
  for (const type of ["pointerdown", "pointerup"]) canvas.addEventListener(type, () => window.reached.push(type));
  const stage = { canvas, toImage: (x, y) => ({ u: x, v: y }) };
  window.whole = null;
  const onWhole = () => { window.whole = window.drawing.places.map(({ u, v }) => [u, v]); window.drawing = null; };
  listenForPointer(stage, { drawing: () => window.drawing, onMove() {}, onWhole });
}"""


def serve(route: Route) -> None:
    name = route.request.url.removeprefix(SITE)
    if name:
        route.fulfill(path=STATIC / name, content_type="text/javascript")
    else:
        style = "<style>body, canvas { margin: 0; display: block; width: 300px; height: 200px }</style>"
        route.fulfill(body=f"<!doctype html>{style}<div><canvas></canvas></div>", content_type="text/html")


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.route(f"{SITE}**", serve)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: Page) -> Page:
    browser_page.goto(SITE)
    return browser_page


@pytest.mark.parametrize("geometry", [GEOMETRIES[0], BEYOND_THE_LIMB], ids=["HARP 2875", "beyond the limb"])
def test_the_readout_agrees_with_the_science_code(page: Page, geometry: CeaGeometry) -> None:
    row, col = pixels = np.random.default_rng(7).uniform(0, 200, (2, 200))
    answers = page.evaluate(READOUT, [asdict(geometry), pixels.T.tolist()])
    for answer, of in zip(answers, (geometry, geometry.doubled()), strict=True):
        expected = np.stack([*of.lon_lat(row, col), of.mu(row, col), *of.helioprojective(row, col)], axis=1)
        found = np.array([[np.nan if value is None else value for value in values] for values in answer], float)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_place_on_the_sun_is_the_pixel_it_came_from(page: Page, geometry: CeaGeometry) -> None:
    row, col = np.random.default_rng(5).uniform(0, 120, (2, 200))
    places = np.stack(geometry.lon_lat(row, col), axis=1)
    found = page.evaluate(PIXELS, [asdict(geometry), places.tolist()])
    np.testing.assert_allclose(np.array(found), np.stack([row, col], axis=1), rtol=0, atol=1e-6)


def test_the_far_side_of_the_sun_has_no_pixel(page: Page) -> None:
    [found] = page.evaluate(PIXELS, [asdict(GEOMETRIES[0]), [[GEOMETRIES[0].crval1 + 180, -10.0]]])
    assert np.isnan(found).all()


def test_a_mark_moves_with_the_sun_from_frame_to_frame(page: Page) -> None:
    drawn, shown = GEOMETRIES[:2]
    places = np.array([[100.25, 40.5], [250.0, 200.75]])
    found = np.array(page.evaluate(ELSEWHERE, [asdict(drawn), asdict(shown), places.tolist()]))
    np.testing.assert_allclose(found - places, [[13, 2], [13, 2]], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "moves", "whole", "places"),
    [
        ("point", [[2, 1], None], True, [[7, 6]]),
        ("circle", [None], False, [[5, 5], [15, 5]]),
        ("circle", [None, [-3, 4], None], True, [[5, 5], [12, 9]]),
        ("arrow", [[99, -99], None, None], True, [[30, 0], [20, 0]]),
    ],
    ids=["point", "begun", "moved", "kept inside"],
)
def test_keys_draw(page: Page, kind: str, moves: list[Any], whole: bool, places: list[list[float]]) -> None:
    assert page.evaluate(KEYS, [kind, moves]) == [whole, places]


def test_a_drag_draws_both_points_and_does_not_move_the_image(page: Page) -> None:
    page.evaluate(STAGE, "rectangle")
    page.mouse.move(40, 50)
    page.mouse.down()
    page.mouse.move(90, 20, steps=3)
    page.mouse.up()
    assert page.evaluate("whole") == [[40, 50], [90, 20]]
    assert page.evaluate("reached") == []
    page.mouse.click(10, 10)
    assert page.evaluate("reached") == ["pointerdown", "pointerup"]


def test_two_presses_draw_what_a_drag_does(page: Page) -> None:
    page.evaluate(STAGE, "arrow")
    page.mouse.click(40, 50)
    assert page.evaluate("whole") is None
    page.mouse.click(90, 20)
    assert page.evaluate("whole") == [[40, 50], [90, 20]]


def test_one_press_draws_a_point(page: Page) -> None:
    page.evaluate(STAGE, "point")
    page.mouse.click(33, 44)
    assert page.evaluate("whole") == [[33, 44]]
