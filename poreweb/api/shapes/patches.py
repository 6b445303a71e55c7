"""Patches and their frames."""

from typing import Any, ClassVar

from rest_framework import serializers

from poreweb.api.shapes.base import Key, Query, Row, Text
from poreweb.observations.models import Frame, Patch

PROVISIONAL_WORDS = "Whether its data are near-real-time ones, whose HARP numbers are others."


class PatchShape(Row):
    """A HARP as one team holds it, or a sequence of frames that is none: it has a name, and no harpnum."""

    is_provisional = serializers.BooleanField(help_text=PROVISIONAL_WORDS)
    n_frames = serializers.IntegerField()
    first_t_rec = Text(allow_null=True, help_text="T_REC of its first frame, TAI; null without any frame.")
    last_t_rec = Text(allow_null=True, help_text="T_REC of its last frame, TAI; null without any frame.")
    newest_run = Key(allow_null=True, help_text="Key of its newest run, whatever its state.")
    newest_done_run = Key(allow_null=True, help_text="Key of its newest run that is done.")

    class Meta:
        model = Patch
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "series", "is_provisional", "harpnum", "name", "cadence_s", "noaa_ars", "created_at",
            "n_frames", "first_t_rec", "last_t_rec", "newest_run", "newest_done_run",
        )  # fmt: skip


class GapShape(serializers.Serializer[Any]):
    """Slots of the patch's cadence for which there is no frame."""

    first_t_rec = Text(help_text="The first missing slot, TAI.")
    last_t_rec = Text(help_text="The last missing slot, TAI.")
    n_slots = serializers.IntegerField()


class PatchDetailShape(PatchShape):
    """A patch and what is missing in it."""

    n_missing = serializers.IntegerField(help_text="Slots between its frames for which there is none.")
    gaps = GapShape(many=True, help_text="The first hundred.")

    class Meta(PatchShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (*PatchShape.Meta.fields, "n_missing", "gaps")


class PatchQuery(Query):
    """Which patches."""

    team = Key(required=False, help_text="Key of a team.")
    harpnum = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, help_text="HARP number.")


class FrameShape(Row):
    """A patch at one T_REC."""

    t_rec = Text(help_text="T_REC, TAI.")
    utc = serializers.SerializerMethodField(help_text="The same in UTC.")

    class Meta:
        model = Frame
        fields = ("id", "patch", "t_rec", "t_rec_s", "utc", "quality", "ny", "nx", "mu_min", "mu_max")

    def get_utc(self, frame: Frame) -> str:
        """ISO 8601, UTC."""
        return f"{frame.utc.isoformat(timespec='seconds')}Z"
