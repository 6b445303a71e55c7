"""Run a network on frames of any shape: folded convolutions, tiles, batches. TensorFlow is imported inside."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TILE = 512  # old pixels a side: half a gigabyte at work with our 32 filters, however large the frame
TILES_AT_ONCE = 2


@dataclass(frozen=True)
class Convolution:
    """One layer: ``kernel`` (3, 3, n_in, n_out) and ``bias`` (n_out,), float32."""

    kernel: np.ndarray
    bias: np.ndarray

    def normalised(self, statistics: Sequence[np.ndarray], epsilon: float) -> "Convolution":
        """The same layer with a batch normalisation behind it folded in: its scale, shift, mean and variance."""
        scale, shift, mean, variance = statistics
        factor = scale / np.sqrt(variance + epsilon)
        return Convolution(self.kernel * factor, (self.bias - mean) * factor + shift)


# (n, ny, nx, 1) to (n, 2 ny, 2 nx, 1)
Network = Callable[[Any], Any]


def tensorflow() -> Any:
    """TensorFlow, quiet unless asked otherwise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    return tf


def convolve(x: Any, layer: Convolution, *, relu: bool = False) -> Any:
    """A convolution without padding."""
    tf = tensorflow()
    y = tf.nn.bias_add(tf.nn.conv2d(x, layer.kernel, 1, "VALID"), layer.bias)
    return tf.nn.relu(y) if relu else y


def compiled(network: Network) -> Network:
    """The network traced once, for any number of frames of any shape."""
    tf = tensorflow()
    signature = [tf.TensorSpec((None, None, None, 1), tf.float32)]
    return tf.function(network, input_signature=signature, autograph=False)


def run(network: Network, image: np.ndarray, *, reach: int, margin: int = 0, tile: int = TILE) -> np.ndarray:
    """
    The network's answer for one finite frame, tile by tile.

    Parameters
    ----------
    network : callable
        Answers for what it is given less ``margin`` on each side.
    image : `~numpy.ndarray`, shape (ny, nx)
    reach : int
        Old pixels that an answer depends on, on each side: how far tiles overlap, so that no seam shows.
    margin : int
        Old pixels that are mirrored onto each side of a tile for the network to look at. About the outer
        edge of the border's pixels: about their middle the error at the border is twice as large.
    tile : int
        Old pixels a side that are answered at once.

    Returns
    -------
    `~numpy.ndarray` of float32, shape (2 ny, 2 nx)
    """
    answer = np.empty((2 * image.shape[0], 2 * image.shape[1]), np.float32)
    waiting: list[tuple[Window, Window]] = []

    def flush() -> None:
        seen = [np.pad(image[rows.seen, cols.seen], margin, mode="symmetric") for rows, cols in waiting]
        stack = np.stack(seen)[..., None].astype(np.float32)
        for (rows, cols), part in zip(waiting, np.asarray(network(stack)), strict=True):
            answer[rows.written, cols.written] = part[rows.kept, cols.kept, 0]
        waiting.clear()

    for rows in windows(image.shape[0], tile, reach):
        for cols in windows(image.shape[1], tile, reach):
            full = len(waiting) == TILES_AT_ONCE
            if waiting and (full or [w.size for w in waiting[0]] != [rows.size, cols.size]):
                flush()
            waiting.append((rows, cols))
    flush()
    return answer


@dataclass(frozen=True)
class Window:
    """Along one axis: old pixels ``seen``, new pixels ``written``, and where those lie in the answer."""

    seen: slice
    written: slice
    kept: slice

    @property
    def size(self) -> int:
        """Old pixels seen."""
        return int(self.seen.stop - self.seen.start)


def windows(length: int, tile: int, reach: int) -> Iterator[Window]:
    """Windows of ``tile`` old pixels that overlap by ``reach`` where there is something to see."""
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first, last = max(0, start - reach), min(length, stop + reach)
        kept = slice(2 * (start - first), 2 * (stop - first))
        yield Window(slice(first, last), slice(2 * start, 2 * stop), kept)
