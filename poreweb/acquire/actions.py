"""Every change to acquisitions, but for the steps of their exports, which are in `exporting` and `reading`."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from poreweb.acquire import jsoc, space
from poreweb.acquire.fetch import FetchError, ask_at_once
from poreweb.acquire.models import Acquisition, AcquisitionLog, ExportRequest, Watch
from poreweb.acquire.parts import forget_parts
from poreweb.acquire.planning import look_what_is_held
from poreweb.acquire.wanted import Wanted
from poreweb.observations.actions import close_delivery
from poreweb.observations.models import Ingest
from poreweb.people.models import Team
from poreweb.tracks.incoming import process_new_frames
from poreweb.words import counted
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch, must_hold
from processing.errors import ParameterError
from processing.fits import DEFINITIVE_SERIES, SEGMENTS
from processing.timekeys import CADENCE_S

# Of one order: a HARP that lives for two rotations at 12 minutes has some 3,300
MAX_PREVIEWS = 200
CHECK_S = 10  # that somebody who saves an e-mail waits for JSOC


def email_of(team: Team) -> str:
    """The e-mail under which the team asks JSOC; empty when there is none."""
    return team.jsoc_email or settings.JSOC_EMAIL


def check_email(email: str) -> bool | None:
    """Whether JSOC knows an e-mail; None when it cannot be asked now. Asked as `drms` does, while somebody waits."""
    query = urlencode({"address": quote_plus(email), "checkonly": "1"})
    try:
        answer = json.loads(ask_at_once(f"{settings.JSOC_URL}cgi-bin/ajax/checkAddress.sh?{query}", timeout_s=CHECK_S))
        return int(answer["status"]) == jsoc.REGISTERED
    except (FetchError, ValueError, KeyError, TypeError):
        return None


def say(acquisition: Acquisition, text: str, *, log: bool = True, logged_as: str = "") -> None:
    """
    Show what an acquisition does or waits for now, and write it to its log unless that says so already.

    ``logged_as`` is without the numbers that change each time. One that was stopped or deleted,
    or is another attempt's by now, says nothing any more.
    """
    acquisition.doing = text
    ours = Acquisition.objects.filter(pk=acquisition.pk, attempts=acquisition.attempts)
    if not ours.exclude(state=Task.State.CANCELLED).update(doing=text) or not log:
        return
    line = logged_as or text
    last = acquisition.log.last()
    if last is None or last.text != line:
        AcquisitionLog.objects.create(acquisition=acquisition, text=line)


def say_failed(acquisition: Acquisition) -> None:
    """Write to its log why an acquisition has failed."""
    AcquisitionLog.objects.create(acquisition=acquisition, text=f"Failed: {acquisition.error.rstrip('.')}.")


@transaction.atomic
def start_preview(
    team: Team,
    user: User | None,
    wanted: Wanted,
    *,
    series: str = DEFINITIVE_SERIES,
    cadence_s: int = CADENCE_S,
    segments: Sequence[str] = SEGMENTS,
) -> Acquisition:
    """
    Ask what JSOC has, without asking for any of it.

    Raises
    ------
    ParameterError
        If something wanted is out of its range.
    """
    _must_make_sense(wanted, series=series, cadence_s=cadence_s, segments=segments)
    acquisition = Acquisition.objects.create(
        team=team, user=user, series=series, harpnum=wanted.harpnum, noaa_ar=wanted.noaa_ar, first_s=wanted.first_s,
        last_s=wanted.last_s, cadence_s=cadence_s, segments=jsoc.known_segments(segments),
        doing="Waiting to ask JSOC what it has.",
    )  # fmt: skip
    dispatch(acquisition)
    return acquisition


def _must_make_sense(wanted: Wanted, *, series: str, cadence_s: int, segments: Sequence[str]) -> None:
    if series not in jsoc.SERIES:
        raise ParameterError(f"{series[:80]!r} is no series that is fetched; those are {' and '.join(jsoc.SERIES)}")
    if not 0 < wanted.harpnum < 2**31:
        raise ParameterError(f"{wanted.harpnum} is no HARP number")
    if wanted.first_s is not None and wanted.last_s is not None and wanted.last_s < wanted.first_s:
        raise ParameterError("the last record must not be before the first one")
    if cadence_s <= 0 or cadence_s % CADENCE_S:
        raise ParameterError(f"the cadence must be a multiple of {CADENCE_S} s, not {cadence_s} s")
    if "continuum" not in segments:
        raise ParameterError("the segments must have continuum among them, in which the pores are found")


@transaction.atomic
def start_previews(team: Team, user: User, wanted: Sequence[Wanted]) -> list[Acquisition]:
    """
    A preview for each; ParameterError when they are too many or one is out of its range.

    The same records of a HARP are asked for once.
    """
    if len(wanted) > MAX_PREVIEWS:
        raise ParameterError(f"{len(wanted)} regions are more than the {MAX_PREVIEWS} that are looked up at once")
    return [start_preview(team, user, one) for one in dict.fromkeys(wanted)]


@transaction.atomic
def order(acquisition: Acquisition, *, user: User | None, method: str = "", run_after: bool = True) -> bool:
    """
    Get what a preview showed; False if that was asked for already.

    Raises
    ------
    ParameterError
        If the team has no e-mail for JSOC, or the preview is not there yet.
    NoRoomError
        If there is no room for it.
    """
    acquisition = Acquisition.objects.select_for_update(no_key=True).get(pk=acquisition.pk)
    if not acquisition.is_preview:
        return False
    if acquisition.state != Task.State.DONE:
        raise ParameterError(f"the preview is {acquisition.get_state_display()}; ask for the records when it is done")
    if acquisition.n_to_fetch and not email_of(acquisition.team):
        raise ParameterError(
            "JSOC gives exports to registered e-mails only, and none is set; a lead can set the team's on its page"
        )
    if acquisition.n_to_fetch and acquisition.estimated_bytes:
        space.must_have_room(acquisition.team, acquisition.estimated_bytes)
    acquisition.ordered_at, acquisition.user, acquisition.run_after = timezone.now(), user, run_after
    acquisition.method = method or acquisition.method
    _go_on(acquisition)
    asked_for = counted(acquisition.records.filter(is_held=False).count(), "record")
    AcquisitionLog.objects.create(acquisition=acquisition, text=f"{asked_for} asked for by {user or 'a watch'}.")
    return True


def order_directly(watch_order: Acquisition) -> None:
    """Mark a new acquisition as ordered before JSOC is asked what it has, as a watch does that knows."""
    watch_order.ordered_at = timezone.now()
    watch_order.save(update_fields=["ordered_at"])


def _go_on(acquisition: Acquisition) -> None:
    acquisition.state, acquisition.error, acquisition.finished_at = Task.State.WAITING, "", None
    acquisition.not_before, acquisition.troubles = None, 0
    acquisition.forgiven, acquisition.doing = acquisition.attempts, "Waiting for its turn."
    acquisition.save()
    dispatch(acquisition)


@transaction.atomic
def retry(acquisition: Acquisition) -> bool:
    """Try again what failed or was cancelled, with all that came kept; False if there is nothing to try."""
    acquisition = Acquisition.objects.select_for_update(no_key=True).get(pk=acquisition.pk)
    if acquisition.state not in (Task.State.FAILED, Task.State.CANCELLED):
        return False
    acquisition.records.filter(is_held=False).update(problem="", tries=0, export=None)
    acquisition.exports.filter(state__in=ExportRequest.OPEN).update(state=ExportRequest.State.ABANDONED)
    for stuck in acquisition.exports.filter(answer__has_key="stuck"):  # the way that was asked for may be open again
        stuck.answer.pop("stuck")
        stuck.save(update_fields=["answer"])
    acquisition.ingest = None  # its delivery was closed; what comes now is another one
    AcquisitionLog.objects.create(acquisition=acquisition, text="Tried again.")
    _go_on(acquisition)
    return True


@transaction.atomic
def cancel(acquisition: Acquisition) -> bool:
    """Stop an acquisition, and the watch that would ask again; what came is kept. False if it had ended."""
    acquisition = Acquisition.objects.select_for_update(no_key=True).get(pk=acquisition.pk)
    if not acquisition.is_open:
        return False
    acquisition.state, acquisition.finished_at = Task.State.CANCELLED, timezone.now()
    acquisition.not_before, acquisition.doing = None, ""
    if Watch.objects.filter(acquisitions=acquisition).pause():
        acquisition.doing = "The watch that asked for it is paused; it goes on from the schedule."
    acquisition.save(update_fields=["state", "finished_at", "not_before", "doing"])
    AcquisitionLog.objects.create(acquisition=acquisition, text=f"Cancelled. {acquisition.doing}".strip())
    close(acquisition)
    return True


@transaction.atomic
def forget_preview(acquisition: Acquisition) -> bool:
    """Delete what was only looked at; False if it was asked for."""
    acquisition = Acquisition.objects.select_for_update(no_key=True).get(pk=acquisition.pk)
    if not acquisition.is_preview:
        return False
    acquisition.delete()
    return True


def look_what_came(ingest: Ingest, **_: Any) -> None:
    """Tell the previews of a delivery's patches what of them is held by now. In its transaction."""
    for patch in ingest.patches.all():
        previews = Acquisition.objects.filter(
            team=patch.team_id,
            series=patch.series,
            harpnum=patch.harpnum or 0,
            ordered_at=None,
            state=Task.State.DONE,
        )
        for preview in previews:
            preview.patch = patch
            look_what_is_held(preview)
            held = preview.records.filter(is_held=True).count()
            to_fetch = preview.records.filter(is_held=False).aggregate(all=Sum("estimated_bytes"))["all"] or 0
            previews.filter(pk=preview.pk).update(
                patch=patch, estimated_bytes=to_fetch, preview={**preview.preview, "n_held": held}
            )


