"""Cubes and files of other instruments: what they hold, when it was taken, and what is no sequence."""

import gzip
import hashlib
import io
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits

from processing import sequence_files
from processing.errors import FitsError, FrameError, ParameterError
from processing.sequence_files import (
    Frames,
    by_exposure,
    exposure_in,
    in_name_order,
    open_sequence_file,
    time_in,
    times_of,
)
from processing.timekeys import parse_t_rec
from tests.real_data import REAL_DATA, needs_real_data

CUBE = REAL_DATA / "sunspot_cube" / "cube_sunspot.fits"
# 35 leap seconds lay between UTC and TAI in 2013
TEN_36_S = parse_t_rec("2013.06.20_10:36:00_TAI")
TEN_36 = "2013-06-20T10:35:25"


def fits_bytes(data, *, compressed=False, **cards) -> bytes:
    """A FITS file with that image and these cards."""
    header = fits.Header(list(cards.items()))
    image = fits.CompImageHDU(data, header) if compressed else fits.PrimaryHDU(data, header)
    hdus = [fits.PrimaryHDU(), image] if compressed else [image]
    fits.HDUList(hdus).writeto(whole := io.BytesIO())
    return whole.getvalue()


def opened(name="a.fits", shape=(4, 5), *, seed=None, **cards):
    """A file of that shape; with its own pixels, so that no two are the same file."""
    seed = sum(map(ord, name)) if seed is None else seed
    data = np.random.default_rng(seed).normal(1000, 10, shape).astype(np.float32)
    return open_sequence_file(fits_bytes(data, **cards), name)


# ---- Reading ----------------------------------------------------------------------------


@needs_real_data
def test_a_real_cube_with_a_bare_header_is_read():
    source = open_sequence_file(CUBE)
    assert (source.name, source.n_frames, source.shape) == ("cube_sunspot.fits", 30, (128, 128))
    assert source.cards == {}
    assert (source.time_s, source.exposure_s, source.helioprojective) == (None, None, False)
    assert source.sha256 == hashlib.sha256(CUBE.read_bytes()).hexdigest()
    frames = list(source.frames())
    whole = fits.getdata(CUBE)
    assert frames[7].dtype == np.float32
    assert np.array_equal(np.array(frames), whole.astype(np.float32))
    assert np.array_equal(source.frame(29), frames[29])


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("packed", [False, True], ids=["file", "gzipped"])
def test_scaled_whole_numbers_with_blanks_become_real_ones(compressed, packed):
    stored = np.arange(3 * 20 * 30, dtype=np.int16).reshape(3, 20, 30)
    stored[1, 2, 3] = -32768
    raw = fits_bytes(stored, compressed=compressed, BLANK=-32768, XSCALE=3.0, XZERO=100.0)
    raw = raw.replace(b"XSCALE", b"BSCALE").replace(b"XZERO", b"BZERO")  # astropy drops them beside whole numbers
    source = open_sequence_file(gzip.compress(raw) if packed else raw, "scaled.fits")
    expected = np.where(stored == -32768, np.nan, 3.0 * stored + 100).astype(np.float32)
    assert np.array_equal(source.frame(1), expected[1], equal_nan=True)
    assert np.array_equal(np.array(list(source.frames())), expected, equal_nan=True)
    assert "BSCALE" not in source.cards


@pytest.mark.parametrize(
    ("shape", "n_frames"),
    [((6, 7), 1), ((1, 6, 7), 1), ((3, 6, 7), 3), ((3, 1, 6, 7), 3), ((1, 3, 6, 7), 3), ((1, 1, 6, 7), 1)],
    ids=str,
)
def test_axes_of_length_one_do_not_count(shape, n_frames):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    source = open_sequence_file(fits_bytes(data), "axes.fits")
    assert (source.n_frames, source.shape) == (n_frames, (6, 7))
    assert np.array_equal(np.array(list(source.frames())), data.reshape(-1, 6, 7))


def test_what_the_header_tells_is_noted():
    cards = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "DATE_OBS": TEN_36, "XPOSURE": 0.25, "TELESCOP": "X"}
    source = opened(**cards)
    assert (source.time_s, source.exposure_s, source.helioprojective) == (TEN_36_S, 0.25, True)
    assert source.cards["TELESCOP"] == "X"
    assert not any(keyword.startswith("NAXIS") for keyword in source.cards)
    assert opened(CTYPE1="SOLAR-X", CTYPE2="SOLAR_Y").helioprojective
    assert not opened(CTYPE1="HPLN-TAN", CTYPE2="STOKES").helioprojective
    assert not opened(CTYPE1="RA---TAN", CTYPE2="DEC--TAN").helioprojective


