"""
Train our sharpening network: `python -m processing.enhance.train SIMULATION.npy OUTPUT_FOLDER`.

Draws the scenes (kept in the folder, so that a second start goes on from there), trains, and
writes the weights, the curves and the figures of the model card. The same seed gives the same
scenes and the same order; the last digits of the weights depend on the machine.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from processing.enhance.architecture import build, reach_of
from processing.enhance.network import save_weights
from processing.enhance.scenes import make_pair

SEED = 20260
TRAINING_ROWS = slice(0, 700)  # of the simulation; the rest is never shown to the network
HELD_BACK_ROWS = slice(716, None)
N_TRAINING, N_HELD_BACK = 1200, 60
SCENE = 112  # HMI pixels a side of a scene
CROP = 80  # HMI pixels a side of a training sample, of which the network's reach is lost on each side
BATCH = 10
STEPS = 16_000
STEPS_PER_EPOCH = 500
LEARNING_RATE = 8e-4


def draw_scenes(simulation: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """
    ``count`` pairs at random, each from its own stream of random numbers.

    Returns
    -------
    hmi, sharp : `~numpy.ndarray` of float32, shapes (count, n, n) and (count, 2 n, 2 n)
    """
    streams = np.random.SeedSequence(seed).spawn(count)
    with ProcessPoolExecutor() as pool:
        pairs = list(pool.map(partial(_draw, simulation), streams, chunksize=8))
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def _draw(simulation: np.ndarray, stream: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
    pair = make_pair(simulation, np.random.default_rng(stream), size=SCENE)
    return pair.hmi, pair.sharp


def scenes_in(folder: Path, simulation: np.ndarray) -> dict[str, np.ndarray]:
    """Training and held-back scenes, drawn once and kept as ``scenes.npz`` in the folder."""
    kept = folder / "scenes.npz"
    if not kept.exists():
        training = draw_scenes(simulation[TRAINING_ROWS], N_TRAINING, SEED)
        held_back = draw_scenes(simulation[HELD_BACK_ROWS], N_HELD_BACK, SEED + 1)
        names = ("training_hmi", "training_sharp", "held_back_hmi", "held_back_sharp")
        part = folder / "part.npz"
        np.savez(part, allow_pickle=False, **dict(zip(names, (*training, *held_back), strict=True)))
        part.replace(kept)
    with np.load(kept, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def batches(hmi: np.ndarray, sharp: np.ndarray, seed: int) -> Any:
    """Endless random crops, turned and mirrored: (BATCH, CROP, CROP, 1) and the sharp inside of each."""
    rng = np.random.default_rng(seed)
    reach = reach_of()
    while True:
        x = np.empty((BATCH, CROP, CROP, 1), np.float32)
        y = np.empty((BATCH, 2 * (CROP - 2 * reach), 2 * (CROP - 2 * reach), 1), np.float32)
        for sample, scene in enumerate(rng.integers(0, len(hmi), BATCH)):
            row, col = rng.integers(0, hmi.shape[1] - CROP + 1, 2)
            turns, mirrored = int(rng.integers(0, 4)), rng.random() < 0.5
            blurred = hmi[scene, row : row + CROP, col : col + CROP]
            inner = slice(2 * reach, 2 * (CROP - reach))
            wanted = sharp[scene, 2 * row : 2 * (row + CROP), 2 * col : 2 * (col + CROP)][inner, inner]
            blurred, wanted = np.rot90(blurred, turns), np.rot90(wanted, turns)
            x[sample, ..., 0] = blurred[:, ::-1] if mirrored else blurred
            y[sample, ..., 0] = wanted[:, ::-1] if mirrored else wanted
        yield x, y


def train(scenes: dict[str, np.ndarray], folder: Path, *, steps: int = STEPS) -> None:
    """Fit to the training scenes; leave ``hmi-x2.npz`` and ``curves.json`` in the folder."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = build()
    warm_up = min(500, steps // 4)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-4, steps - warm_up, alpha=0.005, warmup_target=LEARNING_RATE, warmup_steps=warm_up
    )
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=0.3), loss="mean_absolute_error", metrics=["mse"])
    reach = reach_of()
    inner = slice(2 * reach, -2 * reach)
    held_back = (scenes["held_back_hmi"][..., None], scenes["held_back_sharp"][:, inner, inner, None])
    epochs = max(1, steps // STEPS_PER_EPOCH)
    started = time.monotonic()
    curves: list[dict[str, float]] = []

    def note(epoch: int, logs: dict[str, float]) -> None:
        curves.append(
            {
                "step": (epoch + 1) * STEPS_PER_EPOCH,
                "minutes": round((time.monotonic() - started) / 60, 1),
                "training_rms": float(np.sqrt(logs["mse"])),
                "held_back_rms": float(np.sqrt(logs["val_mse"])),
            }
        )
        (folder / "curves.json").write_text(json.dumps(curves, indent=1))
        save_weights(model, folder / "hmi-x2.npz")
        print(curves[-1], flush=True)

    model.fit(
        batches(scenes["training_hmi"], scenes["training_sharp"], SEED + 2),
        steps_per_epoch=min(steps, STEPS_PER_EPOCH),
        epochs=epochs,
        validation_data=held_back,
        validation_batch_size=4,
        verbose=0,
        shuffle=False,  # the crops are drawn at random
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
    )


def read_curves(folder: Path) -> list[dict[str, float]]:
    """What `train` noted every `STEPS_PER_EPOCH` steps: step, minutes, training_rms, held_back_rms."""
    curves: list[dict[str, float]] = json.loads((folder / "curves.json").read_text())
    return curves


def main(arguments: list[str] | None = None) -> int:
    """Draw the scenes and train."""
    parser = argparse.ArgumentParser(prog="python -m processing.enhance.train", description=__doc__)
    parser.add_argument("simulation", type=Path, help="quiet-Sun continuum, 48 km a pixel, .npy")
    parser.add_argument("folder", type=Path, help="for scenes, weights and curves")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    scenes = scenes_in(options.folder, np.load(options.simulation, allow_pickle=False))
    train(scenes, options.folder, steps=options.steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
