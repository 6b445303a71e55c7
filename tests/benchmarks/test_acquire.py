"""
Forty records of five segments, from the order to the last file held, against drms alone in the same run.

Both ask the stand-in on this machine for an export, fetch it and read each image; we also look at
the checksums, store the files and their rows, and can be killed at any moment.
"""

from pathlib import Path
from typing import Any

import drms
import pytest
from astropy.io import fits
from django.contrib.auth.models import User

from poreweb.acquire import actions, jobs
from poreweb.acquire.models import Acquisition
from poreweb.acquire.wanted import Wanted
from poreweb.observations.models import RawFile
from poreweb.people.actions import make_demo_people
from processing.fits import DEFINITIVE_SERIES, SEGMENTS
from tests.jsoc import JsocStandIn, small_archive
from tests.poreweb.acquiring import EMAIL

N_RECORDS, SHAPE = 40, (250, 583)
GROUP = f"{N_RECORDS} records of {len(SEGMENTS)} segments, {SHAPE[0]} x {SHAPE[1]}, exported and fetched"


@pytest.fixture(scope="module")
def archive() -> Any:
    return small_archive(N_RECORDS, shape=SHAPE)


def work(acquisition: Acquisition) -> None:
    """All turns at once, without the pauses between two questions."""
    while acquisition.is_open:
        jobs.run_acquisition(acquisition.pk)
        acquisition.refresh_from_db()


@pytest.mark.django_db
@pytest.mark.benchmark(group=GROUP)
def test_acquire(benchmark, archive, settings, tmp_path: Path):
    settings.JSOC_PACE_S, settings.VAR_DIR, settings.MIN_FREE_MB = 1, tmp_path / "var", 0
    settings.STORAGE_URL = f"file://{tmp_path / 'storage'}"
    team, user = make_demo_people(), User.objects.get(username="demo")
    team.jsoc_email = EMAIL
    team.save()

    def order() -> tuple[tuple[Acquisition], dict[str, Any]]:
        RawFile.objects.all().delete()
        acquisition = actions.start_preview(team, user, Wanted(377))
        work(acquisition)
        actions.order(acquisition, user=user, run_after=False)
        acquisition.refresh_from_db()
        return (acquisition,), {}

    with JsocStandIn(archive, delay_s=0) as jsoc:
        settings.JSOC_URL = f"{jsoc.address}/"
        benchmark.pedantic(work, setup=order, rounds=3, warmup_rounds=1)
    assert RawFile.objects.filter(conflict=False).count() == N_RECORDS * len(SEGMENTS)


@pytest.mark.benchmark(group=GROUP)
def test_drms_alone(benchmark, archive, tmp_path: Path):
    """File by file, as drms fetches them, each read by astropy."""
    with JsocStandIn(archive, delay_s=0) as jsoc:
        client = drms.Client(jsoc.config(), email=EMAIL)

        def fetch() -> int:
            export = client.export(f"{DEFINITIVE_SERIES}[377]{{{','.join(SEGMENTS)}}}", method="url", protocol="fits")
            export.wait(sleep=0)
            folder = tmp_path / export.id
            folder.mkdir()
            export.download(str(folder))
            n_good = 0
            for path in folder.glob("*.fits"):
                with fits.open(path) as hdus:
                    n_good += hdus[1].data.shape == SHAPE
            return n_good

        n_good = benchmark.pedantic(fetch, rounds=3, warmup_rounds=1)
    assert n_good == N_RECORDS * len(SEGMENTS)
