"""The NOAA regions that the patch list, a patch's page and the viewer name: those of its headers and of JSOC's list."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from poreweb.acquire.models import HarpNoaa
from poreweb.context.queries import noaa_words
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL
from tests.poreweb.acquired_rows import PREVIEW, make_acquisition


def line_of(page: str, patch) -> str:
    """What the list says under the name of a patch, without tags."""
    (words,) = re.findall(rf'href="/patches/{patch.pk}/">[^<]+</a><br>\s*<span class="quiet">(.*?)</span>', page)
    return words.replace("<br>", " | ")


@pytest.mark.parametrize(
    ("in_headers", "in_list", "words"),
    [
        ("", [], ""),
        ("", [99001], "99001"),
        ("11776,11777", [], "11776, 11777"),
        ("11776", [11780, 11776, 11777], "11776, 11777, 11780"),
    ],
    ids=["none", "in the list", "in the headers", "in both"],
)
def test_pages_name_those_of_headers_and_list(patch, as_alice, in_headers, in_list, words):
    patch.noaa_ars = in_headers
    patch.save()
    HarpNoaa.objects.create(harpnum=9900, noaa_ar=11999)  # of another HARP
    for noaa_ar in in_list:
        HarpNoaa.objects.create(harpnum=patch.harpnum, noaa_ar=noaa_ar)
    said = f"NOAA {words}" if words else "no NOAA number"
    assert line_of(as_alice.get("/").text, patch) == f"{said} | {patch.team}"
    url = patch.get_absolute_url()
    assert (f'<span class="quiet">NOAA {words}</span></h1>' in as_alice.get(url).text) == bool(words)
    assert (f"<span>NOAA {words}</span>" in as_alice.get(f"{url}viewer/").text) == bool(words)


def test_a_near_real_time_harp_has_those_of_its_headers_alone(patch):
    HarpNoaa.objects.create(harpnum=patch.harpnum, noaa_ar=11776)
    patch.series += PROVISIONAL  # numbered anew
    assert noaa_words([patch]) == {patch.pk: ""}


@pytest.mark.parametrize(
    ("in_records", "nrt", "words"), [("11158", "", "11158"), ("", "", "99001"), ("", PROVISIONAL, "no number")]
)
def test_a_preview_names_them_too(in_records, nrt, words, team, as_alice):
    HarpNoaa.objects.create(harpnum=377, noaa_ar=99001)
    acquisition = make_acquisition(
        team=team, user=None, ordered_at=None, preview=PREVIEW | {"noaa_ars": in_records},
        series=f"{DEFINITIVE_SERIES}{nrt}",
    )  # fmt: skip
    assert f"<dt>NOAA</dt><dd>{words}</dd>" in as_alice.get(acquisition.get_absolute_url()).text


def test_of_a_sequence_nothing_is_said(team, as_alice):
    sequence = team.patches.create(name="AR 11757", series="", cadence_s=60)
    assert line_of(as_alice.get("/").text, sequence) == str(team)


def test_more_patches_cost_no_more_queries(team, as_alice):
    def n_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_alice.get("/").status_code == 200
        return len(queries)

    team.patches.create(harpnum=1)
    HarpNoaa.objects.create(harpnum=1, noaa_ar=11776)
    before = n_queries()
    for harpnum in range(2, 12):
        team.patches.create(harpnum=harpnum)
        HarpNoaa.objects.create(harpnum=harpnum, noaa_ar=11776 + harpnum)
    assert n_queries() == before
