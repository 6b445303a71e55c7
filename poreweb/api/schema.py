"""The API's description of itself (OpenAPI): what each method takes, gives and refuses."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema

from poreweb.api.wire import MOST_KEY

PROBLEM = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string", "description": "What was wrong, one sentence or two."},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "description": "Of bad input: the sentences of each field.",
        },
    },
}
PROBLEMS = {
    "400": "What was sent cannot be taken.",
    "401": "Nobody is signed in.",
    "403": "Your role does not allow it, or a session sent no CSRF token.",
    "404": "There is no such thing in your teams.",
    "409": "It cannot be done as things are now.",
    "413": "Too much was sent.",
    "415": "What was sent is not of the kind that is taken: JSON, or a form where files are.",
}
WRITES = ("post", "put", "patch", "delete")
KEYS = {
    "patch_id": "Key of a patch.",
    "frame_id": "Key of a frame.",
    "run_id": "Key of a run.",
    "event_id": "Key of an event.",
    "team_id": "Key of a team.",
    "member_id": "Key of a membership.",
    "invitation_id": "Key of an invitation.",
    "thread_id": "Key of a thread: that of its first comment.",
    "comment_id": "Key of a comment.",
    "export_id": "Key of an export.",
    "acquisition_id": "Key of an acquisition.",
    "watch_id": "Key of a watch.",
    "sequence_id": "Key of a sequence.",
    "ingest_id": "Key of a delivery.",
    "key": "Key of one of its pictures.",
    "number": "Its number.",
    "name": "Its name.",
}
LEADS = "x-for-leads"


def operation(
    gives: Any = None,
    *,
    lists: Any = None,
    status: int = 200,
    query: Any = None,
    takes: Any = None,
    also: Mapping[int, Any] | None = None,
    files: tuple[str, ...] = (),
    leads: bool = False,
) -> Callable[[Any], Any]:
    """
    Say what a method takes and gives.

    ``gives`` one shape or ``lists`` pages of one, or ``files`` of these media types, with
    ``status``; ``also`` other answers by status; ``query`` and ``takes`` what the address and
    the body may say; ``leads`` that it is for leads alone.
    """
    if files:
        responses: Any = {(status, media_type): {"type": "string", "format": "binary"} for media_type in files}
    elif status == 204:
        responses = {status: None}
    else:
        responses = {status: lists(many=True) if lists else gives}
    return extend_schema(
        parameters=[query] if query else [],
        request=takes,
        responses={**responses, **(also or {})},
        extensions={LEADS: True} if leads else {},
    )


class Operations(AutoSchema):
    """Names and words of operations from the classes, modules and docstrings of the views."""

    def get_operation_id(self) -> str:
        """Such as ``run_log_get``."""
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__).lower()
        return f"{words}_{self.method.lower()}"

    def get_tags(self) -> list[str]:
        """The module's name."""
        return [type(self.view).__module__.rpartition(".")[2]]

    def get_summary(self) -> str:
        """The first line."""
        return self._words()[0]

    def get_description(self) -> str:  # type: ignore[override]
        """What follows the first line."""
        return self._words()[2].strip()

    def _words(self) -> tuple[str, str, str]:
        return super().get_description().strip().replace("``", "'").partition("\n")


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of every operation what it may refuse, and of every key in an address what it is of."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for address, operations in result["paths"].items():
        for method, told in operations.items():
            for status in _refusals(address, method, told):
                told["responses"].setdefault(status, {"description": PROBLEMS[status], "content": content})
            for status, response in told["responses"].items():
                response["description"] = response.get("description") or PROBLEMS.get(status, "As asked for.")
            for parameter in told.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["description"] = KEYS[parameter["name"]]
                    if parameter["schema"]["type"] == "integer":
                        parameter["schema"] |= {"minimum": 0, "maximum": MOST_KEY}
    return result


def _refusals(address: str, method: str, told: Mapping[str, Any]) -> list[str]:
    writes = method in WRITES
    asked = any(parameter["in"] == "query" for parameter in told.get("parameters", ()))
    found = {
        "400": writes or asked,
        "401": True,
        "403": writes or LEADS in told,
        "404": "{" in address,
        "409": writes,
        "413": "requestBody" in told,
        "415": writes,
    }
    return [status for status, may in found.items() if may]


@cache
def described() -> dict[str, Any]:
    """The whole description; made once, as it takes a second."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made
