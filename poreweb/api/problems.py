"""Trouble as the API tells it: {"detail": one sentence}, with "fields" or "entries" where there is more to know."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.forms import BaseForm
from django.http import Http404
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from poreweb.api.shapes.review import EntryShape
from poreweb.consensus.actions import AssigneeError
from poreweb.discussion.problems import TalkError
from poreweb.people.actions import LastLeadError
from poreweb.review.actions import StaleError
from poreweb.review.steps import ClashError
from processing.errors import PorewebError


class RefusedError(APIException):
    """What cannot be done as things are now."""

    status_code = 409
    default_code = "refused"


# What the site's actions raise, and what it is over HTTP.
STATUS_OF: dict[type[Exception], int] = {LastLeadError: 409, PorewebError: 409, TalkError: 400, AssigneeError: 400}
NO_MATCH = " matches the given query."


def answer(problem: Exception, context: dict[str, Any]) -> Response | None:
    """The response to anything that was raised in a view; None for a bug."""
    if isinstance(problem, StaleError | ClashError):
        return Response(_conflict(problem), status=409)
    for known, status in STATUS_OF.items():
        if isinstance(problem, known):
            return Response({"detail": sentence(str(problem))}, status=status)
    if isinstance(problem, RequestDataTooBig):
        return Response({"detail": "More was sent than the site takes at once."}, status=413)
    if isinstance(problem, Http404):
        problem = NotFound(not_found_words(str(problem)))
    if isinstance(problem, ObjectDoesNotExist):  # a job has replaced it, or somebody has removed it, meanwhile
        problem = NotFound("It is not there any more.")
    response = exception_handler(problem, context)
    if response is not None and isinstance(problem, ValidationError):
        response.data = told_of_fields(problem.detail)
    return response


def _conflict(problem: StaleError | ClashError) -> dict[str, Any]:
    """Who has acted since, and what they did."""
    names = " and ".join(sorted({entry.act.by.username for entry in problem.entries}))
    what = "judged this event since the version that you sent"
    if isinstance(problem, ClashError):
        what = "acted since on what this step was on"
    return {
        "detail": f"Nothing was stored: {names} has {what}. Look, and send 'anyway' if it still holds.",
        "entries": EntryShape(problem.entries, many=True).data,
    }


def sentence(words: str) -> str:
    """With a capital letter and one full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def not_found_words(words: str) -> str:
    """What Django says of a row that is not there, as a reader would."""
    if words.endswith(NO_MATCH):
        return f"There is no such {words.removesuffix(NO_MATCH).removeprefix('No ').lower()} in your teams."
    return sentence(words or "there is nothing here")


def told_of_fields(detail: Any) -> dict[str, Any]:
    """One sentence of all, and the sentences of each field."""
    fields: dict[str, list[str]] = {}
    for name, words in _flat(detail):
        fields.setdefault(name, []).append(words)
    of_all = fields.pop("", [])
    words = " ".join(sentence(one) for one in of_all)
    if fields:
        first, told = next(iter(fields.items()))
        words = f"{words} {first}: {sentence(told[0])}".strip()
        return {"detail": words, "fields": fields}
    return {"detail": words}


def _flat(detail: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            own = "" if key == "non_field_errors" else str(key)
            yield from _flat(value, ".".join(filter(None, (name, own))))
    elif isinstance(detail, list):
        for item in detail:
            yield from _flat(item, name)
    else:
        yield name, str(detail)


def refuse_form(form: BaseForm, within: str = "", names: Mapping[str, str] | None = None) -> None:
    """
    Tell a form's problems as the API's own; nothing when the form is valid.

    ``within`` is the name of the field that holds those of the form, ``names`` what the API
    calls the fields that it has another name for.
    """
    if form.is_valid():
        return
    names = {"__all__": "non_field_errors", **(names or {})}
    told: dict[str, list[str]] = {}
    for name, listed in form.errors.items():
        told.setdefault(names.get(name, name), []).extend(map(str, listed))
    raise ValidationError({within: told} if within else told)
