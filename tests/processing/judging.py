"""Small graphs of links, and judgements of what happens in them."""

from processing.edits import Correction, Judgement
from processing.lineage import EventOf, Node, build_lineage
from processing.track import Link

N_FRAMES = 6


def link(earlier: int, later: int, *, cost: float = 0.5, skipped: int = 0) -> Link:
    return Link(earlier, later, cost, overlap=0.8, distance_mm=0.3, skipped=skipped, probability=0.9)


def graph_of(
    frames: dict[int, int], *pairs: tuple[int, int], areas: dict[int, float] | None = None
) -> tuple[list[Node], list[Link]]:
    """Nodes of id -> frame, and links between them, the first pair the cheapest."""
    nodes = [Node(number, frame, area=(areas or {}).get(number, 1.0)) for number, frame in frames.items()]
    links = [
        link(one, other, cost=0.1 * k, skipped=frames[other] - frames[one] - 1)
        for k, (one, other) in enumerate(pairs, start=1)
    ]
    return nodes, links


def ends(links: list[Link]) -> list[tuple[int, int]]:
    return sorted((item.earlier, item.later) for item in links)


def events_of(graph: tuple[list[Node], list[Link]], *, n_frames: int = N_FRAMES) -> list[EventOf]:
    return build_lineage(*graph, n_frames=n_frames).events


def accept(key: int, event: EventOf, *joined: EventOf) -> Judgement:
    return Judgement(key, event, "accept", joined=joined)


def reject(key: int, event: EventOf) -> Judgement:
    return Judgement(key, event, "reject")


def correct(key: int, event: EventOf, *joined: EventOf, **changes: tuple) -> Judgement:
    return Judgement(key, event, "correct", Correction(**changes), joined)
