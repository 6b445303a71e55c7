"""Watches: a HARP that still gets records, and folders in which files appear."""

import logging
import os
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone
from rq.timeouts import JobTimeoutException

from poreweb.acquire import jsoc, space
from poreweb.acquire.actions import order_directly, say, start_preview
from poreweb.acquire.fetch import FetchError
from poreweb.acquire.models import Acquisition, Record, SeenFile, Watch
from poreweb.acquire.own_troubles import DATABASE, close_broken_connection
from poreweb.acquire.wanted import Wanted
from poreweb.observations.actions import IngestReport
from poreweb.observations.jobs import ingest_here
from poreweb.observations.models import Frame, Ingest
from poreweb.observations.signals import ingest_done
from poreweb.observations.unpack import FITS_SUFFIXES, TAR_SUFFIXES
from poreweb.people.models import Team
from poreweb.words import counted
from poreweb.work.models import Task
from poreweb.work.tasks import PutOffError, SupersededError, dispatch, must_hold, wake
from processing.errors import ParameterError
from processing.timekeys import CADENCE_S, format_t_rec

log = logging.getLogger(__name__)
SETTLED_S = 60  # a file that changed less long ago may still be written
# Of one look, which thus ends long before its queue's limit of half an hour; the rest comes with the next
MOST_AT_ONCE = 100  # files
MOST_BYTES_AT_ONCE = 512 * space.MB  # but for one file that is larger
CHOOSING_S = 300  # a disk that fails takes seconds to say so of each file
PIECE = 1 << 20  # bytes of a file that are read at once
SHORTEST_S, LONGEST_S = 60, 86_400
AFTER_FAILURE = timedelta(hours=6)  # so that what cannot be had is not asked for 120 times a day
UNREAD = " cannot be read: "  # what `observations.unpack` says, after the name, when the disk failed
DAY_S = 86_400  # once in so long, as much is asked for again, since JSOC fills slots and segments later
LOOKS_BACK = 3  # requests that reach back so from one last record; afterwards the HARP is taken to have ended

NewFile = tuple[str, Path, os.stat_result]  # as it is named in the rows, where it is, as it was


# -- Every change to watches ------------------------------------------------------------------------------


@transaction.atomic
def watch_harp(
    team: Team, user: User, harpnum: int, *, series: str, segments: list[str], every_s: int = CADENCE_S,
    run_after: bool = True,
) -> Watch:  # fmt: skip
    """
    Keep a HARP up to date from now on; the team's watch of it that there is goes on instead of a second one.

    Raises
    ------
    ParameterError
        If something is out of its range.
    """
    _must_make_sense(every_s)
    if series not in jsoc.SERIES or not 0 < harpnum < 2**31:
        raise ParameterError(f"HARP {harpnum} of {series[:80]!r} cannot be watched")
    if "continuum" not in segments:
        raise ParameterError("the segments must have continuum among them, in which the pores are found")
    values = {"segments": segments, "every_s": every_s, "run_after": run_after, "user": user}
    return _start(team, {"kind": Watch.Kind.HARP, "series": series, "harpnum": harpnum}, values)


@transaction.atomic
def watch_folder(team: Team, user: User, folder: str, *, every_s: int = CADENCE_S, run_after: bool = True) -> Watch:
    """
    Read what appears in a folder of this machine; ParameterError when the settings do not allow that folder.

    The team's watch of it that there is goes on instead of a second one.
    """
    _must_make_sense(every_s)
    allowed = str(allowed_folder(folder))
    values = {"every_s": every_s, "run_after": run_after, "user": user}
    return _start(team, {"kind": Watch.Kind.FOLDER, "folder": allowed, "series": "", "harpnum": None}, values)


def _must_make_sense(every_s: int) -> None:
    if not SHORTEST_S <= every_s <= LONGEST_S:
        raise ParameterError(f"a watch looks every {SHORTEST_S} to {LONGEST_S} s, not every {every_s} s")


def _start(team: Team, key: dict[str, object], values: dict[str, object]) -> Watch:
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)  # two clicks make one watch
    watch = Watch.objects.filter(team=team, **key).first()
    if watch is None:
        watch = Watch.objects.create(team=team, **key, **values)
        dispatch(watch)
        return watch
    for name, value in values.items():
        setattr(watch, name, value)
    watch.save(update_fields=list(values))  # a look may be under way, whose state is its worker's
    resume(watch)
    return watch


@transaction.atomic
def pause(watch: Watch) -> bool:
    """Stop looking; False if it is paused already."""
    return bool(Watch.objects.filter(pk=watch.pk).pause())


@transaction.atomic
def resume(watch: Watch) -> bool:
    """Look now, and go on looking."""
    watch = Watch.objects.select_for_update(no_key=True).get(pk=watch.pk)
    if watch.is_open:
        return wake(watch)
    watch.state, watch.error, watch.finished_at, watch.not_before = Task.State.WAITING, "", None, None
    watch.forgiven = watch.attempts
    watch.save()
    dispatch(watch)
    return True


