"""How right a tracking is, against a truth on the same detections: edges, merges, splits, identities."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from processing.errors import ParameterError

# A merger may be called in either of two frames, or in none between them, when the bridge flickers.
FRAME_BUFFER = 2


@dataclass(frozen=True)
class Score:
    """
    How many of the true were found, and how many of the found are true.

    Where there is nothing to divide by (none found, or none true) the figure is 1 when
    there are neither, else 0; never NaN.
    """

    precision: float
    recall: float
    f1: float
    n_true: int
    n_found: int
    n_right: int

    @classmethod
    def of_counts(cls, *, n_true: int, n_found: int, n_right: int) -> "Score":
        """The score of so many true, found and rightly found things."""
        nothing = float(n_true == n_found)  # asked only where one of them is 0
        return cls(
            precision=n_right / n_found if n_found else nothing,
            recall=n_right / n_true if n_true else nothing,
            f1=2 * n_right / (n_true + n_found) if n_true + n_found else 1.0,
            n_true=n_true,
            n_found=n_found,
            n_right=n_right,
        )


@dataclass(frozen=True)
class TrackingScores:
    """
    All scores of one tracking; every number from 0 (nothing right) to 1 (all right).

    ``edges`` are all edges, ``gap_edges`` those over at least one frame. A merge or split
    is right when it happens at the right detection and two of its branches are right; for
    ``merges_2`` and ``splits_2`` it may also come up to two frames early or late, as long
    as the same pores meet or part.

    ``lnk`` is the linking score of the Cell Tracking Challenge [1]_: 1 less the weighted
    number of edges to add, remove and relabel over that of making all of them. ``hota``
    [2]_ and ``idf1`` [3]_ ask whether a detection's track is the same one throughout. They
    are defined on tracks that do not branch, so the graph is cut at every merge and split;
    an edge over a gap does not cut. A true detection without any edge is a track of one, a
    false one is in no track and costs nothing.

    References
    ----------
    .. [1] Matula, P., et al. 2015, PLoS ONE 10, e0144959
    .. [2] Luiten, J., et al. 2021, Int. J. Comput. Vis. 129, 548
    .. [3] Ristani, E., et al. 2016, ECCV Workshops, LNCS 9914, 17
    """

    edges: Score
    gap_edges: Score
    merges: Score
    splits: Score
    merges_2: Score
    splits_2: Score
    lnk: float
    hota: float
    idf1: float


@dataclass(frozen=True)
class NumberedEdges:
    """Detections and edges by number: ``nodes`` shape (n,), ``edges`` (m, 2), ``frames[node]`` for every number."""

    nodes: np.ndarray
    edges: np.ndarray
    frames: np.ndarray

    def with_edges(self, edges: np.ndarray) -> "NumberedEdges":
        """The same detections with other edges."""
        return NumberedEdges(self.nodes, edges, self.frames)

    def skips(self) -> "NumberedEdges":
        """Only the edges over at least one frame."""
        return self.with_edges(self.edges[np.diff(self.frames[self.edges]).ravel() > 1])

    def reversed(self) -> "NumberedEdges":
        """The same with time running backwards, so that merges are splits."""
        return NumberedEdges(self.nodes, self.edges[:, ::-1], -self.frames)

    def n_in(self) -> np.ndarray:
        """How many edges end at each number."""
        return np.bincount(self.edges[:, 1], minlength=self.frames.size)

    def n_out(self) -> np.ndarray:
        """How many edges begin at each number."""
        return np.bincount(self.edges[:, 0], minlength=self.frames.size)


def score_tracking(
    nodes: np.ndarray, true_edges: np.ndarray, found_nodes: np.ndarray, found_edges: np.ndarray
) -> TrackingScores:
    """
    Score a tracking against the truth; a detection is the same when its frame and label are.

    The counting is done by traccuracy (https://github.com/live-image-tracking-tools/traccuracy).
    Its division metric refuses graphs with merges and stops walking at them, so both graphs
    are cut at every node that is a merge in either before splits are counted, and merges are
    counted as splits of the time-reversed graph.

    Parameters
    ----------
    nodes : `~numpy.ndarray` of int, shape (n, 2)
        Frame and label of every true detection.
    true_edges : `~numpy.ndarray` of int, shape (m, 4)
        Frame and label of the earlier detection, then of the later.
    found_nodes, found_edges : `~numpy.ndarray` of int
        The same of the tracking; detections that are not in ``nodes`` are false ones.

    Raises
    ------
    ParameterError
        If an array has another shape, an edge does not run forward in time, or it begins
        or ends at a detection that is not among the nodes.
    """
    true, found = number_detections(
        _rows(nodes, 2, "true nodes"),
        _rows(true_edges, 4, "true edges"),
        _rows(found_nodes, 2, "found nodes"),
        _rows(found_edges, 4, "found edges"),
    )
    splits, splits_2 = _score_splits(true, found)
    merges, merges_2 = _score_splits(true.reversed(), found.reversed())
    hota, idf1 = _identity_scores(true, found)
    return TrackingScores(
        edges=_score_edges(true, found),
        gap_edges=_score_edges(true.skips(), found.skips()),
        merges=merges,
        splits=splits,
        merges_2=merges_2,
        splits_2=splits_2,
        lnk=_lnk(true, found),
        hota=hota,
        idf1=idf1,
    )


def _rows(array: np.ndarray, n_columns: int, name: str) -> np.ndarray:
    """The rows as int64, each once, sorted; an empty list will do for none."""
    rows = np.asarray(array)
    if rows.size == 0:
        return np.zeros((0, n_columns), np.int64)
    if rows.ndim != 2 or rows.shape[1] != n_columns or rows.dtype.kind not in "iu" or rows.min() < 0:
        raise ParameterError(
            f"{name} must be whole numbers from 0, shape (n, {n_columns}), got {rows.dtype} of shape {rows.shape}"
        )
    return np.unique(rows.astype(np.int64), axis=0)


def number_detections(
    nodes: np.ndarray, true_edges: np.ndarray, found_nodes: np.ndarray, found_edges: np.ndarray
) -> tuple[NumberedEdges, NumberedEdges]:
    """Both trackings with one number for each detection, the same in both."""
    known, number = np.unique(np.concatenate([nodes, found_nodes]), axis=0, return_inverse=True)
    numbers = {(int(frame), int(label)): index for index, (frame, label) in enumerate(known)}
    true_nodes, other_nodes = np.split(number.ravel(), [len(nodes)])
    return (
        NumberedEdges(true_nodes, _edge_numbers(true_edges, true_nodes, numbers, "a true edge"), known[:, 0]),
        NumberedEdges(other_nodes, _edge_numbers(found_edges, other_nodes, numbers, "a found edge"), known[:, 0]),
    )


def _edge_numbers(edges: np.ndarray, nodes: np.ndarray, numbers: dict[tuple[int, int], int], name: str) -> np.ndarray:
    present = set(nodes.tolist())
    pairs = []
    for frame, label, later_frame, later_label in edges.tolist():
        words = f"{name} runs from label {label} of frame {frame} to label {later_label} of frame {later_frame}"
        if later_frame <= frame:
            raise ParameterError(f"{words}, which is not forward in time")
        pair = numbers.get((frame, label), -1), numbers.get((later_frame, later_label), -1)
        if not present.issuperset(pair):
            raise ParameterError(f"{words}, and one of them is not among the nodes")
        pairs.append(pair)
    return np.array(pairs, np.int64).reshape(-1, 2)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without traccuracy's progress bars (on stderr), and its warnings of zeros that `Score` deals with."""
    logger = logging.getLogger("traccuracy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def match_detections(true: NumberedEdges, found: NumberedEdges) -> Any:
    """Both graphs as traccuracy takes them, new ones each time, since its metrics write into them."""
    import networkx as nx
    from traccuracy import TrackingGraph  # takes two seconds, most of them pandas, numba and pyarrow
    from traccuracy.matchers import Matched

    def graph(tracking: NumberedEdges) -> Any:
        drawn: nx.DiGraph[int] = nx.DiGraph()
        drawn.add_nodes_from((node, {"t": int(tracking.frames[node])}) for node in tracking.nodes.tolist())
        drawn.add_edges_from(tracking.edges.tolist())
        return TrackingGraph(drawn)

    # a dict for a list: it is asked thousands of times whether a pair is in it
    pairs = dict.fromkeys((node, node) for node in np.intersect1d(true.nodes, found.nodes).tolist())
    return Matched(graph(true), graph(found), pairs, {"name": "identity", "matching type": "one-to-one"})


def _score_edges(true: NumberedEdges, found: NumberedEdges) -> Score:
    from traccuracy.metrics import BasicMetrics

    with quietly():
        counted = BasicMetrics().compute(match_detections(true, found)).results
    return Score.of_counts(
        n_true=counted["Total GT Edges"], n_found=counted["Total Pred Edges"], n_right=counted["True Positive Edges"]
    )


def _lnk(true: NumberedEdges, found: NumberedEdges) -> float:
    """1 without any edge; 0 where there are none to find but some were found."""
    from traccuracy.metrics import CTCMetrics

    if not len(true.edges):
        return float(not len(found.edges))
    with quietly():
        return float(CTCMetrics().compute(match_detections(true, found)).results["LNK"])


def _score_splits(true: NumberedEdges, found: NumberedEdges) -> tuple[Score, Score]:
    """
    The strict score of splits, and that within `FRAME_BUFFER` frames.

    traccuracy calls a split right when exactly two of its branches are, so it never counts
    one of three branches that are all right; those are added here. Within the buffer, a
    branch through a false detection stands for the skip edge past it.
    """
    from traccuracy.metrics import DivisionMetrics

    whole = splits_of_many(true) & splits_of_many(found)
    with quietly():
        matched = match_detections(*cut_at_merges(true, found))
        counted = DivisionMetrics(FRAME_BUFFER).compute(matched, relax_skips_gt=True, relax_skips_pred=True).results
    strict, shifted = counted["Frame Buffer 0"], counted[f"Frame Buffer {FRAME_BUFFER}"]
    n_true, n_found = strict["Total GT Divisions"], strict["Total Predicted Divisions"]
    n_right = strict["True Positive Divisions"] + len(whole)
    n_right_2 = shifted["True Positive Divisions"] + shifted["True Positive Skip Divisions"] + len(whole)
    return (
        Score.of_counts(n_true=n_true, n_found=n_found, n_right=n_right),
        Score.of_counts(n_true=n_true, n_found=n_found, n_right=n_right_2),
    )


def splits_of_many(tracking: NumberedEdges) -> set[tuple[int, ...]]:
    """Every node with three or more children, followed by these."""
    parents = np.flatnonzero(tracking.n_out() > 2)
    return {
        (parent, *sorted(tracking.edges[tracking.edges[:, 0] == parent, 1].tolist())) for parent in parents.tolist()
    }


def cut_at_merges(true: NumberedEdges, found: NumberedEdges) -> tuple[NumberedEdges, NumberedEdges]:
    """
    Both graphs without merges, and with all of their splits.

    Each edge into a node that is a merge in either graph ends at a node of its own instead,
    in the same frame, whose number is the same in both graphs.
    """
    is_merge = (true.n_in() > 1) | (found.n_in() > 1)
    both = np.concatenate([true.edges, found.edges])
    cut = np.unique(both[is_merge[both[:, 1]]], axis=0)
    new_number = {(a, b): true.frames.size + index for index, (a, b) in enumerate(cut.tolist())}
    frames = np.concatenate([true.frames, true.frames[cut[:, 1]]])

    def without_merges(tracking: NumberedEdges) -> NumberedEdges:
        ends = [new_number.get((a, b), b) for a, b in tracking.edges.tolist()]
        edges = np.column_stack([tracking.edges[:, 0], np.array(ends, np.int64)])
        return NumberedEdges(np.union1d(tracking.nodes, edges[:, 1]), edges, frames)

    return without_merges(true), without_merges(found)


def _tracks(tracking: NumberedEdges) -> np.ndarray:
    """The track of every number, shape (n,): connected once the edges at merges and splits are cut."""
    earlier, later = tracking.edges.T
    kept = (tracking.n_out()[earlier] == 1) & (tracking.n_in()[later] == 1)
    size = tracking.frames.size
    links = coo_array((np.ones(kept.sum()), (earlier[kept], later[kept])), shape=(size, size))
    return np.asarray(connected_components(links, directed=False)[1])


def _identity_scores(true: NumberedEdges, found: NumberedEdges) -> tuple[float, float]:
    """HOTA and IDF1, from the number of detections that each true track shares with each found one."""
    both = np.intersect1d(true.nodes, found.nodes)
    in_tracks = np.union1d(both, found.edges)  # a false detection that nothing was linked to is in no track
    n_all = true.nodes.size + in_tracks.size
    if n_all == 0:
        return 1.0, 1.0
    true_track, found_track = _tracks(true), _tracks(found)
    size = true.frames.size
    shared = coo_array((np.ones(both.size), (true_track[both], found_track[both])), shape=(size, size))
    shared.sum_duplicates()
    true_size, found_size = np.bincount(true_track[true.nodes]), np.bincount(found_track[in_tracks])
    union = true_size[shared.row] + found_size[shared.col] - shared.data
    hota = np.sqrt(np.sum(shared.data**2 / union) / (n_all - both.size))
    return float(hota), float(2 * _best_pairing(shared) / n_all)


def _best_pairing(shared: coo_array) -> float:
    """The most detections that tracks paired one to one can share; solved in the blocks it falls into."""
    n_true, n_found = shared.shape
    size = n_true + n_found
    n_blocks, block = connected_components(
        coo_array((shared.data, (shared.row, n_true + shared.col)), shape=(size, size)), directed=False
    )
    order = np.argsort(block[shared.row], kind="stable")
    starts = np.searchsorted(block[shared.row][order], np.arange(n_blocks + 1))
    total = 0.0
    for first, last in pairwise(starts):
        entries = order[first:last]
        rows, row = np.unique(shared.row[entries], return_inverse=True)
        cols, col = np.unique(shared.col[entries], return_inverse=True)
        counts = np.zeros((rows.size, cols.size))
        counts[row, col] = shared.data[entries]
        total += counts[linear_sum_assignment(counts, maximize=True)].sum()
    return total
