"""Files of HARPs that are sent, and what became of them."""

from typing import ClassVar

from rest_framework import serializers

from poreweb.api.shapes.base import Body, Files, Key, Query, Row, Text, user_name
from poreweb.api.shapes.sequences import LineShape
from poreweb.observations.models import Ingest
from poreweb.work.models import Task


class IngestIn(Body):
    """A delivery."""

    records = Files(
        help_text="FITS files, .tar or .tar.gz: segments of hmi.sharp_cea_720s; several patches may be mixed."
    )
    run_after = serializers.BooleanField(
        required=False, help_text="Process them as soon as they are in; true unless told."
    )


class IngestQuery(Query):
    """Which deliveries."""

    team = Key(required=False, help_text="Key of a team.")
    state = serializers.ChoiceField(Task.State.choices, required=False)


class IngestShape(Row):
    """One delivery of files, and how far its reading is."""

    user = user_name("user", help_text="Who sent it; null for the site itself.")
    names = serializers.ListField(child=Text(), help_text="Of the files as sent.")
    n_read = serializers.IntegerField(help_text="Files that were looked into, those in archives too.")
    n_duplicate = serializers.IntegerField(help_text="Those that were held already with the same bytes.")
    n_conflict = serializers.IntegerField(help_text="Those that differ from what was held; both are kept.")

    class Meta:
        model = Ingest
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "user", "state", "error", "names", "run_after", "n_read", "n_new", "n_duplicate",
            "n_conflict", "n_refused", "patches", "created_at", "finished_at",
        )  # fmt: skip


class IngestDetailShape(IngestShape):
    """A delivery with what is to be said of its files."""

    report = LineShape(many=True, help_text="Of those that are not plainly new: the first five hundred.")

    class Meta(IngestShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (*IngestShape.Meta.fields, "report")
