"""Background steps. Each takes a primary key and may safely run twice."""

from contextlib import ExitStack
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from poreweb import storage
from poreweb.observations import actions, archive
from poreweb.observations.models import Ingest
from poreweb.observations.unpack import Found, unpack
from poreweb.people.models import Team
from poreweb.work.tasks import perform

SAVE_EVERY = 25


def run_ingest(ingest_id: int, attempt: int | None = None) -> None:
    """Read a delivery's files, keep the good ones, and say what was wrong with the others."""
    perform(Ingest, ingest_id, _ingest_upload, attempt)
    ingest = Ingest.objects.get(pk=ingest_id)
    if ingest.folder and not ingest.is_open:  # a worker killed before the row was closed finds the files again
        storage.remove(archive.incoming_folder(ingest.folder))


def _ingest_upload(ingest: Ingest) -> None:
    with ExitStack() as stack:
        paths = [
            (str(name), stack.enter_context(storage.local_copy(archive.incoming_key(ingest.folder, number))))
            for number, name in enumerate(ingest.names)
        ]
        ingest_paths(ingest, paths)


def ingest_here(
    team: Team, paths: list[Path], *, run_after: bool, user: User | None = None
) -> tuple[Ingest, actions.IngestReport]:
    """
    Read a delivery from this machine's disk in this process, for the command line and for watched folders.

    Until all is read the row says that its reading was interrupted, which is then true
    without anyone having to notice.
    """
    ingest = Ingest.objects.create(
        team=team,
        user=user,
        names=[str(path).encode(errors="replace").decode() for path in paths],  # a name need not be text
        run_after=run_after,
        state=Ingest.State.FAILED,
        error="Its reading was interrupted.",
    )
    report = ingest_paths(ingest, [(path.name, path) for path in paths])
    with transaction.atomic():
        ingest.state, ingest.error, ingest.finished_at = Ingest.State.DONE, "", timezone.now()
        ingest.save(update_fields=["state", "error", "finished_at"])
        ingest.when_done()
    return ingest, report


def ingest_paths(ingest: Ingest, paths: list[tuple[str, Path]]) -> actions.IngestReport:
    """Read files, folders and archives, one file in memory at a time."""
    report = actions.IngestReport()
    for item in unpack(paths):
        if isinstance(item, Found):
            actions.take_file(item.read, item.name, team=ingest.team, ingest=ingest, report=report)
        elif item.kind != "ignored":
            report.n_refused += 1
            report.say("refused", item.reason)
        if report.n_read % SAVE_EVERY == 0:
            actions.save_report(ingest, report)
    actions.save_report(ingest, report)
    return report
