"""JSON as it comes in and goes out, and forms with files: what no column can hold never gets further than here."""

import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

MOST_KEY = 2**63 - 1
MOST_DEPTH = 12


class JsonParser(JSONParser):
    """JSON of numbers and texts that can be kept."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read and check it."""
        try:
            told = super().parse(stream, media_type, parser_context)
        except RecursionError as problem:
            raise ParseError(f"The JSON is nested more than {MOST_DEPTH} deep.") from problem
        if words := unfit(told):
            raise ParseError(words)
        return told


class FormParser(MultiPartParser):
    """A form with files, as browsers and curl send it (multipart/form-data)."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read and check it; files go to disk as they come."""
        try:
            told = super().parse(stream, media_type, parser_context)
        except RequestDataTooBig:
            raise
        except (SuspiciousOperation, LookupError, ValueError) as problem:  # too many parts, a charset that is none
            raise ParseError("The form cannot be read.") from problem
        if words := unfit(dict(told.data.lists())):
            raise ParseError(words)
        return told


def unfit(value: Any) -> str:
    """Why a value that JSON can hold cannot be kept, one sentence; empty when it can."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MOST_DEPTH:
            return f"The JSON is nested more than {MOST_DEPTH} deep."
        if isinstance(item, Mapping):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]
        elif words := _unfit_scalar(item):
            return words
    return ""


def _unfit_scalar(item: Any) -> str:
    if isinstance(item, str) and any(mark == "\x00" or "\ud800" <= mark <= "\udfff" for mark in item):
        return "A text holds a null character or half of a surrogate pair, which is no text."
    if isinstance(item, int) and abs(item) > MOST_KEY:
        return "A whole number has more than 64 bits."
    if isinstance(item, float) and not math.isfinite(item):
        return "A number is too large."
    return ""


class JsonRenderer(JSONRenderer):
    """JSON without NaN: what is not known is null."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Look for NaN only when there is one."""
        try:
            made: bytes = super().render(data, accepted_media_type, renderer_context)
        except ValueError:
            made = super().render(finite(data), accepted_media_type, renderer_context)
        return made


def finite(value: Any) -> Any:
    """The same with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


class JsonAlways(BaseContentNegotiation):
    """There is one way to answer, whatever a client prefers."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """By the type of what was sent."""
        named = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == named), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """The first."""
        return renderers[0], renderers[0].media_type
