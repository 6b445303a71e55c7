"""Room for what is fetched: on the disk, and within what a team may hold."""

import errno
import shutil
from pathlib import Path

from django.conf import settings
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat

from poreweb import storage
from poreweb.observations.models import RawFile
from poreweb.people.models import Team
from poreweb.sequences.models import SourceFile
from processing.errors import PorewebError

MB = 2**20  # bytes, as Django and JSOC count them
# A disk that is full, or full for us
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoomError(PorewebError):
    """There is no room for what is to be fetched; its text says where and how much."""


def scratch() -> Path:
    """The folder for files that are being fetched; on this machine, whatever the storage is."""
    return Path(settings.VAR_DIR) / "fetching"


def held_bytes(team: Team) -> int:
    """Size of the raw files that a team holds, with the files that sequences of other instruments are made from."""
    held = (RawFile.objects.filter(frame__patch__team=team), SourceFile.objects.filter(sequence__team=team))
    return sum(int(files.aggregate(all=Sum("size"))["all"] or 0) for files in held)


def quota_bytes(team: Team) -> int | None:
    """What a team may hold; None when there is no limit."""
    quota_mb = settings.TEAM_QUOTA_MB if team.quota_mb is None else team.quota_mb
    return quota_mb * MB if quota_mb else None


def free_bytes() -> int:
    """Free on the disks of this machine that fetching writes to, beyond what is always kept free."""
    return max(_spare_bytes(), 0)


def _spare_bytes() -> int:
    """The same, negative where less is free than is always to be kept."""
    folders = [Path(settings.VAR_DIR)]
    if (local := storage.local_path("")) is not None:
        folders.append(local)
    free = []
    for folder in folders:
        while not folder.exists():
            folder = folder.parent
        free.append(shutil.disk_usage(folder).free)
    return min(free) - settings.MIN_FREE_MB * MB


def must_have_room(team: Team, wanted: int) -> None:
    """
    Refuse what the team's quota or this machine's disk has no room for.

    Raises
    ------
    NoRoomError
        If there is not room for ``wanted`` more bytes.
    """
    quota = quota_bytes(team)
    if quota is not None and (held := held_bytes(team)) + wanted > quota:
        raise NoRoomError(
            f"{team} may hold {filesizeformat(quota)} and holds {filesizeformat(held)},"
            f" so there is no room for {f'{filesizeformat(wanted)} more' if wanted else 'more'}"
        )
    if wanted > (spare := _spare_bytes()):
        raise NoRoomError(
            f"the disk has {filesizeformat(max(spare, 0))} left beyond the {filesizeformat(settings.MIN_FREE_MB * MB)}"
            f" that are kept free, which is no room for {filesizeformat(wanted) if wanted else 'more'}"
        )


def is_no_room(problem: Exception) -> bool:
    """Whether the disk is full, which a database tells in words alone (SQLite's, and the system's by PostgreSQL)."""
    if isinstance(problem, OSError):
        return problem.errno in NO_ROOM
    return any(words in str(problem) for words in ("disk is full", "No space left on device"))
