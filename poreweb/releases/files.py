"""The files of a release: made from the run's rows and from what was settled when it was frozen, always the same."""

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from poreweb import storage
from poreweb.exports.catalogue import build_catalogue
from poreweb.releases.lineage import RunRows, published_of, rows_of
from poreweb.releases.lineage_json import lineage_json
from poreweb.releases.models import Release
from poreweb.tracks.jobs import pixel_side_mm
from processing.edits import Published
from processing.export import write_catalogue
from processing.link_files import Features, link_rows, write_geff

MANIFEST = "MANIFEST"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in an archive, so that equal content gives equal bytes


@dataclass(frozen=True)
class Kind:
    """What one of the files is: its media type, what it holds, and what it leaves out."""

    content_type: str
    holds: str
    lacks: str


KINDS = {
    "catalogue.ecsv": Kind("text/plain; charset=utf-8", "Every pore with its measures, units and both tracks", "links"),
    "catalogue.csv": Kind("text/csv; charset=utf-8", "The same, with units in its comments", "links"),
    "lineage.json": Kind(
        "application/json", "Tracks, links and events as published, and who settled what", "measures but the area"
    ),
    "lineage.geff.zip": Kind(
        "application/zip", "Pores and links as a graph (GEFF, zipped)", "tracks, events, who settled what"
    ),
    MANIFEST: Kind("text/plain; charset=utf-8", "SHA-256 of the others, for sha256sum --check", ""),
}


def make_files(release: Release, folder: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Write them below a key of the storage; name -> key, size and SHA-256 of each, and what sums them up."""
    run = release.run
    found = rows_of(run)
    published = published_of(run, release.settled, found=found)
    table = build_catalogue(run, published, told=release.provenance)
    told = lineage_json(published, found, release.settled, release.provenance)
    files: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as made:
        for kind in ("ecsv", "csv"):
            write_catalogue(table, Path(made, f"catalogue.{kind}"), kind=kind)
        Path(made, "lineage.json").write_text(told, encoding="utf-8")
        _write_graph(Path(made), published, found)
        for name in KINDS:
            data = manifest(files).encode() if name == MANIFEST else Path(made, name).read_bytes()
            key = f"{folder}/{name}"
            storage.write_bytes(key, data)
            files[name] = {"key": key, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    lineage = published.lineage
    return files, {
        "n_tracks": len(lineage.tracks),
        "n_events": len(lineage.events),
        "n_links": len(published.links),
        "n_pores": len(published.track_of),
        "n_settled": len(release.settled),
        "n_spurious": len(published.spurious),
        "n_conflicts": len(published.conflicts),
    }


def manifest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Lines that ``sha256sum --check`` reads."""
    return "".join(f"{file['sha256']}  {name}\n" for name, file in files.items())


def _write_graph(folder: Path, published: Published, found: RunRows) -> None:
    """``lineage.geff`` and its archive. Spurious pores are left out; absorbed ones are there without links."""
    pores = [pore for pk, pore in found.pores.items() if pk not in published.spurious]
    place = {pore.pk: k for k, pore in enumerate(pores)}
    side = pixel_side_mm(found.frames[0].run, found.frames[0])
    columns = [(pore.frame, pore.label, pore.area_px) for pore in pores]
    frame, label, area = np.array(columns, np.int64).reshape(-1, 3).T
    row, col = np.array([(pore.row, pore.col) for pore in pores], float).reshape(-1, 2).T
    features = Features(len(found.frames), frame, label, row, col, area)
    links = [replace(link, earlier=place[link.earlier], later=place[link.later]) for link in published.links]
    write_geff(folder / "lineage.geff", features, link_rows(features, links), pixel_mm=side)
    with zipfile.ZipFile(folder / "lineage.geff.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "lineage.geff").rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(str(path.relative_to(folder)), EPOCH)
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 6)
