"""Background steps. Each takes a primary key and may safely run twice."""

from typing import Any

from django.conf import settings

from poreweb.acquire.fetch import TroubleError, guarded
from poreweb.context import actions, queries
from poreweb.context.models import EventSearch
from poreweb.work.tasks import PutOffError, SupersededError, holds, perform
from processing.errors import FrameError
from processing.solar_events import events_at, events_of, one_per_flare, pieces_of

MAX_DAYS = 40  # a HARP crosses the disk in a fortnight


def search_events(search_id: int, attempt: int | None = None) -> None:
    """Ask HEK what happened in a patch's time and place."""
    perform(EventSearch, search_id, _search, attempt)


def _search(search: EventSearch) -> None:
    patch = search.patch
    moments, span = queries.moments_of(patch), queries.placed_span(patch)
    if not moments or span is None:
        raise FrameError(f"no header of {patch} tells where it was on the Sun")
    days = (moments[-1].at - moments[0].at).days
    if days > MAX_DAYS:
        raise FrameError(f"the frames of {patch} are {days} days apart; events are looked for in up to {MAX_DAYS} days")
    from poreweb.context.hek import HekRows  # here, as sunpy takes a second to import and pages need none of it

    client, rows = HekRows(settings.HEK_URL), list[dict[str, Any]]()
    try:
        for begin, end in pieces_of(moments[0].at, moments[-1].at):
            if not holds(search):
                raise SupersededError
            with guarded():
                rows += client.rows(begin, end)
    except TroubleError as trouble:
        raise PutOffError(actions.note_trouble(search, str(trouble))) from trouble
    found = events_at(one_per_flare(events_of(rows)), moments, noaa_ars=queries.noaa_of(patch))
    actions.replace_events(search, found, span=span, n_listed=len(rows))
