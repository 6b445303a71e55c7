"""A Sun drawn by hand: disks on a quiet background, and the maps of a patch around them."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from processing.enhance import optics
from processing.geometry import CeaGeometry
from processing.segment import label_pores
from processing.timekeys import CADENCE_S, parse_t_rec
from processing.track import DetectedFrame

SHAPE = (64, 96)
START_S = parse_t_rec("2013.06.20_10:36:00_TAI")
# Near disk centre, on the native grid; its doubled() is the working grid.
GEOMETRY = CeaGeometry(
    crpix1=48.5, crpix2=32.5, crval1=250, crval2=11, cdelt1=0.03, cdelt2=0.03,
    crln_obs=240, crlt_obs=1.7, dsun_obs=1.52e11,
)  # fmt: skip

Disk = tuple[float, float, float]  # row, col, radius in pixels


def draw(disks: Sequence[Disk], *, shape: tuple[int, int] = SHAPE, contrast: float = 0.3) -> np.ndarray:
    """A contrast map: 1.0, and ``contrast`` inside the disks."""
    rows, cols = np.indices(shape)
    image = np.ones(shape)
    for row, col, radius in disks:
        image[np.hypot(rows - row, cols - col) <= radius] = contrast
    return image


def seen_by_hmi(scene: np.ndarray) -> np.ndarray:
    """The scene (2 ny, 2 nx) of the doubled grid through HMI's optics and pixel: (ny, nx), without noise."""
    shape = scene.shape[0], scene.shape[1]
    blurred = np.fft.irfft2(np.fft.rfft2(scene) * optics.hmi_transfer_on_sharp_grid(shape), s=shape)
    # HMI's samples lie between two new pixels each way
    places = np.mgrid[0.5 : shape[0] : 2, 0.5 : shape[1] : 2]
    return ndimage.map_coordinates(blurred, places, order=5, mode="grid-wrap")


def detect(story: Sequence[Sequence[Disk]], *, slots: Sequence[int] | None = None) -> list[DetectedFrame]:
    """
    The features of a story told as one list of disks per frame; disks that touch are one.

    ``slots`` are the frames' places in the 12-minute grid; without them none is lost.
    Ids run from 1 over the series, in the order of the labels.
    """
    frames = []
    first = 1
    for slot, disks in zip(slots or range(len(story)), story, strict=True):
        labels = label_pores(draw(disks), min_pixels=1)
        numbers = np.arange(1, labels.max() + 1)
        centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 2)
        area = np.bincount(labels.ravel(), minlength=len(numbers) + 1)[1:]
        ids = numbers - 1 + first
        first += len(numbers)
        frames.append(DetectedFrame(START_S + slot * CADENCE_S, ids, centres[:, 0], centres[:, 1], area, labels))
    return frames
