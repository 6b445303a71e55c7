"""HTTP in, HTTP out: a team, its members, its invitations, its history."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.db import IntegrityError
from django.db.models import Count, Q
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from poreweb.http import Request, may_lead, must_lead
from poreweb.people import actions
from poreweb.people.activity import DAYS, activity_of
from poreweb.people.forms import HistoryForm, InviteForm, RoleForm, RulesForm
from poreweb.people.history import Page, acts_of, page_of, query_of
from poreweb.people.invitations import UNKNOWN, InvitationError, is_higher, problem_with, sha256_of, state_of
from poreweb.people.models import Invitation, Membership, Team

# Of the invitations that nobody can use any more, only the newest are listed.
MOST_ENDED = 50
BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_GET
def teams(request: Request) -> HttpResponse:
    """The user's teams; the only one at once."""
    memberships = list(request.user.memberships.select_related("team").annotate(n=Count("team__memberships")))
    if len(memberships) == 1:
        return redirect("people:team", memberships[0].team_id)
    return render(request, "people/teams.html", {"memberships": memberships})


@require_GET
def team(request: Request, pk: int) -> HttpResponse:
    """Who is in a team, what each has done, how it settles events and, for leads, whom it has invited."""
    return _render_team(request, _team(request, pk))


@require_POST
def set_role(request: Request, pk: int) -> HttpResponse:
    """Give a member another role."""
    membership = _membership(request, pk)
    must_lead(request.user, membership.team)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _render_team(request, membership.team, problem="There is no such role; nothing was changed.")
    try:
        changed = actions.change_role(membership, form.cleaned_data["role"])
    except actions.LastLeadError as refused:
        return _render_team(request, membership.team, problem=str(refused))
    except Membership.DoesNotExist as gone:
        raise Http404("this member was removed") from gone
    messages.success(request, f"{changed.user} is now {changed.get_role_display()}.")
    return redirect("people:team", membership.team_id)


@require_POST
def remove_member(request: Request, pk: int) -> HttpResponse:
    """Take a member out of the team."""
    membership = _membership(request, pk)
    must_lead(request.user, membership.team)
    try:
        actions.remove_member(membership)
    except actions.LastLeadError as refused:
        return _render_team(request, membership.team, problem=str(refused))
    except Membership.DoesNotExist as gone:
        raise Http404("this member was removed") from gone
    messages.success(request, f"{membership.user} is no longer in {membership.team}.")
    return redirect("people:teams") if membership.user == request.user else redirect("people:team", membership.team_id)


@require_POST
def set_rules(request: Request, pk: int) -> HttpResponse:
    """How many equal verdicts settle an event, and whether they are given blind."""
    team = _team(request, pk)
    must_lead(request.user, team)
    form = RulesForm(request.POST, instance=Team(pk=team.pk, name=team.name))
    if not form.is_valid():
        return _render_team(request, team, rules=form)
    n_changed = actions.set_rules(team, request.user, **form.cleaned_data)
    by_them = f" {n_changed} event{'s' * (n_changed != 1)} changed by them." if n_changed else ""
    messages.success(request, f"The rules are saved.{by_them}")
    return redirect("people:team", team.pk)


@never_cache
@require_POST
def invite(request: Request, pk: int) -> HttpResponse:
    """Make an invitation, and show its link this one time."""
    team = _team(request, pk)
    must_lead(request.user, team)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _render_team(request, team, invite=form)
    made, secret = actions.invite(team, request.user, **form.cleaned_data)
    link = request.build_absolute_uri(reverse("people:invitation", args=[secret]))
    return _render_team(request, team, link=link, made=made)


@require_POST
def revoke(request: Request, pk: int) -> HttpResponse:
    """Withdraw an invitation."""
    invitations = Invitation.objects.filter(team__in=Team.objects.of(request.user)).select_related("team")
    invitation = get_object_or_404(invitations, pk=pk)
    must_lead(request.user, invitation.team)
    if actions.revoke(invitation):
        messages.success(request, "The invitation is withdrawn; its link lets nobody in.")
    else:
        messages.warning(request, "That invitation was used or withdrawn before.", extra_tags="problem")
    return redirect("people:team", invitation.team_id)


