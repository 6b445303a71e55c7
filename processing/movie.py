"""
Frames, outlines and track numbers to an H.264 movie, with a JSON file of its provenance.

Every picture is drawn as one image of 8-bit indices (greys first, then eight shades of
each track colour) and goes through lookup tables straight to the planes of yuv420p; no
RGB image is ever made.
"""

import json
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL

from processing.errors import FrameError, ParameterError
from processing.palette import (
    GREYS,
    dimmed_indices,
    draw_outline,
    grey_ramp,
    outline,
    shortened,
    text_width,
    to_greys,
    to_planes,
    track_ramp,
    write_text,
)
from processing.timekeys import format_t_rec, utc_of

WHITE = GREYS - 1
BAR = 12  # the grey of the bars above and below the image
QUALITY = {"crf": "20", "preset": "fast"}
NARROW_PX, TALL_PX = 700, 1600  # smaller images are enlarged to the first, not beyond the second
SCALE_BAR_MM = (1, 2, 5, 10, 20, 50, 100, 200)
UNIT = "I / quiet Sun"
MAX_EVENT_LINES = 6
# A longer gap is cut to one second of film; T_REC then jumps, and the sidecar tells.
MAX_GAP_FRAMES = 8


@dataclass(frozen=True)
class MovieFrame:
    """
    One slot of the movie.

    ``contrast`` is (ny, nx), 1.0 in the quiet Sun, NaN without data; ``labels`` has the
    same shape, 0 outside features; ``tracks`` gives the track number of a label, and a
    label without one is outlined in white. ``events`` are short sentences that appear at
    this frame. With ``gap`` the slot is missing: ``contrast`` and ``labels`` are ignored.
    """

    t_rec_s: int
    contrast: np.ndarray | None = None
    labels: np.ndarray | None = None
    tracks: Mapping[int, int] = field(default_factory=dict)
    events: Sequence[str] = ()
    gap: bool = False


@dataclass(frozen=True)
class MovieSummary:
    """What was written: ``path`` the movie, ``sidecar`` its JSON; sizes in pixels of the movie."""

    path: Path
    sidecar: Path
    n_frames: int
    n_gaps: int
    width: int
    height: int
    scale: int
    duration_s: float


def write_movie(
    path: Path,
    frames: Iterable[MovieFrame],
    *,
    title: str,
    pixel_side_mm: float,
    limits: tuple[float, float] = (0.2, 1.2),
    frame_rate: int = 8,
    progress: Callable[[int], None] | None = None,
) -> MovieSummary:
    """
    Write an MP4 and, beside it with the suffix .json, what it was made of.

    Parameters
    ----------
    path : `~pathlib.Path`
        Ends in .mp4. It is written under a temporary name; nothing is left on failure.
    frames : iterable of `MovieFrame`
        In order of time; read once, one at a time. Images of fewer than 700 columns are
        enlarged by a whole number. Row 0 is the south, as in a SHARP.
    title : str
        Shown above the image.
    pixel_side_mm : float
        Side of one pixel of the frames on the Sun, in Mm; the scale bar follows from it.
    limits : tuple of float
        Contrast shown as black and as white, the same for every frame.
    frame_rate : int
        Frames in a second. An event stays readable for one second.
    progress : callable, optional
        Called with the number of frames written so far.

    Raises
    ------
    FrameError
        If no frame has an image, or an image or its labels differ in shape from the first.
    ParameterError
        If the limits, the pixel side, the frame rate or the name make no sense.
    """
    path = Path(path)
    _check_parameters(path, pixel_side_mm, limits, frame_rate)
    movie_part, sidecar_part = path.with_suffix(".part.mp4"), path.with_suffix(".part.json")
    sidecar = path.with_suffix(".json")
    try:
        shape, slots = _shape_first(frames)
        painter = Painter(shape, title=title, pixel_side_mm=pixel_side_mm, limits=limits, hold=frame_rate)
        records = _encode(movie_part, slots, painter, frame_rate, progress)
        provenance = _provenance(painter, title, pixel_side_mm, limits, frame_rate, records)
        sidecar_part.write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
        sidecar_part.replace(sidecar)
        movie_part.replace(path)  # last: a movie never stands without its sidecar
    finally:
        movie_part.unlink(missing_ok=True)
        sidecar_part.unlink(missing_ok=True)
    n_gaps = sum(record["gap"] for record in records)
    duration_s = len(records) / frame_rate
    return MovieSummary(path, sidecar, len(records), n_gaps, painter.width, painter.height, painter.scale, duration_s)


