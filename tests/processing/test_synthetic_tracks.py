"""Simulated pore tracks: the drawing, the truth read off it, the levels."""

import csv
from collections import Counter
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from processing.errors import ParameterError
from processing.synthetic_blobs import MAX_SPAN, Bundle, Observer
from processing.synthetic_tracks import LEVELS, Level, SimulatedTracks, random_level, simulate_tracks

ROUND = np.zeros(5, complex)
BUSY = Level(n_pores=25, flicker=0.05, lost_share=0.1, false_per_frame=2, meet_rate=0.06, split_rate=0.04)


def disc(col: float, row: float = 40, radius: float = 8, **traits) -> Bundle:
    return Bundle(complex(col, row), radius, ROUND, **traits)


def story(frames, *, min_area_px: int = 16) -> SimulatedTracks:
    """Observe a list of bundles for each frame, on 80 x 120 pixels."""
    observer = Observer((80, 120), min_area_px=min_area_px)
    for bundles in frames:
        observer.observe(bundles)
    return observer.finish()


def degrees(tracks: SimulatedTracks) -> tuple[Counter, Counter]:
    """Links in and links out of each node (frame, label)."""
    links_in = Counter((int(f), int(k)) for f, k in tracks.edges[:, 2:])
    return links_in, Counter((int(f), int(k)) for f, k in tracks.edges[:, :2])


def n_skips(tracks: SimulatedTracks) -> int:
    return int((tracks.edges[:, 2] - tracks.edges[:, 0] > 1).sum())


@pytest.fixture(scope="module")
def busy() -> SimulatedTracks:
    return simulate_tracks(BUSY, seed=5, n_frames=30, shape=(200, 300))


def moving(cols: tuple[float, float], step: float, n_frames: int):
    """Two discs of radius 8, the left one stepping to the right and the right one to the left."""
    left, right = disc(cols[0]), disc(cols[1])
    for _ in range(n_frames):
        yield [left, right]
        left.place += step
        right.place -= step


def test_two_discs_merge_in_the_frame_in_which_they_touch():
    tracks = story(moving((40, 80), 2, 10))  # 16 pixels apart in frame 6
    links_in, links_out = degrees(tracks)
    assert [node for node, n in links_in.items() if n == 2] == [(6, 1)]
    assert max(links_in.values()) == 2
    assert max(links_out.values()) == 1
    assert Counter(tracks.frame.tolist()) == {**dict.fromkeys(range(6), 2), **dict.fromkeys(range(6, 10), 1)}


def test_two_discs_split_in_the_frame_in_which_they_part():
    tracks = story(moving((54, 66), -2, 8))  # 16 pixels apart in frame 1, 20 in frame 2
    assert [node for node, n in degrees(tracks)[1].items() if n == 2] == [(1, 1)]
    assert np.bincount(tracks.frame).tolist() == [1, 1, 2, 2, 2, 2, 2, 2]


def test_one_that_becomes_two_passes_its_past_to_both():
    parent = disc(60)
    observer = Observer((80, 120), min_area_px=16)
    observer.observe([parent])
    observer.observe([disc(48, past=set(parent.past)), disc(72, past=set(parent.past))])
    assert observer.finish().edges.tolist() == [[0, 1, 1, 1], [0, 1, 1, 2]]


@pytest.mark.parametrize(("n_hidden", "linked"), [(1, True), (4, True), (5, False)])
def test_a_hidden_pore_is_linked_over_at_most_four_frames(n_hidden, linked):
    pore = disc(60)
    tracks = story([[pore], *([[]] * n_hidden), [pore]])
    assert tracks.edges.tolist() == ([[0, 1, n_hidden + 1, 1]] if linked else [])


def test_no_skip_edge_where_another_pore_of_the_label_goes_on():
    one, other = disc(50), disc(60)
    tracks = story([[one, other], [one], [one, other]])
    assert tracks.edges.tolist() == [[0, 1, 1, 1], [1, 1, 2, 1]]


def test_a_pore_below_the_smallest_area_is_not_seen():
    pore = disc(60)
    frames = [[pore], [disc(60, radius=2, past=pore.past)], [pore]]
    tracks = story(frames, min_area_px=20)
    assert tracks.frame.tolist() == [0, 2]
    assert tracks.edges.tolist() == [[0, 1, 2, 1]]


def test_false_detections_have_no_links():
    tracks = story([[disc(60, is_true=False)]] * 3)
    assert not tracks.is_true.any()
    assert tracks.edges.shape == (0, 4)


@pytest.mark.parametrize(("bridged", "n_labels"), [([], 2), ([(0, 1)], 1)], ids=["alone", "bridged"])
def test_a_bridge_forms_before_two_discs_touch(bridged, n_labels):
    observer = Observer((80, 120), min_area_px=16)
    observer.observe([disc(50), disc(68)], bridged)
    assert len(observer.finish().label) == n_labels


