"""When verdicts settle an event; no database here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from poreweb.review.judgement import Judgement
from poreweb.review.models import Choice, Standing

STATE_OF = {
    Choice.ACCEPT.value: Standing.State.ACCEPTED,
    Choice.REJECT.value: Standing.State.REJECTED,
    Choice.CORRECT.value: Standing.State.CORRECTED,
    Choice.UNSURE.value: Standing.State.UNSURE,
}


@dataclass(frozen=True)
class Outcome:
    """Where an event stands, what is settled, and since when; None when nothing is."""

    state: str
    settled: Judgement | None = None
    at: datetime | None = None


def outcome(given: Sequence[tuple[Judgement, datetime]], quorum: int) -> Outcome:
    """
    What one judgement from each of some reviewers, with the time of each, comes to.

    Settled when exactly one answer has been given ``quorum`` times; "unsure" is no answer.
    With enough judgements and no such answer the event is disputed if answers differ, else
    unsure. Two corrections agree when they change the same. It is settled since the last of
    the first ``quorum`` equal judgements: no more depends on the order in which they came in.
    """
    judgements = [judgement for judgement, _ in given]
    decided = [judgement for judgement in judgements if judgement.choice != Choice.UNSURE]
    counts = Counter(judgement.answer for judgement in decided)
    agreed = [answer for answer, n in counts.items() if n >= quorum]
    if len(agreed) == 1:
        settled = next(judgement for judgement in decided if judgement.answer == agreed[0])
        times = sorted(at for judgement, at in given if judgement.answer == agreed[0])
        return Outcome(STATE_OF[settled.choice], settled, times[quorum - 1])
    if len(judgements) < quorum:
        return Outcome(Standing.State.PENDING)
    return Outcome(Standing.State.DISPUTED if len(counts) > 1 else Standing.State.UNSURE)
