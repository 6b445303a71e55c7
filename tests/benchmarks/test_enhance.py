"""Sharpening: our network against the published architecture in the same engine, and against the other methods."""

import numpy as np
import pytest

from processing.enhance import deblur, engine, network, published

FRAME = (360, 600)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """Noise of the granulation's contrast: the time does not depend on what is seen."""
    return (1 + 0.03 * np.random.default_rng(1).standard_normal(FRAME)).astype(np.float32)


@pytest.mark.benchmark(group="sharpen, 360 x 600")
def test_own_network(benchmark, frame):
    network.sharpen(frame)  # read and trace
    benchmark.pedantic(lambda: network.sharpen(frame), rounds=7)


@pytest.mark.benchmark(group="sharpen, 360 x 600")
def test_published_architecture(benchmark, frame):
    """Random weights of the published shapes, batch normalisation already folded in."""
    rng = np.random.default_rng(2)
    layers = [
        engine.Convolution(rng.normal(0, 0.05, shape).astype(np.float32), np.zeros(shape[-1], np.float32))
        for shape in published.kernel_shapes()
    ]
    compiled = engine.compiled(published.forward(layers))
    engine.run(compiled, frame, reach=published.REACH)
    benchmark.pedantic(lambda: engine.run(compiled, frame, reach=published.REACH), rounds=5)


@pytest.mark.benchmark(group="sharpen, 360 x 600")
@pytest.mark.parametrize("method", ["richardson-lucy", "cubic-spline"])
def test_other_methods(benchmark, frame, method):
    benchmark.pedantic(lambda: deblur(frame, method=method), rounds=5)
