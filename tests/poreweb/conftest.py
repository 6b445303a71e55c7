"""The cast, a stand-in for Redis, a small simulated patch, and what is made of it once a session."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core import serializers
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model
from django.forms.models import model_to_dict
from django.test import Client, override_settings
from django.utils.module_loading import import_string
from rest_framework.test import APIClient

from poreweb.exports.models import Export
from poreweb.observations import actions as observations
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.people.actions import add_member
from poreweb.people.models import Team
from poreweb.tracks import actions as tracks
from poreweb.tracks.models import Alternative, Batch, Event, Feature, Link, Run, RunLog, Segmentation, Track
from processing.parameters import ChainParameters
from processing.synthetic import SimulationParameters, write_simulation
from tests.jsoc import Archive, JsocStandIn
from tests.poreweb.api_client import client_of

# The smallest maps that can be simulated, and just enough frames for a merger and a flicker.
SIMULATION = SimulationParameters(n_frames=11, shape=(64, 64), n_pores=2, n_mergers=1, n_splits=0, n_flickers=1)
# Fast, and enough for every page; the science has its own tests.
PARAMETERS = ChainParameters(enhance="none", min_pixels=6)

CAST = {"alice": "reviewer", "bob": "reviewer", "lena": "lead", "visitor": "viewer"}


# -- A stand-in for Redis ------------------------------------------------------------------------


class Queues:
    """Keeps what is dispatched, and does it when told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []

    def get_queue(self, name: str = "default") -> "Queues":
        return self

    def enqueue(self, function: str, pk: int, **_: Any) -> None:
        self.jobs.append((function, pk))

    def commit(self) -> "Queues":
        """Do what waits for the end of the transaction, which a test never reaches."""
        while connection.run_on_commit:
            connection.run_on_commit.pop(0)[1]()
        return self

    def work(self, *, times: int = 1) -> None:
        """Do every job, and those that come of it, each so often."""
        while self.commit().jobs:
            function, pk = self.jobs.pop(0)
            for _ in range(times):
                import_string(function)(pk)


@pytest.fixture(autouse=True)
def queues(monkeypatch: pytest.MonkeyPatch) -> Queues:
    queues = Queues()
    monkeypatch.setattr(django_rq, "get_queue", queues.get_queue)
    return queues


@pytest.fixture(autouse=True)
def short_batches(settings: LazySettings) -> None:
    """So that the small patch needs two."""
    settings.BATCH_FRAMES = 8


@pytest.fixture(autouse=True)
def no_other_servers(settings: LazySettings) -> None:
    """So that no test ever asks JSOC or HEK: a port that nobody listens at."""
    settings.JSOC_URL, settings.HEK_URL = "http://127.0.0.1:9/", "http://127.0.0.1:9/her?"
    settings.NOAA_LIST_URL = "http://127.0.0.1:9/list.txt"
    settings.MIN_FREE_MB = 0  # what the machine has free is not what is tested


@pytest.fixture(autouse=True)
def no_tries_counted() -> None:
    """So that one test's wrong passwords keep nobody out of the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def storage_folder(settings: LazySettings, tmp_path: Path) -> Path:
    folder = tmp_path / "storage"
    settings.STORAGE_URL = f"file://{folder}"
    return folder


# -- People --------------------------------------------------------------------------------------


def make_people() -> Team:
    """Team A with its cast, and mallory's. The keys are fixed, so that saved rows fit."""
    team, _ = Team.objects.get_or_create(pk=1, name="Team A")
    other, _ = Team.objects.get_or_create(pk=2, name="Team M")
    for pk, (name, role) in enumerate(CAST.items(), start=1):
        add_member(team, User.objects.get_or_create(pk=pk, username=name)[0], role)
    add_member(other, User.objects.get_or_create(pk=9, username="mallory")[0])
    with connection.cursor() as cursor:  # rows with keys of one's own do not move PostgreSQL's sequences on
        for statement in connection.ops.sequence_reset_sql(no_style(), [Team, User]):
            cursor.execute(statement)
    return team


@pytest.fixture
def team(db: None) -> Team:
    return make_people()


