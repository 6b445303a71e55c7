"""How sure each event of a lineage is, what the runner-up would be, and why, in words."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, isfinite, log

import numpy as np

from processing.errors import ParameterError
from processing.lineage import EVENT_KINDS, EventOf, Lineage, Node
from processing.track.paths import is_joined
from processing.track.probability import LinkModel, default_model
from processing.track.series import Link, Linked

# What the event model looks at, each without a unit; see `event_features`.
EVENT_FEATURES = (
    *EVENT_KINDS, "sum_of_log_odds", "least_odds", "best_rejected", "sum_of_rejected", "margin", "balance",
    "n_links", "skipped", "flux_known", "flux_balance", "second_rejected", "size", "growth_before", "growth_after",
    "lived_before", "lives_after",
)  # fmt: skip
# Odds of a link whose probability is not known (a run of an earlier tracker), and the bounds of all.
UNKNOWN, FEWEST, MOST = 0.5, 1e-4, 1 - 1e-4
LEAST_MU = 0.05
LIFE = 4  # frames before and after an event that are looked at
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
FINE = 0.9  # beyond this two digits say too little: 0.96 and 0.99 are four times apart


@dataclass(frozen=True)
class Certainty:
    """
    What speaks for an event and against it.

    ``probability`` that the event is as it stands, 0 to 1; ``runner_up`` the next best
    reading in words (empty if there is none), with its own ``runner_up_probability``;
    ``margin`` how much dearer it is than the answer, in the units of
    `processing.track.Link.cost` (infinite if there is none); ``reasons`` what the event
    stands on, in one sentence without its capital and full stop.
    """

    probability: float
    runner_up: str
    runner_up_probability: float
    margin: float
    reasons: str


@dataclass(frozen=True)
class Alternative:
    """Another reading of an event and how much dearer it is than the answer."""

    words: str
    margin: float


@dataclass
class _Graph:
    """The lineage as the alternatives are looked up in it."""

    nodes: dict[int, Node]
    track: dict[int, int]
    links_in: dict[int, list[Link]] = field(default_factory=lambda: defaultdict(list))
    links_out: dict[int, list[Link]] = field(default_factory=lambda: defaultdict(list))
    rejected_in: dict[int, list[Link]] = field(default_factory=lambda: defaultdict(list))
    rejected_out: dict[int, list[Link]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def onward(self) -> dict[int, list[int]]:
        """Each feature's successors."""
        return {number: [link.later for link in links] for number, links in self.links_out.items()}

    @cached_property
    def typical_area(self) -> float:
        """Median area of the features; NaN where none is known."""
        known = [node.area for node in self.nodes.values() if isfinite(node.area)]
        return float(np.median(known)) if known else float("nan")


def digits(probability: float) -> str:
    """A probability in two digits, three where it comes near 0 or 1, and never 0 or 1 itself."""
    if probability < 0.0005:
        return "< 0.001"
    if probability >= 0.9995:
        return "> 0.999"
    return f"{probability:.3f}" if probability > FINE or probability < 1 - FINE else f"{probability:.2f}"


def doubt(probability: float, mu: float | None) -> float:
    """
    How much an event wants to be looked at, 0 to 1: the odds that it is wrong, over mu.

    ``probability`` (`Certainty.probability`) holds what the links, the margin to the runner-up
    and the balance of area and flux say. The least mu of its pores comes in here: a pixel
    covers 1/mu as much of the Sun along the radius, so what is seen there is worth that much
    less. ``mu`` None: not known, taken as 1; below LEAST_MU it is taken as that.
    """
    odds = (1 - probability) / max(probability, FEWEST) / max(1.0 if mu is None else mu, LEAST_MU)
    return odds / (1 + odds)


def weigh_events(
    lineage: Lineage, nodes: Sequence[Node], linked: Linked, *, model: LinkModel | None = None
) -> list[Certainty]:
    """The certainty of each of the lineage's events, in their order."""
    graph = _graph(lineage, nodes, linked)
    alternatives = [_alternatives(graph, event) for event in lineage.events]
    if not lineage.events:
        return []
    model = model or default_model()
    if model.event_features != EVENT_FEATURES:
        raise ParameterError("the model was trained on other features of events; train it again")
    features = np.array([
        event_features(graph, event, found) for event, found in zip(lineage.events, alternatives, strict=True)
    ])  # fmt: skip
    probability = model.events(features)
    return [
        _certainty(graph, event, found, float(value))
        for event, found, value in zip(lineage.events, alternatives, probability, strict=True)
    ]


def features_of_events(lineage: Lineage, nodes: Sequence[Node], linked: Linked) -> np.ndarray:
    """The values of EVENT_FEATURES of each event, shape (n_events, len(EVENT_FEATURES)); for training."""
    graph = _graph(lineage, nodes, linked)
    rows = [event_features(graph, event, _alternatives(graph, event)) for event in lineage.events]
    return np.array(rows, np.float32).reshape(len(rows), len(EVENT_FEATURES))


