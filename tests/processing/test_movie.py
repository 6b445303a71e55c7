"""Movies are decoded again and looked at, pixel by pixel where that matters."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from processing.errors import FrameError, ParameterError
from processing.movie import MovieFrame, Painter, write_movie
from processing.palette import (
    DASHES,
    GREYS,
    TRACK_COLOURS,
    dash_index,
    diverging_table,
    grey_table,
    index_colours,
    outline,
    to_greys,
    track_colour,
)
from processing.timekeys import parse_t_rec

START = parse_t_rec("2013.06.20_10:36:00_TAI")
SHAPE = (91, 233)  # odd on purpose
OPTIONS = {"title": "HARP 2875", "pixel_side_mm": 0.364}


def one_pore(number: int, *, track: int = 2, gap: bool = False, events: tuple[str, ...] = ()) -> MovieFrame:
    """A dark square at rows 20-39, columns 60-79 (from the south) on a quiet Sun."""
    contrast = np.ones(SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    contrast[20:40, 60:80], labels[20:40, 60:80] = 0.3, 1
    return MovieFrame(START + 720 * number, contrast, labels, {1: track}, events, gap)


def decoded(path: Path) -> list[np.ndarray]:
    """Every frame as sRGB, (ny, nx, 3)."""
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG")
            for frame in container.decode(video=0)
        ]


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("movie") / "harp.mp4"
    seen: list[int] = []
    slots = [one_pore(0), one_pore(1, events=("merge 12+14 -> 20",)), one_pore(2, gap=True), one_pore(3)]
    summary = write_movie(path, iter(slots), **OPTIONS, progress=seen.append)
    return summary, decoded(path), seen


def test_it_decodes_to_all_frames_of_even_size(movie):
    summary, pictures, seen = movie
    assert (len(pictures), summary.n_frames, summary.n_gaps) == (4, 4, 1)
    assert pictures[0].shape == (summary.height, summary.width, 3)
    assert (summary.width % 2, summary.height % 2, summary.scale) == (0, 0, 4)
    assert summary.width >= 700
    assert (seen, summary.duration_s) == ([1, 2, 3, 4], 0.5)


def test_it_streams_from_its_start(movie):
    raw = movie[0].path.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")


def test_an_outline_has_the_colour_of_its_track_and_north_is_up(movie):
    summary, pictures, _ = movie
    colour = np.array(track_colour(2), float)
    near = np.abs(pictures[0].astype(float) - colour).max(axis=2) < 50
    rows, cols = np.nonzero(near)
    s = summary.scale
    # Column 60 to 79 and, counted from the north, row 91 - 40 to 91 - 21, and the number beside.
    assert abs(cols.min() - (summary.width - 233 * s) // 2 - 60 * s) <= 3
    bottom = pictures[0].shape[0] - 2 * 18 - rows.max()  # to the lower bar
    assert abs(bottom - 20 * s) <= 4
    assert near.sum() > 4 * 20 * s  # most of the outline, two pixels thick


def test_a_thin_outline_keeps_its_colour(tmp_path):
    contrast, labels = np.ones((100, 800)), np.zeros((100, 800), np.int32)
    labels[41:60, 301:330] = 1
    frame = MovieFrame(START, contrast, labels, {1: 0})
    assert write_movie(tmp_path / "a.mp4", [frame], **OPTIONS).scale == 1
    (picture,) = decoded(tmp_path / "a.mp4")
    off = np.abs(picture.astype(float) - track_colour(0)).max(axis=2)
    assert (off < 70).sum() > 60  # of about 96 pixels one wide


@pytest.mark.parametrize("side_mm", [0.182, 0.364, 0.05, 3.0])
def test_the_scale_bar_is_as_long_as_it_says(side_mm):
    painter = Painter(SHAPE, title="", pixel_side_mm=side_mm, limits=(0.2, 1.2), hold=8)
    picture = painter.paint(one_pore(0))
    row = picture[-painter.font_px - 1 - painter.height % 2]
    length = np.flatnonzero(row[: painter.bar_px + painter.pad + 2] == GREYS - 1).size
    assert length == painter.bar_px
    assert length * side_mm / painter.scale == pytest.approx(painter.bar_mm, abs=side_mm / painter.scale)
    assert painter.bar_px <= painter.width / 4


def test_a_gap_is_dim_and_says_so(movie):
    _, pictures, _ = movie
    quiet = [float(np.median(picture[100:300])) for picture in pictures]
    assert quiet[2] < 0.6 * quiet[1]
    assert quiet[3] == pytest.approx(quiet[1], abs=3)
    middle = pictures[2][150:300, 300:600]
    assert (middle > 220).any()  # white letters


def test_an_event_is_held_and_then_gone():
    painter = Painter(SHAPE, title="", pixel_side_mm=0.364, limits=(0.2, 1.2), hold=2)
    plain = painter.paint(one_pore(0))
    seen = [painter.paint(one_pore(n, events=("appear 3",) if n == 0 else ()))[40:60] for n in range(3)]
    field = plain[40:60]
    changed = [int((picture[:, :200] != field[:, :200]).sum()) for picture in seen]
    assert min(changed[:2]) > 100
    assert changed[2] == 0


def test_the_sidecar_tells_what_was_shown(movie):
    summary, _, _ = movie
    told = json.loads(summary.sidecar.read_text())
    assert summary.sidecar.name == "harp.json"
    assert (told["title"], told["limits"], told["unit"]) == ("HARP 2875", [0.2, 1.2], "I / quiet Sun")
    assert told["movie"]["scale"] == summary.scale
    assert told["frames"][1] == {
        "t_rec": "2013.06.20_10:48:00_TAI",
        "utc": "2013-06-20T10:47:25Z",
        "gap": False,
        "events": ["merge 12+14 -> 20"],
    }
    assert [frame["gap"] for frame in told["frames"]] == [False, False, True, False]
    assert "PyAV" in told["software"]


def test_missing_pixels_are_hatched_and_gaps_may_come_first(tmp_path):
    contrast = np.full(SHAPE, np.nan)
    contrast[:, :100] = 1
    frames = [MovieFrame(START, gap=True), MovieFrame(START + 720, contrast)]
    assert write_movie(tmp_path / "a.mp4", frames, **OPTIONS).n_frames == 2
    dim, half = decoded(tmp_path / "a.mp4")
    assert np.median(half[100:300, 100:300]) > 180
    assert 40 < np.median(half[100:300, 600:]) < 100
    assert np.median(dim[100:300, 600:]) < 50


def failing(kind: type[Exception]) -> Iterator[MovieFrame]:
    """Some good frames, then trouble."""
    yield from (one_pore(n) for n in range(3))
    raise kind("the disk is gone")


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        (failing(OSError), OSError),
        (failing(FrameError), FrameError),
        (iter(()), FrameError),
        ([MovieFrame(START, gap=True)], FrameError),
        ([MovieFrame(START)], FrameError),
        ([one_pore(0), MovieFrame(START)], FrameError),
        ([one_pore(0), MovieFrame(START, np.ones((9, 9)))], FrameError),
        ([MovieFrame(START, np.ones(SHAPE), np.ones((9, 9), int))], FrameError),
        ([MovieFrame(START, np.ones(9))], FrameError),
    ],
)
def test_nothing_is_left_of_an_unfinished_movie(tmp_path, frames, error):
    with pytest.raises(error):
        write_movie(tmp_path / "a.mp4", frames, **OPTIONS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"limits": (1.0, 1.0)}, {"limits": (0.0, math.nan)}, {"pixel_side_mm": 0.0}, {"frame_rate": 0}],
    ids=str,
)
def test_senseless_parameters_are_refused(tmp_path, wrong):
    with pytest.raises(ParameterError):
        write_movie(tmp_path / "a.mp4", [one_pore(0)], **{**OPTIONS, **wrong})
    with pytest.raises(ParameterError):
        write_movie(tmp_path / "a.avi", [one_pore(0)], **OPTIONS)


@pytest.mark.parametrize("shape", [(3, 2), (40, 900), (1700, 30), (128, 128)], ids=str)
def test_any_shape_can_be_painted(shape):
    painter = Painter(shape, title="A title " * 30, pixel_side_mm=0.364, limits=(0.2, 1.2), hold=8)
    labels = np.zeros(shape, np.int32)
    labels[-1, -1], labels[0, 0] = 2, 1
    picture = painter.paint(MovieFrame(START, np.ones(shape), labels, {1: 1234}, ["appear " * 40] * 9))
    assert picture.shape == (painter.height, painter.width)
    assert (picture.shape[0] % 2, picture.shape[1] % 2) == (0, 0)


def test_outlines_lie_outside_and_touching_features_keep_their_own():
    labels = np.zeros((7, 10), int)
    labels[2:5, 2:4], labels[2:5, 4:6] = 1, 2
    rows, cols, owners = outline(labels)
    drawn = np.zeros_like(labels)
    drawn[rows, cols] = owners
    assert drawn[3].tolist() == [0, 1, 0, 1, 2, 0, 2, 0, 0, 0]
    assert drawn[1].tolist() == [0, 0, 1, 1, 2, 2, 0, 0, 0, 0]
    assert drawn[0].max() == 0


def luminance(colour: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB in 0..255 (WCAG 2.2)."""
    part = np.asarray(colour) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_track_colours_show_on_umbra_and_grey():
    bright = luminance(np.array(TRACK_COLOURS))
    for grey, ratio in ((40, 4.5), (128, 1.4)):
        assert ((bright + 0.05) / (luminance(np.full(3, grey)) + 0.05) >= ratio).all()


def test_tracks_of_one_colour_differ_in_dash():
    assert track_colour(3) == track_colour(11) == TRACK_COLOURS[3]
    assert [dash_index(number) for number in (3, 11, 19, 27)] == list(range(len(DASHES)))


def test_tables():
    assert grey_table(3).tolist() == [[0] * 3, [128] * 3, [255] * 3]
    signed = diverging_table(255)
    assert signed.dtype == np.uint8
    assert signed[127].tolist() == [255] * 3
    assert luminance(signed[0]) == pytest.approx(luminance(signed[-1]), abs=0.03)
    assert np.ptp(index_colours()[:GREYS], axis=1).max() == 0
    assert to_greys(np.array([0.0, 0.2, 0.6, 1.2, 9.0, np.nan]), (0.2, 1.2)).tolist() == [0, 0, 76, 191, 191, 0]
    with pytest.raises(ParameterError):
        grey_table(1)