def test_a_primary_header_without_an_image_speaks_for_the_image_after_it():
    hdus = fits.HDUList([fits.PrimaryHDU(header=fits.Header({"EXPTIME": 2.0})), fits.ImageHDU(np.ones((4, 4)))])
    hdus.writeto(raw := io.BytesIO())
    assert open_sequence_file(raw.getvalue(), "a.fits").exposure_s == 2.0


def test_only_one_frame_is_in_memory(tmp_path):
    path = tmp_path / "long.fits"
    fits.writeto(path, np.ones((40, 256, 256), np.float32))
    source = open_sequence_file(path)
    tracemalloc.start()
    try:
        n_read = sum(1 for _ in source.frames())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_read == 40
    assert peak < 8 * 256 * 256 * 4  # of 40


def test_frames_of_several_files_are_one_sequence(tmp_path):
    whole = np.arange(5 * 4 * 5, dtype=np.float32).reshape(5, 4, 5)
    sources = [open_sequence_file(fits_bytes(part), "a.fits") for part in (whole[:3], whole[3], whole[4:])]
    frames = Frames(sources)
    assert len(frames) == 5
    assert np.array_equal(np.array(list(frames)), whole)
    assert np.array_equal(frames[-1], whole[4])
    assert np.array_equal(np.array(frames[1:4]), whole[1:4])


def test_frames_are_grouped_by_exposure():
    sources = [opened("a", EXPTIME=1.0), opened("b"), opened("c", (2, 4, 5), EXPTIME=1.0), opened("d", EXPTIME=3.0)]
    assert {exposure: len(frames) for exposure, frames in by_exposure(sources).items()} == {1.0: 3, None: 1, 3.0: 1}


def test_numbers_in_names_are_ordered_by_value():
    names = ["scan2_frame10.fits", "scan10_frame1.fits", "scan2_frame9.fits", "dark.fits", "3.fits"]
    ordered = [source.name for source in in_name_order(map(opened, names))]
    assert ordered == ["3.fits", "dark.fits", "scan2_frame9.fits", "scan2_frame10.fits", "scan10_frame1.fits"]


# ---- What is no sequence ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"GIF89a" + bytes(3000), "x.fits is not a FITS file: it does not begin with SIMPLE"),
        (gzip.compress(b"GIF89a" + bytes(3000)), "x.fits is damaged or cut short"),
        (fits_bytes(None), "x.fits holds no image"),
        (fits_bytes(np.ones(50)), r"x.fits holds an array of shape \(50,\), not an image"),
        (fits_bytes(np.ones((9, 1))), r"x.fits holds an array of shape \(9, 1\), not an image"),
        (fits_bytes(np.ones((2, 3, 4, 5))), "a sequence has one axis besides rows and columns"),
        (fits_bytes(np.ones((3, 4, 5)), CTYPE3="WAVE"), "x.fits is a cube along WAVE, not a sequence in time"),
        (fits_bytes(np.ones((4, 1, 4, 5)), CTYPE4="STOKES"), "x.fits is a cube along STOKES"),
        (fits_bytes(np.ones((30, 40, 50)))[:-60_000], "x.fits is damaged or cut short"),
        (fits_bytes(np.ones((30, 40, 50), np.int16), compressed=True)[:-2880], "x.fits is damaged or cut short"),
        (gzip.compress(fits_bytes(np.random.default_rng(0).random((30, 40, 50))))[:-9000], "x.fits is damaged or cut"),
    ],
    ids=[
        "gif",
        "gzipped gif",
        "header",
        "1-d",
        "a column",
        "4-d",
        "spectrum",
        "Stokes",
        "cut",
        "cut and compressed",
        "cut and gzipped",
    ],
)
def test_other_files_are_refused_in_a_sentence(raw, sentence):
    with pytest.raises(FitsError, match=sentence):
        open_sequence_file(raw, "x.fits")


def test_a_spectral_axis_of_length_one_is_no_hindrance():
    assert open_sequence_file(fits_bytes(np.ones((3, 1, 4, 5)), CTYPE3="WAVE"), "x.fits").n_frames == 3


