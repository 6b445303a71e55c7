"""Lists of regions by hand: what a line may mean, what is left to choose, and the previews that come of it."""

import re

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from poreweb.acquire import noaa
from poreweb.acquire.actions import MAX_PREVIEWS
from poreweb.acquire.forms import PreviewForm
from poreweb.acquire.lists import chosen_of, offers_of, wanted_of
from poreweb.acquire.models import Acquisition
from poreweb.acquire.wanted import Wanted
from processing.fits import DEFINITIVE_SERIES
from processing.list_times import ListError
from processing.region_lists import parse_region_list
from processing.timekeys import parse_t_rec
from tests.real_data import REAL_DATA, needs_real_data

URL, PREVIEWS = reverse("acquire:region-list"), reverse("acquire:preview-list")
TEXT = "1 11067\n45 11073,11077\n46 11073\n377 11158\n11158 377\n"
DAY = (parse_t_rec("2011.02.15_00:00:00_TAI"), parse_t_rec("2011.02.15_23:48:00_TAI"))


@pytest.fixture
def known(team):
    noaa.import_text(TEXT, "a test")


def offered(text, **options):
    """The choices of one line, each with whether it is ticked, and what is said."""
    lines, problems = parse_region_list(text)
    assert problems == []
    (offer,) = offers_of(lines, **options)
    return [(choice.harpnum, choice.noaa_ar, choice.is_ticked) for choice in offer.choices], offer.remark


def wanted(text, **options):
    return wanted_of(offers_of(parse_region_list(text)[0], **options))


# -- What a line may mean --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "choices", "remark"),
    [
        ("AR 11158", [(377, 11158, True)], ""),
        ("HARP 377, 5", [(377, None, True), (5, None, True)], ""),
        ("AR 11073", [(45, 11073, False), (46, 11073, False)], "NOAA 11073 lies in 2 HARPs."),
        ("11158 - - - 377", [(377, 11158, True)], ""),
        ("11073 - - - 46", [(46, 11073, True), (45, 11073, False)], "NOAA 11073 lies in HARP 45 too."),
        ("11073 - - - 46,45", [(46, 11073, True), (45, 11073, True)], ""),
        (
            "11158 - - - 1",
            [(1, 11158, False), (377, 11158, False)],
            "For NOAA 11158 your list says HARP 1; JSOC’s says HARP 377.",
        ),
        (
            "11073 - - - 46,1",
            [(46, 11073, False), (1, 11073, False), (45, 11073, False)],
            "For NOAA 11073 your list says HARP 46, 1; JSOC’s says HARP 45, 46.",
        ),
        (
            "11999 - - - 45",
            [(45, 11999, False)],
            "For NOAA 11999 your list says HARP 45; JSOC’s does not have it, and has NOAA 11073, 11077 in HARP 45.",
        ),
        ("11999 - - - 5", [(5, 11999, True)], "JSOC’s list has neither NOAA 11999 nor HARP 5."),
        ("AR 11999", [], "JSOC’s list has no HARP for NOAA 11999; if 11999 is a HARP, write HARP before it."),
        (
            "11158",
            [(11158, None, False), (377, 11158, False)],
            "The line does not say whether 11158 is a HARP or a NOAA region.",
        ),
        ("5", [(5, None, False)], "The line does not say whether 5 is a HARP or a NOAA region."),
    ],
)
def test_what_is_offered_and_what_is_ticked(known, text, choices, remark):
    assert offered(text) == (choices, remark)


def test_numbers_alone_may_be_said_to_be_one_or_the_other(known):
    assert offered("11158", alone="harp") == ([(11158, None, True)], "")
    assert offered("11158", alone="noaa") == ([(377, 11158, True)], "")
    assert offered("HARP 11158", alone="noaa") == ([(11158, None, True)], "")


def test_only_so_many_are_ticked(known):
    offers = offers_of(parse_region_list("HARP 1,2\nHARP 3,4\nHARP 5,6")[0], most_ticked=4)
    assert [[choice.is_ticked for choice in offer.choices] for offer in offers] == [[True] * 2, [True] * 2, [False] * 2]


def test_days_of_a_list_are_those_of_the_form(known, alice, team):
    given = {"team": team.pk, "harpnum": 377, "first": "2011-02-15", "last": "2011-02-16", "cadence_s": 720}
    form = PreviewForm({**given, "segments": ["continuum"], "series": DEFINITIVE_SERIES}, user=alice)
    assert form.is_valid(), form.errors
    assert wanted("HARP 377 15.2.2011 16.2.2011") == [form.wanted]


