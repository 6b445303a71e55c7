"""How far a team agrees, gold events, and who judges what."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import consensus as shapes
from poreweb.api.views.review import run_of
from poreweb.api.views.teams import team_of
from poreweb.consensus import actions
from poreweb.consensus.forms import AgreementForm, GoldForm, HandForm, SharesForm, TakeBackForm
from poreweb.consensus.gold import Share, answers_to_gold, gold_events, measured, own_share
from poreweb.consensus.statistics import Group, Rated, at_odds, rated_events, statistics_of
from poreweb.http import get_visible, must_lead
from poreweb.people.models import Team
from poreweb.review.models import Assignment, Verdict
from poreweb.review.queries import REVIEW_KINDS
from poreweb.tracks.models import Event, Run

# -- Agreement -------------------------------------------------------------------------------------


def _rated(address: Address, team: Team) -> list[Rated]:
    form = AgreementForm(team, address.asked(shapes.AgreementQuery))
    refuse_form(form)
    chosen = {name: value for name, value in form.cleaned_data.items() if value}
    return rated_events(team, address.request.user, **chosen)


def _group(group: Group) -> dict[str, Any]:
    pairs = [{"reviewers": list(pair), "kappa": measure} for pair, measure in sorted(group.cohen.items())]
    names = ("label", "n_events", "n_verdicts", "n_reviewers", "observed", "fleiss", "alpha", "interval")
    return {**{name: getattr(group, name) for name in names}, "cohen": pairs}


class TeamAgreement(Address):
    """Numbers."""

    @operation(shapes.AgreementShape, query=shapes.AgreementQuery)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """
        How far a team agrees: over all events with two verdicts or more, by kind and by mu.

        What counts is what each reviewer has said first. In a team that judges blindly you are
        told of events alone that are settled or that you have judged too and, as a lead, of
        those that wait for one.
        """
        found = statistics_of(_rated(self, team_of(request.user, team_id)))
        told = {"all": _group(found.all), "kinds": map(_group, found.kinds), "mus": map(_group, found.mus)}
        return Response(shapes.AgreementShape({**told, "kinds": list(told["kinds"]), "mus": list(told["mus"])}).data)


class TeamDisagreements(Address):
    """Events."""

    @operation(lists=shapes.DisagreementShape, query=shapes.AgreementQuery)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """The events of which not all reviewers say the same, as far as you may know that."""
        differing = at_odds(_rated(self, team_of(request.user, team_id)))
        return self.page(differing, shapes.DisagreementShape, make=lambda page: [_differing(item) for item in page])


def _differing(item: Rated) -> dict[str, Any]:
    said = [{"reviewer": name, "choice": choice} for name, choice in item.choices.items()]
    return {"event": item.event, "kind": item.kind, "mu": item.mu, "verdicts": said}


# -- Gold events -----------------------------------------------------------------------------------


class TeamGold(Address):
    """Those of a team."""

    @operation(lists=shapes.GoldShape, leads=True)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """A team's gold events; for leads alone, as reviewers are not told which they are."""
        team = team_of(request.user, team_id)
        must_lead(request.user, team)
        return self.page(gold_events(team), shapes.GoldShape)


class TeamMeasured(Address):
    """What they say."""

    @operation(lists=shapes.MeasuredShape, leads=True)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """How often each reviewer is right on gold events, by name and by kind of event."""
        team = team_of(request.user, team_id)
        must_lead(request.user, team)
        return self.page(measured(answers_to_gold(team)), shapes.MeasuredShape, make=_measured)


def _measured(page: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "all": one.all,
            "kinds": [{**_share(share), "kind": kind} for kind, share in one.kinds],
        }
        for one in page
    ]


def _share(share: Share) -> dict[str, Any]:
    return {name: getattr(share, name) for name in ("n_judged", "n_unsure", "n_right", "share", "interval")}


class TeamOwnShare(Address):
    """What you are told."""

    @operation(shapes.OwnShareShape)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """How often you were right on gold events until yesterday, in steps of ten, without which they are."""
        own = own_share(team_of(request.user, team_id), request.user)
        return Response(shapes.OwnShareShape({"own": own}).data)


