"""How far a team is: counts of events by state, by reviewer, by patch."""

import math
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from poreweb.observations.models import Patch
from poreweb.people.models import Membership
from poreweb.review.models import Assignment, Standing, Verdict
from poreweb.review.queries import PENDING

SETTLED = list(Standing.SETTLED)


@dataclass(frozen=True)
class Progress:
    """Of ``n`` events so many are settled, and so many are not pending any more."""

    n: int
    settled: int
    judged: int
    disputed: int


@dataclass(frozen=True)
class OfReviewer:
    """What one member has judged, and what of that which is assigned to him is still open."""

    name: str
    judged: int
    assigned: int
    open: int


def of_events(events: Any) -> Progress:
    """Of events with their state."""
    n = events.order_by().aggregate(
        n=Count("pk"),
        settled=Count("pk", filter=Q(state__in=SETTLED)),
        pending=Count("pk", filter=Q(state=PENDING)),
        disputed=Count("pk", filter=Q(state=Standing.State.DISPUTED)),
    )
    return Progress(n["n"], n["settled"], n["n"] - n["pending"], n["disputed"])


def of_patches(events: Any) -> list[dict[str, Any]]:
    """Of events with their state: ``patch``, ``n`` and ``settled`` for each patch, the one with most to do first."""
    by_patch = events.order_by().values("run__patch").annotate(n=Count("pk"))
    counts = {row["run__patch"]: row for row in by_patch.annotate(settled=Count("pk", filter=Q(state__in=SETTLED)))}
    patches = Patch.objects.in_bulk(counts)
    found = [{"patch": patches[key], "n": row["n"], "settled": row["settled"]} for key, row in counts.items()]
    # HARPs by number, then sequences by name
    return sorted(
        found,
        key=lambda row: (row["settled"] - row["n"], row["patch"].harpnum or math.inf, row["patch"].name),
    )


def of_reviewers(events: Any) -> list[OfReviewer]:
    """Of events with their state: what each member of their teams has judged, in order of names."""
    keys = events.order_by().values("pk")
    teams = events.order_by().values("run__patch__team").distinct()
    members = Membership.objects.filter(team__in=teams, role__in=Membership.WRITERS)
    names = sorted(set(members.values_list("user__username", flat=True)))
    given = dict(
        Verdict.objects.filter(event__in=keys).order_by().values_list("reviewer__username").annotate(n=Count("pk"))
    )
    asked = Assignment.objects.filter(event__in=keys).order_by().values("user__username")
    is_settled = Q(event__standing__state__in=SETTLED)
    open_of = {
        row["user__username"]: (row["n"], row["n"] - row["settled"])
        for row in asked.annotate(n=Count("pk"), settled=Count("pk", filter=is_settled))
    }
    return [OfReviewer(name, given.get(name, 0), *open_of.get(name, (0, 0))) for name in names]