def _check_parameters(path: Path, pixel_side_mm: float, limits: tuple[float, float], frame_rate: int) -> None:
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ParameterError(f"the limits must be two rising numbers, not {limits}")
    if not (math.isfinite(pixel_side_mm) and pixel_side_mm > 0):
        raise ParameterError(f"the pixel side must be a positive length in Mm, not {pixel_side_mm}")
    if frame_rate < 1:
        raise ParameterError(f"the frame rate must be at least 1 per second, not {frame_rate}")
    if path.suffix != ".mp4":
        raise ParameterError(f"the name of a movie ends in .mp4, unlike {path.name}")


def _shape_first(frames: Iterable[MovieFrame]) -> tuple[tuple[int, int], Iterator[MovieFrame]]:
    """The shape of the first image, and all frames again, gaps before it included."""
    rest = iter(frames)
    read = []
    for frame in rest:
        read.append(frame)
        if frame.gap:
            continue
        if frame.contrast is None or frame.contrast.ndim != 2 or 0 in frame.contrast.shape:
            raise FrameError(f"the frame at {format_t_rec(frame.t_rec_s)} has no two-dimensional image")
        return (frame.contrast.shape[0], frame.contrast.shape[1]), chain(read, rest)
    raise FrameError("a movie needs at least one frame with an image")


def _encode(
    path: Path,
    frames: Iterable[MovieFrame],
    painter: "Painter",
    frame_rate: int,
    progress: Callable[[int], None] | None,
) -> list[dict[str, Any]]:
    records = []
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["title"] = painter.title
        stream = container.add_stream("libx264", rate=frame_rate, options=QUALITY)
        stream.width, stream.height, stream.pix_fmt = painter.width, painter.height, "yuv420p"
        codec = stream.codec_context
        codec.gop_size = 2 * frame_rate  # a player may jump to any two seconds
        codec.color_range = 1  # limited
        codec.colorspace = codec.color_primaries = codec.color_trc = 1  # BT.709
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(to_planes(painter.paint(frame)), format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, frame_rate)
            container.mux(stream.encode(picture))
            records.append(
                {
                    "t_rec": format_t_rec(frame.t_rec_s),
                    "utc": utc_of(frame.t_rec_s).isoformat(timespec="seconds") + "Z",
                    "gap": frame.gap,
                    "events": list(frame.events),
                }
            )
            if progress:
                progress(number + 1)
        container.mux(stream.encode())
    return records


def _provenance(
    painter: "Painter",
    title: str,
    pixel_side_mm: float,
    limits: tuple[float, float],
    frame_rate: int,
    records: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "title": title,
        "unit": UNIT,
        "limits": list(limits),
        "image": {"ny": painter.shape[0], "nx": painter.shape[1], "pixel_side_mm": pixel_side_mm},
        "movie": {
            "width": painter.width,
            "height": painter.height,
            "scale": painter.scale,
            "frame_rate": frame_rate,
            "codec": "H.264, yuv420p, BT.709",
            **QUALITY,
        },
        "scale_bar": {"mm": painter.bar_mm, "pixels": painter.bar_px},
        "orientation": "north up, west right",
        "software": {
            "Python": platform.python_version(),
            "NumPy": np.__version__,
            "Pillow": PIL.__version__,
            "PyAV": av.__version__,
        },
        "frames": records,
    }