def test_bridged_discs_in_one_place_have_the_area_of_both():
    observer = Observer((80, 120), min_area_px=16)
    observer.observe([disc(60), disc(60)], [(0, 1)])
    assert observer.finish().area_px[0] == pytest.approx(2 * np.pi * 8**2, rel=0.03)


def test_a_disc_is_measured_where_it_was_put():
    tracks = story([[disc(60, row=30, polarity=-1, strength=1000.0)]])
    assert (tracks.row[0], tracks.col[0]) == pytest.approx((30, 60))
    assert tracks.area_px[0] == pytest.approx(np.pi * 8**2, rel=0.03)
    assert tracks.flux[0] == -1000 * tracks.area_px[0]


@given(st.lists(st.tuples(st.integers(5, 75), st.integers(5, 115), st.integers(2, 15), st.booleans()), max_size=12))
@settings(deadline=None, max_examples=50)
def test_opposite_polarities_never_share_a_label(places):
    discs = [disc(c, r, radius, polarity=1 if up else -1, strength=1000.0) for r, c, radius, up in places]
    tracks = story([discs])
    np.testing.assert_array_equal(np.abs(tracks.flux), 1000 * tracks.area_px)


def test_touching_opposite_polarities_are_cut_along_their_border():
    tracks = story([[disc(52), disc(62, polarity=-1)]])
    assert np.sign(tracks.flux).tolist() == [1, -1]
    labels = tracks.labels(0)
    assert (labels[40, 45:57] == 1).all()
    assert (labels[40, 58:70] == 2).all()


def test_the_same_seed_gives_the_same_series(busy):
    again = simulate_tracks(BUSY, seed=5, n_frames=30, shape=(200, 300))
    np.testing.assert_array_equal(again.edges, busy.edges)
    np.testing.assert_array_equal(again.flux, busy.flux)
    np.testing.assert_array_equal(again.intensity_image(7), busy.intensity_image(7))
    other = simulate_tracks(BUSY, seed=6, n_frames=30, shape=(200, 300))
    assert not np.array_equal(other.edges, busy.edges)


def test_detections_are_those_of_the_label_images(busy):
    for frame in range(busy.n_frames):
        labels, rows = busy.labels(frame), busy.frame == frame
        assert (labels.dtype, labels.shape) == (np.int32, busy.shape)
        assert busy.label[rows].tolist() == list(range(1, labels.max() + 1))
        np.testing.assert_array_equal(busy.area_px[rows], np.bincount(labels.ravel())[1:])
        centres = np.array(ndimage.center_of_mass(labels > 0, labels, busy.label[rows])).reshape(-1, 2)
        np.testing.assert_allclose(centres, np.column_stack([busy.row[rows], busy.col[rows]]))
        means = ndimage.mean(busy.intensity_image(frame), labels, busy.label[rows])
        np.testing.assert_allclose(means, busy.intensity[rows], rtol=1e-5)


@pytest.mark.parametrize("corners_touch", [False, True], ids=["4-connected", "8-connected"])
def test_each_label_is_one_patch(corners_touch):
    tracks = simulate_tracks(Level(corners_touch=corners_touch), seed=1, n_frames=3, shape=(300, 300))
    touching = np.ones((3, 3)) if corners_touch else None
    for frame in range(3):
        labels = tracks.labels(frame)
        assert all(ndimage.label(labels == k, touching)[1] == 1 for k in range(1, labels.max() + 1))


def test_edges_are_sorted_forward_and_between_true_detections(busy):
    assert sorted(busy.edges.tolist()) == busy.edges.tolist()
    assert len(np.unique(busy.edges, axis=0)) == len(busy.edges)
    spans = busy.edges[:, 2] - busy.edges[:, 0]
    assert spans.min() >= 1
    assert 1 < spans.max() <= MAX_SPAN
    true = set(zip(busy.frame[busy.is_true].tolist(), busy.label[busy.is_true].tolist(), strict=True))
    assert {(a, b) for a, b, _, _ in busy.edges.tolist()} <= true
    assert {(a, b) for _, _, a, b in busy.edges.tolist()} <= true
    assert not busy.is_true.all()


def test_no_skip_edge_has_a_path_of_shorter_edges(busy):
    graph = nx.DiGraph(((f, k), (later, other)) for f, k, later, other in busy.edges.tolist())
    skips = [(a, b) for a, b in graph.edges if b[0] > a[0] + 1]
    assert skips
    for a, b in skips:
        graph.remove_edge(a, b)
        assert not nx.has_path(graph, a, b)
        graph.add_edge(a, b)


def test_lost_frames_are_empty(busy):
    lost = set(range(30)) - set(busy.frame.tolist())
    assert lost
    assert lost.isdisjoint({0, 29})
    assert not any(busy.labels(frame).any() for frame in lost)
    assert not any(busy.intensity_image(frame).min() < 0.6 for frame in lost)


