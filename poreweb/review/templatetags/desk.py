"""Words and addresses of the desk's page."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from poreweb.review.consensus import STATE_OF
from poreweb.review.desk.frames import layer_addresses
from poreweb.tracks.models import Event

register = template.Library()

# How keys are shown that are not shown as they are.
SIGNS = {"shift": "Shift", "escape": "Esc", "arrowleft": "←", "arrowright": "→", " ": "Space"}


@register.simple_tag
def key(name: str) -> SafeString:
    """A key as ``<kbd>``: "shift+u" becomes Shift U; nothing for a key that is not set."""
    parts = name.split("+") if len(name) > 1 else [name]
    shown = [SIGNS.get(part, part.upper()) for part in parts if part]
    return format_html_join(" ", "<kbd>{}</kbd>", ((part,) for part in shown))


@register.filter
def layers_ahead(event: Event) -> str:
    """The maps that an event's desk will ask for first, to fetch while its predecessor is looked at."""
    return " ".join(layer_addresses(event))


@register.filter
def settled_state(choice: str) -> str:
    """The state that a settlement puts an event in."""
    return str(STATE_OF.get(choice, choice))


@register.filter
def told(judged: Any) -> str:
    """
    What a judgement says, in words: "corrected: 1 link added, 1 cut".

    ``judged`` is a verdict, what the history keeps of one, a form that was sent, or None.
    """
    if not judged:
        return "none"
    choice = _of(judged, "choice")
    if choice != "correct":
        return settled_state(choice or "")
    correction, joined = _of(judged, "correction") or {}, _of(judged, "joined") or []
    parts = [
        _counted(len(correction.get("add", ())), "link added", "links added"),
        _counted(len(correction.get("remove", ())), "link cut", "links cut"),
        _counted(len(correction.get("spurious", ())), "pore spurious", "pores spurious"),
        _counted(len(joined), "event joined", "events joined"),
    ]
    said = ", ".join(filter(None, parts))
    return f"corrected: {said}" if said else "corrected"


def _of(judged: Any, name: str) -> Any:
    if isinstance(judged, Mapping):
        return judged.get(name)
    return judged.cleaned_data.get(name) if hasattr(judged, "cleaned_data") else getattr(judged, name, None)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
