"""The steps from one patch frame to its measured features, as the site and the command line run them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from astropy.table import QTable

from processing.enhance import deblur
from processing.errors import FrameError
from processing.fits import PatchFrame
from processing.geometry import CeaGeometry
from processing.limb_darkening import QuietCurve, quiet_curve
from processing.measure import ERROR_SEGMENTS, FIELD_SEGMENTS, measure_features
from processing.parameters import ChainParameters
from processing.reduce import flatten, quiet_sun_level
from processing.segment import Segmented, find_features
from processing.upscale import upscale_maps

STAGES = ("reduce", "enhance", "upscale", "segment", "measure")
UNREADABLE_QUALITY = 2**32 - 1
_Result = TypeVar("_Result")


@dataclass
class FrameResult:
    """
    What the chain makes of one frame. Maps are (ny, nx) on the working grid.

    ``quiet_sun`` is the level divided out before sharpening and ``quiet_sun_enhanced``
    that after it (AVG_F_ON and AVG_F_EN, DN/s at disk centre): ``contrast`` times the
    latter, times the limb darkening, is DN/s again. ``quiet_curve`` is the quiet Sun's
    intensity against mu, and ``mu_range`` the least and largest; where mu is known nowhere the
    curve has no pixel and the range is NaN. ``seconds`` is the time of each stage.
    """

    contrast: np.ndarray
    labels: np.ndarray
    features: QTable
    geometry: CeaGeometry
    quiet_sun: float
    quiet_sun_enhanced: float
    quiet_curve: QuietCurve
    mu_range: tuple[float, float]
    seconds: dict[str, float] = field(default_factory=dict)


def process_frame(frame: PatchFrame, parameters: ChainParameters, *, weights: str | None = None) -> FrameResult:
    """
    Reduce, enhance, upscale the field, segment and measure one frame.

    A frame without all of Br, Bt and Bp is processed; its features have no field. One with a
    `processing.geometry.PlainGeometry` keeps its limb darkening (see `flatten`); its features
    have no place, mu or area as seen.
    ``weights`` are those of the published network, where that is chosen.

    Raises
    ------
    FrameError
        If the continuum is missing or has no finite pixel, or the geometry is unknown.
    ParameterError
        If the chosen sharpening cannot be had.
    """
    seconds: dict[str, float] = {}

    def timed(stage: str, step: Callable[[], _Result]) -> _Result:
        began = time.perf_counter()
        result = step()
        seconds[stage] = time.perf_counter() - began
        return result

    native, p = frame.geometry, parameters
    geometry = native.doubled() if p.factor == 2 else native
    continuum = frame.need("continuum")
    vector = {name: frame.maps[name] for name in (*FIELD_SEGMENTS, *ERROR_SEGMENTS) if name in frame.maps}

    flat = timed("reduce", lambda: flatten(continuum, native, limb_darkening=p.limb_darkening, quiet_sun=p.quiet_sun))

    def enhanced() -> tuple[np.ndarray, float]:
        sharp = deblur(
            flat.contrast,
            pixel_side_mm=native.pixel_side_mm,
            method=p.enhance,
            iterations=p.iterations,
            weights=weights,
        )
        level = quiet_sun_level(sharp, method=p.quiet_sun)
        return sharp / np.float32(level), level

    contrast, level = timed("enhance", enhanced)
    if p.factor == 2:
        vector = timed("upscale", lambda: upscale_maps(vector))
    found = timed("segment", lambda: segment_as(p, contrast, pixel_side_mm=geometry.pixel_side_mm))
    features = timed(
        "measure",
        lambda: measure_features(
            found.labels,
            contrast=contrast,
            geometry=geometry,
            field={name: vector[name] for name in FIELD_SEGMENTS if name in vector},
            field_errors={name: vector[name] for name in ERROR_SEGMENTS if name in vector},
            pixels_per_sample=p.factor**2,
            margin=found.margin,
            umbra_level=p.umbra_level,
            quality=_quality(frame),
        ),
    )
    return FrameResult(
        contrast=contrast,
        labels=found.labels,
        features=features,
        geometry=geometry,
        quiet_sun=flat.quiet_sun,
        quiet_sun_enhanced=flat.quiet_sun * level,
        quiet_curve=quiet_curve(continuum, flat.mu, flat.contrast),
        mu_range=_range(flat.mu),
        seconds=seconds,
    )


def _range(mu: np.ndarray) -> tuple[float, float]:
    known = mu[np.isfinite(mu)]
    return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)


def segment_as(parameters: ChainParameters, contrast: np.ndarray, *, pixel_side_mm: float) -> Segmented:
    """`find_features` with those of the parameters that are its own."""
    return find_features(
        contrast,
        pixel_side_mm=pixel_side_mm,
        method=parameters.segmentation,
        threshold=parameters.threshold,
        stara_depth=parameters.stara_depth,
        split=parameters.split,
        min_pixels=parameters.min_pixels,
        connectivity=parameters.connectivity,
    )


def _quality(frame: PatchFrame) -> int:
    """The frame's QUALITY; all bits set where the card cannot be read, since nothing then says that it is good."""
    try:
        return frame.quality
    except FrameError:
        return UNREADABLE_QUALITY
