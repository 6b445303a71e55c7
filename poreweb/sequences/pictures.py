"""Calibration images: kept as FITS, shown in grey at whole multiples of their pixels, with their limits."""

import io
import math
from dataclasses import asdict, dataclass

import numpy as np
from astropy.io import fits
from PIL import Image

from poreweb import storage
from poreweb.sequences.actions import pictures_folder
from poreweb.sequences.models import Sequence
from processing.fits import read_image

SHOWN = 240  # pixels of the screen that the larger side of a small picture comes close to
LIMITS = (1, 99)  # per cent of the values


@dataclass(frozen=True)
class Described:
    """
    One image as its page needs it, without its pixels.

    ``group`` is what it was made of, ``name`` what it is: mean, standard deviation and so
    on. ``low`` and ``high`` are shown black and white.
    """

    key: str
    group: str
    name: str
    unit: str
    low: float
    high: float
    ny: int
    nx: int
    n_frames: int
    n_missing: int

    @property
    def limits(self) -> str:
        """Black and white in words."""
        return f"{self.low:g} to {self.high:g}"

    @property
    def step(self) -> int:
        """Pixels of the image along a side that one of the small picture is the mean of."""
        return max(1, math.ceil(max(self.ny, self.nx) / SHOWN))

    @property
    def multiple(self) -> int:
        """Pixels of the small picture along a side of each of the image's."""
        return max(1, SHOWN // max(self.ny, self.nx))

    @property
    def width(self) -> int:
        """Of the small picture."""
        return math.ceil(self.nx / self.step) * self.multiple

    @property
    def height(self) -> int:
        """Of the small picture."""
        return math.ceil(self.ny / self.step) * self.multiple


@dataclass(frozen=True)
class Group:
    """The images of one kind of calibration frame."""

    name: str
    images: list[Described]


def described(sequence: Sequence) -> list[Described]:
    """All images of a sequence, in order."""
    return [Described(**item) for item in sequence.pictures]


def groups(sequence: Sequence) -> list[Group]:
    """The same by what they were made of."""
    found: dict[str, Group] = {}
    for item in described(sequence):
        found.setdefault(item.group, Group(item.group, [])).images.append(item)
    return list(found.values())


def keep(
    sequence: Sequence, key: str, image: np.ndarray, *, group: str, name: str, unit: str, n_frames: int
) -> dict[str, object]:
    """Store an image as FITS; what describes it, as plain values for its row."""
    header = fits.Header()
    header["BUNIT"], header["NCOMBINE"] = unit, n_frames
    header["OBJECT"] = f"{group}: {name}".encode("ascii", "replace").decode()[:68]
    whole = io.BytesIO()
    fits.PrimaryHDU(image.astype(np.float32), header).writeto(whole)
    storage.write_bytes(_key(sequence.pk, key), whole.getvalue())
    finite = image[np.isfinite(image)]
    if image.dtype == bool or not finite.size:
        low, high = 0.0, 1.0
    else:
        low, high = (float(f"{limit:.4g}") for limit in np.percentile(finite, LIMITS))
    ny, nx = image.shape
    return asdict(
        Described(key, group, name, unit, low, high, ny, nx, n_frames, n_missing=int(image.size - finite.size))
    )


def _key(pk: int, key: str) -> str:
    return f"{pictures_folder(pk)}/{key}.fits"


def fits_of(pk: int, image: Described) -> bytes:
    """The image as it was stored."""
    return storage.read_bytes(_key(pk, image.key))


def file_name(pk: int, image: Described) -> str:
    """Of its download."""
    return f"sequence{pk}_{image.key}.fits"


def png_of(pk: int, image: Described, *, full: bool = False) -> bytes:
    """
    The image in grey, its first row at the bottom; pixels without data are black with the alpha of nothing.

    Small ones are shown at a multiple of their pixels, large ones as means of squares of
    pixels, or pixel by pixel when ``full``.
    """
    data, _ = read_image(fits_of(pk, image), image.key)
    if not full:
        data = _grown(_averaged(data, image.step), image.multiple)
    held = np.isfinite(data)
    scaled = (np.where(held, data, image.low) - image.low) / ((image.high - image.low) or 1.0)
    grey = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    pixels = np.stack([grey, np.where(held, 255, 0).astype(np.uint8)], axis=-1)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[::-1]), "LA").save(out, "PNG", optimize=True)
    return out.getvalue()


def _averaged(data: np.ndarray, step: int) -> np.ndarray:
    """Means of squares of pixels, of those of them with data; the squares at the far border are cut."""
    if step == 1:
        return data
    ny, nx = (math.ceil(side / step) * step for side in data.shape)
    padded = np.full((ny, nx), np.nan)
    padded[: data.shape[0], : data.shape[1]] = data
    squares = padded.reshape(ny // step, step, nx // step, step)
    n_held = np.isfinite(squares).sum(axis=(1, 3))
    return np.where(n_held, np.nansum(squares, axis=(1, 3)) / np.maximum(n_held, 1), np.nan)


def _grown(data: np.ndarray, multiple: int) -> np.ndarray:
    return data.repeat(multiple, axis=0).repeat(multiple, axis=1)
