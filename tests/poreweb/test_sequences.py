"""A sequence of another instrument: from the form to a patch, by the form alone."""

import errno
import hashlib
import html
import io
import re

import numpy as np
import pytest
from astropy.io import fits
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from poreweb import storage
from poreweb.observations.archive import raw_key, read_frame
from poreweb.observations.models import Ingest, Patch, RawFile
from poreweb.sequences import actions, jobs
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.tracks.models import Run
from processing.coalign import MIN_SIDE
from processing.geometry import CeaGeometry
from tests.poreweb.conftest import PARAMETERS
from tests.poreweb.sequencing import SPOT, drifting, fits_bytes, helioprojective, sun

URL = "/sequences/new/"
GIVEN = {
    "name": "AR 11757", "coordinates": "scale", "pixel_scale": "0.504", "scale_unit": "arcsec",
    "first": "2013-06-01T00:00", "time_scale": "utc", "cadence_s": "720",
}  # fmt: skip


WCS = ("CTYPE", "CUNIT", "CDELT", "CRVAL")


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


def test_times_of_before_1993_and_one_frame(made):
    sequence = made(file("old.fits", sun(1)[0]), first="1988-08-01T12:00:00", time_scale="tai", cadence_s=None)
    assert sequence.patch.frames.get().t_rec == "1988.08.01_12:00:00_TAI"


# -- Darks and flats -----------------------------------------------------------------------------


@pytest.fixture
def camera():
    """Images of the Sun as a detector sees it, its darks and flats, and what is bad in it."""
    rng = np.random.default_rng(3)
    scene = sun(3, side=96) / 5
    row, col = np.mgrid[:96, :96]
    response = 1 - 0.3 * np.hypot(row - 48, col - 48) / 68 + rng.normal(0, 0.01, (96, 96))
    response[20, 30] = 0.01  # dead
    dark = 300 + 20 * np.sin(col / 9)
    dark[70, 12] = 6000  # hot
    noise = lambda *shape: rng.normal(0, 3, shape)  # noqa: E731
    return {
        "scene": scene,
        "images": scene * response + dark + noise(3, 96, 96),
        "darks": dark + noise(10, 96, 96),
        "flats": 9000 * response + dark + noise(8, 96, 96),
    }


def test_darks_and_flats_are_taken_off_and_shown(made, camera, as_alice):
    sequence = made(
        file("images.fits", camera["images"], EXPTIME=0.05), darks=[file("darks.fits", camera["darks"], EXPTIME=0.05)],
        flats=[file("flats.fits", camera["flats"], EXPTIME=0.05)],
    )  # fmt: skip
    for found, scene in zip(maps_of(sequence), camera["scene"], strict=True):
        assert np.isnan(found[20, 30])
        assert np.isnan(found[70, 12])
        ratio = found / scene
        assert np.nanstd(ratio) < 0.005  # vignetting was 30 %
        assert np.isnan(found).sum() < 5
    cards = sequence.patch.frames.first().cards
    assert (cards["NDARKS"], cards["NFLATS"]) == (10, 8)
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "The dark is from 10 frames of 0.05 s" in page
    for words in ("Darks of 0.05 s, 10 frames", "Flats of 0.05 s, 8 frames", "Standard error", "Normalised flat"):
        assert words in page

    addresses = re.findall(r'src="(/sequences/\d+/pictures/[\w-]+\.png)" width="(\d+)" height="(\d+)"', page)
    assert len(addresses) == 5 + 5 + 2
    for address, width, height in addresses:
        png = as_alice.get(address)
        assert png["Content-Type"] == "image/png"
        assert Image.open(io.BytesIO(png.content)).size == (int(width), int(height)) == (192, 192)  # twice
    mean = as_alice.get(addresses[0][0].replace(".png", ".fits"))
    with fits.open(io.BytesIO(mean.content)) as hdus:
        np.testing.assert_allclose(hdus[0].data, camera["darks"].mean(axis=0), rtol=1e-6)
        assert (hdus[0].header["BUNIT"], hdus[0].header["NCOMBINE"]) == ("DN", 10)
    full = as_alice.get(f"{addresses[0][0]}?full")
    picture = np.asarray(Image.open(io.BytesIO(full.content)))
    assert picture.shape == (96, 96, 2)
    assert picture[95 - 70, 12, 0] == 255  # the hot pixel, the first row at the bottom
    assert as_alice.get(addresses[0][0].replace("dark1-mean", "nothing")).status_code == 404


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("darks", {"darks": ("EXPTIME", 0.1)}, "images.fits has an exposure time of 0.05 s, and no dark has that"),
        ("darks", {"darks": ("EXPTIME", None)}, "the darks have no exposure time in the header"),
        ("darks", {"darks": "crop"}, "darks.fits has 90 by 96 pixels, the images have 96 by 96"),
        ("flats", {"flats": "crop"}, "flats.fits has 90 by 96 pixels"),
        ("flats", {"flats": "two"}, "Flats need one exposure time, but"),
        ("darks", {"flats": ("EXPTIME", 0.2)}, "flats.fits has an exposure time of 0.2 s, and no dark has that"),
    ],
    ids=["another exposure", "no exposure", "darks of another shape", "flats of another shape", "two flats", "no dark"],
)  # fmt: skip
def test_darks_and_flats_that_do_not_fit(send, camera, field, change, words):
    def of(kind: str) -> list[SimpleUploadedFile]:
        how, data = change.get(kind), camera[kind]
        if how == "crop":
            return [file(f"{kind}.fits", data[:, :, :90], EXPTIME=0.05)]
        if how == "two":
            return [file(f"{kind}{k}.fits", data + k, EXPTIME=0.05 + k) for k in range(2)]
        exposure = 0.05 if how is None else how[1]
        return [file(f"{kind}.fits", data, **({} if exposure is None else {"EXPTIME": exposure}))]

    response = send(*of("images"), darks=of("darks"), flats=of("flats"))
    assert words in errors_in(response.text)[field]
    assert not Sequence.objects.exists()