def event_features(graph: _Graph, event: EventOf, alternatives: list[Alternative]) -> list[float]:
    """The values of EVENT_FEATURES: what kind it is, its links, their rivals, and whether area and flux add up."""
    links, rivals = _links_of(graph, event), _rivals_of(graph, event)
    odds = [_odds(link) for link in links] or [0.0]
    against = [_probability(link) for link in rivals] or [0.0]
    area, flux = _balance(graph, event, "area"), _balance(graph, event, "flux")
    return [
        *(float(event.kind == kind) for kind in EVENT_KINDS),
        sum(log(_probability(link)) for link in links),
        min(odds),
        max(against),
        sum(log(1 - value) for value in against),
        min((other.margin for other in alternatives), default=10.0),
        abs(area) if isfinite(area) else 0.0,
        float(len(links)),
        float(max((link.skipped for link in links), default=0)),
        float(isfinite(flux)),
        min(abs(flux), 3.0) if isfinite(flux) else 0.0,
        sorted(against)[-2] if len(against) > 1 else 0.0,
        *_lives(graph, event),
    ]


def _lives(graph: _Graph, event: EventOf) -> list[float]:
    """
    Size of the smallest feature of the event, how it grew before and after, and how long it lived.

    A pore that shrank has died; a large one that is gone from one frame to the next has
    more likely merged, and what was there for one frame only was no pore.
    """
    members = [graph.nodes[number] for number in (event.parents if event.kind in ("merge", "disappear") else ())]
    members = members or [graph.nodes[number] for number in event.children]
    smallest = min(members, key=lambda node: (node.area, node.id))
    before, after = _follow(graph.links_in, smallest.id, "earlier"), _follow(graph.links_out, smallest.id, "later")
    return [
        _log_ratio(smallest.area, graph.typical_area),
        _log_ratio(smallest.area, graph.nodes[before[0]].area) if before else 0.0,
        _log_ratio(graph.nodes[after[0]].area, smallest.area) if after else 0.0,
        float(len(before)),
        float(len(after)),
    ]


def _follow(links: Mapping[int, list[Link]], start: int, end: str) -> list[int]:
    """The features along the links from one on, no more than LIFE of them, as long as they neither join nor part."""
    found: list[int] = []
    here = links.get(start, [])
    while len(here) == 1 and len(found) < LIFE:
        found.append(getattr(here[0], end))
        here = links.get(found[-1], [])
    return found


def _log_ratio(value: float, other: float) -> float:
    return log(value / other) if value > 0 and other > 0 else 0.0  # NaN compares as False


def _graph(lineage: Lineage, nodes: Sequence[Node], linked: Linked) -> _Graph:
    graph = _Graph(
        {node.id: node for node in nodes},
        {feature: track.number for track in lineage.tracks for feature in track.ids},
    )
    for links, out, into in (
        (linked.links, graph.links_out, graph.links_in),
        (linked.rejected, graph.rejected_out, graph.rejected_in),
    ):
        for link in links:
            out[link.earlier].append(link)
            into[link.later].append(link)
    return graph


def _links_of(graph: _Graph, event: EventOf) -> list[Link]:
    return [link for parent in event.parents for link in graph.links_out[parent] if link.later in event.children]


def _rivals_of(graph: _Graph, event: EventOf) -> list[Link]:
    """Links that were not chosen at either end of the event and would join what is not joined."""
    found = [link for parent in event.parents for link in graph.rejected_out[parent]]
    found += [link for child in event.children for link in graph.rejected_in[child] if link not in found]
    return [link for link in found if not _already_joined(graph, link)]


def _already_joined(graph: _Graph, link: Link) -> bool:
    """Whether chosen links lead from one end of a link to the other."""
    return is_joined(link.earlier, link.later, graph.onward, lambda number: graph.nodes[number].frame, directly=True)


def _alternatives(graph: _Graph, event: EventOf) -> list[Alternative]:
    """Readings that differ by one link lost, one won, or one put in place of another; the least dear first."""
    found, rivals = [], _rivals_of(graph, event)
    for link in _links_of(graph, event):
        found.append(Alternative(_without(graph, event, link), _odds(link)))
        for other in rivals:
            end = other.later == link.later if event.kind == "split" else other.earlier == link.earlier
            if end:
                found.append(Alternative(_instead(graph, link, other), _odds(link) - _odds(other)))
    for other in rivals:
        if event.kind in ("appear", "disappear") or other.later in event.children or event.kind == "split":
            found.append(Alternative(_with(graph, event, other), -_odds(other)))
    return sorted(found, key=lambda other: (other.margin, other.words))


def _without(graph: _Graph, event: EventOf, link: Link) -> str:
    parent, child = _name(graph, link.earlier), _name(graph, link.later)
    if event.kind == "merge":
        return f"{parent} disappears"
    if event.kind == "split":
        return f"{child} appears by itself"
    if parent == child:
        return f"{parent} ends and another begins"
    return f"{parent} disappears and {child} appears"


