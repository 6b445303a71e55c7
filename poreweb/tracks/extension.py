"""What a run's tracking takes over: from before, when frames are added to it, and from another run."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db.models import F, Max

from poreweb.observations.models import Frame
from poreweb.review.settlements import settled_judgements
from poreweb.tracks import rows
from poreweb.tracks.models import Feature, Run, Segmentation
from poreweb.words import counted
from processing.edits import Settled, published_lineage, settled_of
from processing.joins import event_pairs
from processing.lineage import EventOf, Lineage, Node
from processing.matching import FeaturesOf, match_features
from processing.track import Link, Linked, extend_links, window_start

Pair = tuple[int, int]  # two features by key, the earlier one first

# Stands for the highest number that any track of the run has had; no feature has this key.
NO_FEATURE = 0

LONE = ("appear", "disappear")


@dataclass(frozen=True)
class Arrival:
    """Frames of a run's patch that the run does not hold, by T_REC, and why they cannot be added (empty: they can)."""

    frames: list[Frame]
    refusal: str

    @property
    def n_addable(self) -> int:
        """How many frames can be added."""
        return 0 if self.refusal else len(self.frames)


def arrival(run: Run) -> Arrival:
    """What has come in since the run was made or last went on."""
    frames = list(run.patch.frames.exclude(segmentations__run=run).order_by("t_rec_s").defer("cards"))
    return Arrival(frames, _refusal(run, frames))


def _refusal(run: Run, frames: list[Frame]) -> str:
    """One sentence without its full stop."""
    if run.state != Run.State.DONE:
        return f"{run} is {run.get_state_display()}; frames can be added when it is done"
    if not frames:
        return f"{run.patch} has no frame that run {run.number} does not hold"
    last = run.segmentations.aggregate(last=Max("frame__t_rec_s"))["last"]
    n_earlier = sum(frame.t_rec_s < last for frame in frames)
    if n_earlier:
        return (
            f"{n_earlier} of the {counted(len(frames), 'new frame')} of {run.patch}"
            f" {'lies' if n_earlier == 1 else 'lie'} before the last one of run {run.number};"
            " make a new run"
        )
    if run.links.filter(probability=None).exists():
        return f"run {run.number} is of a tracker whose links have no probability; make a new run"
    return ""


def highest_track(run: Run) -> int:
    """The highest number that a track of the run has, or had when frames were added."""
    now = run.tracks.aggregate(highest=Max("number"))["highest"] or 0
    return max([now, *(added["highest_track"] for added in run.extensions)])


def track_numbers(run: Run) -> dict[int, int]:
    """The numbers that are taken, as `processing.lineage.build_lineage` wants them; empty before it is tracked."""
    heads = Feature.objects.filter(track__run=run, segmentation__index=F("track__first_index"))
    first = dict(heads.values_list("pk", "track__number"))
    return {NO_FEATURE: highest_track(run), **first} if first else {}


def go_on_with_links(run: Run, done: list[Segmentation], n_known: int, **options: Any) -> Linked:
    """
    The run's links over all its processed frames, the first ``n_known`` of which have been tracked.

    The new frames are linked knowing what is settled; before them the run keeps what the
    machine says of its own accord, see `as_the_machine_says`. ``options`` are those of
    `processing.track.link_series`.
    """
    start = window_start(n_known)
    known, taken, own = rows.linked_of(run), taken_over(run).links, settled_in(run)
    frames = list(rows.detected_frames(run, done[start:]))
    here, new = ({int(pk) for frame in part for pk in frame.ids} for part in (frames, frames[n_known - start :]))
    said = {**own.pairs, **_apart(features_of(run), own, _farthest(run))}
    settled = {pair: is_link for pair, is_link in said.items() if here.issuperset(pair)}

    def answer(asked: Mapping[Pair, bool]) -> Linked:
        found = extend_links(known, frames, n_known=n_known - start, settled={**taken, **asked}, **options)
        return as_sure_as_found(found, known, taken)

    alone = answer({})
    return as_the_machine_says(known, alone, answer(settled), settled, new) if settled else alone


