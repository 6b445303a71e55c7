"""The probability of each candidate link, by a small calibrated model that is stored as plain arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.special import expit

from processing.errors import ParameterError
from processing.track.candidates import Candidates, find_candidates, join, no_candidates
from processing.track.features import ALONE, COMPANY, features_alone, with_company
from processing.track.motion import Motion
from processing.track.series import Series

MODEL_FORMAT, MODEL_VERSION = "poreweb link probability", 1
# Candidates less likely than this by themselves have never been true; they go before company is kept.
HOPELESS = 0.001
# Standardised features are cut here: beyond, the model has seen nothing.
CUT = 6.0
# Probability of a link that is known.
SURE = 1 - 1e-6
# Frames whose candidates are weighed at a time, which bounds the memory.
BLOCK = 32


@dataclass(frozen=True)
class Round:
    """One network of two hidden layers: ``mean`` and ``scale`` standardise, layers are (weights, bias)."""

    mean: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Probability of each row of ``features``, shape (n,)."""
        values = np.clip((features - self.mean) / self.scale, -CUT, CUT)
        for weights, bias in self.layers[:-1]:
            values = np.maximum(values @ weights + bias, 0)
        weights, bias = self.layers[-1]
        return np.asarray(expit(np.clip((values @ weights + bias)[:, 0].astype(float), -30, 30)))


@dataclass(frozen=True)
class LinkModel:
    """
    One model, trained as a whole.

    ``rounds`` weigh links: the first sees a candidate alone, each later one also its
    company. ``events`` weighs the events of the lineage by ``event_features``
    (`processing.certainty`).
    """

    rounds: tuple[Round, ...]
    events: Round
    event_features: tuple[str, ...]


@cache
def default_model() -> LinkModel:
    """The model that comes with the package."""
    return read_model(Path(str(files("processing.track") / "weights" / "links.npz")))


def weigh_candidates(
    series: Series,
    motion: Motion,
    model: LinkModel,
    *,
    max_steps: int,
    allowed: Callable[[Candidates], np.ndarray],
    sure: Callable[[Candidates], np.ndarray],
) -> tuple[Candidates, np.ndarray]:
    """
    All candidates that are not hopeless, and their probabilities.

    ``allowed`` marks which candidates may be considered at all, ``sure`` those that are
    known to be links, which their rivals are told.
    """
    kept: list[Candidates] = []
    alone: list[np.ndarray] = []
    first: list[np.ndarray] = []
    block: list[Candidates] = []

    def weigh_block() -> None:
        if not block:
            return
        pairs = join(block)
        pairs = pairs.kept(allowed(pairs))
        values = features_alone(series, motion, pairs)
        probability = np.where(sure(pairs), SURE, model.rounds[0](values))
        likely = probability >= HOPELESS
        kept.append(pairs.kept(likely))
        alone.append(values[likely])
        first.append(probability[likely])
        block.clear()

    for found in find_candidates(series, motion, max_steps=max_steps):
        block.append(found)
        if len(block) == BLOCK:
            weigh_block()
    weigh_block()
    if not kept:
        return no_candidates(), np.zeros(0)
    pairs, values, probability = join(kept), np.concatenate(alone), np.concatenate(first)
    for network in model.rounds[1:]:
        features = with_company(series, motion, pairs, values, probability, max_steps)
        probability = np.where(sure(pairs), SURE, network(features))
    return pairs, probability


def write_model(path: Path, model: LinkModel) -> None:
    """Store a model as plain arrays, with the names of the features it was trained on."""
    arrays: dict[str, np.ndarray] = {
        "format": np.array(MODEL_FORMAT),
        "version": np.array(MODEL_VERSION),
        "features": np.array([*ALONE, *COMPANY]),
        "event_features": np.array(model.event_features),
        "n_networks": np.array(len(model.rounds) + 1),
    }
    for k, network in enumerate([*model.rounds, model.events]):
        arrays[f"mean_{k}"], arrays[f"scale_{k}"] = network.mean, network.scale
        for n, (weights, bias) in enumerate(network.layers):
            arrays[f"weights_{k}_{n}"], arrays[f"bias_{k}_{n}"] = weights, bias
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_model(path: Path) -> LinkModel:
    """
    Read what `write_model` wrote; nothing in the file can run.

    Raises
    ------
    ParameterError
        If the file is no such model, or was trained on other features.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["format"]) != MODEL_FORMAT or int(stored["version"]) != MODEL_VERSION:
                raise ParameterError(f"{path.name} is not version {MODEL_VERSION} of a {MODEL_FORMAT}")
            if list(stored["features"]) != [*ALONE, *COMPANY]:
                raise ParameterError(f"{path.name} was trained on other features; train it again")
            event_features = tuple(str(name) for name in stored["event_features"])
            networks = []
            for k in range(int(stored["n_networks"])):
                n_layers = sum(name.startswith(f"weights_{k}_") for name in stored.files)
                layers = tuple((stored[f"weights_{k}_{n}"], stored[f"bias_{k}_{n}"]) for n in range(n_layers))
                networks.append(Round(stored[f"mean_{k}"], stored[f"scale_{k}"], layers))
    except (OSError, ValueError, KeyError) as problem:
        raise ParameterError(f"{path.name} is not a {MODEL_FORMAT}: {problem}") from problem
    return LinkModel(tuple(networks[:-1]), networks[-1], event_features)