# -- Coalignment ---------------------------------------------------------------------------------


def test_frames_are_shifted_onto_each_other(made, as_alice, queues):
    frames, drift = drifting(5)
    sequence = made(file("cube.fits", frames), coalign="on")
    found = np.array([shift[:2] for shift in sequence.shifts])
    np.testing.assert_allclose(found, -drift, atol=0.1)
    maps = maps_of(sequence)
    inner = (slice(12, -12), slice(12, -12))
    assert np.std(maps[4][inner] / maps[0][inner]) < 0.3 * np.std(frames[4][inner] / frames[0][inner])
    cards = sequence.patch.frames.last().cards
    assert (cards["SHIFTROW"], cards["SHIFTCOL"]) == tuple(sequence.shifts[4][:2])
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "Frames were moved onto the first by up to" in page
    assert 'data-figure="shift-figure"' in page
    # in the page once it is done, and whole, since a script draws it
    assert as_alice.get(sequence.get_absolute_url(), headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_maps_on_the_sun_are_shifted_by_sampling_them_elsewhere(made):
    """The frames of a telescope whose pointing drifts, which its header does not know of."""
    frames, drift = drifting(4, side=130)
    sequence = made(
        file("cube.fits", frames), coordinates="pointing", tx_arcsec="-200", ty_arcsec="250", rotation_deg="",
        cadence_s="60", coalign="on",
    )  # fmt: skip
    spots, places = [], []
    for frame, found in zip(sequence.patch.frames.order_by("t_rec_s"), maps_of(sequence), strict=True):
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        spots.append((row, col))
        places.append(frame.geometry.lon_lat(row, col))
    np.testing.assert_allclose(spots, np.broadcast_to(spots[0], (4, 2)), atol=0.3)
    np.testing.assert_allclose(places, np.broadcast_to(places[0], (4, 2)), atol=0.01)
    assert np.hypot(*sequence.shifts[3][:2]) > 0.7 * np.hypot(*drift[3])


def test_too_many_to_be_compared(send, monkeypatch):
    monkeypatch.setattr("poreweb.sequences.files.MOST_COALIGNED", 10 * 64 * 64)
    said = errors_in(send(file("a.fits", sun(11)), coalign="on").text)
    assert "Of 64 by 64 pixels at most 10 frames" in said["coalign"]


def test_too_small_to_be_compared(send):
    assert f"{MIN_SIDE} × {MIN_SIDE}" in errors_in(send(file("a.fits", sun(2, side=40)), coalign="on").text)["coalign"]


# -- Where its pixels lie ------------------------------------------------------------------------


def test_a_helioprojective_map_gets_its_place(made):
    files, places = helioprojective(n_frames=3)
    sequence = made(
        *[SimpleUploadedFile(f"map{k}.fits", raw) for k, raw in enumerate(files)],
        coordinates="headers", pixel_scale=None, first=None, cadence_s=None,
    )  # fmt: skip
    for frame, found, (lon, lat, mu) in zip(sequence.patch.frames.all(), maps_of(sequence), places, strict=True):
        geometry = frame.geometry
        assert type(geometry) is CeaGeometry
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        at = geometry.lon_lat(row, col)
        assert at == pytest.approx((lon, lat), abs=0.3 * geometry.cdelt1)
        assert float(geometry.mu(row, col)) == pytest.approx(mu, abs=1e-3)
        assert frame.mu_min < mu < frame.mu_max
    assert any("where it stays" in fact for fact in sequence.facts)


@pytest.mark.parametrize("told_by", ["form", "header"])
def test_a_pointing_told_once_follows_the_rotation(made, told_by):
    (image, *_), places = helioprojective(n_frames=1)
    with fits.open(io.BytesIO(image)) as hdus:
        data, header = hdus[0].data, hdus[0].header
    cube = np.stack([data] * 3)  # a telescope that follows its region: it stays at its pixel
    cards = {name: header[name] for name in ("CRPIX1", "CRPIX2", *(f"{word}{axis}" for word in WCS for axis in "12"))}
    said = {
        "form": {
            "coordinates": "pointing", "pixel_scale": str(header["CDELT1"]), "tx_arcsec": str(header["CRVAL1"]),
            "ty_arcsec": str(header["CRVAL2"]), "rotation_deg": "", "first": header["DATE-OBS"][:19],
        },
        "header": {"coordinates": "headers", "pixel_scale": None, "first": None},
    }[told_by]  # fmt: skip
    told = {**cards, "DATE_OBS": header["DATE-OBS"]} if told_by == "header" else {}
    sequence = made(file("cube.fits", cube, **told), cadence_s="7200", **said)
    frames = list(sequence.patch.frames.order_by("t_rec_s"))
    spots = []
    for frame, found in zip(frames, maps_of(sequence), strict=True):
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        spots.append((row, col))
        assert frame.geometry.lon_lat(row, col) == pytest.approx(places[0][:2], abs=0.3 * frame.geometry.cdelt1)
    np.testing.assert_allclose(spots, np.broadcast_to(spots[0], (3, 2)), atol=0.3)
    longitudes = [frame.cards["CRLN_OBS"] for frame in frames]
    assert (longitudes[0] - longitudes[2]) % 360 == pytest.approx(360 * 4 / (27.2753 * 24), rel=0.01)


def test_a_box_beyond_the_limb_fails_and_can_be_corrected(send, as_alice, queues, team):
    files, _ = helioprojective(n_frames=2)
    send(
        *[SimpleUploadedFile(f"map{k}.fits", raw) for k, raw in enumerate(files)],
        coordinates="headers", first=None, cadence_s=None, part_tx="0", part_ty="990",
    )  # fmt: skip
    sequence = Sequence.objects.get()
    assert sequence.state == "failed"
    assert "is off the disk" in sequence.error
    assert not Patch.objects.exists()
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "Correct what was said" in page
    url = f"{sequence.get_absolute_url()}correct/"
    form = as_alice.get(url).text
    assert "Here already: 2 files of 2 frames" in form
    assert 'value="990.0"' in form
    given = {"team": team.pk, "name": "AR 11757 b", "coordinates": "headers", "scale_unit": "km", "time_scale": "utc"}
    assert as_alice.post(url, given).status_code == 302
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, sequence.error, sequence.patch.name) == ("done", "", "AR 11757 b")
    assert sequence.patch.frames.count() == 2


