"""Rows of acquisitions and watches for their pages, without JSOC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from poreweb.acquire.models import Acquisition, AcquisitionLog, ExportRequest, Record, Watch
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import SEGMENTS
from processing.timekeys import format_t_rec, parse_t_rec

FIRST_S = parse_t_rec("2011.02.15_00:00:00_TAI")
PREVIEW = {
    "n_records": 3, "n_held": 0, "first": format_t_rec(FIRST_S), "last": format_t_rec(FIRST_S + 2160), "n_missing": 1,
    "gaps": [[format_t_rec(FIRST_S + 720)] * 2 + [1]], "absent": {"Bt": 2}, "n_online": 2, "kept_until": "2030.01.01",
    "noaa_ars": "11158", "shape": [300, 600], "n_bad_quality": 1,
    "mu": [[format_t_rec(FIRST_S + 720 * k), 0.75 + 0.01 * k, 0.7, 0.8] for k in range(3)],
}  # fmt: skip
FAR = datetime(2039, 1, 1, tzinfo=UTC)


def make_acquisition(*, team: Team, user: User | None, n_records: int = 3, **changes: Any) -> Acquisition:
    """An order that is done, or as the changes say."""
    given = {
        "team": team, "user": user, "harpnum": 377, "segments": list(SEGMENTS), "state": Task.State.DONE,
        "planned_at": timezone.now(), "ordered_at": timezone.now(), "preview": PREVIEW, "attempts": 1,
        "estimated_bytes": 3_000_000, **changes,
    }  # fmt: skip
    acquisition = Acquisition.objects.create(**given)
    held = acquisition.state == Task.State.DONE and not acquisition.is_preview
    Record.objects.bulk_create(
        Record(acquisition=acquisition, t_rec_s=FIRST_S + 720 * k, keywords={"X": 1}, is_held=held)
        for k in range(n_records)
    )
    return acquisition


@pytest.fixture
def make(team: Team, alice: User) -> Callable[..., Acquisition]:
    """`make_acquisition` for team A."""
    return partial(make_acquisition, team=team, user=alice)


def make_one_of_each(team: Team, user: User) -> dict[str, int]:
    """A preview, an order that failed and one that waits, and watches; none of which a worker takes up. Their keys."""
    make = partial(make_acquisition, team=team, user=user)
    preview = make(ordered_at=None)
    failed = make(state=Task.State.FAILED, error="3 of 3 records could not be had")
    failed.records.update(problem="5 exports did not bring it: JSOC does not know it")
    waiting = make(state=Task.State.WAITING, not_before=FAR, doing="JSOC is making it.")
    for number, acquisition in enumerate((failed, waiting)):
        ExportRequest.objects.create(
            acquisition=acquisition, number=1, method="url-tar", email="observer@example.org", state="failed",
            record_set="hmi.sharp_cea_720s[377][]{continuum,Br}", request_id=f"JSOC_20110215_{number}",
            error="JSOC does not know it", sent_at=timezone.now(),
        )  # fmt: skip
        AcquisitionLog.objects.create(acquisition=acquisition, text="JSOC makes JSOC_20110215_1.")
    watched = {"team": team, "user": user, "looked_at": timezone.now()}
    Watch.objects.create(kind=Watch.Kind.HARP, harpnum=377, not_before=FAR, said="Nothing new.", **watched)
    Watch.objects.create(kind=Watch.Kind.HARP, harpnum=378, state=Task.State.CANCELLED, **watched)
    Watch.objects.create(
        kind=Watch.Kind.FOLDER, folder="/data/hmi", state=Task.State.FAILED, error="It is away.", **watched
    )  # fmt: skip
    return {"preview": preview.pk, "failed": failed.pk, "waiting": waiting.pk}


def plain(text: str) -> str:
    """A page without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
