"""How right a run's tracking is, where its patch is simulated and so the truth is known."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.urls import reverse

from poreweb import storage
from poreweb.observations.models import Patch, RawFile
from poreweb.tracks import archive, rows
from poreweb.tracks.models import Event, Feature, Run, Segmentation
from processing.errors import FrameError
from processing.lineage import EventOf
from processing.synthetic_truth import Truth, read_truth
from processing.truth import Comparison, Detections, calibration, compare, right_events

VERSION = 1  # of what is stored; what another version has stored is not read
MAX_LISTED = 200
SCORED = {
    "detections": "Detections",
    "edges": "Edges",
    "gap_edges": "Edges over a gap",
    "merges": "Merges, in the right frame",
    "merges_2": "Merges, up to two frames off",
    "splits": "Splits, in the right frame",
    "splits_2": "Splits, up to two frames off",
}
VERDICTS = {"near": "a frame or two off", "wrong": "wrong", "missed": "missed"}


def truth_key(patch: Patch) -> str:
    """Key of the truth of a simulated patch."""
    return f"patches/{patch.pk}/truth.json"


def accuracy_key(run: Run) -> str:
    """Key of what is stored of a run."""
    return f"{archive.run_folder(run)}/accuracy.json"


def has_truth(patch: Patch) -> bool:
    """Whether the patch is known to be simulated."""
    return storage.exists(truth_key(patch))


def keep_truth(patch: Patch, path: Path) -> bool:
    """
    Keep a ``truth.json`` with the patch; whether it has one now.

    Like a raw file it is never replaced. That of another HARP is none of this one, and where
    files are in conflict they may be of two simulations, so that none is kept.

    Raises
    ------
    FrameError
        If the file is no truth of a simulation.
    """
    truth = read_truth(path)
    in_conflict = RawFile.objects.filter(frame__patch=patch, conflict=True).exists()
    is_its = patch.harpnum is not None and truth.parameters.get("harpnum") == patch.harpnum
    if not has_truth(patch) and not in_conflict and is_its:
        storage.write_bytes(truth_key(patch), path.read_bytes())
    return has_truth(patch)


def store_accuracy(run: Run) -> None:
    """
    Compare what the run has found with the truth of its patch, and store that; nothing without a truth.

    Takes seconds, most of them to import what counts: for jobs and commands, not for a page.
    """
    if not has_truth(run.patch):
        return
    try:
        with storage.local_copy(truth_key(run.patch)) as path:
            content = _compared(run, read_truth(path))
    except FrameError as problem:  # the run is none the worse for it
        content = {"problem": str(problem)}
    storage.write_bytes(accuracy_key(run), json.dumps({"version": VERSION, **content}).encode())


def is_scored(run: Run) -> bool:
    """Whether the run was compared with a truth."""
    return _stored(run) is not None


def _stored(run: Run) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(storage.read_bytes(accuracy_key(run)))
    except FileNotFoundError:
        return None
    return content if content["version"] == VERSION else None


# ---- Comparing -----------------------------------------------------------------------------


def _compared(run: Run, truth: Truth) -> dict[str, Any]:
    """What is stored. Frames that came after the simulation are left out, and whatever touches them."""
    slots = {frame.t_rec_s: frame.index for frame in truth.frames}
    known = [segmentation for segmentation in rows.processed(run) if segmentation.frame.t_rec_s in slots]
    if not known:
        raise FrameError("none of the run's frames is in the simulation whose truth is known")
    found, track_of = detections_of(run, known)
    links = [pair for pair in run.links.values_list("earlier_id", "later_id") if track_of.keys() >= set(pair)]
    comparison = compare(truth, found, np.array(links, np.int64).reshape(-1, 2), max_gap=run.chain_parameters.max_gap)
    events = found_events(run, track_of)
    held = [slots[segmentation.frame.t_rec_s] for segmentation in known]
    return {
        "scores": {**asdict(comparison.scores), "detections": asdict(comparison.detections)},
        "n_simulated": {
            kind: sum(held[0] < event.frame <= held[-1] for event in truth.events_of(kind))
            for kind in ("merge", "split")
        },
        "branchings": _branchings(comparison, known, track_of, events),
        "calibration": _calibration(run, comparison, events),
    }


def detections_of(run: Run, known: list[Segmentation]) -> tuple[Detections, dict[int, int | None]]:
    """The features of these frames on the doubled grid, and the number of the track of each."""
    place = {segmentation.index: k for k, segmentation in enumerate(known)}
    features = Feature.objects.filter(segmentation__run=run, segmentation__index__in=place)
    fields = ("pk", "segmentation__index", "row", "col", "area_px", "track__number")
    found = list(features.order_by("segmentation__index", "pk").values_list(*fields))
    columns = np.array([values[:5] for values in found], float).reshape(-1, 5).T
    finer = 2 // run.chain_parameters.factor
    detections = Detections(
        t_rec_s=np.array([segmentation.frame.t_rec_s for segmentation in known], np.int64),
        frame=np.array([place[int(index)] for index in columns[1]], np.int64),
        id=columns[0].astype(np.int64),  # keys are exact in a double up to 2**53
        row=columns[2] * finer + (finer - 1) / 2,  # native pixel i is at 2 i + 0.5
        col=columns[3] * finer + (finer - 1) / 2,
        area_px=columns[4] * finer**2,
    )
    return detections, {pk: number for pk, *_, number in found}


def found_events(run: Run, track_of: Mapping[int, int | None]) -> dict[int, EventOf]:
    """The run's events by key, but those that touch a feature that is left out."""
    ends: dict[str, dict[int, list[int]]] = {}
    for name, through in (("parents", Event.parents.through), ("children", Event.children.through)):
        ends[name] = defaultdict(list)
        pairs = through.objects.filter(event__run=run).order_by("feature_id").values_list("event_id", "feature_id")
        for event_id, feature_id in pairs:
            ends[name][event_id].append(feature_id)
    events = {
        pk: EventOf(kind, index, tuple(ends["parents"][pk]), tuple(ends["children"][pk]))
        for pk, kind, index in run.events.values_list("pk", "kind", "index")
    }
    return {pk: event for pk, event in events.items() if track_of.keys() >= {*event.parents, *event.children}}


