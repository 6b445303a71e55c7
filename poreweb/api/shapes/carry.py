"""What has become, in one run, of the events that people have judged in another."""

from typing import Any

from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Query, Text
from poreweb.api.shapes.review import ActShape
from poreweb.review.comparison import HOWS
from poreweb.tracks.models import Event


class FatesShape(serializers.Serializer[Any]):
    """How many of the judged events are there."""

    same = serializers.IntegerField()
    changed = serializers.IntegerField()
    gone = serializers.IntegerField()


class PlannedShape(serializers.Serializer[Any]):
    """What carrying over would do now."""

    verdicts = serializers.IntegerField(help_text="Verdicts that would be given again.")
    settlements = serializers.IntegerField(help_text="Leads' settlements that would be.")
    people = serializers.IntegerField(help_text="Whose they are.")
    events = serializers.IntegerField(help_text="Events that they are on.")
    stale = serializers.IntegerField(help_text="Events that would be flagged, since they have changed.")
    left = serializers.IntegerField(help_text="Events that somebody has judged there already.")
    gold = serializers.IntegerField(help_text="Gold events.")
    assignments = serializers.IntegerField()


class CarryShape(serializers.Serializer[Any]):
    """A dry run."""

    source = Key(help_text="The run in which people have judged.")  # type: ignore[assignment]
    target = Key(help_text="The run to which it would be carried over.")
    numbers = FatesShape()
    planned = PlannedShape(allow_null=True, help_text="Null for all but leads in a team that judges blindly.")
    n_contradicted = serializers.IntegerField(help_text="Links that are otherwise than they were settled.")


class FateShape(serializers.Serializer[Any]):
    """What has become of one judged event."""

    event = Key(help_text="The event of the source.")
    kind = serializers.ChoiceField(Event.Kind.choices)
    frame = serializers.IntegerField(help_text="Its frame in the source, counted from 1.")
    how = serializers.ChoiceField(HOWS)
    words = Text(help_text="What differs.")
    target = Key(allow_null=True, help_text="The event of the target; null when it is gone.")
    would_carry = serializers.BooleanField(
        allow_null=True, help_text="Whether what was said of it would be carried over now; null where that is not told."
    )
    would_flag = serializers.BooleanField(
        allow_null=True, help_text="Whether its counterpart would be flagged now; null where that is not told."
    )
    n_contradicted = serializers.IntegerField(help_text="Its links that are otherwise than they were settled.")


class CarriedShape(serializers.Serializer[Any]):
    """What was done: one act for each person whose verdicts were carried over."""

    acts = ActShape(many=True)


class CarryQuery(Query):
    """From which run."""

    source = Key(  # type: ignore[assignment]
        required=False, help_text="Another run of the patch; unless told, the one that lends itself."
    )


class FateQuery(CarryQuery):
    """From which run, and which events."""

    how = serializers.ChoiceField(HOWS, required=False)


class CarryIn(Body):
    """From which run."""

    source = Key(  # type: ignore[assignment]
        required=False, help_text="Another run of the patch; unless told, the one that lends itself."
    )
