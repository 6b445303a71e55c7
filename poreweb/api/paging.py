"""Long lists in pages."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

from poreweb.api.wire import MOST_KEY

USUAL, MOST = 100, 1000


class Pages(LimitOffsetPagination):
    """``limit`` rows from ``offset`` on; a number that is none is refused."""

    default_limit = USUAL
    max_limit = MOST
    limit_query_description = f"So many at most, from 1 to {MOST}; {USUAL} unless told."
    offset_query_description = "So many are passed over."

    def get_limit(self, request: Request) -> int:
        """From the address."""
        return _number(request, "limit", USUAL, low=1, high=MOST)

    def get_offset(self, request: Request) -> int:
        """From the address."""
        return _number(request, "offset", 0, low=0, high=MOST_KEY)

    def get_schema_operation_parameters(self, view: Any) -> list[Any]:
        """With the limits that hold."""
        parameters: list[Any] = super().get_schema_operation_parameters(view)
        bounds = {"limit": {"minimum": 1, "maximum": MOST, "default": USUAL}, "offset": {"minimum": 0, "default": 0}}
        for parameter in parameters:
            parameter["schema"] |= bounds[parameter["name"]]
        return parameters

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """All four are always there."""
        made: dict[str, Any] = super().get_paginated_response_schema(schema)
        made["required"] = ["count", "next", "previous", "results"]
        made["properties"]["count"]["description"] = "So many there are in all pages."
        for name, words in (("next", "following"), ("previous", "preceding")):
            made["properties"][name]["description"] = f"Address of the {words} page; null when there is none."
        return made


def _number(request: Request, name: str, usual: int, *, low: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or not low <= int(text) <= high:
        raise ValidationError({name: [f"This is a whole number from {low} to {high}."]})
    return int(text)
