"""
The links of a series as files: a table of pairs (.csv) and a graph (GEFF).

GEFF, the graph exchange file format of the cell-tracking community (its specification is
at https://liveimagetrackingtools.org/geff), is a folder of zarr arrays.
"""

import csv
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.errors import ParameterError
from processing.files import check_output, replacing
from processing.track import DetectedFrame, Link

COLUMNS = ("frame_earlier", "label_earlier", "frame_later", "label_later", "probability", "kind")
KINDS = ("continue", "merge", "split", "gap")
# All that a GEFF alone consists of, in either version of zarr.
_PARTS_OF_GEFF = {"zarr.json", ".zattrs", ".zgroup", ".zmetadata", "nodes", "edges"}


@dataclass(frozen=True)
class Features:
    """
    All features of a series, one entry each; a feature's id is its place.

    ``frame`` counts the frames from 0, ``label`` is what the feature's own file calls it,
    ``row``, ``col`` (centroid) and ``area`` are in pixels.
    """

    n_frames: int
    frame: np.ndarray
    label: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area: np.ndarray


class Noted:
    """Keeps what files of links tell of features, while frames pass on to the tracker."""

    def __init__(self) -> None:
        self._frames: list[tuple[np.ndarray, ...]] = []

    def passing(self, frames: Iterable[tuple[DetectedFrame, np.ndarray]]) -> Iterator[DetectedFrame]:
        """The frames, each given with its file's own labels in the order of its features."""
        for frame, labels in frames:
            number = np.full(labels.size, len(self._frames))
            self._frames.append((number, labels, frame.row, frame.col, frame.area_px))
            yield frame

    def features(self) -> Features:
        """Those of the frames that have passed."""
        columns = (np.concatenate(column) for column in zip(*self._frames, strict=True))
        return Features(len(self._frames), *columns)


class LinkRow(NamedTuple):
    """A link by frames and labels, what kind it is, and the ids of its ends."""

    frame_earlier: int
    label_earlier: int
    frame_later: int
    label_later: int
    probability: float | None
    kind: str
    earlier: int
    later: int


def link_rows(features: Features, links: Sequence[Link]) -> list[LinkRow]:
    """
    The links by their later, then their earlier end.

    The kind is merge where the later end has several links in, else split where the
    earlier end has several links out, else gap where frames are skipped, else continue.
    """
    n_out, n_in = Counter(link.earlier for link in links), Counter(link.later for link in links)
    frame, label = features.frame.tolist(), features.label.tolist()

    def row(link: Link) -> LinkRow:
        i, j = link.earlier, link.later
        if n_in[j] > 1:
            kind = "merge"
        elif n_out[i] > 1:
            kind = "split"
        else:
            kind = "gap" if frame[j] - frame[i] > 1 else "continue"
        return LinkRow(frame[i], label[i], frame[j], label[j], link.probability, kind, i, j)

    rows = (row(link) for link in links)
    return sorted(rows, key=lambda row: (row.frame_later, row.label_later, row.frame_earlier, row.label_earlier))


def said(features: Features, links: Sequence[Link]) -> str:
    """How many links of which kind there are."""
    kinds = Counter(row.kind for row in link_rows(features, links))
    of_kinds = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS)
    return f"{len(links)} links ({of_kinds}) of {features.frame.size} features in {features.n_frames} frames"


def check_link_files(links: Path | None, geff: Path | None, *, inputs: Iterable[Path] = ()) -> None:
    """Raise ParameterError when one of them cannot be written, or an input would be lost by it."""
    if links:
        check_output(links, (".csv",))
    if not geff:
        return
    if geff.suffix != ".geff":
        raise ParameterError(f"the name of {geff.name} must end in .geff")
    if not geff.parent.is_dir():
        raise ParameterError(f"there is no folder {geff.parent} to write {geff.name} to")
    if geff.exists() or geff.is_symlink():
        _check_replaceable(geff)
    for path in (*inputs, *([links] if links else [])):
        if geff.resolve() in path.resolve().parents:
            raise ParameterError(f"{path} is inside {geff}, which is replaced as a whole; name another place")


