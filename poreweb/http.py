"""What all views share."""

from typing import TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from poreweb.people.models import Team

AnyModel = TypeVar("AnyModel", bound=Model)


class Request(HttpRequest):
    """A request of someone who is signed in; LoginRequiredMiddleware sees to that."""

    user: User
    htmx: HtmxDetails


def get_visible(queryset: "QuerySet[AnyModel]", user: User, pk: int) -> AnyModel:
    """The row, if it belongs to one of the user's teams; otherwise 404, as if it did not exist."""
    return get_object_or_404(queryset.visible_to(user), pk=pk)  # type: ignore[attr-defined]


def whole_number(text: str) -> int | None:
    """A key or a number as an address or a form gives it; None for what is none, or for more than a column holds."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else None


def must_write(user: User, team: Team) -> None:
    """Refuse a member who may only look."""
    if not may_write(user, team):
        raise PermissionDenied(f"You may look at what {team} does, but not change it; a lead can make you a reviewer.")


def may_write(user: User, team: Team) -> bool:
    """Whether the user is more than a viewer in the team."""
    return Team.objects.writable_by(user).filter(pk=team.pk).exists()


def must_lead(user: User, team: Team) -> None:
    """Refuse a member who is not a lead."""
    if not may_lead(user, team):
        raise PermissionDenied(f"Only a lead of {team} may do this.")


def may_lead(user: User, team: Team) -> bool:
    """Whether the user is a lead of the team."""
    return Team.objects.led_by(user).filter(pk=team.pk).exists()
