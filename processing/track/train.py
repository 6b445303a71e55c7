"""
Train the link probability on simulated series: ``python -m processing.track.train OUT.npz``.

Every series has its own random density, motion, jitter, flicker, noise and manner of
merging, and shows intensity and flux or not, so that the model leans on no single one.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from processing.certainty import EVENT_FEATURES, features_of_events
from processing.lineage import Node, build_lineage
from processing.synthetic_tracks import LEVELS, SimulatedTracks, random_level, simulate_tracks
from processing.timekeys import CADENCE_S
from processing.track.candidates import Candidates, find_candidates, join, no_candidates
from processing.track.features import features_alone, with_company
from processing.track.link import link_series
from processing.track.motion import Motion, expected_motion
from processing.track.probability import CUT, HOPELESS, LinkModel, Round, read_model, write_model
from processing.track.series import DetectedFrame, Series, gather
from processing.truth import right_events

# Seeds of training start here; those of tuning and of the benchmark are far below.
FIRST_SEED = 1_000_000
# Slots over which candidates are learned; longer gaps are read as the longest of these.
MAX_STEPS = 5
# Times that all events are gone through; more of them and the network learns its own examples.
EVENT_EPOCHS = 12
WIDTH = 64
# Share of the series that show a few pores only.
FEW_SHARE = 0.4
N_ROUNDS = 3
LONG = ("medium", "hard", "fast")
BATCH = 4096
N_BINS = 20


@dataclass(frozen=True)
class Scene:
    """One series with its candidates, what they show alone, and whether they are true."""

    series: Series
    motion: Motion
    pairs: Candidates
    alone: np.ndarray
    true: np.ndarray


def detected(simulated: SimulatedTracks, *, intensity: bool = True, flux: bool = True) -> Iterator[DetectedFrame]:
    """A simulated series as the tracker takes it; ids count detections from 0."""
    for frame, (first, last) in enumerate(pairwise(simulated.starts)):
        here = slice(first, last)
        yield DetectedFrame(
            frame * CADENCE_S,
            np.arange(here.start, here.stop),
            simulated.row[here],
            simulated.col[here],
            simulated.area_px[here],
            simulated.labels(frame),
            simulated.intensity[here] if intensity else None,
            simulated.flux[here] if flux else None,
        )


def nodes_of(frames: Sequence[DetectedFrame]) -> list[Node]:
    """The features of frames as the lineage takes them, none at the edge."""
    nodes = []
    for index, frame in enumerate(frames):
        flux = np.full(frame.ids.size, np.nan) if frame.flux is None else frame.flux
        columns = zip(frame.ids.tolist(), frame.area_px.tolist(), flux.tolist(), strict=True)
        nodes += [Node(number, index, area=area, flux=value) for number, area, value in columns]
    return nodes


def true_pairs(simulated: SimulatedTracks) -> np.ndarray:
    """The true edges as pairs of ids, shape (n_edges, 2)."""
    starts, edges = simulated.starts, simulated.edges
    return np.stack([starts[edges[:, 0]] + edges[:, 1] - 1, starts[edges[:, 2]] + edges[:, 3] - 1], axis=1)


def simulate_random(seed: int) -> tuple[SimulatedTracks, list[DetectedFrame]]:
    """A series of random size and level, with intensity and flux or without."""
    rng = np.random.default_rng(seed)
    # one in five is of a named level, so that these are within what the model has seen
    level = LEVELS[rng.choice(sorted(LEVELS))] if rng.random() < 0.2 else random_level(rng)
    shape = (int(rng.integers(250, 701)), int(rng.integers(350, 1201)))
    n_frames = int(rng.integers(20, 61))
    if rng.random() < FEW_SHARE:
        # many regions have a few pores only, so that little is learned from the series itself
        level = replace(level, n_pores=int(np.exp(rng.uniform(0, np.log(15)))))
        shape = (int(rng.integers(80, 301)), int(rng.integers(80, 501)))
        n_frames = int(rng.integers(3, 41))
    simulated = simulate_tracks(level, seed=seed, n_frames=n_frames, shape=shape)
    return simulated, list(detected(simulated, intensity=rng.random() < 0.5, flux=rng.random() < 0.4))


def simulate_scene(seed: int) -> Scene:
    """A random series, its candidates and the truth about them."""
    simulated, frames = simulate_random(seed)
    series = gather(frames)
    motion = expected_motion(series, max_steps=MAX_STEPS)
    found = list(find_candidates(series, motion, max_steps=MAX_STEPS))
    pairs = join(found) if found else no_candidates()
    true = pairs.among(true_pairs(simulated), series.ids.size)
    return Scene(series, motion, pairs, features_alone(series, motion, pairs), true)


def train_round(features: np.ndarray, true: np.ndarray, *, seed: int, epochs: int, batch: int = BATCH) -> Round:
    """One network, by cross-entropy, so that its output is a probability."""
    import keras

    keras.utils.set_random_seed(seed)
    mean = features.mean(axis=0)
    scale = features.std(axis=0) + 1e-3
    inputs = np.clip((features - mean) / scale, -CUT, CUT)
    network = keras.Sequential([
        keras.Input((features.shape[1],)),
        keras.layers.Dense(WIDTH, activation="relu"),
        keras.layers.Dense(WIDTH, activation="relu"),
        keras.layers.Dense(1),
    ])  # fmt: skip
    n_steps = epochs * (len(true) // batch + 1)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, n_steps)
    network.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True))
    network.fit(inputs, true.astype(np.float32), batch_size=batch, epochs=epochs, verbose=0)
    layers = tuple(tuple(np.asarray(part) for part in layer.get_weights()) for layer in network.layers)
    return Round(mean, scale, layers)  # type: ignore[arg-type]


def train_model(scenes: list[Scene], *, seed: int, epochs: int) -> LinkModel:
    """All rounds; each later one sees what the one before thinks of the company."""
    rounds = [train_round(*_stacked(scenes), seed=seed, epochs=epochs)]
    weighed = [(scene, rounds[0](scene.alone)) for scene in scenes]
    likely = [(_kept(scene, odds >= HOPELESS), odds[odds >= HOPELESS]) for scene, odds in weighed]
    for k in range(1, N_ROUNDS):
        features = [_in_company(scene, probability) for scene, probability in likely]
        true = np.concatenate([scene.true for scene, _ in likely])
        rounds.append(train_round(np.concatenate(features), true, seed=seed + k, epochs=2 * epochs))
        likely = [(scene, rounds[k](values)) for (scene, _), values in zip(likely, features, strict=True)]
    return LinkModel(tuple(rounds), rounds[0], ())  # events are learned from the links that these rounds make


def event_examples(task: tuple[int, LinkModel]) -> tuple[np.ndarray, np.ndarray]:
    """What each event of a random series shows, as the links of this model make it, and whether it is right."""
    seed, model = task
    if seed % 4:
        simulated, frames = simulate_random(seed)
    else:  # long series, as most events are in such
        simulated = simulate_tracks(LEVELS[LONG[seed // 4 % len(LONG)]], seed=seed, n_frames=100)
        frames = list(detected(simulated))
    linked = link_series(frames, pixel_side_mm=1.0, reach_mm=None, max_gap=MAX_STEPS - 1, model=model)
    nodes = nodes_of(frames)
    lineage = build_lineage(nodes, linked.links, n_frames=len(frames))
    right = right_events(lineage.events, true_pairs(simulated))
    return features_of_events(lineage, nodes, linked), right


def expected_calibration_error(probability: np.ndarray, true: np.ndarray) -> float:
    """
    Mean distance between what is promised and what comes true, over equal bins of probability.

    Guo et al. 2017, ICML, PMLR 70, 1321, with 20 bins.
    """
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    promised = np.bincount(bins, probability, N_BINS)
    kept = np.bincount(bins, true.astype(float), N_BINS)
    return float(np.abs(promised - kept).sum() / max(true.size, 1))


def weigh_scene(model: LinkModel, scene: Scene) -> tuple[Scene, np.ndarray]:
    """The candidates that are not hopeless, and the model's probabilities of them."""
    probability = model.rounds[0](scene.alone)
    scene, probability = _kept(scene, probability >= HOPELESS), probability[probability >= HOPELESS]
    for network in model.rounds[1:]:
        probability = network(_in_company(scene, probability))
    return scene, probability


