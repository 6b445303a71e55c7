"""Teams, members, invitations, and everything that was done."""

from typing import Any, ClassVar

from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.api.shapes.review import ActShape, EntryShape
from poreweb.people.invitations import LEAST_DAYS, MOST_DAYS
from poreweb.people.models import Invitation, Membership, Team

STATES = ("open", "used", "revoked", "expired")


class TeamShape(Row):
    """A team, how it settles events, and your role in it."""

    role = serializers.ChoiceField(Membership.Role.choices, help_text="Yours.")
    n_members = serializers.IntegerField()

    class Meta:
        model = Team
        fields = ("id", "name", "quorum", "is_blind", "role", "n_members")


class MeShape(serializers.Serializer[Any]):
    """Who you are."""

    username = Text()
    teams = TeamShape(many=True)


class RulesIn(Body):
    """How a team settles events; what is not given stays."""

    quorum = serializers.IntegerField(
        min_value=1, max_value=Team.MOST_QUORUM, required=False, help_text="Equal verdicts that settle an event."
    )
    is_blind = serializers.BooleanField(required=False, help_text="Hide others' verdicts until one's own is in.")


class RulesSetShape(serializers.Serializer[Any]):
    """The team by its new rules."""

    team = TeamShape()
    n_changed = serializers.IntegerField(help_text="Events whose state is another one by them.")


class EmailIn(Body):
    """The e-mail under which a team asks JSOC."""

    jsoc_email = serializers.EmailField(
        max_length=254, allow_blank=True, help_text="Empty: the site's own, where it has one. JSOC must know it."
    )


class EmailShape(serializers.Serializer[Any]):
    """The e-mail under which a team asks JSOC."""

    jsoc_email = Text(help_text="Empty: the site's own, where it has one.")


class MemberShape(serializers.Serializer[Any]):
    """A member, and what was done in the last 30 days. In order of names: nobody is ranked by it."""

    id = Key(source="member.pk", help_text="Key of the membership.")
    username = user_name("member.user")
    role = serializers.ChoiceField(Membership.Role.choices, source="member.role")
    joined_at = serializers.DateTimeField(allow_null=True, help_text="Null for whom no invitation let in.")
    n_verdicts = serializers.IntegerField(help_text="Verdicts of the last 30 days that still stand.")
    n_assigned = serializers.IntegerField(help_text="Events that wait for a verdict of this member.")
    verdicts_per_hour = Number(source="pace", allow_null=True, help_text="While working; null for too few to tell.")


class MembershipShape(Row):
    """A member with the role there."""

    username = user_name("user")

    class Meta:
        model = Membership
        fields = ("id", "team", "username", "role")


class RoleIn(Body):
    """Another role."""

    role = serializers.ChoiceField(Membership.Role.choices)


class InvitationShape(Row):
    """A way into the team; its link is not kept."""

    state = serializers.ChoiceField(STATES)
    created_by = user_name("created_by")
    accepted_by = user_name("accepted_by")

    class Meta:
        model = Invitation
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "role", "note", "state", "created_by", "created_at", "expires_at", "accepted_by",
        )  # fmt: skip


class InvitationMadeShape(InvitationShape):
    """A new invitation, with its link, which is shown this once."""

    link = serializers.URLField(help_text="Whoever opens it may join.")

    class Meta(InvitationShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (*InvitationShape.Meta.fields, "link")


class InvitationIn(Body):
    """Whom to invite, and as what."""

    role = serializers.ChoiceField(Membership.Role.choices)
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, help_text="For whom it is.")
    days = serializers.IntegerField(min_value=LEAST_DAYS, max_value=MOST_DAYS, help_text="Days until it ends.")


class HistoryStepShape(serializers.Serializer[Any]):
    """One act, and what it changed."""

    act = ActShape()
    words = Text(help_text="What it was on; empty where you may not know of all of it.")
    entries = EntryShape(many=True, help_text="The first of what it changed, as far as you may know that.")
    n_more = serializers.IntegerField(help_text="Entries that are not listed.")


class HistoryPageShape(serializers.Serializer[Any]):
    """Acts, newest first."""

    next = serializers.URLField(allow_null=True, help_text="Address of the following page; null when there is none.")
    results = HistoryStepShape(many=True)


class TeamHistoryQuery(Query):
    """Which acts."""

    member = serializers.CharField(max_length=150, required=False, help_text="Only those of this user.")
    patch = Key(required=False, help_text="Only those on this patch.")
    run = Key(required=False, help_text="Only those on this run.")
    before = Key(required=False, help_text="Only acts with a lower key: what the address of the next page asks for.")
