"""Who has an event open. A lease is kept by asking for it again, and ends by itself."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from poreweb.review.models import Lease
from poreweb.tracks.models import Event

LEASE = timedelta(seconds=20)
# A page asks every second; a row is written only when this much of its time has gone.
RENEW_AFTER = timedelta(seconds=5)


def hold(event: Event, user: User) -> None:
    """Say that the user has the event open, for a while."""
    now = timezone.now()
    lease = Lease.objects.filter(event=event, user=user).first()
    if lease is None or lease.expires_at < now:
        Lease.objects.filter(user=user, expires_at__lt=now).delete()
        with suppress(IntegrityError):  # a job has replaced the event since it was read: nobody holds it any more
            Lease.objects.update_or_create(event=event, user=user, defaults={"since": now, "expires_at": now + LEASE})
    elif lease.expires_at - LEASE + RENEW_AFTER < now:
        Lease.objects.filter(pk=lease.pk).update(expires_at=now + LEASE)


def let_go(event: Event, user: User) -> None:
    """The user has closed the event."""
    Lease.objects.filter(event=event, user=user).delete()


def present(event: Event, user: User) -> list[Lease]:
    """Who else has the event open, the first one first: that one holds it if he came before the user."""
    others = Lease.objects.filter(event=event, expires_at__gte=timezone.now()).exclude(user=user)
    return list(others.select_related("user"))


def holder(event: Event, user: User) -> Lease | None:
    """Whoever else opened the event before the user did, and still has it open."""
    mine = Lease.objects.filter(event=event, user=user, expires_at__gte=timezone.now()).first()
    others = present(event, user)
    return others[0] if others and (mine is None or others[0].since < mine.since) else None


def held_by_others(user: User) -> Q:
    """Events that somebody else has open."""
    others = Lease.objects.filter(event=OuterRef("pk"), expires_at__gte=timezone.now()).exclude(user=user)
    held: Any = Exists(others)
    return Q(held)