def test_frames_of_too_many_pixels_are_refused_and_long_cubes_are_not(monkeypatch):
    monkeypatch.setattr(sequence_files, "MAX_PIXELS", 400)
    assert opened(shape=(5, 20, 20)).n_frames == 5
    with pytest.raises(FitsError, match="claims frames of 420 pixels, more than 400"):
        opened(shape=(20, 21))


def test_a_frame_without_a_finite_pixel_is_refused_when_it_is_read():
    data = np.ones((3, 4, 5))
    data[1] = np.nan
    data[2, 0, 0] = np.inf
    source = open_sequence_file(fits_bytes(data), "x.fits")
    assert np.isnan(source.frame(2)[0, 0])
    with pytest.raises(FrameError, match=r"frame 2 of x\.fits has no finite pixel"):
        source.frame(1)
    with pytest.raises(IndexError):
        source.frame(3)


# ---- Times ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cards", "seconds"),
    [
        ({"T_REC": "2013.06.20_10:36:00_TAI"}, 0),
        ({"T_REC": "2013-06-20T10:36:00"}, 0),
        ({"T_OBS": "2013.06.20_10:36:00.25_TAI"}, 0.25),
        ({"T_OBS": "2013-06-20T10:35:25.50Z"}, 0.5),
        ({"DATE-OBS": TEN_36}, 0),
        ({"DATE_OBS": "2013/06/20 10:35:25.5"}, 0.5),
        ({"DATE-BEG": TEN_36, "DATE-OBS": "2013-06-20T10:35:26"}, 1),
        ({"DATE-OBS": TEN_36, "T_REC": "2013.06.20_10:48:00_TAI"}, 720),
        ({"DATE-OBS": "2013-06-20T10:36:00", "TIMESYS": "TAI"}, 0),
        ({"DATE-OBS": TEN_36, "TIMESYS": "UT"}, 0),
        ({"DATE-OBS": "2013-06-20", "TIME-OBS": "10:35:25"}, 0),
        ({"DATE-OBS": "2013-06-20", "T_OBS": "2013-06-20T10:35:25"}, 0),
        ({"DATE-OBS": "", "DATE-BEG": TEN_36}, 0),
    ],
)
def test_the_time_in_a_header(cards, seconds):
    assert time_in(cards) == pytest.approx(TEN_36_S + seconds, abs=1e-4)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"DATE-OBS": "2013-06-20"},
        {"DATE-OBS": "yesterday at 10:00"},
        {"DATE-OBS": "2013-02-30T10:00:00"},
        {"DATE-OBS": "2300-01-01T00:00:00"},
        {"DATE-OBS": TEN_36, "TIMESYS": "MARS"},
        {"DATE": TEN_36},
        {"T_REC": 12.5},
    ],
    ids=str,
)
def test_headers_that_do_not_tell_the_time(cards):
    assert time_in(cards) is None


def test_exposure_times():
    assert exposure_in({"EXPTIME": 0.5}) == 0.5
    assert exposure_in({"EXPTIME": 0, "TEXPOSUR": "2.5"}) == 2.5
    assert exposure_in({"EXPOSURE": "long", "XPOSURE": 3}) == 3.0
    assert exposure_in({"EXPTIME": -1, "EXPOSURE": "nan"}) is None


def test_files_are_sorted_by_the_times_in_their_headers():
    sources = [opened(f"{minute}.fits", DATE_OBS=f"2013-06-20T10:{minute}:25.4") for minute in (59, 35, 47)]
    timed = times_of(sources)
    assert [frame.source.name for frame in timed] == ["35.fits", "47.fits", "59.fits"]
    assert [frame.t_s - TEN_36_S for frame in timed] == [0, 720, 1440]
    assert times_of([opened(DATE_OBS="2013-06-20T10:35:25.6")])[0].t_s - TEN_36_S == 1
    assert np.array_equal(timed[0].read(), sources[1].frame(0))


def test_cubes_that_tell_when_they_begin_need_the_cadence_alone():
    late = opened("late", (2, 4, 5), DATE_OBS="2013-06-20T10:59:25")
    early = opened("early", (3, 4, 5), DATE_OBS=TEN_36)
    timed = times_of([late, early], cadence_s=45, first=datetime(1999, 1, 1))
    assert [(frame.t_s - TEN_36_S, frame.source.name, frame.index) for frame in timed] == [
        (0, "early", 0), (45, "early", 1), (90, "early", 2), (1440, "late", 0), (1485, "late", 1),
    ]  # fmt: skip
    with pytest.raises(FrameError, match="early does not tell the times of its frames: give the cadence"):
        times_of([late, early])


