"""The closed form in the browser against the one in Python."""

import json
from dataclasses import asdict

import numpy as np
from playwright.sync_api import sync_playwright

from processing.geometry import CeaGeometry
from tests.system.conftest import Site

# HARP 2875 and a southern patch whose western part lies beyond the limb.
GEOMETRIES = (
    CeaGeometry(292.0, 125.5, 253.723282, 10.8939, 0.03, 0.03, 238.070175, 1.67519, 152031959146.69),
    CeaGeometry(100.0, 60.0, 322.0, -21.3, 0.5, 0.5, 250.0, -6.8, 147.2e9),
)
SCRIPT = """async ([geometry, pixels]) => {
  const { lonLat, mu, helioprojective, doubled } = await import("/static/js/viewer/geometry.js");
  const flat = (found) => Array.isArray(found) ? found : Object.values(found);
  const all = (of) => pixels.map(([row, col]) =>
    [...flat(lonLat(of, row, col)), mu(of, row, col), ...flat(helioprojective(of, row, col))]);
  return [all(geometry), all(doubled(geometry))];
}"""


def test_the_readout_agrees_with_the_science_code(site: Site) -> None:
    rng = np.random.default_rng(7)
    pixels = rng.uniform(0, 120, (200, 2))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{site.address}/accounts/login/")
        for geometry in GEOMETRIES:
            answers = page.evaluate(SCRIPT, [json.loads(json.dumps(asdict(geometry))), pixels.tolist()])
            for answer, of in zip(answers, (geometry, geometry.doubled()), strict=True):
                row, col = pixels.T
                expected = np.stack([*of.lon_lat(row, col), of.mu(row, col), *of.helioprojective(row, col)], axis=1)
                found = np.array([[np.nan if value is None else value for value in values] for values in answer], float)
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        browser.close()
