"""Files that are being fetched, as far as they have come; they lie on the machine that fetches them."""

import time
from pathlib import Path
from typing import Any

from poreweb.acquire.fetch import forget
from poreweb.acquire.models import Acquisition
from poreweb.acquire.space import scratch
from poreweb.work.models import Task

OLD_S = 86_400  # longer than any pause between two pieces of one file


def part_of(acquisition: Acquisition, name: str) -> Path:
    """Where a file of an acquisition is kept while it is fetched; the name must be one that a folder takes."""
    return scratch() / f"{acquisition.pk}-{name}.part"


def forget_parts(acquisition: Acquisition) -> None:
    """Remove what has come of an acquisition's files, but for one that a worker is still writing: it has the lock."""
    for part in scratch().glob(f"{acquisition.pk}-*.part"):
        forget(part)


def sweep(**_: Any) -> None:
    """Remove old parts of acquisitions that have ended while this machine was away, or on another one."""
    long_ago = time.time() - OLD_S
    old = [part for part in scratch().glob("*-*.part") if _changed_at(part) < long_ago]
    if not old:
        return
    fetching = set(Acquisition.objects.filter(state__in=Task.OPEN).values_list("pk", flat=True))
    for part in old:
        number = part.name.partition("-")[0]
        if number.isdigit() and int(number) not in fetching:
            forget(part)


def _changed_at(part: Path) -> float:
    """Seconds since 1970; infinity for one that has just gone."""
    try:
        return part.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
