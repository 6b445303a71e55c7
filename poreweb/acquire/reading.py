"""
The files of an export that is ready: fetched one after another, looked at, and kept as a delivery's are.

A file counts as had when the patch's raw files say so, not when it was fetched; so an
attempt that died anywhere is gone on with by looking at what is there.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F

from poreweb.acquire import jsoc, space
from poreweb.acquire.actions import age_of, ingest_for, say
from poreweb.acquire.exporting import MAX_TRIES, drop
from poreweb.acquire.fetch import FetchError, GoneError, TroubleError, can_be_resumed, download, forget
from poreweb.acquire.models import Acquisition, ExportRequest
from poreweb.acquire.parts import part_of
from poreweb.acquire.planning import NO_CONTINUUM, look_what_is_held
from poreweb.observations.actions import IngestReport, take_file
from poreweb.observations.models import Ingest, Patch, RawFile
from poreweb.observations.unpack import Found, unpack
from poreweb.words import counted
from poreweb.work.tasks import PutOffError, holds, must_hold
from processing.checksums import check_sums, first_header
from processing.errors import FitsError
from processing.fits import read_key, segment_file_name

LEAST_ALIKE = 3
LOOK_AFTER_FILES = 25  # of an archive, how often it is asked whether somebody still wants it
LOOK_AGAIN_BYTES = 8_000_000  # how often the disk and the clock are looked at while a file comes
MAX_BAD = 3  # times that one file may come damaged before it is given up, or its export if that is an archive
State = ExportRequest.State


def read_export(export: ExportRequest, *, until: float) -> None:
    """
    Fetch and keep the files of a ready export; stops by `PutOffError` when it has had its turn.

    A single file that is not there, or stays damaged, costs its own record a try and no
    other; a damaged one is fetched again once the others have been. ``until`` is on the clock
    of `time.monotonic`.

    Raises
    ------
    TroubleError
        If something may come whole in a while.
    """
    acquisition = export.acquisition
    answer = jsoc.Answer(export.status or 0, export.request_id, export.answer)
    _note_absent(export, answer)
    bad = ""
    for record, url in answer.files:
        if url in export.fetched or url in _refused(export) or _is_held(export, record, url):
            continue
        try:
            bad = _fetch_and_keep(export, record, url, until=until) or bad
        except TroubleError:
            raise
        except FetchError as refusal:
            may_come = age_of(export).total_seconds() <= settings.JSOC_PENDING_LIMIT_S
            if isinstance(refusal, GoneError) and export.status != jsoc.READY and may_come:
                _back_to_pending(export)  # its files were named before they were there
            if not record or not isinstance(refusal, GoneError):
                drop(export, str(refusal))
                return
            _refuse(export, url, str(refusal))
        if time.monotonic() > until:
            raise PutOffError(0)
    if bad:
        raise TroubleError(bad)
    _settle(export, answer)
    say(
        acquisition,
        f"{acquisition.records.filter(is_held=True).count()} of {counted(acquisition.records.count(), 'record')} held.",
    )


def _refused(export: ExportRequest) -> dict[str, str]:
    """Address -> why, of the single files that this export does not bring."""
    return export.answer.get("refused", {})


def _refuse(export: ExportRequest, url: str, why: str) -> None:
    """Pass a single file over from now on."""
    with transaction.atomic():
        must_hold(export.acquisition)
        export.answer = {**export.answer, "refused": {**_refused(export), url: why.rstrip(".")}}
        export.save(update_fields=["answer"])
    said = f"is passed over: {why.rstrip('.')}."
    say(export.acquisition, f"{PurePosixPath(urlsplit(url).path).name} {said}", logged_as=f"A file {said}")


def _back_to_pending(export: ExportRequest) -> None:
    with transaction.atomic():
        must_hold(export.acquisition)
        ExportRequest.objects.filter(pk=export.pk).update(state=State.PENDING)
    raise PutOffError(60)


def _note_absent(export: ExportRequest, answer: jsoc.Answer) -> None:
    """What JSOC says twice that it does not have is not waited for; once may be a trouble of its own."""
    acquisition = export.acquisition
    for t_rec_s, segments in answer.absent(acquisition.segments).items():
        for record in export.records.filter(t_rec_s=t_rec_s, tries__gt=0):
            new = [name for name in segments if name not in record.absent]
            if not new:
                continue
            record.absent = sorted({*record.absent, *new})
            record.problem = NO_CONTINUUM if "continuum" in new else ""
            record.save(update_fields=["absent", "problem"])
            say(acquisition, f"JSOC has no {', '.join(new)} of {record}.")


def _is_held(export: ExportRequest, record: str, url: str) -> bool:
    """Whether a file's segment is here already; False for a tar file."""
    key = jsoc.record_key(record)
    patch = export.acquisition.patch
    if key is None or patch is None:
        return False
    segment = jsoc.segment_of(record, url)
    return patch.frames.filter(t_rec_s=key[0], raw_files__segment=segment, raw_files__conflict=False).exists()


