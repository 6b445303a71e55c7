"""What else is known of a patch: solar events, and the SHARP keywords of its headers."""

from typing import Any, ClassVar

from rest_framework import serializers

from poreweb.api.shapes.base import Key, Number, Row, Text
from poreweb.context.models import EventSearch, SolarEvent
from poreweb.work.models import Task
from processing.sharp_keywords import SHARP_KEYWORDS
from processing.solar_events import KINDS


class SolarEventShape(Row):
    """A flare, an emergence of flux or a sunspot that HEK lists in the patch's time and place."""

    kind = serializers.ChoiceField(
        list(KINDS.items()), help_text=f"HEK's: {', '.join(f'{key} {words}' for key, words in KINDS.items())}."
    )
    start_at = serializers.DateTimeField(source="start")
    peak_at = serializers.DateTimeField(source="peak", allow_null=True)
    end_at = serializers.DateTimeField(source="end")
    others = serializers.ListField(child=Text(), help_text="Methods of the other detections of the same flare.")

    class Meta:
        model = SolarEvent
        fields: ClassVar[tuple[str, ...]] = (
            "id", "hek_key", "kind", "start_at", "peak_at", "end_at", "goes_class", "lon_deg", "lat_deg", "tx", "ty",
            "noaa_ar", "area_msh", "finder", "others",
        )  # fmt: skip


class EventSearchShape(Row):
    """The search for a patch's solar events."""

    state = serializers.ChoiceField(Task.State.choices, allow_null=True, help_text="Null: nobody has looked yet.")
    is_on = serializers.BooleanField(help_text="Whether this site looks for events.")
    next_at = serializers.DateTimeField(source="not_before", allow_null=True, help_text="When it goes on, if put off.")
    first_t_rec = Text(allow_null=True, help_text="T_REC of the first frame that was searched for, TAI.")
    last_t_rec = Text(allow_null=True, help_text="T_REC of the last one, TAI.")

    class Meta:
        model = EventSearch
        fields: ClassVar[tuple[str, ...]] = (
            "state", "is_on", "error", "waits_for", "next_at", "searched_at", "first_t_rec", "last_t_rec", "n_listed",
        )  # fmt: skip


class SharpKeywordsShape(serializers.Serializer[Any]):
    """What the header of one frame says of the field of its region (Bobra et al. 2014); null where it says nothing."""

    frame = Key(help_text="Key of the frame.")
    t_rec = Text(help_text="T_REC, TAI.")

    def get_fields(self) -> dict[str, Any]:
        """One for each keyword and each error."""
        fields: dict[str, Any] = super().get_fields()
        for keyword in SHARP_KEYWORDS.values():
            words = f"{keyword.meaning[0].upper()}{keyword.meaning[1:]}{f', {keyword.unit}' if keyword.unit else ''}."
            fields[keyword.name] = Number(allow_null=True, help_text=words)
            if keyword.error:
                fields[keyword.error] = Number(allow_null=True, help_text=f"Error of {keyword.name}.")
        return fields