class Painter:
    """Draws the slots of one movie on index images of one size, with what stays drawn once."""

    def __init__(
        self, shape: tuple[int, int], *, title: str, pixel_side_mm: float, limits: tuple[float, float], hold: int
    ) -> None:
        ny, nx = shape
        self.shape, self.limits, self.hold = shape, limits, hold
        self.scale = max(1, min(math.ceil(NARROW_PX / nx), TALL_PX // ny))
        self.title = title
        self.bar_mm = _scale_bar_length(pixel_side_mm * nx)
        self.bar_px = round(self.bar_mm / pixel_side_mm * self.scale)
        width = max(nx * self.scale, NARROW_PX)
        self.font_px = min(max(width // 50, 18), 40)
        self.pad = self.font_px // 2
        self._hatch = _hatch((ny * self.scale, nx * self.scale))
        self._field = self._hatch  # of the last image
        self._events: list[tuple[str, int]] = []
        self._lay_out(width)

    def _lay_out(self, width: int) -> None:
        """Sizes, and the parts that are the same in every picture."""
        high, wide = self._field.shape
        line = 2 * self.font_px
        times_wide = text_width(_times(0), self.font_px)
        title = shortened(self.title, self.font_px, width - 2 * self.pad)
        two_lines = text_width(title, self.font_px) + times_wide + 4 * self.pad > width
        self._top = line + (line - self.pad if two_lines else 0)
        self.width, self.height = width + width % 2, self._top + high + line
        self.height += self.height % 2
        self._left = (width - wide) // 2
        self._times_at = (self._top - line // 2, self.pad if two_lines else width - times_wide - self.pad)
        still = np.full((self.height, self.width), BAR, np.uint8)
        write_text(still, title, line // 2, self.pad, self.font_px)
        self._draw_scale_bar(still)
        self._draw_grey_bar(still)
        self._still = still

    def _draw_scale_bar(self, still: np.ndarray) -> None:
        middle = self._top + self._field.shape[0] + self.font_px
        thick = max(2, self.font_px // 6)
        end = self._left + self.pad + self.bar_px
        still[middle - thick : middle + thick, self._left + self.pad : end] = WHITE
        write_text(still, f"{self.bar_mm} Mm", middle, end + self.pad, self.font_px)

    def _draw_grey_bar(self, still: np.ndarray) -> None:
        """From right to left: the unit, the upper limit, the greys, the lower limit."""
        middle = self._top + self._field.shape[0] + self.font_px
        low, high = (f"{limit:g}" for limit in self.limits)
        right = self.width - self.pad - text_width(f"{high}  {UNIT}", self.font_px)
        write_text(still, f"{high}  {UNIT}", middle, right, self.font_px)
        length = self.width // 8
        start, half = right - self.pad - length, self.font_px // 2
        still[middle - half - 1 : middle + half + 1, start - 1 : start + length + 1] = WHITE // 2
        still[middle - half : middle + half, start : start + length] = np.linspace(0, WHITE, length).astype(np.uint8)
        write_text(still, low, middle, start - self.pad - text_width(low, self.font_px), self.font_px)

    def paint(self, frame: MovieFrame) -> np.ndarray:
        """
        The index image of one slot, of even sizes.

        Raises
        ------
        FrameError
            If the image or the labels differ in shape from the first image.
        """
        picture = self._still.copy()
        high, wide = self._field.shape
        field_view = picture[self._top : self._top + high, self._left : self._left + wide]
        if frame.gap:
            field_view[:] = _DIMMED[self._field]
            for words, row in (("no data", -1), (format_t_rec(frame.t_rec_s), 1)):
                column = (wide - text_width(words, self.font_px)) // 2
                write_text(field_view, words, high // 2 + row * self.font_px, column, self.font_px)
        else:
            self._field = self._draw_field(frame)
            field_view[:] = self._field
        self._draw_events(field_view, frame)
        write_text(picture, _times(frame.t_rec_s), *self._times_at, self.font_px)
        return picture

    def _draw_field(self, frame: MovieFrame) -> np.ndarray:
        if frame.contrast is None:
            raise FrameError(f"the frame at {format_t_rec(frame.t_rec_s)} has no image")
        for name, array in (("image", frame.contrast), ("label image", frame.labels)):
            if array is not None and array.shape != self.shape:
                when = format_t_rec(frame.t_rec_s)
                raise FrameError(f"the {name} at {when} has shape {array.shape}, the first image {self.shape}")
        contrast = np.asarray(frame.contrast, np.float32)
        index = _enlarged(to_greys(contrast, self.limits), self.scale)
        missing = _enlarged(~np.isfinite(contrast), self.scale)
        if missing.any():
            index[missing] = self._hatch[missing]
        if frame.labels is not None and frame.labels.any():
            self._draw_tracks(index, frame.labels, frame.tracks)
        return index

    def _draw_tracks(self, index: np.ndarray, labels: np.ndarray, tracks: Mapping[int, int]) -> None:
        labels = _enlarged(labels.astype(np.int32), self.scale)
        rows, cols, owners = outline(labels, thick=1 if self.scale == 1 else 2)
        taken: list[tuple[int, int, int, int]] = []
        for label in sorted(np.unique(owners).tolist(), key=lambda one: (tracks.get(one, math.inf), one)):
            mine = owners == label
            number = tracks.get(label)
            draw_outline(index, rows[mine], cols[mine], number)
            if number is not None:
                _write_number(index, number, rows[mine], cols[mine], self.font_px, taken)

    def _draw_events(self, field_view: np.ndarray, frame: MovieFrame) -> None:
        """One line each with its time in TAI, white at its frame and grey while it is held."""
        moment = format_t_rec(frame.t_rec_s)[11:16]
        held = [(words, left - 1) for words, left in self._events if left > 1]
        self._events = [(f"{moment}  {words}", self.hold) for words in frame.events] + held
        for line, (words, left) in enumerate(self._events[:MAX_EVENT_LINES]):
            bright = WHITE if left == self.hold else WHITE * 2 // 3
            row = self.font_px + round(1.4 * self.font_px * line)
            write_text(field_view, words, row, self.pad, self.font_px, ramp=grey_ramp(bright))


_DIMMED = dimmed_indices()


def _enlarged(array: np.ndarray, scale: int) -> np.ndarray:
    """North up, each pixel ``scale`` by ``scale``."""
    return np.repeat(np.repeat(array[::-1], scale, axis=0), scale, axis=1)


def _hatch(shape: tuple[int, ...]) -> np.ndarray:
    """What stands for no data: oblique lines, which no image of the Sun has."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.where((rows + cols) % 12 < 2, 90, 50).astype(np.uint8)


def _scale_bar_length(field_mm: float) -> int:
    """The longest round length that takes up at most a fifth of the image."""
    return max((mm for mm in SCALE_BAR_MM if mm <= field_mm / 5), default=SCALE_BAR_MM[0])


def _times(t_rec_s: int) -> str:
    return f"{format_t_rec(t_rec_s)}   {utc_of(t_rec_s):%Y-%m-%d %H:%M:%S} UTC"


def _write_number(
    index: np.ndarray,
    number: int,
    rows: np.ndarray,
    cols: np.ndarray,
    size: int,
    taken: list[tuple[int, int, int, int]],
) -> None:
    """Beside the outline, at the first of its four oblique ends where no other number is."""
    words = str(number)
    wide, half, gap = text_width(words, size), size // 2, 2
    places = []
    for down, right in ((-1, 1), (1, 1), (-1, -1), (1, -1)):
        end = int(np.argmax(down * rows + right * cols))
        row, col = int(rows[end]) + down * half, int(cols[end]) + (gap if right > 0 else -gap - wide)
        row = min(max(row, half), index.shape[0] - half)
        col = min(max(col, 0), index.shape[1] - wide)
        places.append((row - half, row + half, col, col + wide))
    free = (p for p in places if not any(p[0] < t[1] and t[0] < p[1] and p[2] < t[3] and t[2] < p[3] for t in taken))
    place = next(free, places[0])
    taken.append(place)
    write_text(index, words, place[0] + half, place[2], size, ramp=track_ramp(number))
