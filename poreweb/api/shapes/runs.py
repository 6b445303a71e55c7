"""Runs and what the machine found in them."""

from typing import Any, ClassVar

from django import forms
from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.api.shapes.patches import PROVISIONAL_WORDS
from poreweb.tracks.forms import RunForm
from poreweb.tracks.models import Alternative, Feature, Link, Run, RunLog, Segmentation, Track


class RunShape(Row):
    """A run: the chain on one patch with one set of parameters."""

    created_by = user_name("created_by", help_text="Who started it; null for the site itself.")
    harpnum = serializers.IntegerField(
        source="patch.harpnum", allow_null=True, help_text="HARP number of its patch; null for another sequence."
    )
    series = Text(source="patch.series", help_text="JSOC series that the number is of; empty for another sequence.")
    is_provisional = serializers.BooleanField(source="patch.is_provisional", help_text=PROVISIONAL_WORDS)
    name = Text(source="patch.name", help_text="Name of its patch where that is another sequence; empty for a HARP.")
    input_sha256 = Text(source="input_hash", help_text="Equal for runs on the same files with the same parameters.")

    class Meta:
        model = Run
        fields: ClassVar[tuple[str, ...]] = (
            "id", "patch", "harpnum", "series", "is_provisional", "name", "number", "state", "error", "parent",
            "settled_from", "parameters", "code_version", "input_sha256", "created_by", "created_at", "finished_at",
        )  # fmt: skip


class StageShape(serializers.Serializer[Any]):
    """One stage of the chain."""

    name = Text()
    n_done = serializers.IntegerField(help_text="Frames that are through.")
    n_all = serializers.IntegerField(help_text="Frames in all.")
    seconds = Number(help_text="Work spent, in seconds.")
    state = Text()


class ProgressShape(serializers.Serializer[Any]):
    """How far a run is."""

    percent = serializers.IntegerField()
    n_done = serializers.IntegerField(help_text="Frames that are measured.")
    n_failed = serializers.IntegerField(help_text="Frames that cannot be processed.")
    n_all = serializers.IntegerField(help_text="Frames in all.")
    time_left_s = Number(allow_null=True, help_text="In seconds; null while it cannot be told.")
    stages = StageShape(many=True)


class RunDetailShape(RunShape):
    """A run, how far it is, and what can be done with it."""

    progress = ProgressShape()
    n_tracks = serializers.IntegerField()
    n_to_review = serializers.IntegerField(help_text="Events that people are asked about.")
    n_to_judge = serializers.IntegerField(help_text="Those of them that wait for your verdict.")
    n_addable = serializers.IntegerField(
        allow_null=True, help_text="Frames that came after its last one; null while it is not done."
    )
    refusal = Text(help_text="Why these cannot be added, one sentence; empty when they can.")

    class Meta(RunShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *RunShape.Meta.fields, "extensions", "progress", "n_tracks", "n_to_review", "n_to_judge", "n_addable",
            "refusal",
        )  # fmt: skip


class RunQuery(Query):
    """Which runs."""

    patch = Key(required=False, help_text="Key of a patch.")
    state = serializers.ChoiceField(Run.State.choices, required=False)


class ParametersIn(Body):
    """Some of the parameters of a run; what is not given stays as it is with the parent, else as is usual."""

    def get_fields(self) -> dict[str, Any]:
        """Those of the page's form, which is asked for its choices only when it is needed."""
        return {name: _field(field) for name, field in RunForm().fields.items()}


def _field(field: forms.Field) -> serializers.Field[Any, Any, Any, Any]:
    words = f"{field.label}; {field.help_text}" if field.help_text else str(field.label)
    told: dict[str, Any] = {"required": False, "help_text": f"{words}."}
    if isinstance(field, forms.ChoiceField):
        return serializers.ChoiceField(list(field.choices), **told)  # type: ignore[arg-type]
    # a FloatField of the forms is an IntegerField too
    return Number(**told) if isinstance(field, forms.FloatField) else serializers.IntegerField(**told)


class RunIn(Body):
    """How to start a run."""

    parameters = ParametersIn(required=False)
    parent = Key(  # type: ignore[assignment]
        required=False, allow_null=True, help_text="The run of this patch that it is a rerun of."
    )
    keep_settled = serializers.BooleanField(
        required=False, help_text="Whether the tracker keeps what people have settled in the parent."
    )


class LogLineShape(Row):
    """One line of a run's log."""

    class Meta:
        model = RunLog
        fields = ("id", "at", "text")


class RunFrameShape(Row):
    """What a run made of one frame."""

    number = serializers.IntegerField(help_text="Its place in the run, counted from 1.")
    t_rec = Text(source="frame.t_rec", help_text="T_REC, TAI.")
    quiet_sun_dn_s = Number(source="quiet_sun", allow_null=True, help_text="Quiet-Sun level at disk centre, in DN/s.")

    class Meta:
        model = Segmentation
        fields = ("number", "frame", "t_rec", "state", "reason", "quiet_sun_dn_s", "n_features")


MEASURES = tuple(
    field.name for field in Feature._meta.fields if field.name not in ("id", "segmentation", "track", "label")
)


class FeatureShape(Row):
    """One pore in one frame. Rows and columns are of the run's working grid, from 0."""

    track = serializers.IntegerField(
        source="track.number", allow_null=True, help_text="Number of its track; null when it has none."
    )
    frame = serializers.IntegerField(source="number", help_text="Its frame's place in the run, counted from 1.")

    class Meta:
        model = Feature
        fields = ("id", "frame", "label", "track", *MEASURES)


class TrackShape(Row):
    """An unbranched chain of links."""

    first_frame = serializers.IntegerField(help_text="Counted from 1.")
    last_frame = serializers.IntegerField(help_text="Counted from 1.")

    class Meta:
        model = Track
        fields = ("number", "lineage", "first_frame", "last_frame", "n_features")


LINK_FIELDS = (
    "id", "earlier", "earlier_track", "later", "later_track", "cost", "probability", "overlap", "distance_mm",
    "skipped",
)  # fmt: skip


class LinkShape(Row):
    """A link from a feature to one in a later frame; the lower its cost, the surer the machine is."""

    earlier_track = serializers.IntegerField(source="earlier.track.number", allow_null=True)
    later_track = serializers.IntegerField(source="later.track.number", allow_null=True)

    class Meta:
        model = Link
        fields = LINK_FIELDS


class AlternativeShape(LinkShape):
    """A likely link that was not chosen."""

    class Meta:
        model = Alternative
        fields = LINK_FIELDS
