"""The command line: ingest, simulate, add_member."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from poreweb.observations.models import Ingest, Patch
from poreweb.people.models import Membership
from poreweb.tracks.models import Run


def said(*args: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def test_ingest_reads_a_folder_and_starts_runs(team, simulated, queues):
    assert "55 read: 55 new, 0 held already, 0 in conflict, 0 refused." in said("ingest", simulated, team="Team A")
    assert Ingest.objects.get().state == "done"
    assert Run.objects.get().patch == Patch.objects.get()
    again = said("ingest", simulated, team="Team A")
    assert "0 new, 55 held already" in again
    assert "is already held with the same bytes" in again
    assert Run.objects.count() == 1


def test_ingest_may_only_keep(team, fits_files):
    said("ingest", *fits_files[:2], team="Team A", no_run=True)
    assert (Patch.objects.count(), Run.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("path", "name", "words"),
    [("", "Nobody", "There is no team 'Nobody'"), ("missing", "Team A", "missing does not exist")],
)
def test_ingest_says_what_is_wrong(team, tmp_path, path, name, words):
    with pytest.raises(CommandError, match=words):
        call_command("ingest", tmp_path / path, team=name)
    assert not Ingest.objects.exists()


def test_ingest_names_bad_files(team, tmp_path):
    (tmp_path / "a.fits").write_text("hello")
    assert "a.fits is not" in said("ingest", tmp_path / "a.fits", team="Team A")


def test_simulate_writes_a_series(tmp_path):
    out = said("simulate", tmp_path / "sim", "--frames=2", "--shape", "64", "64", "--pores=1", "--mergers=0",
               "--splits=0", "--flickers=0", "--harp=77")  # fmt: skip
    assert "2 frames written" in out
    assert len(list(tmp_path.glob("sim/hmi.sharp_cea_720s.77.*.fits"))) == 10
    assert (tmp_path / "sim/truth.json").exists()


@pytest.mark.parametrize(("option", "words"), [("--frames=0", "n_frames"), ("--pores=1", "need as many pores")])
def test_simulate_says_what_is_wrong(tmp_path, option, words):
    with pytest.raises(CommandError, match=words):
        call_command("simulate", tmp_path, option)


@pytest.fixture
def typed(monkeypatch):
    def password(text: str) -> None:
        monkeypatch.setattr("poreweb.people.management.commands.add_member.getpass", lambda _: text)

    return password


def test_add_member_makes_the_user_and_the_team(db, typed, client):
    typed("Sunspot-1843")
    assert "carol in Team C (lead)" in said("add_member", "carol", "Team C", role="lead")
    assert client.login(username="carol", password="Sunspot-1843")
    said("add_member", "carol", "Team C", role="viewer")  # does not ask again
    assert Membership.objects.get().role == "viewer"


def test_add_member_refuses_a_weak_password(db, typed):
    typed("12345")
    with pytest.raises(CommandError, match="too short"):
        call_command("add_member", "carol", "Team C")
    assert not User.objects.exists()


def test_the_folder_given_by_its_dots_has_a_name(team, simulated, monkeypatch):
    monkeypatch.chdir(simulated)
    assert "55 new" in said("ingest", Path("."), team="Team A", no_run=True)
