"""The REST API of sequences of other instruments: sent with their files, followed, corrected."""

import hashlib
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from poreweb.observations.archive import read_frame
from poreweb.observations.models import Patch
from poreweb.people.models import Team
from poreweb.sequences.models import Sequence
from poreweb.work.models import Task
from processing.timekeys import parse_t_rec
from tests.poreweb.api_client import client_of, cube, refused, sent, with_token
from tests.poreweb.sequencing import SIDE, drifting, fits_bytes, helioprojective, make_sequence, sun

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
SEND, RECORDS = "/api/v1/teams/1/sequences/", "/api/v1/teams/1/ingests/"
FIRST = "2013.06.01_00:00:35_TAI"  # midnight of UTC
SAID = {"name": "AR 11757", "pixel_scale": 0.504, "first_t_rec": "2013-06-01T00:00:00Z", "cadence_s": 720}


@pytest.fixture
def made(alice_api: APIClient, queues: Any) -> Callable[..., str]:
    """The address of a sequence that was sent and read."""

    def of(images: SimpleUploadedFile, **changes: Any) -> str:
        told = sent(alice_api, SEND, **{**SAID, "run_after": False, "images": images, **changes})
        assert told.status_code == 201, told.text
        queues.work()
        return f"/api/v1/sequences/{told.json()['id']}/"

    return of


def test_a_sequence_is_sent_and_followed(alice_api: APIClient, queues: Any):
    raw = fits_bytes(sun(3).astype(">f4"))
    told = sent(alice_api, SEND, **SAID, run_after="false", images=SimpleUploadedFile("cube.fits", raw)).json()
    assert (told["state"], told["user"], told["patch"], told["name"]) == ("waiting", "alice", None, "AR 11757")
    assert (told["coordinates"], told["pixel_scale"], told["scale_unit"]) == ("scale", 0.504, "arcsec")
    assert (told["first_t_rec"], told["time_scale"], told["cadence_s"]) == (FIRST, "utc", 720)
    assert (told["coalign"], told["run_after"]) == (False, False)
    queues.work()
    url = f"/api/v1/sequences/{told['id']}/"
    told = alice_api.get(url).json()
    patch = Patch.objects.get()
    assert (told["state"], told["error"], told["patch"], told["doing"]) == ("done", "", patch.pk, "3 frames are in.")
    assert (told["n_frames"], told["n_done"], told["can_change"], told["pictures"]) == (3, 3, True, [])
    assert told["facts"] == Sequence.objects.get().facts
    (file,) = told["files"]
    assert (file["role"], file["name"], file["n_frames"]) == ("image", "cube.fits", 3)
    assert (file["size"], file["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    frames = alice_api.get(f"{url}frames/").json()["results"]
    assert [(frame["number"], frame["t_rec"]) for frame in frames] == [
        (1, FIRST),
        (2, "2013.06.01_00:12:35_TAI"),
        (3, "2013.06.01_00:24:35_TAI"),
    ]
    assert {frame["rows"] for frame in frames} == {None}
    assert not patch.runs.exists()


def test_processing_follows_unless_told_otherwise(alice_api: APIClient):
    assert sent(alice_api, SEND, **SAID, images=cube(sun(1))).json()["run_after"] is True


def test_everything_that_is_said_arrives(alice_api: APIClient):
    given = {
        **SAID, "instrument": "VTT", "coordinates": "pointing", "pixel_scale": 0.6, "tx_arcsec": 150, "ty_arcsec": -120,
        "rotation_deg": 30, "first_t_rec": FIRST, "coalign": "true", "scale_darks": "true",
    }  # fmt: skip
    told = sent(alice_api, SEND, **given, images=cube(sun(2))).json()
    assert (told["coordinates"], told["tx_arcsec"], told["ty_arcsec"], told["rotation_deg"]) == (
        "pointing",
        150,
        -120,
        30,
    )
    assert (told["first_t_rec"], told["time_scale"]) == (FIRST, "tai")
    assert (told["instrument"], told["coalign"], told["scale_darks"]) == ("VTT", True, True)
    row = Sequence.objects.get()
    assert (row.first_s, row.tx_arcsec, row.pixel_scale) == (parse_t_rec(FIRST), 150, 0.6)


@pytest.mark.parametrize(
    "text", ["2013-06-01T02:00:00+02:00", FIRST, "2013-06-01T00:00:00Z"], ids=["two hours east", "TAI", "UTC"]
)
def test_the_same_moment_in_any_notation(alice_api: APIClient, text: str):
    assert sent(alice_api, SEND, **{**SAID, "first_t_rec": text}, images=cube(sun(1))).json()["first_t_rec"] == FIRST


def test_maps_are_cut_where_it_is_said(alice_api: APIClient, queues: Any):
    files, _ = helioprojective(2)
    images = [SimpleUploadedFile(f"{number}.fits", raw) for number, raw in enumerate(files)]
    given = {"name": "maps", "coordinates": "headers", "tx_arcsec": 150, "ty_arcsec": -120, "width_deg": 2}
    told = sent(alice_api, SEND, **given, run_after=False, images=images).json()
    url = f"/api/v1/sequences/{told['id']}/"
    assert (told["tx_arcsec"], told["ty_arcsec"], told["width_deg"], told["height_deg"]) == (150, -120, 2, None)
    queues.work()
    assert alice_api.get(url).json()["state"] == "done"
    # what is not told again stays, under the same names
    told = alice_api.patch(url, {"height_deg": 1}).json()
    assert (told["tx_arcsec"], told["ty_arcsec"], told["width_deg"], told["height_deg"]) == (150, -120, 2, 1)


def test_files_by_role_and_their_calibration_images(made: Callable[..., str], alice_api: APIClient):
    exposed = {"EXPTIME": 2.0}
    darks = np.stack([np.full((SIDE, SIDE), level) for level in (90.0, 100.0, 110.0)])
    url = made(
        cube(sun(2) + 100, **exposed),
        darks=[cube(darks[:1], "d1.fits", **exposed), cube(darks[1:], "d2.fits", **exposed)],
        flats=cube(np.full((2, SIDE, SIDE), 1100.0), "flat.fits", **exposed),
    )
    told = alice_api.get(url).json()
    assert (told["state"], told["error"]) == ("done", "")
    assert [(file["role"], file["name"]) for file in told["files"]] == [
        ("dark", "d1.fits"),
        ("dark", "d2.fits"),
        ("flat", "flat.fits"),
        ("image", "cube.fits"),
    ]
    mean = next(one for one in told["pictures"] if one["key"] == "dark1-mean")
    assert (mean["ny"], mean["nx"], mean["n_frames"], mean["n_missing"]) == (SIDE, SIDE, 3, 0)
    assert (mean["low"], mean["high"]) == (100, 100)
    answer = alice_api.get(mean["address"])
    assert (answer["Content-Type"], "attachment" in answer["Content-Disposition"]) == ("application/fits", True)
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(answer.content)), np.full((SIDE, SIDE), 100.0))
    assert refused(alice_api.get(f"{url}pictures/nothing/"), 404) == "There is no such image."


