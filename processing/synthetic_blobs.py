"""
Pores drawn as labels, frame by frame, with the lineage that is true of them.

A label is a connected patch of pixels and holds every blob whose centre lies in it. A
truth edge leads from one label to a later one when a blob seen in the first is next seen
in the second. Places are complex numbers, col + 1j row, so that a step is one addition.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage, sparse

from processing.errors import ParameterError
from processing.track.paths import is_joined

MAX_SPAN = 5  # frames from one end of an edge to the other: at most four missed between
EDGE_OF_PORE = 0.5  # of the field that a blob draws, and of the quiet Sun's intensity there
LOWEST_WAVE = 2  # of an outline; the wave of number 1 would only move the blob
INNERMOST = 0.35  # of the mean radius: an outline never comes closer to its centre
GRAIN_PX = 1.6  # smoothing of the noise that stands for granulation, about half a granule on the doubled grid
GRAIN_CONTRAST = 0.045  # rms after enhancement: 4.96 % measured on HARP 2875 (docs/accuracy.md)
COLUMNS = ("frame", "label", "row", "col", "area_px", "intensity", "flux", "is_true")
TRUTH_COLUMNS = ("frame_earlier", "label_earlier", "frame_later", "label_later")

Node = tuple[int, int]  # frame, label


def complex_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Complex noise, shape (n,), of rms modulus 1."""
    noise: np.ndarray = rng.standard_normal((n, 2)) @ np.array([1, 1j]) / math.sqrt(2)
    return noise


@dataclass(eq=False)
class Blob:
    """
    One flux bundle as it looks in one frame.

    ``place`` and ``radius`` are in pixels; ``waves`` are the complex amplitudes of the outline's waves of
    number 2, 3, ... as fractions of the radius; ``core`` is the contrast at the centre, ``strength`` the
    field in gauss. ``past`` holds the nodes in which it, or what it came from, was last seen;
    `Observer.observe` keeps it up to date.
    """

    place: complex
    radius: float
    waves: np.ndarray
    polarity: int = 1
    core: float = 0.3
    strength: float = 1500.0
    is_true: bool = True
    past: set[Node] = field(default_factory=set)


@dataclass(eq=False)
class Bundle(Blob):
    """
    A blob with a life: ``radius`` is its full-grown one, it grows for ``grow`` frames and fades for ``fade``.

    ``velocity`` is the flow of its own, ``breath`` the slow part of the logarithm of its area, and
    ``hidden_until`` the first frame in which it can be seen again.
    """

    velocity: complex = 0j
    born: int = 0
    dies: int = 10**9
    grow: int = 0
    fade: int = 0
    breath: float = 0.0
    hidden_until: int = 0

    def radius_at(self, frame: int) -> float:
        """Without the noise of the frame, in pixels."""
        grown = min(1, (frame - self.born + 1) / (self.grow + 1))
        left = min(1, (self.dies - frame) / (self.fade + 1))
        return self.radius * math.sqrt(max(0.1, grown * left)) * math.exp(self.breath / 2)

    def look(self, frame: int, rng: np.random.Generator, *, area_noise: float, outline_noise: float) -> Blob:
        """It with the noise of one frame: rms of the logarithm of the area, and of the outline's waves."""
        return replace(
            self,
            radius=self.radius_at(frame) * math.exp(area_noise / 2 * rng.standard_normal()),
            waves=self.waves + outline_noise * complex_noise(rng, self.waves.size),
            core=float(np.clip(self.core + 0.02 * rng.standard_normal(), 0.1, 0.48)),
            strength=self.strength * rng.normal(1, 0.03),
        )


@dataclass(frozen=True)
class FramePixels:
    """The labelled pixels of one frame: ``flat`` indices (sorted), their ``label`` and ``contrast``."""

    flat: np.ndarray
    label: np.ndarray
    contrast: np.ndarray


