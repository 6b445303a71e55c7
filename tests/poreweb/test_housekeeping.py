"""What workers see to every few seconds, whatever else they do."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from poreweb.acquire import parts
from poreweb.acquire.models import Acquisition
from poreweb.people.models import Team
from poreweb.work import worker
from poreweb.work.models import Task
from poreweb.work.signals import housekeeping


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    parts.scratch().mkdir()
    return parts.scratch()


def lay(acquisition: Acquisition | int, folder: Path, *, hours: float, name: str = "a") -> Path:
    """A part of a file with what belongs to it, that many hours old."""
    pk = acquisition if isinstance(acquisition, int) else acquisition.pk
    for ending in (".part", ".version", ".lock"):
        path = folder / f"{pk}-{name}{ending}"
        path.touch()
        os.utime(path, times=2 * (time.time() - 3600 * hours,))
    return folder / f"{pk}-{name}.part"


def test_parts_of_what_has_ended_elsewhere_are_removed_after_a_day(folder: Path, team: Team, alice: User):
    ended = Acquisition.objects.create(team=team, user=alice, harpnum=377, state=Task.State.DONE)
    going_on = Acquisition.objects.create(team=team, user=alice, harpnum=378)
    old = lay(ended, folder, hours=25)
    deleted = lay(going_on.pk + 1, folder, hours=25)
    kept = {lay(ended, folder, hours=23, name="b"), lay(going_on, folder, hours=1000)}
    somebody_s = folder / "notes-x.part"
    somebody_s.touch()
    os.utime(somebody_s, times=(0, 0))
    housekeeping.send(None)
    assert set(folder.glob("*.part")) == {*kept, somebody_s}
    for gone in (old, deleted):
        assert not list(folder.glob(f"{gone.stem}.*"))


def test_it_is_told_by_each_worker_and_stops_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    told = []

    def bad(**_: Any) -> None:
        raise OSError("the disk is away")

    def good(**_: Any) -> None:
        told.append(True)

    monkeypatch.setattr(worker.Worker, "run_maintenance_tasks", lambda self: None)
    monkeypatch.setattr(worker.tasks, "reconcile", lambda: 0)
    monkeypatch.setattr(worker.connections, "close_all", lambda: None)
    monkeypatch.setattr(housekeeping, "receivers", [])
    for receiver in (bad, good):
        housekeeping.connect(receiver)
    worker.PorewebWorker.run_maintenance_tasks(worker.PorewebWorker.__new__(worker.PorewebWorker))
    assert told == [True]
    assert "the disk is away" in caplog.text
