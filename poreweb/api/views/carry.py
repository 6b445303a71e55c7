"""What has become, in one run, of the events that people have judged in another, and carrying it over."""

from typing import Any

from django.http import Http404
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError
from poreweb.api.schema import PROBLEM, operation
from poreweb.api.shapes import carry as shapes
from poreweb.api.views.review import run_of
from poreweb.http import must_lead
from poreweb.review.carry import Plan, carry, default_source, plan_for
from poreweb.review.comparison import Fate, compare, told_to
from poreweb.tracks.models import Run


def _source(target: Run, told: dict[str, Any]) -> Run:
    """The other run: the one that is asked for, else the one that lends itself."""
    if key := told.get("source"):
        source = target.patch.runs.exclude(pk=target.pk).filter(pk=key).first()
        if source is None:
            raise Http404("that is no other run of this patch")
        return source
    source = default_source(target)
    if source is None:
        raise RefusedError(f"{target.patch} has no other run that is done.")
    return source


class RunCarry(Address):
    """From run to run."""

    @operation(shapes.CarryShape, query=shapes.CarryQuery, also={409: PROBLEM})
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """
        What has become in this run of the events judged in another one, and what carrying over would do.

        In a team that judges blindly all but its leads are told of events alone that are
        settled or that they have judged too.
        """
        target = run_of(request.user, run_id)
        source = _source(target, self.asked(shapes.CarryQuery))
        compared = compare(source, target)
        plan, found = plan_for(compared, request.user), told_to(compared, request.user)
        told = {
            "source": source.pk,
            "target": target.pk,
            "numbers": found.numbers,
            "planned": plan and plan.numbers,
            "n_contradicted": len(found.contradicted),
        }
        return Response(shapes.CarryShape(told).data)

    @operation(shapes.CarriedShape, takes=shapes.CarryIn, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Carry verdicts, settlements, gold events and assignments over to this run; done again it changes nothing."""
        target = run_of(request.user, run_id)
        must_lead(request.user, target.patch.team)
        source = _source(target, self.told(shapes.CarryIn))
        return Response(shapes.CarriedShape({"acts": carry(source, target, request.user)}).data)


class RunCarryEvents(Address):
    """The events of it."""

    @operation(lists=shapes.FateShape, query=shapes.FateQuery, also={409: PROBLEM})
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """What has become in this run of each event judged in another one, in time."""
        target = run_of(request.user, run_id)
        asked = self.asked(shapes.FateQuery)
        compared = compare(_source(target, asked), target)
        plan, found = plan_for(compared, request.user), told_to(compared, request.user)
        fates = [fate for fate in found.fates if asked.get("how", fate.how) == fate.how]
        return self.page(fates, shapes.FateShape, make=lambda page: [_told(fate, plan) for fate in page])


def _told(fate: Fate, plan: Plan | None) -> dict[str, Any]:
    known = plan if fate.is_told else None
    return {
        "event": fate.event.pk,
        "kind": fate.event.kind,
        "frame": fate.event.index + 1,
        "how": fate.how,
        "words": fate.words,
        "target": fate.target and fate.target.pk,
        "would_carry": known and fate.event.pk in known.carried,
        "would_flag": known and fate.target is not None and fate.target.pk in known.stale,
        "n_contradicted": len(fate.contradicted),
    }