def ingest_for(acquisition: Acquisition) -> Ingest:
    """The delivery as which its files come in; it is closed with the acquisition. Made for who holds that alone."""
    if acquisition.ingest is None:
        with transaction.atomic():
            must_hold(acquisition)
            acquisition.ingest = Ingest.objects.create(
                team=acquisition.team, user=acquisition.user, names=[str(acquisition)],
                run_after=False, state=Ingest.State.CANCELLED,
                error="Files are still coming from JSOC.",
            )  # fmt: skip
            acquisition.save(update_fields=["ingest"])
    return acquisition.ingest


def close(acquisition: Acquisition) -> None:
    """Close the delivery of an acquisition that has ended, and have what came processed. In its transaction."""
    if acquisition.is_preview:
        return
    exports = acquisition.exports.filter(state__in=ExportRequest.OPEN)
    exports.update(state=ExportRequest.State.ABANDONED)
    forget_parts(acquisition)
    if acquisition.ingest is not None and acquisition.ingest.state != Ingest.State.DONE:
        close_delivery(acquisition.ingest)
    if acquisition.run_after and acquisition.patch and acquisition.state != Task.State.CANCELLED:
        process_new_frames(acquisition.patch, user=acquisition.user)  # which leaves alone what a run has seen


def backoff_s(troubles: int) -> float:
    """Seconds until the next try after so many troubles in a row: twice as long each time, up to 15 minutes."""
    return float(min(settings.JSOC_PACE_S * 2 ** min(troubles - 1, 20), 900))


def age_of(export: ExportRequest) -> timedelta:
    """Since it was sent."""
    return timezone.now() - (export.sent_at or timezone.now())