class EventGold(Address):
    """The right answer."""

    @operation(shapes.GoldShape, takes=shapes.GoldIn, leads=True)
    def put(self, request: ApiRequest, event_id: int) -> Response:
        """Mark an event as gold, with the right answer, in place of an earlier one."""
        event = self._event(event_id)
        form = GoldForm(self.told(shapes.GoldIn), event=event)
        refuse_form(form)
        return Response(shapes.GoldShape(actions.set_gold(event, form.judgement, request.user)).data)

    @operation(status=204, leads=True)
    def delete(self, request: ApiRequest, event_id: int) -> Response:
        """Let an event be gold no more."""
        actions.remove_gold(self._event(event_id))
        return Response(status=204)

    def _event(self, event_id: int) -> Event:
        event = get_visible(Event.objects.select_related("run__patch__team"), self.request.user, event_id)
        must_lead(self.request.user, event.run.patch.team)
        return event


class RunGold(Address):
    """From the truth."""

    @operation(shapes.CountShape, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Mark all merges, splits and gaps of a run on a simulated patch as gold; how many are new."""
        run = _run_to_lead(request.user, run_id)
        return Response({"n": actions.gold_from_truth(run, request.user)})


# -- Assignments -----------------------------------------------------------------------------------


def _run_to_lead(user: User, run_id: int) -> Run:
    run = run_of(user, run_id)
    must_lead(user, run.patch.team)
    return run


def _keys(names: Sequence[str], allowed: Any, field: str) -> list[int]:
    """Keys of the users of these names."""
    known = dict(allowed.values_list("username", "pk"))
    if strange := [name for name in names if name not in known]:
        raise ValidationError({field: [f"{', '.join(strange)} cannot judge in this team."]})
    return [known[name] for name in names]


class RunAssignments(Address):
    """Who is to judge what."""

    @operation(lists=shapes.AssignmentShape, leads=True)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The assignments of a run, by event."""
        run = _run_to_lead(request.user, run_id)
        own = Exists(Verdict.objects.filter(event=OuterRef("event"), reviewer=OuterRef("user")))
        listed = Assignment.objects.filter(event__run=run).annotate(is_judged=own).select_related("user", "by")
        return self.page(listed.order_by("event__index", "event_id", "pk"), shapes.AssignmentShape)

    @operation(shapes.CountShape, takes=shapes.HandIn, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Ask one member to judge these events; how many assignments are new. Settled events are left out."""
        run = _run_to_lead(request.user, run_id)
        given = _given(run, HandForm, self.told(shapes.HandIn))
        return Response({"n": actions.assign(given["events"], given["member"], request.user)})


class RunAssignmentsTakenBack(Address):
    """Who is not to."""

    @operation(shapes.CountShape, takes=shapes.TakeBackIn, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Take events that are not judged yet back from a member; how many."""
        run = _run_to_lead(request.user, run_id)
        told = self.told(shapes.TakeBackIn)
        given = _given(run, TakeBackForm, told if "events" in told else {**told, "all": True})
        events = given["events"] if "events" in told else run.events.all()
        return Response({"n": actions.unassign(events, given["member"])})


def _given(run: Run, form: type[HandForm], told: dict[str, Any]) -> dict[str, Any]:
    (member,) = _keys([told["member"]], form(run, {}).fields["member"].queryset, "member")  # type: ignore[attr-defined]
    filled = form(run, {**told, "member": member})
    refuse_form(filled)
    return filled.cleaned_data


class RunShares(Address):
    """Even shares."""

    @operation(shapes.CountShape, takes=shapes.SharesIn, leads=True)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Give events to members in even shares, in number and in doubt; how many assignments are new."""
        run = _run_to_lead(request.user, run_id)
        told = self.told(shapes.SharesIn)
        allowed = SharesForm(run).fields["members"].queryset  # type: ignore[attr-defined]
        names = told.get("members") or list(allowed.values_list("username", flat=True))
        form = SharesForm(
            run,
            {
                "kinds": told.get("kinds", list(REVIEW_KINDS)),
                "below": told.get("below"),
                "most": told.get("most"),
                "members": _keys(names, allowed, "members"),
                "k": told.get("people_per_event", run.patch.team.quorum),
            },
        )
        refuse_form(form)
        given = form.cleaned_data
        return Response({"n": actions.share_out(form.events(), list(given["members"]), given["k"], request.user)})