def test_a_wrong_scale_is_corrected_while_nothing_is_made_of_it(made, as_alice, queues, team):
    sequence = made(file("cube.fits", sun(3)))
    url = f"{sequence.get_absolute_url()}correct/"
    given = {**GIVEN, "team": team.pk, "pixel_scale": "1"}
    assert as_alice.post(url, given).status_code == 302
    queues.work()
    patch = Patch.objects.get()
    assert [frame.geometry.pixel_side_mm for frame in patch.frames.all()] == pytest.approx([0.7253] * 3)
    assert RawFile.objects.count() == 3
    patch.runs.create(number=1, parameters=PARAMETERS.as_dict())
    assert as_alice.post(url, given).status_code == 302
    sequence.refresh_from_db()
    assert sequence.state == "done"  # it was left as it is


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


# -- What dies is gone on with -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "calls"),
    [
        ("poreweb.sequences.making.coalign", 0),
        ("poreweb.sequences.making.keep_segment", 0),
        ("poreweb.sequences.making.keep_segment", 3),
        ("poreweb.work.tasks.finish", 0),
    ],
    ids=["in the shifts", "before the first frame", "in the frames", "just before its end"],
)
def test_killed_anywhere_it_makes_the_same(made, send, killed_in, queues, where, calls):
    cube = drifting(5)[0]
    cube[2] = np.nan
    killed_in(where, lambda: send(file("cube.fits", cube), coalign="on"), calls=calls)
    sequence = Sequence.objects.get()
    assert sequence.state == "running"
    jobs.run_sequence(sequence.pk)
    sequence.refresh_from_db()
    assert (sequence.state, sequence.n_done, sequence.n_frames) == ("done", 5, 5)
    assert len(sequence.report) == 1
    ingest = Ingest.objects.get()
    assert (ingest.state, ingest.n_new, ingest.n_conflict) == ("done", 4, 0)
    digests = list(RawFile.objects.order_by("name").values_list("sha256", flat=True))
    Sequence.objects.all().delete()
    Patch.objects.all().delete()
    Ingest.objects.all().delete()
    made(file("cube.fits", cube), coalign="on")
    assert list(RawFile.objects.order_by("name").values_list("sha256", flat=True)) == digests


