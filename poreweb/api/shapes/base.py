"""What all shapes of the API share: keys, numbers that are finite, and words on every column."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from poreweb.api.wire import MOST_KEY

UNITS = {
    "_mm2": "Mm²", "_mm": "Mm", "_msh": "millionths of the hemisphere", "_msd": "millionths of the disk", "_mx": "Mx",
    "_g": "G", "_deg": "degrees", "_arcsec": "arcsec", "_px": "pixels of the working grid",
}  # fmt: skip


class Key(serializers.IntegerField):
    """The key of a row."""

    def __init__(self, **kwargs: Any) -> None:
        """From 1 to 64 bits."""
        super().__init__(**{"min_value": 1, "max_value": MOST_KEY, **kwargs})


class Number(serializers.FloatField):
    """A finite number; going out, what is not finite is null."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse NaN and infinity."""
        value: float = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value

    def to_representation(self, value: Any) -> Any:
        """As JSON has it."""
        number = float(value)
        return number if math.isfinite(number) else None


class Text(serializers.CharField):
    """A text as it was sent, blanks and all."""

    def __init__(self, **kwargs: Any) -> None:
        """Kept as it is."""
        super().__init__(**{"trim_whitespace": False, **kwargs})


@extend_schema_field(OpenApiTypes.BINARY)
class AnyFile(serializers.FileField):
    """A file as it was sent; the forms of the pages look into it."""

    def __init__(self, **kwargs: Any) -> None:
        """Empty ones too, which the forms name."""
        super().__init__(**{"allow_empty_file": True, **kwargs})


class Files(serializers.ListField):
    """Files under one name, which is repeated for each."""

    child = AnyFile()


def user_name(source: str, **kwargs: Any) -> serializers.CharField:
    """The name of a user to whom a row points; null when there is none."""
    return serializers.CharField(source=f"{source}.username", read_only=True, allow_null=True, **kwargs)


class Told(serializers.Serializer[Any]):
    """What comes in. A name that is not known is refused, not passed over: a slip in it would say nothing at all."""

    passed: ClassVar[frozenset[str]] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        """Look at the names first."""
        if isinstance(data, Mapping) and (strange := sorted(set(data) - set(self.fields) - self.passed)):
            known = ", ".join(self.fields) or "none"
            words = f"There is no such field; those known are: {known}."
            raise serializers.ValidationError({name: [words] for name in strange})
        return super().to_internal_value(data)


class Body(Told):
    """What is sent."""


class Query(Told):
    """What the address asks for, after its question mark."""

    passed: ClassVar[frozenset[str]] = frozenset({"limit", "offset"})


class Row(serializers.ModelSerializer[Any]):
    """A row going out. A column's words are those of its model, with the unit that its name ends in."""

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.FloatField: Number,
    }

    def get_extra_kwargs(self) -> dict[str, Any]:
        """Nothing of it is ever read."""
        return {name: {"read_only": True} for name in self.Meta.fields}

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """Say what the column is."""
        kind, options = super().build_standard_field(field_name, model_field)
        return kind, {**options, **_words(field_name, model_field)}

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        """Say what the key points at."""
        kind, options = super().build_relational_field(field_name, relation_info)
        return kind, {**options, **_words(field_name, relation_info.model_field)}


def _words(name: str, model_field: Any) -> dict[str, str]:
    own = "its key" if model_field.primary_key else getattr(model_field, "_verbose_name", None)
    unit = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
    told = ", ".join(filter(None, (str(own) if own else "", f"in {unit}" if unit else "")))
    return {"help_text": f"{told[0].upper()}{told[1:]}."} if told else {}
