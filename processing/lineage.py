"""Links to tracks, events and lineages; reviewers' verdicts come back in here."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from processing.track import Link

EVENT_KINDS = ("merge", "split", "gap", "appear", "disappear")


@dataclass(frozen=True)
class Node:
    """
    A feature as the lineage sees it.

    ``frame`` is its frame's index in the series, ``area`` in any unit, ``flux`` signed, in
    any unit; both NaN where unknown. ``on_edge``: it touches the edge of the patch.
    """

    id: int
    frame: int
    on_edge: bool = False
    area: float = float("nan")
    flux: float = float("nan")


@dataclass(frozen=True)
class TrackOf:
    """An unbranched chain of links: its number, its lineage's number, its features' ids in time."""

    number: int
    lineage: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class EventOf:
    """
    Something that happened to features at ``frame`` (index in the series).

    merge: parents become one child; split: one parent becomes children; gap: one parent
    is found again as one child after frames without it; appear: one child, no parent;
    disappear: one parent, no child.
    """

    kind: str
    frame: int
    parents: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True)
class Lineage:
    """The tracks and events of one series."""

    tracks: list[TrackOf]
    events: list[EventOf]


def build_lineage(
    nodes: Sequence[Node],
    links: Iterable[Link],
    *,
    n_frames: int,
    breaks: Collection[int] = (),
    numbers: Mapping[int, int] | None = None,
) -> Lineage:
    """
    Cut the graph of links into tracks and name what happens at their ends.

    A track ends where links join or part. Tracks are numbered from 1 by their first
    frame, then by their first feature's id, so that equal input gives equal numbers. With
    ``numbers`` (first feature's id -> number) tracks that were numbered before keep their
    numbers, whatever has come to them, and new ones count on from the highest.
    Appearing in the first frame, disappearing in the last, and both at the edge of the
    patch are not events: nothing is known of what was before or after. The same holds
    at ``breaks``: frames before which so much is missing that nothing can be linked.
    """
    links = list(links)
    frame_of = {node.id: node.frame for node in nodes}
    links_out, links_in = _by_end(links)
    next_of = {
        link.earlier: link.later for link in links if len(links_out[link.earlier]) == len(links_in[link.later]) == 1
    }
    continued = set(next_of.values())
    heads = sorted((node for node in nodes if node.id not in continued), key=lambda node: (node.frame, node.id))
    lineage_of = _lineages(nodes, links)
    known = numbers or {}
    following = count(max(known.values(), default=0) + 1)
    tracks = []
    for head in heads:
        number = known.get(head.id) or next(following)
        ids = [head.id]
        while ids[-1] in next_of:
            ids.append(next_of[ids[-1]])
        tracks.append(TrackOf(number, lineage_of[head.id], tuple(ids)))

    begins, ends = {0, *breaks}, {n_frames, *breaks}
    events = []
    for node in nodes:
        parents = tuple(sorted(link.earlier for link in links_in[node.id]))
        children = tuple(sorted(link.later for link in links_out[node.id]))
        if len(parents) > 1:
            events.append(EventOf("merge", node.frame, parents, (node.id,)))
        if len(children) > 1:
            events.append(EventOf("split", min(frame_of[child] for child in children), (node.id,), children))
        if not parents and node.frame not in begins and not node.on_edge:
            events.append(EventOf("appear", node.frame, (), (node.id,)))
        if not children and node.frame + 1 not in ends and not node.on_edge:
            events.append(EventOf("disappear", node.frame, (node.id,), ()))
    events += [
        EventOf("gap", frame_of[link.later], (link.earlier,), (link.later,)) for link in links if link.skipped > 0
    ]
    order = {kind: rank for rank, kind in enumerate(EVENT_KINDS)}
    events.sort(key=lambda event: (event.frame, order[event.kind], event.children, event.parents))
    return Lineage(tracks, events)


def apply_verdicts(links: Iterable[Link], rejected: Iterable[EventOf]) -> list[Link]:
    """
    The links that remain when reviewers have rejected these events.

    A rejected merge or split keeps its cheapest link, the best continuation, and loses
    the others; a rejected gap loses its link. Rejecting an appearance or disappearance
    removes nothing, since it says that a link is missing, not which.
    """
    remaining = list(links)
    cost_of: Mapping[tuple[int, int], float] = {(link.earlier, link.later): link.cost for link in remaining}
    dropped: set[tuple[int, int]] = set()
    for event in rejected:
        pairs = [(parent, child) for parent in event.parents for child in event.children if (parent, child) in cost_of]
        if event.kind in ("merge", "split"):
            pairs.sort(key=lambda pair: (cost_of[pair], pair))
            dropped.update(pairs[1:])
        elif event.kind == "gap":
            dropped.update(pairs)
    return [link for link in remaining if (link.earlier, link.later) not in dropped]


def _by_end(links: list[Link]) -> tuple[dict[int, list[Link]], dict[int, list[Link]]]:
    links_out: dict[int, list[Link]] = defaultdict(list)
    links_in: dict[int, list[Link]] = defaultdict(list)
    for link in links:
        links_out[link.earlier].append(link)
        links_in[link.later].append(link)
    return links_out, links_in


def _lineages(nodes: Sequence[Node], links: list[Link]) -> dict[int, int]:
    """Number, from 1, of the connected part of the graph that each feature belongs to."""
    if not nodes:
        return {}
    index = {node.id: k for k, node in enumerate(sorted(nodes, key=lambda node: (node.frame, node.id)))}
    ends = np.array([(index[link.earlier], index[link.later]) for link in links], dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(index), len(index)))
    _, part = connected_components(graph, directed=False)
    return {node_id: int(part[k]) + 1 for node_id, k in index.items()}
