"""The steps from one patch frame to its measured features, as the site and the command line run them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from astropy.table import QTable

from processing.enhance import deblur
from processing.fits import PatchFrame
from processing.geometry import CeaGeometry
from processing.measure import FIELD_SEGMENTS, measure_features
from processing.parameters import ChainParameters
from processing.reduce import flatten
from processing.segment import label_pores
from processing.upscale import upscale_cubic

STAGES = ("reduce", "enhance", "upscale", "segment", "measure")
_Result = TypeVar("_Result")


@dataclass
class FrameResult:
    """
    What the chain makes of one frame. Maps are (ny, nx) on the working grid.

    ``quiet_sun`` is the level divided out in DN/s; ``seconds`` the time of each stage.
    """

    contrast: np.ndarray
    labels: np.ndarray
    features: QTable
    geometry: CeaGeometry
    quiet_sun: float
    mu_range: tuple[float, float]
    seconds: dict[str, float] = field(default_factory=dict)


def process_frame(frame: PatchFrame, parameters: ChainParameters) -> FrameResult:
    """
    Reduce, enhance, upscale the field, segment and measure one frame.

    A frame without all of Br, Bt and Bp is processed; its features have no field.

    Raises
    ------
    FrameError
        If the continuum is missing or has no finite pixel, or the geometry is unknown.
    """
    seconds: dict[str, float] = {}

    def timed(stage: str, step: Callable[[], _Result]) -> _Result:
        began = time.perf_counter()
        result = step()
        seconds[stage] = time.perf_counter() - began
        return result

    native = frame.geometry
    continuum = frame.need("continuum")
    flat = timed("reduce", lambda: flatten(continuum, native))
    contrast = timed(
        "enhance",
        lambda: deblur(
            flat.contrast,
            pixel_side_mm=native.pixel_side_mm,
            method=parameters.enhance,
            iterations=parameters.iterations,
        ),
    )
    vector: dict[str, np.ndarray] = {name: frame.maps[name] for name in FIELD_SEGMENTS if name in frame.maps}
    if parameters.factor == 2:
        vector = timed("upscale", lambda: {name: upscale_cubic(image) for name, image in vector.items()})
    geometry = native.doubled() if parameters.factor == 2 else native
    labels = timed(
        "segment",
        lambda: label_pores(
            contrast,
            threshold=parameters.threshold,
            min_pixels=parameters.min_pixels,
            connectivity=parameters.connectivity,
        ),
    )
    features = timed("measure", lambda: measure_features(labels, contrast=contrast, geometry=geometry, field=vector))
    mu_range = float(np.nanmin(flat.mu)), float(np.nanmax(flat.mu))
    return FrameResult(contrast, labels, features, geometry, flat.quiet_sun, mu_range, seconds)
