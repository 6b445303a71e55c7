"""Events, what people say of them, and what they send."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.api.shapes.patches import PROVISIONAL_WORDS
from poreweb.api.shapes.runs import AlternativeShape, LinkShape
from poreweb.review.models import Act, Choice, Reason, ReviewEntry, Settlement, Verdict
from poreweb.review.queries import STATES
from poreweb.review.queue import BOUNDS, ME, ORDERS
from poreweb.tracks.models import Event
from processing.edits import MAX_ITEMS
from processing.lineage import EVENT_KINDS

# -- What there is -------------------------------------------------------------------------------


class EndShape(serializers.Serializer[Any]):
    """A pore at which an event begins or ends."""

    feature = Key(source="pk", help_text="Key of the feature.")
    track = serializers.IntegerField(source="track.number", allow_null=True, help_text="Number of its track.")


class EventShape(Row):
    """An event, and where the team stands on it as far as you may know that."""

    patch = serializers.IntegerField(source="run.patch_id", help_text="Key of its patch.")
    harpnum = serializers.IntegerField(
        source="run.patch.harpnum", allow_null=True, help_text="HARP number of its patch; null for another sequence."
    )
    series = Text(source="run.patch.series", help_text="JSOC series that the number is of; empty for another sequence.")
    is_provisional = serializers.BooleanField(source="run.patch.is_provisional", help_text=PROVISIONAL_WORDS)
    name = Text(source="run.patch.name", help_text="Name of its patch where that is no HARP; empty for a HARP.")
    frame = serializers.IntegerField(help_text="The frame of the run at which it is seen, counted from 1.")
    parents = EndShape(many=True, help_text="Pores before it.")
    children = EndShape(many=True, help_text="Pores after it.")
    state = serializers.ChoiceField(list(STATES.items()), help_text="Where the team stands on it.")
    is_hidden = serializers.BooleanField(
        help_text="Whether others' verdicts are hidden from you until yours is in; the state is pending then."
    )
    n_verdicts = serializers.IntegerField(
        source="n_told", allow_null=True, help_text="Null while they are hidden from you."
    )
    my_choice = serializers.ChoiceField(Choice.choices, allow_null=True, help_text="Your own verdict; null for none.")
    stale = Text(help_text="Why what was carried over from another run should be looked at again; empty if nothing.")
    version = serializers.IntegerField(help_text="Send it with a verdict: it says what you have seen.")

    class Meta:
        model = Event
        fields: ClassVar[tuple[str, ...]] = (
            "id", "run", "patch", "harpnum", "series", "is_provisional", "name", "kind", "frame", "parents", "children",
            "probability", "runner_up", "runner_up_probability", "margin", "reasons", "doubt", "mu", "area_mm2",
            "area_change", "flux_change", "state", "is_hidden", "n_verdicts", "my_choice", "stale", "version",
        )  # fmt: skip


class CorrectionShape(serializers.Serializer[Any]):
    """What a correction changes; features are told by their keys."""

    add = serializers.ListField(child=serializers.ListField(child=Key()), help_text="Links that are there.")
    remove = serializers.ListField(child=serializers.ListField(child=Key()), help_text="Links that are not.")
    spurious = serializers.ListField(child=Key(), help_text="Features that are no pores.")


class Correcting(Row):
    """A judgement of whatever table; a correction always has its three lists."""

    correction = serializers.SerializerMethodField()
    joined = serializers.ListField(child=Key(), help_text="Keys of events that are one with this one.")

    @extend_schema_field(CorrectionShape)
    def get_correction(self, row: Any) -> dict[str, Any]:
        """Empty for any other choice."""
        return filled(row.correction)


def filled(correction: Any) -> dict[str, Any]:
    """A correction with all of its lists."""
    return {name: list((correction or {}).get(name, ())) for name in ("add", "remove", "spurious")}


class VerdictShape(Correcting):
    """One reviewer's verdict on one event, as it is now."""

    reviewer = user_name("reviewer")
    reason = serializers.ChoiceField(Reason.choices, allow_blank=True, help_text="Empty where none was given.")

    class Meta:
        model = Verdict
        fields = ("event", "reviewer", "choice", "reason", "note", "correction", "joined", "given_at", "carried_from")


