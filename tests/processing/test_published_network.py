"""The loader of the published network, on a file of its layout that we write, against Keras itself."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from processing.enhance import deblur, engine, published
from processing.errors import ParameterError

BLOCKS, FILTERS = 5, 64


class Mirror(keras.layers.Layer):
    """One pixel of reflection on each side."""

    def call(self, x):
        return keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")

    def compute_output_shape(self, shape):
        return (shape[0], None, None, shape[3])


def as_published() -> keras.Model:
    """The architecture of the paper's Fig. 2, with weights and statistics at random."""
    layers = keras.layers

    def convolve(x, n_filters=FILTERS):
        return layers.Conv2D(n_filters, 3)(Mirror()(x))

    image = layers.Input((None, None, 1))
    start = x = layers.ReLU()(convolve(image))
    for _ in range(BLOCKS):
        inner = layers.ReLU()(layers.BatchNormalization()(convolve(x)))
        x = layers.Add()([layers.BatchNormalization()(convolve(inner)), x])
    x = layers.Add()([layers.BatchNormalization()(convolve(x)), start])
    x = layers.ReLU()(convolve(layers.UpSampling2D()(x)))
    model = keras.Model(image, layers.Conv2D(1, 1)(x))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights(
                [rng.uniform(0.5, 1, shape), *rng.normal(0, 0.1, (2, *shape)), rng.uniform(0.5, 2, shape)]
            )
    return model


def write_as_keras_2(model: keras.Model, file: Path, *, whole_model: bool) -> None:
    """The HDF5 layout of Keras 2: ordered names in attributes, one group a layer, names with ``:0``."""
    words = {"Conv2D": ("kernel", "bias"), "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance")}
    with h5py.File(file, "w") as out:
        root = out.create_group("model_weights") if whole_model else out
        names = []
        for number, layer in enumerate(model.layers, start=1):
            kind = type(layer).__name__
            name = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization"}.get(kind, kind.lower())
            name = f"{name}_{number}"
            names.append(name.encode())
            group = root.create_group(name)
            stored = [f"{name}/{word}:0".encode() for word in words.get(kind, ())]
            group.attrs["weight_names"] = np.array(stored, "S60")
            for key, array in zip(stored, layer.get_weights(), strict=True):
                group.create_dataset(key.decode(), data=array)
        root.attrs["layer_names"] = np.array(names)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return as_published()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return (1 + 0.1 * np.random.default_rng(6).standard_normal((37, 52))).astype(np.float32)


def test_it_has_the_published_number_of_parameters(model):
    assert model.count_params() == 446_657


@pytest.mark.parametrize("whole_model", [False, True], ids=["weights alone", "whole model"])
def test_the_answer_is_that_of_keras(model, image, tmp_path, whole_model):
    file = tmp_path / "intensity_weights.hdf5"
    write_as_keras_2(model, file, whole_model=whole_model)
    wanted = np.asarray(model(image[None, ..., None]))[0, ..., 0]
    answer = published.sharpen(image, str(file))
    assert answer.shape == (74, 104)
    np.testing.assert_allclose(answer, wanted, atol=1e-4 * np.abs(wanted).max())
    sharp = deblur(image, method="published", weights=str(file))
    np.testing.assert_allclose(sharp / sharp.mean(), wanted / wanted.mean(), rtol=1e-3, atol=1e-3)


def test_tiles_leave_no_seam(model, image, tmp_path):
    file = tmp_path / "w.hdf5"
    write_as_keras_2(model, file, whole_model=False)
    network = engine.compiled(published.forward(published.read_layers(file)))
    whole = engine.run(network, image, reach=published.REACH)
    tiled = engine.run(network, image, reach=published.REACH, tile=16)
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * np.abs(whole).max())


def test_another_network_is_refused(tmp_path):
    small = keras.Sequential([keras.layers.Input((None, None, 1)), keras.layers.Conv2D(4, 3)])
    file = tmp_path / "other.hdf5"
    write_as_keras_2(small, file, whole_model=False)
    with pytest.raises(ParameterError, match=r"other\.hdf5 holds 1 convolutions that are not"):
        published.sharpen(np.ones((8, 8), np.float32), str(file))


def test_without_its_normalisations_it_is_refused(model, tmp_path):
    bare = [layer for layer in model.layers if not isinstance(layer, keras.layers.BatchNormalization)]
    file = tmp_path / "bare.hdf5"

    class Bare:
        layers = bare

    write_as_keras_2(Bare(), file, whole_model=False)
    with pytest.raises(ParameterError, match="holds 0 batch normalisations, not 11"):
        published.sharpen(np.ones((8, 8), np.float32), str(file))


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    file = tmp_path / "junk.hdf5"
    file.write_bytes(content)
    with pytest.raises(ParameterError, match=r"junk\.hdf5 is no Keras 2 file"):
        published.sharpen(np.ones((8, 8), np.float32), str(file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match="gone"):
        published.sharpen(np.ones((8, 8), np.float32), str(tmp_path / "gone.hdf5"))


def test_only_https_is_fetched():
    with pytest.raises(ParameterError, match="are no file that is there"):
        published.sharpen(np.ones((8, 8), np.float32), "http://example.org/intensity_weights.hdf5")