def test_many_lines_are_two_questions_to_the_database(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        offers_of(parse_region_list("\n".join(f"AR {k}" for k in range(11000, 11300)))[0])


def test_what_is_wanted_has_slots_and_each_once(known):
    text = "AR 11158 15.2.2011 15.2.2011\nHARP 377 2011-02-15 2011-02-15\nHARP 377\nH5 2011-02-15 02:00 TAI"
    assert wanted(text) == [
        Wanted(377, 11158, *DAY),
        Wanted(377),
        Wanted(5, None, parse_t_rec("2011.02.15_02:00:00_TAI"), None),
    ]


def test_only_what_is_offered_can_be_chosen(known):
    offers = offers_of(parse_region_list("AR 11073")[0])
    assert wanted_of(chosen_of(offers, {"line-1": ["46-11073"], "line-9": ["1-"]})) == [Wanted(46, 11073)]
    assert wanted_of(chosen_of(offers, {})) == []
    with pytest.raises(ListError, match="'1-11073' is no longer offered for line 1"):
        chosen_of(offers, {"line-1": ["1-11073"]})


@needs_real_data
def test_the_real_list_agrees_with_jsocs(team):
    noaa.import_text((REAL_DATA / "HARP_TO_NOAA.txt").read_text(), "JSOC")
    offers = offers_of(parse_region_list((REAL_DATA / "AR_LIST").read_text())[0])
    assert len(offers) == 19
    assert {offer.remark for offer in offers} == {""}
    assert all(
        choice.is_ticked and choice.said_by == "your list and JSOC’s" for offer in offers for choice in offer.choices
    )
    assert len(wanted_of(offers)) == 19


# -- The page --------------------------------------------------------------------------------------


def boxes(text):
    """Each box of the page and whether it is ticked."""
    found = re.findall(r'<input type="checkbox" name="(line-\d+)" value="([^"]*)"( checked)?>', text)
    return [(name, value, bool(ticked)) for name, value, ticked in found]


def test_a_pasted_list_is_read_and_stays_in_its_box(as_alice, known):
    sent = "AR 11158 15.2.2011 16.2.2011 # big\npore <b>\nAR 11073\n"
    text = as_alice.post(URL, {"text": sent}).text
    assert boxes(text) == [
        ("line-1", "377-11158", True),
        ("line-3", "45-11073", False),
        ("line-3", "46-11073", False),
    ]
    assert "2 lines understood, 1 not; in 1 the choice is yours." in text
    assert "<strong>Line 2:</strong> " in text
    assert "<code>pore &lt;b&gt;</code>" in text
    assert text.count("AR 11158 15.2.2011 16.2.2011 # big\npore &lt;b&gt;\nAR 11073\n") == 2  # box, and with the choice
    assert "<time>2011-02-15</time>" in text
    assert '<th scope="col">From (days of TAI)</th><th scope="col">To, included (days of TAI)</th>' in text
    assert not Acquisition.objects.exists()


def test_a_file_is_read_in_place_of_the_box(as_alice, known):
    file = SimpleUploadedFile("list.txt", "\ufeffHARP 377\r\n".encode("utf-16"))
    text = as_alice.post(URL, {"text": "AR 11158", "file": file}).text
    assert boxes(text) == [("line-1", "377-", True)]
    assert "HARP 377\r\n</textarea>" in text


def test_numbers_alone_are_asked_for_or_said(as_alice, known):
    assert [ticked for *_, ticked in boxes(as_alice.post(URL, {"text": "11158"}).text)] == [False, False]
    text = as_alice.post(URL, {"text": "11158", "alone": "noaa"}).text
    assert boxes(text) == [("line-1", "377-11158", True)]
    assert '<option value="noaa" selected>' in text


def test_what_is_held_is_linked(as_alice, known, team):
    patch = team.patches.create(harpnum=377)
    text = as_alice.post(URL, {"text": "AR 11158"}).text
    assert f'<a href="{patch.get_absolute_url()}">held by Team A</a>' in text


@pytest.mark.parametrize(("sent", "words"), [({}, "Paste a list"), ({"text": " \n"}, "Paste a list")])
def test_nothing_to_read_is_said(as_alice, sent, words):
    assert words in as_alice.post(URL, sent).text


def test_a_list_of_nothing_but_comments_or_rubbish(as_alice, known):
    assert "No line of it names a region." in as_alice.post(URL, {"text": "# nothing"}).text
    text = as_alice.post(URL, {"text": "x\n" * 300}).text
    assert "0 lines understood, 300 not" in text
    assert "and 100 more" in text
    assert "must be less" not in text


def test_too_much_is_refused(as_alice, known):
    file = SimpleUploadedFile("big.txt", b"HARP 1\n" * 200_000)
    assert "a list may have" in as_alice.post(URL, {"file": file}).text
    assert "at most 1000000 characters" in as_alice.post(URL, {"text": "x" * 1_000_001}).text


def test_without_jsocs_list_it_says_so(as_alice):
    text = as_alice.post(URL, {"text": "AR 11158\nHARP 377"}).text
    assert "There is no list of HARPs and NOAA regions yet" in text
    assert boxes(text) == [("line-2", "377-", True)]


def test_previews_are_started_for_what_is_ticked(as_alice, known, team, alice, queues):
    sent = "AR 11158 15.2.2011 15.2.2011\nAR 11073\nHARP 1"
    response = as_alice.post(
        PREVIEWS,
        {"team": team.pk, "text": sent, "alone": "", "line-1": "377-11158", "line-2": ["45-11073", "46-11073"]},
    )
    assert response.url == reverse("acquire:acquisitions")
    found = Acquisition.objects.order_by("pk").values_list("harpnum", "noaa_ar", "first_s", "last_s", "ordered_at")
    assert list(found) == [(377, 11158, *DAY, None), (45, 11073, None, None, None), (46, 11073, None, None, None)]
    assert {(preview.team, preview.user) for preview in Acquisition.objects.all()} == {(team, alice)}
    assert len(queues.commit().jobs) == 3
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "JSOC is asked what it has of 3 regions."
    ]


