"""Who judges what: even shares, in number and in doubt. No database here."""

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

Pair = tuple[int, int]


def even_shares(
    events: Sequence[int],
    members: Sequence[int],
    k: int,
    taken: Mapping[int, Collection[int]],
    held: Collection[Pair] = (),
) -> list[Pair]:
    """
    Give events to members so that each is taken by ``k`` people, as far as there are enough.

    What the members then hold of these events differs by 1 at most where nobody has taken
    any before, and elsewhere by as little as that allows. So does every stretch of them from
    the most doubtful on, so that nobody gets all the hard ones. The same input gives the
    same shares.

    Parameters
    ----------
    events : sequence of int
        Most doubtful first.
    members : sequence of int
        In the order in which ties are broken.
    k : int
        People an event is to be taken by.
    taken : mapping
        Event to those, members or not, who have taken it already; they count among the ``k``.
    held : collection of pairs
        (event, member) of what counts as a member's load before.

    Returns
    -------
    pairs : list of (event, member)
        What is new, by event.
    """
    may = {event: [member for member in members if member not in taken.get(event, ())] for event in events}
    wanted = {event: min(len(may[event]), max(0, k - len(taken.get(event, ())))) for event in events}
    before = Counter(member for _, member in held)
    given = _dealt(wanted, may, _targets(members, before, wanted, may))
    _even_out(given, may, Counter({member: before[member] for member in members}))
    return [(event, member) for event in events for member in members if member in given[event]]


def _targets(
    members: Sequence[int], before: Mapping[int, int], wanted: Mapping[int, int], may: Mapping[int, list[int]]
) -> dict[int, float]:
    """How many each is to get so that all come to the same level, as water fills a basin; not whole numbers."""
    most = Counter(member for event, n in wanted.items() if n for member in may[event])

    def filled(level: float) -> dict[int, float]:
        return {member: min(max(level - before.get(member, 0), 0.0), most[member]) for member in members}

    low, high = 0.0, float(max((before.get(member, 0) + most[member] for member in members), default=0))
    total = sum(wanted.values())
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(filled(middle).values()) < total else (low, middle)
    return filled(high)


def _dealt(
    wanted: Mapping[int, int], may: Mapping[int, list[int]], targets: Mapping[int, float]
) -> dict[int, set[int]]:
    """Deal the events out in order, always to whoever lags most behind what is meant for him or her by then."""
    total = max(sum(wanted.values()), 1)
    n_given, doubt = Counter[int](), Counter[int]()
    given: dict[int, set[int]] = {}
    n_dealt = 0
    for place, (event, n) in enumerate(wanted.items()):
        n_dealt += n
        part = n_dealt / total
        # of those that lag alike, whoever has had the easier ones
        lagging = sorted(may[event], key=lambda one: (n_given[one] - targets[one] * part, doubt[one]))
        given[event] = set(lagging[:n])
        for member in given[event]:
            n_given[member] += 1
            doubt[member] += len(wanted) - place
    return given


def _even_out(given: dict[int, set[int]], may: Mapping[int, list[int]], load: Counter[int]) -> None:
    """
    Pass events on from those with most to those with least, over others if need be, until no way is left.

    What has no such way is as even as can be (Harvey et al. 2006, J. Algorithms 59, 53).
    """
    load.update(member for event in given.values() for member in event)
    while load and max(load.values()) - min(load.values()) > 1:
        movable = _movable(given, may)
        path = next(
            filter(None, (_way(start, movable, load) for start in sorted(load, key=lambda one: -load[one]))), None
        )
        if path is None:
            return
        steps = list(pairwise(path))
        n = min((load[path[0]] - load[path[-1]]) // 2, *(len(movable[step]) for step in steps))
        for giver, taker in steps:
            events = movable[giver, taker]
            first = (len(events) - n) // 2  # neither the most nor the least doubtful
            for event in events[first : first + n]:
                given[event] = given[event] - {giver} | {taker}
        load[path[0]] -= n
        load[path[-1]] += n


def _movable(given: Mapping[int, set[int]], may: Mapping[int, list[int]]) -> dict[Pair, list[int]]:
    """The events that one member could hand to another."""
    movable: dict[Pair, list[int]] = {}
    for event, holders in given.items():
        for giver in holders:
            for taker in may[event]:
                if taker not in holders:
                    movable.setdefault((giver, taker), []).append(event)
    return movable


def _way(start: int, movable: Mapping[Pair, list[int]], load: Mapping[int, int]) -> list[int] | None:
    """The shortest way over which a member could pass something on to one with at least two less."""
    came_from: dict[int, int | None] = {start: None}
    waiting = deque([start])
    while waiting:
        member = waiting.popleft()
        if load[member] <= load[start] - 2:
            path = [member]
            while (previous := came_from[path[-1]]) is not None:
                path.append(previous)
            return path[::-1]
        for taker in load:
            if taker not in came_from and (member, taker) in movable:
                came_from[taker] = member
                waiting.append(taker)
    return None
