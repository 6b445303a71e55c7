"""What the parts of a patch's page need, whether the page asks for them or a script."""

from typing import Any

from django.conf import settings

from poreweb.context import charts, queries
from poreweb.context.models import EventSearch
from poreweb.observations.models import Patch

NOUNS = {"FL": ("flare", "flares"), "EF": ("emergence of flux", "emergences of flux"), "SS": ("sunspot", "sunspots")}


def events_part(patch: Patch, *, can_write: bool) -> dict[str, Any]:
    """Of `context/_events.html`."""
    events = list(patch.solar_events.all())
    numbers = {kind: sum(event.kind == kind for event in events) for kind in NOUNS}
    return {
        "patch": patch,
        "events": events,
        "counts": [(n, NOUNS[kind][n > 1]) for kind, n in numbers.items() if n],
        "search": EventSearch.objects.filter(patch=patch).first(),
        "is_on": settings.EVENT_SEARCH,
        "has_place": queries.placed_span(patch) is not None,
        "can_write": can_write,
    }


def keywords_part(patch: Patch, name: str, *, run: str) -> dict[str, Any]:
    """Of `context/_keywords.html`; ``run`` is that of the page's address, to be kept in it."""
    return {"patch": patch, "section": charts.keyword_section(patch, name), "run": run}
