"""Rows of acquisitions for their pages, without JSOC."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from poreweb.acquire.models import Acquisition, Record
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


@pytest.fixture
def make(team: Team, alice: User) -> Callable[..., Acquisition]:
    """An acquisition of team A: an order that is done, or as the test says."""

    def made(*, n_records: int = 3, **changes: Any) -> Acquisition:
        given = {
            "team": team, "user": alice, "harpnum": 377, "segments": list(SEGMENTS), "state": Task.State.DONE,
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

    return made


def plain(text: str) -> str:
    """A page without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))
