"""
What a new user does, in a real browser, with the pages' forms alone.

Sign in, upload records, wait, look, judge, download; then a cube of another instrument, through ingest,
segment and track.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.poreweb.sequencing import fits_bytes, sun
from tests.real_data import REAL_DATA
from tests.system.conftest import CHROMIUM, PASSWORD, Site, wait_for

REAL_CUBE = REAL_DATA / "sunspot_cube" / "cube_sunspot.fits"
RUN_SECONDS = 120


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        page = browser.new_context(base_url=site.address, viewport={"width": 1280, "height": 900}).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        sign_in(page)
        yield page
        browser.close()
    assert problems == []


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Patches")).to_be_visible()


def form_follows_its_choices(page: Page) -> None:
    """A parameter that is of no account is quiet, and keeps its value."""
    page.get_by_text("Run again with other parameters").click()
    iterations, threshold, depth = (page.get_by_label(name) for name in ("Iterations", "Threshold", "STARA depth"))
    used, unused = re.compile(r"^field$"), re.compile("is-unused")
    for field, state in ((iterations, unused), (threshold, used), (depth, unused)):
        expect(field.locator("..")).to_have_class(state)
    threshold.fill("0.62")
    page.get_by_label("Sharpening").select_option("Richardson-Lucy")
    page.get_by_label("Dark patches by").select_option("STARA")
    for field, state in ((iterations, used), (threshold, unused), (depth, used)):
        expect(field.locator("..")).to_have_class(state)
    expect(threshold).to_have_value("0.62")
    expect(threshold).to_be_editable()
    expect(page.get_by_label("Threshold: not used")).to_be_visible()


def test_from_upload_to_movie(page: Page, simulated_tar: Path, tmp_path: Path) -> None:
    expect(page.get_by_text("No patch yet")).to_be_visible()

    page.get_by_role("link", name="Upload records").click()
    page.get_by_label("FITS files, .tar or .tar.gz").set_input_files(simulated_tar)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/uploads/*/")
    page.get_by_role("link", name="Run 1 of HARP 99001").click(timeout=60_000)

    # the page follows the run by itself
    movie = page.get_by_role("link", name="Movie (MP4)")
    movie.wait_for(timeout=RUN_SECONDS * 1000)
    expect(page.locator("#run-state")).to_contain_text("15 of 15 frames measured")

    page.get_by_role("link", name="Open the viewer").click()
    t_rec = page.locator("[data-out=t_rec]")
    expect(t_rec).to_have_text(re.compile(r"2013\.06\.19_.*_TAI"))
    first = t_rec.inner_text()
    page.keyboard.press("ArrowRight")
    expect(t_rec).not_to_have_text(first)
    expect(page).to_have_url(re.compile(re.escape(t_rec.inner_text())))
    canvas = page.locator("#viewer-canvas")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#viewer")).to_contain_text(re.compile(r"I / quiet Sun"))
    expect(page.locator(".viewer-right")).to_contain_text("μ")

    page.goto(page.locator(".viewer-of a", has_text="event").get_attribute("href") or "")
    row = page.get_by_role("row", name=re.compile("merge"))
    expect(row).to_contain_text("pending")
    row.get_by_role("link").first.click()
    expect(page.get_by_text(re.compile(r"become track"))).to_be_visible()
    page.wait_for_load_state("load")  # the keys come with the last script
    page.keyboard.press("a")
    expect(page.get_by_role("row", name=re.compile("merge"))).to_contain_text("accepted")
    expect(page.get_by_role("row", name=re.compile("merge"))).to_contain_text("alice")

    page.get_by_role("link", name="Run 1").click()
    form_follows_its_choices(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Movie (MP4)").click()
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    with av.open(str(target)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 16  # 15 frames and the marked gap


# -- Another instrument ----------------------------------------------------------------------------


def fill_form(page: Page, cube: Path, name: str) -> None:
    page.goto("/acquire/")
    page.get_by_role("link", name="Other instruments").click()
    page.get_by_label("Name of the sequence").fill(name)
    page.get_by_label("Images:").set_input_files(cube)
    expect(page.get_by_label("Tx of its middle")).to_be_hidden()  # what a choice does not use is away
    page.get_by_label("Side of a pixel").fill("0.504")
    page.get_by_label("Time of the first frame").fill("2013-06-01T00:00")
    page.get_by_label("Seconds between two frames").fill("720")


def send(page: Page) -> None:
    page.get_by_role("button", name="Add the sequence").click()
    page.wait_for_url(re.compile(r"/sequences/\d+/$"))
    expect(page.get_by_role("link", name="Open the patch")).to_be_visible(timeout=60_000)


def wait_until_tracked(page: Page) -> None:
    """From the sequence's page to the patch's, once the run is done."""
    run = page.get_by_role("link", name=re.compile("Run 1 of"))
    wait_for(lambda: run.count() or (page.reload() and run.count()), 60, "a run to start")
    run.click()
    expect(page.locator("#run-state .state").first).to_have_text("done", timeout=RUN_SECONDS * 1000)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Patches").click()


def tracks_of(site: Site, name: str) -> list[int]:
    """Frames of each track of the patch's run, the longest first."""
    said = site.manage("shell", "-v", "0", "-c", f"""
from django.db.models import Count
from poreweb.tracks.models import Track
tracks = Track.objects.filter(run__patch__name="{name}").annotate(n=Count("features"))
print(sorted(tracks.values_list("n", flat=True), reverse=True))
""")  # fmt: skip
    return [int(number) for number in re.findall(r"\d+", said.splitlines()[-1])]


def test_a_made_up_cube(page: Page, site: Site, tmp_path: Path) -> None:
    cube = tmp_path / "made_up.fits"
    cube.write_bytes(fits_bytes(sun(6, side=96, radius=7).astype("f4")))
    fill_form(page, cube, "Made up")
    # what is wrong is said at its field before the file is sent, and what was typed stays
    page.get_by_label("Side of a pixel").fill("")
    page.get_by_role("button", name="Add the sequence").click()
    expect(page.locator("#id_pixel_scale_error")).to_contain_text("Without the side of a pixel")
    expect(page.get_by_label("Side of a pixel")).to_be_focused()
    expect(page.get_by_label("Name of the sequence")).to_have_value("Made up")
    page.get_by_label("Side of a pixel").fill("0.504")
    send(page)
    wait_until_tracked(page)
    page.get_by_role("link", name="Made up", exact=True).first.click()
    expect(page.get_by_role("heading", name="Made up", level=1)).to_be_visible()
    assert tracks_of(site, "Made up") == [6]


@pytest.mark.skipif(not REAL_CUBE.exists(), reason="the real cube is not at ../shared/data/sunspot_cube")
def test_the_real_sunspot_cube(page: Page, site: Site) -> None:
    fill_form(page, REAL_CUBE, "AR 11757")
    send(page)
    expect(page.locator("#sequence")).to_contain_text("30 frames are in.")
    wait_until_tracked(page)
    page.get_by_role("link", name="AR 11757", exact=True).first.click()
    expect(page.get_by_text("30 / 30")).to_be_visible()
    page.get_by_text("The same as a table").first.click()
    rows = page.get_by_role("region", name="Light curves as a table").get_by_role("row")
    assert rows.count() == 31
    pores = [int(row.get_by_role("cell").nth(2).inner_text()) for row in rows.all()[1:]]
    assert min(pores) >= 1
    lengths = tracks_of(site, "AR 11757")
    assert lengths[0] == 30  # the sunspot is one track through all frames
    assert len(lengths) > 1
