"""A run's arrays: enhanced contrast and labels, one frame a chunk; statistics of all frames, one map a chunk."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ContainsArrayError

from poreweb import storage
from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.statistics import STATISTICS, RunningStatistics, median_by_rows

# Contrast is kept as whole steps of 1e-4, a thirtieth of HMI's own quantisation; code 0 is "no data".
CONTRAST_STEP = 1e-4
_LARGEST_CODE = 65535
_COMPRESSOR = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")


def run_folder(run: Run) -> str:
    """Key under which everything of a run lies."""
    return f"runs/{run.pk}"


def _array(run: Run, name: str, shape: tuple[int, int, int] | None = None) -> zarr.Array:
    store = storage.array_store(f"{run_folder(run)}/{name}.zarr")
    if shape is None:
        return zarr.open_array(store, mode="r")
    try:
        return zarr.create_array(
            store,
            shape=shape,
            chunks=(1, shape[1], shape[2]),
            dtype="uint16",
            fill_value=0,
            compressors=_COMPRESSOR,
        )
    except ContainsArrayError:  # another batch of the run was first
        array = zarr.open_array(store, mode="r+")
    if array.shape[0] < shape[0]:  # frames were added to the run; what is there stays as it is
        array.resize((shape[0], *array.shape[1:]))
    return array


def write_maps(run: Run, index: int, n_frames: int, *, contrast: np.ndarray, labels: np.ndarray) -> None:
    """
    Store the maps (ny, nx) of the run's frame ``index``; a second time overwrites with the same.

    The arrays grow to ``n_frames`` if they are of fewer; they never shrink.

    Raises
    ------
    FrameError
        If the run's other frames have another shape.
    """
    if labels.max(initial=0) > _LARGEST_CODE:
        raise FrameError(f"the frame has {labels.max()} features, more than the {_LARGEST_CODE} that can be kept")
    shape = (n_frames, *labels.shape)
    label_array = _array(run, "labels", shape)
    if label_array.shape[1:] != labels.shape:
        raise FrameError(f"the frame is {labels.shape}, the run's first one is {label_array.shape[1:]}")
    codes = np.clip(np.rint(np.nan_to_num(contrast, nan=-1) / CONTRAST_STEP), 0, _LARGEST_CODE - 1) + 1
    codes[~np.isfinite(contrast)] = 0
    _array(run, "contrast", shape)[index] = codes.astype(np.uint16)
    label_array[index] = labels.astype(np.uint16)


def read_contrast_codes(run: Run, index: int) -> np.ndarray:
    """Contrast as stored, uint16 (ny, nx): 0 without data, else 1 + contrast / CONTRAST_STEP."""
    return np.asarray(_array(run, "contrast")[index])


def read_contrast(run: Run, index: int) -> np.ndarray:
    """Contrast, float32 (ny, nx), NaN without data."""
    return _contrast_of(read_contrast_codes(run, index))


def _contrast_of(codes: np.ndarray) -> np.ndarray:
    contrast = (codes.astype(np.float32) - 1) * np.float32(CONTRAST_STEP)
    contrast[codes == 0] = np.nan
    return contrast


def read_labels(run: Run, index: int) -> np.ndarray:
    """Labels, int32 (ny, nx)."""
    return np.asarray(_array(run, "labels")[index]).astype(np.int32)


@dataclass(frozen=True)
class StatisticsSize:
    """How many frames a run's statistics are of, and their shape (ny, nx) on its working grid."""

    n_frames: int
    shape: tuple[int, int]


def _statistics_store(run: Run) -> storage.Store:
    return storage.array_store(f"{run_folder(run)}/statistics.zarr")


def write_statistics(run: Run) -> None:
    """
    Store the statistics of the contrast of all frames that the run has processed, in place of any made before.

    They are `processing.statistics.STATISTICS`, in that order. Each frame is read once, and once
    more for every 256 MB that all of them take (see `median_by_rows`).

    Raises
    ------
    FrameError
        If the run has processed none.
    """
    done = run.segmentations.filter(state=Segmentation.State.DONE).order_by("index")
    indices = list(done.values_list("index", flat=True))
    if not indices:
        raise FrameError(f"{run} has processed no frame, so there are no statistics")
    held = statistics_size(run)
    if held and held.n_frames == len(indices):
        return  # of a tracking that was done before; whoever reads them now must not find them gone
    maps = _statistics_maps(_array(run, "contrast"), indices)
    ny, nx = maps["mean"].shape
    stored = zarr.create_array(
        _statistics_store(run),
        shape=(len(STATISTICS), ny, nx),
        chunks=(1, ny, nx),
        dtype="float32",
        fill_value=np.nan,
        compressors=_COMPRESSOR,
        overwrite=True,
    )
    for k, name in enumerate(STATISTICS):
        stored[k] = maps[name].astype(np.float32)
    stored.update_attributes({"names": list(STATISTICS), "n_frames": len(indices)})  # last: it says that all is there


def _statistics_maps(contrast: zarr.Array, indices: list[int]) -> dict[str, np.ndarray]:
    """Each statistic of those frames, (ny, nx), NaN where none has data."""
    shape = (contrast.shape[1], contrast.shape[2])
    running = RunningStatistics(shape)
    for index in indices:
        running.add(_contrast_of(np.asarray(contrast[index])))
    codes = median_by_rows(
        lambda k, rows: np.asarray(contrast[indices[k], rows]), n_frames=len(indices), shape=shape
    )  # a code rises with the contrast, and sorts faster
    return {
        "mean": running.mean,
        "std": running.std,
        "standard_error": running.standard_error,
        "median": (codes - 1) * CONTRAST_STEP,
        "minimum": running.minimum,
    }


def _open_statistics(run: Run) -> zarr.Array | None:
    """The stored statistics, or None when there are none, or none that are complete."""
    try:
        stored = zarr.open_array(_statistics_store(run), mode="r")
    except FileNotFoundError:  # no folder, or no array in it
        return None
    return stored if "n_frames" in stored.attrs else None


def statistics_size(run: Run) -> StatisticsSize | None:
    """What the run's statistics are of; None when it has none."""
    stored = _open_statistics(run)
    if stored is None:
        return None
    return StatisticsSize(int(str(stored.attrs["n_frames"])), (stored.shape[1], stored.shape[2]))


def read_statistics(run: Run, name: str) -> np.ndarray:
    """
    One of `processing.statistics.STATISTICS` of the run's contrast.

    Returns
    -------
    `~numpy.ndarray` of float32, shape (ny, nx)
        On the run's working grid, relative to the quiet Sun; NaN where no frame has data.

    Raises
    ------
    FrameError
        If the run has no statistics: it is not done, or older than they are.
    """
    stored = _open_statistics(run)
    if stored is None:
        when = "not yet" if run.state == Run.State.RUNNING else "a new run makes them"
        raise FrameError(f"{run} has no statistics of its frames ({when})")
    names = cast(list[str], stored.attrs["names"])
    return np.asarray(stored[names.index(name)])