def _instead(graph: _Graph, link: Link, other: Link) -> str:
    if other.earlier == link.earlier:
        return f"{_name(graph, link.earlier)} goes on as {_name(graph, other.later)} instead"
    return f"{_name(graph, link.later)} comes from {_name(graph, other.earlier)} instead"


def _with(graph: _Graph, event: EventOf, other: Link) -> str:
    parent, child = _name(graph, other.earlier), _name(graph, other.later)
    gap = f" after {_frames_without_it(other)}" if other.skipped else ""
    if event.kind == "appear":
        verb = "splits from" if graph.links_out[other.earlier] else "continues"
        return f"{child} {verb} {parent}{gap}"
    if event.kind == "disappear":
        verb = "merges into" if graph.links_in[other.later] else "goes on as"
        return f"{parent} {verb} {child}{gap}"
    if other.later in event.children:
        return f"{parent} merges into {child} too{gap}"
    return f"{child} splits from {parent} too{gap}"


def _certainty(graph: _Graph, event: EventOf, alternatives: list[Alternative], probability: float) -> Certainty:
    """What is left of the probability is shared by the alternatives as their costs say."""
    reasons = _reasons(graph, event, alternatives)
    if not alternatives:
        return Certainty(probability, "", 0.0, float("inf"), reasons)
    best = alternatives[0]
    weights = [exp(-min(max(other.margin - best.margin, 0.0), 50.0)) for other in alternatives]
    share = (1 - probability) / sum(weights)
    return Certainty(probability, best.words, share, best.margin, reasons)


def _reasons(graph: _Graph, event: EventOf, alternatives: list[Alternative]) -> str:
    """What the event stands on, such as "two parents, links 0.97 and 0.90; area +3 %, flux −1 %"."""
    if not (event.parents and event.children):
        return _ends_in_words(graph, event) if alternatives else "no other reading"
    changes = [
        f"{name} {_percent(-100 * balance)}"
        for name in ("area", "flux")
        if isfinite(balance := _balance(graph, event, name))
    ]
    return "; ".join([_links_in_words(graph, event), *([", ".join(changes)] if changes else [])])


def _ends_in_words(graph: _Graph, event: EventOf) -> str:
    """How many links a birth or a death might have had, and the likeliest."""
    against = [_probability(link) for link in _rivals_of(graph, event)]
    end = "past" if event.kind == "appear" else "future"
    likeliest = digits(max(against))
    if len(against) == 1:
        return f"one possible {end}, link {likeliest}"
    return f"{NUMBERS.get(len(against), len(against))} possible {end}s, likeliest link {likeliest}"


def _links_in_words(graph: _Graph, event: EventOf) -> str:
    links = _links_of(graph, event)
    shown = [digits(_probability(link)) for link in links]
    if len(shown) == 1:
        odds = f"link {shown[0]}"
    elif len(set(shown)) == 1:
        odds = f"links {shown[0]} each"
    else:
        odds = f"links {', '.join(shown[:-1])} and {shown[-1]}"
    if event.kind == "merge":
        return f"{NUMBERS.get(len(links), len(links))} parents, {odds}"
    if event.kind == "split":
        return f"{NUMBERS.get(len(links), len(links))} children, {odds}"
    return f"found again after {_frames_without_it(links[0])}, {odds}"


def _frames_without_it(link: Link) -> str:
    return f"{link.skipped} frame{'s' if link.skipped > 1 else ''} without it"


def _percent(change: float) -> str:
    """A change such as "+3 %", "−3 %" or "0 %", with a minus sign that is no hyphen and a space that does not break."""
    number = f"{change:+.0f}".replace("-", "−") if abs(change) >= 0.5 else "0"
    return f"{number}\N{NO-BREAK SPACE}%"


def _balance(graph: _Graph, event: EventOf, name: str) -> float:
    """What goes in minus what comes out, over what goes in; NaN where it is not known or is not all of it."""
    if not event.parents or not event.children:
        return float("nan")
    if event.kind == "gap" and (
        len(graph.links_in[event.children[0]]) > 1 or len(graph.links_out[event.parents[0]]) > 1
    ):
        return float("nan")  # others came, or went, at the same time
    before = sum(getattr(graph.nodes[parent], name) for parent in event.parents)
    after = sum(getattr(graph.nodes[child], name) for child in event.children)
    return float((before - after) / before) if before else float("nan")


def _name(graph: _Graph, feature: int) -> str:
    return f"track {graph.track[feature]}"


def _probability(link: Link) -> float:
    return min(max(UNKNOWN if link.probability is None else link.probability, FEWEST), MOST)


def _odds(link: Link) -> float:
    probability = _probability(link)
    return log(probability / (1 - probability))
