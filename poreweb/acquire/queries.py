"""What the pages show of acquisitions."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from poreweb.acquire import space
from poreweb.acquire.models import Acquisition, Record
from poreweb.observations.models import Frame
from poreweb.people.models import Team
from poreweb.work.models import Task

SHOWN = 100


@dataclass(frozen=True)
class Progress:
    """How far an acquisition is; ``left_s`` is None while nothing can be said."""

    n_held: int
    n_all: int
    n_lost: int
    left_s: int | None

    @property
    def percent(self) -> int:
        """Of the records."""
        return 100 * self.n_held // self.n_all if self.n_all else 0


@dataclass(frozen=True)
class Room:
    """What a team holds and may hold, in bytes."""

    team: Team
    held: int
    quota: int | None


def listed(user: User) -> "QuerySet[Acquisition]":
    """The acquisitions of the user's teams, newest first, with ``n_all`` and ``n_held`` records."""
    # each a subquery on an index, for the rows that are shown alone: a record is as long as its keywords
    records = Record.objects.filter(acquisition=OuterRef("pk")).order_by().values("acquisition")
    counted = {
        name: Coalesce(Subquery(found.annotate(n=Count("pk")).values("n")), 0)
        for name, found in (("n_all", records), ("n_held", records.filter(is_held=True)))
    }
    acquisitions = Acquisition.objects.visible_to(user).select_related("team", "user", "patch")
    return acquisitions.annotate(**counted).order_by("-pk")


def progress_of(acquisition: Acquisition) -> Progress:
    """From its records, and the time that those took which came since it was ordered."""
    n_all, n_held, n_lost = acquisition.records.aggregate(
        n=Count("pk"), held=Count("pk", filter=Q(is_held=True)), lost=Count("pk", filter=~Q(problem=""))
    ).values()
    n_before = acquisition.preview.get("n_held", 0)
    came, to_come = n_held - n_before, n_all - n_held - n_lost
    left_s = None
    if acquisition.ordered_at and came > 0 and to_come > 0 and acquisition.state in Task.OPEN:
        took = (timezone.now() - acquisition.ordered_at).total_seconds()
        left_s = round(took / came * to_come)
    return Progress(n_held, n_all, n_lost, left_s)


def rooms(user: User) -> list[Room]:
    """Of each of the user's teams."""
    return [Room(team, space.held_bytes(team), space.quota_bytes(team)) for team in Team.objects.of(user)]


def held_thumbnails(acquisition: Acquisition, n: int = 6) -> list[Frame]:
    """Frames of the patch within what was asked for, spread over it, whose continuum is held."""
    if acquisition.patch is None:
        return []
    frames = acquisition.patch.frames.filter(
        t_rec_s__in=acquisition.records.values("t_rec_s"), raw_files__segment="continuum", raw_files__conflict=False
    ).order_by("t_rec_s")
    keys = list(frames.values_list("pk", flat=True))
    chosen = {keys[round(k * (len(keys) - 1) / max(n - 1, 1))] for k in range(n)} if keys else set()
    return list(Frame.objects.filter(pk__in=chosen).order_by("t_rec_s"))