def settled_links(run: Run) -> dict[tuple[int, int], bool]:
    """
    What is settled of links, (earlier id, later id) -> whether it is one; of two settlements the later one holds.

    An accepted merge, split or gap has its links. A rejected one has none but that which
    `processing.lineage.apply_verdicts` leaves it. A corrected one has what was not cut, and
    what was drawn. The machine's links into an accepted appearance, or out of an accepted
    disappearance, are none.
    """
    return settled_in(run).pairs


def settled_in(run: Run) -> Settled:
    """What is settled of links, pores and their ends."""
    judgements = settled_judgements(run)
    events = {event for one in judgements for event in (one.event, *one.joined)}
    asked = {pair for event in events for pair in event_pairs(event)}
    lone = {feature for event in events if event.kind in LONE for feature in (*event.parents, *event.children)}
    given = [
        Link(earlier, later, cost=cost, overlap=np.nan, distance_mm=np.nan)
        for earlier, later, cost in run.links.values_list("earlier_id", "later_id", "cost")
        if (earlier, later) in asked or earlier in lone or later in lone
    ]
    return settled_of(given, judgements)


def as_sure_as_found(linked: Linked, alone: Linked, settled: Mapping[Pair, bool]) -> Linked:
    """The same with settled links as sure as the machine found them ``alone``, not as sure as people are."""
    before = {(link.earlier, link.later): link for link in (*alone.links, *alone.rejected)}
    links = [
        before.get((link.earlier, link.later), link) if settled.get((link.earlier, link.later)) else link
        for link in linked.links
    ]
    return replace(linked, links=links)


def as_the_machine_says(
    known: Linked, alone: Linked, heard: Linked, settled: Collection[Pair], new: Collection[int]
) -> Linked:
    """
    The links of a run that goes on: from those ``known``, and from two answers, ``alone`` and with people ``heard``.

    Into a ``new`` feature they are those of the second answer. Before, a link is what two of
    the three say, so that a settlement alone makes none and ends none. Pairs that are
    ``settled`` stay what they were: what people say comes in with the settlement, and goes
    when they take it back.
    """
    before, then, now = (
        {(link.earlier, link.later): link for link in (*linked.rejected, *linked.links)}
        for linked in (known, alone, heard)
    )
    had, would, does = ({(link.earlier, link.later) for link in linked.links} for linked in (known, alone, heard))
    weighed = {pair: link for pair, link in (now | then).items() if pair not in settled}
    weighed |= {pair: before[pair] for pair in before.keys() & settled}
    chosen: dict[bool, list[Link]] = {True: [], False: []}
    for pair in sorted(weighed, key=lambda pair: (pair[1], pair[0])):
        if pair in settled:
            is_link = pair in had
        elif pair[1] in new:
            is_link = pair in does
        else:
            is_link = (pair in had) + (pair in would) + (pair in does) > 1
        chosen[is_link].append(weighed[pair])
    return Linked(chosen[True], chosen[False])


def without_answered(
    run: Run, lineage: Lineage, nodes: Sequence[Node], linked: Linked, *, n_frames: int, breaks: Collection[int]
) -> Lineage:
    """
    The machine's lineage without new events that are settled not to be.

    When a link is cut and the tracker finds another for its pore, the machine has both, and
    a split that nobody needs to be asked about: the published lineage has none there. Where
    a part of an event is left, it stands for all of it; events that the run has stay.
    """
    judgements = settled_judgements(run)
    if not judgements:
        return lineage
    published = published_lineage(nodes, linked.links, judgements, n_frames=n_frames, breaks=breaks)
    found, standing = ({(link.earlier, link.later) for link in links} for links in (linked.links, published.links))
    left = {_place(event): event for event in published.lineage.events}
    held = {rows.event_key(event) for event in rows.events_of(run).values()}
    events = []
    for event in lineage.events:
        now = left.get(_place(event))
        if rows.event_key(event) in held or (now and standing.issuperset(event_pairs(event))):
            events.append(event)
        elif now and found.issuperset(event_pairs(now)):
            events.append(now)
    return replace(lineage, events=events)


