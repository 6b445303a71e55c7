"""Settled judgements to the published lineage: what people accept, reject, correct and join."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from processing.errors import ParameterError
from processing.joins import Graph, Pair, drawn, event_pairs, join_all, problem_of
from processing.lineage import EventOf, Lineage, Node, apply_verdicts, build_lineage
from processing.track import Link

CHOICES = ("accept", "reject", "correct")
MAX_ITEMS = 200  # of one correction: more is not one person's look at one event
_LARGEST_ID = 2**63 - 1  # of a row's key


@dataclass(frozen=True)
class Correction:
    """
    What a person draws instead of an event; all features by id.

    ``add`` are links (earlier, later) that are there, ``remove`` links that are not,
    ``spurious`` features that are no pores.
    """

    add: tuple[Pair, ...] = ()
    remove: tuple[Pair, ...] = ()
    spurious: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, given: object) -> "Correction":
        """
        Read what `as_dict` writes; what is repeated counts once, what is left out is empty.

        Raises
        ------
        ParameterError
            If it is anything else, one sentence on the first thing that is wrong.
        """
        if not isinstance(given, Mapping):
            raise ParameterError("a correction must be an object with add, remove and spurious")
        for name, value in given.items():
            if name not in ("add", "remove", "spurious"):
                raise ParameterError(f"a correction has add, remove and spurious, not {str(name)[:40]!r}")
            if not isinstance(value, (list, tuple)):
                raise ParameterError(f"{name} of a correction must be a list")
        if (n_items := sum(map(len, given.values()))) > MAX_ITEMS:
            raise ParameterError(f"a correction must have at most {MAX_ITEMS} items, not {n_items}")
        add, remove = (tuple(dict.fromkeys(map(_pair, given.get(name, ())))) for name in ("add", "remove"))
        if both := sorted(set(add) & set(remove)):
            raise ParameterError(f"the link from {both[0][0]} to {both[0][1]} is both added and removed")
        return cls(add, remove, tuple(dict.fromkeys(map(_feature_id, given.get("spurious", ())))))

    def as_dict(self) -> dict[str, list[Any]]:
        """Lists of pairs and ids, ready for JSON."""
        return {
            "add": [list(pair) for pair in self.add],
            "remove": [list(pair) for pair in self.remove],
            "spurious": list(self.spurious),
        }


def _pair(given: object) -> Pair:
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise ParameterError("a link of a correction must be two features' ids")
    earlier, later = map(_feature_id, given)
    if earlier == later:
        raise ParameterError(f"a link of a correction must join two features, not {earlier} with itself")
    return earlier, later


def _feature_id(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= _LARGEST_ID:
        raise ParameterError("a feature's id must be a whole number from 0 up")
    return given


@dataclass(frozen=True)
class Judgement:
    """
    What was settled of one event.

    ``key`` is the caller's, one an event, to name it in conflicts. ``joined`` are other
    events that are one with this one; a rejection has none.
    """

    key: int
    event: EventOf
    choice: str
    correction: Correction = Correction()
    joined: tuple[EventOf, ...] = ()

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise ParameterError(f"a judgement's choice must be one of {', '.join(CHOICES)}, not {self.choice!r}")


@dataclass(frozen=True)
class Conflict:
    """A link on which two judgements differ, by their keys; the later one holds."""

    pair: Pair
    earlier: int
    later: int


@dataclass(frozen=True)
class Edited:
    """
    The graph once people have been heard.

    ``joined`` are the groups of events that became one, ``unjoined`` why others did not,
    by the key of the judgement. ``absorbed`` features have left the graph to those that
    carry them. ``spurious`` features have left it for good.
    """

    nodes: list[Node]
    links: list[Link]
    joined: list[tuple[EventOf, ...]] = field(default_factory=list)
    absorbed: dict[int, int] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    spurious: set[int] = field(default_factory=set)
    unjoined: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """
    What a tracker is to leave as it is.

    ``pairs`` of features are linked, or are not. Further, a ``spurious`` feature has no link
    with a pore, and a ``closed`` end, (side of a pair, feature), has none at all.
    """

    pairs: dict[Pair, bool] = field(default_factory=dict)
    spurious: set[int] = field(default_factory=set)
    closed: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Published:
    """
    Machine and people in one lineage.

    ``track_of`` gives the number of each feature's track: that of its carrier for an
    absorbed one, none for a spurious one. The rest is as in `Edited`.
    """

    lineage: Lineage
    track_of: dict[int, int]
    links: list[Link]
    conflicts: list[Conflict]
    spurious: set[int]
    absorbed: dict[int, int]
    unjoined: dict[int, str]


def correction_problem(correction: Correction, frame_of: Mapping[int, int]) -> str:
    """Why a correction is impossible among features in these frames, one sentence without full stop; empty if it is."""
    pairs = (*correction.add, *correction.remove)
    for feature in (*(end for pair in pairs for end in pair), *correction.spurious):
        if feature not in frame_of:
            return f"there is no feature {feature} in this run"
    for earlier, later in pairs:
        if frame_of[earlier] >= frame_of[later]:
            return f"a link goes forward in time, and feature {later} is not later than feature {earlier}"
    for end in (end for pair in correction.add for end in pair):
        if end in correction.spurious:
            return f"feature {end} cannot be spurious and have a link"
    return ""


def join_problem(events: Iterable[EventOf], links: Iterable[Link]) -> str:
    """Why these events cannot be one, one sentence without full stop; empty if they can."""
    group = list(dict.fromkeys(events))
    return problem_of(group, Graph((), links))


def apply_judgements(nodes: Sequence[Node], links: Iterable[Link], judgements: Iterable[Judgement]) -> Edited:
    """
    The graph that is left and drawn by judgements, given in the order in which they were settled.

    On each link the later judgement holds. An accepted event has its links, and an
    accepted appearance (disappearance) none into (out of) its pore; a rejected one has of
    its links the one that `processing.lineage.apply_verdicts` leaves it, and no other. A
    link that the machine had not has cost, overlap and distance NaN and no probability. A
    spurious feature goes with all its links, unless a later judgement gives it one. What is
    said of features that are not there, or of links back in time, changes nothing; see
    `correction_problem`.

    Events that are one lose the features between them: from one pore to one, the track
    goes on through the largest feature of each frame, which carries the others; from or to
    several, links join parents and children directly, none of them a gap, and the one
    child, or the one parent, carries all that was between. A join falls when one of its
    events is rejected later, or when its graph has become such that it cannot be one.
    """
    given = {(link.earlier, link.later): link for link in links}
    book = _Book(given)
    for judgement in judgements:
        book.enter(judgement)
    known = {node.id for node in nodes}
    spurious = known & book.spurious.keys()
    graph = Graph([node for node in nodes if node.id not in spurious], ())
    for pair, link in given.items():
        if book.leaves(pair) and graph.holds(pair):
            graph.add(link)
    for pair, (present, _) in book.said.items():
        if present and pair not in given and graph.holds(pair):
            graph.add(drawn(pair, skipped=graph.frame_of(pair[1]) - graph.frame_of(pair[0]) - 1))
    standing, unjoined = book.joins()
    joined = join_all(standing, graph)
    return Edited(
        nodes=list(graph.nodes.values()),
        links=list(graph.links.values()),
        joined=joined.groups,
        absorbed=joined.absorbed,
        conflicts=list(book.conflicts),
        spurious=spurious,
        unjoined=unjoined | joined.refused,
    )


def settled_of(links: Iterable[Link], judgements: Iterable[Judgement]) -> Settled:
    """
    What is settled, for a tracker.

    What a corrected event keeps of its links is settled with it, also those of a spurious
    feature: so the event is found again, and with it what was said of it.
    """
    book, listed = _Book({(link.earlier, link.later): link for link in links}), list(judgements)
    for judgement in listed:
        book.enter(judgement)
    kept = [pair for one in listed if one.choice == "correct" for pair in event_pairs(one.event) if pair in book.given]
    closed = filter(book.is_closed, book.given)
    said = {pair: present for pair, (present, _) in book.said.items()}
    pairs = {**dict.fromkeys(kept, True), **dict.fromkeys(closed, False), **said}
    return Settled(pairs, set(book.spurious), set(book.closed))


def published_lineage(
    nodes: Sequence[Node],
    links: Iterable[Link],
    judgements: Iterable[Judgement],
    *,
    n_frames: int,
    breaks: Collection[int] = (),
    numbers: Mapping[int, int] | None = None,
) -> Published:
    """
    Machine links and settled judgements to the lineage that is published.

    ``n_frames``, ``breaks`` and ``numbers`` are those of
    `processing.lineage.build_lineage`. A track that loses its first features keeps its
    number, too.
    """
    links = list(links)
    edited = apply_judgements(nodes, links, judgements)
    if numbers:
        numbers = _handed_on(numbers, links, {node.id for node in nodes} - {node.id for node in edited.nodes})
    lineage = build_lineage(edited.nodes, edited.links, n_frames=n_frames, breaks=breaks, numbers=numbers)
    track_of = {feature: track.number for track in lineage.tracks for feature in track.ids}
    track_of |= {feature: track_of[carrier] for feature, carrier in edited.absorbed.items()}
    return Published(
        lineage, track_of, edited.links, edited.conflicts, edited.spurious, edited.absorbed, edited.unjoined
    )  # fmt: skip


def _handed_on(numbers: Mapping[int, int], links: list[Link], gone: set[int]) -> Mapping[int, int]:
    """Numbers by first feature, also by the first that is left of the machine's tracks whose own is gone."""
    headless = gone & numbers.keys()
    if not headless:
        return numbers
    graph = Graph((), links)
    handed = dict(numbers)
    for head in headless:
        feature = head
        while feature in gone and len(after := graph.after[feature]) == 1:
            (following,) = after
            if len(graph.before[following]) > 1:
                break
            feature = following
        if feature not in gone:
            handed.setdefault(feature, numbers[head])
    return handed


