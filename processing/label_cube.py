"""
A cube of label images, as .npz: read one frame at a time, and its features linked.

1,200 frames of 700 x 1200 pixels are 4 GB, so that only one of them is ever held.
"""

import math
import zipfile
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from processing.errors import FrameError, ParameterError, first_line
from processing.files import MAX_PIXELS
from processing.link_files import Noted, check_link_files, said, write_link_files
from processing.parameters import ChainParameters
from processing.timekeys import CADENCE_S
from processing.track import DetectedFrame, link_series

# Arrays of the file; the signed field may go by two names.
LABELS, INTENSITY, FLUX, FIELD = "labels", "intensity", "flux", "bz"
# The third version is for names beyond Latin-1 in structured arrays, which are refused anyway.
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class CubeFrame:
    """One frame for the tracker, whose labels are 1..n, and the file's own value of each of them."""

    detected: DetectedFrame
    names: np.ndarray


@dataclass(frozen=True)
class _Array:
    """An array of the file whose values are still to be read from ``stream``."""

    name: str
    shape: tuple[int, ...]
    in_fortran_order: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]


def track_cube(
    labels: Path,
    output_links: Path,
    output_geff: Path | None = None,
    max_gap: int = ChainParameters.max_gap,
    reach: float | None = None,
    reach_mm: float | None = None,
    pixel_mm: float | None = None,
    link_bias: float = ChainParameters.link_bias,
    opposite_polarity: str = ChainParameters.opposite_polarity,
    cadence: int | None = None,
) -> str:
    """
    Link the features of a cube and write the links; returns a sentence on them.

    Parameters
    ----------
    labels : `~pathlib.Path`
        What `read_cube` reads.
    output_links : `~pathlib.Path`
        .csv, as `processing.link_files.write_links` has it.
    output_geff : `~pathlib.Path`, optional
        .geff, the same links as a graph.
    max_gap : int
        Frames that a feature may be missing for.
    reach, reach_mm : float, optional
        Farthest move from one frame to the next, in pixels or in Mm; no limit without.
    pixel_mm : float, optional
        Side of a pixel, Mm; without it the pixel is the unit of length.
    link_bias, opposite_polarity
        As in `ChainParameters`.
    cadence : int, optional
        Seconds from one frame to the next; 720 without.

    Raises
    ------
    FrameError
        If the cube cannot be read.
    ParameterError
        If a parameter has no meaning, or a file cannot be written.
    """
    check_link_files(output_links, output_geff, inputs=[labels])
    p = ChainParameters(max_gap=max_gap, link_bias=link_bias, opposite_polarity=opposite_polarity)
    noted = Noted()
    cadence_s = cadence or CADENCE_S
    linked = link_series(
        noted.passing((frame.detected, frame.names) for frame in read_cube(labels, cadence_s=cadence_s)),
        pixel_side_mm=pixel_mm or 1.0,
        reach_mm=_reach(reach, reach_mm, pixel_mm, cadence_s),
        max_gap=p.max_gap,
        link_bias=p.link_bias,
        opposite_polarity=p.opposite_polarity,
        cadence_s=cadence_s,
    )
    features = noted.features()
    write_link_files(output_links, output_geff, features, linked.links, pixel_mm=pixel_mm)
    return f"{output_links}: {said(features, linked.links)}"


def _reach(
    reach: float | None, reach_mm: float | None, pixel_mm: float | None, cadence_s: int = CADENCE_S
) -> float | None:
    """Farthest move in 12 minutes, Mm or, without the size of a pixel, pixels; ``reach`` is from frame to frame."""
    if reach is not None and reach_mm is not None:
        raise ParameterError("the reach is either in pixels or in Mm, not both")
    if reach_mm is not None:
        if pixel_mm is None:
            raise ParameterError("a reach in Mm needs the side of a pixel, --pixel-mm; --reach is in pixels")
        return ChainParameters(reach_mm=reach_mm).reach_mm
    if reach is None:
        return None
    if not 0 < reach < math.inf:
        raise ParameterError(f"reach must be a positive number of pixels, not {reach:g}")
    return reach * (pixel_mm or 1.0) * math.sqrt(CADENCE_S / cadence_s)  # the root, as `link_series` has it


