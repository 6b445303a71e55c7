"""Colours of tracks, lookup tables, and drawing on 8-bit index images for movies."""

import math
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from processing.errors import ParameterError

Rgb = tuple[int, int, int]

# The hues of Okabe & Ito (2008, Color Universal Design), made brighter for dark umbrae and
# then moved until every pair differs by at least 19 in CIE Lab, to a normal eye and to the
# protanope and deuteranope of Machado et al. 2009 (IEEE TVCG 15, 1291), and each has 1.4
# times the luminance of mid-grey. Neighbours in the list are far apart.
TRACK_COLOURS: tuple[Rgb, ...] = (
    (16, 210, 255),  # sky
    (255, 176, 0),  # orange
    (255, 107, 204),  # pink
    (205, 255, 173),  # lime
    (161, 141, 255),  # violet
    (255, 208, 110),  # sand
    (12, 212, 151),  # green
    (249, 122, 104),  # coral
)
# Ends of the signed map, of nearly equal lightness so that neither polarity looks stronger.
NEGATIVE_END: Rgb = (20, 85, 185)
POSITIVE_END: Rgb = (185, 55, 15)

# On and off lengths of an outline in pixels; solid first. Tracks whose numbers differ by 8
# share a colour and differ in dash.
DASHES: tuple[tuple[int, int], ...] = ((1, 0), (6, 3), (2, 3), (12, 3))
MARKERS = ("circle", "square", "diamond", "triangle")


def track_colour(number: int) -> Rgb:
    """The colour that a track has everywhere."""
    return TRACK_COLOURS[number % len(TRACK_COLOURS)]


def dash_index(number: int) -> int:
    """Which of `DASHES` and `MARKERS` tells this track from the others of its colour."""
    return number // len(TRACK_COLOURS) % len(DASHES)


def grey_table(n: int) -> np.ndarray:
    """Black to white in ``n`` even steps: uint8, shape (n, 3)."""
    ramp = np.rint(np.linspace(0, 255, _checked(n))).astype(np.uint8)
    return np.repeat(ramp[:, np.newaxis], 3, axis=1)


def diverging_table(n: int) -> np.ndarray:
    """
    Blue over white to red for a signed quantity, its zero in the middle: uint8, shape (n, 3).

    The strength grows as the 0.8th power of the distance from zero, so that weak
    field shows. An odd ``n`` has pure white in the middle.
    """
    signed = np.linspace(-1, 1, _checked(n))[:, np.newaxis]
    white = np.full(3, 255.0)
    end = np.where(signed < 0, NEGATIVE_END, POSITIVE_END)
    return np.rint(white + (end - white) * np.abs(signed) ** 0.8).astype(np.uint8)


def _checked(n: int) -> int:
    if n < 2:
        raise ParameterError(f"a colour table needs at least 2 entries, not {n}")
    return n


# --- index images: greys, then the shades of the track colours -----------------------------

GREYS = 192
SHADES = 8  # from black to the full colour


def index_colours() -> np.ndarray:
    """The sRGB colour of every index: float in 0..1, shape (256, 3)."""
    greys = np.repeat(np.linspace(0, 1, GREYS)[:, np.newaxis], 3, axis=1)
    shades = np.linspace(0, 1, SHADES)[:, np.newaxis]
    return np.vstack([greys] + [shades * np.array(colour) / 255 for colour in TRACK_COLOURS])