class _Book:
    """Who said what last of each link and each feature, and where people differ."""

    def __init__(self, given: Mapping[Pair, Link]) -> None:
        self.given = given
        self.said: dict[Pair, tuple[bool, int]] = {}
        self.spurious: dict[int, int] = {}
        self.closed: dict[tuple[int, int], int] = {}  # (side of a pair, feature) that no link may have
        self.conflicts: dict[Conflict, None] = {}
        self._turns = count()
        self._joins: dict[int, tuple[int, tuple[EventOf, ...]]] = {}
        self._rejected: dict[EventOf, int] = {}
        self._touching: dict[int, dict[Pair, None]] = defaultdict(dict)

    def enter(self, judgement: Judgement) -> None:
        """Take in the next judgement."""
        key, event, turn = judgement.key, judgement.event, next(self._turns)
        self._joins.pop(key, None)
        if judgement.choice == "reject":
            self._rejected[event] = turn
            self._reject(event, key)
            return
        self._rejected.pop(event, None)
        group = tuple(dict.fromkeys((event, *judgement.joined)))
        if len(group) > 1:
            self._joins[key] = turn, group
        if len(group) > 1 or judgement.choice == "accept":
            for one in group:
                self._accept(one, key)
        if judgement.choice == "correct":
            self._correct(judgement.correction, key)

    def joins(self) -> tuple[dict[int, tuple[EventOf, ...]], dict[int, str]]:
        """The groups of events that are to be one, by key, and why others are no more."""
        standing, fallen = {}, {}
        for key, (turn, group) in self._joins.items():
            if any(self._rejected.get(event, -1) > turn for event in group):
                fallen[key] = "one of these events was rejected later"
            else:
                standing[key] = group
        return standing, fallen

    def leaves(self, pair: Pair) -> bool:
        """Whether a link of the machine's stays: as the last judgement that speaks of it says, or closes its end."""
        return self.said[pair][0] if pair in self.said else not self.is_closed(pair)

    def is_closed(self, pair: Pair) -> bool:
        """Whether one of its ends may have no link."""
        return any((side, feature) in self.closed for side, feature in enumerate(pair))

    def _accept(self, event: EventOf, key: int) -> None:
        for pair in event_pairs(event):
            self._say(pair, True, key)
        if event.kind == "appear":
            self._close(1, event.children, key)
        if event.kind == "disappear":
            self._close(0, event.parents, key)

    def _reject(self, event: EventOf, key: int) -> None:
        # it speaks for no spurious pore: the cheapest link is that of the others
        own = [pair for pair in event_pairs(event) if pair in self.given and self.spurious.keys().isdisjoint(pair)]
        left = {(link.earlier, link.later) for link in apply_verdicts([self.given[pair] for pair in own], [event])}
        for pair in event_pairs(event):
            self._say(pair, pair in left, key)

    def _correct(self, correction: Correction, key: int) -> None:
        for pair in correction.remove:
            self._say(pair, False, key)
        for pair in correction.add:
            self._say(pair, True, key)
        for feature in correction.spurious:
            for pair in self._touching.get(feature, ()):
                if self.said[pair][0]:
                    self._differ(pair, self.said[pair][1], key)
            self.spurious[feature] = key

    def _say(self, pair: Pair, present: bool, key: int) -> None:
        if pair in self.said and self.said[pair][0] != present:
            self._differ(pair, self.said[pair][1], key)
        self.said[pair] = present, key
        for side, feature in enumerate(pair):
            self._touching[feature][pair] = None
            if present and feature in self.spurious:
                self._differ(pair, self.spurious.pop(feature), key)
            if present and (side, feature) in self.closed:
                self._differ(pair, self.closed.pop((side, feature)), key)

    def _close(self, side: int, features: Iterable[int], key: int) -> None:
        for feature in features:
            for pair in [pair for pair in self._touching.get(feature, ()) if pair[side] == feature]:
                self._say(pair, False, key)
            self.closed[side, feature] = key

    def _differ(self, pair: Pair, earlier: int, later: int) -> None:
        if earlier != later:  # one and the same event, judged again
            self.conflicts[Conflict(pair, earlier, later)] = None
