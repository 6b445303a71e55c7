"""A cube of label images: read frame by frame, linked, and refused with a sentence where it is none."""

import csv
import io
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from processing.errors import FrameError, ParameterError
from processing.label_cube import CubeFrame, read_cube, track_cube
from processing.timekeys import CADENCE_S
from tests.processing.test_cli import run, sentence

SHAPE = (40, 60)


def disk(row: float, col: float, radius: float = 4.0) -> np.ndarray:
    rows, cols = np.indices(SHAPE)
    return np.hypot(rows - row, cols - col) <= radius


def drawn(*frames: dict[int, tuple[float, ...]], dtype: Any = np.int32) -> np.ndarray:
    """A cube with a disk (row, col[, radius]) for each label."""
    cube = np.zeros((len(frames), *SHAPE), dtype)
    for image, disks in zip(cube, frames, strict=True):
        for label, place in disks.items():
            image[disk(*place)] = label
    return cube


def kept(folder: Path, **content: np.ndarray) -> Path:
    np.savez_compressed(folder / "labels.npz", **content)
    return folder / "labels.npz"


def frames_of(folder: Path, **content: np.ndarray) -> list[CubeFrame]:
    return list(read_cube(kept(folder, **content)))


def links_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


# reading


def test_a_frame_is_what_was_drawn(tmp_path):
    first, second, third = frames_of(tmp_path, labels=drawn({7: (10, 12), 40: (30, 41, 6)}, {}, {2: (9, 50, 3)}))
    assert first.names.tolist() == [7, 40]
    np.testing.assert_allclose(first.detected.row, [10, 30])
    np.testing.assert_allclose(first.detected.col, [12, 41])
    assert first.detected.area_px.tolist() == [disk(10, 12).sum(), disk(30, 41, 6).sum()]
    np.testing.assert_array_equal(first.detected.labels, disk(10, 12) + 2 * disk(30, 41, 6))
    assert [frame.detected.t_rec_s for frame in (first, second, third)] == [0, CADENCE_S, 2 * CADENCE_S]
    assert [frame.detected.ids.tolist() for frame in (first, second, third)] == [[0, 1], [], [2]]
    assert second.names.size == second.detected.row.size == 0
    assert np.isnan(first.detected.intensity).all()
    assert np.isnan(first.detected.flux).all()


def test_intensity_is_the_mean_and_flux_the_sum_of_the_known_pixels(tmp_path):
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0, 0], labels[0, 2] = 3, 9
    labels[1, 1, 1] = 5
    intensity = np.full((2, 3, 4), 50.0, np.float32)
    intensity[0, 0] = [0.5, 0.7, np.nan, np.inf]
    intensity[1] = np.nan
    bz = np.full((2, 3, 4), -100, np.int16)
    first, second = frames_of(tmp_path, labels=labels, intensity=intensity, bz=bz)
    np.testing.assert_allclose(first.detected.intensity, [0.6, 50])
    np.testing.assert_allclose(first.detected.flux, [-400, -400])
    np.testing.assert_allclose(second.detected.intensity, [np.nan])
    np.testing.assert_allclose(second.detected.flux, [-100])
    both, _ = frames_of(tmp_path, labels=labels, bz=bz, flux=2.0 * bz)
    np.testing.assert_allclose(both.detected.flux, [-800, -800])  # flux goes before bz


LABEL_TYPES = ("u1", "<i2", ">i4", "<i8", "<u8", "i1")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.sampled_from(LABEL_TYPES).flatmap(
        lambda kind: arrays.arrays(
            kind,
            st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
            elements=st.sampled_from([0, 0, 1, 2, 5, 127] if "1" in kind else [0, 0, 3, 4, 300, 32767]),
        )
    ),
    order=st.sampled_from("CF"),
    compressed=st.booleans(),
)
def test_any_whole_numbers_are_read_as_they_are(tmp_path, labels, order, compressed):
    """Names and numbered labels give back the cube, whatever its type, byte order, layout and numbering."""
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", labels=np.asarray(labels, order=order))
    frames = list(read_cube(tmp_path / "a.npz"))
    assert len(frames) == len(labels)
    for frame, expected in zip(frames, labels, strict=True):
        assert (frame.names > 0).all()
        assert (np.diff(frame.names.astype(np.int64)) > 0).all()
        given_back = np.concatenate([[0], frame.names.astype(np.int64)])[frame.detected.labels]
        np.testing.assert_array_equal(given_back, expected.astype(np.int64))
        np.testing.assert_array_equal(frame.detected.area_px, [(expected == name).sum() for name in frame.names])
    ids = np.concatenate([frame.detected.ids for frame in frames])
    np.testing.assert_array_equal(ids, np.arange(ids.size))


