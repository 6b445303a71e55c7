"""What the tracker takes and gives, and the series it works on: one row a feature."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from processing.errors import FrameError
from processing.timekeys import slots_of, usual_step


@dataclass(frozen=True)
class DetectedFrame:
    """
    The features of one frame. Feature k (from 0) has label k + 1.

    ``ids`` are unique over the series; ``row``, ``col`` and ``area_px`` are in pixels of
    the label image, shape (ny, nx). ``intensity`` (mean contrast) and ``flux`` (signed,
    any unit) help where they are known; NaN or None where they are not.
    """

    t_rec_s: int
    ids: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area_px: np.ndarray
    labels: np.ndarray
    intensity: np.ndarray | None = None
    flux: np.ndarray | None = None


@dataclass(frozen=True)
class Link:
    """
    One edge of the lineage, from a feature to one at a later T_REC.

    ``cost`` is the raw cost, minus the log-odds of ``probability``: lower is surer.
    ``overlap`` is the shared pixels over the smaller area once the motion expected of the
    pore is taken out, ``distance_mm`` the way from where it was, ``skipped`` the frames
    held between the two.
    """

    earlier: int
    later: int
    cost: float
    overlap: float
    distance_mm: float
    skipped: int = 0
    probability: float | None = None


@dataclass(frozen=True)
class Linked:
    """The chosen links and the likeliest that were not, both sorted by later, then earlier id."""

    links: list[Link]
    rejected: list[Link]


@dataclass(frozen=True)
class Series:
    """
    All features of a series, one entry each, in order of frame and label.

    ``frame`` counts the frames given, ``slot`` (one a frame) the steps of the cadence, so
    that a frame that is missing altogether leaves a hole; ``cadence_s`` is one of them in
    seconds. ``pixels`` holds for each frame the flat indices of the pixels inside features
    and their labels.
    """

    t_rec_s: np.ndarray
    slot: np.ndarray
    shape: tuple[int, int]
    frame: np.ndarray
    ids: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area: np.ndarray
    intensity: np.ndarray
    flux: np.ndarray
    pixels: list[tuple[np.ndarray, np.ndarray]]
    cadence_s: int

    @property
    def n_frames(self) -> int:
        """Frames given, empty ones included."""
        return self.slot.size

    @cached_property
    def radius(self) -> np.ndarray:
        """Radius of the disk of the same area, pixels."""
        return np.sqrt(self.area / np.pi)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each frame's features begin, shape (n_frames + 1,)."""
        return np.searchsorted(self.frame, np.arange(self.n_frames + 1))


def gather(frames: Iterable[DetectedFrame], *, cadence_s: int | None = None) -> Series:
    """
    Frames in order of T_REC to one series; label images are kept as lists of pixels.

    Without the cadence it is `processing.timekeys.usual_step`.

    Raises
    ------
    FrameError
        If the frames are not in order of T_REC, differ in shape, or a feature has no area.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    pixels: list[tuple[np.ndarray, np.ndarray]] = []
    times: list[int] = []
    shape = (1, 1)
    for frame in frames:
        if times and frame.t_rec_s <= times[-1]:
            raise FrameError("the frames of a series must be in order of T_REC, each once")
        if times and frame.labels.shape != shape:
            raise FrameError(f"a frame is {frame.labels.shape}, the frames before it are {shape}")
        if not (np.asarray(frame.area_px) > 0).all():
            raise FrameError("a feature of the series has no area")
        n = frame.ids.size
        unknown = np.full(n, np.nan)
        columns.append((
            np.full(n, len(times)),
            np.asarray(frame.ids, np.int64),
            frame.row,
            frame.col,
            frame.area_px,
            unknown if frame.intensity is None else frame.intensity,
            unknown if frame.flux is None else frame.flux,
        ))  # fmt: skip
        flat = np.flatnonzero(frame.labels).astype(np.int32)
        pixels.append((flat, frame.labels.ravel()[flat].astype(np.int32)))
        times.append(frame.t_rec_s)
        shape = (int(frame.labels.shape[0]), int(frame.labels.shape[1]))
    if not times:
        columns = [(np.zeros(0),) * 7]
    numbers, ids, row, col, area, intensity, flux = (np.concatenate(column) for column in zip(*columns, strict=True))
    t_rec_s = np.array(times, np.int64)
    row, col, area, intensity, flux = (np.asarray(column, float) for column in (row, col, area, intensity, flux))
    frame_of, ids = numbers.astype(np.int64), ids.astype(np.int64)
    step = cadence_s or usual_step(times)
    slot = np.array(slots_of(times, step), np.int64)
    return Series(t_rec_s, slot, shape, frame_of, ids, row, col, area, intensity, flux, pixels, step)


def series_breaks(t_rec_s: Sequence[int], *, max_gap: int, cadence_s: int | None = None) -> set[int]:
    """Indices of the frames before which more than ``max_gap`` slots are missing, so that nothing is linked."""
    slots = slots_of(t_rec_s, cadence_s or usual_step(t_rec_s))
    return {k for k, (before, after) in enumerate(pairwise(slots), start=1) if after - before > max_gap + 1}
