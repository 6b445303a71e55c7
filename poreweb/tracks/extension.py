"""What a run's tracking takes over: from before, when frames are added to it, and from another run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db.models import F, Max

from poreweb.observations.models import Frame
from poreweb.review.settlements import settled_judgements
from poreweb.tracks import rows
from poreweb.tracks.models import Feature, Run, Segmentation
from processing.edits import apply_judgements, settled_pairs
from processing.joins import event_pairs
from processing.matching import FeaturesOf, match_features
from processing.timekeys import CADENCE_S
from processing.track import Link, Linked, extend_links, window_start

Pair = tuple[int, int]  # two features by key, the earlier one first

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
    known, settled = rows.linked_of(run), {**taken_over(run).links, **settled_links(run)}
    frames = list(rows.detected_frames(run, done[start:]))
    linked = extend_links(known, frames, n_known=n_known - start, settled=settled, **options)
    return as_the_machine_saw(linked, known, settled)


def settled_links(run: Run) -> dict[tuple[int, int], bool]:
    """
    What is settled of links, (earlier id, later id) -> whether it is one; of two settlements the later one holds.

    An accepted merge, split or gap has its links. A rejected one has none but those that
    `processing.lineage.apply_verdicts` leaves it. A corrected one has what was not cut, and
    what was drawn.
    """
    judgements = settled_judgements(run)
    asked = {pair for one in judgements for event in (one.event, *one.joined) for pair in event_pairs(event)}
    costs = {(a, b): cost for a, b, cost in run.links.values_list("earlier_id", "later_id", "cost") if (a, b) in asked}
    # once frames were added, the run has no more the links that its rejected events have lost
    rejected = (judgement.event for judgement in judgements if judgement.choice == "reject")
    lost = sorted({pair for event in rejected for pair in event_pairs(event)} - costs.keys())
    costs |= dict.fromkeys(lost, np.inf)
    given = [Link(*pair, cost=cost, overlap=np.nan, distance_mm=np.nan) for pair, cost in costs.items()]
    return {**dict.fromkeys(lost, False), **settled_pairs(given, judgements)}


def as_the_machine_saw(linked: Linked, known: Linked, settled: Mapping[Pair, bool]) -> Linked:
    """The same with settled links as sure as the machine found them in ``known``, not as sure as people are."""
    before = {(link.earlier, link.later): link for link in known.links}
    links = [
        before.get((link.earlier, link.later), link) if settled.get((link.earlier, link.later)) else link
        for link in linked.links
    ]
    return replace(linked, links=links)


# -- From another run --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakenOver:
    """
    What was settled in another run, as the tracking of this one is given it.

    ``links`` are pairs of this run's features and whether they are linked: the ``n_found``
    of the ``n_asked`` settled links whose pores are found again, and what keeps
    ``n_spurious`` spurious pores apart. ``digest`` is empty when there is none.
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
    settled, spurious = settled_links(source), _spurious(source)
    if not settled and not spurious:
        return TakenOver()
    here = features_of(run)
    same = match_features(features_of(source), here)
    found = {(same[a], same[b]): taken for (a, b), taken in settled.items() if a in same and b in same}
    lone = {same[feature] for feature in spurious if feature in same}
    links = {**_apart(here, lone, run.chain_parameters.max_gap), **found}
    return TakenOver(links, len(settled), len(found), len(lone), _digest(run, links))


def features_of(run: Run) -> FeaturesOf:
    """The run's features in pixels of the native grid, with T_REC, by which those of another run can be found."""
    held = Feature.objects.filter(segmentation__run=run, segmentation__state=Segmentation.State.DONE).order_by()
    values = held.values_list("pk", "segmentation__frame__t_rec_s", "row", "col", "area_px")
    # keys are exact in a double up to 2**53
    ids, t_rec_s, row, col, area_px = np.array(list(values), float).reshape(-1, 5).T
    factor = run.chain_parameters.factor
    native_row, native_col = ((place + 0.5) / factor - 0.5 for place in (row, col))
    return FeaturesOf(ids.astype(np.int64), t_rec_s.astype(np.int64), native_row, native_col, area_px / factor**2)


def _spurious(run: Run) -> set[int]:
    """The features that are settled to be no pores."""
    judgements = settled_judgements(run)
    if not any(judgement.correction.spurious for judgement in judgements):
        return set()
    return apply_judgements(rows.nodes_of(run)[0], rows.links_of(run), judgements).spurious


def _apart(features: FeaturesOf, lone: set[int], max_gap: int) -> dict[Pair, bool]:
    """
    No link between these features and any others.

    Those between two of them stay open: what is no pore in frame after frame is one track,
    and one event at which it is taken out.
    """
    # of any cadence: a link over the most missing frames, and half a frame for good measure
    farthest = (max_gap + 1.5) * CADENCE_S
    is_other = ~np.isin(features.ids, sorted(lone))
    pairs: dict[Pair, bool] = {}
    for k in np.flatnonzero(~is_other):
        later = features.frame - features.frame[k]
        for other in np.flatnonzero(is_other & (later != 0) & (np.abs(later) < farthest)):
            earlier, following = (k, other) if later[other] > 0 else (other, k)
            pairs[int(features.ids[earlier]), int(features.ids[following])] = False
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
