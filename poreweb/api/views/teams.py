"""Teams, members, invitations, and everything that was done."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Subquery
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from poreweb.acquire.forms import EmailForm
from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError, refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import teams as shapes
from poreweb.http import must_lead, must_write
from poreweb.people import actions
from poreweb.people.activity import activity_of
from poreweb.people.forms import HistoryForm, InviteForm, RulesForm
from poreweb.people.history import acts_of, page_of
from poreweb.people.invitations import state_of
from poreweb.people.models import Invitation, Membership, Team


def _teams(user: User) -> Any:
    role = Membership.objects.filter(team=OuterRef("pk"), user=user).values("role")
    sizes = Membership.objects.filter(team=OuterRef("pk")).order_by().values("team").annotate(n=Count("pk")).values("n")
    return Team.objects.of(user).annotate(role=Subquery(role[:1]), n_members=Subquery(sizes))


def team_of(user: User, team_id: int) -> Team:
    """A team that one belongs to; 404 for any other."""
    team: Team = get_object_or_404(_teams(user), pk=team_id)
    return team


def writable_team(user: User, team_id: int) -> Team:
    """The same for whom may change something there; others are refused."""
    team = team_of(user, team_id)
    must_write(user, team)
    return team


class Me(Address):
    """Who asks."""

    @operation(shapes.MeShape)
    def get(self, request: ApiRequest) -> Response:
        """Who you are, and in which teams."""
        return Response(shapes.MeShape({"username": request.user.username, "teams": _teams(request.user)}).data)


class Teams(Address):
    """Where one belongs."""

    @operation(lists=shapes.TeamShape)
    def get(self, request: ApiRequest) -> Response:
        """Your teams, by name."""
        return self.page(_teams(request.user).order_by("name"), shapes.TeamShape)


class OneTeam(Address):
    """One of them."""

    @operation(shapes.TeamShape)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """One team."""
        return Response(shapes.TeamShape(team_of(request.user, team_id)).data)

    @operation(shapes.RulesSetShape, takes=shapes.RulesIn, leads=True)
    def patch(self, request: ApiRequest, team_id: int) -> Response:
        """Change how a team settles events; all that is open is weighed again."""
        team = team_of(request.user, team_id)
        must_lead(request.user, team)
        told = {"quorum": team.quorum, "is_blind": team.is_blind, **self.told(shapes.RulesIn)}
        form = RulesForm(told, instance=Team(pk=team.pk, name=team.name))
        refuse_form(form)
        n_changed = actions.set_rules(team, request.user, **form.cleaned_data)
        changed = {"team": team_of(request.user, team_id), "n_changed": n_changed}
        return Response(shapes.RulesSetShape(changed).data)


class TeamEmail(Address):
    """How JSOC knows it."""

    @operation(shapes.EmailShape, leads=True)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """The e-mail under which a team asks JSOC."""
        return Response(shapes.EmailShape(self._led(team_id)).data)

    @operation(shapes.EmailShape, takes=shapes.EmailIn, leads=True)
    def put(self, request: ApiRequest, team_id: int) -> Response:
        """Have a team ask JSOC under another e-mail, which JSOC must know."""
        team = self._led(team_id)
        form = EmailForm(self.told(shapes.EmailIn), instance=team)
        refuse_form(form)
        form.save()
        return Response(shapes.EmailShape(team).data)

    def _led(self, team_id: int) -> Team:
        team = team_of(self.request.user, team_id)
        must_lead(self.request.user, team)
        return team


class TeamMembers(Address):
    """Who is in it."""

    @operation(lists=shapes.MemberShape)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """The members of a team by name, with what each has done of late."""
        return self.page(activity_of(team_of(request.user, team_id)), shapes.MemberShape)


class OneMember(Address):
    """One of them."""

    @operation(shapes.MembershipShape, takes=shapes.RoleIn, leads=True)
    def patch(self, request: ApiRequest, member_id: int) -> Response:
        """Give a member another role; the last lead stays one."""
        member = self._member(member_id)
        changed = actions.change_role(member, self.told(shapes.RoleIn)["role"])
        return Response(shapes.MembershipShape(changed).data)

    @operation(status=204, leads=True)
    def delete(self, request: ApiRequest, member_id: int) -> Response:
        """Take a member out of the team; what was said stays."""
        actions.remove_member(self._member(member_id))
        return Response(status=204)

    def _member(self, member_id: int) -> Membership:
        memberships = Membership.objects.filter(team__in=Team.objects.of(self.request.user))
        member = get_object_or_404(memberships.select_related("team", "user"), pk=member_id)
        must_lead(self.request.user, member.team)
        return member


class TeamInvitations(Address):
    """Ways into it."""

    @operation(lists=shapes.InvitationShape, leads=True)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """A team's invitations, newest first."""
        team = team_of(request.user, team_id)
        must_lead(request.user, team)
        listed = team.invitations.select_related("created_by", "accepted_by").order_by("-pk")
        return self.page(listed, shapes.InvitationShape, make=lambda page: [_with_state(item) for item in page])

    @operation(shapes.InvitationMadeShape, takes=shapes.InvitationIn, status=201, leads=True)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """Invite somebody; the link in the answer is not kept and cannot be had again."""
        team = team_of(request.user, team_id)
        must_lead(request.user, team)
        form = InviteForm({"note": "", **self.told(shapes.InvitationIn)})
        refuse_form(form)
        made, secret = actions.invite(team, request.user, **form.cleaned_data)
        told = _with_state(made)
        told.link = request.build_absolute_uri(reverse("people:invitation", args=[secret]))
        headers = {"Cache-Control": "no-store"}
        return Response(shapes.InvitationMadeShape(told).data, status=201, headers=headers)