def test_a_cube_is_never_held_as_a_whole(tmp_path):
    cube = np.zeros((60, 500, 500), np.int32)  # 60 MB; a frame is 1 MB
    cube[:, 100:120, 100:120] = 1
    path = kept(tmp_path, labels=cube, intensity=cube.astype(np.float32))
    del cube
    tracemalloc.start()
    assert sum(frame.names.size for frame in read_cube(path)) == 60
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25e6


def test_what_was_opened_is_closed_when_reading_stops_early(tmp_path):
    path = kept(tmp_path, labels=drawn(*[{1: (10, 10)}] * 9), intensity=np.ones((9, *SHAPE)))
    frames = read_cube(path)
    next(frames)
    frames.close()  # a file left open would be a ResourceWarning, and that an error


# linking


def test_links_are_those_of_the_story(tmp_path):
    """A pore that moves, a pair that merges, one that splits and one that is missing for a frame."""
    labels = drawn(
        {10: (10, 8), 21: (30, 20, 4), 22: (30, 28, 4), 5: (10, 44, 6)},
        {11: (10, 9), 20: (30, 24, 6), 6: (10, 45, 6), 99: (30, 50)},
        {12: (10, 10), 20: (30, 25, 6), 7: (10, 41, 4), 8: (10, 50, 4)},
        {13: (10, 11), 20: (30, 26, 6), 7: (10, 40, 4), 8: (10, 51, 4), 98: (30, 50)},
    )
    path = kept(tmp_path, labels=labels)
    words = track_cube(path, tmp_path / "links.csv")
    lines = (tmp_path / "links.csv").read_text().splitlines()
    assert lines[0] == "frame_earlier,label_earlier,frame_later,label_later,probability,kind"
    found = [re.sub(r",\d\.\d{6},", ",P,", line) for line in lines[1:]]
    assert found == [
        "0,5,1,6,P,continue",
        "0,10,1,11,P,continue",
        "0,21,1,20,P,merge",
        "0,22,1,20,P,merge",
        "1,6,2,7,P,split",
        "1,6,2,8,P,split",
        "1,11,2,12,P,continue",
        "1,20,2,20,P,continue",
        "2,7,3,7,P,continue",
        "2,8,3,8,P,continue",
        "2,12,3,13,P,continue",
        "2,20,3,20,P,continue",
        "1,99,3,98,P,gap",
    ]
    assert words.endswith("13 links (8 continue, 2 merge, 2 split, 1 gap) of 17 features in 4 frames")
    assert all(0 < float(row["probability"]) <= 1 for row in links_of(tmp_path / "links.csv"))


@pytest.mark.parametrize("pattern", ["empty", "begin", "middle", "end", "one"])
def test_empty_frames_are_allowed_anywhere(tmp_path, pattern):
    still: dict[int, tuple[float, ...]] = {4: (20, 30)}
    frames = {
        "empty": [{}, {}, {}], "begin": [{}, still, still], "middle": [still, {}, still], "end": [still, still, {}],
        "one": [still],
    }[pattern]  # fmt: skip
    track_cube(kept(tmp_path, labels=drawn(*frames)), tmp_path / "links.csv", tmp_path / "out.geff")
    expected = {"begin": [("1", "2")], "middle": [("0", "2")], "end": [("0", "1")]}.get(pattern, [])
    rows = links_of(tmp_path / "links.csv")
    assert [(row["frame_earlier"], row["frame_later"]) for row in rows] == expected


