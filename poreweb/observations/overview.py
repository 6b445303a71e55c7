"""The rows of the patch list, in a number of queries that does not grow with the patches."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, OuterRef, Prefetch, Subquery

from poreweb.context.queries import noaa_words
from poreweb.observations.models import Frame, Patch
from poreweb.review.queries import asked_about, waits_for
from poreweb.tracks.models import Event, Run
from poreweb.tracks.progress import Progress, progress_of
from processing.timekeys import format_t_rec


@dataclass(frozen=True)
class PatchRow:
    """One patch as the list shows it. ``done`` is its newest finished run, ``run`` its newest."""

    patch: Patch
    n_frames: int
    n_expected: int
    first: str
    last: str
    last_frame_id: int | None
    run: Run | None
    done: Run | None
    progress: Progress | None
    n_to_judge: int
    noaa_ars: str


def patch_rows(user: User) -> list[PatchRow]:
    """All patches of the user's teams, newest first."""
    latest = Frame.objects.filter(patch=OuterRef("pk")).order_by("-t_rec_s").values("pk")[:1]
    patches = (
        Patch.objects.visible_to(user)
        .select_related("team")
        .annotate(n=Count("frames"), first_s=Min("frames__t_rec_s"), last_s=Max("frames__t_rec_s"))
        .annotate(last_frame_id=Subquery(latest))
        .prefetch_related(Prefetch("runs", Run.objects.order_by("-pk")))
    )
    runs = {patch.pk: list(patch.runs.all()) for patch in patches}
    done = {pk: next((run for run in of_patch if run.state == Run.State.DONE), None) for pk, of_patch in runs.items()}
    waiting = _to_judge([run for run in done.values() if run], user)
    noaa_ars = noaa_words(patches)
    rows = []
    for patch in patches:
        run, finished = next(iter(runs[patch.pk]), None), done[patch.pk]
        rows.append(
            PatchRow(
                patch=patch,
                n_frames=patch.n,
                # moments off the grid may be more than fit into their time
                n_expected=max(patch.n, round((patch.last_s - patch.first_s) / patch.cadence_s) + 1) if patch.n else 0,
                first=format_t_rec(patch.first_s) if patch.n else "",
                last=format_t_rec(patch.last_s) if patch.n else "",
                last_frame_id=patch.last_frame_id,
                run=run,
                done=finished,
                # few runs go on at one time, and only those are worth their queries
                progress=progress_of(run) if run and run.state == Run.State.RUNNING else None,
                n_to_judge=waiting.get(finished.pk, 0) if finished else 0,
                noaa_ars=noaa_ars[patch.pk],
            )
        )
    return rows


def _to_judge(runs: list[Run], user: User) -> dict[int, int]:
    """Key of each run -> events that want the user's verdict."""
    events = Event.objects.filter(asked_about(), waits_for(user), run__in=runs)
    return dict(events.order_by().values_list("run").annotate(n=Count("pk")))
