"""How far a team agrees, gold events, and who judges what."""

from typing import Any

from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.api.shapes.review import Correcting, CorrectionIn
from poreweb.consensus.forms import MOST_EVENTS, RIGHT_ANSWERS
from poreweb.people.models import Team
from poreweb.review.models import Assignment, Choice, GoldEvent
from poreweb.tracks.models import Event
from processing.edits import MAX_ITEMS

MOST_AT_ONCE = 1000


class AgreementQuery(Query):
    """Which events the agreement is of."""

    patch = Key(required=False, help_text="Only those of this patch.")
    run = Key(required=False, help_text="Only those of this run.")
    kind = serializers.ChoiceField(Event.Kind.choices, required=False)


class MeasureShape(serializers.Serializer[Any]):
    """A measure of agreement."""

    value = Number(allow_null=True, help_text="Null where it is not defined.")
    n = serializers.IntegerField(help_text="Events that it is of.")
    why = Text(help_text="Why it is not defined; empty where it is.")


class PairShape(serializers.Serializer[Any]):
    """Cohen's kappa of two reviewers."""

    reviewers = serializers.ListField(child=Text(), help_text="Two names.")
    kappa = MeasureShape()


class GroupShape(serializers.Serializer[Any]):
    """Agreement on some of the events with two verdicts or more."""

    label = Text(  # type: ignore[assignment]
        help_text="'all', a kind of event, or a range of mu."
    )
    n_events = serializers.IntegerField()
    n_verdicts = serializers.IntegerField()
    n_reviewers = serializers.IntegerField()
    observed = MeasureShape(help_text="Share of pairs of verdicts that agree.")
    fleiss = MeasureShape(help_text="Fleiss' kappa.")
    alpha = MeasureShape(help_text="Krippendorff's alpha, nominal.")
    interval = serializers.ListField(
        child=Number(), allow_null=True, help_text="Where alpha is with 95 % confidence: two ends; null if unknown."
    )
    cohen = PairShape(many=True)


class AgreementShape(serializers.Serializer[Any]):
    """How far the team agrees, as far as you may know it."""

    all = GroupShape()
    kinds = GroupShape(many=True, help_text="By kind of event.")
    mus = GroupShape(many=True, help_text="By the least mu of the pores.")


class SaidByShape(serializers.Serializer[Any]):
    """What one reviewer says."""

    reviewer = Text()
    choice = serializers.ChoiceField(Choice.choices)


class DisagreementShape(serializers.Serializer[Any]):
    """An event of which not all say the same."""

    event = Key()
    kind = serializers.ChoiceField(Event.Kind.choices)
    mu = Number(allow_null=True)
    verdicts = SaidByShape(many=True)


class GoldShape(Correcting):
    """An event whose answer a lead knows."""

    by = user_name("by")

    class Meta:
        model = GoldEvent
        fields = ("event", "choice", "correction", "joined", "by", "at")


class GoldIn(Body):
    """The right answer."""

    choice = serializers.ChoiceField(RIGHT_ANSWERS)
    correction = CorrectionIn(
        required=False, help_text="For the choice 'correct'; without any, that of the settlement or any is right."
    )
    joined = serializers.ListField(child=Key(), max_length=MAX_ITEMS, required=False)


class ShareShape(serializers.Serializer[Any]):
    """A share of right answers to gold events."""

    n_judged = serializers.IntegerField(help_text="Gold events judged.")
    n_unsure = serializers.IntegerField(help_text="Those of them that were left open.")
    n_right = serializers.IntegerField(help_text="Of the others, those that were answered rightly.")
    share = Number(allow_null=True, help_text="Right answers over answers; null without any.")
    interval = serializers.ListField(
        child=Number(), allow_null=True, help_text="Where the true share is with 95 % confidence: two ends."
    )


class OwnShareShape(serializers.Serializer[Any]):
    """What you are told of your own answers."""

    own = ShareShape(allow_null=True, help_text="Null until you have judged enough of them.")


class KindShareShape(ShareShape):
    """The same for one kind of event."""

    kind = serializers.ChoiceField(Event.Kind.choices)


class MeasuredShape(serializers.Serializer[Any]):
    """What gold events say of one reviewer."""

    name = Text()
    all = ShareShape()
    kinds = KindShareShape(many=True)


class CountShape(serializers.Serializer[Any]):
    """How many."""

    n = serializers.IntegerField()


class AssignmentShape(Row):
    """An event that a member is asked to judge."""

    user = user_name("user")
    by = user_name("by")
    is_judged = serializers.BooleanField(help_text="Whether that member's verdict is in.")

    class Meta:
        model = Assignment
        fields = ("id", "event", "user", "by", "at", "is_judged")


class HandIn(Body):
    """These events to that member."""

    events = serializers.ListField(child=Key(), min_length=1, max_length=MOST_AT_ONCE)
    member = serializers.CharField(max_length=150, help_text="Name of somebody who can judge.")


class TakeBackIn(Body):
    """These events, or all of the run, back from a member."""

    events = serializers.ListField(
        child=Key(), min_length=1, max_length=MOST_AT_ONCE, required=False, help_text="Without it, all of the run."
    )
    member = serializers.CharField(max_length=150, help_text="Name of somebody who was given events.")


class SharesIn(Body):
    """Which events, to whom, and how many people each."""

    kinds = serializers.ListField(
        child=serializers.ChoiceField(Event.Kind.choices), min_length=1, required=False,
        help_text="Kinds of event; merges, splits and gaps unless told.",
    )  # fmt: skip
    below = Number(min_value=0, max_value=1, required=False, help_text="Only events with a lower probability.")
    most = serializers.IntegerField(
        min_value=1, max_value=MOST_EVENTS, required=False, help_text="So many at most, the most doubtful ones."
    )
    members = serializers.ListField(
        child=serializers.CharField(max_length=150), min_length=1, max_length=MOST_AT_ONCE, required=False,
        help_text="Names; all who can judge unless told.",
    )  # fmt: skip
    people_per_event = serializers.IntegerField(
        min_value=1, max_value=Team.MOST_QUORUM, required=False, help_text="As many as settle an event unless told."
    )