def _branchings(
    comparison: Comparison,
    known: list[Segmentation],
    track_of: Mapping[int, int | None],
    events: Mapping[int, EventOf],
) -> list[dict[str, Any]]:
    """The merges and splits that are not right, each with its event, frame and tracks."""
    key_of = {(event.kind, event.parents, event.children): pk for pk, event in events.items()}
    return [
        {
            "kind": branching.kind,
            "verdict": branching.verdict,
            "index": known[branching.frame].index,
            "t_rec": known[branching.frame].frame.t_rec,
            "event": key_of.get((branching.kind, branching.parents, branching.children)),
            "parents": [track_of[pk] for pk in branching.parents],
            "children": [track_of[pk] for pk in branching.children],
        }
        for branching in comparison.branchings
        if branching.verdict != "right"
    ]


def _calibration(run: Run, comparison: Comparison, events: Mapping[int, EventOf]) -> list[dict[str, Any]]:
    probability_of = dict(run.events.values_list("pk", "probability"))
    probability = np.array([probability_of[pk] for pk in events], float)  # NULL becomes NaN
    right = right_events(list(events.values()), comparison.edges)
    return [asdict(one) for one in calibration(probability, right)]


# ---- The page ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracy:
    """
    For the page: ``problem`` a sentence why there are no scores (empty where there are), or all the others.

    ``scores`` are rows (name, score), ``single`` the scores that are one number, ``branchings``
    the first `MAX_LISTED` of ``n_branchings`` merges and splits that are not right.
    """

    problem: str = ""
    scores: tuple[tuple[str, dict[str, Any]], ...] = ()
    single: tuple[tuple[str, float], ...] = ()
    n_simulated: dict[str, int] | None = None
    branchings: tuple[dict[str, Any], ...] = ()
    n_branchings: int = 0
    calibration: tuple[dict[str, Any], ...] = ()


def accuracy_of(run: Run) -> Accuracy:
    """What is stored of a run on a patch with a truth, as its page shows it."""
    stored = _stored(run)
    if stored is None:
        wait = "it is not done yet" if run.state == Run.State.RUNNING else "it ended before there was a truth"
        return Accuracy(problem=f"This run was not compared with the truth ({wait}); a new run will be.")
    if problem := stored.get("problem"):
        return Accuracy(problem=f"This run cannot be compared with the truth: {problem}.")
    scores = stored["scores"]
    viewer = reverse("observations:viewer", args=[run.patch_id])
    listed = [
        {
            **branching,
            "words": VERDICTS[branching["verdict"]],
            "event_url": reverse("review:event", args=[branching["event"]]) if branching["event"] else None,
            "viewer_url": f"{viewer}?run={run.pk}&t={branching['t_rec']}",
        }
        for branching in stored["branchings"][:MAX_LISTED]
    ]
    return Accuracy(
        scores=tuple((words, scores[name]) for name, words in SCORED.items()),
        single=tuple((words, scores[name]) for name, words in (("lnk", "LNK"), ("hota", "HOTA"), ("idf1", "IDF1"))),
        n_simulated=stored["n_simulated"],
        branchings=tuple(listed),
        n_branchings=len(stored["branchings"]),
        calibration=tuple({**one, "share": one["n_right"] / max(one["n"], 1)} for one in stored["calibration"]),
    )
