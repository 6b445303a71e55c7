"""
An export at JSOC, step by step: planned, sent, followed until its files are ready.

Each step is stored before and after JSOC is asked, so that a worker that dies between has
lost nothing: an export that was being sent is sent again, and JSOC, which lets an e-mail
have one export pending, then names the one that it has.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from poreweb.acquire import jsoc, space
from poreweb.acquire.actions import age_of, email_of, say
from poreweb.acquire.fetch import FetchError, TroubleError
from poreweb.acquire.models import Acquisition, ExportRequest, Record
from poreweb.acquire.planning import look_what_is_held
from poreweb.words import counted
from poreweb.work.tasks import PutOffError, must_hold
from processing.errors import PorewebError

MAX_TRIES = 5
NOT_FOUND_FOR = timedelta(minutes=5)  # a new export is not known everywhere at once (drms waits likewise)
SLOWEST_LOOK_S = 120
State, Method = ExportRequest.State, Acquisition.Method


def open_export(acquisition: Acquisition) -> ExportRequest | None:
    """The export in hand, or the next one; None when no record is left to ask for."""
    held = acquisition.exports.filter(state__in=ExportRequest.OPEN).first()
    return held or _next_export(acquisition)


def _next_export(acquisition: Acquisition) -> ExportRequest | None:
    look_what_is_held(acquisition)
    records = _next_stretch(acquisition)
    if not records:
        return None
    to_fetch = acquisition.records.filter(is_held=False, problem="")
    space.must_have_room(acquisition.team, sum(to_fetch.values_list("estimated_bytes", flat=True)))
    with transaction.atomic():
        must_hold(acquisition)
        asked = jsoc.record_set(
            acquisition.series, acquisition.harpnum, records[0].t_rec_s, records[-1].t_rec_s,
            cadence_s=acquisition.cadence_s,
        )  # fmt: skip
        export = ExportRequest.objects.create(
            acquisition=acquisition,
            number=acquisition.exports.count() + 1,
            method=_method(acquisition, records),
            email=email_of(acquisition.team),
            record_set=f"{asked}{{{','.join(acquisition.segments)}}}",
        )
        Record.objects.filter(pk__in=[record.pk for record in records]).update(export=export)
    return export


def _next_stretch(acquisition: Acquisition) -> list[Record]:
    """The first records that are to be had and follow each other, as many as JSOC gives at once."""
    most = _most_records(acquisition)
    stretch: list[Record] = []
    for record in acquisition.records.order_by("t_rec_s").defer("keywords"):
        wanted = not record.is_held and not record.problem
        if wanted and (not stretch or record.tries == stretch[0].tries) and len(stretch) < most:
            stretch.append(record)
        elif stretch:
            break
    return stretch


def _most_records(acquisition: Acquisition) -> int:
    """JSOC_MAX_RECORDS, or half of the least that was too much."""
    refused = [
        export.answer["too_big"] // 2 for export in acquisition.exports.filter(state=State.FAILED)
        if "too_big" in export.answer
    ]  # fmt: skip
    return max(min([settings.JSOC_MAX_RECORDS, *refused]), 1)


def _method(acquisition: Acquisition, records: Sequence[Record]) -> str:
    """
    As asked for; what has not come in one way is tried in another, url_quick last as its headers are bare.

    JSOC refuses url_quick for records that are all on tape.
    """
    stuck = acquisition.exports.filter(state=State.ABANDONED, answer__has_key="stuck").exists()
    if stuck or records[0].tries >= MAX_TRIES - 1:
        return Method.AS_IS
    return Method.FILES if records[0].tries >= 2 else acquisition.method


def send(export: ExportRequest) -> None:
    """Ask JSOC for a planned export, or once more for one during whose sending a worker died."""
    acquisition = export.acquisition
    was_sending = export.state == State.SENDING
    _must_be_registered(export)
    if not _claim(export):
        say(acquisition, f"Another request of {export.email} is at JSOC, which has one at a time; this one waits.")
        raise PutOffError(3 * settings.JSOC_PACE_S)
    try:
        answer = jsoc.submit(export.record_set, email=export.email, method=export.method)
    except jsoc.DuplicateError as duplicate:
        say(acquisition, f"JSOC has this request already: {duplicate.request_ids[-1]}.")
        _follow(export, duplicate.request_ids[-1])
        return
    except jsoc.BusyError as busy:
        _wait_for_others(export, busy, may_be_ours=was_sending)
        return
    except jsoc.TooBigError as refusal:
        _split(export, str(refusal))
        return
    except TroubleError:
        raise  # it stays as being sent: JSOC may have it
    except FetchError as refusal:
        drop(export, str(refusal))
        raise TroubleError(str(refusal)) from refusal
    if answer.status == jsoc.READY:
        _ready(export, answer)
    else:
        say(acquisition, f"JSOC makes {answer.request_id}: {export.record_set}.")
        _follow(export, answer.request_id, answer)


def _must_be_registered(export: ExportRequest) -> None:
    """Until JSOC has taken an export of this e-mail; PorewebError when it does not know it."""
    if not export.email:
        raise PorewebError("JSOC gives exports to registered e-mails only, and none is set; a lead can set the team's")
    taken = export.acquisition.exports.filter(email=export.email).exclude(sent_at=None).exclude(state=State.FAILED)
    if export.state == State.PLANNED and not taken.exists() and not jsoc.is_registered(export.email):
        raise PorewebError(f"{export.email} is not registered at JSOC; register it there, then try again")


@transaction.atomic
def _update(export: ExportRequest, **changes: object) -> None:
    """Store a step, if the acquisition is still this worker's."""
    must_hold(export.acquisition)
    for name, value in changes.items():
        setattr(export, name, value)
    export.save(update_fields=list(changes))


