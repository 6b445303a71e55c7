"""The background step that reads JSOC's list of HARPs and NOAA regions."""

import logging

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from redis import RedisError

from poreweb.acquire import fetch, noaa
from poreweb.acquire.models import NoaaList
from poreweb.acquire.own_troubles import DATABASE, close_broken_connection, passing
from poreweb.work.tasks import PutOffError, must_hold
from processing.list_times import ListError

log = logging.getLogger(__name__)
LONGEST_PAUSE_S = 3600
# Counts only how long to wait, and may be lost: then the next wait is a short one.
TROUBLES = "noaa-list-troubles"


def read_now(*, force: bool = False) -> noaa.Stored:
    """
    Read the list from where the settings say, in this process.

    Raises
    ------
    FetchError
        If it cannot be fetched.
    ListError
        As `noaa.store_pairs`.
    """
    address = settings.NOAA_LIST_URL
    return noaa.import_text(fetch.read_text(address), address, force=force)[0]


def refresh(task: NoaaList) -> None:
    """
    Read the list anew, and again after its hours; what is held stays until a better one is read.

    After a trouble of the server, the network or the database it is tried again soon, later each time;
    what another try will not mend waits for the next hour of its schedule, or fails.
    """
    address = settings.NOAA_LIST_URL
    try:
        text = fetch.read_text(address)
        with transaction.atomic():
            must_hold(task)
            noaa.import_text(text, address)
    except fetch.TroubleError as trouble:
        pause = _next_pause()
        _say(task, f"{trouble}; what is held stays")
        raise PutOffError(pause) from trouble
    except DATABASE as trouble:
        if not passing(trouble):
            raise
        close_broken_connection()
        raise PutOffError(_next_pause()) from trouble
    except (fetch.FetchError, ListError) as problem:
        _say(task, f"{problem}; what is held stays")
        _wait_for_its_hour(task)
        raise
    _forget_troubles()
    _wait_for_its_hour(task)


def _wait_for_its_hour(task: NoaaList) -> None:
    """Put off until it is to be read again; nothing when it is not."""
    task.refresh_from_db(fields=["every_hours"])  # somebody may have changed it while the list was read
    if task.every_hours:
        raise PutOffError(task.every_hours * 3600)


def _say(task: NoaaList, problem: str) -> None:
    sentence = problem[:1].upper() + problem[1:].rstrip(".") + "."
    NoaaList.objects.filter(pk=task.pk, attempts=task.attempts).update(problem=sentence)


def _next_pause() -> float:
    """Seconds until the next try: JSOC_PACE_S after the first trouble in a row, then twice that, up to an hour."""
    n_before = 0
    try:
        n_before = cache.get(TROUBLES, 0)
        cache.set(TROUBLES, n_before + 1, 3 * LONGEST_PAUSE_S)
    except RedisError as problem:
        log.warning("troubles with the list are not counted: %s", problem)
    return float(min(settings.JSOC_PACE_S * 2 ** min(n_before, 20), LONGEST_PAUSE_S))


def _forget_troubles() -> None:
    try:
        cache.delete(TROUBLES)
    except RedisError as problem:
        log.warning("troubles with the list are still counted: %s", problem)
