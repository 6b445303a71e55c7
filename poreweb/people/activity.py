"""What each member has done of late. Never to rank people by: it says how long reviewing takes."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from poreweb.people.models import Invitation, Membership, Team
from poreweb.review.models import Act, Assignment, Standing, Verdict

DAYS = 30
# A longer time between two verdicts is a pause.
PAUSE = timedelta(minutes=10)
# Fewer times between verdicts than this say nothing of a pace.
LEAST_STEPS = 5


@dataclass(frozen=True)
class Activity:
    """
    One member and what was done in the last `DAYS`.

    ``pace`` is verdicts an hour, None where there are too few to tell; ``joined_at`` is None
    for whom no invitation let in.
    """

    member: Membership
    joined_at: datetime | None
    n_verdicts: int
    n_assigned: int
    pace: float | None


def activity_of(team: Team) -> list[Activity]:
    """Every member by name, in a number of queries that does not grow with them."""
    since = timezone.now() - timedelta(days=DAYS)
    members = list(team.memberships.select_related("user", "team").order_by("user__username"))
    joined = dict(
        Invitation.objects.filter(team=team, accepted_at__isnull=False)
        .order_by("accepted_at")
        .values_list("accepted_by", "accepted_at")
    )
    n_verdicts = _n_verdicts(team, since)
    n_assigned = _n_assigned(team)
    paces = _paces(team, since)
    return [
        Activity(
            member,
            joined.get(member.user_id),
            n_verdicts.get(member.user_id, 0),
            n_assigned.get(member.user_id, 0),
            paces.get(member.user_id),
        )
        for member in members
    ]


def pace_of(times: Iterable[datetime]) -> float | None:
    """Verdicts an hour while working, by the median time between two in order; None where there are too few."""
    steps = [step.total_seconds() for earlier, later in pairwise(times) if (step := later - earlier) <= PAUSE]
    if len(steps) < LEAST_STEPS:
        return None
    return 3600 / max(median(steps), 1.0)


def _n_verdicts(team: Team, since: datetime) -> dict[int, int]:
    """How many verdicts of each still stand; those a rerun brought along are of the run before."""
    given = Verdict.objects.filter(event__run__patch__team=team, given_at__gte=since, carried_from=None)
    return _counted(given, "reviewer")


def _n_assigned(team: Team) -> dict[int, int]:
    """How many events wait for a verdict that each is asked for."""
    own = Verdict.objects.filter(event=OuterRef("event"), reviewer=OuterRef("user"))
    settled = Q(event__standing__state__in=Standing.SETTLED)
    waiting = Assignment.objects.filter(~Exists(own), event__run__patch__team=team).exclude(settled)
    return _counted(waiting, "user")


def _counted(rows: Any, column: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(column).annotate(n=Count("pk")))


def _paces(team: Team, since: datetime) -> dict[int, float | None]:
    acts = Act.objects.filter(run__patch__team=team, at__gte=since, kind=Act.Kind.VERDICT)
    times: dict[int, list[datetime]] = defaultdict(list)
    for user_id, at in acts.order_by("by", "at").values_list("by", "at"):
        times[user_id].append(at)
    return {user_id: pace_of(given) for user_id, given in times.items()}
