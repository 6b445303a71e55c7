"""How far a run is, what it does now, and how long it will still take."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q

from poreweb.tracks.models import Batch, Run, Segmentation
from poreweb.words import counted
from poreweb.work.models import Task
from processing.chain import STAGES


@dataclass(frozen=True)
class Stage:
    """One stage of the chain: frames done, frames in all, seconds of work spent."""

    name: str
    n_done: int
    n_all: int
    seconds: float
    state: str


@dataclass(frozen=True)
class Progress:
    """What the run page and the terminal show of a run."""

    state: str
    stages: list[Stage]
    n_done: int
    n_failed: int
    n_all: int
    time_left: timedelta | None

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        return self.state == Run.State.RUNNING

    @property
    def percent(self) -> int:
        """Frames ended, in whole per cent; the last one is kept for the tracking."""
        if self.state == Run.State.DONE:
            return 100
        return int(99 * (self.n_done + self.n_failed) / max(self.n_all, 1))

    @property
    def sentence(self) -> str:
        """One line for a terminal."""
        if not self.is_running:
            return self.state
        if self.n_done + self.n_failed == self.n_all:
            return "tracking"
        left = "" if self.time_left is None else f", about {words_of(self.time_left)} left"
        return f"{self.n_done} of {counted(self.n_all, 'frame')} measured{left}"


def words_of(span: timedelta) -> str:
    """A time span in the two units a person would use."""
    seconds = round(span.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def progress_of(run: Run) -> Progress:
    """Read a run's progress from its rows."""
    run.refresh_from_db(fields=["state"])
    counts = run.segmentations.aggregate(
        n_all=Count("pk"),
        n_done=Count("pk", filter=Q(state=Segmentation.State.DONE)),
        n_failed=Count("pk", filter=Q(state=Segmentation.State.FAILED)),
    )
    spent = dict.fromkeys(STAGES, 0.0)
    for seconds in run.segmentations.filter(state=Segmentation.State.DONE).values_list("seconds", flat=True):
        for stage, value in seconds.items():
            spent[stage] += value
    n_ended = counts["n_done"] + counts["n_failed"]
    stages = [
        Stage(name, counts["n_done"], counts["n_all"], spent[name], _frame_state(run, n_ended, counts["n_all"]))
        for name in STAGES
    ]
    # that of all frames; when some were added there is one of those before
    tracking = run.batches.filter(kind=Batch.Kind.TRACK, last=counts["n_all"] - 1).first()
    took = 0.0
    if tracking and tracking.started_at and tracking.finished_at:
        took = (tracking.finished_at - tracking.started_at).total_seconds()
    tracked = run.segmentations.filter(state=Segmentation.State.DONE, index__lt=run.n_tracked).count()
    stages.append(Stage("track", tracked, counts["n_done"], took, tracking.state if tracking else Task.State.WAITING))
    return Progress(
        run.state,
        stages,
        **counts,
        time_left=_time_left(run, sum(spent.values()), counts["n_done"], counts["n_all"] - n_ended),
    )


def _frame_state(run: Run, n_ended: int, n_all: int) -> str:
    if n_ended == n_all:
        return Task.State.DONE
    return Task.State.RUNNING if run.state == Run.State.RUNNING else run.state


def _time_left(run: Run, seconds: float, n_done: int, n_left: int) -> timedelta | None:
    """From the work a frame has taken and the batches being worked on; None before the first frame is done."""
    if run.state != Run.State.RUNNING or not n_done or not n_left:
        return None
    n_working = run.batches.filter(state=Task.State.RUNNING).count()
    return timedelta(seconds=n_left * seconds / n_done / max(n_working, 1))