def test_pores_are_dark_on_granulation(busy):
    image, pores = busy.intensity_image(0), busy.labels(0) > 0
    assert image.dtype == np.float32
    assert image[pores].max() <= 0.5
    assert image[~pores].mean() == pytest.approx(1, abs=0.01)
    assert 0.03 < image[~pores].std() < 0.06


@pytest.mark.parametrize("modes", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["union", "metaball", "replace"])
def test_every_mode_merges_and_splits(modes):
    level = Level(n_pores=30, modes=modes, meet_rate=0.06, split_rate=0.04)
    links_in, links_out = degrees(simulate_tracks(level, seed=2, n_frames=30, shape=(250, 350)))
    assert sum(n > 1 for n in links_in.values()) > 3
    assert sum(n > 1 for n in links_out.values()) > 3


@pytest.mark.parametrize(
    ("name", "n_merges", "n_gaps"), [("medium", (45, 110), (30, 150)), ("hard", (150, 300), (400, 800))]
)
def test_a_level_has_about_as_many_events_as_it_should(name, n_merges, n_gaps):
    tracks = simulate_tracks(LEVELS[name], seed=0)
    links_in, links_out = degrees(tracks)
    assert n_merges[0] <= sum(n > 1 for n in links_in.values()) <= n_merges[1]
    assert n_merges[0] <= sum(n > 1 for n in links_out.values()) <= n_merges[1]
    assert n_gaps[0] <= n_skips(tracks) <= n_gaps[1]


def nearest_f1(tracks: SimulatedTracks, limit_px: float = 15) -> float:
    """F1 of mutual nearest neighbours against the truth between consecutive frames."""
    truth = {tuple(edge) for edge in tracks.edges.tolist() if edge[2] == edge[0] + 1}
    found = set()
    for before, after in pairwise(range(tracks.n_frames)):
        a, b = np.flatnonzero(tracks.frame == before), np.flatnonzero(tracks.frame == after)
        if a.size and b.size:
            apart = np.hypot(tracks.row[a][:, None] - tracks.row[b], tracks.col[a][:, None] - tracks.col[b])
            there, back = apart.argmin(axis=1), apart.argmin(axis=0)
            mutual = (back[there] == np.arange(a.size)) & (apart.min(axis=1) <= limit_px)
            found |= {(before, int(i) + 1, after, int(j) + 1) for i, j in enumerate(there) if mutual[i]}
    return 2 * len(found & truth) / (len(found) + len(truth))


@pytest.mark.parametrize(("name", "low", "high"), [("medium", 0.98, 0.995), ("hard", 0.955, 0.978)])
def test_a_level_is_as_hard_for_the_nearest_neighbour_as_it_should(name, low, high):
    assert low < nearest_f1(simulate_tracks(LEVELS[name], seed=0, n_frames=50)) < high


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=10)
def test_random_levels_can_be_simulated(seed):
    tracks = simulate_tracks(random_level(np.random.default_rng(seed)), seed=seed, n_frames=6, shape=(128, 160))
    assert tracks.n_frames == 6
    assert np.isfinite(tracks.intensity).all()


@pytest.mark.parametrize("with_intensity", [False, True])
def test_what_is_written_can_be_read_back(busy, tmp_path, with_intensity):
    busy.write(tmp_path / "series.npz", with_intensity=with_intensity)
    with np.load(tmp_path / "series.npz") as file:
        assert sorted(file) == (["intensity", "labels"] if with_intensity else ["labels"])
        labels = file["labels"]
        if with_intensity:
            np.testing.assert_array_equal(file["intensity"][3], busy.intensity_image(3))
    assert labels.dtype == np.int16
    np.testing.assert_array_equal(labels, [busy.labels(k) for k in range(30)])
    with (tmp_path / "series.truth.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["frame_earlier", "label_earlier", "frame_later", "label_later"]
    assert [[int(cell) for cell in row] for row in rows] == busy.edges.tolist()


@pytest.mark.parametrize(
    "knobs",
    [{"n_pores": 0}, {"flicker": -0.1}, {"step_px": float("nan")}, {"walk_share": 1.5}, {"lifetime": 0},
     {"modes": (0, 0, 0)}, {"modes": (1, -1, 1)}, {"modes": (1, 1)}],
    ids=str,
)  # fmt: skip
def test_bad_knobs_are_refused(knobs):
    with pytest.raises(ParameterError, match=next(iter(knobs))):
        Level(**knobs)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"seed": -1}, "seed"), ({"seed": 1, "n_frames": 0}, "frame"), ({"seed": 1, "shape": (10, 700)}, "shape")],
)
def test_bad_arguments_are_refused(arguments, word):
    with pytest.raises(ParameterError, match=word):
        simulate_tracks(LEVELS["easy"], **arguments)


def test_a_frame_outside_the_series_is_refused(busy):
    with pytest.raises(ParameterError, match="frame must be from 0 to 29"):
        busy.labels(30)
