"""Watches: a HARP that still gets records, and folders in which files appear."""

import os
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from poreweb.acquire import jsoc, space
from poreweb.acquire.actions import order_directly, say, start_preview
from poreweb.acquire.fetch import FetchError
from poreweb.acquire.models import Acquisition, SeenFile, Watch
from poreweb.acquire.wanted import Wanted
from poreweb.observations.jobs import ingest_here
from poreweb.observations.models import Frame, Ingest
from poreweb.observations.signals import ingest_done
from poreweb.observations.unpack import FITS_SUFFIXES, TAR_SUFFIXES
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import PutOffError, dispatch, must_hold, wake
from processing.errors import ParameterError
from processing.timekeys import CADENCE_S, format_t_rec

SETTLED_S = 60  # a file that changed less long ago may still be written
MOST_AT_ONCE = 500  # files of one look; the rest comes with the next
SHORTEST_S, LONGEST_S = 60, 86_400
AFTER_FAILURE = timedelta(hours=6)  # so that what cannot be had is not asked for 120 times a day


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
    open_ones = Watch.objects.filter(pk=watch.pk, state__in=Task.OPEN)
    return bool(open_ones.update(state=Task.State.CANCELLED, finished_at=timezone.now(), not_before=None))


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
    """Look once, store what was found, and put the next look off. A trouble is shown, and looked past."""
    is_folder, has_more = watch.kind == Watch.Kind.FOLDER, False
    try:
        said, n_new, has_more = _look_at_folder(watch) if is_folder else (*_look_at_harp(watch), False)
        problem = ""
    except (FetchError, ParameterError, space.NoRoomError) as trouble:
        said, n_new, problem = watch.said, 0, f"{str(trouble).rstrip('.')}."
    with transaction.atomic():
        must_hold(watch)
        found = {"n_new": F("n_new") + n_new, "last_new_at": timezone.now()} if n_new else {}
        Watch.objects.filter(pk=watch.pk).update(looked_at=timezone.now(), said=said, problem=problem, **found)
    raise PutOffError(0 if has_more else watch.every_s)


def _look_at_harp(watch: Watch) -> tuple[str, int]:
    """Ask for the records that are newer than the patch's last one."""
    if under_way := watch.acquisitions.filter(state__in=Task.OPEN).first():
        return f"{under_way} is still under way.", 0
    failed = watch.acquisitions.first()
    if failed and failed.state == Task.State.FAILED and timezone.now() - failed.created_at < AFTER_FAILURE:
        raise ParameterError(f"the last request failed and is made again after some hours: {failed.error.rstrip('.')}")
    newest = jsoc.last_t_rec(watch.series, watch.harpnum or 0)
    if newest is None:
        return f"JSOC has no record of {watch} yet.", 0
    frames = Frame.objects.filter(
        patch__team=watch.team, patch__series=watch.series, patch__harpnum=watch.harpnum, raw_files__segment="continuum"
    )
    held = frames.aggregate(last=Max("t_rec_s"))["last"]
    if held is not None and newest <= held:
        return f"Nothing new; the last record is {format_t_rec(newest)}.", 0
    first = None if held is None else held + CADENCE_S
    n_slots = 0 if first is None else (newest - first) // CADENCE_S + 1
    with transaction.atomic():
        must_hold(watch)
        acquisition = start_preview(
            watch.team, watch.user, Wanted(watch.harpnum or 0, first_s=first, last_s=newest), series=watch.series,
            segments=watch.segments,
        )  # fmt: skip
        order_directly(acquisition)
        Acquisition.objects.filter(pk=acquisition.pk).update(watch=watch, run_after=watch.run_after)
        say(acquisition, f"Asked for by the watch of {watch}.")
    return f"Asked for the records up to {format_t_rec(newest)}.", n_slots


def _look_at_folder(watch: Watch) -> tuple[str, int, bool]:
    """Read the files that are new, or not as they were when they were read; whether there are more of them."""
    folder = allowed_folder(watch.folder)
    new, waiting = _new_files(watch, folder)
    now, has_more = new[:MOST_AT_ONCE], len(new) > MOST_AT_ONCE
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
        for name, path, status in now:
            if _is_still(path, status):  # one that went away or changed meanwhile is read when it is there again
                SeenFile.objects.update_or_create(
                    watch=watch, path=name, defaults={"size": status.st_size, "mtime_ns": status.st_mtime_ns}
                )
    refused = f", {report.n_refused} refused" if report.n_refused else ""
    said = f"Read {len(now)} files: {report.n_new} new segments, {report.n_duplicate} held already{refused}{waiting}"
    return f"{said}{'; more follow' if has_more else ''}.", report.n_new, has_more


def _new_files(watch: Watch, folder: Path) -> tuple[list[tuple[str, Path, os.stat_result]], str]:
    """What is to be read, as it is named in the rows, and words for what is not yet."""
    seen = {row.path: (row.size, row.mtime_ns) for row in watch.seen_files.all()}
    new: list[tuple[str, Path, os.stat_result]] = []
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