def allowed_folder(folder: str) -> Path:
    """
    The folder, if it is one of WATCH_FOLDERS or below, with all links followed.

    Raises
    ------
    ParameterError
        If it is not, or is no folder.
    """
    try:
        path = Path(folder).resolve()
        inside = any(path.is_relative_to(Path(root).resolve()) for root in settings.WATCH_FOLDERS)
        is_folder = inside and Path(folder).is_absolute() and path.is_dir()
    except (OSError, ValueError, RuntimeError):
        is_folder = inside = False
    if not settings.WATCH_FOLDERS:
        raise ParameterError("this site watches no folders; whoever runs it can allow some (WATCH_FOLDERS)")
    if not inside:
        raise ParameterError(f"{folder[:200]!r} is not in a folder that this site may watch (WATCH_FOLDERS)")
    if not is_folder:
        raise ParameterError(f"{folder[:200]!r} is no folder")
    return path


# -- One look -------------------------------------------------------------------------------------------------


def look(watch: Watch) -> None:
    """
    Look once, store what was found, and put the next look off.

    Whatever goes wrong is shown, and looked past: a full disk or a bug ends a look, never the watch.
    """
    is_folder, has_more = watch.kind == Watch.Kind.FOLDER, False
    try:
        said, n_new, has_more = _look_at_folder(watch) if is_folder else (*_look_at_harp(watch), False)
        problem = ""
    except (PutOffError, SupersededError):
        raise
    except (FetchError, ParameterError, space.NoRoomError) as trouble:
        said, n_new, problem = watch.said, 0, f"{str(trouble).rstrip('.')}."
    except Exception as bug:  # or RQ's time limit, or a database that does not answer
        log.exception("%s: a look failed", watch)
        close_broken_connection()
        said, n_new, problem = watch.said, 0, f"{type(bug).__name__}: {str(bug)[:500].rstrip('.')}."
    try:
        with transaction.atomic():
            must_hold(watch)
            found = {"n_new": F("n_new") + n_new, "last_new_at": timezone.now()} if n_new else {}
            Watch.objects.filter(pk=watch.pk).update(looked_at=timezone.now(), said=said, problem=problem, **found)
    except (*DATABASE, JobTimeoutException):
        log.exception("%s: what a look found cannot be stored", watch)
        close_broken_connection()
    raise PutOffError(0 if has_more else watch.every_s)


def _look_at_harp(watch: Watch) -> tuple[str, int]:
    """Ask for the records that are newer than the last one; words, and how many came since the last look."""
    n_new = max(_n_came(watch) - watch.n_new, 0)  # fewer when one that had failed was tried again
    if under_way := watch.acquisitions.filter(state__in=Task.OPEN).first():
        return f"{under_way} is still under way.", n_new
    held = _last_held(watch)
    failed = watch.acquisitions.first()
    if (
        failed
        and failed.state == Task.State.FAILED
        and timezone.now() - failed.created_at < AFTER_FAILURE
        and (held is None or failed.last_s is None or held < failed.last_s)  # one in the middle keeps nothing up
    ):
        raise ParameterError(f"the last request failed and is made again after some hours: {failed.error.rstrip('.')}")
    newest = jsoc.last_t_rec(watch.series, watch.harpnum or 0)
    if newest is None:
        return f"JSOC has no record of {watch} yet.", n_new
    said = f"Asked for the records up to {format_t_rec(newest)}"
    first = None if held is None else held + CADENCE_S
    if first is not None and not _looked_back(watch, newest):
        first, said = min(first, newest - DAY_S), f"{said}, and for those of the day before it again"
    elif first is not None and newest < first:
        return f"Nothing new; the last record is {format_t_rec(newest)}.", n_new
    with transaction.atomic():
        must_hold(watch)
        acquisition = start_preview(
            watch.team, watch.user, Wanted(watch.harpnum or 0, first_s=first, last_s=newest), series=watch.series,
            segments=watch.segments,
        )  # fmt: skip
        order_directly(acquisition)
        Acquisition.objects.filter(pk=acquisition.pk).update(watch=watch, run_after=watch.run_after)
        say(acquisition, f"Asked for by the watch of {watch}.")
    return f"{said}.", n_new


def _n_came(watch: Watch) -> int:
    """Records of which something came by this watch's requests."""
    files = Q(raw_files__ingest__acquisitions__watch=watch, raw_files__conflict=False)
    return Frame.objects.filter(files, patch__team=watch.team).distinct().count()


def _last_held(watch: Watch) -> int | None:
    """T_REC in seconds of the last record with a continuum, or of which JSOC gave the watch all that it has."""
    frames = Frame.objects.filter(
        patch__team=watch.team, patch__series=watch.series, patch__harpnum=watch.harpnum, raw_files__segment="continuum"
    )
    done = Record.objects.filter(acquisition__watch=watch, acquisition__state=Task.State.DONE)
    lasts = (frames.aggregate(last=Max("t_rec_s"))["last"], done.aggregate(last=Max("t_rec_s"))["last"])
    return max((last for last in lasts if last is not None), default=None)


