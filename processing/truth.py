"""A run on a simulation against its truth: which pore each detection is, the true edges, and what was found."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from processing.errors import FrameError
from processing.lineage import EventOf
from processing.metrics import (
    FRAME_BUFFER,
    NumberedEdges,
    Score,
    TrackingScores,
    cut_at_merges,
    match_detections,
    number_detections,
    quietly,
    score_tracking,
    splits_of_many,
)
from processing.synthetic_blobs import without_shortcuts
from processing.synthetic_truth import TruePore, Truth
from processing.timekeys import CADENCE_S

# Between them a probability is asked how often it is right. People settle an event that is less sure than 0.9.
PROBABILITY_EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Detections:
    """
    The features of a run, one entry each, shape (n,), by frame and then by id.

    ``t_rec_s``, shape (n_frames,), rises; ``frame`` is a place in it. ``id`` is unique, from
    0. ``row``, ``col`` (from 0) and ``area_px`` are on the doubled grid, as in the truth.
    """

    t_rec_s: np.ndarray
    frame: np.ndarray
    id: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area_px: np.ndarray


@dataclass(frozen=True)
class Branching:
    """
    A merge or split (``kind``), found or missed; ``frame`` is the first as one, or apart.

    ``verdict`` is "right", "near" (right once two frames either way are allowed), "wrong"
    (found, not true) or "missed" (true, not found). ``parents`` and ``children`` are ids
    of detections: those that were linked, or for "missed" those that should have been.
    """

    kind: str
    frame: int
    parents: tuple[int, ...]
    children: tuple[int, ...]
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """
    What `compare` finds.

    ``detections`` is the score of the detections themselves, ``scores`` that of the edges
    between those there are, ``branchings`` every merge and split that was found or missed,
    by frame, and ``edges`` the true edges as pairs of ids, shape (m, 2).
    """

    detections: Score
    scores: TrackingScores
    branchings: list[Branching]
    edges: np.ndarray


@dataclass(frozen=True)
class ProbabilityBin:
    """Events whose probability is from ``low`` up to ``high``: how many, how many right, their mean probability."""

    low: float
    high: float
    n: int
    n_right: int
    mean: float | None


def compare(truth: Truth, found: Detections, links: np.ndarray, *, max_gap: int) -> Comparison:
    """
    Score a run's detections and links against the truth of its simulation.

    A pore that was not detected cannot be linked: it lowers the recall of ``detections``
    and nothing else. The true edges join the detections there are, past what was missed
    where the gap is not too long (`true_edges`), and ``scores`` is of these; so a merge is
    true in the frame in which the detections are one, which may be before the Sun's. A false
    detection lowers the precision of ``detections``; it lowers ``scores`` once it is linked.

    Parameters
    ----------
    truth : `~processing.synthetic_truth.Truth`
        Of at least the frames in ``found``.
    found : Detections
        What the run measured.
    links : `~numpy.ndarray` of int, shape (m, 2)
        Ids of the earlier and the later detection of each link of the run.
    max_gap : int
        Most slots that the run may link over.

    Raises
    ------
    FrameError
        If the truth has no word on one of the frames.
    """
    members, detections = match_pores(truth, found)
    edges = true_edges(truth, found, members, max_gap=max_gap)
    is_true = np.isin(np.arange(found.id.size), [k for places in members.values() for k in places])
    frame_of = dict(zip(found.id.tolist(), found.frame.tolist(), strict=True))
    nodes = np.column_stack([found.frame, found.id]).astype(np.int64)
    found_edges = np.array([(frame_of[a], a, frame_of[b], b) for a, b in links.tolist()], np.int64).reshape(-1, 4)
    scores = score_tracking(nodes[is_true], edges, nodes, found_edges)

    true_tracking, found_tracking = number_detections(nodes[is_true], edges, nodes, found_edges)
    branchings = [
        branching
        for kind in ("merge", "split")
        for branching in _branchings(kind, true_tracking, found_tracking, np.unique(nodes, axis=0)[:, 1])
    ]
    branchings.sort(key=lambda branching: (branching.frame, branching.kind, branching.parents))
    return Comparison(detections, scores, branchings, edges[:, [1, 3]])


def match_pores(truth: Truth, found: Detections) -> tuple[dict[int, list[int]], Score]:
    """
    The detections of each true track, as places in ``found``, by frame; and the score of the detections.

    In each frame, pores that are visible and detections are joined one to one so that the
    distances of their centres are least in all. Two may be joined when the centre of the
    smaller lies in a disk of the larger one's area around that one's centre; a distance
    counts as a share of that disk's radius, and what is not joined as 1. This is what the
    score counts.

    A pore that is left over although such a disk of its own meets that of a joined
    detection is not seen apart from it, and the detection is of both tracks: what merges
    on the Sun is one blob in the image a frame or two before. A detection in no track is false.

    Raises
    ------
    FrameError
        If the truth has no word on one of the frames.
    """
    visible = {frame.t_rec_s: [pore for pore in frame.pores if pore.visible] for frame in truth.frames}
    members: dict[int, list[int]] = defaultdict(list)
    n_true = n_right = 0
    for place, t_rec_s in enumerate(found.t_rec_s.tolist()):
        if t_rec_s not in visible:
            raise FrameError(f"frame {place + 1} is not in the simulation whose truth is known")
        pores, here = visible[t_rec_s], np.flatnonzero(found.frame == place)
        joined, shared = _joined(pores, found, here)
        n_true, n_right = n_true + len(pores), n_right + len(joined)
        for pore, k in (joined | shared).items():
            members[pores[pore].track].append(int(here[k]))
    return members, Score.of_counts(n_true=n_true, n_found=found.id.size, n_right=n_right)


def _joined(pores: Sequence[TruePore], found: Detections, here: np.ndarray) -> tuple[dict[int, int], dict[int, int]]:
    """The detection (place in ``here``) of each pore (place in ``pores``) of a frame: its own, and one it shares."""
    row, col, area = np.array([(pore.row, pore.col, pore.area_px) for pore in pores], float).reshape(-1, 3).T
    distance = np.hypot(found.row[here] - row[:, None], found.col[here] - col[:, None])
    true_radius, radius = np.sqrt(area / np.pi)[:, None], np.sqrt(found.area_px[here] / np.pi)
    share = distance / np.maximum(true_radius, radius)
    pairs = zip(*linear_sum_assignment(np.minimum(share, 1)), strict=True)
    joined = {int(pore): int(k) for pore, k in pairs if share[pore, k] < 1}

    meets = distance / (true_radius + radius)
    meets[:, [k for k in range(here.size) if k not in joined.values()]] = np.inf
    left = [pore for pore in range(len(pores)) if pore not in joined and meets[pore].min(initial=np.inf) < 1]
    return joined, {pore: int(meets[pore].argmin()) for pore in left}


def true_edges(truth: Truth, found: Detections, members: Mapping[int, Sequence[int]], *, max_gap: int) -> np.ndarray:
    """
    The edges that a perfect tracking of these detections would have.

    A detection is joined to the next one of its track, and the last of a track to the
    first of each that it merges or splits into; where a whole track was missed, those
    before it to those after it. An edge may pass over frames in which the pore is hidden
    or was not detected, and over lost frames, but over ``max_gap`` slots at most; none is
    drawn where a chain of shorter edges leads the same way.

    Parameters
    ----------
    truth, found :
        As for `compare`.
    members :
        As `match_pores` returns. Tracks are numbered in the order in which they begin.
    max_gap : int
        Most slots between the ends of an edge.

    Returns
    -------
    edges : `~numpy.ndarray` of int, shape (m, 4)
        Frame and id of the earlier detection, then of the later; sorted.
    """
    parents: dict[int, set[int]] = defaultdict(set)
    for event in (*truth.events_of("merge"), *truth.events_of("split")):
        for child in event.children:
            parents[child].update(event.parents)
    slot = np.rint(found.t_rec_s / CADENCE_S).astype(np.int64)[found.frame]
    name = np.column_stack([found.frame, found.id]).tolist()
    ends: dict[int, set[int]] = {}
    edges: set[tuple[int, int, int, int]] = set()
    for number in sorted(members.keys() | parents.keys()):
        before = {end for parent in parents[number] for end in ends.get(parent, ())}
        for k in members.get(number, ()):
            edges |= {(*name[past], *name[k]) for past in before if slot[k] - slot[past] <= max_gap + 1}
            before = {k}
        ends[number] = before
    return np.array(sorted(without_shortcuts(edges)), np.int64).reshape(-1, 4)


def _branchings(kind: str, true: NumberedEdges, found: NumberedEdges, ids: np.ndarray) -> Iterator[Branching]:
    """
    Each split, or merge as a split of the time-reversed graph, with what `score_tracking` counts it as.

    ``ids`` has the id of each number in the graphs, shape (n,).
    """
    from traccuracy.metrics import DivisionMetrics

    if kind == "merge":
        true, found = true.reversed(), found.reversed()
    whole = {split[0] for split in splits_of_many(true) & splits_of_many(found)}
    with quietly():
        matched = match_detections(*cut_at_merges(true, found))
        DivisionMetrics(FRAME_BUFFER).compute(matched, relax_skips_gt=True, relax_skips_pred=True)
    for graph, tracking, otherwise in ((matched.pred_graph, found, "wrong"), (matched.gt_graph, true, "missed")):
        for node in graph.get_divisions():
            verdict = "right" if node in whole else _verdict(graph.graph.nodes[node]) or otherwise
            if otherwise == "missed" and verdict != "missed":
                continue  # told of already, as it was found
            branches = tracking.edges[tracking.edges[:, 0] == node, 1]
            one, many = (int(ids[node]),), tuple(sorted(ids[branches].tolist()))
            if kind == "merge":
                yield Branching(kind, -int(tracking.frames[node]), many, one, verdict)
            else:
                yield Branching(kind, int(tracking.frames[branches].min()), one, many, verdict)


def _verdict(marks: Mapping[object, float]) -> str:
    """What traccuracy says of a split; empty when it is neither right nor near."""
    from traccuracy import NodeFlag

    if NodeFlag.TP_DIV_SKIP in marks:
        return "near"
    if NodeFlag.TP_DIV in marks:
        return "right"
    buffers = (marks.get(name, np.nan) for name in ("min_buffer_correct", "min_buffer_skip_correct"))
    return "near" if any(buffer <= FRAME_BUFFER for buffer in buffers) else ""


def calibration(probability: np.ndarray, right: np.ndarray) -> list[ProbabilityBin]:
    """How many of the events of each bin of probability are right; both shape (n,), NaN where it is not known."""
    bins = []
    for low, high in pairwise(PROBABILITY_EDGES):
        inside = (probability >= low) & ((probability < high) | (high == PROBABILITY_EDGES[-1]))
        n = int(np.count_nonzero(inside))
        mean = float(probability[inside].mean()) if n else None
        bins.append(ProbabilityBin(low, high, n, int(np.count_nonzero(right[inside])), mean))
    return bins


def right_events(events: Sequence[EventOf], pairs: np.ndarray) -> np.ndarray:
    """Whether each event is true to the last parent and child, given the true links as pairs of ids."""
    parents: dict[int, set[int]] = defaultdict(set)
    children: dict[int, set[int]] = defaultdict(set)
    for earlier, later in pairs.tolist():
        parents[later].add(earlier)
        children[earlier].add(later)

    def is_right(event: EventOf) -> bool:
        if event.kind in ("merge", "appear"):
            return parents[event.children[0]] == set(event.parents)
        if event.kind in ("split", "disappear"):
            return children[event.parents[0]] == set(event.children)
        return event.children[0] in children[event.parents[0]]

    return np.array([is_right(event) for event in events], bool)