def test_a_list_that_has_changed_since_is_chosen_from_again(as_alice, known, team):
    noaa.import_text("378 11158\n45 11073\n46 11073\n", "another")
    response = as_alice.post(PREVIEWS, {"team": team.pk, "text": "AR 11158\nAR 11073", "line-1": "377-11158"})
    assert "&#x27;377-11158&#x27; is no longer offered for line 1; choose again." in response.text
    assert boxes(response.text)[0] == ("line-1", "378-11158", True)
    assert not Acquisition.objects.exists()


def test_nothing_ticked_starts_nothing_and_what_is_ticked_stays(as_alice, known, team):
    response = as_alice.post(PREVIEWS, {"team": team.pk, "text": "AR 11158"})
    assert "Tick at least one HARP." in response.text
    assert boxes(response.text) == [("line-1", "377-11158", False)]


def test_more_than_can_be_looked_up_at_once_are_refused(as_alice, known, team):
    numbers = range(1, MAX_PREVIEWS + 2)
    text = "\n".join(f"HARP {k}" for k in numbers)
    assert sum(ticked for *_, ticked in boxes(as_alice.post(URL, {"text": text}).text)) == MAX_PREVIEWS
    response = as_alice.post(PREVIEWS, {"team": team.pk, "text": text, **{f"line-{k}": f"{k}-" for k in numbers}})
    assert f"{MAX_PREVIEWS + 1} regions are more than the {MAX_PREVIEWS}" in response.text
    assert sum(ticked for *_, ticked in boxes(response.text)) == MAX_PREVIEWS + 1
    assert not Acquisition.objects.exists()


def test_who_may_only_look_starts_nothing(sign_in, known, team, everything):
    before, client = everything(), sign_in("visitor")
    page = client.get(URL)
    assert "A lead can make you a reviewer." in page.text
    assert "<textarea" not in page.text
    assert client.post(URL, {"text": "HARP 1"}).status_code == 403
    sent = {"team": team.pk, "text": "HARP 1", "line-1": "1-"}
    assert "You may look at what Team A does" in client.post(PREVIEWS, sent).text
    assert sign_in("mallory").post(PREVIEWS, sent).status_code == 404
    assert everything() == before


@pytest.mark.parametrize("team_key", ["", "x", "9" * 40, "999"])
def test_a_team_that_is_none_is_not_found(as_alice, known, team_key):
    assert as_alice.post(PREVIEWS, {"team": team_key, "text": "HARP 1", "line-1": "1-"}).status_code == 404


def test_a_form_that_was_tampered_with_is_answered(as_alice, known, team):
    for sent in ({"alone": "pore"}, {"text": "x" * 1_000_001}, {"text": "\x00"}, {"line-1": "<b>"}):
        response = as_alice.post(PREVIEWS, {"team": team.pk, "text": "HARP 1", **sent})
        assert response.status_code == 200
        assert 'class="notice problem"' in response.text
    assert not Acquisition.objects.exists()


def test_the_example_of_the_page_can_be_read(as_alice, known):
    example = re.search(r"<pre[^>]*>(.*?)</pre>", as_alice.get(URL).text, re.DOTALL)[1]
    lines, problems = parse_region_list(example)
    assert (len(lines), problems) == (5, [])


def test_reading_is_by_post_and_previews_too(as_alice):
    assert "Paste it or choose a file" in as_alice.get(URL).text
    assert as_alice.get(PREVIEWS).status_code == 405
