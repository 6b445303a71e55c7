"""Images as they came from the detector to intensities: darks and flats, and what is no light at all."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from poreweb.sequences import pictures
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.sequences.reading import BySourceRole
from processing.calibrate import SAME_EXPOSURE, Calibration, Stack, calibrate, make_calibration
from processing.errors import FrameError
from processing.sequence_files import Frames, SequenceFile, TimedFrame, by_exposure

Develop = Callable[[TimedFrame], np.ndarray]
# Of the pixels with a value: if more are negative it is no image of intensity. Noise around nothing, behind a field
# stop say, is negative in half of its pixels.
MOST_NEGATIVE = 0.25


def development_of(sequence: Sequence, sources: BySourceRole) -> tuple[Develop, list[str], list[dict[str, Any]]]:
    """
    How an image of the sequence is read and corrected, that in sentences, and what was made of darks and flats.

    The calibration images are stored; what describes them is for the sequence's row.

    Raises
    ------
    FrameError, ParameterError
        If darks and flats do not fit each other or the images.
    """
    darks, flats = sources[SourceFile.Role.DARK], sources[SourceFile.Role.FLAT]
    if not darks and not flats:
        return lambda frame: intensity(frame.read()), [], []
    flats_must_fit(sources)
    darks_must_fit(sources, scale_darks=sequence.scale_darks)
    masters = make_calibration(
        by_exposure(darks), Frames(flats) if flats else None,
        flat_exposure_s=flats[0].exposure_s if flats else None, scale_darks=sequence.scale_darks,
    )  # fmt: skip
    images = sources[SourceFile.Role.IMAGE]
    reports = {masters.report(source.exposure_s): None for source in images}

    def develop(frame: TimedFrame) -> np.ndarray:
        return intensity(calibrate(frame.read(), frame.source.exposure_s, masters))

    return develop, list(reports), list(_kept(sequence, masters, str(images[0].cards.get("BUNIT", "DN"))))


def flats_must_fit(sources: BySourceRole) -> None:
    """Refuse flats (FrameError) that have another shape than the images or several exposure times."""
    flats = sources[SourceFile.Role.FLAT]
    _same_shape(flats, sources)
    exposures = {source.exposure_s: source.name for source in flats}
    if len(exposures) > 1:
        said = " and ".join(f"{name} has {in_words(exposure_s)}" for exposure_s, name in list(exposures.items())[:2])
        raise FrameError(f"flats need one exposure time, but {said}")


def darks_must_fit(sources: BySourceRole, *, scale_darks: bool) -> None:
    """Refuse darks (FrameError) that have another shape than the images, or not the exposure of an image or a flat."""
    darks = sources[SourceFile.Role.DARK]
    _same_shape(darks, sources)
    known = [dark.exposure_s for dark in darks if dark.exposure_s is not None]
    for source in (*sources[SourceFile.Role.IMAGE], *sources[SourceFile.Role.FLAT]) if darks else ():
        wanted = source.exposure_s
        if wanted is None:
            fits = any(dark.exposure_s is None for dark in darks)
        else:
            fits = any(math.isclose(wanted, exposure_s, rel_tol=SAME_EXPOSURE) for exposure_s in known)
            fits = fits or (scale_darks and bool(known))
        if not fits:
            there = ", ".join(sorted({in_words(dark.exposure_s) for dark in darks}))
            raise FrameError(f"{source.name} has {in_words(wanted)}, and no dark has that; the darks have {there}")


def _same_shape(files: list[SequenceFile], sources: BySourceRole) -> None:
    ny, nx = sources[SourceFile.Role.IMAGE][0].shape
    for source in files:
        if source.shape != (ny, nx):
            raise FrameError(
                f"{source.name} has {source.shape[1]} by {source.shape[0]} pixels, the images have {nx} by {ny}"
            )


def in_words(exposure_s: float | None) -> str:
    """An exposure time."""
    return "no exposure time in the header" if exposure_s is None else f"an exposure time of {exposure_s:g} s"


def intensity(image: np.ndarray) -> np.ndarray:
    """
    An image without what is no light: pixels of 0 or less are NaN, as borders and dead pixels are often filled.

    Raises
    ------
    FrameError
        If it has no light at all, or many pixels are negative by different amounts: a difference or a
        magnetogram, not an intensity.
    """
    held = np.isfinite(image)
    lit = held & (np.where(held, image, 0) > 0)
    if not lit.any():
        raise FrameError("it has no pixel above 0")
    negative = held & (np.where(held, image, 0) < 0)
    negative &= image != np.min(image, where=held, initial=0)  # but for one value, which may stand for no data
    if (n_negative := int(negative.sum())) > MOST_NEGATIVE * held.sum():
        raise FrameError(f"{n_negative} of its {int(held.sum())} pixels are negative, so it is no image of intensity")
    return np.where(lit, image, np.nan).astype(np.float32)


def missing_in(image: np.ndarray, frame: TimedFrame) -> Iterator[str]:
    """How much of the first image is without data, if any is."""
    n_missing = int(np.isnan(image).sum())
    if n_missing:
        share = 100 * n_missing / image.size
        yield (
            "Pixels of 0 or less, bad ones and those without a value are taken for missing, never for dark:"
            f" {n_missing} ({share:.2g} %) in frame {frame.index + 1} of {frame.source.name}."
        )


def _kept(sequence: Sequence, masters: Calibration, unit: str) -> Iterator[dict[str, Any]]:
    """Store the images to look at, and describe each."""
    for number, dark in enumerate(masters.darks, start=1):
        yield from _of_stack(sequence, dark, f"dark{number}", "Darks", unit)
    if masters.flat is not None:
        yield from _of_stack(sequence, masters.flat, "flat", "Flats", unit)
    if masters.response is not None and masters.flat is not None:
        n = masters.flat.n_frames
        unlit = np.isnan(masters.response)
        for key, image, name in (
            ("response", masters.response, "normalised flat"),
            ("bad", unlit, "bad pixels, white"),
        ):
            yield pictures.keep(
                sequence, key, image, group="What images are divided by", name=name, unit="", n_frames=n
            )


def _of_stack(sequence: Sequence, stack: Stack, key: str, word: str, unit: str) -> Iterator[dict[str, Any]]:
    exposure = "of unknown exposure" if stack.exposure_s is None else f"of {stack.exposure_s:g} s"
    group = f"{word} {exposure}, {stack.n_frames} frame{'s' if stack.n_frames > 1 else ''}"
    of_stack = (
        ("mean", stack.mean, "mean", unit), ("std", stack.std, "standard deviation", unit),
        ("error", stack.standard_error, "standard error", unit), ("median", stack.median, "median", unit),
        ("bad", stack.bad, "bad pixels, white", ""),
    )  # fmt: skip
    for name, image, words, of in of_stack:
        yield pictures.keep(sequence, f"{key}-{name}", image, group=group, name=words, unit=of, n_frames=stack.n_frames)
