"""The same feature, and the same event, in two runs of one patch."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from processing.edits import Correction
from processing.lineage import EventOf

# Centres at exactly the same place (a ring and what it holds) are told apart by area, up to so many of them.
_N_NEAREST = 4
_NOUNS = {"appear": "appearance", "disappear": "disappearance"}


@dataclass(frozen=True)
class FeaturesOf:
    """
    The features of one run, one entry each, in any order.

    ``frame`` is a whole number that both runs count alike, as T_REC in seconds;
    ``row``, ``col`` and ``area_px`` are in the same pixels in both, those of the native grid.
    """

    ids: np.ndarray
    frame: np.ndarray
    row: np.ndarray
    col: np.ndarray
    area_px: np.ndarray


@dataclass(frozen=True)
class EventMatch:
    """
    What has become of an event: the ``key`` of its counterpart, None if it has none.

    ``how`` is "same" (its kind, its parents and its children), "changed" or "gone";
    ``words`` say what differs, one sentence without full stop.
    """

    key: int | None
    how: str
    words: str


def match_features(a: FeaturesOf, b: FeaturesOf) -> dict[int, int]:
    """
    The features of ``b`` that are the same as those of ``a``, id by id, one to one.

    Two features of one frame are the same pore when each is the nearest to the other and
    their centres are closer than the radius of the disk as large as the larger of them.
    """
    if not a.ids.size or not b.ids.size:
        return {}
    points_a, points_b = _points(a, b)
    i, j = _candidates(points_a, points_b)
    there = a.frame[i] == b.frame[j]
    i, j = i[there], j[there]
    distance = np.hypot(*(points_a[i, 1:] - points_b[j, 1:]).T)
    unlike = np.abs(np.asarray(a.area_px, float)[i] - np.asarray(b.area_px, float)[j])
    order = np.lexsort((b.ids[j], a.ids[i], unlike, distance))
    i, j, distance = i[order], j[order], distance[order]
    mutual = _is_first(i) & _is_first(j)
    close = distance < np.sqrt(np.maximum(a.area_px[i], b.area_px[j]) / np.pi)
    same = mutual & close
    return dict(zip(a.ids[i[same]].tolist(), b.ids[j[same]].tolist(), strict=True))


def match_events(a: Mapping[int, EventOf], b: Mapping[int, EventOf], same: Mapping[int, int]) -> dict[int, EventMatch]:
    """
    What has become of each event of ``a`` in ``b``, where ``same`` gives the counterparts of features.

    An event of the same kind with the same parents and children is the same one. Else it
    has changed into the event that shares most of its features, and at least half of them,
    of those that are not the same as another one; else it is gone.
    """
    key_of = {_content(event): key for key, event in b.items()}
    as_in_b = {key: _carried(event, same) for key, event in a.items()}
    equal = {key: key_of[content] for key, event in as_in_b.items() if event and (content := _content(event)) in key_of}
    free = b.keys() - set(equal.values())
    events_at: dict[int, list[int]] = defaultdict(list)
    for key in sorted(free):
        for feature in _features(b[key]):
            events_at[feature].append(key)
    matches = {}
    for key, event in a.items():
        if key in equal:
            matches[key] = EventMatch(equal[key], "same", "it is the same, of the same pores")
            continue
        shared = Counter(
            other for feature in _features(event) if feature in same for other in events_at.get(same[feature], ())
        )
        matches[key] = _best(event, shared, b, same)
    return matches


def carry_correction(correction: Correction, same: Mapping[int, int]) -> Correction | None:
    """The correction among the features of the other run; None when one of them has no counterpart there."""
    try:
        return Correction(
            tuple((same[earlier], same[later]) for earlier, later in correction.add),
            tuple((same[earlier], same[later]) for earlier, later in correction.remove),
            tuple(same[feature] for feature in correction.spurious),
        )
    except KeyError:
        return None


def _points(a: FeaturesOf, b: FeaturesOf) -> tuple[np.ndarray, np.ndarray]:
    """Frame, row and column of each feature, with frames so far apart that none is near one of another frame."""
    rows, cols = np.concatenate([a.row, b.row]), np.concatenate([a.col, b.col])
    apart = 2 * (1 + np.ptp(rows) + np.ptp(cols))
    index = np.unique(np.concatenate([a.frame, b.frame]), return_inverse=True)[1]
    points = np.stack([index * apart, rows - rows.min(), cols - cols.min()], axis=1)
    return points[: a.ids.size], points[a.ids.size :]


def _candidates(points_a: np.ndarray, points_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices into a and b of pairs in which one is among the nearest to the other, each pair once."""
    near_b, near_a = _nearest(points_a, points_b), _nearest(points_b, points_a)
    of_a, of_b = (np.repeat(np.arange(len(near)), near.shape[1]) for near in (near_b, near_a))
    i, j = np.concatenate([of_a, near_a.ravel()]), np.concatenate([near_b.ravel(), of_b])
    once = np.unique(i * len(points_b) + j)
    return np.divmod(once, len(points_b))


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Indices of the nearest of the others to each point, nearest first."""
    ranks = range(1, min(_N_NEAREST, len(others)) + 1)
    return np.asarray(KDTree(others).query(points, k=[*ranks])[1])


def _is_first(values: np.ndarray) -> np.ndarray:
    """Which entries have not come before."""
    first = np.zeros(values.size, bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _content(event: EventOf) -> tuple[str, frozenset[int], frozenset[int]]:
    return event.kind, frozenset(event.parents), frozenset(event.children)


def _features(event: EventOf) -> tuple[int, ...]:
    return (*event.parents, *event.children)


def _carried(event: EventOf, same: Mapping[int, int]) -> EventOf | None:
    """The event of the counterparts of its features, None when one has none."""
    if not all(feature in same for feature in _features(event)):
        return None
    parents, children = (tuple(same[feature] for feature in ends) for ends in (event.parents, event.children))
    return EventOf(event.kind, event.frame, parents, children)


def _best(event: EventOf, shared: Counter[int], b: Mapping[int, EventOf], same: Mapping[int, int]) -> EventMatch:
    """The likest of the events with which it shares so many features, if it shares half of them."""
    if shared:

        def likeness(key: int) -> tuple[int, bool, int, int]:
            other = b[key]
            return shared[key], other.kind == event.kind, -len(_features(other)), -key

        key = max(shared, key=likeness)
        if 2 * shared[key] >= len(_features(event)):
            return EventMatch(key, "changed", _difference(event, b[key], same))
    features = _features(event)
    lost = _counted(sum(feature not in same for feature in features), len(features), "pore", "not there")
    return EventMatch(None, "gone", lost or "its pores are there, but no event of half of them")


def _difference(event: EventOf, other: EventOf, same: Mapping[int, int]) -> str:
    said = [f"{_named(event.kind)} is now {_named(other.kind)}"] if event.kind != other.kind else []
    theirs = set(_features(other))
    ours = {same[feature] for feature in _features(event) if feature in same}
    for role, mine, its in (("parent", event.parents, other.parents), ("child", event.children, other.children)):
        n_lost = sum(feature not in same for feature in mine)
        n_left = sum(feature in same and same[feature] not in theirs for feature in mine)
        n_more = len(set(its) - ours)
        said += [
            _counted(n_lost, len(mine), role, "not there"),
            _counted(n_left, len(mine), role, "no longer part of it"),
            f"there {'is' if n_more == 1 else 'are'} {_number(n_more)} more {_plural(role, n_more)}" if n_more else "",
        ]
    return ", ".join(words for words in said if words) or "the same pores are parents and children in another way"


def _counted(n: int, n_all: int, noun: str, predicate: str) -> str:
    """As in "one parent of 3 is not there"; empty for none."""
    if not n:
        return ""
    if n == n_all == 1:
        return f"its {noun} is {predicate}"
    return f"{_number(n)} {_plural(noun, n)} of {n_all} {'is' if n == 1 else 'are'} {predicate}"


def _number(n: int) -> str:
    return "one" if n == 1 else str(n)


def _plural(noun: str, n: int) -> str:
    if n == 1:
        return noun
    return "children" if noun == "child" else f"{noun}s"


def _named(kind: str) -> str:
    noun = _NOUNS.get(kind, kind)
    return f"{'an' if noun[0] == 'a' else 'a'} {noun}"
