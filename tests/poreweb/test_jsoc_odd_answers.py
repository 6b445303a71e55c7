"""Answers of JSOC that nobody would expect: they cost tries and time, never a record, and they come to an end."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from poreweb.acquire import actions, fetch, reading
from poreweb.acquire.models import Acquisition
from poreweb.observations.models import RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.poreweb.acquiring import pass_time, previewed, words

SEGMENTS = ("continuum", "Br")


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(3, shape=(16, 16))


@pytest.fixture
def ordered(jsoc: JsocStandIn, team: Team, alice: User, queues: Any) -> Callable[..., Acquisition]:
    """An order that has been done, however it ended."""

    def done(method: str = "url-tar") -> Acquisition:
        acquisition = previewed(team, alice, queues, segments=SEGMENTS)
        assert actions.order(acquisition, user=alice, method=method, run_after=False)
        return pass_time(queues, acquisition)

    return done


def must_be_whole(acquisition: Acquisition, archive: Archive) -> None:
    assert (acquisition.state, acquisition.error) == (Task.State.DONE, ""), words(acquisition)
    wanted = [hashlib.sha256(one.read(segment)).hexdigest() for one in archive.records() for segment in SEGMENTS]
    assert sorted(RawFile.objects.values_list("sha256", flat=True)) == sorted(wanted)


def instead(of: Any, name: str, answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give these answers first, then the server's own; a function is given the server's own."""
    actual = getattr(of, name)

    def odd(asked: dict[str, str]) -> Any:
        if not answers:
            return actual(asked)
        answer = answers.pop(0)
        return answer(actual(asked)) if callable(answer) else answer

    monkeypatch.setattr(of, name, odd)


@pytest.mark.parametrize(
    "odd",
    [{}, {"status": None}, {"status": "ready"}, {"status": -1, "error": "no database"}, {"status": 7, "error": "busy"},
     {"status": 2}, {"status": 99}, [], "x", None],
    ids=repr,
)  # fmt: skip
def test_odd_words_on_how_far_it_is_are_asked_for_again(odd, jsoc, archive, ordered, monkeypatch):
    instead(jsoc.book, "status", [odd], monkeypatch)
    acquisition = ordered()
    must_be_whole(acquisition, archive)
    assert acquisition.exports.count() == 1


@pytest.mark.parametrize(
    "odd", [{}, {"status": 2}, {"status": "1", "requestid": ""}, {"status": 2, "requestid": "../../x"}, []], ids=repr
)
def test_an_export_without_a_name_is_asked_for_again(odd, jsoc, archive, ordered, monkeypatch):
    instead(jsoc.book, "request", [odd], monkeypatch)
    must_be_whole(ordered(), archive)
    assert max(jsoc.max_in_flight.values()) <= 1


def test_too_big_when_it_is_made_is_asked_for_in_parts(jsoc, archive, ordered, monkeypatch):
    instead(jsoc.book, "status", [{"status": 3, "error": "Request exceeds max byte limit of 10MB"}], monkeypatch)
    acquisition = ordered()
    must_be_whole(acquisition, archive)
    assert "3 records are too many for JSOC" in words(acquisition)
    assert sorted(len(export.answer["data"]) for export in acquisition.exports.filter(state="read")) == [2, 2, 2]


def test_a_refusal_of_a_file_costs_an_export_and_not_the_order(jsoc, archive, ordered, monkeypatch):
    refusals = [fetch.FetchError("127.0.0.1 answered 401 Unauthorized")] * 2

    def refused(*args: Any, **options: Any) -> int:
        if refusals:
            raise refusals.pop()
        return fetch.download(*args, **options)

    monkeypatch.setattr(reading, "download", refused)
    acquisition = ordered()
    must_be_whole(acquisition, archive)
    assert words(acquisition).count("is given up: 127.0.0.1 answered 401 Unauthorized.") == 2


@pytest.mark.parametrize("method", ["url-tar", "url"])
def test_files_of_another_server_are_not_fetched(method, jsoc, archive, ordered, monkeypatch):
    with JsocStandIn(archive) as theirs:

        def elsewhere(answer: dict[str, Any]) -> dict[str, Any]:
            for row in answer.get("data", []):
                row["filename"] = f"{theirs.address}/{row['filename']}"
            if "tarfile" in answer:
                answer["tarfile"] = f"{theirs.address}{answer['tarfile']}"
            return {**answer, "dir": ""}

        instead(jsoc.book, "status", [elsewhere] * 99, monkeypatch)
        acquisition = ordered(method)
        assert theirs.log == []
    assert f"{theirs.address} is not among the servers that this site may fetch from" in words(acquisition)
    assert acquisition.state == Task.State.DONE  # JSOC names the files of url_quick itself
    assert acquisition.exports.last().method == "url_quick"


def test_files_that_are_named_and_never_come_are_given_up(jsoc, archive, ordered, settings):
    """The status stays pending, the packing list is there, and the files are not: not for ever."""
    settings.JSOC_PENDING_LIMIT_S = 0
    jsoc.faults.add("stale", "request", times=None, seconds=0)
    jsoc.faults.add("not found", "tar", times=None)
    jsoc.faults.add("not found", "file", times=None)
    acquisition = ordered()
    assert acquisition.state == Task.State.FAILED
    assert "3 of 3 records could not be had" in acquisition.error
    assert acquisition.exports.count() <= 6
