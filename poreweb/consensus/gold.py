"""How often reviewers are right, where a lead knows the answer."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from poreweb.consensus.firsts import first_judgements
from poreweb.people.models import Team
from poreweb.review.judgement import Judgement
from poreweb.review.models import Choice, GoldEvent
from processing.lineage import EVENT_KINDS

# A reviewer's own share comes in steps of so many, and once a day: what follows at once on a verdict would tell
# which event is gold.
STEP = 10


@dataclass(frozen=True)
class Share:
    """Of ``n_judged`` gold events ``n_unsure`` were left open, and of the others ``n_right`` answered rightly."""

    n_judged: int
    n_unsure: int
    n_right: int

    @classmethod
    def of(cls, answers: Collection[bool | None]) -> "Share":
        """Of answers that are right, wrong or, with None, unsure."""
        return cls(len(answers), sum(one is None for one in answers), sum(one is True for one in answers))

    @property
    def n_decided(self) -> int:
        """How many were answered at all."""
        return self.n_judged - self.n_unsure

    @property
    def share(self) -> float | None:
        """Right answers over answers; None without any."""
        return self.n_right / self.n_decided if self.n_decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true share is with 95 % confidence (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
        if not self.n_decided:
            return None
        from scipy.stats import binomtest

        found = binomtest(self.n_right, self.n_decided).proportion_ci(confidence_level=0.95, method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Measured:
    """What gold events say of one reviewer: over all, and by kind of event in the order of `EVENT_KINDS`."""

    name: str
    all: Share
    kinds: tuple[tuple[str, Share], ...]


def gold_events(team: Team) -> Any:
    """The team's gold events, those of one run together, in time."""
    gold = GoldEvent.objects.filter(event__run__patch__team=team).select_related("event__run__patch", "by")
    return gold.order_by("event__run__patch__harpnum", "event__run__number", "event__index", "event_id")


@dataclass(frozen=True)
class Answer:
    """What a reviewer's first judgement of a gold event is worth; ``right`` as `is_right`."""

    event: int
    kind: str
    name: str
    right: bool | None


def answers_to_gold(team: Team) -> list[Answer]:
    """
    What everybody has answered first to the team's gold events, in the order in which it was given.

    What somebody said after having set the answer is not counted.
    """
    return _answers(team)


def _answers(team: Team, **asked: Any) -> list[Answer]:
    given = first_judgements().filter(event__gold__isnull=False, event__run__patch__team=team, **asked)
    answers = []
    for entry in given.order_by("pk").select_related("act__by", "event__gold"):
        event, act = entry.event, entry.act
        if not _knew(event.gold, act.by_id, act.at):
            right = is_right(Judgement.from_dict(entry.after), Judgement.of(event.gold))
            answers.append(Answer(event.pk, event.kind, act.by.username, right))
    return answers


def measured(answers: Iterable[Answer]) -> list[Measured]:
    """Every reviewer who has judged a gold event, by name."""
    found: dict[str, dict[str, list[bool | None]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        found[answer.name][answer.kind].append(answer.right)
    return [
        Measured(
            name,
            Share.of([one for of_kind in kinds.values() for one in of_kind]),
            tuple((kind, Share.of(kinds[kind])) for kind in EVENT_KINDS),
        )
        for name, kinds in sorted(found.items(), key=itemgetter(0))
    ]


def by_event(answers: Iterable[Answer]) -> dict[int, Share]:
    """How each gold event was answered, by its key."""
    found: dict[int, list[bool | None]] = defaultdict(list)
    for answer in answers:
        found[answer.event].append(answer.right)
    return {event: Share.of(rights) for event, rights in found.items()}


def is_right(given: Judgement, gold: Judgement) -> bool | None:
    """
    Whether an answer is the right one; None for "unsure", which is no answer.

    Where the right answer is a correction of which nothing more is said, any correction is.
    """
    if given.choice == Choice.UNSURE:
        return None
    if gold.choice == Choice.CORRECT and not any(gold.correction.values()) and not gold.joined:
        return given.choice == gold.choice
    return given.answer == gold.answer


def own_share(team: Team, user: User, now: datetime | None = None) -> Share | None:
    """
    What a reviewer is told of the gold events that he or she has judged; None while these are fewer than `STEP`.

    Of what was judged first before the last midnight UTC, and of so many tens of events, the
    first judged first.
    """
    midnight = (now or timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    answers = [one.right for one in _answers(team, act__by=user, act__at__lt=midnight)]
    n = len(answers) // STEP * STEP
    return Share.of(answers[:n]) if n else None


def _knew(gold: GoldEvent, user_id: int, at: datetime) -> bool:
    """Whether it is the user who had set the answer by then."""
    return gold.by_id == user_id and at >= gold.at
