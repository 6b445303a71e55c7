"""Background steps. Each takes a primary key, may safely run twice, and takes turns of a minute with the others."""

import random
import time

from django.conf import settings
from django.db.models import F

from poreweb.acquire import exporting, noaa_jobs, planning, watching
from poreweb.acquire.actions import backoff_s, say
from poreweb.acquire.fetch import TroubleError
from poreweb.acquire.models import Acquisition, ExportRequest, NoaaList, Watch
from poreweb.acquire.own_troubles import DATABASE, OF_THIS_SITE, close_broken_connection, passing
from poreweb.acquire.reading import read_export
from poreweb.acquire.space import NoRoomError, is_no_room
from poreweb.words import counted
from poreweb.work.tasks import PutOffError, SupersededError, holds, perform
from processing.errors import PorewebError

TURN_S = 60
MAX_TROUBLES = 300  # in a row, some three days
NO_ROOM_PACES = 30  # pauses of JSOC_PACE_S between two looks at a full disk


def run_acquisition(acquisition_id: int, attempt: int | None = None) -> None:
    """Go on with an acquisition: ask what there is, export, fetch, until all that is wanted is held."""
    perform(Acquisition, acquisition_id, _take_a_turn, attempt)


def refresh_noaa_list(list_id: int, attempt: int | None = None) -> None:
    """Read JSOC's list of HARPs and NOAA regions anew."""
    perform(NoaaList, list_id, noaa_jobs.refresh, attempt)


def run_watch(watch_id: int, attempt: int | None = None) -> None:
    """Look at what is watched, and again after a while."""
    perform(Watch, watch_id, watching.look, attempt)


def _take_a_turn(acquisition: Acquisition) -> None:
    try:
        _go_on_or_wait(acquisition)
    except OF_THIS_SITE as problem:
        _have_trouble_here(acquisition, problem)
        raise


def _go_on_or_wait(acquisition: Acquisition) -> None:
    try:
        _go_on(acquisition, until=time.monotonic() + TURN_S)
    except TroubleError as trouble:
        _have_trouble(acquisition, trouble)
    except NoRoomError as problem:
        _wait_for_room(acquisition, str(problem))


def _go_on(acquisition: Acquisition, *, until: float) -> None:
    if acquisition.planned_at is None:
        say(acquisition, "Asking JSOC what it has.", log=False)
        planning.plan(acquisition)
        _end_troubles(acquisition)
    if acquisition.is_preview:
        say(acquisition, "", log=False)
        return
    while export := exporting.open_export(acquisition):
        if export.state in (ExportRequest.State.PLANNED, ExportRequest.State.SENDING):
            exporting.send(export)
        elif export.state == ExportRequest.State.PENDING:
            exporting.follow_up(export)
        else:
            read_export(export, until=until)
        _end_troubles(acquisition)
        if time.monotonic() > until:
            raise PutOffError(0)
    _conclude(acquisition)


def _end_troubles(acquisition: Acquisition) -> None:
    if acquisition.troubles:
        acquisition.troubles = 0
        Acquisition.objects.filter(pk=acquisition.pk).update(troubles=0)


def _conclude(acquisition: Acquisition) -> None:
    """Say what came of it; PorewebError when some of it could not be had."""
    n_all, missing = acquisition.records.count(), list(acquisition.records.filter(is_held=False).defer("keywords"))
    if lost := [record for record in missing if "continuum" not in record.absent]:
        first = lost[0]
        raise PorewebError(
            f"{len(lost)} of {counted(n_all, 'record')} could not be had; the first one, {first}: {first.problem}"
        )
    if missing:
        say(
            acquisition,
            f"{n_all - len(missing)} of {counted(n_all, 'record')} held; JSOC has no continuum of the others.",
        )
    else:
        say(acquisition, f"All {n_all} records are held." if n_all > 1 else "The record is held.")


def _have_trouble(acquisition: Acquisition, trouble: TroubleError) -> None:
    """Try again in a while; longer each time."""
    Acquisition.objects.filter(pk=acquisition.pk).update(troubles=F("troubles") + 1)
    acquisition.troubles += 1
    if acquisition.troubles > MAX_TROUBLES:
        raise PorewebError(f"{MAX_TROUBLES} tries in a row failed; the last one: {trouble}")
    # not all at one moment, when a server that was away is back
    pause = backoff_s(acquisition.troubles) * random.uniform(0.8, 1.2)
    said = f"{_sentence(str(trouble))}; tried again"
    say(acquisition, f"{said} in {pause:.0f} s.", logged_as=f"{said}.")
    raise PutOffError(pause)


def _have_trouble_here(acquisition: Acquisition, problem: Exception) -> None:
    """Try again in a while after a trouble of this site that may pass; nothing when it is a bug."""
    close_broken_connection()
    try:
        if not holds(acquisition):  # what was fetched is taken away from an acquisition that was stopped
            raise SupersededError from problem
        if is_no_room(problem):
            _wait_for_room(acquisition, f"writing failed: {getattr(problem, 'strerror', None) or problem}")
        if said := passing(problem):
            _have_trouble(acquisition, TroubleError(said))
    except DATABASE:  # it goes on, and nothing can be written down
        raise PutOffError(settings.JSOC_PACE_S) from problem


def _wait_for_room(acquisition: Acquisition, problem: str) -> None:
    said = "Make room, and it goes on by itself; all that came is kept."
    say(acquisition, f"No room: {problem}. {said}", logged_as=f"There is no room. {said}")
    raise PutOffError(NO_ROOM_PACES * settings.JSOC_PACE_S)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
