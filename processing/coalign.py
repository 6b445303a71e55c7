"""
Rigid coalignment: by how much each frame of a sequence is displaced against those before it, and moving it back.

Displacements come from template matching, `sunkit_image.coalignment.match_template_to_layer`. Its functions for whole
sequences are not used: they take `sunpy.map.MapSequence`, for which a header without coordinates or time has to be made
up (and by whose dates frames are then sorted), hold all frames at once, compare each with one and the same frame
through the middle half of it alone, and do not tell how well the frames match.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from processing.errors import FrameError

MIN_SIDE = 64  # pixels; with less, what is compared is a few granules, which resemble others by chance
# Larger frames are binned to about this side before they are compared: unbinned, a frame of 2048 x 2048 takes 18 s and
# 3.5 GB, binned by 4 it takes 1 s, and the shift is still good to 0.02 px.
COMPARED_SIDE = 512
# Frames that the reference remembers. With 1 the errors add up; with many it is soon unlike the Sun. Left over in drawn
# series of 60 frames (rms, pixels) with a memory of 1 | 2 | 3 | 5: granulation that lives 2 frames 0.20 | 0.25 | 0.29 |
# 0.37 and 5 frames 0.14 | 0.12 | 0.12 | 0.12; pores on granulation that is new in each 0.68 | 0.50 | 0.47 | 0.46, that
# lives 3 frames 0.10 | 0.11 | 0.14 | 0.19. Compared with the first alone, two thirds of such frames match nothing.
MEMORY = 2
NEAR_PX = 8  # searched around the displacement of the frame before
# Correlation from which a match is believed. Granulation 12 minutes later has nothing in common with that before and
# reaches 0.1 to 0.2 by chance; a frame found far away needs more, as there are more places to be wrong in.
TRUSTED_NEAR = 0.25
TRUSTED_FAR = 0.5
RESTART_AFTER = 3  # frames in a row that match nothing, before the reference is given up for the last of them
SMOOTH_PART = 8  # structure wider than about a fourth of the side is taken for light, not for the Sun
_REFINE_PX = 2
_AS_WHOLE = 1e-3  # pixels; less than can be measured, and not worth a row of pixels at the border


@dataclass(frozen=True, eq=False)
class Coalignment:
    """
    What `coalign` found, one row or value per frame.

    Attributes
    ----------
    shifts : `~numpy.ndarray` of float64, shape (n, 2)
        Rows and columns by which to move each frame's content (`shifted`) to bring it where it is in the first;
        pixels, the first is (0, 0). The displacement itself is the negative.
    correlation : `~numpy.ndarray` of float64, shape (n,)
        Normalised correlation with the reference, without what is smooth, at the best place: 1 is equal; NaN for
        the first frame, and where there was nothing to compare.
    trusted : `~numpy.ndarray` of bool, shape (n,)
        False where no place was convincing: the shift is then that of the frame before.
    """

    shifts: np.ndarray
    correlation: np.ndarray
    trusted: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """How far each frame has to be moved, pixels, shape (n,)."""
        return np.hypot(self.shifts[:, 0], self.shifts[:, 1])


def coalign(frames: Iterable[np.ndarray], *, memory: int = MEMORY, near_px: int = NEAR_PX) -> Coalignment:
    """
    Find the shifts that take each frame of a sequence to the place of the first.

    Each frame is compared with the mean of about the last ``memory`` frames, already moved to their places. It is
    looked for near the place of the frame before and, if it is not there, within a quarter of the smaller side.
    What all structures have in common is taken for the motion of the frame: a single spot that moves on the Sun
    cannot be told from one.

    Parameters
    ----------
    frames : iterable of `~numpy.ndarray`, shape (ny, nx)
        In order of time, in any unit; NaN and infinity are no data. Taken one by one and not kept.
    memory : int, optional
        1 compares with the frame before alone.
    near_px : int, optional
        Largest displacement, in pixels, against the frame before that is looked for at first.

    Returns
    -------
    Coalignment

    Raises
    ------
    FrameError
        If there is no frame, the first has no data, a side is smaller than `MIN_SIDE`, or shapes differ.

    References
    ----------
    .. [1] Lewis, J. P. 1995, Fast Template Matching, Vision Interface 95, 120: normalised cross-correlation
    """
    coaligner = Coaligner(memory=memory, near_px=near_px)
    found = [coaligner.add(image) for image in frames]
    if not found:
        raise FrameError("a sequence to coalign needs at least one frame, got none")
    return Coalignment(
        np.stack([one.shift for one in found]),
        np.array([one.correlation for one in found]),
        np.array([one.trusted for one in found]),
    )


class FrameShift(NamedTuple):
    """One frame's row of a `Coalignment`."""

    shift: np.ndarray
    correlation: float
    trusted: bool


