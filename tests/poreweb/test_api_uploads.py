"""The REST API of files of HARPs that are sent, and the commands of its docs for sending."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from knox.models import AuthToken
from rest_framework.test import APIClient

from poreweb.acquire import noaa
from poreweb.observations.models import Ingest, Patch
from poreweb.people.models import Team
from poreweb.work.models import Task
from tests.poreweb.api_client import client_of, cube, refused, sent
from tests.poreweb.sequencing import fits_bytes, sun

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
SEND, RECORDS = "/api/v1/teams/1/sequences/", "/api/v1/teams/1/ingests/"
FIRST = "2013.06.01_00:00:35_TAI"  # midnight of UTC


def test_records_are_sent_and_read(alice_api: APIClient, fits_files: list[Path], queues: Any):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in fits_files[:5]:
            tar.add(path, path.name)
    records = [SimpleUploadedFile("all.tar", packed.getvalue()), SimpleUploadedFile("no.fits", b"no FITS")]
    told = sent(alice_api, RECORDS, records=records, run_after="false")
    assert told.status_code == 201, told.text
    made = told.json()
    assert (made["state"], made["user"], made["names"], made["run_after"]) == (
        "waiting",
        "alice",
        ["all.tar", "no.fits"],
        False,
    )
    queues.work()
    told = alice_api.get(f"/api/v1/ingests/{made['id']}/").json()
    patch = Patch.objects.get()
    assert (told["state"], told["n_new"], told["n_refused"], told["patches"]) == ("done", 5, 1, [patch.pk])
    (line,) = told["report"]
    assert (line["kind"], "no.fits" in line["text"]) == ("refused", True)
    assert not patch.runs.exists()
    assert refused(client_of("mallory").get(f"/api/v1/ingests/{made['id']}/"), 404)
    for wrong in ({}, {"records": "a.fits"}, {"records": SimpleUploadedFile("a.fits", b"")}, {"files": cube(sun(1))}):
        assert refused(sent(alice_api, RECORDS, **wrong), 400), wrong


def test_no_more_is_taken_than_there_is_room_for(alice_api: APIClient, team: Team, settings: Any):
    settings.MAX_UPLOAD_BYTES = 100
    assert "one upload may have" in refused(sent(alice_api, RECORDS, records=cube(sun(1))), 400)
    settings.MAX_UPLOAD_BYTES = 10**9
    settings.MIN_FREE_MB = 10**9
    assert refused(sent(alice_api, RECORDS, records=cube(sun(1))), 400).startswith("records:")
    assert not Ingest.objects.exists()


def test_deliveries_are_listed_and_cost_the_same(
    alice_api: APIClient, team: Team, alice: User, django_assert_num_queries: Any
):
    patch = team.patches.create(harpnum=1)
    for k in range(3):
        Ingest.objects.create(team=team, user=alice, state=Task.State.DONE, names=[f"{k}"]).patches.set([patch])
    Ingest.objects.create(team=team, state=Task.State.CANCELLED)  # of a sequence that is being made
    Ingest.objects.create(team_id=2)
    url = "/api/v1/ingests/"
    assert [one["names"] for one in alice_api.get(url).json()["results"]] == [["2"], ["1"], ["0"]]
    assert alice_api.get(f"{url}?state=waiting").json()["count"] == 0
    assert alice_api.get(f"{url}?team=2").json()["count"] == 0
    with django_assert_num_queries(5):
        alice_api.get(f"{url}?limit=1")
    with django_assert_num_queries(5):
        alice_api.get(url)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are for curl")
def test_the_commands_of_the_docs_send_what_they_say(
    live_server: Any, alice: User, queues: Any, tmp_path: Path, fits_files: list[Path]
):
    noaa.import_text("45 11073\n46 11073\n377 11158\n", "a test")
    commands = re.findall(r"(?:^    .+\n)*^    curl .+\n(?:^    .+\n)*", DOCS.read_text(), re.MULTILINE)
    (tmp_path / "cube.fits").write_bytes(fits_bytes(sun(2)))
    with tarfile.open(tmp_path / "records.tar", "w") as tar:
        tar.add(fits_files[0], fits_files[0].name)
    token = AuthToken.objects.create(alice, timedelta(days=1))[1]
    environment = {"SITE": live_server.url, "TOKEN": token, "TEAM": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    told = [
        subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=True).stdout
        for command in commands
        if "teams/$TEAM" in command
    ]
    read, delivery, sequence = map(json.loads, told)
    assert ([line["line"] for line in read["lines"]], [bad["line"] for bad in read["problems"]]) == ([1, 2], [3])
    assert (delivery["names"], delivery["run_after"]) == (["records.tar"], False)
    assert (sequence["name"], sequence["first_t_rec"], sequence["cadence_s"]) == ("AR 11757", FIRST, 720)