def read_cube(path: Path, *, cadence_s: int = CADENCE_S) -> Iterator[CubeFrame]:
    """
    The frames of an .npz, one after the other.

    Parameters
    ----------
    path : `~pathlib.Path`
        Arrays of one shape (n_frames, ny, nx): ``labels``, whole numbers, 0 outside
        features and any other positive number inside; ``intensity`` (optional, any unit,
        NaN where unknown); ``flux`` or else ``bz`` (optional, signed, gauss).
    cadence_s : int, optional
        Seconds from one frame to the next.

    Yields
    ------
    `CubeFrame`
        Frame k has T_REC k x ``cadence_s``; ids count on from 0 through the series. The
        intensity of a feature is the mean over its pixels, its flux the sum over them in
        gauss times pixels, both of the pixels that are known and NaN where none is.

    Raises
    ------
    FrameError
        If the file is no such cube, or damaged.
    OSError
        If it cannot be opened.
    """
    with ExitStack() as opened:
        with _reading(path):
            arrays = _arrays(opened, path)
        streams = {name: opened.enter_context(closing(_ahead(_images(array)))) for name, array in arrays.items()}
        n_before = 0
        for k in range(arrays[LABELS].shape[0]):
            with _reading(path):
                images = {name: next(stream) for name, stream in streams.items()}
            frame = _detected(k * cadence_s, images, n_before)
            _check_names(frame.names, f"frame {k} of {path.name}")
            n_before += frame.names.size
            yield frame


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever broken bytes bring about becomes a sentence."""
    try:
        yield
    except FrameError:
        raise
    except MemoryError as problem:
        raise FrameError(f"{path.name} needs more memory than there is") from problem
    except OSError as problem:
        if problem.errno is not None:
            raise
        raise FrameError(f"{path.name} is damaged: {first_line(problem)}") from problem
    except Exception as problem:  # zipfile, its decompressors and numpy raise many kinds
        raise FrameError(f"{path.name} is damaged or no .npz: {first_line(problem)}") from problem


def _arrays(opened: ExitStack, path: Path) -> dict[str, _Array]:
    """LABELS and, where there are any, INTENSITY and FLUX, closed with ``opened``."""
    archive = opened.enter_context(zipfile.ZipFile(path))
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if LABELS not in names:
        raise FrameError(f"{path.name} has no array {LABELS}; it holds {', '.join(names) or 'no array'}")
    arrays = {LABELS: _array(opened, archive, LABELS, path)}
    _check_labels(arrays[LABELS], path)
    if INTENSITY in names:
        arrays[INTENSITY] = _array(opened, archive, INTENSITY, path)
    if FLUX in names or FIELD in names:
        arrays[FLUX] = _array(opened, archive, FLUX if FLUX in names else FIELD, path)
    for array in arrays.values():
        _check_like(array, arrays[LABELS].shape, path)
    return arrays


def _array(opened: ExitStack, archive: zipfile.ZipFile, name: str, path: Path) -> _Array:
    """An array of the file, its header read."""
    member = f"{name}.npy"
    stream = opened.enter_context(archive.open(member))
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise FrameError(f"{name} of {path.name} is in no format of a plain array")
    shape, in_fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise FrameError(f"{name} of {path.name} holds Python objects, which are not read")
    claimed, held = math.prod(shape) * dtype.itemsize, archive.getinfo(member).file_size - stream.tell()
    if claimed != held:
        raise FrameError(f"{path.name} is damaged: {name} should have {claimed} bytes and has {held}")
    return _Array(name, shape, in_fortran_order, dtype, stream)


def _check_labels(labels: _Array, path: Path) -> None:
    what = f"{labels.name} of {path.name}"
    if labels.dtype.kind == "b":
        raise FrameError(f"{what} are true or false, which does not tell one feature from another: number them")
    if labels.dtype.kind not in "iu":
        raise FrameError(f"{what} are of type {labels.dtype}; they must be integers")
    if len(labels.shape) != 3:
        raise FrameError(f"{what} have the shape {labels.shape}; a cube is (n_frames, ny, nx)")
    if 0 in labels.shape:
        raise FrameError(f"{what} have the shape {labels.shape}, which holds no pixel")
    if labels.shape[1] * labels.shape[2] > MAX_PIXELS:
        raise FrameError(f"{what} have the shape {labels.shape}, more than {MAX_PIXELS} pixels a frame")


def _check_names(names: np.ndarray, where: str) -> None:
    """Names are in order; the integers of a graph have 64 bits and a sign."""
    if names.size and names[0] < 0:
        raise FrameError(f"{where} has the label {names[0]}; labels are positive, and 0 outside features")
    if names.size and names[-1] > np.iinfo(np.int64).max:
        raise FrameError(f"{where} has the label {names[-1]}, more than a signed integer of 64 bits holds")


def _check_like(array: _Array, shape: tuple[int, ...], path: Path) -> None:
    if array.dtype.kind not in "iuf":
        raise FrameError(f"{array.name} of {path.name} is of type {array.dtype}, not of real numbers")
    if array.shape != shape:
        raise FrameError(f"{array.name} of {path.name} has the shape {array.shape}, its labels {shape}")


def _images(array: _Array) -> Iterator[np.ndarray]:
    """Its frames, each (ny, nx); in Fortran order they lie in one another, so that all are read at once."""
    if array.in_fortran_order:
        whole = np.frombuffer(_bytes(array, array.shape), array.dtype).reshape(array.shape, order="F")
        yield from map(np.ascontiguousarray, whole)
        return
    for _ in range(array.shape[0]):
        yield np.frombuffer(_bytes(array, array.shape[1:]), array.dtype).reshape(array.shape[1:])


def _ahead(images: Iterator[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """The same, the next one read while this one is looked at: decompressing is most of the work."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, images, None)
        while (image := coming.result()) is not None:
            coming = reader.submit(next, images, None)
            yield image


