"""What is settled, as the science code takes it."""

from collections.abc import Iterable

from poreweb.review.models import Choice, Settlement
from poreweb.tracks import rows
from poreweb.tracks.models import Run
from processing.edits import Correction, Judgement


def settled_judgements(run: Run) -> list[Judgement]:
    """What is settled of a run's events, in the order in which it was."""
    return judgements_of(run, Settlement.objects.filter(event__run=run).exclude(choice=Choice.UNSURE))


def judgements_of(run: Run, settlements: Iterable[Settlement]) -> list[Judgement]:
    """These settlements of a run's events; of joined events those that are still there."""
    events = rows.events_of(run)
    return [
        Judgement(
            settlement.event_id,
            events[settlement.event_id],
            settlement.choice,
            Correction.from_dict(settlement.correction),
            tuple(events[pk] for pk in settlement.joined if pk in events),
        )
        for settlement in settlements
    ]