def test_options_reach_the_tracker(tmp_path):
    path = kept(tmp_path, labels=drawn({1: (20, 10)}, {1: (20, 11)}, {}, {1: (20, 12)}, {1: (20, 25)}))

    def steps(**options: Any) -> list[str]:
        track_cube(path, tmp_path / "links.csv", **options)
        rows = links_of(tmp_path / "links.csv")
        return [row["frame_earlier"] + row["frame_later"] for row in rows]

    assert {"01", "13"} <= set(steps())
    assert "13" not in steps(max_gap=0)
    assert steps(reach=4) == ["01", "13"]  # the last step is 13 pixels
    assert steps(reach_mm=2.0, pixel_mm=0.5) == ["01", "13"]
    assert steps(reach=4, pixel_mm=0.5) == ["01", "13"]
    probable = float(links_of(tmp_path / "links.csv")[0]["probability"])
    assert probable > 0.5
    assert len(steps(link_bias=-5)) < len(steps(link_bias=5))


def test_opposite_polarity_is_linked_when_it_may_be(tmp_path):
    labels = drawn({1: (20, 30)}, {1: (20, 30)})
    bz = np.stack([np.full(SHAPE, 900.0), np.full(SHAPE, -900.0)])
    path = kept(tmp_path, labels=labels, bz=bz)
    assert "0 links" in track_cube(path, tmp_path / "links.csv")
    assert "1 links" in track_cube(path, tmp_path / "links.csv", opposite_polarity="free", link_bias=5.0)


def test_a_link_over_a_gap_is_kept_only_where_no_shorter_path_joins_its_ends(tmp_path):
    rng = np.random.default_rng(4)
    home = np.stack(np.meshgrid(range(6, 36, 9), range(6, 56, 9)), -1).reshape(-1, 2)
    frames = []
    for _ in range(12):
        seen = rng.random(len(home)) > 0.25
        place = home + rng.normal(0, 1.2, home.shape)
        frames.append({k + 1: (*place[k], 3.5) for k in np.flatnonzero(seen)})
    track_cube(kept(tmp_path, labels=drawn(*frames)), tmp_path / "links.csv")
    graph = nx.DiGraph()
    for row in links_of(tmp_path / "links.csv"):
        graph.add_edge((int(row["frame_earlier"]), row["label_earlier"]), (int(row["frame_later"]), row["label_later"]))
    over_gaps = [(one, other) for one, other in graph.edges if other[0] - one[0] > 1]
    assert len(over_gaps) > 20
    for edge in over_gaps:
        rest = graph.copy()
        rest.remove_edge(*edge)
        assert not nx.has_path(rest, *edge)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reach": 0.0}, "reach must be a positive number of pixels"),
        ({"reach": float("nan")}, "reach must be a positive number of pixels"),
        ({"reach": 3.0, "reach_mm": 1.0}, "not both"),
        ({"reach_mm": 1.0}, "--pixel-mm"),
        ({"max_gap": 21}, "max_gap must be 0 to 20"),
        ({"link_bias": float("nan")}, "link_bias must be -5 to 5"),
        ({"opposite_polarity": "always"}, "must be one of never, free"),
    ],
)
def test_parameters_without_a_meaning_are_refused(tmp_path, options, words):
    path = kept(tmp_path, labels=drawn({1: (20, 30)}))
    with pytest.raises(ParameterError, match=re.escape(words)):
        track_cube(path, tmp_path / "links.csv", **options)
    assert not (tmp_path / "links.csv").exists()


# trouble

GOOD = drawn({1: (20, 30)}, {1: (20, 31)})


def cut_short(path: Path) -> None:
    np.savez(path, labels=GOOD)
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path: Path) -> None:
    np.savez(path, labels=GOOD)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def garbled(path: Path) -> None:
    np.savez_compressed(path, labels=np.random.default_rng(1).integers(0, 99, (4, 50, 50)))
    raw = bytearray(path.read_bytes())
    raw[2000:2400] = bytes(400)
    path.write_bytes(raw)