def report(what: str, probability: np.ndarray, true: np.ndarray) -> None:
    """Say how well probabilities of series that were not learned from are calibrated."""
    error = expected_calibration_error(probability, true)
    print(f"{what}: expected calibration error {error:.4f} on {true.size} that were held back", flush=True)


def _joined(examples: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    features, right = zip(*examples, strict=True)
    return np.concatenate(features), np.concatenate(right)


def _stacked(scenes: list[Scene]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([scene.alone for scene in scenes]), np.concatenate([scene.true for scene in scenes])


def _kept(scene: Scene, which: np.ndarray) -> Scene:
    return Scene(scene.series, scene.motion, scene.pairs.kept(which), scene.alone[which], scene.true[which])


def _in_company(scene: Scene, probability: np.ndarray) -> np.ndarray:
    return with_company(scene.series, scene.motion, scene.pairs, scene.alone, probability, MAX_STEPS)


def main() -> None:
    """Simulate, train, check on held-back series, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="model to write, .npz")
    parser.add_argument("--scenes", type=int, default=500, help="series to learn from")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument(
        "--links", type=Path, help="model whose weighing of links is kept, so that only events are learned"
    )
    options = parser.parse_args()
    n_held_back = max(options.scenes // 10, 2)
    seeds = range(options.seed, options.seed + options.scenes + n_held_back)
    others = range(seeds.stop, seeds.stop + max(options.scenes // 2, 4))
    with Pool(os.cpu_count()) as pool:
        if options.links:
            model = read_model(options.links)
        else:
            scenes = pool.map(simulate_scene, seeds, chunksize=1)
            model = train_links(scenes, n_held_back, seed=options.seed, epochs=options.epochs)
        examples = pool.map(event_examples, [(seed, model) for seed in others], chunksize=1)
    n_held_back = max(len(examples) // 10, 1)
    features, right = _joined(examples[n_held_back:])
    events = train_round(features, right, seed=options.seed, epochs=EVENT_EPOCHS, batch=256)
    features, right = _joined(examples[:n_held_back])
    report("events", events(features), right)
    write_model(options.output, replace(model, events=events, event_features=EVENT_FEATURES))


def train_links(scenes: list[Scene], n_held_back: int, *, seed: int, epochs: int) -> LinkModel:
    """`train_model` on all but the first few series, on which it is checked."""
    held_back, scenes = scenes[:n_held_back], scenes[n_held_back:]
    print(f"{len(scenes)} series, {sum(scene.true.size for scene in scenes)} candidates", flush=True)
    model = train_model(scenes, seed=seed, epochs=epochs)
    results = [weigh_scene(model, scene) for scene in held_back]
    probability = np.concatenate([values for _, values in results])
    report("links", probability, np.concatenate([scene.true for scene, _ in results]))
    return model


if __name__ == "__main__":
    main()
