"""What the tests of acquisitions share: a team with an e-mail, an order, and the time that passes."""

import hashlib
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from poreweb import storage
from poreweb.acquire import actions
from poreweb.acquire.models import Acquisition
from poreweb.acquire.wanted import Wanted
from poreweb.observations.archive import raw_key
from poreweb.observations.models import Frame, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from tests.jsoc import Archive, bare
from tests.jsoc.small import SEGMENTS

EMAIL = "observer@example.org"


def pass_time(queues: Any, acquisition: Acquisition, *, most: int = 200) -> Acquisition:
    """Do what is queued, and what was put off as soon as it was, until the acquisition has ended."""
    for _ in range(most):
        queues.work()
        acquisition.refresh_from_db()
        if not acquisition.is_open:
            return acquisition
        Acquisition.objects.filter(not_before__isnull=False).update(not_before=timezone.now())
        dispatch_due(Acquisition)
    raise AssertionError(
        f"still {acquisition.state}: {acquisition.doing}; {[line.text for line in acquisition.log.all()]}"
    )


def previewed(team: Team, user: User, queues: Any, **options: Any) -> Acquisition:
    """A preview of HARP 377 that is done."""
    team.jsoc_email = EMAIL
    team.save()
    return pass_time(queues, actions.start_preview(team, user, Wanted(377), **options))


def acquired(team: Team, user: User, queues: Any, *, method: str = "url-tar", **options: Any) -> Acquisition:
    """The same, asked for and ended, however it did."""
    acquisition = previewed(team, user, queues, **options)
    assert acquisition.state == Task.State.DONE, acquisition.error
    assert actions.order(acquisition, user=user, method=method, run_after=False)
    return pass_time(queues, acquisition)


def assert_held(team: Team, archive: Archive, *, as_is: bool = False) -> None:
    """Exactly the archive's records are held, every file with the bytes of the source, none twice."""
    wanted = {}
    for record in archive.records():
        for segment in SEGMENTS:
            raw = record.read(segment)
            wanted[(record.t_rec_s, segment)] = hashlib.sha256(bare(raw) if as_is else raw).hexdigest()
    files = RawFile.objects.filter(frame__patch__team=team)
    held = sorted(files.values_list("frame__t_rec_s", "segment", "sha256", "conflict"))
    assert held == sorted((t_rec_s, segment, sha, False) for (t_rec_s, segment), sha in wanted.items())
    for sha in set(wanted.values()):
        assert hashlib.sha256(storage.read_bytes(raw_key(sha))).hexdigest() == sha
    assert Frame.objects.filter(patch__team=team).count() == len({t_rec_s for t_rec_s, _ in wanted})


def words(acquisition: Acquisition) -> str:
    """What the log says, on one line."""
    return " | ".join(acquisition.log.values_list("text", flat=True))
