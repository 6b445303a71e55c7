"""Every change to what people say."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from poreweb.review.models import ReviewEntry, Verdict
from poreweb.tracks.models import Event


@transaction.atomic
def give_verdict(event: Event, reviewer: User, *, choice: str, note: str = "") -> Verdict:
    """Store one reviewer's verdict in place of an earlier one, and add the act to the history."""
    event = Event.objects.select_for_update().get(pk=event.pk)
    before = event.verdicts.filter(reviewer=reviewer).values_list("choice", flat=True).first() or ""
    at = timezone.now()
    verdict, _ = event.verdicts.update_or_create(
        reviewer=reviewer, defaults={"choice": choice, "note": note, "given_at": at}
    )
    ReviewEntry.objects.create(event=event, reviewer=reviewer, at=at, before=before, after=choice, note=note)
    return verdict


@transaction.atomic
def withdraw_verdict(event: Event, reviewer: User) -> bool:
    """Take one's own verdict back; False if there is none."""
    held = event.verdicts.filter(reviewer=reviewer).first()
    if held is None:
        return False
    ReviewEntry.objects.create(event=event, reviewer=reviewer, at=timezone.now(), before=held.choice, after="")
    held.delete()
    return True
