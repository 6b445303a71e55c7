"""Every change to publications and releases."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from poreweb.exports.catalogue import provenance
from poreweb.observations.models import Patch
from poreweb.releases.lineage import QUORUM, settled_json
from poreweb.releases.models import Publication, Release
from poreweb.tracks.models import Run
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch, must_hold
from processing.errors import ParameterError


@transaction.atomic
def want_publication(run: Run, **_: Any) -> Publication:
    """
    Say that the published lineage is to be built anew; queue that unless it is queued.

    Call it in the transaction of the change: whoever builds reads ``wanted`` before what is
    settled, so that what is told by then is in.
    """
    publication, is_new = Publication.objects.get_or_create(run=run)
    Publication.objects.filter(pk=publication.pk).update(wanted=F("wanted") + 1)
    publication = Publication.objects.select_for_update(no_key=True).get(pk=publication.pk)
    if is_new or not publication.is_open:
        _queue(publication)
    return publication


def _queue(publication: Publication) -> None:
    publication.state, publication.error = Task.State.WAITING, ""
    publication.forgiven = publication.attempts
    publication.save(update_fields=["state", "error", "forgiven"])
    dispatch(publication)


@transaction.atomic
def store_publication(
    publication: Publication, *, wanted: int, begun_at: datetime, path: str, summary: dict[str, Any]
) -> None:
    """
    Take the file that was built as the one that is shown.

    Raises
    ------
    SupersededError
        If the attempt has lost the task.
    """
    must_hold(publication)
    Publication.objects.filter(pk=publication.pk).update(built=wanted, built_at=begun_at, path=path, summary=summary)


def catch_up(publication: Publication) -> None:
    """Queue the building again if more has been settled since; within the transaction that closes the task."""
    if publication.wanted != publication.built:
        _queue(publication)


@transaction.atomic
def freeze_release(run: Run, lead: User, note: str = "") -> Release:
    """
    Keep what is settled now, and queue the making of the release's files.

    Raises
    ------
    ParameterError
        If the run is not done.
    """
    Patch.objects.select_for_update(no_key=True).get(pk=run.patch_id)  # so that two never take one number
    Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    run = Run.objects.select_related("patch__team").get(pk=run.pk)
    if run.state != Run.State.DONE:
        raise ParameterError(f"{run} is {run.get_state_display()}; a release can be frozen when it is done")
    number = (run.patch.releases.aggregate(latest=Max("number"))["latest"] or 0) + 1
    frozen_at, settled = timezone.now(), settled_json(run)
    release = Release.objects.create(
        patch=run.patch,
        run=run,
        number=number,
        note=note,
        frozen_by=lead,
        frozen_at=frozen_at,
        settled=settled,
        provenance=_provenance(run, number, lead, frozen_at, note, settled),
    )
    dispatch(release)
    return release


def _provenance(
    run: Run, number: int, lead: User, frozen_at: datetime, note: str, settled: list[dict[str, Any]]
) -> dict[str, Any]:
    """What it takes to make the same files again, and to cite them."""
    patch = run.patch
    name = f"Pores of {patch}, Poreweb release {number}"
    at = frozen_at.isoformat(timespec="seconds")
    return {
        **provenance(run, settled=len(settled)),
        "title": name,
        "release": number,
        "frozen_at": at,
        "frozen_by": lead.username,
        "note": note,
        "team": patch.team.name,
        "quorum": patch.team.quorum,
        "settled_by_quorum": sum(item["by"] == QUORUM for item in settled),
        "citation": f"{patch.team.name} ({frozen_at:%Y}). {name}. Run {run.number}, code {run.code_version},"
        f" frozen {at[:10]} by {lead.username}.",
    }


def must_be_as_it_was(release: Release) -> None:
    """
    Refuse to make a release's files of a run that has gone on since it was frozen.

    Raises
    ------
    ParameterError
        If frames were added, or are being added.
    """
    run = Run.objects.select_for_update(no_key=True).get(pk=release.run_id)
    if run.state != Run.State.DONE or run.input_hash != release.provenance["input_sha256"]:
        raise ParameterError(f"{run} has gone on since, before the files were made; freeze it again when it is done")


@transaction.atomic
def store_files(release: Release, files: dict[str, dict[str, Any]], summary: dict[str, Any]) -> None:
    """Take the files that were made as the release's own, for ever."""
    must_be_as_it_was(release)
    must_hold(release)
    Release.objects.filter(pk=release.pk, files={}).update(files=files, summary=summary)


@transaction.atomic
def retry_release(release: Release) -> bool:
    """Make the files of a release for which that failed. False if it has not failed."""
    release = Release.objects.select_for_update(no_key=True).get(pk=release.pk)
    if release.state != Task.State.FAILED or release.files:
        return False
    release.state, release.error, release.finished_at = Task.State.WAITING, "", None
    release.forgiven = release.attempts
    release.save(update_fields=["state", "error", "finished_at", "forgiven"])
    dispatch(release)
    return True
