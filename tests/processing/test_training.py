"""The scenes a network learns from, and a few steps of learning."""

import numpy as np
import pytest
from scipy import ndimage

from processing.enhance import engine, network, optics, scenes, train
from processing.enhance.architecture import reach_of


@pytest.fixture(scope="module")
def simulation() -> np.ndarray:
    """Smooth noise of granular size (1 Mm) at 48 km a pixel, in arbitrary units."""
    noise = ndimage.gaussian_filter(np.random.default_rng(4).standard_normal((300, 400)), 6, mode="wrap")
    return 2e10 * (1 + 0.16 * noise / noise.std())


def test_one_seed_one_scene(simulation):
    first, again, other = (scenes.make_pair(simulation, np.random.default_rng(seed), size=32) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.hmi, again.hmi)
    np.testing.assert_array_equal(first.sharp, again.sharp)
    assert not np.array_equal(first.hmi, other.hmi)
    assert first.hmi.shape == (32, 32)
    assert first.sharp.shape == (64, 64)


def test_both_telescopes_collect_the_same_light(simulation):
    rng = np.random.default_rng(3)
    for _ in range(5):
        pair = scenes.make_pair(simulation, rng, size=48)
        assert pair.hmi.mean() == pytest.approx(pair.sharp.mean(), rel=0.01)  # light crosses the border of the cut
        binned = pair.sharp.reshape(48, 2, 48, 2).mean(axis=(1, 3))
        assert np.corrcoef(binned.ravel(), pair.hmi.ravel())[0, 1] > 0.9  # on one grid, not shifted


def test_a_point_lands_in_the_middle_of_its_four_new_pixels():
    side = (16 + 2 * scenes.MARGIN) * scenes.FINE_PER_HMI
    scene = np.zeros((side, side))
    middle = (scenes.MARGIN + 5) * scenes.FINE_PER_HMI  # between old pixels 4 and 5, new 9 and 10
    scene[middle - 1 : middle + 1, middle - 1 : middle + 1] = 1
    hmi, sharp = scenes.look(scene)
    for image, centre in ((hmi, 4.5), (sharp, 9.5)):
        rows, cols = np.indices(image.shape)
        bright = image > 0.3 * image.max()
        assert np.average(rows[bright], weights=image[bright]) == pytest.approx(centre, abs=1e-3)
        assert np.average(cols[bright], weights=image[bright]) == pytest.approx(centre, abs=1e-3)


def test_scenes_span_umbra_to_plage(simulation):
    rng = np.random.default_rng(11)
    drawn = np.concatenate([scenes.make_pair(simulation, rng, size=64).sharp.ravel() for _ in range(12)])
    assert drawn.min() < 0.15
    assert drawn.max() > 1.3


@pytest.mark.parametrize(("aperture", "cutoff"), [(0.14, 1.0995), (0.28, 2.199)])
def test_diffraction_ends_at_aperture_over_wavelength(aperture, cutoff):
    frequency = np.array([0, 0.5 * cutoff, 0.999 * cutoff, 1.01 * cutoff])
    transfer = optics.diffraction(frequency, aperture)
    assert transfer[0] == pytest.approx(1)
    assert transfer[1] == pytest.approx(0.391, abs=1e-3)  # 2/pi (acos(1/2) - 1/2 sqrt(3/4))
    assert 0 < transfer[2] < 1e-3
    assert transfer[3] == 0


def test_hmi_is_blurrier_than_diffraction_alone():
    frequency = np.linspace(0.05, 1, 20)
    assert (optics.hmi_transfer(frequency) < optics.diffraction(frequency, optics.HMI_APERTURE_M)).all()
    assert optics.hmi_transfer(np.zeros(1))[0] == pytest.approx(1)


def test_a_sample_and_its_answer_show_the_same_place():
    """A ramp in both: what is wanted is the sample's inside, turned and mirrored alike."""
    rows, cols = np.mgrid[:112, :112]
    ramp = (rows + 1000.0 * cols).astype(np.float32)
    fine_rows, fine_cols = (np.mgrid[:224, :224] - 0.5) / 2
    sharp = (fine_rows + 1000.0 * fine_cols).astype(np.float32)
    x, y = next(train.batches(ramp[None], sharp[None], seed=1))
    reach = reach_of()
    inner = x[:, reach:-reach, reach:-reach, 0]
    binned = y[..., 0].reshape(len(y), inner.shape[1], 2, inner.shape[2], 2).mean(axis=(2, 4))
    np.testing.assert_allclose(binned, inner, rtol=1e-5)


def test_a_few_steps_learn_and_leave_weights_that_the_engine_reads(simulation, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SCENE", 48)
    monkeypatch.setattr(train, "CROP", 40)
    monkeypatch.setattr(train, "N_TRAINING", 4)
    monkeypatch.setattr(train, "N_HELD_BACK", 1)
    monkeypatch.setattr(train, "TRAINING_ROWS", slice(0, 200))
    monkeypatch.setattr(train, "HELD_BACK_ROWS", slice(210, None))
    monkeypatch.setattr(train, "STEPS_PER_EPOCH", 6)
    drawn = train.scenes_in(tmp_path, simulation)
    train.train(drawn, tmp_path, steps=12)
    curves = train.read_curves(tmp_path)
    assert [point["step"] for point in curves] == [6, 12]
    assert curves[1]["held_back_rms"] < curves[0]["held_back_rms"]
    layers = network.read_weights(tmp_path / "hmi-x2.npz")
    reach = reach_of()
    answer = engine.run(engine.compiled(network.forward(layers)), drawn["held_back_hmi"][0], reach=reach, margin=reach)
    inner = slice(2 * reach, -2 * reach)
    error = np.sqrt(np.mean((answer - drawn["held_back_sharp"][0])[inner, inner] ** 2))
    assert error == pytest.approx(curves[1]["held_back_rms"], rel=1e-3)
    again = train.scenes_in(tmp_path, np.zeros((2, 2)))  # kept, not drawn again
    np.testing.assert_array_equal(again["training_hmi"], drawn["training_hmi"])
