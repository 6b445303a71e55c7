"""Every change to solar events and the search for them."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from poreweb.context import queries
from poreweb.context.models import EventSearch, SolarEvent
from poreweb.observations.models import Ingest, Patch
from poreweb.work.tasks import dispatch, must_hold, wake
from processing import solar_events

# A search reaches half a day beyond the frames, so that one that is watched need not be searched
# for again with each of its frames.
GROWN_S = 6 * 3600


def search_what_came(ingest: Ingest, **_: Any) -> None:
    """Look for the events of the patches of a delivery, as far as that was not done."""
    for patch in ingest.patches.all():
        search_if_grown(patch)


@transaction.atomic
def search_if_grown(patch: Patch) -> EventSearch | None:
    """
    Look for events when frames lie outside the time that was searched; the search, if one was started.

    Nothing is looked for while one goes on, which does it again when it ends, or for a patch
    whose place on the Sun no header tells.
    """
    span = queries.placed_span(patch)
    if not settings.EVENT_SEARCH or span is None:
        return None
    search, is_new = EventSearch.objects.select_for_update(no_key=True).get_or_create(patch=patch)
    if is_new:
        dispatch(search)
        return search
    if search.is_open or search.first_s is None or search.last_s is None:
        return None  # one that never ended well is for a person to start again
    if span[0] >= search.first_s and span[1] <= search.last_s + GROWN_S:
        return None
    return _start_again(search)


@transaction.atomic
def look_again(patch: Patch) -> EventSearch | None:
    """Search at once for all of a patch's time, whatever was done; None if there is nothing to search for."""
    if not settings.EVENT_SEARCH or queries.placed_span(patch) is None:
        return None
    search, is_new = EventSearch.objects.select_for_update(no_key=True).get_or_create(patch=patch)
    if is_new:
        dispatch(search)
        return search
    if search.is_open:
        wake(search)
        return search
    return _start_again(search)


def _start_again(search: EventSearch) -> EventSearch:
    rows = EventSearch.objects.filter(pk=search.pk)
    rows.update(
        state=EventSearch.State.WAITING, error="", waits_for="", troubles=0, not_before=None, finished_at=None,
        forgiven=F("attempts"),
    )  # fmt: skip
    search.refresh_from_db()
    dispatch(search)
    return search


@transaction.atomic
def replace_events(
    search: EventSearch, found: Iterable[solar_events.SolarEvent], *, span: tuple[int, int], n_listed: int
) -> None:
    """Put what a search found in the place of what an earlier one had found."""
    must_hold(search)
    search.patch.solar_events.all().delete()
    SolarEvent.objects.bulk_create([_row(search.patch, event) for event in found])
    EventSearch.objects.filter(pk=search.pk).update(
        first_s=span[0], last_s=span[1], n_listed=n_listed, searched_at=timezone.now(), waits_for="", troubles=0
    )


def note_trouble(search: EventSearch, why: str) -> float:
    """Say why a search waits; the seconds that it should, twice as long with each trouble in a row, up to an hour."""
    EventSearch.objects.filter(pk=search.pk).update(waits_for=why, troubles=F("troubles") + 1)
    return float(min(3600, settings.JSOC_PACE_S * 2 ** min(search.troubles, 12)))


def _row(patch: Patch, event: solar_events.SolarEvent) -> SolarEvent:
    values = asdict(event)
    values["hek_key"] = values.pop("key")
    values["others"] = list(event.others)
    for name in ("start", "peak", "end"):
        moment: datetime | None = values[name]
        values[name] = moment and moment.replace(tzinfo=UTC)
    return SolarEvent(patch=patch, **values)