@dataclass(frozen=True)
class SimulatedTracks:
    """
    A series of label images and the lineage that is true of it.

    ``frame``, ``label``, ``row``, ``col``, ``area_px``, ``intensity`` (mean contrast), ``flux``
    (G px, signed) and ``is_true`` have one entry for each detection, sorted by frame, then label;
    labels run from 1 in each frame, rows and columns from 0. ``is_true`` is False for false
    detections. ``edges``, shape (n_edges, 4), is the truth: frame and label at the earlier end,
    frame and label at the later.
    """

    shape: tuple[int, int]
    n_frames: int
    frame: np.ndarray
    label: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area_px: np.ndarray
    intensity: np.ndarray
    flux: np.ndarray
    is_true: np.ndarray
    edges: np.ndarray
    pixels: tuple[FramePixels, ...]
    seed: int = 0

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each frame's detections begin, shape (n_frames + 1,)."""
        return np.searchsorted(self.frame, np.arange(self.n_frames + 1))

    def labels(self, frame: int) -> np.ndarray:
        """Label image, shape (ny, nx), int32; all zeros where the frame was lost."""
        pixels = self.pixels[self._index(frame)]
        image = np.zeros(self.shape, np.int32)
        image.ravel()[pixels.flat] = pixels.label
        return image

    def intensity_image(self, frame: int) -> np.ndarray:
        """Contrast, shape (ny, nx), float32: about 1 outside pores, below 0.6 inside; never NaN."""
        pixels = self.pixels[self._index(frame)]
        rng = np.random.default_rng([self.seed, frame])
        image = ndimage.gaussian_filter(rng.standard_normal(self.shape, np.float32), GRAIN_PX)
        image *= GRAIN_CONTRAST / image.std()
        image += 1
        image.ravel()[pixels.flat] = pixels.contrast
        return image

    def write(self, path: Path, *, with_intensity: bool) -> None:
        """
        Write ``labels`` (n_frames, ny, nx) int16, and ``intensity`` float32 where asked, to a compressed npz.

        The truth goes beside it, as ``<stem>.truth.csv``.
        """
        arrays = {"labels": np.stack([self.labels(k).astype(np.int16) for k in range(self.n_frames)])}
        if with_intensity:
            arrays["intensity"] = np.stack([self.intensity_image(k) for k in range(self.n_frames)])
        with path.open("wb") as file:  # an open file, as savez would append .npz to a name without
            np.savez_compressed(file, allow_pickle=False, **arrays)
        with path.with_name(f"{path.stem}.truth.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TRUTH_COLUMNS)
            writer.writerows(self.edges.tolist())

    def _index(self, frame: int) -> int:
        if not 0 <= frame < self.n_frames:
            raise ParameterError(f"frame must be from 0 to {self.n_frames - 1}, not {frame}")
        return frame


class Observer:
    """Draws one frame after another and keeps what is seen; `finish` gives the whole."""

    def __init__(self, shape: tuple[int, int], *, min_area_px: int, corners_touch: bool = False, seed: int = 0) -> None:
        if len(shape) != 2 or min(shape) < 64 or max(shape) > 4096:
            raise ParameterError(f"shape must be two sides of 64 to 4096 pixels, not {shape}")
        self.shape, self.min_area_px, self.corners_touch, self.seed = shape, min_area_px, corners_touch, seed
        self._pixels: list[FramePixels] = []
        self._columns: list[np.ndarray] = []
        self._edges: set[tuple[int, int, int, int]] = set()

    def observe(self, blobs: Sequence[Blob], bridged: Iterable[tuple[int, int]] = ()) -> np.ndarray:
        """
        Draw the next frame, label it and link it to what came before.

        Parameters
        ----------
        blobs : sequence of `Blob`
            Those that can be seen in this frame.
        bridged : iterable of (int, int)
            Pairs of blobs whose fields add up, so that a bridge forms before they touch.

        Returns
        -------
        `~numpy.ndarray` of int64, shape (n_blobs,)
            The label that holds each blob; 0 where it is not detected.
        """
        frame = len(self._pixels)
        canvas = Canvas(self.shape, blobs)
        for k in range(len(blobs)):
            canvas.draw(k)
        for first, second in bridged:
            canvas.draw_bridge(first, second)
        pixels, owner, held = self._label(canvas)
        self._pixels.append(pixels)
        self._columns.append(_measure(pixels, owner, held, blobs, frame=frame, nx=self.shape[1]))
        for blob, label in zip(blobs, held.tolist(), strict=True):
            if label and blob.is_true:
                self._link(blob.past, (frame, label))
        return held

    def _link(self, past: set[Node], node: Node) -> None:
        self._edges |= {(*earlier, *node) for earlier in past if node[0] - earlier[0] <= MAX_SPAN}
        past.clear()
        past.add(node)

    def _label(self, canvas: "Canvas") -> tuple[FramePixels, np.ndarray, np.ndarray]:
        """The patches that hold a blob and are large enough, the owner of each pixel, the label of each blob."""
        flat = np.flatnonzero(canvas.height)
        owner = canvas.owner[flat]
        patch, place = _patches(flat, canvas.polarity[owner], self.shape, corners_touch=self.corners_touch)
        patch_of_blob = np.full(len(canvas.blobs), -1)
        for k, centre in enumerate(canvas.centres):
            node = place[centre] if centre >= 0 else -1
            # where two polarities overlap, the centre of one can lie in a patch of the other
            if node >= 0 and canvas.polarity[owner[node]] == canvas.polarity[k]:
                patch_of_blob[k] = patch[node]
        inside = patch_of_blob >= 0

        area = np.bincount(patch, minlength=1)
        kept = np.zeros(area.size, bool)
        kept[patch_of_blob[inside]] = True
        kept &= area >= self.min_area_px
        new_label = np.cumsum(kept) * kept
        label = new_label[patch]
        seen = label > 0
        held = np.where(inside, new_label[patch_of_blob], 0)
        contrast = _contrast(canvas.height[flat[seen]], canvas.core[owner[seen]])
        return FramePixels(flat[seen].astype(np.int32), label[seen].astype(np.int16), contrast), owner[seen], held

    def finish(self) -> SimulatedTracks:
        """All frames observed so far."""
        table = np.concatenate([*self._columns, np.zeros((0, 8))])
        kinds = (np.int64, np.int64, float, float, np.int64, float, float, bool)
        columns = {name: table[:, k].astype(kinds[k]) for k, name in enumerate(COLUMNS)}
        edges = np.array(sorted(without_shortcuts(self._edges)), np.int64).reshape(-1, 4)
        pixels = tuple(self._pixels)
        return SimulatedTracks(self.shape, len(pixels), **columns, edges=edges, pixels=pixels, seed=self.seed)


class Canvas:
    """
    One frame in the making, as two flat images: the tallest blob's ``height`` at each pixel, and its ``owner``.

    The height of a blob is 1 at its centre and 1/2 on its outline; nothing is drawn below.
    """

    def __init__(self, shape: tuple[int, int], blobs: Sequence[Blob]) -> None:
        self.shape, self.blobs = shape, blobs
        self.height = np.zeros(shape[0] * shape[1], np.float32)
        self.owner = np.zeros(shape[0] * shape[1], np.int32)
        self.polarity = np.array([blob.polarity for blob in blobs], np.int64)
        self.core = np.array([blob.core for blob in blobs], np.float32)

    @cached_property
    def centres(self) -> list[int]:
        """Flat index of the pixel at each blob's centre; -1 where that is outside."""
        ny, nx = self.shape
        places = [(round(blob.place.imag), round(blob.place.real)) for blob in self.blobs]
        return [row * nx + col if 0 <= row < ny and 0 <= col < nx else -1 for row, col in places]

    def draw(self, k: int) -> None:
        """Draw one blob alone."""
        blob = self.blobs[k]
        grid, flat = self._box(blob)
        self._paint(flat, _height(blob, grid), k)

    def draw_bridge(self, first: int, second: int) -> None:
        """Draw two blobs as one landscape: of two equal ones in one place the area is just the sum."""
        if self.blobs[first].polarity != self.blobs[second].polarity:
            return
        grid, flat = self._box(self.blobs[first], self.blobs[second])
        heights = _height(self.blobs[first], grid), _height(self.blobs[second], grid)
        total = np.minimum(heights[0] + heights[1], 1)
        nearer = heights[0] >= heights[1]
        self._paint(flat, np.where(nearer, total, 0), first)
        self._paint(flat, np.where(nearer, 0, total), second)

    def _box(self, *blobs: Blob) -> tuple[np.ndarray, np.ndarray]:
        """Places and flat indices of the pixels of a box around the blobs, with room for a bridge and its bulge."""
        ny, nx = self.shape
        far = [blob.radius * (1 + np.abs(blob.waves).sum()) * len(blobs) ** 0.5 + 1 for blob in blobs]
        low = [blob.place - r * (1 + 1j) for blob, r in zip(blobs, far, strict=True)]
        high = [blob.place + r * (1 + 1j) for blob, r in zip(blobs, far, strict=True)]
        left, right = max(0, int(min(z.real for z in low))), min(nx, int(max(z.real for z in high)) + 1)
        top, bottom = max(0, int(min(z.imag for z in low))), min(ny, int(max(z.imag for z in high)) + 1)
        cols, rows = np.arange(left, right), np.arange(top, bottom)[:, None]
        return cols + 1j * rows, rows * nx + cols

    def _paint(self, flat: np.ndarray, height: np.ndarray, k: int) -> None:
        drawn = height >= EDGE_OF_PORE
        flat, height = flat[drawn], height[drawn]
        taller = height > self.height[flat]
        self.height[flat[taller]] = height[taller]
        self.owner[flat[taller]] = k


def _height(blob: Blob, grid: np.ndarray) -> np.ndarray:
    """2^-(d/R)^2 at each place, d from the centre and R the outline's radius in that direction."""
    away = grid - blob.place
    distance = np.abs(away)
    direction = away / np.maximum(distance, 1e-9)
    wave = np.zeros_like(away)
    for amplitude in blob.waves[::-1]:  # Horner's rule: a2 u^2 + a3 u^3 + ...
        wave = (wave + amplitude) * direction
    wave *= direction ** (LOWEST_WAVE - 1)
    # the waves add half of their squares to the area; taken out again, so that the area stays pi radius^2
    plain = blob.radius / np.sqrt(1 + 0.5 * np.sum(np.abs(blob.waves) ** 2))
    outline = plain * np.maximum(1 + wave.real, INNERMOST)
    height: np.ndarray = np.exp2(-((distance / outline) ** 2))
    return height


def _contrast(height: np.ndarray, core: np.ndarray) -> np.ndarray:
    """From the core's contrast at the centre of a blob to one half on its outline."""
    contrast: np.ndarray = core + (EDGE_OF_PORE - core) * 2 * (1 - height)
    return contrast.astype(np.float32)


def _patches(
    flat: np.ndarray, polarity: np.ndarray, shape: tuple[int, int], *, corners_touch: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Number of the patch, from 0, that each pixel belongs to, and an image of places in ``flat`` (-1: nowhere)."""
    ny, nx = shape
    place = np.full((ny + 1) * nx + 1, -1, np.int32)  # a row more, below the last
    place[flat] = np.arange(flat.size)
    col = flat % nx
    steps = [(1, col < nx - 1), (nx, np.ones(flat.size, bool))]
    if corners_touch:
        steps += [(nx + 1, col < nx - 1), (nx - 1, col > 0)]
    ends = []
    for step, within in steps:
        one = np.flatnonzero(within)
        other = place[flat[one] + step]
        joined = (other >= 0) & (polarity[one] == polarity[other])
        ends.append((one[joined], other[joined]))
    rows, cols = (np.concatenate(side) for side in zip(*ends, strict=True))
    graph = sparse.coo_array((np.ones(rows.size, np.int8), (rows, cols)), shape=(flat.size, flat.size))
    if not flat.size:
        return np.zeros(0, np.int64), place
    _, patch = sparse.csgraph.connected_components(graph, directed=False)
    return patch.astype(np.int64), place


def _measure(
    pixels: FramePixels, owner: np.ndarray, held: np.ndarray, blobs: Sequence[Blob], *, frame: int, nx: int
) -> np.ndarray:
    """Columns frame, label, row, col, area, intensity, flux, is_true of a frame's labels, shape (n, 8)."""
    n = int(pixels.label.max(initial=0))
    strength = np.array([blob.polarity * blob.strength for blob in blobs])
    is_true = np.array([blob.is_true for blob in blobs], bool)
    true = np.bincount(held[is_true], minlength=n + 1) > 0

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(pixels.label, weights, minlength=n + 1)[1:]

    area = total(np.ones(pixels.flat.size))
    flux = total(strength[owner])
    row, col = total(pixels.flat // nx) / area, total(pixels.flat % nx) / area
    number = np.arange(1, n + 1)
    columns = (np.full(n, frame), number, row, col, area, total(pixels.contrast) / area, flux, true[1:])
    return np.column_stack(columns).astype(float)


def without_shortcuts(edges: set[tuple[int, int, int, int]]) -> set[tuple[int, int, int, int]]:
    """Leave out each edge over missed frames whose ends a path of shorter edges joins too."""
    later: dict[Node, list[Node]] = {}
    for edge in edges:
        later.setdefault(edge[:2], []).append(edge[2:])

    def is_shortcut(edge: tuple[int, int, int, int]) -> bool:
        return is_joined(edge[:2], edge[2:], later, lambda node: node[0], directly=False)

    return {edge for edge in edges if edge[2] == edge[0] + 1 or not is_shortcut(edge)}