def _check_replaceable(geff: Path) -> None:
    """Only what is a GEFF and nothing else may go."""
    if geff.is_symlink() or not geff.is_dir():
        raise ParameterError(f"{geff} is there and no GEFF folder; name another")
    import zarr

    try:
        is_geff = "geff" in zarr.open_group(geff, mode="r").attrs
    except Exception:  # zarr raises many kinds for what is no group
        is_geff = False
    more = sorted({item.name for item in geff.iterdir()} - _PARTS_OF_GEFF)
    if not is_geff:
        raise ParameterError(f"{geff} is there and no GEFF; name another folder")
    if more:
        raise ParameterError(f"{geff} holds more than a graph, {more[0]}, which would be lost; name another folder")


def write_link_files(
    links_path: Path | None,
    geff: Path | None,
    features: Features,
    links: Sequence[Link],
    *,
    pixel_mm: float | None = None,
) -> None:
    """Write those that are asked for; all are whole before the first takes its place."""
    rows = link_rows(features, links)
    with ExitStack() as stack:
        if links_path:
            write_links(stack.enter_context(replacing(links_path)), rows)
        if geff:
            write_geff(stack.enter_context(_replacing_folder(geff)), features, rows, pixel_mm=pixel_mm)


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """The name of a folder to make on the same disk; it takes its place when the block ends well, or is removed."""
    beside = Path(tempfile.mkdtemp(prefix=f"{path.name}.", dir=path.parent))
    new, old = beside / "new", beside / "old"
    try:
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        if path.exists() or not old.exists():  # else the old one could not go back, and is kept
            shutil.rmtree(beside, ignore_errors=True)


def write_links(path: Path, rows: Iterable[LinkRow]) -> None:
    """Write COLUMNS of the links; a probability has six decimals, and is empty where it is not known."""
    with path.open("w", newline="", encoding="ascii") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            probability = "" if row.probability is None else f"{row.probability:.6f}"
            table.writerow((*row[:4], probability, row.kind))


def write_geff(path: Path, features: Features, rows: Sequence[LinkRow], *, pixel_mm: float | None = None) -> None:
    """
    Write features and links as a directed graph.

    Parameters
    ----------
    path : `~pathlib.Path`
        A folder that is not there yet.
    features : `Features`
        Nodes, with properties t (frame, from 0), y, x (centroid, pixels; the middle of
        the first pixel is 0), label and area (pixels).
    rows : sequence of `LinkRow`
        Edges, with properties probability (NaN where it is not known), kind and skipped
        (frames between the two ends).
    pixel_mm : float, optional
        Side of a pixel, Mm, noted as the scale of y and x.
    """
    from geff import GeffMetadata
    from geff.core_io import write_arrays

    nodes = {
        "t": features.frame.astype(np.int64),
        "y": features.row.astype(np.float64),
        "x": features.col.astype(np.float64),
        "label": features.label.astype(np.int64),
        "area": features.area.astype(np.int64),
    }
    edges = {
        "probability": np.array([row.probability for row in rows], np.float64),  # None becomes NaN
        "kind": np.array([row.kind for row in rows], f"<U{max(map(len, KINDS))}"),
        "skipped": np.array([row.frame_later - row.frame_earlier - 1 for row in rows], np.int64),
    }
    scaled = {} if pixel_mm is None else {"scale": pixel_mm, "scaled_unit": "megameter"}
    units = {"t": "frame", "y": "pixel", "x": "pixel", "area": "pixel"}
    metadata = GeffMetadata.model_validate({
        "directed": True,
        "axes": [
            {"name": "t", "type": "time", "unit": "frame"},
            *({"name": name, "type": "space", "unit": "pixel", **scaled} for name in ("y", "x")),
        ],
        "node_props_metadata": {
            name: {"identifier": name, "dtype": values.dtype.name, "unit": units.get(name)}
            for name, values in nodes.items()
        },
        "edge_props_metadata": {},
    })  # fmt: skip
    write_arrays(
        path,
        np.arange(features.frame.size, dtype=np.uint64),
        {name: {"values": values, "missing": None} for name, values in nodes.items()},
        np.array([(row.earlier, row.later) for row in rows], np.uint64).reshape(-1, 2),
        {name: {"values": values, "missing": None} for name, values in edges.items()},
        metadata,
    )
