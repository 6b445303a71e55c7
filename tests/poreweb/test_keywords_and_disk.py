"""The keywords of a patch's headers as curves, and where it was on the disk."""

import gzip
import json
import re

import pytest

from poreweb.context import actions, charts
from processing.locator import disk_place
from processing.sharp_keywords import SHARP_KEYWORDS

# -- SHARP keywords ------------------------------------------------------------------------------------


@pytest.fixture
def keywords(patch):
    """Some keywords in its headers: the fluxes of all frames but the fourth, R_VALUE as nan."""
    for index, frame in enumerate(patch.frames.all()):
        frame.cards = {name: value for name, value in frame.cards.items() if name not in SHARP_KEYWORDS}
        frame.cards |= {"MEANGAM": 30.0 + index, "ERRGAM": 0.5, "R_VALUE": "nan"}
        if index != 3:
            frame.cards |= {"USFLUX": (2 + index) * 1e21, "ERRVF": 1e20}
        frame.save()
    return patch


def figure_of(page: str) -> dict:
    match = re.search(r'<script id="keyword-figure"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_page_leaves_the_headers_to_a_script(keywords, as_alice):
    page = as_alice.get(f"{keywords.get_absolute_url()}?run=").text
    assert f'hx-get="/patches/{keywords.pk}/keywords/" hx-trigger="load"' in page
    assert "keyword-figure" not in page
    response = as_alice.get(f"/patches/{keywords.pk}/keywords/", headers={"HX-Request": "true"})
    assert "HX-Replace-Url" not in response
    assert figure_of(response.text)["layout"]["yaxis"]["title"]["text"] == "USFLUX [10²² Mx]"


def test_the_page_shows_the_first_keyword(keywords, as_alice):
    page = as_alice.get(f"{keywords.get_absolute_url()}?keyword=").text
    offered = re.findall(
        r'<option value="([A-Z_0-9]+)"( selected)?>', page[page.index("keyword-choice") : page.index("keyword-figure")]
    )
    assert offered == [("USFLUX", " selected"), ("MEANGAM", "")]
    traces = {trace["name"]: trace for trace in figure_of(page)["data"]}
    values = [value for value in traces["keyword"]["y"] if value is not None]
    assert values == pytest.approx([(2 + n) * 1e21 / 1e22 for n in range(11) if n != 3])
    assert traces["error"]["fill"] == "toself"
    section = page[page.index('id="sharp-keywords"') :]
    assert "USFLUX [10²² Mx]" in section
    assert "1 of 11 frames give no value" in section
    assert section.count(">no value<") == 2  # in both columns of the fourth frame
    assert "Bobra et al. 2014" in section


@pytest.mark.parametrize(
    ("with_value", "with_error", "words"),
    [
        (range(11), range(11), "; the band is its error, ERRVF."),
        ([0, 5, 10], range(11), "; the bars are its error, ERRVF."),
        ([0, 5, 6], range(11), "; the band and, at single frames, the bars are its error, ERRVF."),
        (range(11), [], "; no header held here gives its error, ERRVF."),
    ],
    ids=["band", "bars", "both", "neither"],
)
def test_the_errors_are_called_what_they_are_drawn_as(keywords, as_alice, with_value, with_error, words):
    for index, frame in enumerate(keywords.frames.all()):
        given = {"USFLUX": 1e21} if index in with_value else {}
        given |= {"ERRVF": 1e20} if index in with_error else {}
        frame.cards = {name: value for name, value in frame.cards.items() if name not in ("USFLUX", "ERRVF")} | given
        frame.save()
    page = as_alice.get(f"{keywords.get_absolute_url()}?keyword=USFLUX").text
    assert f"as JSOC gives it in the headers{words} " in page


def test_a_keyword_without_an_error_says_nothing_of_one(keywords, as_alice):
    frame = keywords.frames.first()
    frame.cards |= {"NPIX": 100}
    frame.save()
    page = as_alice.get(f"{keywords.get_absolute_url()}?keyword=NPIX").text
    assert "as JSOC gives it in the headers. 10 of 11 frames" in page


@pytest.mark.parametrize("name", ["MEANGAM", "R_VALUE", "NONSENSE", ""])
def test_the_address_names_a_keyword(keywords, as_alice, name):
    figure = figure_of(as_alice.get(f"{keywords.get_absolute_url()}?keyword={name}").text)
    expected = "MEANGAM [deg]" if name == "MEANGAM" else "USFLUX [10²² Mx]"
    assert figure["layout"]["yaxis"]["title"]["text"] == expected


def test_another_keyword_is_chosen_without_a_new_page(keywords, as_alice):
    address = f"/patches/{keywords.pk}/keywords/?keyword=MEANGAM"
    response = as_alice.get(address, headers={"HX-Request": "true"})
    assert response["HX-Replace-Url"] == f"/patches/{keywords.pk}/?keyword=MEANGAM#sharp-keywords"
    assert figure_of(response.text)["layout"]["yaxis"]["title"]["text"] == "MEANGAM [deg]"
    assert as_alice.get(address).url == response["HX-Replace-Url"]


def test_headers_without_keywords_say_what_to_do(patch, as_alice):
    for frame in patch.frames.all():
        frame.cards = {name: value for name, value in frame.cards.items() if name not in SHARP_KEYWORDS}
        frame.save()
    assert "No header held here gives any" in as_alice.get(f"{patch.get_absolute_url()}?keyword=").text


# -- The locator ---------------------------------------------------------------------------------------


def places_of(client, patch) -> dict:
    response = client.get(f"/patches/{patch.pk}/locator.json", headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    return json.loads(gzip.decompress(response.content))


def test_every_frame_has_its_place(patch, as_alice):
    places = places_of(as_alice, patch)
    assert list(places["frames"]) == [frame.t_rec for frame in patch.frames.all()]
    for frame in patch.frames.all():
        drawn, place = places["frames"][frame.t_rec], disk_place(frame.geometry, (frame.ny, frame.nx))
        points = re.findall(r"(-?\d+\.\d\d),(-?\d+\.\d\d)", drawn["outline"])
        assert len(points) == len(place.outline) <= 24
        found = [(float(x) / 100, -float(y) / 100) for x, y in points]
        assert all(found[n] == pytest.approx(place.outline[n], abs=6e-5) for n in range(len(found)))
        assert re.fullmatch(r"[NS]\d\d [EW]\d\d, mu 0\.\d\d", drawn["words"])
        assert places["grids"][str(drawn["grid"])].startswith("M")


def test_a_frame_without_a_header_is_not_known(patch, as_alice):
    frame = patch.frames.all()[2]
    frame.cards, frame.mu_min, frame.mu_max = {}, None, None
    frame.save()
    drawn = places_of(as_alice, patch)["frames"][frame.t_rec]
    assert drawn == {
        "outline": "", "label": None, "grid": None, "words": "where it was on the disk is not known",
    }  # fmt: skip


def test_the_page_draws_the_last_frame_before_any_script(patch, as_alice):
    patch.noaa_ars = "11776"
    patch.save()
    for address in (patch.get_absolute_url(), f"{patch.get_absolute_url()}viewer/"):
        page = as_alice.get(address).text
        svg = page[page.index("<svg viewBox") : page.index("</svg>", page.index("<svg viewBox"))]
        words = charts.locator_drawing(patch)["words"]
        assert f'aria-label="HARP 99001 on the disk, north up, west right: {words}"' in svg
        assert ">11776</text>" in svg
        assert "style=" not in svg
        assert f'data-locator="/patches/{patch.pk}/locator.json"' in page


def test_many_numbers_are_shortened(patch):
    patch.noaa_ars = "11776,11777,11778,11779"
    assert charts.locator_drawing(patch)["numbers"] == "11776, 11777 +2"


def test_a_patch_without_places_says_so(team, as_alice, settings):
    settings.EVENT_SEARCH = True
    patch = team.patches.create(harpnum=7)
    patch.frames.create(t_rec_s=645_000_480, ny=64, nx=64, cards={})
    page = as_alice.get(patch.get_absolute_url()).text
    assert "Where it was on the disk is not known" in page
    assert "no header held here tells where this patch was on the Sun" in page
    assert "Look for events" not in page
    assert actions.search_if_grown(patch) is None
    response = as_alice.post(f"/patches/{patch.pk}/solar-events/search/", follow=True)
    assert "There is nothing to look for" in response.text


def test_a_sequence_has_no_keywords(team, as_alice):
    patch = team.patches.create(name="Granules", series="", cadence_s=30)
    patch.frames.create(t_rec_s=645_000_480, ny=64, nx=64, cards={})
    page = as_alice.get(patch.get_absolute_url()).text
    assert "SHARP keywords" not in page
    assert "Where it was on the disk is not known" in page
