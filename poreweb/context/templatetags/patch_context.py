"""The parts of a patch's page and of the viewer that this app draws."""

from typing import Any

from django import template
from django.template import Context

from poreweb.context import charts, parts, queries
from poreweb.observations.models import Patch

register = template.Library()


@register.inclusion_tag("context/_locator.html")
def locator(patch: Patch) -> dict[str, Any]:
    """The disk with the patch on it."""
    return {"patch": patch, "drawing": charts.locator_drawing(patch)}


@register.inclusion_tag("context/_events.html", takes_context=True)
def solar_events(context: Context, patch: Patch) -> dict[str, Any]:
    """The patch's solar events and the search for them."""
    return {**parts.events_part(patch, can_write=context["can_write"]), "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("context/_keywords.html", takes_context=True)
def sharp_keywords(context: Context, patch: Patch) -> dict[str, Any]:
    """
    The curve of the keyword that the address names; without one a script fetches that of the first.

    It takes the headers of all frames, which are read half a second for a thousand.
    """
    asked = context["request"].GET
    run = asked.get("run", "")
    if "keyword" not in asked:
        return {"patch": patch, "run": run, "is_later": True}
    return parts.keywords_part(patch, asked["keyword"], run=run)


@register.filter
def noaa_words(patch: Patch) -> str:
    """Its NOAA regions, of its headers and of JSOC's list; empty where there are none."""
    return queries.noaa_words([patch])[patch.pk]


@register.filter
def significant(number: float) -> str:
    """A number with the six digits that JSOC's headers have."""
    return f"{number:.6g}"
