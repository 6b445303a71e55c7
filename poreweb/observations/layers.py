"""Maps as the browser takes them: 16-bit codes with offset and scale, coloured there."""

import gzip
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from poreweb.observations.archive import read_frame
from poreweb.observations.models import Frame
from poreweb.tracks import archive
from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.fits import SEGMENTS
from processing.parameters import ChainParameters
from processing.reduce import flatten
from processing.statistics import STATISTICS

_HEADER = struct.Struct("<4sIIIdd")
_N_CODES = 65535  # codes 1 to 65535; 0 is "no data"


@dataclass(frozen=True)
class Layer:
    """What the viewer offers: key, words, unit, colour map, limits shown first, and limits that can be chosen."""

    key: str
    label: str
    unit: str
    colormap: str
    limits: tuple[float, float]
    range: tuple[float, float]
    of_all_frames: bool = False  # one map of the run, the same at each frame

    def as_dict(self) -> dict[str, object]:
        """For the manifest."""
        return {**self.__dict__, "limits": list(self.limits), "range": list(self.range)}


_QUIET = "I / quiet Sun"
LAYERS = (
    Layer("enhanced", "Enhanced", _QUIET, "grey", (0.2, 1.2), (0.0, 1.6)),
    Layer("contrast", "Contrast", _QUIET, "grey", (0.2, 1.2), (0.0, 1.6)),
    Layer("continuum", "Continuum", "DN/s", "grey", (10_000, 70_000), (0, 90_000)),
    Layer("Br", "Br", "G", "diverging", (-1500, 1500), (-4000, 4000)),
    Layer("Bt", "Bt", "G", "diverging", (-1500, 1500), (-4000, 4000)),
    Layer("Bp", "Bp", "G", "diverging", (-1500, 1500), (-4000, 4000)),
    Layer("bitmap", "Bitmap", "", "categories", (0, 34), (0, 34)),
    Layer("mean", "Mean", _QUIET, "grey", (0.2, 1.2), (0.0, 1.6), of_all_frames=True),
    Layer("std", "Std. deviation", _QUIET, "sequential", (0.0, 0.2), (0.0, 0.6), of_all_frames=True),
    Layer("standard_error", "Standard error", _QUIET, "sequential", (0.0, 0.2), (0.0, 0.6), of_all_frames=True),
    Layer("median", "Median", _QUIET, "grey", (0.2, 1.2), (0.0, 1.6), of_all_frames=True),
    Layer("minimum", "Minimum", _QUIET, "grey", (0.2, 1.2), (0.0, 1.6), of_all_frames=True),
)
OF_RUN = ("enhanced", "labels")
KEYS = (*(layer.key for layer in LAYERS), "labels")


def continuum_scale(frames: Iterable[Frame]) -> tuple[float, str] | None:
    """A sequence's usual intensity and its unit, as its first frame that tells has them; None when none does."""
    for frame in frames:
        median = frame.cards.get("DATAMEDN")
        if isinstance(median, int | float) and median > 0:
            return median, str(frame.cards.get("BUNIT", "")).strip()
    return None


def layers_of(n_frames: int | None, continuum: tuple[float, str] | None = None) -> list[Layer]:
    """
    What the viewer offers, with limits for statistics of so many frames; None when the run has no statistics.

    ``continuum`` is its usual value and its unit where these are not HMI's.
    """

    def scaled(layer: Layer) -> Layer:
        if layer.key == "continuum" and continuum is not None:
            low, high, most = (float(f"{share * continuum[0]:.2g}") for share in (0.2, 1.2, 1.6))
            return replace(layer, unit=continuum[1], limits=(low, high), range=(0, most))
        if layer.key != "standard_error" or n_frames is None:
            return layer
        # a standard error is a deviation over the root of their number, to two digits
        low, high, most = (float(f"{end / n_frames**0.5:.2g}") for end in (*layer.limits, layer.range[1]))
        return replace(layer, limits=(low, high), range=(low, most))

    return [scaled(layer) for layer in LAYERS]


def pack(codes: np.ndarray, *, factor: int, offset: float, scale: float) -> bytes:
    """Header and codes (uint16, ny x nx, south first), compressed; value = offset + scale * code."""
    header = _HEADER.pack(b"PWL1", codes.shape[0], codes.shape[1], factor, offset, scale)
    return gzip.compress(header + codes.astype("<u2").tobytes(), compresslevel=1, mtime=0)


def pack_values(values: np.ndarray, *, factor: int) -> bytes:
    """Spread the finite values over the codes; NaN becomes code 0."""
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
    scale = (high - low) / (_N_CODES - 1) or 1.0
    codes = np.zeros(values.shape, np.uint16)
    codes[finite] = np.rint((values[finite].astype(np.float64) - low) / scale) + 1
    return pack(codes, factor=factor, offset=low - scale, scale=scale)


def read_layer(frame: Frame, run: Run | None, key: str) -> bytes:
    """
    One layer of one frame, packed.

    Raises
    ------
    FrameError
        If the segment is missing, or the run has nothing for this frame, or no statistics.
    """
    if key in OF_RUN:
        return _read_of_run(frame, run, key)
    if key in STATISTICS:
        return _read_statistics(run, key)
    if key == "contrast":
        return pack_values(_contrast(frame, run), factor=1)
    if key == "bitmap":
        # 0 in the bitmap means "no data", as code 0 does
        return pack(read_frame(frame, ("bitmap",)).need("bitmap"), factor=1, offset=0, scale=1)
    if key not in SEGMENTS:
        raise FrameError(f"there is no layer {key!r}")
    return pack_values(read_frame(frame, (key,)).need(key), factor=1)


def _contrast(frame: Frame, run: Run | None) -> np.ndarray:
    """The frame without limb darkening, by the run's law and level where there is a run."""
    patch_frame = read_frame(frame, ("continuum",))
    chosen = run.chain_parameters if run else ChainParameters()
    flat = flatten(
        patch_frame.need("continuum"),
        patch_frame.geometry,
        limb_darkening=chosen.limb_darkening,
        quiet_sun=chosen.quiet_sun,
    )
    return flat.contrast


def _read_of_run(frame: Frame, run: Run | None, key: str) -> bytes:
    run = _needed(run)
    segmentation = run.segmentations.filter(frame=frame).first()
    if segmentation is None or segmentation.state == Segmentation.State.WAITING:
        raise FrameError(f"{run} has not processed {frame.t_rec}")
    if segmentation.state == Segmentation.State.FAILED:
        raise FrameError(segmentation.reason)
    factor = run.chain_parameters.factor
    if key == "labels":
        return pack(archive.read_labels(run, segmentation.index), factor=factor, offset=0, scale=1)
    step = archive.CONTRAST_STEP
    return pack(archive.read_contrast_codes(run, segmentation.index), factor=factor, offset=-step, scale=step)


def _read_statistics(run: Run | None, key: str) -> bytes:
    run = _needed(run)
    return pack_values(archive.read_statistics(run, key), factor=run.chain_parameters.factor)


def _needed(run: Run | None) -> Run:
    if run is None:
        raise FrameError("this layer needs a run")
    return run