def _place(event: EventOf) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Where it happens, whatever takes part: the pore that others become, or that becomes others."""
    parents, children = (() if event.kind == "merge" else event.parents), event.children
    return event.kind, parents, () if event.kind == "split" else children


# -- From another run --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakenOver:
    """
    What was settled in another run, as the tracking of this one is given it.

    ``links`` are pairs of this run's features and whether they are linked: the ``n_found``
    of the ``n_asked`` settled links whose pores are found again, and what keeps
    ``n_spurious`` spurious pores apart, and closed ends without a link. ``digest`` is empty
    when there is none.
    """

    links: dict[Pair, bool] = field(default_factory=dict)
    n_asked: int = 0
    n_found: int = 0
    n_spurious: int = 0
    digest: str = ""

    def words(self, source: Run) -> str:
        """For the run's log."""
        said = f"{self.n_found} of {self.n_asked} settled links taken over from run {source.number}"
        if n_lost := self.n_asked - self.n_found:
            said += f"; {n_lost} {'has' if n_lost == 1 else 'have'} a pore that is not found any more"
        if self.n_spurious:
            is_one = self.n_spurious == 1
            said += f"; {self.n_spurious} spurious {'pore is' if is_one else 'pores are'} kept apart"
        return f"{said}."


def taken_over(run: Run) -> TakenOver:
    """What is settled in the run that this one follows, as far as the pores of both are the same."""
    source = run.settled_from
    if source is None:
        return TakenOver()
    settled = settled_in(source)
    if settled == Settled():
        return TakenOver()
    here = features_of(run)
    same = match_features(features_of(source), here)
    found = Settled(
        {(same[a], same[b]): taken for (a, b), taken in settled.pairs.items() if a in same and b in same},
        {same[feature] for feature in settled.spurious if feature in same},
        {(side, same[feature]) for side, feature in settled.closed if feature in same},
    )
    links = {**_apart(here, found, _farthest(run)), **found.pairs}
    return TakenOver(links, len(settled.pairs), len(found.pairs), len(found.spurious), _digest(run, links))


def features_of(run: Run) -> FeaturesOf:
    """The run's features in pixels of the native grid, with T_REC, by which those of another run can be found."""
    held = Feature.objects.filter(segmentation__run=run, segmentation__state=Segmentation.State.DONE).order_by()
    values = held.values_list("pk", "segmentation__frame__t_rec_s", "row", "col", "area_px")
    # keys are exact in a double up to 2**53
    ids, t_rec_s, row, col, area_px = np.array(list(values), float).reshape(-1, 5).T
    factor = run.chain_parameters.factor
    native_row, native_col = ((place + 0.5) / factor - 0.5 for place in (row, col))
    return FeaturesOf(ids.astype(np.int64), t_rec_s.astype(np.int64), native_row, native_col, area_px / factor**2)


def _farthest(run: Run) -> float:
    """Seconds that no link of the run spans: over the most missing frames, and half a frame for good measure."""
    return (run.chain_parameters.max_gap + 1.5) * run.patch.cadence_s


def _apart(features: FeaturesOf, settled: Settled, farthest: float) -> dict[Pair, bool]:
    """
    No link between spurious features and pores, nor at ends that are closed.

    Those between two spurious ones stay open: what is no pore in frame after frame is one
    track, and one event at which it is taken out.
    """
    place = {feature: k for k, feature in enumerate(features.ids.tolist())}
    is_pore = ~np.isin(features.ids, sorted(settled.spurious))
    lone = [(side, feature, is_pore) for feature in settled.spurious for side in (0, 1)]
    lone += [(side, feature, np.ones_like(is_pore)) for side, feature in settled.closed]
    pairs: dict[Pair, bool] = {}
    for side, feature, others in lone:
        if feature in place:
            later = (features.frame - features.frame[place[feature]]) * (1 - 2 * side)
            for other in features.ids[others & (later > 0) & (later < farthest)].tolist():
                pairs[(other, feature) if side else (feature, other)] = False
    return pairs


def _digest(run: Run, links: Mapping[Pair, bool]) -> str:
    """SHA-256 over links, features by T_REC and label."""
    if not links:
        return ""
    held = Feature.objects.filter(segmentation__run=run).order_by()
    names = {pk: name for pk, *name in held.values_list("pk", "segmentation__frame__t_rec_s", "label")}
    named = sorted((*names[earlier], *names[later], int(taken)) for (earlier, later), taken in links.items())
    lines = "".join(" ".join(map(str, line)) + "\n" for line in named)
    return hashlib.sha256(lines.encode()).hexdigest()
