"""Every change to teams, memberships, invitations, and what members choose for themselves."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

from poreweb.people.invitations import UNKNOWN, InvitationError, is_higher, problem_with, sha256_of
from poreweb.people.keys import KEYS
from poreweb.people.models import Invitation, Membership, Preferences, Team

DEMO_USER = "demo"
DEMO_PASSWORD = "sunspots"  # of a site that listens on this machine alone; printed at every start
DEMO_TEAM = "Demo team"
MOST_TOKENS = 20


class LastLeadError(Exception):
    """The team would be left without a lead."""


class TooManyTokensError(Exception):
    """The user has as many tokens as anybody needs."""


# -- Members ---------------------------------------------------------------------------------------


@transaction.atomic
def add_member(team: Team, user: User, role: str = Membership.Role.REVIEWER) -> Membership:
    """Put a user into a team, or change the role there."""
    membership, _ = Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})
    return membership


@transaction.atomic
def change_role(membership: Membership, role: str) -> Membership:
    """
    Give a member another role.

    Raises
    ------
    LastLeadError
        If the team would be left without a lead.
    Membership.DoesNotExist
        If somebody has removed the member meanwhile.
    """
    member = _lock(membership)
    if member.role == Membership.Role.LEAD and role != Membership.Role.LEAD:
        _keep_a_lead(member)
        _withdraw_invitations(member)
    member.role = role
    member.save(update_fields=["role"])
    if role not in Membership.WRITERS:
        _unassign(member)
    return member


@transaction.atomic
def remove_member(membership: Membership) -> None:
    """
    Take a member out of the team; verdicts and comments stay.

    Raises
    ------
    LastLeadError, Membership.DoesNotExist
        As `change_role`.
    """
    member = _lock(membership)
    if member.role == Membership.Role.LEAD:
        _keep_a_lead(member)
        _withdraw_invitations(member)
    _unassign(member)
    member.delete()


def _lock(membership: Membership) -> Membership:
    """The membership as it is now, and as it stays until the transaction ends, as all of the team's do."""
    Team.objects.select_for_update(no_key=True).get(pk=membership.team_id)
    return Membership.objects.select_related("team", "user").get(pk=membership.pk)


def _keep_a_lead(leaving: Membership) -> None:
    leads = leaving.team.memberships.filter(role=Membership.Role.LEAD)
    if not leads.exclude(pk=leaving.pk).exists():
        raise LastLeadError(
            f"{leaving.user} is the only lead of {leaving.team}: make somebody else a lead before this."
        )


def _withdraw_invitations(member: Membership) -> None:
    """Whoever no longer leads has no key to the team left in a drawer."""
    member.team.invitations.filter(created_by=member.user, accepted_at=None, revoked_at=None).update(
        revoked_at=timezone.now()
    )


def _unassign(member: Membership) -> None:
    """Nobody waits for verdicts that can no longer come."""
    assigned = member.user.assignments.filter(event__run__patch__team=member.team)
    assigned.exclude(event__verdicts__reviewer=member.user).delete()


@transaction.atomic
def set_rules(team: Team, by: User, *, quorum: int, is_blind: bool) -> int:
    """How ``by`` wants the team to settle events; returns how many have another state by the new rules."""
    from poreweb.review.actions import settle_anew  # reviewing builds on people, not people on reviewing

    held = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    has_new_quorum = held.quorum != quorum
    held.quorum, held.is_blind = quorum, is_blind
    held.save(update_fields=["quorum", "is_blind"])
    return settle_anew(held, by) if has_new_quorum else 0


# -- Invitations -----------------------------------------------------------------------------------


def invite(team: Team, by: User, *, role: str, note: str, days: int) -> tuple[Invitation, str]:
    """A new invitation and its secret, which is not kept and cannot be shown again."""
    secret = secrets.token_urlsafe(32)
    invitation = team.invitations.create(
        role=role,
        note=note,
        secret_sha256=sha256_of(secret),
        created_by=by,
        expires_at=timezone.now() + timedelta(days=days),
    )
    return invitation, secret


def revoke(invitation: Invitation) -> bool:
    """Withdraw an invitation that nobody has used; False if there is nothing left to withdraw."""
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    return bool(unused.update(revoked_at=timezone.now()))


@transaction.atomic
def accept(secret: str, user: User) -> Membership:
    """
    Let a user in by an invitation, which is then used up. It never lowers a role.

    Who has that role already, or a higher one, keeps it, and the invitation stays open.

    Raises
    ------
    InvitationError
        If it is unknown, used, withdrawn or expired.
    """
    invitation = _lock_open(secret)
    member = Membership.objects.select_related("team", "user").filter(team=invitation.team, user=user).first()
    if member and not is_higher(invitation.role, member.role):
        return member
    return _let_in(invitation, user)


@transaction.atomic
def accept_as_new(secret: str, username: str, password: str) -> User:
    """
    Make an account for whoever has an invitation, and let it in; both or neither.

    Raises
    ------
    InvitationError
        As `accept`.
    django.db.IntegrityError
        If somebody has taken the name meanwhile.
    """
    invitation = _lock_open(secret)
    user = User.objects.create_user(username, password=password)
    _let_in(invitation, user)
    return user


def _lock_open(secret: str) -> Invitation:
    held = Invitation.objects.select_for_update(of=("self",)).select_related("team")
    invitation = held.filter(secret_sha256=sha256_of(secret)).first()
    if problem := UNKNOWN if invitation is None else problem_with(invitation):
        raise InvitationError(problem)
    assert invitation is not None
    return invitation


def _let_in(invitation: Invitation, user: User) -> Membership:
    invitation.accepted_by, invitation.accepted_at = user, timezone.now()
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    return add_member(invitation.team, user, invitation.role)


# -- What members choose for themselves --------------------------------------------------------------


def choose_keys(user: User, keys: Mapping[str, str]) -> None:
    """Keep the keys that differ from the usual ones; an empty mapping brings all of those back."""
    changed = {act: key for act, key in keys.items() if KEYS.get(act, key) != key}
    Preferences.objects.update_or_create(user=user, defaults={"keys": changed})


@transaction.atomic
def make_token(user: User, *, days: int) -> tuple[AuthToken, str]:
    """
    A new token for the API and its text, which is not kept and cannot be shown again.

    Raises
    ------
    TooManyTokensError
        If the user has `MOST_TOKENS` that still work.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    tokens = AuthToken.objects.filter(user=user)
    tokens.filter(expiry__lt=timezone.now()).delete()
    if tokens.count() >= MOST_TOKENS:
        raise TooManyTokensError(f"You have {MOST_TOKENS} tokens, which is as many as one may have; revoke one first.")
    token, text = AuthToken.objects.create(user, timedelta(days=days))
    return token, text


# -- The demo --------------------------------------------------------------------------------------


@transaction.atomic
def make_demo_people() -> Team:
    """The demo team and its one lead, who may also see the queues; made once."""
    team, _ = Team.objects.get_or_create(name=DEMO_TEAM)
    user, made = User.objects.get_or_create(username=DEMO_USER, defaults={"is_staff": True, "is_superuser": True})
    if made:
        user.set_password(DEMO_PASSWORD)
        user.save()
        add_member(team, user, Membership.Role.LEAD)
    return team
