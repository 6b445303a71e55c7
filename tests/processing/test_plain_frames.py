"""Frames that are no SHARPs: files of sequences, maps without places, and cadences other than HMI's."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from processing.chain import FrameResult, process_frame
from processing.checksums import check_sums
from processing.errors import FitsError, FrameError
from processing.fits import (
    PatchFrame,
    join_segments,
    read_key,
    read_segment,
    read_sequence_frame,
    sequence_file_name,
    write_sequence_frame,
)
from processing.flags import FeatureFlag
from processing.geometry import PlainGeometry, geometry_of
from processing.limb_darkening import limb_darkening
from processing.lineage import Node, build_lineage
from processing.parameters import ChainParameters
from processing.reduce import flatten, quiet_sun_level
from processing.series import run
from processing.timekeys import CADENCE_S, gaps_in, parse_t_rec, slots_between, slots_of, t_rec_s_of, usual_step, utc_of
from processing.track import DetectedFrame, link_series, series_breaks
from tests.processing.drawing import GEOMETRY, SHAPE, START_S, Disk, detect, draw, seen_by_hmi
from tests.real_data import REAL_DATA

SIDE_MM = 0.504 * 0.72527  # HMI's pixel of 0.504 arcsec at disk centre and 1 au
PLAIN = PlainGeometry(SIDE_MM)
CARDS = {"SEQUENCE": "AR 11757, Tenerife", "BUNIT": "counts", **PLAIN.cards()}
CUBE = REAL_DATA / "sunspot_cube" / "cube_sunspot.fits"


def seen(disks: Sequence[Disk], *, seed: int = 3) -> np.ndarray:
    """A continuum of 3000 with pores (rows and columns of the native grid), as a telescope like HMI has it."""
    doubled = [(2 * row + 0.5, 2 * col + 0.5, 2 * radius) for row, col, radius in disks]
    contrast = seen_by_hmi(draw(doubled, shape=(2 * SHAPE[0], 2 * SHAPE[1])))
    return 3000 * (contrast + np.random.default_rng(seed).normal(0, 0.01, SHAPE))


def plain_frame(data: np.ndarray, t_rec_s: int = START_S) -> PatchFrame:
    """Through its file, as the site has it."""
    raw = write_sequence_frame(data, t_rec_s=t_rec_s, cards=CARDS)
    return join_segments([read_sequence_frame(raw, "any name")])


# -- Files ----------------------------------------------------------------------------------------------------


def test_a_file_holds_the_frame_exactly():
    data = np.random.default_rng(1).normal(3000, 50, (20, 31)).astype(np.float32)
    data[4, 5:9] = np.nan
    raw = write_sequence_frame(data, t_rec_s=START_S, cards=CARDS)
    assert raw == write_sequence_frame(data.astype(np.float64), t_rec_s=START_S, cards=CARDS)
    segment = read_sequence_frame(raw, "sequence.fits")
    np.testing.assert_array_equal(segment.data, data)
    assert (segment.name, segment.harpnum, segment.series, segment.bare) == ("continuum", 0, "", False)
    assert (segment.t_rec_s, segment.sequence) == (START_S, "AR 11757, Tenerife")
    assert segment.sha256 == hashlib.sha256(raw).hexdigest()
    assert geometry_of(segment.cards).pixel_side_mm == pytest.approx(SIDE_MM, rel=1e-11)
    known = data[np.isfinite(data)]
    assert segment.cards["DATAMEDN"] == pytest.approx(np.median(known))
    assert (segment.cards["DATAMIN"], segment.cards["DATAMAX"]) == (known.min(), known.max())
    check_sums(raw, "sequence.fits")
    with pytest.raises(FitsError, match="does not add up as its CHECKSUM says"):
        check_sums(raw.replace(b"Tenerife", b"La Palma"), "sequence.fits")


def test_equal_frames_are_equal_bytes(monkeypatch):
    data = np.ones((4, 4))
    first = write_sequence_frame(data, t_rec_s=START_S, cards=CARDS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write_sequence_frame(data, t_rec_s=START_S, cards=CARDS) == first
    assert write_sequence_frame(data, t_rec_s=START_S + 1, cards=CARDS) != first


def test_the_reader_of_sharps_reads_it_whatever_its_name():
    raw = write_sequence_frame(np.ones((4, 4)), t_rec_s=START_S, cards=CARDS)
    name = sequence_file_name("tenerife", START_S)
    assert name == "tenerife.20130620_103600_TAI.continuum.fits"
    for of_file in (name, "x/y.fits", "hmi.sharp_cea_720s.2875.20130618_122400_TAI.Br.fits"):
        assert read_segment(raw, of_file).harpnum == 0
        assert read_key(raw, of_file) == (0, START_S, "continuum")
    frame = join_segments([read_segment(raw, name)])
    assert "HARPNUM" not in frame.cards
    assert isinstance(frame.geometry, PlainGeometry)


def test_a_harp_is_no_sequence():
    header = fits.Header({"HARPNUM": 7, "T_REC": "2013.06.20_10:36:00_TAI", "SEQUENCE": "a card of somebody's own"})
    hdus = fits.HDUList([fits.PrimaryHDU(np.ones((3, 3)), header)])
    hdus.writeto(whole := io.BytesIO())
    assert read_segment(whole.getvalue(), "a.Br.fits").harpnum == 7
    with pytest.raises(FitsError, match="is of HARP 7, not a frame of a sequence"):
        read_sequence_frame(whole.getvalue(), "a.Br.fits")


def test_any_name_can_be_written():
    for name in ("Göttingen – Süd", "it's a name with 'quotes' that is as long as sixty letters are"):
        raw = write_sequence_frame(np.ones((3, 3)), t_rec_s=START_S, cards={**CARDS, "SEQUENCE": name})
        told = read_sequence_frame(raw, "a.fits").sequence
        assert told == name.encode("ascii", "replace").decode()


@pytest.mark.parametrize(
    ("data", "cards", "error"),
    [
        (np.ones(3), {}, FrameError),
        (np.full((3, 3), np.nan), {}, FrameError),
        (np.ones((3, 3)), {"SEQUENCE": " "}, FitsError),
        (np.ones((3, 3)), {"HARPNUM": 3}, FitsError),
        (np.ones((3, 3)), {"EXPTIME": float("nan")}, FitsError),
    ],
    ids=["no image", "no pixel", "no name", "a HARP", "no number"],
)
def test_what_is_no_frame_of_a_sequence_is_not_written(data, cards, error):
    with pytest.raises(error):
        write_sequence_frame(data, t_rec_s=START_S, cards={**CARDS, **cards})


# -- Geometry -------------------------------------------------------------------------------------------------


def test_cards_tell_which_geometry_it_is():
    found = geometry_of(PLAIN.cards())
    assert isinstance(found, PlainGeometry)
    assert found.pixel_side_mm == pytest.approx(SIDE_MM, rel=1e-11)
    assert not found.knows_places
    assert np.isnan(found.mu_map((3, 4))).all()
    sharp = {"CTYPE1": "CRLN-CEA", **{name.upper(): value for name, value in vars(GEOMETRY).items()}}
    assert geometry_of(sharp) == GEOMETRY
    assert GEOMETRY.knows_places


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CUNIT2": "deg"}, "CUNIT2 is deg"),
        ({"CDELT2": 0.5}, "must be squares"),
        ({"CDELT1": -0.3, "CDELT2": -0.3}, "positive side"),
        ({"CDELT1": "wide"}, "not both numbers"),
        ({"CDELT1": None}, "no CDELT1"),
        ({"CUNIT1": "km"}, "not CEA"),
        ({"CUNIT1": None}, "not CEA"),
    ],
    ids=["one axis", "no square", "mirrored", "no number", "no step", "another unit", "no unit"],
)
def test_cards_that_tell_no_geometry_are_refused(changes, words):
    cards = {card: value for card, value in {**PLAIN.cards(), **changes}.items() if value is not None}
    with pytest.raises(FrameError, match=words):
        geometry_of(cards)


# -- The chain ------------------------------------------------------------------------------------------------

PORES = [(20, 30, 4.0), (44, 70, 6.0)]


def test_the_chain_measures_all_but_places():
    result = process_frame(plain_frame(seen(PORES)), ChainParameters(enhance="richardson-lucy"))
    found = result.features
    assert len(found) == 2
    for pore, (row, col, radius) in zip(found, PORES, strict=True):
        assert np.hypot(pore["row"] - 2 * row - 0.5, pore["col"] - 2 * col - 0.5) < 0.3
        assert pore["area"].value == pytest.approx(np.pi * (radius * SIDE_MM) ** 2, rel=0.2)
        # a hemisphere has 2 pi (696 Mm)^2
        assert pore["area_msh"] == pytest.approx(pore["area"].value / (2 * np.pi * 696**2) * 1e6, rel=1e-12)
        for unknown in ("lon", "lat", "tx", "ty", "mu", "area_projected", "area_projected_msh", "flux", "b"):
            assert np.isnan(pore[unknown])
        for known in ("area_err", "intensity_min", "major", "perimeter"):
            assert np.isfinite(pore[known])
    assert set(found["flags"]) == {FeatureFlag.NO_FIELD | FeatureFlag.NEAR_LIMB}
    assert result.quiet_sun == pytest.approx(3000, rel=0.005)
    assert np.isnan(result.mu_range).all()
    assert sum(result.quiet_curve.n) == 0
    assert not result.geometry.knows_places
    assert result.geometry.pixel_side_mm == pytest.approx(SIDE_MM / 2)


def test_limb_darkening_stays_in_where_mu_is_not_known():
    mu = GEOMETRY.mu_map(SHAPE)
    continuum = 57_000 * limb_darkening(mu)
    flat = flatten(continuum, PlainGeometry(GEOMETRY.pixel_side_mm))
    np.testing.assert_allclose(flat.contrast * flat.quiet_sun, continuum)
    assert flat.quiet_sun == quiet_sun_level(continuum)
    assert np.isnan(flat.mu).all()
    assert np.ptp(flat.contrast) > 10 * np.ptp(flatten(continuum, GEOMETRY).contrast)


def test_what_is_found_is_what_the_same_image_of_a_sharp_shows():
    """Without a law and on the same pixel nothing depends on where the map lies."""
    data = seen(PORES).astype(np.float32)
    parameters = ChainParameters(enhance="cubic-spline", limb_darkening="none")
    cards = {"CTYPE1": "CRLN-CEA", **{name.upper(): value for name, value in vars(GEOMETRY).items()}}
    sharp = process_frame(PatchFrame(7, START_S, cards, {"continuum": data}), parameters)
    plain = process_frame(replace(plain_frame(data), cards=PlainGeometry(GEOMETRY.pixel_side_mm).cards()), parameters)
    np.testing.assert_array_equal(plain.labels, sharp.labels)
    for column in ("row", "col", "area", "area_msh", "area_err", "intensity_mean", "major", "perimeter"):
        np.testing.assert_allclose(plain.features[column], sharp.features[column], rtol=1e-6)
    assert np.isfinite(sharp.features["lon"]).all()


def test_a_folder_of_a_sequence_runs_on_the_command_line(tmp_path):
    for k in range(3):
        raw = write_sequence_frame(seen([(30, 40 + k, 5)]), t_rec_s=START_S + 30 * k, cards=CARDS)
        (tmp_path / f"{k}.fits").write_bytes(raw)
    words = run(tmp_path, tmp_path / "out", enhance="cubic-spline")
    assert "3 frames in" in words
    assert "1 tracks, 2 links" in words
    assert "left out" not in words
    assert len(list((tmp_path / "out").glob("ar-11757-tenerife.*.contrast.fits"))) == 3
    assert (tmp_path / "out" / "movie.mp4").stat().st_size > 1000
    other = write_sequence_frame(seen([]), t_rec_s=START_S, cards={**CARDS, "SEQUENCE": "another"})
    (tmp_path / "other.fits").write_bytes(other)
    with pytest.raises(FrameError, match="one at a time"):
        run(tmp_path, tmp_path / "out")


# -- Time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cadence_s", [30, 45, 720, 1800])
def test_slots_off_the_grid_are_those_next_to_it(cadence_s):
    jitter = 0.2 * cadence_s
    times = [int(START_S + k * cadence_s + jitter * np.sin(k)) for k in (0, 1, 2, 5, 6, 7, 12)]
    assert slots_of(times, cadence_s) == [0, 1, 2, 5, 6, 7, 12]
    assert [len(missing) for missing in gaps_in(times, cadence_s)] == [2, 4]


def test_deviations_from_the_grid_do_not_add_up():
    """Every frame is a second late; after sixty frames that is two steps, but none is missing."""
    times = list(range(0, 60 * 31, 31))
    assert slots_of(times, 30) == list(range(60))
    assert gaps_in(times, 30) == []


@given(st.lists(st.integers(1, 5000), max_size=20), st.integers(1, 900))
def test_slots_rise_and_tell_what_is_missing(steps, cadence_s):
    times = [0, *np.cumsum(steps).tolist()]
    slots = slots_of(times, cadence_s)
    assert slots[0] == 0
    for (a, b), (before, after) in zip(zip(times, times[1:]), zip(slots, slots[1:])):  # noqa: B905, RUF007
        assert after - before == 1 + len(slots_between(a, b, cadence_s)) >= 1
        assert abs((b - a) - (after - before) * cadence_s) <= max(cadence_s, 1) / 2 + 1 or b - a < cadence_s


@pytest.mark.parametrize(
    ("times", "step"),
    [
        ([], 720),
        ([0], 720),
        ([0, 720, 1440], 720),
        ([0, 2160, 5040, 7200], 720),  # of HMI's records most may be missing
        ([0, 30, 60, 120, 150], 30),
        ([0, 31, 60, 91, 120], 30),
        ([0, 1800, 3600, 5400], 1800),
    ],
    ids=["none", "one", "HMI", "HMI with gaps", "a gap", "uneven", "half an hour"],
)
def test_the_step_that_nobody_tells(times, step):
    assert usual_step(times) == step


def test_utc_to_t_rec_and_back():
    assert t_rec_s_of(datetime(2013, 6, 20, 10, 35, 25)) == parse_t_rec("2013.06.20_10:36:00_TAI")
    assert t_rec_s_of(utc_of(START_S)) == START_S
    assert t_rec_s_of(datetime(2013, 6, 20, 10, 35, 25, 499_000)) == START_S


@pytest.mark.parametrize("cadence_s", [30, 720, 1800])
@pytest.mark.parametrize(("missing", "n_tracks"), [(4, 1), (5, 2)], ids=["four are bridged", "five are not"])
def test_a_gap_is_of_so_many_frames_at_any_cadence(cadence_s, missing, n_tracks):
    slots = [0, 1, 2, 3, 4 + missing, 5 + missing, 6 + missing]
    frames = detect([[(32, 40, 5), (16, 70, 4)]] * len(slots))
    frames = [replace(frame, t_rec_s=START_S + slot * cadence_s) for frame, slot in zip(frames, slots, strict=True)]
    for told in (cadence_s, None):
        linked = link_series(frames, pixel_side_mm=SIDE_MM, max_gap=4, cadence_s=told)
        assert len(linked.links) == 2 * (7 - n_tracks)
    times = [frame.t_rec_s for frame in frames]
    assert series_breaks(times, max_gap=4, cadence_s=cadence_s) == (set() if n_tracks == 1 else {4})


def test_the_cadence_that_is_told_counts():
    """Frames 72 minutes apart: taken for every sixth of HMI's their pores are lost."""
    frames = [
        replace(frame, t_rec_s=START_S + 6 * CADENCE_S * k) for k, frame in enumerate(detect([[(32, 40, 5)]] * 3))
    ]
    assert link_series(frames, pixel_side_mm=SIDE_MM, max_gap=4, cadence_s=CADENCE_S).links == []
    assert len(link_series(frames, pixel_side_mm=SIDE_MM, max_gap=4, cadence_s=6 * CADENCE_S).links) == 2