def test_how_far_frames_were_moved(made: Callable[..., str], alice_api: APIClient):
    scene, drift = drifting(3)
    frames = alice_api.get(f"{made(cube(scene), coalign=True)}frames/").json()["results"]
    moved = np.array([(frame["rows"], frame["columns"]) for frame in frames])
    np.testing.assert_allclose(moved, -drift, atol=0.15)
    assert all(frame["is_trusted"] for frame in frames)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": None}, "name"),
    "a name like a HARP": ({"name": "HARP 377"}, "name"),
    "a name that is taken": ({"name": "La Palma"}, "name"),
    "no scale": ({"pixel_scale": None}, "pixel_scale"),
    "a negative scale": ({"pixel_scale": -1}, "pixel_scale"),
    "a scale that resolves no pore": ({"pixel_scale": 100}, "pixel_scale"),
    "no pointing": ({"coordinates": "pointing", "tx_arcsec": 5}, "ty_arcsec"),
    "beyond the limb": ({"coordinates": "pointing", "tx_arcsec": 999, "ty_arcsec": 999}, "tx_arcsec"),
    "half a place": ({"coordinates": "headers", "tx_arcsec": 5}, "ty_arcsec"),
    "no times": ({"first_t_rec": None}, "first_t_rec"),
    "a time without its scale": ({"first_t_rec": "2013-06-01T00:00:00"}, "first_t_rec"),
    "a time to come": ({"first_t_rec": "2999-01-01T00:00:00Z"}, "first_t_rec"),
    "a time long ago": ({"first_t_rec": "1954-01-01T00:00:00Z"}, "first_t_rec"),
    "frames too close": ({"cadence_s": 0.5}, "cadence_s"),
    "no number": ({"cadence_s": "often"}, "cadence_s"),
    "a strange unit": ({"scale_unit": "inch"}, "scale_unit"),
    "no images": ({"images": None}, "images"),
    "text for images": ({"images": "cube.fits"}, "images"),
    "a file for the name": ({"name": SimpleUploadedFile("name.txt", b"x")}, "name"),
    "darks that do not fit": ({"darks": cube(np.ones((1, 5, 5)))}, "darks"),
    "flats that are no FITS": ({"flats": SimpleUploadedFile("flat.fits", b"SIMPLE?")}, "flats"),
    "a slip in a name": ({"cadence": 720}, "cadence"),
    "another team": ({"team": 2}, "team"),
}