def test_twice_done_is_once_done(send, everything, queues):
    send(file("cube.fits", sun(2)), work=False)
    queues.work(times=2)
    before = everything()
    jobs.run_sequence(Sequence.objects.get().pk)
    assert everything() == before


def test_its_turn_ends_and_it_goes_on(send, queues, monkeypatch):
    monkeypatch.setattr("poreweb.sequences.making.TURN_S", -1)  # over before it began
    send(file("cube.fits", sun(3)), work=False)
    sequence = Sequence.objects.get()
    for n_stored, state in ((1, "waiting"), (2, "waiting"), (3, "done")):
        assert queues.commit().jobs == [("poreweb.sequences.jobs.run_sequence", sequence.pk)]
        jobs.run_sequence(queues.jobs.pop()[1])
        sequence.refresh_from_db()
        assert (sequence.state, RawFile.objects.count()) == (state, n_stored)
    assert (sequence.n_done, queues.commit().jobs) == (3, [])


def test_stopped_and_continued(send, as_alice, queues):
    send(file("cube.fits", sun(2)), work=False)
    sequence = Sequence.objects.get()
    page = as_alice.get(sequence.get_absolute_url()).text
    assert 'hx-trigger="every 1s"' in page
    as_alice.post(f"{sequence.get_absolute_url()}cancel/")
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, Patch.objects.count()) == ("cancelled", 0)
    assert "Continue" in as_alice.get(sequence.get_absolute_url()).text
    as_alice.post(f"{sequence.get_absolute_url()}retry/")
    queues.work()
    sequence.refresh_from_db()
    assert (sequence.state, sequence.patch.frames.count()) == ("done", 2)


def test_a_source_that_changed_on_disk_is_not_used(send, queues):
    send(file("cube.fits", sun(2)), work=False)
    storage.write_bytes(raw_key(SourceFile.objects.get().sha256), fits_bytes(sun(2, seed=9)))
    queues.work()
    assert "cube.fits has changed on disk" in Sequence.objects.get().error


# -- What is refused, where it was typed ---------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("pixel_scale", {"pixel_scale": ""}, "Without the side of a pixel"),
        ("pixel_scale", {"pixel_scale": "0"}, "That is 0 km on the Sun"),
        ("pixel_scale", {"pixel_scale": "50"}, "That is 36265 km on the Sun"),
        ("pixel_scale", {"pixel_scale": "nan"}, "Enter a number"),
        ("pixel_scale", {"pixel_scale": "0.5", "scale_unit": "km"}, "pixels of 5 to 5000 km"),
        ("first", {"first": ""}, "cube.fits does not tell when it was taken"),
        ("cadence_s", {"cadence_s": ""}, "give the cadence"),
        ("cadence_s", {"cadence_s": "0.5"}, "must not fall into one second"),
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
