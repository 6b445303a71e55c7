"""Sequences of other instruments: what is said of them, and what came of it."""

from datetime import datetime
from typing import Any, ClassVar

from rest_framework import serializers

from poreweb.api.shapes.acquire import MOMENT, read_moment
from poreweb.api.shapes.base import Body, Files, Key, Number, Query, Row, Text, user_name
from poreweb.sequences.forms import LEAST_DEGREES, LONGEST_CADENCE_S, SequenceForm
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.work.models import Task
from processing.heliographic import MOST_DEGREES

# -- What comes in -----------------------------------------------------------------------------------


class FirstTime(serializers.CharField):
    """A moment that says its time scale; what is read of it are a naive moment and that scale."""

    def to_internal_value(self, data: Any) -> tuple[datetime, str]:  # type: ignore[override]
        """How early and how late it may be the form of the pages says."""
        moment, is_tai = read_moment(super().to_internal_value(data).strip())
        return moment, Sequence.TimeScale.TAI if is_tai else Sequence.TimeScale.UTC


def _number(words: str, **options: Any) -> Number:
    return Number(required=False, allow_null=True, help_text=words, **options)


def _of_form(name: str) -> str:
    """What the form of the pages says of a field of files."""
    return str(SequenceForm.base_fields[name].help_text)


class SaidIn(Body):
    """What is said of a sequence; what is not given stays as it is."""

    name = serializers.CharField(max_length=60, required=False, help_text="As lists, files and exports call it.")
    instrument = serializers.CharField(
        max_length=60, required=False, allow_blank=True, help_text="Goes into the frames’ headers."
    )
    coordinates = serializers.ChoiceField(
        Sequence.Coordinates.choices, required=False, help_text="Where its pixels lie; scale unless ever told."
    )
    pixel_scale = _number("Side of a pixel; needed unless headers tell where pixels lie.", min_value=0)
    scale_unit = serializers.ChoiceField(
        Sequence.Unit.choices, required=False, help_text="Of the pixel’s side; arcsec unless ever told."
    )
    tx_arcsec = _number(
        "West, in arcsec: of the image’s middle in the first frame with 'pointing', of the patch’s with 'headers'."
    )
    ty_arcsec = _number("North, in arcsec; the same.")
    rotation_deg = _number(
        "From solar north towards east to the image’s upward direction, in degrees; null: 0.",
        min_value=-360, max_value=360,
    )  # fmt: skip
    width_deg = _number(
        "Of the patch on the Sun with 'headers', in degrees; null: of the whole image.",
        min_value=LEAST_DEGREES, max_value=MOST_DEGREES,
    )  # fmt: skip
    height_deg = _number("The same.", min_value=LEAST_DEGREES, max_value=MOST_DEGREES)
    first_t_rec = FirstTime(
        required=False, allow_null=True, help_text=f"Time of the first frame: {MOMENT}; null: by the headers."
    )
    cadence_s = _number("Seconds between two frames; null: by the headers.", max_value=LONGEST_CADENCE_S)
    coalign = serializers.BooleanField(required=False, help_text="Shift the frames onto each other.")
    scale_darks = serializers.BooleanField(
        required=False, help_text="Scale a dark by exposure time where there is none of the same."
    )
    run_after = serializers.BooleanField(
        required=False, help_text="Process the frames as soon as they are in; true unless ever told."
    )


class SequenceIn(SaidIn):
    """A new sequence: its files, and what is said of it."""

    name = serializers.CharField(max_length=60, help_text="As lists, files and exports call it.")
    images = Files(help_text=_of_form("images"))
    darks = Files(required=False, help_text=_of_form("darks"))
    flats = Files(required=False, help_text=_of_form("flats"))


class LaterImagesIn(Body):
    """Later images of a sequence, of which all else is as it was said."""

    images = Files(help_text=_of_form("images"))


class SequenceQuery(Query):
    """Which sequences."""

    team = Key(required=False, help_text="Key of a team.")
    state = serializers.ChoiceField(Task.State.choices, required=False)


# -- What goes out -----------------------------------------------------------------------------------


class SequenceShape(Row):
    """A sequence of images that are no SHARPs: what was said of it, and how far it is."""

    user = user_name("user", help_text="Who sent it.")
    first_t_rec = serializers.SerializerMethodField(help_text="Time of the first frame as given, TAI; null: not given.")

    class Meta:
        model = Sequence
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "user", "name", "patch", "state", "error", "doing", "n_frames", "n_done", "instrument",
            "coordinates", "pixel_scale", "scale_unit", "tx_arcsec", "ty_arcsec", "rotation_deg", "width_deg",
            "height_deg", "first_t_rec", "time_scale", "cadence_s", "coalign", "scale_darks", "run_after",
            "created_at", "finished_at",
        )  # fmt: skip

    def get_first_t_rec(self, sequence: Sequence) -> str | None:
        """As T_REC, whatever the scale that it was given in."""
        return sequence.first or None


class SourceFileShape(Row):
    """A file as it was sent."""

    class Meta:
        model = SourceFile
        fields = ("role", "number", "name", "size", "sha256", "n_frames", "exposure_s")


class LineShape(serializers.Serializer[Any]):
    """A sentence about one frame or file."""

    kind = Text()
    text = Text()


class PictureShape(serializers.Serializer[Any]):
    """A calibration image."""

    key = Text(help_text="Its key within the sequence.")
    group = Text(help_text="What it was made of.")
    name = Text(help_text="What it is: mean, standard deviation and so on.")
    unit = Text()
    low = Number(help_text="1 % of its values are less; the page shows that black.")
    high = Number(help_text="1 % of its values are more; the page shows that white.")
    ny = serializers.IntegerField(help_text="Rows.")
    nx = serializers.IntegerField(help_text="Columns.")
    n_frames = serializers.IntegerField(help_text="Frames that it was made of.")
    n_missing = serializers.IntegerField(help_text="Pixels without data.")
    address = serializers.URLField(help_text="Where this API gives it as FITS.")


class SequenceDetailShape(SequenceShape):
    """A sequence, what was found and assumed of it, its files and its calibration images."""

    can_change = serializers.BooleanField(
        help_text="Whether what was said of it may still be corrected: it rests, and no run has used it."
    )
    facts = serializers.ListField(child=Text(), help_text="What was found and assumed, sentences.")
    report = LineShape(many=True, help_text="Sentences about single frames and files.")
    files = SourceFileShape(many=True)
    pictures = PictureShape(source="told_pictures", many=True, help_text="Its calibration images, in order.")

    class Meta(SequenceShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *SequenceShape.Meta.fields, "can_change", "facts", "report", "files", "pictures",
        )  # fmt: skip


class SequenceFrameShape(serializers.Serializer[Any]):
    """One frame: its time, and by how much it was moved onto those before it."""

    number = serializers.IntegerField(help_text="Counted from 1.")
    t_rec = Text(help_text="T_REC, TAI.")
    rows = Number(allow_null=True, help_text="Pixels; null where nothing was measured.")
    columns = Number(allow_null=True, help_text="The same.")
    correlation = Number(allow_null=True, help_text="With what it was matched to; null where nothing was measured.")
    is_trusted = serializers.BooleanField(help_text="False where it matched nothing and was moved as the one before.")