def _fetch_and_keep(export: ExportRequest, record: str, url: str, *, until: float) -> str:
    """Fetch one file and keep what is whole; what was wrong with it, or nothing, also where that is for good."""
    acquisition = export.acquisition
    name = hashlib.sha256(f"{export.pk} {url}".encode()).hexdigest()[:16]
    part = part_of(acquisition, name)
    if not record:
        say(acquisition, f"Fetching {PurePosixPath(urlsplit(url).path).name}.", log=False)
    space.must_have_room(acquisition.team, 0)
    size = download(url, part, on_chunk=_watcher(acquisition, part, until))
    is_tar = url.endswith((".tar", ".tar.gz", ".tgz"))
    bad = _read_tar(export, part, until=until) if is_tar else _read_one(export, record, url, part)
    with transaction.atomic():
        must_hold(acquisition)
        if not bad:
            export.fetched = [*export.fetched, url]
        else:
            n_bad = export.answer.get("bad", {})
            export.answer = {**export.answer, "bad": {**n_bad, url: n_bad.get(url, 0) + 1}}
        export.save(update_fields=["fetched", "answer"])
        Acquisition.objects.filter(pk=acquisition.pk).update(fetched_bytes=F("fetched_bytes") + size, troubles=0)
    acquisition.troubles = 0
    forget(part)
    if not bad or export.answer["bad"][url] < MAX_BAD:
        return bad
    if record:
        _refuse(export, url, f"it comes damaged again and again: {bad}")
        return ""
    drop(export, f"files come damaged again and again, the last one: {bad}")
    raise TroubleError(bad)


def _watcher(acquisition: Acquisition, part: Path, until: float) -> Callable[[int], None]:
    """
    For each piece that comes: whether there is still room, time, and somebody who wants it.

    A file that could not be gone on with is fetched in one turn, however long that takes.
    """
    came = 0

    def look(n_bytes: int) -> None:
        nonlocal came
        came += n_bytes
        if came < LOOK_AGAIN_BYTES and time.monotonic() < until:
            return
        came = 0
        space.must_have_room(acquisition.team, LOOK_AGAIN_BYTES)
        if (time.monotonic() > until and can_be_resumed(part)) or not holds(acquisition):
            raise PutOffError(0)  # of a cancelled one nothing is put off

    return look


def _read_tar(export: ExportRequest, part: Path, *, until: float) -> str:
    """
    Keep what is in the archive; what was wrong with it, or nothing.

    An archive that takes longer than a turn is read on in the next one, past what is held.
    """
    acquisition = export.acquisition
    held = set(RawFile.objects.filter(frame__patch=acquisition.patch, conflict=False).values_list("name", flat=True))
    usual = _usual_first_header(part)
    bad, n_good, n_new = "", 0, 0
    for item in unpack([(f"{export}.tar", part)]):
        if isinstance(item, Found):
            name = PurePosixPath(item.name).name
            problem = "" if name in held else _odd(item.read, name, usual) or _keep(export, item.read, name)
            n_good += not problem
            bad = bad or problem
            n_new += name not in held
            if (
                n_new
                and (time.monotonic() > until or not n_new % LOOK_AFTER_FILES)
                and not _goes_on(acquisition, until)
            ):
                raise PutOffError(0)
        elif item.kind == "refused":
            bad = bad or item.reason
    look_what_is_held(acquisition)
    if bad:
        say(acquisition, f"{bad.rstrip('.')}; {counted(n_good, 'file')} of the archive good, and it is fetched again.")
    return bad