def _member(name: str) -> Any:
    @pytest.fixture(name=name)
    def member(team: Team) -> User:
        return User.objects.get(username=name)

    return member


alice, bob, lena, visitor, mallory = (_member(name) for name in (*CAST, "mallory"))


@pytest.fixture
def sign_in(team: Team) -> Callable[[str], Client]:
    """A client of that member's own."""

    def signed_in(name: str) -> Client:
        client = Client()
        client.force_login(User.objects.get(username=name))
        return client

    return signed_in


@pytest.fixture
def as_alice(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("alice")


@pytest.fixture
def api(team: Team) -> Callable[[str], APIClient]:
    """A client of the API of that member's own."""
    return client_of


@pytest.fixture
def alice_api(team: Team) -> APIClient:
    return client_of("alice")


# -- Another server --------------------------------------------------------------------------------


@pytest.fixture
def jsoc(archive: Archive, settings: LazySettings, tmp_path: Path) -> Iterator[JsocStandIn]:
    """A stand-in for JSOC that has the module's archive and never waits."""
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL = f"{stand_in.address}/"
        settings.VAR_DIR, settings.MIN_FREE_MB, settings.JSOC_PACE_S = tmp_path / "var", 0, 1
        yield stand_in


# -- Files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulation(SIMULATION, tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="session")
def fits_files(simulated: Path) -> list[Path]:
    """Bp, Br, Bt, bitmap and continuum of each frame, by time."""
    return sorted(simulated.glob("*.fits"))


@pytest.fixture(scope="session")
def uploaded() -> Callable[[list[Path]], list[SimpleUploadedFile]]:
    """Files as a view gets them."""
    return lambda files: [SimpleUploadedFile(path.name, path.read_bytes()) for path in files]


@pytest.fixture
def deliver(team: Team, queues: Queues) -> Callable[..., Ingest]:
    """Hand files in as alice does, and have them read."""

    def delivered(*files: Path | tuple[str, bytes], times: int = 1, run_after: bool = False) -> Ingest:
        named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
        uploads = [SimpleUploadedFile(name, data) for name, data in named]
        user = User.objects.get(username="alice")
        ingest = observations.receive_upload(uploads, team=team, user=user, run_after=run_after)
        queues.work(times=times)
        ingest.refresh_from_db()
        return ingest

    return delivered


# -- What is made of them, once a session and saved ------------------------------------------------

INGESTED: tuple[type[Model], ...] = (Patch, Frame, Ingest, Ingest.patches.through, RawFile)
FINISHED: tuple[type[Model], ...] = (
    Run, RunLog, Batch, Segmentation, Track, Feature, Link, Alternative, Event, Event.parents.through,
    Event.children.through, Export,
)  # fmt: skip


@dataclass
class Saved:
    """Rows and files of an ingested patch and of a finished run on it."""

    ingested: list[list[Model]]
    finished: list[list[Model]]
    folder: Path


def _rows_of(models: tuple[type[Model], ...]) -> list[list[Model]]:
    return [list(model._default_manager.all()) for model in models]


def load(rows: list[list[Model]]) -> None:
    for of_model in filter(None, rows):
        type(of_model[0])._default_manager.bulk_create(of_model)


@pytest.fixture(scope="session")
def saved(
    fits_files: list[Path], tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Saved:
    folder, queues = tmp_path_factory.mktemp("saved"), Queues()
    with (
        pytest.MonkeyPatch.context() as patched,
        override_settings(STORAGE_URL=f"file://{folder}", BATCH_FRAMES=8),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        patched.setattr(django_rq, "get_queue", queues.get_queue)
        team = make_people()
        uploads = [SimpleUploadedFile(path.name, path.read_bytes()) for path in fits_files]
        alice = User.objects.get(username="alice")
        observations.receive_upload(uploads, team=team, user=alice, run_after=False)
        queues.work()
        ingested = _rows_of(INGESTED)
        tracks.start_run(Patch.objects.get(), PARAMETERS, user=alice)
        queues.work()
        finished = _rows_of(FINISHED)
        transaction.set_rollback(True)
    return Saved(ingested, finished, folder)


@pytest.fixture
def patch(team: Team, saved: Saved, storage_folder: Path) -> Patch:
    """HARP 99001 as team A holds it: 11 frames with all segments, no run."""
    load(saved.ingested)
    shutil.copytree(saved.folder / "raw", storage_folder / "raw", copy_function=os.link)
    return Patch.objects.get()


@pytest.fixture
def run(patch: Patch, saved: Saved, storage_folder: Path) -> Run:
    """A run on it that is done, with its exports."""
    load(saved.finished)
    for part in ("runs", "exports"):
        shutil.copytree(saved.folder / part, storage_folder / part, copy_function=os.link)
    return Run.objects.get()


@pytest.fixture
def frame(patch: Patch) -> Frame:
    """Its first frame."""
    first = patch.frames.first()
    assert first is not None
    return first


@pytest.fixture
def event(run: Run) -> Event:
    """Its merger."""
    return run.events.get(kind="merge")


@pytest.fixture
def start(patch: Patch, queues: Queues) -> Callable[..., Run]:
    """Start a run; with ``work`` also end it."""

    def started(*, work: bool = False, **changes: Any) -> Run:
        parameters = ChainParameters(**{**PARAMETERS.as_dict(), **changes})
        run = tracks.start_run(patch, parameters, user=User.objects.get(username="alice"))
        queues.commit()
        if work:
            queues.work()
            run.refresh_from_db()
        return run

    return started


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports end at once: they take the most time, and have their own tests."""
    monkeypatch.setattr("poreweb.exports.jobs._make", lambda export: None)


@pytest.fixture
def outcome() -> Callable[[Run], tuple[list[dict[str, Any]], list[tuple[Any, ...]]]]:
    """All that a run measured and joined, without keys, to compare runs by."""

    def of_run(run: Run) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
        features = Feature.objects.filter(segmentation__run=run).order_by("segmentation__index", "label")
        return [
            {
                **model_to_dict(feature, exclude=["id", "segmentation", "track"]),
                "index": feature.segmentation.index,
                "track": feature.track and feature.track.number,
            }
            for feature in features.select_related("segmentation", "track")
        ], [
            *(
                (
                    event.kind,
                    event.index,
                    _numbers(event.parents),
                    _numbers(event.children),
                    event.probability,
                    event.runner_up,
                    event.runner_up_probability,
                    event.margin,
                    event.reasons,
                )
                for event in run.events.all()
            ),
            *_link_values(run.links),
            *_link_values(run.alternatives),
        ]

    return of_run


def _link_values(links: Any) -> list[tuple[Any, ...]]:
    ends = [f"{end}__{name}" for end in ("later", "earlier") for name in ("segmentation__index", "label")]
    return list(links.order_by(*ends).values_list(*ends, "cost", "overlap", "distance_mm", "skipped", "probability"))


def _numbers(features: Any) -> list[int]:
    return sorted(features.values_list("track__number", flat=True))


@pytest.fixture
def lose_continuum(patch: Patch) -> Callable[..., list[RawFile]]:
    """Take the continuum from frames; returns the rows, to put back."""

    def lost(*indices: int) -> list[RawFile]:
        frames = [patch.frames.all()[index] for index in indices]
        rows = list(RawFile.objects.filter(segment="continuum", frame__in=frames).order_by("frame"))
        for row in rows:
            RawFile.objects.get(pk=row.pk).delete()
        return rows

    return lost


class KilledError(BaseException):
    """What happens to a worker whose plug is pulled; nothing catches it."""


@pytest.fixture
def killed_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Work until a function was called so often, and pull the plug when it is called once more."""

    def killed(where: str, work: Callable[[], object], *, calls: int = 0) -> None:
        actual, n_calls = import_string(where), 0

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_calls
            if n_calls == calls:
                raise KilledError
            n_calls += 1
            return actual(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(where, call)
            with pytest.raises(KilledError):
                work()

    return killed


@pytest.fixture
def everything(db: None) -> Callable[[], list[dict[str, Any]]]:
    """All rows of the site, to see whether anything changed."""
    models = [model for model in apps.get_models() if model.__module__.startswith("poreweb.")]
    return lambda: [row for model in models for row in serializers.serialize("python", model._default_manager.all())]
