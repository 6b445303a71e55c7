"""Links as a table and as a graph, read back with the readers of those formats."""

import csv
import subprocess
import sys
from pathlib import Path

import geff
import numpy as np
import pytest
from geff.core_io import read_to_memory
from geff.validate.data import ValidationConfig
from hypothesis import given
from hypothesis import strategies as st

from processing import link_files
from processing.errors import ParameterError
from processing.link_files import (
    COLUMNS,
    Features,
    Noted,
    check_link_files,
    link_rows,
    said,
    write_link_files,
)
from processing.track import DetectedFrame, Link

FRAMES = (0, 0, 0, 1, 1, 2, 2, 4)
LABELS = (7, 3, 500_000_000_000, 1, 9, 2, 1, 6)


def features_of(frames: tuple[int, ...] = FRAMES, labels: tuple[int, ...] = LABELS) -> Features:
    n = len(frames)
    return Features(
        5, np.array(frames, int), np.array(labels, np.int64), np.arange(n) + 0.25, 2.0 * np.arange(n), np.arange(n) + 20
    )


def link(earlier: int, later: int, probability: float | None = 0.5) -> Link:
    return Link(earlier, later, 0.0, 0.0, 0.0, 0, probability)


# 0 and 1 merge into 3, which parts into 5 and 6; 5 is found again as 7; 2 goes on as 4
LINKS = [link(5, 7, 0.2), link(3, 6), link(2, 4, 0.9999999), link(1, 3), link(3, 5), link(0, 3, None)]


def test_rows_are_sorted_and_of_one_kind_each():
    rows = [(row.frame_earlier, row.label_earlier, row.frame_later, row.label_later, row.kind)
            for row in link_rows(features_of(), LINKS)]  # fmt: skip
    assert rows == [
        (0, 3, 1, 1, "merge"),
        (0, 7, 1, 1, "merge"),
        (0, 500_000_000_000, 1, 9, "continue"),
        (1, 1, 2, 1, "split"),
        (1, 1, 2, 2, "split"),
        (2, 2, 4, 6, "gap"),
    ]
    assert said(features_of(), LINKS) == (
        "6 links (1 continue, 2 merge, 2 split, 1 gap) of 8 features in 5 frames"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("links", "kinds"),
    [
        ([link(0, 7), link(5, 7)], ["merge", "merge"]),  # over a gap, too
        ([link(0, 3), link(0, 7)], ["split", "split"]),
        ([link(0, 3), link(0, 4), link(1, 4)], ["split", "merge", "merge"]),  # a split into a merger
        ([link(5, 7)], ["gap"]),
        ([], []),
    ],
)
def test_a_merger_counts_before_a_split_and_that_before_a_gap(links, kinds):
    assert [row.kind for row in link_rows(features_of(), links)] == kinds


