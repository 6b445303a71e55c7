"""Every change to exports."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from poreweb.exports.models import Export
from poreweb.review.models import Standing, Verdict
from poreweb.tracks.models import Run
from poreweb.work.tasks import dispatch


@transaction.atomic
def request_export(run: Run, kind: str, *, user: User | None = None) -> Export:
    """
    Queue the making of a file.

    One that stands or is being made is returned instead when no verdict has changed and no frame was added since.
    """
    n_verdicts = Verdict.objects.filter(event__run=run).count()
    latest = run.exports.filter(kind=kind).exclude(state=Export.State.FAILED).first()
    newest = Standing.objects.filter(event__run=run).order_by("-changed_at").first()
    changes = [at for at in (newest and newest.changed_at, run.extended_at) if at]
    if latest and latest.n_verdicts == n_verdicts and all(at <= latest.created_at for at in changes):
        return latest
    export = Export.objects.create(run=run, kind=kind, created_by=user, n_verdicts=n_verdicts)
    dispatch(export)
    return export


def export_finished_run(run: Run, **_: Any) -> None:
    """Make the movie and the catalogues of a run that has just ended."""
    for kind in Export.Kind.values:
        request_export(run, kind, user=run.created_by)