@pytest.mark.parametrize(("changes", "field"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_said_by_field_and_nothing_is_kept(
    alice_api: APIClient, team: Team, everything: Any, changes: dict[str, Any], field: str
):
    make_sequence(team)
    before = everything()
    response = sent(alice_api, SEND, **{**SAID, "images": cube(sun(2)), **changes})
    assert refused(response, 400)
    assert field in response.json()["fields"]
    assert everything() == before


FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n--x--'


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"name": "x"}', 415), ("text/plain", b"x", 415), ("multipart/form-data", b"x", 400),
        (FORM, b"", 400), (FORM, b"--x\r\n\r\n", 400), (FORM, PART % b"\0", 400),
        (f"{FORM}; charset=bz2", PART % b"a", 400),
    ],
    ids=["JSON", "text", "no boundary", "nothing", "cut short", "a null", "a charset that is none"],
)  # fmt: skip
def test_other_bodies_are_refused(alice_api: APIClient, kind: str, body: bytes, status: int):
    assert refused(alice_api.generic("POST", SEND, body, kind), status)
    assert not Sequence.objects.exists()


def test_too_many_and_too_large_are_refused(alice_api: APIClient, settings: Any):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    assert refused(sent(alice_api, SEND, **SAID, images=[cube(sun(1)) for _ in range(3)]), 400)
    settings.MAX_UPLOAD_BYTES = 100
    assert "one upload may have" in refused(sent(alice_api, SEND, **SAID, images=cube(sun(1))), 400)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert refused(sent(alice_api, SEND, **SAID, images=cube(sun(1))), 413)
    assert not Sequence.objects.exists()


def test_files_come_with_a_token_and_a_session_needs_the_csrf_token(alice: User):
    _, text = AuthToken.objects.create(alice, timedelta(days=1))
    assert sent(with_token(text), SEND, **SAID, images=cube(sun(1))).status_code == 201
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(SEND, {**SAID, "name": "another", "images": cube(sun(1))}).status_code == 403
    strict.get("/")  # which sets the cookie
    headers = {"X-CSRFToken": strict.cookies["csrftoken"].value}
    told = strict.post(SEND, {**SAID, "name": "another", "images": cube(sun(1))}, headers=headers)
    assert told.status_code == 201, told.text
    assert Sequence.objects.count() == 2


def test_who_may_not_sends_nothing(team: Team, everything: Any):
    make_sequence(team)
    key, before = Sequence.objects.get().pk, everything()
    for name, status in (("visitor", 403), ("mallory", 404), ("nobody", 401)):
        client = client_of(name)
        for url, given in (
            (SEND, {**SAID, "images": cube(sun(1))}), (RECORDS, {"records": cube(sun(1))}),
            (f"/api/v1/sequences/{key}/images/", {"images": cube(sun(1))}),
        ):  # fmt: skip
            assert refused(sent(client, url, **given), status), url
        assert refused(client.patch(f"/api/v1/sequences/{key}/", {"name": "x"}), status)
    assert everything() == before


def test_what_was_said_is_corrected(made: Callable[..., str], alice_api: APIClient, queues: Any):
    data = sun(2)
    url = made(cube(data), instrument="VTT")
    told = alice_api.patch(url, {"name": "AR 1", "cadence_s": 60}).json()
    assert (told["name"], told["cadence_s"], told["state"]) == ("AR 1", 60, "waiting")
    # all else is as it was
    assert (told["first_t_rec"], told["time_scale"], told["instrument"]) == (FIRST, "utc", "VTT")
    assert (told["pixel_scale"], told["run_after"]) == (0.504, False)
    assert refused(alice_api.patch(url, {"name": "AR 2"}), 409).startswith("AR 1 cannot be corrected while")
    queues.work()
    patch = Patch.objects.get()
    assert (patch.name, patch.cadence_s) == ("AR 1", 60)
    for frame, given in zip(patch.frames.order_by("t_rec_s"), data, strict=True):
        np.testing.assert_array_equal(read_frame(frame).need("continuum"), given.astype(np.float32))
    told = alice_api.patch(url, {"first_t_rec": "2014.01.01_00:00:00_TAI"}).json()
    assert (told["first_t_rec"], told["time_scale"]) == ("2014.01.01_00:00:00_TAI", "tai")


