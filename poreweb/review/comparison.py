"""Two runs of one patch: what has become, in the second, of the events that people have judged in the first."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db.models import Q

from poreweb.http import may_lead
from poreweb.review.consensus import STATE_OF
from poreweb.review.judgement import Judgement
from poreweb.review.models import Choice, Judged, Settlement, Verdict
from poreweb.review.queries import hidden_from
from poreweb.tracks import rows
from poreweb.tracks.extension import Pair, features_of, settled_links
from poreweb.tracks.models import Event, Run
from processing.edits import Correction
from processing.errors import ParameterError
from processing.joins import event_pairs
from processing.lineage import EventOf
from processing.matching import EventMatch, carry_correction, match_events, match_features
from processing.track.paths import is_joined

SAME, CHANGED, GONE = HOWS = ("same", "changed", "gone")
GONE_AWAY = "somebody who has left"
# What an event is called, with how many pores take part where that says something.
NAMES = {
    "merge": "merge of {n_parents}", "split": "split into {n_children}", "gap": "gap", "appear": "appearance",
    "disappear": "disappearance",
}  # fmt: skip


@dataclass(frozen=True)
class Counterparts:
    """Which features and events of one run are which of the other."""

    features: Mapping[int, int]
    events: Mapping[int, EventMatch]

    def same_event(self, key: int) -> int | None:
        """The key of the event that is the same there."""
        match = self.events.get(key)
        return match.key if match is not None and match.how == SAME else None

    def judgement(self, given: Judged) -> Judgement | None:
        """What is said, by the features and events of the other run; None where one of them has no counterpart."""
        judged = Judgement.of(given)
        if judged.choice != Choice.CORRECT:
            return judged
        correction = carry_correction(Correction.from_dict(judged.correction), self.features)
        joined = tuple(key for key in map(self.same_event, judged.joined) if key is not None)
        if correction is None or len(joined) < len(judged.joined):
            return None
        return replace(judged, correction=correction.as_dict() if judged.correction else {}, joined=joined)


@dataclass(frozen=True)
class Fate:
    """
    What has become of an event that people have judged.

    ``how`` is "same", "changed" or "gone", ``words`` say what differs, ``target`` is the
    event of the other run, None when it is gone. ``judgements`` are what the verdicts, by
    reviewer's key, and under None a lead's settlement say there, of the same event only. Of
    ``n_links`` settled links of the event that can be told, ``contradicted`` are otherwise.
    Where not all that was said fits, ``how`` and ``words`` tell that; ``match`` does not.
    Of an event that is not ``is_told`` nothing is here that people have said, as `told_to`.
    """

    event: Event
    what: EventOf
    how: str
    words: str
    target: Event | None
    verdicts: tuple[Verdict, ...]
    settlement: Settlement | None
    judgements: Mapping[int | None, Judgement]
    n_links: int
    contradicted: tuple[tuple[Pair, bool], ...]
    match: EventMatch
    is_told: bool = True

    @property
    def is_open(self) -> bool:
        """Whether it is not settled, so that a blind team keeps what was said of it to itself."""
        return self.settlement is None or self.settlement.choice == Choice.UNSURE

    @property
    def name(self) -> str:
        """As in "merge of 3"."""
        return NAMES[self.what.kind].format(n_parents=len(self.what.parents), n_children=len(self.what.children))

    def stale(self, members: Collection[int]) -> str:
        """
        Why the event that it has changed into should be looked at, one sentence; tells no open verdict.

        Names the team's ``members``, by their keys, and nobody who has left it.
        """
        run, n = self.event.run.number, len(self.verdicts)
        if self.settlement is None or self.is_open:
            said = f"{n} verdict{'' if n == 1 else 's'}"
            return f"Run {run} had {said} on this {self.name}, which did not settle it; {self.words}."
        people = self._settled_by(self.settlement)
        names = sorted(user.username for user in people if user.pk in members)
        if len(names) < len(people):
            names.append(GONE_AWAY)
        state = STATE_OF[self.settlement.choice].label
        return f"Run {run} had this {self.name} as {state} by {' and '.join(names)}; {self.words}."

    def _settled_by(self, settlement: Settlement) -> list[User]:
        if settlement.by is not None:
            return [settlement.by]
        answer = Judgement.of(settlement).answer
        return [verdict.reviewer for verdict in self.verdicts if Judgement.of(verdict).answer == answer]


@dataclass(frozen=True)
class Comparison:
    """What has become of all judged events of ``source`` in ``target``, in order of time."""

    source: Run
    target: Run
    fates: Sequence[Fate]
    counterparts: Counterparts

    @property
    def numbers(self) -> dict[str, int]:
        """How many events are the same, changed and gone."""
        found = Counter(fate.how for fate in self.fates)
        return {how: found[how] for how in HOWS}

    @property
    def contradicted(self) -> list[tuple[Fate, Pair, bool]]:
        """Links, by the features of ``source``, that are settled (to be one, or none) and otherwise in ``target``."""
        return [(fate, pair, is_link) for fate in self.fates for pair, is_link in fate.contradicted]


def compare(source: Run, target: Run) -> Comparison:
    """
    What has become of each event of ``source`` that has a verdict or a settlement.

    The number of queries does not grow with the runs.

    Raises
    ------
    ParameterError
        If they are not two runs of one patch, or ``target`` is not done.
    """
    if source.patch_id != target.patch_id or source.pk == target.pk:
        raise ParameterError(f"{source} and {target} are not two runs of one patch")
    if target.state != Run.State.DONE:
        raise ParameterError(f"{target} is {target.get_state_display()}; it can be compared when it is done")
    here, there = features_of(source), features_of(target)
    features, events = match_features(here, there), rows.events_of(source)
    counterparts = Counterparts(features, match_events(events, rows.events_of(target), features))
    rows_there = {event.pk: event for event in target.events.all()}
    links = _Links(source, target, features, dict(zip(there.ids.tolist(), there.frame.tolist(), strict=True)))
    verdicts = defaultdict(list)
    for verdict in Verdict.objects.filter(event__run=source).select_related("reviewer").order_by("given_at", "pk"):
        verdicts[verdict.event_id].append(verdict)
    is_judged = Q(pk__in=Verdict.objects.filter(event__run=source).values("event")) | Q(settlement__isnull=False)
    fates = []
    for event in source.events.filter(is_judged).select_related("settlement__by").order_by("index", "pk"):
        if event.pk in events:  # a job may have replaced some meanwhile
            event.run = source
            fates.append(_fate(event, events[event.pk], verdicts[event.pk], counterparts, rows_there, links))
    for event in rows_there.values():
        event.run = target  # with its patch and team, which weighing a verdict asks for
    return Comparison(source, target, fates, counterparts)


def told_to(found: Comparison, viewer: User) -> Comparison:
    """
    The same without what the viewer is not to know, in a blind team: what is said of events that wait for his verdict.

    A lead, who carries verdicts over, is told which these are. Others are told of none of
    them, nor how many there are.
    """
    hidden = hidden_from(viewer) if found.source.patch.team.is_blind else None
    if hidden is None:
        return found
    untold = set(Event.objects.filter(hidden, run=found.source).values_list("pk", flat=True))
    if may_lead(viewer, found.source.patch.team):
        fates = [_unsaid(fate) if fate.event.pk in untold else fate for fate in found.fates]
    else:
        fates = [fate for fate in found.fates if fate.event.pk not in untold]
    return replace(found, fates=fates)


def _unsaid(fate: Fate) -> Fate:
    """What the tracking alone has made of the event."""
    found = fate.match
    return Fate(fate.event, fate.what, found.how, found.words, fate.target, (), None, {}, 0, (), found, is_told=False)


class _Links:
    """What is settled of a run's links, and which links the other run has."""

    def __init__(self, source: Run, target: Run, same: Mapping[int, int], frame_of: Mapping[int, int]) -> None:
        self.settled, self.same, self.frame_of = settled_links(source), same, frame_of
        self.there = set(target.links.values_list("earlier_id", "later_id"))
        self.onward: dict[int, list[int]] = defaultdict(list)
        for earlier, later in self.there:
            self.onward[earlier].append(later)

    def of(self, event: EventOf, settlement: Settlement | None) -> tuple[int, int, list[tuple[Pair, bool]]]:
        """How many of an event's links are settled, of how many of them both pores are there, which are otherwise."""
        if settlement is None:
            return 0, 0, []
        drawn = Correction.from_dict(settlement.correction)
        asked = [pair for pair in {*event_pairs(event), *drawn.add, *drawn.remove} if pair in self.settled]
        known = [(a, b) for a, b in asked if a in self.same and b in self.same]
        return len(asked), len(known), [(pair, self.settled[pair]) for pair in sorted(known) if not self._agrees(pair)]

    def _agrees(self, pair: Pair) -> bool:
        """A link over a gap holds as well where a pore is found in it now."""
        earlier, later = (self.same[feature] for feature in pair)
        if not self.settled[pair]:
            return (earlier, later) not in self.there
        return is_joined(earlier, later, self.onward, self.frame_of.__getitem__, directly=True)


def _fate(
    event: Event,
    what: EventOf,
    verdicts: Sequence[Verdict],
    counterparts: Counterparts,
    rows_there: Mapping[int, Event],
    links: _Links,
) -> Fate:
    match = counterparts.events[event.pk]
    settlement: Settlement | None = getattr(event, "settlement", None)
    by_lead = settlement if settlement is not None and settlement.by_id is not None else None
    said: list[tuple[int | None, Judged]] = [(verdict.reviewer_id, verdict) for verdict in verdicts]
    said += [(None, by_lead)] if by_lead else []
    how, words = match.how, match.words
    translated = {key: counterparts.judgement(one) for key, one in said} if how == SAME else {}
    judgements = {key: judged for key, judged in translated.items() if judged is not None}
    if len(judgements) < len(translated):
        how, words, judgements = CHANGED, "not all that was said of it fits here", {}
    n_asked, n_known, contradicted = links.of(what, settlement)
    if how != SAME and n_asked == n_known > 0 and not contradicted:
        words += "; its links are as they were settled"
    target = None if match.key is None else rows_there.get(match.key)
    known = n_known, tuple(contradicted)
    return Fate(event, what, how, words, target, tuple(verdicts), settlement, judgements, *known, match)
