"""A made-up region: its pixels can be read like a SHARP's, its truth is that of its scenes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from scipy import ndimage

from processing.errors import FrameError, ParameterError
from processing.fits import SEGMENTS, read_patch_frame, segment_file_name
from processing.geometry import CeaGeometry
from processing.reduce import flatten
from processing.synthetic import Simulation, SimulationParameters, read_truth, simulate, write_simulation
from processing.synthetic_sun import THRESHOLD, Bundle, blur_and_bin, granulation, pore_contrast, union_scale
from processing.synthetic_truth import MIN_AREA_PX

SMALL = SimulationParameters(
    shape=(120, 200), n_frames=24, n_pores=5, n_mergers=1, n_splits=1, n_flickers=1, lost=(12,)
)
QUIET = SimulationParameters(shape=(96, 128), n_frames=3, n_pores=1, n_mergers=0, n_splits=0, n_flickers=0, lost=())


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulation(QUIET, tmp_path_factory.mktemp("simulated"))


def paths_of(folder: Path, parameters: SimulationParameters, index: int) -> list[Path]:
    t_rec_s = parameters.t_rec_s(index)
    return [folder / segment_file_name(parameters.harpnum, t_rec_s, segment) for segment in SEGMENTS]


def test_the_same_parameters_give_the_same_pixels_and_truth(small):
    again = simulate(SMALL)
    assert again.truth == small.truth
    one, other = small.frame(5), again.frame(5)
    assert one.cards == other.cards
    for segment in SEGMENTS:
        np.testing.assert_array_equal(one.maps[segment], other.maps[segment])


def test_another_seed_gives_another_sun(small):
    other = simulate(dataclasses.replace(SMALL, seed=SMALL.seed + 1))
    assert other.truth.events != small.truth.events
    assert not np.array_equal(other.frame(5).maps["continuum"], small.frame(5).maps["continuum"])


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_wanted_events_happen(seed):
    truth = simulate(dataclasses.replace(SMALL, seed=seed)).truth
    assert [len(truth.events_of(kind)) for kind in ("merge", "split", "gap")] == [1, 1, 1]
    for event in truth.events:
        assert 3 < event.frame < SMALL.n_frames - 4
        assert 12 not in range(event.last_frame - 2, event.frame + 3)
    gap = truth.events_of("gap")[0]
    hidden = [index for index, pore in truth.track(gap.parents[0]) if not pore.visible]
    assert hidden == list(range(gap.last_frame + 1, gap.frame))
    assert 1 <= len(hidden) <= 3


def test_tracks_end_at_a_merge_and_begin_at_a_split(small):
    merge, split = small.truth.events_of("merge")[0], small.truth.events_of("split")[0]
    assert (len(merge.parents), len(merge.children)) == (2, 1)
    assert (len(split.parents), len(split.children)) == (1, 2)
    for parent in merge.parents + split.parents:
        event = merge if parent in merge.parents else split
        assert small.truth.track(parent)[-1][0] == event.last_frame
    for child in merge.children + split.children:
        event = merge if child in merge.children else split
        assert small.truth.track(child)[0][0] == event.frame


def test_a_merger_keeps_area_and_polarity(small):
    merge = small.truth.events_of("merge")[0]
    before = [small.truth.track(parent)[-1][1] for parent in merge.parents]
    after = [pore for index, pore in small.truth.track(merge.children[0]) if index < merge.frame + 6]
    assert {pore.polarity for pore in before} == {after[0].polarity}
    for pore in after:
        assert pore.area_px == pytest.approx(sum(parent.area_px for parent in before), rel=0.2)


def test_truth_is_what_labelling_the_scene_finds(small):
    for frame in small.truth.frames:
        labels, n_labels = ndimage.label(small.scene(frame.index) < THRESHOLD)
        areas = np.bincount(labels.ravel(), minlength=n_labels + 1)[1:]
        visible = [pore for pore in frame.pores if pore.visible]
        assert sorted(areas[areas >= MIN_AREA_PX]) == sorted(pore.area_px for pore in visible)
        assert len({pore.track for pore in frame.pores}) == len(frame.pores)
        for pore in frame.pores:
            label = labels[round(pore.row), round(pore.col)]
            assert pore.visible == (label > 0)
            if pore.visible:
                assert ndimage.center_of_mass(labels == label) == pytest.approx((pore.row, pore.col), abs=0.01)


def test_lost_frames_are_slots_without_a_record(small):
    assert len(small) == SMALL.n_frames - 1
    assert 12 not in [frame.index for frame in small.truth.frames]
    assert [frame.t_rec_s - SMALL.t_rec_s(0) for frame in small.truth.frames][11:13] == [11 * 720, 13 * 720]


def test_the_field_has_the_sign_of_the_pore(small):
    for index in (0, 11, 23):
        radial = small.frame(index).maps["Br"]
        true_frame = next(frame for frame in small.truth.frames if frame.index == index)
        labels, _ = ndimage.label(small.scene(index) < THRESHOLD)
        for pore in true_frame.pores:
            if pore.visible:
                native = blur_and_bin((labels == labels[round(pore.row), round(pore.col)]).astype(float)) > 0.5
                assert 700 < radial[native].mean() * pore.polarity < 2500


def test_the_transverse_field_points_away_from_a_positive_pore(small):
    frame = small.frame(0)
    true_frame = small.truth.frames[0]
    pore = max((pore for pore in true_frame.pores if pore.visible), key=lambda pore: pore.area_px)
    row, col = int(pore.row / 2), int(pore.col / 2)
    reach = int(np.ceil(np.sqrt(pore.area_px / np.pi) / 2)) + 1
    north, south = (frame.maps["Bt"][row + step, col - 1 : col + 2].mean() for step in (reach, -reach))
    west, east = (frame.maps["Bp"][row - 1 : row + 2, col + step].mean() for step in (reach, -reach))
    assert (south - north) * pore.polarity > 300
    assert (west - east) * pore.polarity > 300


def test_quiet_sun_has_the_contrast_of_a_real_one():
    # HARP 2875, 2013-06-20: rms 0.0267; autocorrelation 0.79 and 0.40 along, 0.76 and 0.30 across a row.
    native = blur_and_bin(1 + granulation(np.random.default_rng(1), (240, 400)))
    z = native - native.mean()
    assert 0.024 < native.std() < 0.030
    assert native.min() > 0.85
    for step, low, high in ((1, 0.70, 0.82), (2, 0.25, 0.42), (4, -0.08, 0.08)):
        assert low < (z[:, step:] * z[:, :-step]).mean() / z.var() < high


def test_flattened_frames_have_quiet_sun_one_and_dark_pores(small):
    frame = small.frame(3)
    flat = flatten(frame.maps["continuum"], CeaGeometry.from_header(frame.cards))
    assert flat.quiet_sun == pytest.approx(57_900, rel=0.02)
    assert np.median(flat.contrast) == pytest.approx(1, abs=0.02)
    assert flat.contrast.min() < 0.5
    assert frame.maps["continuum"].dtype == np.float32
    assert set(np.unique(frame.maps["bitmap"])) <= {1, 2, 33, 34}
    assert 34 in frame.maps["bitmap"]


def test_files_are_read_back_as_they_were_made(folder):
    simulation = simulate(QUIET)
    frame = simulation.frame(1)
    read = read_patch_frame(paths_of(folder, QUIET, 1))
    assert (read.harpnum, read.t_rec_s, read.shape) == (QUIET.harpnum, QUIET.t_rec_s(1), QUIET.shape)
    for segment in SEGMENTS:
        np.testing.assert_array_equal(read.maps[segment], frame.maps[segment])
    assert read.geometry == CeaGeometry.from_header(frame.cards)
    assert len(list(folder.iterdir())) == 5 * QUIET.n_frames + 1  # no temporary file is left


def test_writing_twice_gives_the_same_bytes(folder, tmp_path):
    calls: list[tuple[int, int]] = []
    write_simulation(QUIET, tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_files_look_like_jsoc_ones_but_say_that_they_are_not(folder):
    path = paths_of(folder, QUIET, 0)[0]
    with fits.open(path, disable_image_compression=True) as hdus:
        header = hdus[1].header
        assert (header["ZCMPTYPE"], header["ZBITPIX"], header["BSCALE"]) == ("RICE_1", 32, 3.0)
    with fits.open(path) as hdus:
        header = hdus[1].header
        assert header["ORIGIN"] == "POREWEB SIMULATION"
        assert "SIMULATED" in header["CONTENT"]
        assert header["BUNIT"] == "DN/s"
        assert np.unique(np.mod(hdus[1].data - 97304.0, 3)).tolist() == [0]
        assert header["DATAMAX"] == hdus[1].data.max()


def test_sunpy_agrees_on_where_the_pixels_are(small):
    frame = small.frame(7)
    themap = sunpy.map.Map(frame.maps["Br"], dict(frame.cards))
    geometry = CeaGeometry.from_header(frame.cards)
    lon, lat = geometry.lon_lat(np.array([0.0, 60.0]), np.array([0.0, 150.0]))
    for n, (row, col) in enumerate(((0, 0), (60, 150))):
        world = themap.wcs.pixel_to_world(col, row)
        assert world.lon.deg % 360 == pytest.approx(lon[n], abs=1e-6)
        assert world.lat.deg == pytest.approx(lat[n], abs=1e-6)
    assert themap.observer_coordinate.radius.to_value("m") == pytest.approx(frame.cards["DSUN_OBS"])


def test_the_patch_drifts_as_a_real_one():
    # HARP 2875 between 2013.06.18_12:24 and 06.20_10:36: CRVAL1 by 0.5565, CRLN_OBS by -25.484 degrees.
    p = dataclasses.replace(QUIET, start="2013.06.18_12:24:00_TAI", cadence_s=231 * 720, n_frames=2)
    first, last = (simulate(p).frame(index).cards for index in (0, 1))
    assert last["CRVAL1"] - first["CRVAL1"] == pytest.approx(0.5565, abs=0.01)
    assert last["CRLN_OBS"] - first["CRLN_OBS"] == pytest.approx(-25.484, abs=0.01)
    assert last["CRLT_OBS"] == pytest.approx(1.675, abs=0.01)
    assert last["RSUN_OBS"] == pytest.approx(944.28, abs=0.2)


def test_truth_survives_its_file(folder, tmp_path):
    truth = read_truth(folder / "truth.json")
    assert truth.frames == simulate(QUIET).truth.frames
    assert truth.parameters["seed"] == QUIET.seed
    (tmp_path / "truth.json").write_text('{"format": "something else", "version": 1}')
    with pytest.raises(FrameError, match="something else"):
        read_truth(tmp_path / "truth.json")
    (tmp_path / "truth.json").write_text("[]")
    with pytest.raises(FrameError, match="not a simulation's truth"):
        read_truth(tmp_path / "truth.json")


@pytest.mark.parametrize("core", [0.1, 0.2, 0.3, 0.37])
def test_a_bundle_has_the_area_it_is_given(core):
    waves = ((0.2, 1.0), (0.1, 2.0))
    scene = pore_contrast([Bundle(40.3, 50.6, 150.0, core, waves, 1800.0)], (80, 100))
    assert (scene < THRESHOLD).sum() == pytest.approx(150, rel=0.08)


def test_two_discs_keep_their_area_when_they_overlap():
    scale = union_scale(np.array([20.0, 6.0]), np.array([5.0, 5.0]), np.array([4.0, 4.0]))
    assert scale[0] == pytest.approx(1)
    rows, cols = np.mgrid[-12:12:0.02, -12:18:0.02]
    union = (np.hypot(rows, cols) < 5 * scale[1]) | (np.hypot(rows, cols - 6) < 4 * scale[1])
    assert union.sum() * 0.02**2 == pytest.approx(np.pi * 41, rel=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_frames": 0},
        {"n_frames": 8},
        {"shape": (10, 10)},
        {"shape": (250,)},
        {"seed": -1},
        {"harpnum": 0},
        {"cadence_s": 0},
        {"n_pores": 3},
        {"n_splits": -1},
        {"lost": (0,)},
        {"lost": (99,)},
        {"start": "yesterday"},
    ],
    ids=lambda wrong: "-".join(f"{key}={value}" for key, value in wrong.items()),
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ParameterError):
        SimulationParameters(**wrong)


def test_a_map_too_small_for_all_its_pores_is_refused():
    with pytest.raises(ParameterError, match="no room"):
        simulate(dataclasses.replace(QUIET, shape=(64, 64), n_pores=30))