def with_member(content: bytes, name: str = "labels.npy") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)

    return write


def as_npy(array: np.ndarray) -> bytes:
    np.save(whole := io.BytesIO(), array)
    return whole.getvalue()


def with_arrays(**content: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez(path, allow_pickle=True, **content)


MALFORMED: dict[str, tuple[Callable[[Path], None], str]] = {
    "text": (lambda path: path.write_text("some text"), "damaged or no .npz"),
    "nothing at all": (lambda path: path.write_bytes(b""), "damaged or no .npz"),
    "a bare array": (lambda path: path.write_bytes(as_npy(GOOD)), "damaged or no .npz"),
    "cut short": (cut_short, "damaged or no .npz"),
    "a flipped bit": (flipped, "Bad CRC-32"),
    "garbled": (garbled, "damaged or no .npz"),
    "cut array": (with_member(as_npy(GOOD)[:-8]), "should have 19200 bytes and has 19192"),
    "no npy": (with_member(b"labels"), "damaged or no .npz"),
    "no header": (with_member(b"\x93NUMPY\x01\x00"), "damaged or no .npz"),
    "another version": (with_member(b"\x93NUMPY\x03\x00" + as_npy(GOOD)[8:]), "in no format of a plain array"),
    "no labels": (with_arrays(frames=GOOD, other=GOOD), "no array labels; it holds frames, other"),
    "empty archive": (with_arrays(), "no array labels; it holds no array"),
    "no arrays": (with_member(b"labels", "labels"), "no array labels; it holds no array"),
    "floats": (with_arrays(labels=GOOD.astype(float)), "of type float64; they must be integers"),
    "masks": (with_arrays(labels=GOOD > 0), "are true or false"),
    "complex": (with_arrays(labels=GOOD + 0j), "of type complex128"),
    "strings": (with_arrays(labels=GOOD.astype(str)), "they must be integers"),
    "records": (with_arrays(labels=np.zeros((2, 3, 3), [("a", int)])), "they must be integers"),
    "objects": (with_arrays(labels=GOOD.astype(object)), "labels of labels.npz holds Python objects"),
    "an image": (with_arrays(labels=GOOD[0]), "a cube is (n_frames, ny, nx)"),
    "four axes": (with_arrays(labels=GOOD[None]), "a cube is (n_frames, ny, nx)"),
    "no frames": (with_arrays(labels=GOOD[:0]), "which holds no pixel"),
    "no columns": (with_arrays(labels=GOOD[:, :, :0]), "which holds no pixel"),
    "negative": (with_arrays(labels=np.stack([GOOD[0], GOOD[0] - 1])), "frame 1 of labels.npz has the label -1"),
    "too large": (
        with_arrays(labels=GOOD.astype(np.uint64) * np.uint64(2**63 + 1)), "more than a signed integer of 64 bits",
    ),
    "too many pixels": (with_arrays(labels=np.zeros((1, 8001, 8000), np.int8)), "more than 64000000 pixels a frame"),
    "other intensity": (with_arrays(labels=GOOD, intensity=np.ones(SHAPE)), "intensity of labels.npz has the shape"),
    "more intensity": (with_arrays(labels=GOOD, intensity=np.ones((3, *SHAPE))), "has the shape (3, 40, 60), its"),
    "intensity of masks": (with_arrays(labels=GOOD, intensity=GOOD > 0), "of type bool, not of real numbers"),
    "intensity of objects": (with_arrays(labels=GOOD, intensity=GOOD.astype(object)), "holds Python objects"),
    "other flux": (with_arrays(labels=GOOD, flux=np.ones((2, 60, 40))), "flux of labels.npz has the shape"),
    "complex field": (with_arrays(labels=GOOD, bz=GOOD * 1j), "bz of labels.npz is of type complex128"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_cube_is_refused_and_nothing_is_lost(tmp_path, capsys, kind):
    write, words = MALFORMED[kind]
    path, links = tmp_path / "labels.npz", tmp_path / "links.csv"
    write(path)
    links.write_text("old")
    assert run("track", path, "--links", links, "--geff", tmp_path / "out.geff") == 2
    error = sentence(capsys)
    assert words in error
    assert "labels.npz" in error
    assert re.search(r"[^.]\.\n$", error)
    assert links.read_text() == "old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["labels.npz", "links.csv"]


def test_an_encrypted_archive_is_refused(tmp_path):
    path = kept(tmp_path, labels=GOOD)
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag of encryption, in both headers
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    with pytest.raises(FrameError, match="encrypted"):
        list(read_cube(path))


LINE = "--links {tmp}/links.csv"
TROUBLE = [
    ("{tmp}/missing.npz " + LINE, "missing.npz does not exist"),
    ("{tmp}/labels.npz", "name the table to write with --links"),
    ("{tmp}/labels.npz --links {tmp}/links.txt", "must end in .csv"),
    ("{tmp}/labels.npz --links {tmp}/no/links.csv", "there is no folder"),
    ("{tmp}/labels.npz --links {tmp}/same.csv", "same.csv is an input; name another file to write"),
    ("{tmp}/labels.npz {tmp}/labels.npz " + LINE, "is a cube, tracked alone"),
    ("{tmp}/labels.npz --begin 2013.06.20_10:36:00_TAI " + LINE, "not for a cube"),
    ("{tmp}/labels.npz --features {tmp}/same.csv " + LINE, "not for a cube"),
    ("{tmp}/folder.npz " + LINE, "is a folder, not a file"),
    ("{tmp}/labels.npz --reach -3 " + LINE, "-3 is not a positive number"),
    ("{tmp}/labels.npz --reach 3 --reach-mm 3 " + LINE, "not allowed with argument"),
    ("{tmp}/labels.npz --reach-mm 3 " + LINE, "needs the side of a pixel, --pixel-mm"),
    ("{tmp}/labels.npz --max-gap 99 " + LINE, "max_gap must be 0 to 20, not 99"),
    ("{tmp}/labels.npz --link-bias nan " + LINE, "link_bias must be -5 to 5, not nan"),
    ("{tmp}/labels.npz --opposite-polarity maybe " + LINE, "invalid choice: 'maybe'"),
    ("{tmp}/labels.npz --pace 3 " + LINE, "unrecognized arguments: --pace"),
    ("{tmp}/labels.npy " + LINE, "labels.npy must end in .json"),
    ("{tmp}/labels.npz " + LINE + " --geff {tmp}/out.zarr", "must end in .geff"),
    ("{tmp}/labels.npz " + LINE + " --geff {tmp}/no/out.geff", "there is no folder"),
    ("{tmp}/labels.npz " + LINE + " --geff {tmp}/full.geff", "full.geff is there and no GEFF"),
]


@pytest.mark.parametrize(("line", "words"), TROUBLE, ids=[words for _, words in TROUBLE])
def test_a_wrong_line_is_one_sentence_and_nothing_is_lost(tmp_path, capsys, line, words):
    kept(tmp_path, labels=GOOD)
    np.save(tmp_path / "labels.npy", GOOD)
    (tmp_path / "links.csv").write_text("old")
    (tmp_path / "same.csv").symlink_to(tmp_path / "labels.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "full.geff").mkdir()
    (tmp_path / "full.geff" / "note.txt").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run("track", *line.format(tmp=tmp_path).split()) == 2
    error = sentence(capsys)
    assert words in error
    assert re.search(r"[^.]\.\n$", error)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_command_line_does_what_the_function_does(tmp_path, capsys):
    path = kept(tmp_path, labels=drawn({1: (20, 10)}, {1: (20, 11)}, {}, {1: (20, 12)}))
    words = track_cube(path, tmp_path / "a.csv", max_gap=2, reach=9.0, link_bias=1.0, pixel_mm=0.2)
    options = ("--max-gap", 2, "--reach", 9, "--link-bias", 1, "--pixel-mm", 0.2)
    assert run("track", "--links", tmp_path / "b.csv", *options, path) == 0
    assert capsys.readouterr().out == words.replace("a.csv", "b.csv") + "\n"
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
