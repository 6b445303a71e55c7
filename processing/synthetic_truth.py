"""The exact answer to a simulation: every true pore, track and event, as rows and as a JSON file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy import ndimage

from processing.errors import FrameError
from processing.files import replacing
from processing.synthetic_sun import Life, label_scene, pore_contrast
from processing.timekeys import format_t_rec

MIN_AREA_PX = 20  # of a pore, as the chain's default, on the doubled grid
TRUTH_FORMAT, TRUTH_VERSION = "poreweb simulation truth", 1


@dataclass(frozen=True)
class TruePore:
    """A pore in one frame: ``row``, ``col`` (from 0) and ``area_px`` on the doubled grid; area 0 if not visible."""

    track: int
    row: float
    col: float
    area_px: int
    polarity: int
    visible: bool


@dataclass(frozen=True)
class TrueFrame:
    """One record: ``index`` counts slots from 0, lost ones included."""

    index: int
    t_rec_s: int
    pores: tuple[TruePore, ...]


@dataclass(frozen=True)
class TrueEvent:
    """
    What happened to tracks, at slot ``frame``.

    merge: the first frame as one; split: the first frame apart; gap: the first frame
    back; appear: the first frame seen; disappear: the last frame seen. ``last_frame``
    is the last frame before (disappear: the same frame).
    """

    kind: str
    frame: int
    last_frame: int
    parents: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True)
class Truth:
    """Everything that is true of a simulation; a track ends at a merge or split and new ones begin."""

    parameters: dict[str, Any]
    frames: tuple[TrueFrame, ...]
    events: tuple[TrueEvent, ...]

    def events_of(self, kind: str) -> list[TrueEvent]:
        """The events of one kind, in time order."""
        return [event for event in self.events if event.kind == kind]

    def track(self, number: int) -> list[tuple[int, TruePore]]:
        """(slot, pore) of one track, in time order."""
        return [(frame.index, pore) for frame in self.frames for pore in frame.pores if pore.track == number]

    def to_json(self) -> dict[str, Any]:
        """The content of ``truth.json``; T_REC is added for human readers."""
        frames = [{"t_rec": format_t_rec(frame.t_rec_s), **asdict(frame)} for frame in self.frames]
        about = "Pixels count from 0 on the doubled grid: native pixel i is at 2 i + 0.5. Frames count 12-minute slots."
        head = {"format": TRUTH_FORMAT, "version": TRUTH_VERSION, "about": about, "parameters": self.parameters}
        return {**head, "frames": frames, "events": [asdict(event) for event in self.events]}


def read_truth(path: Path) -> Truth:
    """
    Read a ``truth.json``.

    Raises
    ------
    FrameError
        If the file is something else or of another version.
    """
    try:
        tree = json.loads(Path(path).read_text())
        if (tree["format"], tree["version"]) != (TRUTH_FORMAT, TRUTH_VERSION):
            raise FrameError(f"{path} is version {tree['version']} of {tree['format']}, not of {TRUTH_FORMAT}")
        frames = tuple(
            TrueFrame(frame["index"], frame["t_rec_s"], tuple(TruePore(**pore) for pore in frame["pores"]))
            for frame in tree["frames"]
        )
        events = tuple(
            TrueEvent(**{**event, "parents": tuple(event["parents"]), "children": tuple(event["children"])})
            for event in tree["events"]
        )
        return Truth(tree["parameters"], frames, events)
    except (ValueError, KeyError, TypeError) as problem:
        raise FrameError(f"{path} is not a simulation's truth: {problem}") from problem


def write_truth(path: Path, truth: Truth) -> None:
    """Write ``truth.json``; under a temporary name until complete."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(truth.to_json(), indent=1) + "\n")


@dataclass
class _Chain:
    """A track while it is being followed: its bundles, where it was last seen, its pores by slot."""

    track: int
    last: int
    pores: dict[int, TruePore]


def observe(
    lives: list[Life], *, n_frames: int, shape: tuple[int, int]
) -> tuple[list[tuple[TruePore, ...]], tuple[TrueEvent, ...]]:
    """
    Read the truth off the sharp scenes.

    Each 4-connected region below the threshold of at least MIN_AREA_PX is a pore, known
    by the bundles whose middle it holds. A set of bundles seen again continues its
    track; sets that unite or part end their tracks. ``shape`` is that of the doubled
    grid; returns the pores of each slot and the events.
    """
    chains: list[_Chain] = []
    live: dict[frozenset[int], _Chain] = {}
    events: list[TrueEvent] = []
    for index in range(n_frames):
        ended: dict[frozenset[int], _Chain] = {}
        parted: dict[frozenset[int], list[int]] = {}
        for key, (row, col, area) in sorted(_visible(lives, index, shape).items(), key=lambda item: sorted(item[0])):
            chain = live.get(key)
            if chain is None:
                chain = _Chain(len(chains) + 1, index, {})
                chains.append(chain)
                parents = {known: live[known] for known in live if known & key and live[known].last >= index - 1}
                ended |= parents
                if any(known > key for known in parents):
                    parted.setdefault(next(iter(parents)), []).append(chain.track)
                elif parents:
                    tracks = tuple(sorted(parent.track for parent in parents.values()))
                    events.append(TrueEvent("merge", index, index - 1, tracks, (chain.track,)))
                elif index:
                    events.append(TrueEvent("appear", index, index - 1, (), (chain.track,)))
                live[key] = chain
            elif chain.last < index - 1:
                events.append(TrueEvent("gap", index, chain.last, (chain.track,), (chain.track,)))
                for hidden in range(chain.last + 1, index):
                    body = lives[min(key)]
                    row_then, col_then = round(float(body.row[hidden]), 2), round(float(body.col[hidden]), 2)
                    chain.pores[hidden] = TruePore(chain.track, row_then, col_then, 0, body.polarity, False)
            chain.last = index
            chain.pores[index] = TruePore(chain.track, row, col, area, lives[min(key)].polarity, True)
        for key, tracks_after in parted.items():
            events.append(TrueEvent("split", index, index - 1, (ended[key].track,), tuple(tracks_after)))
        for key in ended:
            del live[key]
    for chain in live.values():
        if chain.last < n_frames - 1:
            events.append(TrueEvent("disappear", chain.last, chain.last, (chain.track,), ()))
    pores = [tuple(c.pores[index] for c in chains if index in c.pores) for index in range(n_frames)]
    return pores, tuple(sorted(events, key=lambda event: (event.frame, event.kind, event.parents, event.children)))


def _visible(lives: list[Life], index: int, shape: tuple[int, int]) -> dict[frozenset[int], tuple[float, float, int]]:
    """Centroid row, column and area of each pore of one slot, by the bundles in it."""
    bundles = {number: bundle for number, life in enumerate(lives) if (bundle := life.at(index))}
    labels, areas = label_scene(pore_contrast(list(bundles.values()), shape), MIN_AREA_PX)
    members: dict[int, set[int]] = {}
    for number, bundle in bundles.items():
        label = int(labels[round(bundle.row), round(bundle.col)])
        if areas[label]:
            members.setdefault(label, set()).add(number)
    centres = ndimage.center_of_mass(labels > 0, labels, list(members)) if members else []
    return {
        frozenset(numbers): (round(float(row), 2), round(float(col), 2), int(areas[label]))
        for (label, numbers), (row, col) in zip(members.items(), centres, strict=True)
    }
