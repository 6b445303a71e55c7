"""Raw FITS on disk: exactly as received, named by SHA-256, never modified."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from poreweb import storage
from poreweb.observations.models import Frame, RawFile
from processing.errors import FrameError
from processing.fits import PatchFrame, join_segments, read_segment


def raw_key(sha256: str) -> str:
    """Key of a raw file."""
    return f"raw/{sha256[:2]}/{sha256}.fits"


def incoming_folder(folder: str) -> str:
    """Key of the folder in which a delivery waits to be read."""
    return f"incoming/{folder}"


def incoming_key(folder: str, number: int) -> str:
    """Key of a delivery's file; its own name is only ever shown."""
    return f"{incoming_folder(folder)}/{number:05d}"


def store_raw(sha256: str, raw: bytes) -> None:
    """Keep the bytes; twice the same is once."""
    key = raw_key(sha256)
    if not storage.exists(key):
        storage.write_bytes(key, raw)


def store_keywords(sha256: str, frame: Frame, cards: Mapping[str, Any]) -> None:
    """
    Keep the keywords of a file whose header is bare next to it, never in it.

    The record is in the name, since two records may have the same bytes (an empty bitmap).
    """
    key = raw_key(sha256).removesuffix(".fits") + f".{frame.patch_id}.{frame.t_rec_s}.json"
    storage.write_bytes(key, json.dumps(dict(cards), sort_keys=True, indent=1).encode())


def read_frame(frame: Frame, segments: Collection[str] | None = None) -> PatchFrame:
    """
    Read a frame's raw files, or only those of some segments.

    Raises
    ------
    FrameError
        If none of the segments is held, or a raw file is not what it was.
    """
    chosen: dict[str, RawFile] = {}
    for raw_file in frame.raw_files.filter(conflict=False):
        if segments is None or raw_file.segment in segments:
            chosen.setdefault(raw_file.segment, raw_file)
    if not chosen:
        wanted = "any segment" if segments is None else " or ".join(segments)
        raise FrameError(f"{wanted} is missing at {frame.t_rec}")
    parts = []
    for raw_file in chosen.values():
        segment = read_segment(storage.read_bytes(raw_key(raw_file.sha256)), raw_file.name)
        if segment.sha256 != raw_file.sha256:
            raise FrameError(f"{raw_file.name} has changed on disk since it was received")
        parts.append(segment)
    joined = join_segments(parts)
    # the frame's cards may come from a sibling that was not read now
    return PatchFrame(joined.harpnum, joined.t_rec_s, {**frame.cards, **joined.cards}, joined.maps)
