"""One export: what was asked for, and the files that come of it."""

import io
import json
import math
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processing.timekeys import compact_t_rec
from tests.jsoc.records import Record

MB = 1024 * 1024
NO_FILE = "NoDataFile"
# A record and the segments of it that are asked for.
Chosen = list[tuple[Record, list[str]]]
FIRST_SUNUM = 1_900_000_000


@dataclass
class Item:
    """One row of an export's data: a segment of a record and the name of its file, which may be missing."""

    record: Record
    segment: str
    filename: str


@dataclass
class Export:
    """One request, for ever: the times are those of the book's clock."""

    id: str
    sunum: int
    address: str
    asked: dict[str, str]
    items: list[Item]
    size_mb: int
    n_records: int
    since: float
    ready_at: float
    fault: str = ""
    free_at: float = math.inf  # a request that never ends counts as pending until then
    lost_until: float = 0.0
    expired: bool = False
    files: dict[str, Item] = field(default_factory=dict)
    made: dict[str, bytes] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"/SUM{self.sunum % 90}/D{self.sunum}/S00000"

    @property
    def method(self) -> str:
        return self.asked.get("method", "url")

    @property
    def protocol(self) -> str:
        return self.asked.get("protocol", "as-is")

    @property
    def tar_name(self) -> str | None:
        return f"{self.id}.tar" if self.method.endswith("-tar") else None


def size_bytes(chosen: Chosen) -> int:
    """Of all files there are."""
    return sum(record.size(segment) for record, segments in chosen for segment in segments if segment in record.files)


def size_mb(chosen: Chosen) -> int:
    """The same in whole megabytes, at least one unless there is nothing, as JSOC counts."""
    size = size_bytes(chosen)
    return max(1, size // MB) if size else 0


def file_name(asked: Mapping[str, str], record: Record, segment: str) -> str:
    """What ``filenamefmt`` makes of a segment; JSOC's own format has the record's number."""
    name = asked.get("filenamefmt") or "{seriesname}.{recnum:%d}.{segment}"
    values = {
        "{seriesname}": record.series, "{segment}": segment, "{HARPNUM}": str(record.harpnum),
        "{T_REC:A}": compact_t_rec(record.t_rec_s), "{T_REC}": record.t_rec, "{recnum:%d}": str(record.recnum),
        "{recnum:%lld}": str(record.recnum),
    }  # fmt: skip
    for part, value in values.items():
        name = name.replace(part, value)
    return f"{name}.fits"


def lose(export: Export, segment: str) -> None:
    """Have no file for one segment of one record: the first that is still there."""
    for item in export.items:
        if item.filename != NO_FILE and segment in ("", item.segment):
            del export.files[item.filename]
            item.filename = NO_FILE
            return


def content(export: Export, item: Item) -> bytes:
    read = item.record.read_as_is if export.protocol == "as-is" else item.record.read
    return read(item.segment)


def packing_list(export: Export) -> dict[str, Any]:
    """The index.json of a finished export, whose values are all text; fits exports name the record alone."""
    braces = export.protocol == "as-is"
    rows = [
        {
            "record": f"{item.record.name}{{{item.segment}}}" if braces else item.record.name,
            "filename": item.filename,
        }
        for item in export.items
    ]
    answer: dict[str, Any] = {
        "version": "1", "requestid": export.id, "method": export.method, "protocol": export.protocol, "wait": "0",
        "count": str(len(export.files)), "size": str(export.size_mb), "exp_time": "2026.01.01_00:00:00_UT",
        "dir": export.folder, "status": "0",
        "keywords": f"{export.folder}/{export.id}.keywords.txt" if braces else "**IN FITS FILES**",
    }  # fmt: skip
    if export.tar_name:
        answer["tarfile"] = f"{export.folder}/{export.tar_name}"
    return {**answer, "data": rows}


def packing_files(export: Export) -> dict[str, bytes]:
    """What lies beside the files: the packing list in three forms."""
    index = packing_list(export)
    lines = [f"{key}={value}" for key, value in index.items() if key != "data"]
    rows = [f"{row['record']}\t{row['filename']}" for row in index["data"]]
    text = "\n".join(["# JSOC ", *lines, "# DATA ", *rows, ""])
    return {
        "index.json": json.dumps(index).encode(),
        "index.txt": text.encode(),
        "index.html": f"<html><body><pre>{text}</pre></body></html>".encode(),
    }


def make_tar(export: Export, changed: float) -> bytes:
    """Its files and the packing list, as ``tar chf ID.tar ./`` puts them together."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        top = tarfile.TarInfo("./")
        top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o755, int(changed)
        tar.addfile(top)
        contents = {name: content(export, item) for name, item in export.files.items()} | packing_files(export)
        for name, data in contents.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mtime = len(data), int(changed)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()