def _usual_first_header(part: Path) -> bytes | None:
    """
    What most files of an archive begin with; None when no three agree.

    JSOC's files begin with an HDU without data that has no checksum, the same in each.
    """
    items = unpack([("archive.tar", part)])
    begins = Counter(first_header(item.read) for item in items if isinstance(item, Found))
    del begins[None]
    usual, n = max(begins.items(), key=lambda item: item[1], default=(None, 0))
    return usual if n >= LEAST_ALIKE else None


def _odd(raw: bytes, name: str, usual: bytes | None) -> str:
    """What is wrong with a file that does not begin as the others do, or nothing."""
    if usual is None or first_header(raw) in (usual, None):
        return ""
    return f"{name} is damaged: it does not begin as the other files do."


def _goes_on(acquisition: Acquisition, until: float) -> bool:
    """Whether there is time left, and somebody who wants it."""
    return time.monotonic() <= until and holds(acquisition)


def _read_one(export: ExportRequest, record: str, url: str, part: Path) -> str:
    """Keep a single file; what was wrong with it, or nothing."""
    key = jsoc.record_key(record)
    name = PurePosixPath(urlsplit(url).path).name
    acquisition = export.acquisition
    if key and key[1]:  # as-is files are called after their segment alone
        name = segment_file_name(acquisition.harpnum, key[0], key[1], acquisition.series)
    bad = _keep(export, part.read_bytes(), name)
    if bad:
        say(acquisition, bad)
    return bad


def _keep(export: ExportRequest, raw: bytes, name: str) -> str:
    """Keep one file if it is whole and was asked for; what was wrong with it, or nothing."""
    acquisition = export.acquisition
    try:
        check_sums(raw, name)
        harpnum, t_rec_s, segment = read_key(raw, name)
    except FitsError as problem:
        return f"{str(problem).rstrip('.')}."
    record = acquisition.records.filter(t_rec_s=t_rec_s).first()
    if harpnum != acquisition.harpnum or record is None:
        return ""  # whole, but of something else: JSOC may give more than was asked for
    report = IngestReport()
    ingest = ingest_for(acquisition)
    _patch_of(acquisition)
    take_file(
        raw, segment_file_name(harpnum, t_rec_s, segment, acquisition.series),
        team=acquisition.team, ingest=ingest, report=report, keywords=record.keywords,
    )  # fmt: skip
    lines = [line for line in report.lines if line["kind"] != "duplicate"]
    if lines:
        Ingest.objects.filter(pk=ingest.pk).update(report=[*ingest.report, *lines][:500])
        ingest.report = [*ingest.report, *lines]
    return " ".join(line["text"] for line in lines if line["kind"] == "refused")


def _patch_of(acquisition: Acquisition) -> Patch:
    """The patch as which the records are held; a new one has the cadence that was asked for, another the finer one."""
    if acquisition.patch is None:
        key = {"team": acquisition.team, "series": acquisition.series, "harpnum": acquisition.harpnum}
        patch, _ = Patch.objects.get_or_create(**key, defaults={"cadence_s": acquisition.cadence_s})
        acquisition.patch = patch
        acquisition.save(update_fields=["patch"])
    if acquisition.patch.cadence_s > acquisition.cadence_s:
        acquisition.patch.cadence_s = acquisition.cadence_s
        acquisition.patch.save(update_fields=["cadence_s"])
    return acquisition.patch


def _settle(export: ExportRequest, answer: jsoc.Answer) -> None:
    """Mark a read export, and set free the records that it did not bring: their own files failed or are not listed."""
    look_what_is_held(export.acquisition)
    with transaction.atomic():
        must_hold(export.acquisition)
        left = export.records.filter(is_held=False)
        left.update(tries=F("tries") + 1)
        left.filter(tries__gte=MAX_TRIES).update(problem="JSOC's exports do not have all of its files.")
        for t_rec_s, why in _failures(export, answer).items():
            left.filter(tries__gte=MAX_TRIES, t_rec_s=t_rec_s).update(
                problem=f"{MAX_TRIES} exports did not bring its {why}."
            )
        export.records.update(export=None)
        ExportRequest.objects.filter(pk=export.pk).update(state=State.READ)


def _failures(export: ExportRequest, answer: jsoc.Answer) -> dict[int, str]:
    """T_REC in seconds -> the segment that was passed over, and why."""
    refused, found = _refused(export), {}
    for record, url in answer.files:
        if url in refused and (key := jsoc.record_key(record)):
            found[key[0]] = f"{jsoc.segment_of(record, url)}: {refused[url]}"
    return found