def _with_state(invitation: Any) -> Any:
    invitation.state = state_of(invitation)
    return invitation


class OneInvitation(Address):
    """One of them."""

    @operation(status=204, leads=True)
    def delete(self, request: ApiRequest, invitation_id: int) -> Response:
        """Withdraw an invitation that nobody has used."""
        invitations = Invitation.objects.filter(team__in=Team.objects.of(request.user)).select_related("team")
        invitation = get_object_or_404(invitations, pk=invitation_id)
        must_lead(request.user, invitation.team)
        if not actions.revoke(invitation):
            raise RefusedError("That invitation was used or withdrawn before.")
        return Response(status=204)


class TeamHistory(Address):
    """Everything that was done."""

    @operation(shapes.HistoryPageShape, query=shapes.TeamHistoryQuery)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """Everything that was done in a team, newest first, as far as you may know it; fifty acts a page."""
        team = team_of(request.user, team_id)
        asked = self.asked(shapes.TeamHistoryQuery)
        member = None
        if name := asked.get("member"):
            people = HistoryForm(team=team).fields["member"].queryset  # type: ignore[attr-defined]
            member = people.filter(username=name).values_list("pk", flat=True).first()
            if member is None:
                raise ValidationError({"member": [f"Nobody called {name} is in {team} or has acted in it."]})
        acts = acts_of(team, request.user, member=member, patch=asked.get("patch"), run=asked.get("run"))
        page = page_of(acts, request.user, before=asked.get("before"))
        results = [
            {"act": step.act, "words": step.words, "entries": _entries(step), "n_more": step.n_more}
            for step in page.steps
        ]
        here = request.build_absolute_uri()
        following = replace_query_param(here, "before", page.older) if page.older else None
        return Response(shapes.HistoryPageShape({"next": following, "results": results}).data)


def _entries(step: Any) -> list[Any]:
    """What the act changed; the act itself is known already."""
    entries = [line.entry for line in step.lines]
    for entry in entries:
        entry.act = step.act
    return entries
