"""The published lineage, releases, and files to take away."""

from typing import Any

from rest_framework import serializers

from poreweb.api.shapes.base import Body, Row, Text, user_name
from poreweb.exports.models import Export
from poreweb.releases.files import KINDS
from poreweb.releases.models import Publication, Release


class PublicationShape(Row):
    """How new the published lineage of a run is."""

    n_waiting = serializers.IntegerField(help_text="Changes of what is settled that are not in it yet.")

    class Meta:
        model = Publication
        fields = ("run", "state", "error", "built_at", "n_waiting", "summary")


class FileShape(serializers.Serializer[Any]):
    """One file of a release; its bytes never change."""

    name = serializers.ChoiceField(list(KINDS))
    size_bytes = serializers.IntegerField()
    sha256 = Text()
    address = serializers.URLField(help_text="Where this API gives it.")


class ReleaseShape(Row):
    """A published lineage that is frozen."""

    frozen_by = user_name("frozen_by")
    page = serializers.URLField(help_text="Address of its page; it never changes.")
    citation = Text(help_text="How to cite it.")
    files = FileShape(many=True, source="told_files", help_text="None until they are made.")

    class Meta:
        model = Release
        fields = (
            "patch", "number", "run", "state", "error", "note", "frozen_by", "frozen_at", "page", "citation", "summary",
            "files",
        )  # fmt: skip


class ReleaseIn(Body):
    """What it is for."""

    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class ExportShape(Row):
    """A file made of a run and its verdicts."""

    created_by = user_name("created_by")
    size_bytes = serializers.IntegerField(source="size")
    address = serializers.URLField(allow_null=True, help_text="Where this API gives it; null until it is made.")

    class Meta:
        model = Export
        fields = (
            "id", "run", "kind", "state", "error", "created_by", "created_at", "n_done", "n_total", "n_verdicts",
            "size_bytes", "sha256", "address",
        )  # fmt: skip


class ExportIn(Body):
    """Which file."""

    kind = serializers.ChoiceField(Export.Kind.choices)
