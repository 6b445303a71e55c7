"""A sequence of another instrument: from the form to a patch, by the form alone."""

import hashlib
import html
import re

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from poreweb import storage
from poreweb.observations.archive import raw_key, read_frame
from poreweb.observations.models import Ingest, Patch, RawFile
from poreweb.sequences import actions
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.tracks.models import Run
from tests.poreweb.conftest import PARAMETERS
from tests.poreweb.sequencing import SPOT, drifting, fits_bytes, sun

URL = "/sequences/new/"
GIVEN = {
    "name": "AR 11757", "coordinates": "scale", "pixel_scale": "0.504", "scale_unit": "arcsec",
    "first": "2013-06-01T00:00", "time_scale": "utc", "cadence_s": "720",
}  # fmt: skip


def file(name: str, data: np.ndarray, **cards: object) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, fits_bytes(data, **cards))


@pytest.fixture
def send(as_alice, team, queues):
    """Send images as alice does, and have them read; a value of None leaves its field out."""

    def sent(*images: SimpleUploadedFile, work: bool = True, **changes: object):
        given = {**GIVEN, "team": team.pk, "images": list(images), **changes}
        response = as_alice.post(URL, {name: value for name, value in given.items() if value is not None})
        if work:
            queues.work()
        return response

    return sent


@pytest.fixture
def made(send):
    """The sequence that comes of it, done."""

    def sent(*images: SimpleUploadedFile, **changes: object) -> Sequence:
        response = send(*images, **changes)
        assert response.status_code == 302, re.findall(r"errorlist.*?</ul>", response.text, re.DOTALL)
        sequence = Sequence.objects.get()
        assert (sequence.state, sequence.error) == ("done", "")
        return sequence

    return sent


def maps_of(sequence: Sequence) -> list[np.ndarray]:
    assert sequence.patch is not None
    return [read_frame(frame).need("continuum") for frame in sequence.patch.frames.order_by("t_rec_s")]


def errors_in(page: str) -> dict[str, str]:
    """Field -> what is said next to it."""
    lists = re.findall(r'<ul class="errorlist" id="id_(\w+)_error">(.*?)</ul>', page, re.DOTALL)
    return {field: html.unescape(re.sub("<[^>]+>", " ", text)).strip() for field, text in lists}


# -- What becomes of it --------------------------------------------------------------------------


def test_a_bare_cube_becomes_a_patch(made, as_alice, team, alice):
    cube = sun(4)
    cube[2, 5, 5] = np.nan
    raw = fits_bytes(cube.astype(">f8"))
    sequence = made(SimpleUploadedFile("cube.fits", raw), instrument="HMI, cut out")
    patch = Patch.objects.get()
    assert (patch.team, patch.name, patch.harpnum, patch.series, patch.cadence_s) == (team, "AR 11757", None, "", 720)
    times = [frame.t_rec for frame in patch.frames.order_by("t_rec_s")]
    assert times[0] == "2013.06.01_00:00:35_TAI"  # TAI - UTC was 35 s
    assert times[3] == "2013.06.01_00:36:35_TAI"
    for found, given in zip(maps_of(sequence), cube, strict=True):
        np.testing.assert_array_equal(found, given.astype(np.float32))
    cards = patch.frames.first().cards
    assert cards["CDELT1"] == pytest.approx(0.504 * 0.7253)
    assert (cards["SEQUENCE"], cards["SRCFILE"], cards["SRCFRAME"]) == ("AR 11757", "cube.fits", 1)
    assert (cards["INSTRUME"], cards["TIMEFROM"], cards["CADENCE"]) == ("HMI, cut out", "form, UTC", 720.0)
    assert (cards["PIXSCALE"], cards["PIXUNIT"]) == (0.504, "arcsec")
    # what was sent is kept as it was
    source = SourceFile.objects.get()
    assert (source.sha256, source.size, source.n_frames) == (hashlib.sha256(raw).hexdigest(), len(raw), 4)
    assert storage.read_bytes(raw_key(source.sha256)) == raw
    # as a delivery that is closed
    ingest = Ingest.objects.get()
    assert (ingest.state, ingest.n_new, ingest.user, list(ingest.patches.all())) == ("done", 4, alice, [patch])
    page = as_alice.get(sequence.get_absolute_url()).text
    for words in (
        "4 frames are in.",
        "from 1 au (assumed)",
        "365.6 km",
        "2013.06.01_00:36:35_TAI",
        "HMI, cut out",
        "cube.fits",
    ):
        assert words in page
    assert 'hx-trigger="every' not in page
    assert "AR 11757" in as_alice.get("/sequences/").text


def test_a_run_follows_when_asked_for(made, alice, monkeypatch, no_files, as_alice):
    monkeypatch.setattr(actions, "parameters_for", lambda side_mm: PARAMETERS)
    sequence = made(file("cube.fits", sun(4)), run_after="on")
    run = Run.objects.get()
    assert (run.state, run.created_by, run.patch) == ("done", alice, sequence.patch)
    (track,) = run.tracks.all()
    features = track.features.order_by("segmentation__index")
    assert [feature.segmentation.index for feature in features] == [0, 1, 2, 3]
    assert (features[0].row, features[0].col) == pytest.approx(SPOT, abs=0.5)
    assert features[0].lon_deg is None
    page = as_alice.get(sequence.get_absolute_url()).text
    assert run.get_absolute_url() in page
    assert "Correct what was said" not in page