def test_the_table_has_the_columns_and_six_decimals(tmp_path):
    write_link_files(tmp_path / "l.csv", None, features_of(), LINKS)
    assert (tmp_path / "l.csv").read_bytes().decode().splitlines() == [
        "frame_earlier,label_earlier,frame_later,label_later,probability,kind",
        "0,3,1,1,0.500000,merge",
        "0,7,1,1,,merge",
        "0,500000000000,1,9,1.000000,continue",
        "1,1,2,1,0.500000,split",
        "1,1,2,2,0.500000,split",
        "2,2,4,6,0.200000,gap",
    ]
    write_link_files(tmp_path / "l.csv", None, features_of(), [])
    assert (tmp_path / "l.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert [item.name for item in tmp_path.iterdir()] == ["l.csv"]


def test_the_graph_is_read_back_by_the_reader_of_its_format(tmp_path):
    features, path = features_of(), tmp_path / "g.geff"
    write_link_files(None, path, features, LINKS, pixel_mm=0.25)
    geff.validate_structure(path)
    memory = read_to_memory(path, data_validation=ValidationConfig(graph=True))
    metadata = memory["metadata"]
    assert metadata.directed
    axes = [(axis.name, axis.type, axis.unit, axis.scale, axis.scaled_unit) for axis in metadata.axes]
    assert axes == [
        ("t", "time", "frame", None, None),
        ("y", "space", "pixel", 0.25, "megameter"),
        ("x", "space", "pixel", 0.25, "megameter"),
    ]
    assert metadata.node_props_metadata["area"].unit == "pixel"
    np.testing.assert_array_equal(memory["node_ids"], range(8))
    nodes = {name: prop["values"] for name, prop in memory["node_props"].items()}
    expected = {"t": features.frame, "label": features.label, "y": features.row, "x": features.col,
                "area": features.area}  # fmt: skip
    assert nodes.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(nodes[name], values)
    rows = link_rows(features, LINKS)
    np.testing.assert_array_equal(memory["edge_ids"], [(row.earlier, row.later) for row in rows])
    edges = {name: prop["values"] for name, prop in memory["edge_props"].items()}
    assert edges.keys() == {"probability", "kind", "skipped"}
    assert edges["kind"].tolist() == [row.kind for row in rows]
    np.testing.assert_array_equal(edges["skipped"], [0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(edges["probability"], [0.5, np.nan, 0.9999999, 0.5, 0.5, 0.2])


def test_a_graph_as_other_programs_see_it(tmp_path):
    """Through the format's own conversion to networkx, with merges and splits in it."""
    write_link_files(None, tmp_path / "g.geff", features_of(), LINKS)
    graph, metadata = geff.read(tmp_path / "g.geff", backend="networkx")
    assert graph.is_directed()
    assert set(graph.edges) == {(one.earlier, one.later) for one in LINKS}
    assert graph.in_degree(3) == graph.out_degree(3) == 2
    assert graph.nodes[2]["label"] == 500_000_000_000
    assert graph.edges[5, 7]["kind"] == "gap"
    assert [axis.scale for axis in metadata.axes] == [None] * 3


@pytest.mark.parametrize("n_features", [0, 3])
def test_a_graph_without_links_or_features_is_one(tmp_path, n_features):
    path = tmp_path / "g.geff"
    write_link_files(None, path, features_of(FRAMES[:n_features], LABELS[:n_features]), [])
    memory = read_to_memory(path, data_validation=ValidationConfig(graph=True))
    assert memory["node_ids"].size == n_features
    assert memory["edge_ids"].shape == (0, 2)


@given(st.lists(st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted), min_size=1, max_size=5))
def test_frames_pass_unchanged_and_are_noted(labels):
    frames, n_before = [], 0
    for k, names in enumerate(labels):
        here = np.arange(n_before, n_before + len(names))
        frames.append(
            (DetectedFrame(k, here, here + 0.5, here + 1.5, here + 9, np.zeros((1, 1), int)), np.array(names))
        )
        n_before += len(names)
    noted = Noted()
    assert [id(frame) for frame in noted.passing(frames)] == [id(frame) for frame, _ in frames]
    features = noted.features()
    assert features.n_frames == len(labels)
    assert features.frame.tolist() == [k for k, names in enumerate(labels) for _ in names]
    assert features.label.tolist() == [name for names in labels for name in names]
    np.testing.assert_array_equal(features.row, np.arange(n_before) + 0.5)
    np.testing.assert_array_equal(features.area, np.arange(n_before) + 9)


# nothing that is there is lost


def a_graph(path: Path, links: list[Link] | None = None) -> Path:
    write_link_files(None, path, features_of(), LINKS if links is None else links)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_graph_replaces_a_graph(tmp_path):
    path = a_graph(tmp_path / "g.geff", [])
    check_link_files(None, path)
    a_graph(path)
    assert read_to_memory(path)["edge_ids"].shape == (6, 2)
    assert [item.name for item in tmp_path.iterdir()] == ["g.geff"]


def test_only_a_graph_is_replaced(tmp_path):
    (tmp_path / "file.geff").write_text("mine")
    (tmp_path / "empty.geff").mkdir()
    (tmp_path / "broken.geff").mkdir()
    (tmp_path / "broken.geff" / "zarr.json").write_text("{}")
    (tmp_path / "linked.geff").symlink_to(a_graph(tmp_path / "real.geff"))
    (a_graph(tmp_path / "more.geff") / "image").mkdir()
    before = content(tmp_path)
    for name in ("file", "empty", "broken"):
        with pytest.raises(ParameterError, match="no GEFF"):
            check_link_files(None, tmp_path / f"{name}.geff")
    with pytest.raises(ParameterError, match="no GEFF folder"):
        check_link_files(None, tmp_path / "linked.geff")
    with pytest.raises(ParameterError, match="holds more than a graph, image"):
        check_link_files(None, tmp_path / "more.geff")
    assert content(tmp_path) == before


def test_nothing_may_lie_in_a_graph_that_is_replaced(tmp_path):
    path = a_graph(tmp_path / "g.geff")
    with pytest.raises(ParameterError, match="is inside"):
        check_link_files(None, path, inputs=[path / "nodes" / "labels.npz"])
    with pytest.raises(ParameterError, match="is inside"):
        check_link_files(path / "links.csv", path)
    check_link_files(tmp_path / "links.csv", path, inputs=[tmp_path / "labels.npz"])


@pytest.mark.parametrize("fails", ["write_links", "write_geff"])
def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch, fails):
    path, table = a_graph(tmp_path / "g.geff"), tmp_path / "l.csv"
    table.write_text("old")
    before = content(tmp_path)

    def fail(place: Path, *_: object, **__: object) -> None:
        if fails == "write_links":
            place.write_text("half")
        else:
            place.mkdir()
        raise OSError(28, "No space left on device", str(place))

    monkeypatch.setattr(link_files, fails, fail)
    with pytest.raises(OSError, match="No space"):
        write_link_files(table, path, features_of(), [])
    assert content(tmp_path) == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["g.geff", "l.csv"]


def test_a_graph_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    path = a_graph(tmp_path / "g.geff")
    before, rename = content(path), Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Permission"):
        a_graph(path, [])
    assert content(path) == before
    assert [item.name for item in tmp_path.iterdir()] == ["g.geff"]


def test_nothing_heavy_is_imported_for_a_table_of_links():
    """What the command line of a cube need not wait for."""
    heavy = {"geff", "zarr", "astropy.table", "skimage", "sunpy", "h5py", "av", "plotly", "networkx", "tensorflow"}
    code = "import sys, processing.__main__, processing.label_cube; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy & set(loaded) == set()


def test_rows_of_the_table_are_read_by_name(tmp_path):
    write_link_files(tmp_path / "l.csv", None, features_of(), LINKS)
    with (tmp_path / "l.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert {(row["frame_earlier"], row["frame_later"]) for row in rows} == {("0", "1"), ("1", "2"), ("2", "4")}
