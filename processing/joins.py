"""Events that are one: what lies between them is contracted in the graph of links."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import inf, isnan, nan

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from processing.lineage import EventOf, Node
from processing.track import Link

Pair = tuple[int, int]


class Graph:
    """Features and links by id, with what comes after and before each feature. Without nodes, frames are unknown."""

    def __init__(self, nodes: Iterable[Node], links: Iterable[Link]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.links: dict[Pair, Link] = {}
        self.after: dict[int, dict[int, None]] = defaultdict(dict)
        self.before: dict[int, dict[int, None]] = defaultdict(dict)
        for link in links:
            self.add(link)

    def frame_of(self, feature: int) -> int:
        """The frame of a feature that is a node."""
        return self.nodes[feature].frame

    def may_hold(self, feature: int) -> bool:
        """Whether it is a node, as far as nodes are known."""
        return not self.nodes or feature in self.nodes

    def holds(self, pair: Pair) -> bool:
        """Whether both ends are here, in the order of time."""
        return pair[0] in self.nodes and pair[1] in self.nodes and self.frame_of(pair[0]) < self.frame_of(pair[1])

    def add(self, link: Link) -> None:
        """Put a link in, in the place of one that joined the same features."""
        self.links[link.earlier, link.later] = link
        self.after[link.earlier][link.later] = None
        self.before[link.later][link.earlier] = None

    def cut(self, pair: Pair) -> None:
        """Take a link out; harmless where there is none."""
        if self.links.pop(pair, None):
            del self.after[pair[0]][pair[1]], self.before[pair[1]][pair[0]]

    def touching(self, feature: int) -> list[Pair]:
        """All links of a feature."""
        before, after = self.before.get(feature, ()), self.after.get(feature, ())
        return [(other, feature) for other in before] + [(feature, other) for other in after]

    def drop(self, feature: int) -> None:
        """Take a feature out, with all its links."""
        for pair in self.touching(feature):
            self.cut(pair)
        del self.nodes[feature]


def drawn(pair: Pair, *, skipped: int) -> Link:
    """A link that only people have seen."""
    return Link(*pair, cost=nan, overlap=nan, distance_mm=nan, skipped=skipped, probability=None)


def event_pairs(event: EventOf) -> Iterable[Pair]:
    """The links that the event is made of."""
    return product(event.parents, event.children)


def problem_of(events: Sequence[EventOf], graph: Graph) -> str:
    """Why these different events of the graph cannot be one, one sentence without full stop; empty if they can."""
    return _seam_problem(events, _seam(events, graph), graph)


@dataclass(frozen=True)
class Joined:
    """
    What became of the joins.

    ``groups`` of events are one now, ``refused`` says why others are not, by key;
    ``absorbed`` features have left the graph to those that carry them.
    """

    groups: list[tuple[EventOf, ...]]
    absorbed: dict[int, int]
    refused: dict[int, str]


def join_all(joins: Mapping[int, tuple[EventOf, ...]], graph: Graph) -> Joined:
    """
    Contract the graph where groups of events, by key, are one.

    Groups that share an event are one group, and so are those of which one has pores
    between the events of the other. From one pore to one, the track goes on through the
    largest feature of each frame, which carries the others; from or to several, links join
    parents and children directly, none of them a gap, and the one child, or the one
    parent, carries all.
    """
    joined = Joined([], {}, {})
    alone = [_group([key], events, graph) for key, events in joins.items()]
    for group in alone:
        if problem := _seam_problem(group.events, group.seam, graph):
            joined.refused[group.keys[0]] = problem
    for group in _united([group for group in alone if group.keys[0] not in joined.refused], graph):
        seam = _seam(group.events, graph)  # of the graph as the groups before have left it
        if problem := _seam_problem(group.events, seam, graph):
            joined.refused.update(dict.fromkeys(group.keys, problem))
        else:
            joined.absorbed.update(_contract(seam, graph))
            joined.groups.append(tuple(group.events))
    for feature, carrier in joined.absorbed.items():
        while carrier in joined.absorbed:  # it was itself absorbed, by another group
            carrier = joined.absorbed[carrier]
        joined.absorbed[feature] = carrier
    return joined


@dataclass(frozen=True)
class _Seam:
    """Where events would be one: the features strictly between, those before them, those after them."""

    inner: set[int]
    parents: list[int]
    children: list[int]


@dataclass(frozen=True)
class _Group:
    """Events that are to be one, the keys of those who said so, and where they would be."""

    keys: list[int]
    events: list[EventOf]
    seam: _Seam


def _group(keys: list[int], events: Iterable[EventOf], graph: Graph) -> _Group:
    events = list(dict.fromkeys(events))
    return _Group(keys, events, _seam(events, graph))


def _united(groups: list[_Group], graph: Graph) -> list[_Group]:
    """The same with those in one that share an event, or of which one has pores between the other's events."""
    while groups:
        holder: dict[Hashable, int] = {
            held: k for k, group in enumerate(groups) for held in (*group.events, *group.seam.inner)
        }
        meetings = [
            (k, holder[met])
            for k, group in enumerate(groups)
            for met in (*group.events, *group.seam.inner, *_features(group.events))
            if met in holder
        ]
        one, other = np.array(meetings).T
        graph_of_groups = coo_array((np.ones(len(meetings)), (one, other)), shape=(len(groups), len(groups)))
        n_parts, part = connected_components(graph_of_groups, directed=False)
        if n_parts == len(groups):
            break
        parts: list[list[_Group]] = [[] for _ in range(n_parts)]
        for k, group in zip(part, groups, strict=True):
            parts[k].append(group)
        groups = [
            _group([key for one in part for key in one.keys], [event for one in part for event in one.events], graph)
            if len(part) > 1
            else part[0]
            for part in parts
        ]
    return groups


