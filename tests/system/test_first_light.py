"""What a new user does, in a real browser: sign in, upload, wait, look, judge, download."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.system.conftest import PASSWORD, Site

RUN_SECONDS = 120


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = browser.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
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
    sign_in(page)
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
