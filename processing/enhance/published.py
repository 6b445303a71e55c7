"""
The network of Diaz Baso & Asensio Ramos 2018, A&A 614, A5, with weights that the user brings.

Their file is Keras 2's HDF5: a group per layer, alone or under ``model_weights``; the layers with
weights are 14 convolutions and 11 batch normalisations, in the order in which they are applied.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from processing.enhance import engine
from processing.errors import ParameterError

FILTERS, BLOCKS = 64, 5
REACH = 1 + 2 * BLOCKS + 1 + 1
_N_NORMALISED = 2 * BLOCKS + 1
_EPSILON = 1e-3  # Keras 2's default of BatchNormalization, which the network was trained with
_TILE = 256  # its layers on the doubled grid need eight times the memory of ours
_SMALLEST = 4  # mirroring needs more than one pixel


def sharpen(contrast: np.ndarray, weights: str | None) -> np.ndarray:
    """
    A finite frame (ny, nx), quiet Sun at 1.0, sharpened: (2 ny, 2 nx) float32.

    Raises
    ------
    ParameterError
        If ``weights``, a file or an https address, is missing or holds something else.
    """
    if not weights:
        raise ParameterError("the published network needs its weights: name the file or its https address")
    network = _network(str(_local(weights)))
    ny, nx = contrast.shape
    missing = [(0, max(0, _SMALLEST - n)) for n in (ny, nx)]
    whole = np.pad(contrast, missing, mode="edge")
    return engine.run(network, whole, reach=REACH, tile=_TILE)[: 2 * ny, : 2 * nx]


def _local(weights: str) -> Path:
    """The file, fetched once and kept in astropy's cache when an address is given."""
    if not weights.startswith("https://"):
        return Path(weights)
    from astropy.utils.data import download_file

    try:
        return Path(download_file(weights, cache=True))
    except OSError as problem:
        raise ParameterError(f"the weights at {weights} cannot be fetched: {problem}") from problem


@cache
def _network(file: str) -> engine.Network:
    return engine.compiled(forward(read_layers(Path(file))))


def read_layers(file: Path) -> list[engine.Convolution]:
    """
    The 14 convolutions, with the normalisations folded in.

    Raises
    ------
    ParameterError
        If the file cannot be read or its layers are not those of the published network.
    """
    if not file.is_file():
        raise ParameterError(f"the weights {file} are no file that is there")
    layers: list[engine.Convolution] = []
    n_normalised = 0
    for name, arrays in _stored_layers(file):
        if len(arrays) == 2:
            layers.append(engine.Convolution(arrays[0], arrays[1]))
        elif len(arrays) == 4 and layers and all(array.shape == layers[-1].bias.shape for array in arrays):
            layers[-1] = layers[-1].normalised(arrays, _EPSILON)
            n_normalised += 1
        else:
            raise ParameterError(f"{file.name}: layer {name} is not one of the published network's")
    found = [layer.kernel.shape for layer in layers]
    if found != kernel_shapes():
        raise ParameterError(
            f"{file.name} holds {len(found)} convolutions that are not the published network's 14 of 64 filters"
        )
    if n_normalised != _N_NORMALISED:
        raise ParameterError(f"{file.name} holds {n_normalised} batch normalisations, not {_N_NORMALISED}")
    if not all(np.isfinite(layer.kernel).all() and np.isfinite(layer.bias).all() for layer in layers):
        raise ParameterError(f"{file.name} holds weights that are no numbers")
    return layers


def kernel_shapes() -> list[tuple[int, ...]]:
    """Of the 14 convolutions, in order: (rows, columns, filters in, filters out)."""
    inner = 2 * BLOCKS + 2  # the blocks, the one that closes them, the one after doubling
    return [(3, 3, 1, FILTERS), *[(3, 3, FILTERS, FILTERS)] * inner, (1, 1, FILTERS, 1)]


def _stored_layers(file: Path) -> list[tuple[str, list[np.ndarray]]]:
    """Name and arrays of each layer that has any, in the file's own order."""
    import h5py

    try:
        with h5py.File(file) as stored:
            root = stored.get("model_weights", stored)
            layers = []
            for layer_name in _texts(root, "layer_names"):
                group = root[layer_name]
                arrays = [np.asarray(group[name], np.float32) for name in _texts(group, "weight_names")]
                if arrays:
                    layers.append((layer_name, arrays))
            return layers
    except (OSError, KeyError, TypeError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise ParameterError(f"{file.name} is no Keras 2 file of weights: {reason}") from problem


def _texts(group: Any, attribute: str) -> list[str]:
    """A list of names, which HDF5 keeps as bytes or as text."""
    return [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]


def forward(layers: list[engine.Convolution]) -> engine.Network:
    """The published architecture on those convolutions."""
    tf = engine.tensorflow()
    first, *blocks, closing, doubled, last = layers

    def mirrored(x: Any) -> Any:
        return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")

    def network(image: Any) -> Any:
        start = x = engine.convolve(mirrored(image), first, relu=True)
        for one, other in zip(blocks[::2], blocks[1::2], strict=True):
            inner = engine.convolve(mirrored(x), one, relu=True)
            x = x + engine.convolve(mirrored(inner), other)
        x = start + engine.convolve(mirrored(x), closing)
        x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
        return engine.convolve(engine.convolve(mirrored(x), doubled, relu=True), last)

    return network
