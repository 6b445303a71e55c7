"""Every change to what people say."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from poreweb.review.models import ReviewEntry, Verdict
from poreweb.tracks.models import Event


@transaction.atomic
def give_verdict(event: Event, reviewer: User, *, choice: str, note: str = "") -> Verdict:
    """Store one reviewer's verdict in place of an earlier one, and add the act to the history."""
    Event.objects.select_for_update(no_key=True).get(pk=event.pk)
    before = event.verdicts.filter(reviewer=reviewer).first()
    at = timezone.now()
    verdict, _ = event.verdicts.update_or_create(
        reviewer=reviewer, defaults={"choice": choice, "note": note, "given_at": at}
    )
    ReviewEntry.objects.create(event=event, reviewer=reviewer, at=at, after=choice, note=note, **_as_before(before))
    return verdict


@transaction.atomic
def undo(event: Event, reviewer: User) -> bool:
    """
    Take back one's own last act on an event that is not undone yet; False if there is none.

    What was there before it, verdict and note, is there again; the history keeps both acts.
    """
    Event.objects.select_for_update(no_key=True).get(pk=event.pk)
    acts = event.history.filter(reviewer=reviewer, undoes=None, undone_by=None)
    act = acts.order_by("-pk").first()
    if act is None:
        return False
    now = event.verdicts.filter(reviewer=reviewer).first()
    at = timezone.now()
    if act.before:
        event.verdicts.update_or_create(
            reviewer=reviewer, defaults={"choice": act.before, "note": act.before_note, "given_at": at}
        )
    else:
        event.verdicts.filter(reviewer=reviewer).delete()
    ReviewEntry.objects.create(
        event=event, reviewer=reviewer, at=at, after=act.before, note=act.before_note, undoes=act, **_as_before(now)
    )
    return True


def _as_before(verdict: Verdict | None) -> dict[str, str]:
    """How the history tells of what an act replaces."""
    return {"before": verdict.choice, "before_note": verdict.note} if verdict else {}