def _claim(export: ExportRequest) -> bool:
    """Take the e-mail for this export; False if another one has it."""
    try:
        _update(export, state=State.SENDING, sent_at=timezone.now())
    except IntegrityError:
        export.refresh_from_db()
        return False
    return True


def _follow(export: ExportRequest, request_id: str, answer: jsoc.Answer | None = None) -> None:
    _update(
        export, state=State.PENDING, request_id=request_id, status=answer.status if answer else None,
        answer=answer.raw if answer else {},
    )  # fmt: skip


def _ready(export: ExportRequest, answer: jsoc.Answer) -> None:
    acquisition = export.acquisition
    if not answer.is_of(acquisition.series, acquisition.harpnum):
        drop(export, "it is of other records", state=State.ABANDONED, counts=False)
        return
    n_files = len(answer.files)
    what = "a tar file" if answer.raw.get("tarfile") else counted(n_files, "file")
    say(export.acquisition, f"{answer.request_id or 'The export'} is ready: {what}.")
    _update(
        export, state=State.READY, status=answer.status, answer=answer.raw, ready_at=timezone.now(),
        request_id=answer.request_id or export.request_id,
    )  # fmt: skip


def _wait_for_others(export: ExportRequest, busy: jsoc.BusyError, *, may_be_ours: bool) -> None:
    """
    JSOC has another export of this e-mail pending.

    It is this one, if it was being sent when a worker died and JSOC names one that no row
    here knows. Others are waited for; that JSOC is asked about each frees an e-mail whose
    export is complete but still counted.
    """
    known = set(ExportRequest.objects.filter(request_id__in=busy.request_ids).values_list("request_id", flat=True))
    unknown = [request_id for request_id in busy.request_ids if request_id not in known]
    if may_be_ours and unknown:
        say(export.acquisition, f"JSOC had received the request before: {unknown[-1]}.")
        _follow(export, unknown[-1])
        return
    first_busy = export.answer.get("busy_since") or timezone.now().timestamp()
    names = ", ".join(busy.request_ids) or "its name is not told"
    _update(export, state=State.PLANNED, answer={"busy_since": first_busy})
    for request_id in busy.request_ids:
        jsoc.status_of(request_id)
    waited_s = timezone.now().timestamp() - first_busy
    if waited_s > settings.JSOC_PENDING_LIMIT_S:
        say(export.acquisition, f"JSOC keeps {names} pending; the files are asked for one by one instead.")
        _update(export, method=Method.AS_IS, answer={})
        return
    say(export.acquisition, f"JSOC has another request of {export.email} pending ({names}); this one waits.")
    raise PutOffError(min(max(3 * settings.JSOC_PACE_S, waited_s / 4), SLOWEST_LOOK_S))