def _features(events: Iterable[EventOf]) -> list[int]:
    return [feature for event in events for feature in (*event.parents, *event.children)]


def _seam(events: Sequence[EventOf], graph: Graph) -> _Seam:
    """What lies on a way from a child of one of the events to a parent of another, and what borders on it."""
    ends = {parent for event in events for parent in event.parents if graph.may_hold(parent)}
    last = max((graph.frame_of(end) for end in ends if graph.nodes), default=0)
    ahead, inner = set[int](), set[int]()
    waiting = [child for event in events for child in event.children if graph.may_hold(child)]
    while waiting:
        feature = waiting.pop()
        if feature not in ahead and (not graph.nodes or graph.frame_of(feature) <= last):
            ahead.add(feature)
            waiting += graph.after.get(feature, ())
    waiting = [*ends]
    while waiting:
        feature = waiting.pop()
        if feature in ahead and feature not in inner:
            inner.add(feature)
            waiting += graph.before.get(feature, ())
    pairs = {pair for feature in inner for pair in graph.touching(feature)}
    pairs |= {pair for event in events for pair in event_pairs(event) if pair in graph.links}
    parents, children = ({pair[side] for pair in pairs} - inner for side in (0, 1))
    return _Seam(inner, sorted(parents), sorted(children))


def _seam_problem(events: Sequence[EventOf], seam: _Seam, graph: Graph) -> str:
    if len(events) < 2:
        return "it takes two events to make them one"
    if any(event.kind in ("appear", "disappear") for event in events):
        return "an appearance or a disappearance cannot be one with another event"
    if all(event.kind == "gap" for event in events):
        return "gaps alone cannot be one event"
    if not _connected(events, seam, graph):
        return "these events are not connected through pores between them"
    before, after = len(seam.parents), len(seam.children)
    if not before or not after or min(before, after) > 1:
        return f"one event has a single pore before or after it, and these have {before} before and {after} after"
    if graph.nodes and max(map(graph.frame_of, seam.parents)) >= min(map(graph.frame_of, seam.children)):
        return "the pores after these events are not later than those before"
    return ""


def _connected(events: Sequence[EventOf], seam: _Seam, graph: Graph) -> bool:
    """Whether one can walk from event to event, by pores that two of them share and links between inner ones."""
    events_at: dict[int, list[EventOf]] = defaultdict(list)
    for event in events:
        for feature in _features([event]):
            events_at[feature].append(event)
    seen = set[int]()
    waiting = _features(events[:1])
    while waiting:
        feature = waiting.pop()
        if feature in seen:
            continue
        seen.add(feature)
        waiting += _features(events_at[feature])
        if feature in seam.inner:
            waiting += [end for pair in graph.touching(feature) for end in pair if end in seam.inner]
    return all(seen.intersection(_features([event])) for event in events)


def _contract(seam: _Seam, graph: Graph) -> dict[int, int]:
    """Take what lies between out of the graph; which feature carries each one that leaves."""
    if len(seam.parents) == len(seam.children) == 1:
        return _go_through(seam, graph)
    carrier = seam.parents[0] if len(seam.parents) == 1 else seam.children[0]
    for feature in seam.inner:
        graph.drop(feature)
    for pair in product(seam.parents, seam.children):
        if pair not in graph.links:
            graph.add(drawn(pair, skipped=0))  # nothing is missed: what is between is there, absorbed
    return dict.fromkeys(sorted(seam.inner), carrier)


def _go_through(seam: _Seam, graph: Graph) -> dict[int, int]:
    """From one pore to one: through the largest feature of each frame, which carries the others there."""
    parent, child = seam.parents[0], seam.children[0]
    first, last = graph.frame_of(parent), graph.frame_of(child)
    carriers: dict[int, int] = {}
    for feature in sorted(seam.inner, key=lambda feature: _size(graph.nodes[feature])):
        if first < graph.frame_of(feature) < last:
            carriers[graph.frame_of(feature)] = feature
    track = [parent, *(carriers[frame] for frame in sorted(carriers)), child]
    absorbed = {}
    for feature in sorted(seam.inner - set(track)):
        frame = graph.frame_of(feature)
        absorbed[feature] = carriers.get(frame, parent if frame <= first else child)
    steps = {pair: graph.links.get(pair) for pair in pairwise(track)}
    graph.cut((parent, child))
    for feature in seam.inner:
        for pair in graph.touching(feature):
            graph.cut(pair)
    for feature in absorbed:
        graph.drop(feature)
    for (earlier, later), link in steps.items():
        graph.add(link or drawn((earlier, later), skipped=graph.frame_of(later) - graph.frame_of(earlier) - 1))
    return absorbed


def _size(node: Node) -> tuple[float, int]:
    """Orders features by area, unknown ones first, of equal ones the larger id first."""
    return (-inf if isnan(node.area) else node.area), -node.id