def _bytes(array: _Array, shape: tuple[int, ...]) -> bytes:
    """The next bytes, as many as an array of that shape has."""
    size = math.prod(shape) * array.dtype.itemsize
    raw = array.stream.read(size)
    if len(raw) < size:
        raise EOFError(f"{array.name} ends early")
    return raw


def _detected(t_rec_s: int, images: Mapping[str, np.ndarray], n_before: int) -> CubeFrame:
    """The frame of that time from its images by name; only the pixels inside features are looked at."""
    labels = images[LABELS]
    flat = np.flatnonzero(labels)
    names, inside, area = np.unique(labels.ravel()[flat], return_inverse=True, return_counts=True)
    row, col = np.divmod(flat, labels.shape[1])
    numbered = np.zeros(labels.shape, np.int32)
    numbered.ravel()[flat] = inside + 1

    def known(name: str) -> tuple[np.ndarray, np.ndarray]:
        """Sum of the known pixels of each feature, NaN without any, and their number."""
        values = images[name].ravel()[flat].astype(np.float64) if name in images else np.full(flat.size, np.nan)
        there = np.isfinite(values)
        count = np.bincount(inside[there], minlength=area.size)
        total = np.bincount(inside[there], weights=values[there], minlength=area.size)
        return np.where(count > 0, total, np.nan), np.maximum(count, 1)

    bright, n_bright = known(INTENSITY)
    detected = DetectedFrame(
        t_rec_s,
        np.arange(n_before, n_before + area.size),
        np.bincount(inside, weights=row, minlength=area.size) / area,
        np.bincount(inside, weights=col, minlength=area.size) / area,
        area,
        numbered,
        intensity=bright / n_bright,
        flux=known(FLUX)[0],
    )
    return CubeFrame(detected, names)
