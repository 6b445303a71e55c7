"""The API's description of itself as a page shows it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from poreweb.api.schema import LEADS, described

TITLES = {
    "teams": "You, teams and members",
    "acquire": "Fetching data: NOAA and HARP numbers, acquisitions, watches",
    "lists": "Hand-made lists of regions",
    "sequences": "Sequences of other instruments",
    "uploads": "Uploads of HARPs",
    "patches": "Patches and frames",
    "context": "Solar events and SHARP keywords",
    "runs": "Runs, features, tracks and links",
    "review": "Queue, events, verdicts, undo",
    "carry": "Verdicts carried over to a rerun",
    "consensus": "Agreement, gold events, assignments",
    "talk": "Comments",
    "releases": "Published lineage, releases, files",
    "about": "This description",
}
FORM = "multipart/form-data"
EXAMPLES = {"integer": 1, "number": 0.5, "boolean": True, "string": "…", "array": [], "object": {}}


@dataclass(frozen=True)
class Field:
    """One field of a body or a shape, or one parameter of an address."""

    name: str
    kind: str
    shape: str
    is_required: bool
    words: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    key: str
    method: str
    address: str
    summary: str
    words: str
    for_leads: bool
    parameters: list[Field]
    body: list[Field]
    gives: str
    shape: str
    curl: str


@dataclass(frozen=True)
class Chapter:
    """Operations of one subject."""

    key: str
    title: str
    operations: list[Operation]


def chapters(host: str) -> list[Chapter]:
    """All operations, by subject; ``host`` is what their addresses begin with."""
    found: dict[str, list[Operation]] = {key: [] for key in TITLES}
    for address, methods in described()["paths"].items():
        for method, told in methods.items():
            found[told["tags"][0]].append(_operation(host, address, method, told))
    return [Chapter(key, TITLES[key], operations) for key, operations in found.items() if operations]


def shapes() -> list[tuple[str, str, list[Field]]]:
    """What goes in and out: name, words and fields of each."""
    schemas = described()["components"]["schemas"]
    return [(name, told.get("description", ""), list(_fields(told))) for name, told in sorted(schemas.items())]


def _operation(host: str, address: str, method: str, told: Mapping[str, Any]) -> Operation:
    request = told.get("requestBody", {})
    body = _resolved(_content(request))
    good = next(response for status, response in told["responses"].items() if status.startswith("2"))
    return Operation(
        key=told["operationId"],
        method=method.upper(),
        address=address,
        summary=told.get("summary", ""),
        words=told.get("description", ""),
        for_leads=LEADS in told,
        parameters=[
            Field(part["name"], _kind(part["schema"]), "", part.get("required", False), part.get("description", ""))
            for part in told.get("parameters", ())
        ],
        body=list(_fields(body)),
        gives=_gives(good),
        shape=_shape(_content(good)),
        curl=_curl(host, address, method, body, has_files=FORM in request.get("content", {})),
    )


def _content(part: Mapping[str, Any]) -> dict[str, Any]:
    content = part.get("content", {})
    schema: dict[str, Any] = (content.get("application/json") or content.get(FORM, {})).get("schema", {})
    return schema


def _gives(response: Mapping[str, Any]) -> str:
    if "content" not in response:
        return "nothing"
    schema = _content(response)
    return _kind(schema) if schema else "a file"


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "allOf" in schema:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        found: Mapping[str, Any] = described()["components"]["schemas"][_name(schema["$ref"])]
        return found
    return schema


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        yield Field(name, _kind(told), _shape(told), name in needed, told.get("description", ""))


def _shape(schema: Mapping[str, Any]) -> str:
    """The name of the shape that it is, or is a list of; empty when it is none."""
    for key in ("allOf", "oneOf"):
        schema = schema[key][0] if key in schema else schema
    schema = schema.get("items", schema)
    return _name(schema["$ref"]) if "$ref" in schema else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """In words: "integer from 1 to 9", "accept, reject or null"."""
    for key in ("allOf", "oneOf"):
        if key in schema:
            words = " or ".join(_kind(part) for part in schema[key])
            return f"{words} or null" if schema.get("nullable") else words
    if "$ref" in schema:
        return _name(schema["$ref"])
    if "enum" in schema:
        words = ", ".join("null" if value is None else str(value) or "empty" for value in schema["enum"])
    elif schema.get("type") == "array":
        is_of_files = schema["items"].get("format") == "binary"
        words = "files" if is_of_files else f"list of {_kind(schema['items'])}"
    else:
        kind = schema.get("type", "anything")
        words = f"{schema.get('format', kind) if kind == 'string' else kind}{_bounds(schema)}"
    return f"{words} or null" if schema.get("nullable") else words


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    low_words = "" if low is None else f" from {low:g}"
    # a limit that is the size of a column says nothing to a reader
    return low_words if high is None or high >= 2**31 - 1 else f"{low_words} to {high:g}"


def _curl(host: str, address: str, method: str, body: Mapping[str, Any], *, has_files: bool) -> str:
    parts = ['curl -H "Authorization: Token $TOKEN"']
    if method != "get":
        parts.append(f"-X {method.upper()}")
    needed = {name: told for name, told in body.get("properties", {}).items() if name in body.get("required", ())}
    if has_files:
        parts += [f"-F '{name}={_form_example(told)}'" for name, told in needed.items()]
    elif body:
        example = {name: _example(told) for name, told in needed.items()}
        parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(example, ensure_ascii=False)}'")
    return " ".join([*parts, f"'{host}{address}'"])


def _form_example(schema: Mapping[str, Any]) -> Any:
    return "@FILE" if schema.get("type") == "array" else _example(schema)


def _example(schema: Mapping[str, Any]) -> Any:
    schema = _resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array" and schema.get("minItems"):
        return [_example(schema["items"])] * schema["minItems"]
    return EXAMPLES.get(schema.get("type", "object"))
