"""A small picture of an event for lists: the frame before, the frame of it, the frame after, side by side."""

import io

import numpy as np
from PIL import Image

from poreweb.tracks import archive
from poreweb.tracks.models import Event, Segmentation
from processing.errors import FrameError

LIMITS = (0.2, 1.2)  # enhanced intensity over the quiet Sun, as on the desk
SIDE, GUTTER = 48, 2  # pixels of each picture, and between two
MARGIN = 6  # pixels of the run's grid around the pores
PAPER = 128
OUTLINE = 255


def strip_png(event: Event) -> bytes:
    """
    Three crops in grey with the outlines of the event's own pores in white, north up, as PNG bytes.

    Raises
    ------
    FrameError
        If none of the event's pores is left, or no frame can be read.
    """
    pores = [*event.parents.select_related("segmentation"), *event.children.select_related("segmentation")]
    if not pores:
        raise FrameError("the event has no pore any more")
    done = event.run.segmentations.filter(state=Segmentation.State.DONE)
    # a gap's parent was seen some frames before; a pore that disappears is seen for the last time in the event's frame
    earlier = [pore.segmentation.index for pore in pores if pore.segmentation.index < event.index]
    before = done.filter(index__lt=event.index).order_by("-index").first()
    first = max(earlier) if earlier else before.index if before else None
    after = done.filter(index__gt=event.index).order_by("index").first()
    centre = (float(np.mean([pore.row for pore in pores])), float(np.mean([pore.col for pore in pores])))
    reach = max(max(abs(pore.row - centre[0]), abs(pore.col - centre[1])) for pore in pores)
    half = int(reach + np.sqrt(max(pore.area_px for pore in pores) / np.pi)) + MARGIN
    own: dict[int | None, list[int]] = {}
    for pore in pores:
        own.setdefault(pore.segmentation.index, []).append(pore.label)
    places = (first, event.index, after.index if after else None)
    pictures = [_crop(event, place, centre, half, own.get(place, [])) for place in places]
    sheet = Image.new("L", (3 * SIDE + 2 * GUTTER, SIDE), PAPER)
    for k, picture in enumerate(pictures):
        if picture is not None:
            sheet.paste(picture, (k * (SIDE + GUTTER), 0))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _crop(
    event: Event, index: int | None, centre: tuple[float, float], half: int, own: list[int]
) -> Image.Image | None:
    if index is None:
        return None
    contrast, labels = archive.read_contrast(event.run, index), archive.read_labels(event.run, index)
    rows, cols = (slice(max(0, round(c) - half), round(c) + half + 1) for c in centre)
    low, high = LIMITS
    grey = np.clip((np.nan_to_num(contrast[rows, cols], nan=low) - low) / (high - low), 0, 1) * (OUTLINE - 35)
    inside = np.isin(labels[rows, cols], own)
    grey[inside & ~_eroded(inside)] = OUTLINE
    picture = Image.fromarray(grey[::-1].astype(np.uint8), "L")
    times = max(1, SIDE // max(picture.size))
    if max(picture.size) * times > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    else:  # whole multiples only, so that a pixel stays a square
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    framed = Image.new("L", (SIDE, SIDE), 0)
    framed.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return framed


def _eroded(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