# -- A real sequence ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not CUBE.is_file(), reason="the real sequence is not at ../shared/data/sunspot_cube")
@pytest.mark.parametrize("cadence_s", [720, 30])
def test_spot_and_pore_are_one_track_each_through_a_real_sequence(cadence_s, real_results):
    frames, nodes, area, place = [], [], [], []
    for k, result in enumerate(real_results):
        table, first = result.features, len(nodes)
        ids = np.arange(first, first + len(table))
        columns = (np.asarray(table[name]) for name in ("row", "col", "area_px"))
        frames.append(DetectedFrame(START_S + cadence_s * k, ids, *columns, result.labels, table["intensity_mean"]))
        nodes += [
            Node(int(pk), k, bool(flags & FeatureFlag.ON_EDGE)) for pk, flags in zip(ids, table["flags"], strict=True)
        ]
        area += table["area"].value.tolist()
        place += list(zip(table["row"], table["col"], strict=True))
    # reach falls with the root of the step: at 30 s a pore may go a fifth of what it may in 12 minutes
    linked = link_series(frames, pixel_side_mm=SIDE_MM / 2, reach_mm=1.5, max_gap=4, cadence_s=cadence_s)
    tracks = build_lineage(nodes, linked.links, n_frames=30).tracks
    through = sorted((track for track in tracks if len(track.ids) == 30), key=lambda track: -area[track.ids[0]])
    assert len(through) == 2
    (spot_row, spot_col), (pore_row, pore_col) = (np.mean([place[pk] for pk in track.ids], axis=0) for track in through)
    assert np.hypot(spot_row - 130, spot_col - 125) < 5
    assert pore_row > spot_row + 30  # north-east of it
    assert pore_col < spot_col - 20
    spot, pore = (np.array([area[pk] for pk in track.ids]) for track in through)
    assert 38 < spot.min() < spot.max() < 48
    assert 0.66 < pore.min() < pore.max() < 5


@pytest.fixture(scope="module")
def real_results() -> list[FrameResult]:
    """Each frame of the cube through the chain, as a sequence of HMI's pixel without places."""
    parameters = ChainParameters(enhance="richardson-lucy", threshold=0.66)
    cube = fits.getdata(CUBE)
    return [process_frame(plain_frame(image, START_S + CADENCE_S * k), parameters) for k, image in enumerate(cube)]