def test_files_that_do_not_tell_follow_the_first_by_the_cadence():
    sources = [opened("b.fits", (2, 4, 5)), opened("a.fits", DATE_OBS=TEN_36), opened("c.fits")]
    timed = times_of(sources, first=datetime(2013, 6, 20, 10, 36), cadence_s=0.75 * 1000, scale="tai")
    assert [(frame.t_s - TEN_36_S, frame.source.name) for frame in timed] == [
        (0, "b.fits"), (750, "b.fits"), (1500, "a.fits"), (2250, "c.fits"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "scale"),
    [
        (datetime(2013, 6, 20, 10, 35, 25), "utc"),
        (datetime(2013, 6, 20, 10, 36), "tai"),
        (datetime(2013, 6, 20, 10, 35, 25, tzinfo=UTC), "utc"),
        (datetime(2013, 6, 20, 12, 35, 25, tzinfo=timezone(timedelta(hours=2))), "utc"),
    ],
    ids=["UTC", "TAI", "said to be UTC", "of another zone"],
)
def test_the_first_time_is_utc_or_tai(first, scale):
    assert [frame.t_s for frame in times_of([opened()], first=first, scale=scale)] == [TEN_36_S]


def test_a_cadence_that_is_no_whole_number_does_not_drift():
    timed = times_of([opened(shape=(101, 4, 5))], first=datetime(2013, 6, 20), cadence_s=11.88)
    assert timed[100].t_s - timed[0].t_s == 1188
    assert {after.t_s - before.t_s for before, after in pairwise(timed)} == {11, 12}


DAY = datetime(2013, 6, 20)


@pytest.mark.parametrize(
    ("sources", "options", "sentence"),
    [
        ([], {}, "a sequence needs at least one file, got none"),
        ([("a", (3, 4, 5), {})], {}, "a does not tell when it was taken: give the first frame's time and the cadence"),
        ([("a", (3, 4, 5), {})], {"first": DAY}, "a does not tell the times of its frames: give the cadence"),
        ([("a", (3, 4, 5), {})], {"cadence_s": 60}, "a does not tell when it was taken"),
        ([("a", (4, 5), {}), ("b", (4, 5), {})], {"first": DAY}, "a does not tell the times of its frames"),
        ([("a", (4, 5), {}), ("b", (4, 6), {})], {"first": DAY, "cadence_s": 9}, r"b has frames of \(4, 6\)"),
        ([("a", (3, 4, 5), {})], {"first": DAY, "cadence_s": 0.4}, "frame 1 of a and frame 2 of a are of the same"),
        (
            [("a", (4, 5), {"DATE_OBS": TEN_36}), ("b", (4, 5), {"T_REC": "2013.06.20_10:36:00_TAI"})],
            {},
            "frame 1 of a and frame 1 of b are of the same second, 2013.06.20_10:36:00_TAI",
        ),
    ],
)  # fmt: skip
def test_sequences_without_an_order_in_time_are_refused(sources, options, sentence):
    files = [opened(name, shape, **cards) for name, shape, cards in sources]
    with pytest.raises(FrameError, match=sentence):
        times_of(files, **options)


def test_one_file_given_twice_is_refused():
    with pytest.raises(FrameError, match="a and copy are the same file"):
        times_of([opened("a", seed=1), opened("b"), opened("copy", seed=1)], first=DAY, cadence_s=60)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cadence_s": 0}, "the cadence must be a positive number of seconds, not 0"),
        ({"cadence_s": float("nan")}, "not nan"),
        ({"scale": "ut1"}, "a time is given in utc or tai, not 'ut1'"),
        ({"scale": "tai", "first": datetime(2013, 6, 20, tzinfo=UTC)}, "has a time zone and so cannot be TAI"),
        ({"first": datetime(2300, 1, 1)}, "2300-01-01T00:00:00 is no time whose leap seconds are known"),
    ],
)
def test_first_times_without_meaning_are_refused(options, sentence):
    with pytest.raises(ParameterError, match=sentence):
        times_of([opened()], **{"first": DAY, **options})