def _looked_back(watch: Watch, newest: int) -> bool:
    """Whether some request of the last day reached back a day or to the HARP's beginning, or enough to this record."""
    far = watch.acquisitions.filter(Q(first_s=None) | Q(first_s__lte=F("last_s") - DAY_S))
    if far.filter(created_at__gt=timezone.now() - timedelta(seconds=DAY_S)).exists():
        return True
    return far.filter(last_s=newest).count() >= LOOKS_BACK


def _look_at_folder(watch: Watch) -> tuple[str, int, bool]:
    """Read the files that are new, or not as they were when they were read; whether there are more of them."""
    folder = allowed_folder(watch.folder)
    new, waiting = _new_files(watch, folder)
    now, n_unreadable, has_more = _a_lot(new)
    if n_unreadable:
        waiting += f"; {n_unreadable} cannot be read"
    if not now:
        return f"Nothing new{waiting}.", 0, False
    space.must_have_room(watch.team, sum(status.st_size for _, _, status in now))
    with transaction.atomic():
        must_hold(watch)
    ingest, report = ingest_here(
        watch.team, [path for _, path, _ in now], run_after=watch.run_after, user=watch.user
    )  # fmt: skip
    if report.n_duplicate and not report.n_new:  # whoever is to process them may not know: a look was cut off
        with transaction.atomic():
            ingest_done.send(Ingest, ingest=ingest)
    with transaction.atomic():
        must_hold(watch)
        n_seen = _note_seen(watch, now, report)
    refused = f", {report.n_refused} refused" if report.n_refused else ""
    read, new_ones = counted(len(now), "file"), counted(report.n_new, "new FITS file")  # an archive has many
    said = f"Read {read}: {new_ones}, {report.n_duplicate} held already{refused}{waiting}"
    # files of which none can be noted would come again at once, for ever
    return f"{said}{'; more follow' if has_more else ''}.", report.n_new, has_more and n_seen > 0


def _a_lot(new: list[NewFile]) -> tuple[list[NewFile], int, bool]:
    """Files for one look, how many were passed over since the disk does not give them, and whether others remain."""
    now: list[NewFile] = []
    n_bytes = n_unreadable = 0
    until = time.monotonic() + CHOOSING_S
    for name, path, status in new:
        is_full = len(now) >= MOST_AT_ONCE or (now and n_bytes + status.st_size > MOST_BYTES_AT_ONCE)
        if is_full or time.monotonic() > until:
            return now, n_unreadable, True
        if _can_be_read(path):
            now.append((name, path, status))
            n_bytes += status.st_size
        else:
            n_unreadable += 1
    return now, n_unreadable, False


def _can_be_read(path: Path) -> bool:
    """Whether the disk gives all of a file; that it went away is seen later."""
    try:
        with path.open("rb") as file:
            while file.read(PIECE):
                pass
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _note_seen(watch: Watch, files: list[NewFile], report: IngestReport) -> int:
    """Note the files that were read as they are, how many; one that went away, changed or failed comes again."""
    unread = {line["text"].partition(UNREAD)[0] for line in report.lines if UNREAD in line["text"]}
    n_seen = 0
    for name, path, status in files:
        if path.name not in unread and _is_still(path, status):
            SeenFile.objects.update_or_create(
                watch=watch, path=name, defaults={"size": status.st_size, "mtime_ns": status.st_mtime_ns}
            )
            n_seen += 1
    return n_seen


def _new_files(watch: Watch, folder: Path) -> tuple[list[NewFile], str]:
    """What is to be read, as it is named in the rows, and words for what is not yet."""
    seen = {row.path: (row.size, row.mtime_ns) for row in watch.seen_files.all()}
    new: list[NewFile] = []
    n_waiting = n_closed = 0
    for path, status in _files_in(folder):
        # a name need not be text, but a row's is
        name = str(path.relative_to(folder)).encode(errors="backslashreplace").decode()[-1000:]
        if seen.get(name) == (status.st_size, status.st_mtime_ns):
            continue
        if not os.access(path, os.R_OK):
            n_closed += 1
        # a clock that is ahead may have set the one time, nobody but this machine sets the other
        elif time.time() - min(status.st_mtime, status.st_ctime) < SETTLED_S:
            n_waiting += 1
        else:
            new.append((name, path, status))
    waiting = f"; {n_waiting} still being written" if n_waiting else ""
    return new, f"{waiting}; {n_closed} may not be read by this site" if n_closed else waiting


def _is_still(path: Path, status: os.stat_result) -> bool:
    """Whether a file is as it was."""
    try:
        now = path.lstat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def _files_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """FITS and tar files of a folder and those below it; no links or pipes, nothing hidden."""
    for here, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith((*FITS_SUFFIXES, *TAR_SUFFIXES)):
                continue
            path = Path(here) / name
            try:
                status = path.lstat()
            except OSError:
                continue  # gone between
            if stat.S_ISREG(status.st_mode):
                yield path, status