@pytest.mark.parametrize(
    ("side_mm", "enhance", "min_pixels"),
    [(0.3655, "network", 20), (0.1, "none", 67), (1.45, "cubic-spline", 4)],
    ids=["like HMI", "finer", "coarser"],
)
def test_parameters_fit_the_pixel(side_mm, enhance, min_pixels):
    parameters = actions.parameters_for(side_mm)
    assert (parameters.enhance, parameters.min_pixels) == (enhance, min_pixels)


def test_a_file_a_frame_with_times_in_the_headers(made):
    cube = (sun(3) * 1.2).astype(np.uint16)  # above 32767: stored with BZERO
    assert cube.max() > 2**15
    files = [
        file(f"frame{k}.fts", cube[k], DATE_OBS=f"2013-06-01T00:0{minute}:00.4", TELESCOP="SST", EXPTIME=0.012)
        for k, minute in enumerate((5, 0, 2))
    ]
    sequence = made(*files, first=None, cadence_s=None, pixel_scale="366", scale_unit="km")
    assert sequence.times_from_headers
    times = [frame.t_rec for frame in sequence.patch.frames.order_by("t_rec_s")]
    assert times == ["2013.06.01_00:00:35_TAI", "2013.06.01_00:02:35_TAI", "2013.06.01_00:05:35_TAI"]
    assert sequence.patch.cadence_s == 150
    np.testing.assert_array_equal(maps_of(sequence)[0], cube[1])
    cards = sequence.patch.frames.first().cards
    assert (cards["CDELT1"], cards["TELESCOP"], cards["EXPTIME"]) == (0.366, "SST", 0.012)
    assert cards["TIMEFROM"] == "header"


def test_what_is_no_light_is_missing_and_a_bad_frame_left_out(made, as_alice):
    cube = sun(4)
    cube[:, :, :3] = 0
    cube[0, 10, 10] = -200
    cube[1] = np.nan
    cube[2] -= np.median(cube[2])
    sequence = made(file("cube.fits", cube))
    first, last = maps_of(sequence)
    assert np.isnan(first).sum() == 64 * 3 + 1
    assert np.isnan(last).sum() == 64 * 3
    assert [line["kind"] for line in sequence.report] == ["left out"] * 2
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "Frame 2 (2013.06.01_00:12:35_TAI) was left out: frame 2 of cube.fits has no finite pixel." in page
    assert re.search(r"Frame 3 \S+ was left out: \d+ of its \d+ pixels are negative", page)
    assert "2 frames are in, 2 left out." in page
    assert [len(gap) for gap in sequence.patch.gaps()] == [2]


@pytest.mark.parametrize(
    ("typed", "scale", "t_rec"),
    [
        ("2013-06-01T00:00", "utc", "2013.06.01_00:00:35_TAI"),
        ("2013-06-01T00:00", "tai", "2013.06.01_00:00:00_TAI"),
        ("2013-06-01T02:00:00+02:00", "utc", "2013.06.01_00:00:35_TAI"),
        ("2013-06-01T00:00:00Z", "utc", "2013.06.01_00:00:35_TAI"),
    ],
)
def test_the_first_time_is_of_the_scale_and_zone_that_are_said(typed, scale, t_rec, made):
    sequence = made(file("cube.fits", sun(1)), first=typed, time_scale=scale, cadence_s=None)
    assert sequence.first == t_rec


def test_times_of_before_1993_and_one_frame(made):
    sequence = made(file("old.fits", sun(1)[0]), first="1988-08-01T12:00:00", time_scale="tai", cadence_s=None)
    assert sequence.patch.frames.get().t_rec == "1988.08.01_12:00:00_TAI"


def test_later_images_are_added_and_the_run_goes_on(made, as_alice, queues, monkeypatch, no_files):
    monkeypatch.setattr(actions, "parameters_for", lambda side_mm: PARAMETERS)
    frames, drift = drifting(6)
    sequence = made(file("cube1.fits", frames[:4]), coalign="on", run_after="on")
    old = list(RawFile.objects.order_by("pk").values())
    shifts = sequence.shifts
    url = f"{sequence.get_absolute_url()}add/"

    def answered(*files: SimpleUploadedFile) -> dict[str, str]:
        response = as_alice.post(url, {"images": list(files)})
        return errors_in(response.text) if response.status_code == 200 else {}

    assert "Choose the FITS files" in answered()["images"]
    assert (
        "do not all come after the last one that is here, 2013.06.01_00:36:35_TAI"
        in answered(file("cube0.fits", frames[4:]))["images"]
    )
    assert "cube2.fits has 60 by 60 pixels" in answered(file("cube2.fits", frames[4:, 2:-2, 2:-2]))["images"]
    assert as_alice.post(url, {"check": "1", "images_bytes": "100"}).status_code == 204
    assert answered(file("cube2.fits", frames[4:])) == {}
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, sequence.n_done) == ("done", 6)
    assert list(RawFile.objects.order_by("pk").values())[:4] == old
    assert sequence.shifts[:4] == shifts
    np.testing.assert_allclose([shift[:2] for shift in sequence.shifts], -drift, atol=0.1)
    assert [ingest.n_new for ingest in Ingest.objects.order_by("pk")] == [4, 2]
    run = Run.objects.get()
    assert (run.state, run.segmentations.count(), len(run.extensions)) == ("done", 6, 1)
