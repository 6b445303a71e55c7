"""A run that goes on: which frames can be added to it, and what its tracking takes over from before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from django.db.models import F, Max

from poreweb.observations.models import Frame
from poreweb.review.models import Verdict
from poreweb.review.queries import REVIEW_KINDS, with_state
from poreweb.tracks import rows
from poreweb.tracks.models import Feature, Run, Segmentation
from processing.lineage import EventOf, apply_verdicts
from processing.track import Linked, extend_links, window_start

# Stands for the highest number that any track of the run has had; no feature has this key.
NO_FEATURE = 0


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
            f"{n_earlier} of the {len(frames)} new frames of {run.patch} lie before the last one of run {run.number};"
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
    """The numbers that are taken, as `processing.lineage.build_lineage` wants them: by first feature."""
    first = Feature.objects.filter(track__run=run, segmentation__index=F("track__first_index"))
    return {NO_FEATURE: highest_track(run), **dict(first.values_list("pk", "track__number"))}


def go_on_with_links(run: Run, done: list[Segmentation], n_known: int, **options: Any) -> Linked:
    """
    The run's links over all its processed frames, the first ``n_known`` of which have been tracked.

    What people have accepted is a link and what they have rejected is none, as far as the
    series is solved again; ``options`` are those of `processing.track.link_series`.
    """
    start = window_start(n_known)
    known, settled = rows.linked_of(run), settled_links(run)
    frames = list(rows.detected_frames(run, done[start:]))
    linked = extend_links(known, frames, n_known=n_known - start, settled=settled, **options)
    return _as_the_machine_saw(linked, known, settled)


def settled_links(run: Run) -> dict[tuple[int, int], bool]:
    """
    What people have said of links, (earlier id, later id) -> whether it is one, by the newest verdict on each event.

    An accepted merge, split or gap has its links. A rejected one has none but those that
    `processing.lineage.apply_verdicts` leaves it; of two verdicts that differ the rejection holds.
    """
    states = {event.pk: event.state for event in with_state(run.events.filter(kind__in=REVIEW_KINDS))}
    found = rows.events_of(run)
    accepted, rejected = (
        [event for pk, event in found.items() if states.get(pk) == choice]
        for choice in (Verdict.Choice.ACCEPT, Verdict.Choice.REJECT)
    )
    left = {(link.earlier, link.later) for link in apply_verdicts(rows.links_of(run), rejected)}
    settled = {pair: True for event in accepted for pair in _pairs(event)}
    return settled | {pair: False for event in rejected for pair in _pairs(event) if pair not in left}


def _pairs(event: EventOf) -> Iterator[tuple[int, int]]:
    return product(event.parents, event.children)


def _as_the_machine_saw(linked: Linked, known: Linked, settled: Mapping[tuple[int, int], bool]) -> Linked:
    """The same with accepted links as sure as the machine found them, not as sure as people are."""
    before = {(link.earlier, link.later): link for link in known.links}
    links = [
        before.get((link.earlier, link.later), link) if settled.get((link.earlier, link.later)) else link
        for link in linked.links
    ]
    return replace(linked, links=links)