def track_ramp(number: int) -> np.ndarray:
    """Indices from black to the colour of that track: uint8, shape (256,)."""
    first = GREYS + number % len(TRACK_COLOURS) * SHADES
    return (first + np.arange(256) * (SHADES - 1) // 255).astype(np.uint8)


def grey_ramp(brightest: int = GREYS - 1) -> np.ndarray:
    """Indices from black to that grey: uint8, shape (256,)."""
    return (np.arange(256) * brightest // 255).astype(np.uint8)


def dimmed_indices() -> np.ndarray:
    """For every index that of the same hue at about 0.45 of its brightness: uint8, shape (256,)."""
    index = np.arange(256)
    shade = (index - GREYS) % SHADES
    return np.where(index < GREYS, index * 9 // 20, index - shade + shade * 9 // 20).astype(np.uint8)


def to_greys(data: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Grey indices of ``data`` between the limits, those outside clipped; NaN is black."""
    low, high = limits
    scaled = (np.nan_to_num(data, nan=low, posinf=high, neginf=low) - low) * ((GREYS - 1) / (high - low))
    return np.rint(np.clip(scaled, 0, GREYS - 1)).astype(np.uint8)


def _plane_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, U and V of every index: BT.709 (ITU-R BT.709-6, section 3), limited range."""
    red, green, blue = index_colours().T
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    y, u, v = 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748
    return np.rint(y).astype(np.uint8), np.rint(u).astype(np.uint8), np.rint(v).astype(np.uint8)


_Y, _U, _V = _plane_tables()


def to_planes(index: np.ndarray) -> np.ndarray:
    """
    The planes of yuv420p, stacked as PyAV takes them: (ny, nx), both even -> (3 ny / 2, nx).

    A 2 x 2 block takes the hue of its highest index. Track colours are the highest, so an
    outline one pixel wide keeps its full colour where an average would make it pale.
    """
    ny, nx = index.shape
    planes = np.empty((ny * 3 // 2, nx), np.uint8)
    np.take(_Y, index, out=planes[:ny], mode="clip")  # "clip" writes without a buffer
    rows = np.maximum(index[0::2], index[1::2])
    hue = np.maximum(rows[:, 0::2], rows[:, 1::2])
    planes[ny:].reshape(2, ny // 2, nx // 2)[:] = _U[hue], _V[hue]
    return planes


# --- drawing on index images ---------------------------------------------------------------


def outline(labels: np.ndarray, *, thick: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Rows and columns of the pixels just outside each feature, and the label each belongs to.

    Outside, so that nothing of a small pore is hidden; where two features touch, the
    pixels along the border are those of each. ``thick`` is in pixels.
    """
    owner = np.zeros_like(labels)
    grown = labels
    for _ in range(thick):
        around = np.pad(grown, 1)
        new = grown.copy()
        for beside in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
            bare = (new == 0) & (beside > 0)
            new[bare] = owner[bare] = beside[bare]
            border = (labels > 0) & (beside > 0) & (labels != beside)
            owner[border] = labels[border]
        grown = new
    rows, cols = np.nonzero(owner)
    return rows, cols, owner[rows, cols]


def draw_outline(index: np.ndarray, rows: np.ndarray, cols: np.ndarray, number: int | None) -> None:
    """In the colour of the track and, by the angle about the middle, in its dash."""
    if number is None:
        index[rows, cols] = GREYS - 1
        return
    on, off = DASHES[dash_index(number)]
    down, right = rows - rows.mean(), cols - cols.mean()
    along = np.arctan2(down, right) * np.hypot(down, right).mean()
    drawn = along % (on + off) < on
    index[rows[drawn], cols[drawn]] = track_ramp(number)[255]


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow carries this font: the same on every machine.
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size=size))


def text_width(words: str, size: int) -> int:
    """Columns that a text of that size takes up."""
    return math.ceil(_font(size).getlength(words))


def shortened(words: str, size: int, room: int) -> str:
    """The text, or what of it fits into ``room`` columns with three dots."""
    if text_width(words, size) <= room:
        return words
    while words and text_width(words + "...", size) > room:
        words = words[:-1]
    return words + "..."


@lru_cache(maxsize=2048)
def _stamp(words: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The letters (0..255) and whether a pixel is of them or of the dark rim round them."""
    rim = max(1, size // 10)
    box = (text_width(words, size) + 2 * rim, 2 * size)
    core, wide = Image.new("L", box), Image.new("L", box)
    ImageDraw.Draw(core).text((rim, size), words, 255, _font(size), anchor="lm")
    ImageDraw.Draw(wide).text((rim, size), words, 255, _font(size), anchor="lm", stroke_width=rim)
    strong = core.point(lambda grey: min(grey * 3 // 2, 255))  # thin strokes would sink into the rim
    return np.asarray(strong), np.asarray(wide) > 100


def write_text(
    index: np.ndarray, words: str, middle: int, left: int, size: int, *, ramp: np.ndarray | None = None
) -> None:
    """Write onto an index image, ``middle`` being the row of the text's middle; cut at the edges."""
    core, inked = _stamp(words, size)
    top, left = middle - size, left - max(1, size // 10)
    rows = slice(max(top, 0), min(top + core.shape[0], index.shape[0]))
    cols = slice(max(left, 0), min(left + core.shape[1], index.shape[1]))
    if rows.stop <= rows.start or cols.stop <= cols.start:
        return
    part = (slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left))
    values = (grey_ramp() if ramp is None else ramp)[core[part]]
    index[rows, cols][inked[part]] = values[inked[part]]
