"""What a sequence cannot be made of is refused, where it was typed."""

import errno

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from poreweb import storage
from poreweb.observations.models import Patch, RawFile
from poreweb.sequences.models import Sequence
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import fits_bytes, sun
from tests.poreweb.test_sequences import GIVEN, URL, errors_in, file

send, made = test_sequences.send, test_sequences.made


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("pixel_scale", {"pixel_scale": ""}, "Without the side of a pixel"),
        ("pixel_scale", {"pixel_scale": "0"}, "That is 0 km on the Sun"),
        ("pixel_scale", {"pixel_scale": "50"}, "That is 36265 km on the Sun"),
        ("pixel_scale", {"pixel_scale": "nan"}, "Enter a number"),
        (
            "pixel_scale",
            {"pixel_scale": "-1"},
            "The side of a pixel cannot be negative: pores are found on pixels of 5 to",
        ),
        ("pixel_scale", {"pixel_scale": "0.5", "scale_unit": "km"}, "pixels of 5 to 5000 km"),
        ("first", {"first": ""}, "cube.fits does not tell when it was taken"),
        ("cadence_s", {"cadence_s": ""}, "give the cadence"),
        ("cadence_s", {"cadence_s": "0.5"}, "must not fall into one second"),
        ("cadence_s", {"cadence_s": "604801"}, "Two frames may be at most 604,800 s (7 days) apart."),
        ("cadence_s", {"first": "", "cadence_s": ""}, "Give the seconds between two frames too."),
        ("rotation_deg", {"rotation_deg": "-361"}, "The rotation must be from −360 to 360 degrees."),
        ("width_deg", {"width_deg": "121"}, "The patch’s width on the Sun must be from 0.1 to 120 degrees."),
        ("height_deg", {"height_deg": "0"}, "The patch’s height on the Sun must be from 0.1 to 120 degrees."),
        ("first", {"first": "1965-01-01T00:00"}, "Times before 1972-01-01"),
        ("first", {"first": "2199-01-01T00:00"}, "still to come"),
        ("name", {"name": "HARP 377"}, "reads like a HARP"),
        ("name", {"name": "..."}, "needs a letter or a digit"),
        ("tx_arcsec", {"coordinates": "pointing"}, "The pointing needs it"),
        ("ty_arcsec", {"coordinates": "pointing", "tx_arcsec": "3"}, "Give both coordinates"),
        ("tx_arcsec", {"coordinates": "pointing", "tx_arcsec": "900", "ty_arcsec": "800"}, "beyond the limb"),
        ("coordinates", {"coordinates": "headers"}, "no helioprojective map"),
        ("coordinates", {"coordinates": None}, "This field is required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_said_at_its_field(send, team, field, changes, words):
    response = send(file("cube.fits", sun(2)), **changes)
    assert response.status_code == 200
    assert words in errors_in(response.text)[field]
    if "name" not in changes:
        assert 'value="AR 11757"' in response.text  # what was typed is kept
    assert not Sequence.objects.exists()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "Choose the FITS files"),
        ([("a.fits", b"hello")], "not a FITS file"),
        ([("a.fits", fits_bytes(sun(2))[:9000])], "cut short"),
        ([("a.png", b"x")], "no FITS file by its name"),
        (
            [("a.fits", fits_bytes(sun(2))), ("b.fits", fits_bytes(sun(2, side=60)))],
            "b.fits has 60 by 60 pixels, a.fits has 64 by 64",
        ),
        ([("a.fits", fits_bytes(sun(2))), ("b.fits", fits_bytes(sun(2)))], "are the same file"),
        ([("a.fits", fits_bytes(np.zeros((2, 3, 4, 5))))], "one axis besides rows and columns"),
        ([("a.fits", fits_bytes(np.zeros((5001, 2, 2), np.uint8)))], "5,001 frames; a sequence may have 5,000"),
    ],
    ids=["none", "text", "cut", "another name", "two shapes", "twice", "four axes", "too many"],
)
def test_files_that_cannot_be_used_are_named(send, images, words):
    response = send(*[SimpleUploadedFile(name, raw) for name, raw in images])
    assert words in errors_in(response.text)["images"]
    assert not Sequence.objects.exists()
    assert not storage.exists("raw")


def test_a_name_is_taken_once(send, team):
    send(file("cube.fits", sun(2)))
    assert "choose another name" in errors_in(send(file("b.fits", sun(2, seed=5))).text)["name"]
    Patch.objects.create(team=team, series="", name="La Palma")
    again = send(file("c.fits", sun(2, seed=6)), name="La  Palma ")
    assert "choose another name" in errors_in(again.text)["name"]
    assert Sequence.objects.count() == 1


def test_a_name_taken_meanwhile(send, monkeypatch):
    send(file("cube.fits", sun(2)))
    monkeypatch.setattr("poreweb.sequences.forms.SequenceForm._check_name", lambda self, given: None)
    assert "choose another name" in errors_in(send(file("b.fits", sun(2, seed=5))).text)["name"]


def test_no_room_is_said_before_anything_is_kept(send, settings):
    settings.TEAM_QUOTA_MB = 1
    response = send(file("cube.fits", sun(40)))
    assert "Team A may hold" in errors_in(response.text)["images"]
    assert not storage.exists("raw")


@pytest.mark.parametrize("when", ["before the frames", "while they are written"])
def test_a_full_disk_is_said_and_it_goes_on(send, queues, monkeypatch, as_alice, when, settings):
    send(file("cube.fits", sun(3)), work=False)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if when == "before the frames":
            settings.MIN_FREE_MB = 10**9
        else:
            patched.setattr("poreweb.observations.archive.store_raw", full)
        queues.work()
    settings.MIN_FREE_MB = 0
    sequence = Sequence.objects.get()
    assert (sequence.state, RawFile.objects.count()) == ("failed", 0)
    assert ("no room for" if when == "before the frames" else "No space left on device; make room") in sequence.error
    as_alice.post(f"{sequence.get_absolute_url()}retry/")
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, RawFile.objects.count()) == ("done", 3)


def test_all_but_the_files_is_asked_before_they_are_sent(as_alice, team, settings):
    given = {**GIVEN, "team": team.pk, "check": "1", "images_bytes": "5000000"}
    assert as_alice.post(URL, given).status_code == 204
    assert set(errors_in(as_alice.post(URL, {**given, "pixel_scale": ""}).text)) == {"pixel_scale"}
    settings.TEAM_QUOTA_MB = 4
    assert set(errors_in(as_alice.post(URL, given).text)) == {"images"}
    assert not Sequence.objects.exists()


def test_a_viewer_may_only_look(sign_in, team):
    client = sign_in("visitor")
    assert "A lead can make you a reviewer" in client.get(URL).text
    assert client.post(URL, {**GIVEN, "team": team.pk}).status_code == 403
    assert client.get("/sequences/").status_code == 200
