"""Every change to teams and memberships."""

from django.contrib.auth.models import User
from django.db import transaction

from poreweb.people.models import Membership, Team

DEMO_USER = "demo"
DEMO_PASSWORD = "sunspots"  # of a site that listens on this machine alone; printed at every start
DEMO_TEAM = "Demo team"


@transaction.atomic
def add_member(team: Team, user: User, role: str = Membership.Role.REVIEWER) -> Membership:
    """Put a user into a team, or change the role there."""
    membership, _ = Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})
    return membership


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