class SettlementShape(Correcting):
    """What holds for the published lineage."""

    by = user_name("by", help_text="The lead who said so; null where enough verdicts agreed.")

    class Meta:
        model = Settlement
        fields = ("event", "choice", "correction", "joined", "by", "note", "at")


class ActShape(Row):
    """One step of one person: what undo takes back."""

    by = user_name("by")

    class Meta:
        model = Act
        fields = ("id", "run", "by", "kind", "words", "at", "of", "is_undone")


class ToldShape(serializers.Serializer[Any]):
    """A judgement as the history keeps it."""

    choice = serializers.ChoiceField(Choice.choices)
    reason = serializers.ChoiceField(Reason.choices, allow_blank=True)
    note = Text()
    correction = serializers.SerializerMethodField()
    joined = serializers.ListField(child=Key())

    @extend_schema_field(CorrectionShape)
    def get_correction(self, told: Any) -> dict[str, Any]:
        """As `Correcting`."""
        return filled(told["correction"])


class EntryShape(Row):
    """What one act changed on one event: who, when, what, from, to."""

    by = user_name("act.by")
    kind = serializers.ChoiceField(Act.Kind.choices, source="act.kind")
    at = serializers.DateTimeField(source="act.at")
    before = ToldShape(allow_null=True)
    after = ToldShape(allow_null=True)

    class Meta:
        model = ReviewEntry
        fields = (
            "id", "act", "event", "by", "kind", "at", "what", "before", "after", "state_before", "state_after",
        )  # fmt: skip


class PresenceShape(serializers.Serializer[Any]):
    """Who else has an event open."""

    user = user_name("user")
    since = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="Unless it is asked for again before.")


class PresentShape(serializers.Serializer[Any]):
    """Who else has an event open, the first one first."""

    present = PresenceShape(many=True)


class EventDetailShape(EventShape):
    """An event with all that is known of it."""

    words = Text(help_text="What the machine says has happened.")
    t_rec = Text(help_text="T_REC of its frame, TAI.")
    quorum = serializers.IntegerField(help_text="Equal verdicts that settle it.")
    links = LinkShape(many=True, help_text="The links that make it, cheapest first.")
    alternatives = AlternativeShape(many=True, help_text="What might have been instead, cheapest first.")
    verdicts = VerdictShape(source="told_verdicts", many=True, help_text="As far as you may see them.")
    settlement = SettlementShape(source="told_settlement", allow_null=True, help_text="Null while nothing is settled.")
    present = PresenceShape(many=True, help_text="Who else has it open.")

    class Meta(EventShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *EventShape.Meta.fields, "words", "t_rec", "quorum", "links", "alternatives", "verdicts", "settlement",
            "present",
        )  # fmt: skip


class SaidShape(serializers.Serializer[Any]):
    """What was stored, and where the team stands by it."""

    verdict = VerdictShape()
    event = EventShape()


class SettledShape(serializers.Serializer[Any]):
    """What was stored, and where the team stands by it."""

    settlement = SettlementShape()
    event = EventShape()


class DoneShape(serializers.Serializer[Any]):
    """An act, and on how many events it was."""

    act = ActShape(allow_null=True, help_text="Null when there was nothing to do.")
    n_events = serializers.IntegerField()


class StepsShape(serializers.Serializer[Any]):
    """Where undo and redo would go."""

    undo = ActShape(allow_null=True, help_text="What undo would take back; null for nothing.")
    redo = ActShape(allow_null=True, help_text="What redo would do again; null for nothing.")


class ConflictShape(serializers.Serializer[Any]):
    """Others have acted since: nothing was stored."""

    detail = Text()
    entries = EntryShape(many=True, help_text="What they did.")


class CountsShape(serializers.Serializer[Any]):
    """How far the team is with some events."""

    n = serializers.IntegerField(help_text="Events in all.")
    settled = serializers.IntegerField()
    judged = serializers.IntegerField(help_text="Those that are not pending any more.")
    disputed = serializers.IntegerField()


class ReviewerCountsShape(serializers.Serializer[Any]):
    """How far one member is with them."""

    name = Text()
    judged = serializers.IntegerField(help_text="Events with a verdict of this member.")
    assigned = serializers.IntegerField(help_text="Events that this member is asked to judge.")
    open = serializers.IntegerField(help_text="Those of them that are not settled.")