def _split(export: ExportRequest, refusal: str) -> None:
    """
    An export that is too big sets its records free, to be asked for in halves.

    A single record is refused for good; several of them in turn, where no export has ever
    come, tell that it is not for their number, and that the rest need not be asked for.
    """
    acquisition, n_records = export.acquisition, export.records.count()
    say(acquisition, f"{n_records} records are too many for JSOC ({refusal.rstrip('.')}); fewer are asked for.")
    _update(export, state=State.FAILED, error=refusal, answer={"too_big": n_records})
    if n_records == 1:
        n_single = acquisition.exports.filter(state=State.FAILED, answer__too_big=1).count()
        is_all = n_single >= MAX_TRIES and not acquisition.exports.filter(state=State.READ).exists()
        refused = acquisition.records.filter(is_held=False) if is_all else export.records
        refused.update(problem=f"JSOC refuses it as too big: {refusal.rstrip('.')}.")
    export.records.update(export=None)


def drop(
    export: ExportRequest, why: str, *, state: str = State.FAILED, counts: bool = True, stuck: bool = False
) -> None:
    """End an export that brings nothing more, and set its records free for another one."""
    say(export.acquisition, f"{export} is given up: {why.rstrip('.')}.")
    _update(export, state=state, error=why, answer={**export.answer, **({"stuck": True} if stuck else {})})
    with transaction.atomic():
        must_hold(export.acquisition)
        records = export.records.filter(is_held=False)
        if counts:
            records.update(tries=F("tries") + 1)
            records.filter(tries__gte=MAX_TRIES).update(problem=f"{MAX_TRIES} exports did not bring it: {why}")
        export.records.update(export=None)


def follow_up(export: ExportRequest) -> None:
    """Ask how far a pending export is."""
    acquisition = export.acquisition
    answer = jsoc.status_of(export.request_id)
    age = age_of(export)
    is_pending = answer.status in (jsoc.PROCESSING, jsoc.SUBMITTED)
    if answer.status == jsoc.READY:
        _ready(export, answer)
    elif is_pending and (made := jsoc.packing_list(answer)):
        say(acquisition, f"JSOC calls {export.request_id} pending, but its files are there.")
        _ready(export, made)
    elif answer.status == jsoc.TOO_BIG:
        _split(export, answer.error or "it exceeds its limit")
    elif answer.status in (jsoc.EXPIRED, jsoc.REFUSED):
        drop(export, f"JSOC says {answer.error or 'that it has expired'}")
    elif answer.status == jsoc.NOT_FOUND and age > NOT_FOUND_FOR:
        drop(export, "JSOC does not know it")
    elif age.total_seconds() > settings.JSOC_PENDING_LIMIT_S:
        # one that was asked for as bare files already has no other way left
        is_last_way = export.method == Method.AS_IS
        drop(export, "JSOC has not made it in time", state=State.ABANDONED, counts=is_last_way, stuck=True)
    else:
        _update(export, status=answer.status)
        say(acquisition, f"JSOC is making {export.request_id}.")
        pause = max(settings.JSOC_PACE_S, min(age.total_seconds() / 4, SLOWEST_LOOK_S))
        raise PutOffError(max(pause, min(answer.wait_s, SLOWEST_LOOK_S)))