@never_cache
@login_not_required
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "POST"])
def invitation(request: Request, secret: str) -> HttpResponse:
    """Who holds the link may join: a user as that one, somebody else with a new account."""
    found = Invitation.objects.select_related("team", "created_by").filter(secret_sha256=sha256_of(secret)).first()
    if problem := UNKNOWN if found is None else problem_with(found):
        return _render_refusal(request, problem)
    assert found is not None
    if request.user.is_authenticated:
        return _join(request, found, secret)
    return _join_as_new(request, found, secret)


def _join(request: Request, found: Invitation, secret: str) -> HttpResponse:
    if request.method == "POST":
        try:
            membership = actions.accept(secret, request.user)
        except InvitationError as refused:
            return _render_refusal(request, str(refused))
        messages.success(request, f"You are in {membership.team} as {membership.get_role_display()}.")
        return redirect("people:team", membership.team_id)
    held = found.team.memberships.filter(user=request.user).first()
    needless = held if held and not is_higher(found.role, held.role) else None
    return render(request, "people/invitation.html", {"invitation": found, "held": held, "needless": needless})


def _join_as_new(request: Request, found: Invitation, secret: str) -> HttpResponse:
    form: Any = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name, password = form.cleaned_data["username"], form.cleaned_data["password1"]
        try:
            user = actions.accept_as_new(secret, name, password)
        except InvitationError as refused:
            return _render_refusal(request, str(refused))
        except IntegrityError:
            form.add_error("username", "Somebody has just taken that name; choose another.")
        else:
            login(request, user, backend=BACKEND)
            messages.success(request, f"Welcome to {found.team}, {user}.")
            return redirect("people:team", found.team_id)
    return render(request, "people/invitation.html", {"invitation": found, "form": form})


def _render_refusal(request: Request, problem: str) -> HttpResponse:
    status = 404 if problem == UNKNOWN else 410
    return render(request, "people/invitation.html", {"problem": problem}, status=status)


@require_GET
def history(request: Request, pk: int) -> HttpResponse:
    """Everything that was done in the team, newest first; the filters are in the address."""
    team = _team(request, pk)
    form = HistoryForm(request.GET, team=team, auto_id="history_%s")
    page, filters = Page(), {}
    if form.is_valid():
        filters = {name: form.cleaned_data[name] and form.cleaned_data[name].pk for name in ("member", "patch", "run")}
        page = page_of(acts_of(team, request.user, **filters), request.user, before=form.cleaned_data["before"])
    context = {
        "team": team,
        "form": form,
        "page": page,
        "filtered": any(filters.values()),
        "is_first": not form.is_valid() or not form.cleaned_data["before"],
        "newest": query_of(filters),
        "older": query_of(filters, before=page.older),
    }
    return render(request, "people/history.html", context)


def _team(request: Request, pk: int) -> Team:
    return get_object_or_404(Team.objects.of(request.user), pk=pk)


def _membership(request: Request, pk: int) -> Membership:
    memberships = Membership.objects.filter(team__in=Team.objects.of(request.user))
    return get_object_or_404(memberships.select_related("team", "user"), pk=pk)


def _render_team(
    request: Request,
    team: Team,
    *,
    problem: str = "",
    rules: Form | Any = None,
    invite: Form | Any = None,
    link: str = "",
    made: Invitation | None = None,
) -> HttpResponse:
    can_lead = may_lead(request.user, team)
    context: dict[str, Any] = {
        "team": team,
        "members": activity_of(team),
        "days": DAYS,
        "roles": Membership.Role.choices,
        "can_lead": can_lead,
        "problem": problem,
    }
    if can_lead:
        context |= {
            "rules": rules or RulesForm(instance=team),
            "invite": invite or InviteForm(auto_id="invite_%s"),
            "invitations": [(item, state_of(item)) for item in _listed_invitations(team)],
            "link": link,
            "made": made,
        }
    return render(request, "people/team.html", context)


def _listed_invitations(team: Team) -> list[Invitation]:
    """Those that still let somebody in, then the newest of the others."""
    rows = team.invitations.select_related("created_by", "accepted_by")
    is_open = Q(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    return [*rows.filter(is_open), *rows.exclude(is_open)[:MOST_ENDED]]