class QueueProgressShape(serializers.Serializer[Any]):
    """How far the team and each of its members are."""

    all = CountsShape()
    reviewers = ReviewerCountsShape(many=True, help_text="In order of names.")


# -- What is asked -------------------------------------------------------------------------------

BOUND_WORDS = {
    "above": "Hide the events whose probability is that or more.",
    "over": "Hide the events whose probability is less.",
    "mu_from": "Only where the least mu is that or more.",
    "mu_to": "Only where the least mu is less.",
    "area_from": "Only where the largest pore has that many Mm² or more.",
    "area_to": "Only where the largest pore has fewer Mm².",
    "jump": "Only where the area changes by at least that share.",
}


class RunQueueQuery(Query):
    """The filters of a run's queue: those of its page."""

    kind = serializers.ChoiceField(
        list(EVENT_KINDS), required=False, help_text="Unless told, all that people are asked about."
    )
    state = serializers.ChoiceField(list(STATES.items()), required=False)
    order = serializers.ChoiceField(list(ORDERS.items()), required=False, help_text="Most uncertain first unless told.")
    frame = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Only events of this frame, counted from 1."
    )
    who = serializers.CharField(
        max_length=150, required=False, help_text="Only what is assigned to this member, to 'me', or to 'nobody'."
    )
    wait = serializers.ChoiceField([ME], required=False, help_text="Only what waits for your own verdict.")
    stale = serializers.ChoiceField(
        ["1"], required=False, help_text="Only what was carried over from another run and fits no longer."
    )

    def get_fields(self) -> dict[str, Any]:
        """With the bounds that the queue knows."""
        bounds = {
            name: Number(min_value=low, max_value=high, required=False, help_text=BOUND_WORDS.get(name, ""))
            for name, (*_, low, high) in BOUNDS.items()
        }
        return {**super().get_fields(), **bounds}


class QueueQuery(RunQueueQuery):
    """The filters of the queue of all patches."""

    patch = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False, help_text="Key of a patch.")
    run = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Key of a run; else the newest of each patch."
    )


class HistoryQuery(Query):
    """Which entries of an event's history."""

    after = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, required=False, help_text="Only entries with a higher key."
    )


class RowsQuery(Query):
    """Which rows of a run."""

    frame = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Only those that end in this frame, counted from 1."
    )


# -- What is sent --------------------------------------------------------------------------------


class CorrectionIn(Body):
    """What a correction changes; features are told by their keys."""

    add = serializers.ListField(
        child=serializers.ListField(child=Key(), min_length=2, max_length=2), max_length=MAX_ITEMS, required=False,
        help_text="Links that are there: pairs of an earlier and a later feature.",
    )  # fmt: skip
    remove = serializers.ListField(
        child=serializers.ListField(child=Key(), min_length=2, max_length=2), max_length=MAX_ITEMS, required=False,
        help_text="Links that are not.",
    )  # fmt: skip
    spurious = serializers.ListField(
        child=Key(), max_length=MAX_ITEMS, required=False, help_text="Features that are no pores."
    )


class JudgementIn(Body):
    """A judgement of one event."""

    choice = serializers.ChoiceField(Choice.choices)
    reason = serializers.ChoiceField(Reason.choices, required=False, allow_blank=True)
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    correction = CorrectionIn(required=False, help_text="For the choice 'correct' alone.")
    joined = serializers.ListField(
        child=Key(), max_length=MAX_ITEMS, required=False, help_text="Events of the run that are one with this one."
    )
    version = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, help_text="The event's version that you judge by."
    )
    anyway = serializers.BooleanField(required=False, help_text="Store it whatever others have done since.")


class BulkIn(Body):
    """The same verdict on all the events that the address asks for and that wait for yours."""

    choice = serializers.ChoiceField([(choice.value, choice.label) for choice in Choice if choice != Choice.CORRECT])
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    n = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="How many events you take these to be; nothing is done if not."
    )


class TrackVerdictIn(Body):
    """One verdict on all that waits of a track's events, or that none of its features is a pore."""

    choice = serializers.ChoiceField(["accept", "reject", "spurious"])
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class StepIn(Body):
    """A step back or forth."""

    anyway = serializers.BooleanField(required=False, help_text="Take it whatever others have done since.")
