"""Our own small network as a Keras model, for training. Imports Keras inside the functions, nowhere else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

FILTERS, BLOCKS = 32, 5


def reach_of(blocks: int = BLOCKS) -> int:
    """Pixels on each side that an output pixel of our network looks at."""
    return 1 + 2 * blocks + 1


def build(filters: int = FILTERS, blocks: int = BLOCKS) -> "keras.Model":
    """
    Our network: (n, ny + 2 r, nx + 2 r, 1) -> (n, 2 ny, 2 nx, 1), with r from `reach_of`.

    Convolutions take no padding: whoever calls gives the surroundings, real or mirrored, so that
    there is no seam between tiles. All of it works at the low resolution; the last layer gives the
    four new pixels of each old one, as a correction to that old pixel.
    """
    import keras

    def convolve(x: Any, n_filters: int, name: str, *, relu: bool = False, gain: float = 2.0) -> Any:
        start = keras.initializers.VarianceScaling(gain) if gain else "zeros"
        activation = "relu" if relu else None
        return keras.layers.Conv2D(n_filters, 3, name=name, activation=activation, kernel_initializer=start)(x)

    image = keras.Input((None, None, 1), name="contrast")
    x = convolve(image, filters, "first", relu=True)
    for block in range(blocks):
        inner = convolve(x, filters, f"block{block}_a", relu=True)
        inner = convolve(inner, filters, f"block{block}_b", gain=0.02)
        x = keras.layers.Add(name=f"block{block}")([keras.layers.Cropping2D(2)(x), inner])
    correction = convolve(x, 4, "last", gain=0)  # begins as the old pixel, four times
    old_pixel = keras.layers.Concatenate()([keras.layers.Cropping2D(reach_of(blocks))(image)] * 4)
    four = keras.layers.Add(name="four")([correction, old_pixel])
    return keras.Model(image, _depth_to_space(four), name="poreweb_sharpen")


def _depth_to_space(x: Any) -> Any:
    """(n, ny, nx, 4) to (n, 2 ny, 2 nx, 1): channel 2 i + j becomes new pixel (2 y + i, 2 x + j)."""
    import keras

    class DepthToSpace(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            n, ny, nx, _ = keras.ops.shape(inputs)
            split = keras.ops.reshape(inputs, (n, ny, nx, 2, 2))
            return keras.ops.reshape(keras.ops.transpose(split, (0, 1, 3, 2, 4)), (n, 2 * ny, 2 * nx, 1))

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], None, None, 1)

    return DepthToSpace(name="depth_to_space")(x)