def test_a_correction_changes_where_pixels_lie(made: Callable[..., str], alice_api: APIClient, queues: Any):
    url = made(cube(sun(2)))
    for told, field in (
        ({"coordinates": "pointing"}, "tx_arcsec"), ({"coordinates": "headers"}, "coordinates"),
        ({"pixel_scale": None}, "pixel_scale"), ({"first_t_rec": None}, "first_t_rec"), ({"images": []}, "images"),
        ({"name": ""}, "name"), ({"team": 2}, "team"),
    ):  # fmt: skip
        response = alice_api.patch(url, told)
        assert refused(response, 400)
        assert field in response.json()["fields"], told
    told = alice_api.patch(url, {"coordinates": "pointing", "tx_arcsec": 10, "ty_arcsec": 20}).json()
    assert (told["tx_arcsec"], told["ty_arcsec"]) == (10, 20)
    queues.work()
    assert alice_api.get(url).json()["state"] == "done"
    # only one of the pair: the other stays
    assert alice_api.patch(url, {"ty_arcsec": 30}).json()["tx_arcsec"] == 10
    queues.work()
    # what the choice does not use is left out
    assert alice_api.patch(url, {"coordinates": "scale"}).json()["tx_arcsec"] is None


def test_what_a_run_has_used_is_not_corrected(made: Callable[..., str], alice_api: APIClient):
    url = made(cube(sun(2)))
    Patch.objects.get().runs.create(number=1, parameters={})
    assert alice_api.get(url).json()["can_change"] is False
    assert "when a run has used it" in refused(alice_api.patch(url, {"name": "other"}), 409)
    assert Sequence.objects.get().name == "AR 11757"


def test_later_images_are_added(made: Callable[..., str], alice_api: APIClient, queues: Any):
    data = sun(4)
    url = made(cube(data[:2], "a.fits"))
    assert refused(sent(alice_api, f"{url}images/", images=cube(data[2:], "0.fits")), 400).startswith("images:")
    assert refused(sent(alice_api, f"{url}images/", images=cube(data[2:], "b.fits"), name="x"), 400)
    told = sent(alice_api, f"{url}images/", images=cube(data[2:], "b.fits")).json()
    assert told["state"] == "waiting"
    again = sent(alice_api, f"{url}images/", images=cube(data[2:], "c.fits"))
    assert refused(again, 409) == "AR 11757 is at work; add more when it is done."
    queues.work()
    assert alice_api.get(url).json()["n_frames"] == 4
    assert Patch.objects.get().frames.count() == 4


def test_a_sequence_is_stopped_and_goes_on(alice_api: APIClient, queues: Any):
    url = f"/api/v1/sequences/{sent(alice_api, SEND, **SAID, run_after=False, images=cube(sun(2))).json()['id']}/"
    assert refused(alice_api.post(f"{url}retry/"), 409) == "It has neither failed nor been cancelled."
    assert alice_api.post(f"{url}cancel/").json()["state"] == "cancelled"
    assert refused(alice_api.post(f"{url}cancel/"), 409) == "It had ended before."
    queues.work()
    assert not Patch.objects.exists()
    assert alice_api.post(f"{url}retry/").json()["state"] == "waiting"
    queues.work()
    assert alice_api.get(url).json()["state"] == "done"


def test_sequences_are_listed_and_cost_the_same(alice_api: APIClient, team: Team, django_assert_num_queries: Any):
    old = make_sequence(team)
    new = Sequence.objects.create(team=team, name="VTT", coordinates="scale", state=Task.State.DONE)
    Sequence.objects.create(team_id=2, name="theirs", coordinates="scale")
    url = "/api/v1/sequences/"
    for query, expected in (
        ("", [new, old]), ("state=failed", [old]), ("team=1", [new, old]), ("team=2", []), ("state=running", []),
    ):  # fmt: skip
        assert [one["id"] for one in alice_api.get(f"{url}?{query}").json()["results"]] == [row.pk for row in expected]
    for query in ("state=ready", "team=0", "name=VTT"):
        assert refused(alice_api.get(f"{url}?{query}"), 400)
    with django_assert_num_queries(4):
        alice_api.get(f"{url}?limit=1")
    with django_assert_num_queries(4):
        alice_api.get(url)
