"""Our own sharpening network, with the weights that `processing.enhance.train` made."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from processing.enhance import engine
from processing.enhance.architecture import BLOCKS, reach_of

WEIGHTS = Path(__file__).with_name("weights") / "hmi-x2.npz"


def sharpen(contrast: np.ndarray) -> np.ndarray:
    """A finite frame (ny, nx), quiet Sun at 1.0, sharpened: (2 ny, 2 nx) float32."""
    return engine.run(_network(WEIGHTS), contrast, reach=reach_of(), margin=reach_of())


@cache
def _network(weights: Path) -> engine.Network:
    return engine.compiled(forward(read_weights(weights)))


def read_weights(file: Path) -> dict[str, engine.Convolution]:
    """The convolutions that `save_weights` kept, by name."""
    with np.load(file, allow_pickle=False) as arrays:
        names = {key.rpartition("/")[0] for key in arrays.files}
        return {name: engine.Convolution(arrays[f"{name}/kernel"], arrays[f"{name}/bias"]) for name in names}


def save_weights(model: Any, file: Path) -> None:
    """Keep a trained Keras model's convolutions as plain arrays, which need no Keras to be read."""
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            arrays[f"{layer.name}/kernel"], arrays[f"{layer.name}/bias"] = layer.get_weights()
    np.savez_compressed(file, allow_pickle=False, **arrays)


def forward(layers: dict[str, engine.Convolution]) -> engine.Network:
    """`architecture.build` as plain convolutions: answers for its input less `reach_of` pixels on each side."""
    tf = engine.tensorflow()
    reach = reach_of()

    def network(image: Any) -> Any:
        x = engine.convolve(image, layers["first"], relu=True)
        for block in range(BLOCKS):
            inner = engine.convolve(x, layers[f"block{block}_a"], relu=True)
            x = x[:, 2:-2, 2:-2] + engine.convolve(inner, layers[f"block{block}_b"])
        four = engine.convolve(x, layers["last"]) + image[:, reach:-reach, reach:-reach]
        return tf.nn.depth_to_space(four, 2)

    return network
