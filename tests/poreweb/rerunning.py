"""Another run of a patch beside the one that people have judged: its twin, or made by running again."""

from collections.abc import Callable

import pytest
from django.db.models import Model

from poreweb.review.judgement import Judgement
from poreweb.tracks.actions import start_run
from poreweb.tracks.models import Event, Run
from processing.parameters import ChainParameters

ACCEPT, REJECT, UNSURE = (Judgement(choice) for choice in ("accept", "reject", "unsure"))


@pytest.fixture
def first_gap(run) -> Event:
    return run.events.filter(kind="gap").order_by("index")[0]


@pytest.fixture
def last_gap(run) -> Event:
    return run.events.filter(kind="gap").order_by("-index")[0]


@pytest.fixture
def twin(run) -> Callable[[], Run]:
    """Another run of the patch that is done and has found the same, row by row."""

    def again(row: Model, **changes: object) -> int:
        row.pk, row._state.adding = None, True
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()
        return row.pk

    def made() -> Run:
        other = Run.objects.get(pk=run.pk)
        again(other, number=run.patch.runs.count() + 1, parent=run)
        there = {}
        for segmentation in run.segmentations.all():
            features = list(segmentation.features.all())
            copy = again(segmentation, run=other)
            there |= {row.pk: again(row, segmentation_id=copy, track=None) for row in features}
        for link in run.links.all():
            again(link, run=other, earlier_id=there[link.earlier_id], later_id=there[link.later_id])
        for event in run.events.all():
            ends = [[there[row.pk] for row in side.all()] for side in (event.parents, event.children)]
            again(event, run=other)
            event.parents.set(ends[0])
            event.children.set(ends[1])
        return Run.objects.select_related("patch__team").get(pk=other.pk)

    return made


@pytest.fixture
def other(twin) -> Run:
    return twin()


def there(event: Event, other: Run) -> Event:
    """The twin's event."""
    return other.events.get(kind=event.kind, index=event.index)


@pytest.fixture
def rerun(run, start, alice, queues) -> Callable[..., Run]:
    """Run again and keep what is settled."""

    def started(**changes: object) -> Run:
        parameters = ChainParameters(**{**run.parameters, **changes})
        made = start_run(run.patch, parameters, user=alice, parent=run, settled_from=run)
        queues.work()
        made.refresh_from_db()
        assert made.state == "done", made.error
        return made

    return started


def log(run: Run) -> str:
    return "\n".join(line.text for line in run.log.all())
