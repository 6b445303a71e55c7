"""A run's arrays: enhanced contrast and labels, one frame a chunk."""

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ContainsArrayError

from poreweb import storage
from poreweb.tracks.models import Run
from processing.errors import FrameError

# Contrast is kept as whole steps of 1e-4, a thirtieth of HMI's own quantisation; code 0 is "no data".
CONTRAST_STEP = 1e-4
_LARGEST_CODE = 65535


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
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        )
    except ContainsArrayError:  # another batch of the run was first
        return zarr.open_array(store, mode="r+")


def write_maps(run: Run, index: int, n_frames: int, *, contrast: np.ndarray, labels: np.ndarray) -> None:
    """
    Store the maps (ny, nx) of the run's frame ``index``; a second time overwrites with the same.

    Raises
    ------
    FrameError
        If the run's other frames have another shape.
    """
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
    codes = read_contrast_codes(run, index)
    contrast = (codes.astype(np.float32) - 1) * np.float32(CONTRAST_STEP)
    contrast[codes == 0] = np.nan
    return contrast


def read_labels(run: Run, index: int) -> np.ndarray:
    """Labels, int32 (ny, nx)."""
    return np.asarray(_array(run, "labels")[index]).astype(np.int32)