class Coaligner:
    """
    Finds the shift of one frame after the other, as `coalign` does for all, and can be stopped and gone on with.

    Parameters
    ----------
    memory, near_px : int, optional
        As in `coalign`.
    state : mapping of str to `~numpy.ndarray`, optional
        `state` as it was after some frame: those that follow it get the very shifts that they would have had.
    """

    def __init__(
        self, *, memory: int = MEMORY, near_px: int = NEAR_PX, state: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._memory, self._near_px = memory, near_px
        self._n_frames = self._n_in_reference = self._n_lost = 0
        self._shape = (0, 0)
        # of binned pixels
        self._shift, self._reference = np.zeros(2), np.zeros((0, 0), np.float32)
        if state is not None:
            numbers = (int(number) for number in state["numbers"])
            self._n_frames, self._n_in_reference, self._n_lost, *shape = numbers
            self._shape = (shape[0], shape[1])
            self._shift, self._reference = state["shift"], state["reference"]

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All that further shifts depend on, exactly: a binned image, the last shift and a few numbers."""
        numbers = np.array([self._n_frames, self._n_in_reference, self._n_lost, *self._shape])
        return {"numbers": numbers, "shift": self._shift, "reference": self._reference}

    def add(self, image: np.ndarray) -> FrameShift:
        """
        The next frame's shift; that of the frame before where it cannot be told.

        Raises
        ------
        FrameError
            As in `coalign`; what was found before is as it was.
        """
        if not self._n_frames:
            _check_first(image)
        elif image.shape != self._shape:
            raise FrameError(f"frame {self._n_frames + 1} to coalign is {image.shape}, the first is {self._shape}")
        factor = _bin_factor(image.shape)
        frame = _binned(image, factor)
        if not self._n_frames:
            self._shape, self._reference, self._n_in_reference = image.shape, frame, 1
            found = FrameShift(np.zeros(2), np.nan, True)
        else:
            found = self._find(frame, -(-self._near_px // factor))
            self._take(frame, found)
        self._n_frames += 1
        return found._replace(shift=found.shift * factor)

    def _find(self, frame: np.ndarray, near_px: int) -> FrameShift:
        structure = _structure(self._reference)
        far_px, best = min(frame.shape) // 4, np.nan
        for reach, enough in ((min(near_px, far_px), TRUSTED_NEAR), (far_px, TRUSTED_FAR)):
            shift, correlation = _match(structure, frame, self._shift, reach)
            if correlation >= enough:
                return FrameShift(shift, correlation, True)
            best = float(np.fmax(best, correlation))
        return FrameShift(self._shift, best, False)

    def _take(self, frame: np.ndarray, found: FrameShift) -> None:
        """Know with what to compare the next."""
        self._shift = found.shift
        self._n_lost = 0 if found.trusted else self._n_lost + 1
        if found.trusted:
            self._n_in_reference += 1
            weight = 1 / min(self._n_in_reference, self._memory)
            self._reference = _blended(self._reference, shifted(frame, found.shift), weight)
        elif self._n_lost >= RESTART_AFTER and np.isfinite(frame).any():
            self._reference = shifted(frame, found.shift)
            self._n_in_reference, self._n_lost = 1, 0


def shifted(image: np.ndarray, shift: np.ndarray | tuple[float, float]) -> np.ndarray:
    """
    Move the content of an image by a fraction of a pixel, or by pixels.

    Cubic spline; by whole pixels, to 0.001, they are moved as they are. Nothing comes back in at the other side.
    Missing pixels do not ring: they are given their nearest neighbour's value before and are missing again, moved,
    after.

    Parameters
    ----------
    image : `~numpy.ndarray`, shape (ny, nx)
        In any unit; NaN and infinity are no data.
    shift : (rows, columns)
        Pixels; positive to higher rows and columns.

    Returns
    -------
    `~numpy.ndarray` of float32, shape (ny, nx)
        NaN where any of the four pixels around the place it comes from is missing or outside the image.

    Raises
    ------
    FrameError
        If the image is not two-dimensional or the shift is not two finite numbers.
    """
    rows_cols = np.asarray(shift, np.float64)
    if image.ndim != 2 or rows_cols.shape != (2,) or not np.isfinite(rows_cols).all():
        raise FrameError(f"need an image and two finite numbers to shift it by, got {image.shape} and {shift}")
    nearest_whole = np.rint(rows_cols)
    rows_cols = np.where(np.abs(rows_cols - nearest_whole) < _AS_WHOLE, nearest_whole, rows_cols)
    values = np.asarray(image, np.float64)
    held = np.isfinite(values)
    if not held.any():
        return np.full(image.shape, np.nan, np.float32)
    if not held.all():
        nearest = ndimage.distance_transform_edt(~held, return_distances=False, return_indices=True)
        values = values[tuple(nearest)]
    whole = bool((rows_cols == nearest_whole).all())
    moved = ndimage.shift(values, rows_cols, order=0 if whole else 3, mode="nearest")
    # Linear weights of a mask reach 1 only where all four neighbours are held; outside the image counts as not held.
    moved_held = ndimage.shift(held.astype(np.float32), rows_cols, order=0 if whole else 1, mode="constant", cval=0.0)
    return np.where(moved_held > 0.9999, moved, np.nan).astype(np.float32)


def _check_first(frame: np.ndarray) -> None:
    if frame.ndim != 2 or min(frame.shape) < MIN_SIDE:
        raise FrameError(f"frames to coalign need at least {MIN_SIDE} x {MIN_SIDE} pixels, got shape {frame.shape}")
    if not np.isfinite(frame).any():
        raise FrameError("the first frame to coalign has no finite pixel")


def _bin_factor(shape: tuple[int, ...]) -> int:
    wanted = math.ceil(math.sqrt(math.prod(shape)) / COMPARED_SIDE)
    return max(1, min(wanted, min(shape) // MIN_SIDE))


def _binned(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean of blocks of pixels, float32; NaN where one of them has no data. Rows and columns left over are dropped."""
    ny, nx = image.shape[0] // factor, image.shape[1] // factor
    blocks = np.where(np.isfinite(image), image, np.nan)[: ny * factor, : nx * factor]
    return blocks.reshape(ny, factor, nx, factor).mean(axis=(1, 3)).astype(np.float32)


def _match(structure: np.ndarray, frame: np.ndarray, guess: np.ndarray, reach: int) -> tuple[np.ndarray, float]:
    """
    The best shift within ``reach`` pixels of the guess, and its correlation; NaN if the best lies on the rim.

    The vertex of a parabola is biased towards whole pixels, by up to 0.04 px, unless it lies at one: so
    the frame is moved by what was found, and what is left found again, which leaves less than 0.01 px.
    """
    shift = np.rint(guess)
    correlation = np.nan
    for radius in (reach, _REFINE_PX):
        offset, correlation = _offset(structure, _structure(shifted(frame, shift)), radius)
        if np.isnan(correlation):
            return guess, np.nan
        shift = shift - offset
    return shift, correlation


def _offset(reference: np.ndarray, layer: np.ndarray, reach: int) -> tuple[np.ndarray, float]:
    """Where the layer's content lies against the reference's, and the correlation there; NaN on the rim."""
    from sunkit_image.coalignment import match_template_to_layer  # here, as it takes seconds and 200 MB to import

    correlation = match_template_to_layer(layer, reference[reach:-reach, reach:-reach])
    row, col = np.unravel_index(np.argmax(correlation), correlation.shape)
    if not (0 < row < 2 * reach and 0 < col < 2 * reach):
        return np.zeros(2), np.nan
    down, across = correlation[row - 1 : row + 2, col], correlation[row, col - 1 : col + 2]
    return np.array([row + _vertex(down) - reach, col + _vertex(across) - reach]), float(correlation[row, col])


def _vertex(three: np.ndarray) -> float:
    """Place of the maximum of the parabola through values at -1, 0 and 1, of which the middle is the largest."""
    before, middle, after = (float(value) for value in three)
    curvature = before - 2 * middle + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0


def _structure(image: np.ndarray) -> np.ndarray:
    """
    The image without what is smooth, and 0 where there is no data, float64.

    Vignetting stays with the detector while the Sun drifts over it. Over a drift of 6 px in drawn frames, 40 % of it
    holds the shifts back by 0.6 px where granulation lives 4 frames and by 4.4 px where it is new in each; without
    what is smooth by less than 0.1 and by 0.1 px.
    """
    held = np.isfinite(image)
    light, weight = np.where(held, image, 0.0).astype(np.float64), held.astype(np.float64)
    size = [max(side // SMOOTH_PART, 3) for side in image.shape]
    for _ in range(2):
        light = ndimage.uniform_filter(light, size, mode="constant")
        weight = ndimage.uniform_filter(weight, size, mode="constant")
    smooth = np.divide(light, weight, out=np.zeros_like(light), where=weight > 1e-6)
    return np.where(held, image - smooth, 0.0)


def _blended(reference: np.ndarray, aligned: np.ndarray, weight: float) -> np.ndarray:
    """
    Their weighted mean; only what the newer one has, as it is.

    What the reference alone has lies beyond the newer frame's border. Kept, it would grow older with each frame and
    still be compared: with a memory of 1, errors in drawn granulation were up to twice as large.
    """
    mean = reference + np.float32(weight) * (aligned - reference)
    return np.where(np.isnan(reference), aligned, mean)
