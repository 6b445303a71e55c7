"""Faults on order: that each does what it says, and the account of who asked for what."""

import http.client
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import drms
import pytest

from tests.jsoc import Archive, JsocStandIn, small_archive
from tests.jsoc.asking import ADDRESS, HOUR, ONE, SERIES, ask, path_of, request, status
from tests.jsoc.faults import OF_JSOC, ON_THE_WAY, Faults


@pytest.fixture(scope="module")
def archive() -> Archive:
    return small_archive(6)


@pytest.fixture
def jsoc(archive: Archive) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0) as running:
        yield running


@pytest.fixture
def client(jsoc: JsocStandIn) -> drms.Client:
    return drms.Client(jsoc.config(), email=ADDRESS)


# -- Faults of JSOC ----------------------------------------------------------------------------------


def test_stuck(archive):
    now = [0.0]
    with JsocStandIn(archive, delay_s=1, clock=lambda: now[0], expires_s=100) as jsoc:
        jsoc.faults.add("stuck", "request")
        asked = request(jsoc)
        now[0] = 99
        answer = status(jsoc, asked["requestid"])
        assert answer["status"] == 2
        assert "dir" not in answer
        folder = jsoc.book.exports[asked["requestid"]].folder
        assert ask(jsoc, f"{folder}/index.json")[0] == 404
        assert request(jsoc, HOUR)["status"] == 7
        now[0] = 100
        assert request(jsoc, HOUR)["status"] == 2
        assert status(jsoc, asked["requestid"])["status"] == 2


def test_stale(jsoc, archive):
    jsoc.faults.add("stale", "request", seconds=3600)
    asked = request(jsoc, ONE, method="url-tar", filenamefmt="{segment}")
    answer = status(jsoc, asked["requestid"])
    assert (answer["status"], "dir" in answer) == (2, False)
    query = urlencode({"op": "rs_list", "ds": f"jsoc.export[{asked['requestid']}]", "key": "Status,*recdir*"})
    found = json.loads(ask(jsoc, f"/cgi-bin/ajax/jsoc_info?{query}")[2])
    assert (found["status"], found["count"]) == (0, 1)
    told = {item["name"]: item["values"] for item in found["keywords"]}
    assert told["Status"] == ["2"]
    index = json.loads(ask(jsoc, f"{told['*recdir*'][0]}/index.json")[2])
    assert index["status"] == "0"
    with tarfile.open(fileobj=io.BytesIO(ask(jsoc, index["tarfile"])[2])) as tar:
        assert tar.extractfile("./Br.fits").read() == archive.records(SERIES)[0].read("Br")
    assert request(jsoc, HOUR)["status"] == 7


def test_failed_and_lost_and_expired(jsoc):
    jsoc.faults.add("failed", "request")
    asked = request(jsoc)
    assert status(jsoc, asked["requestid"])["status"] == 4
    jsoc.faults.add("lost", "status", times=2)
    good = request(jsoc)["requestid"]
    assert [status(jsoc, good)["status"] for _ in range(3)] == [6, 6, "0"]
    jsoc.faults.add("expired", "status")
    folder = status(jsoc, good)
    assert (folder["status"], folder["error"][:27]) == (5, "Request was completed but i")
    assert ask(jsoc, f"{jsoc.book.exports[good].folder}/index.json")[0] == 404


def test_lost_for_a_while(archive):
    now = [0.0]
    with JsocStandIn(archive, delay_s=0, clock=lambda: now[0]) as jsoc:
        jsoc.faults.add("lost", "status", seconds=5)
        good = request(jsoc)["requestid"]
        seen = []
        for now[0] in (0, 4.9, 5):
            seen.append(status(jsoc, good)["status"])
    assert seen == [6, 6, "0"]


def test_busy_with_somebody_elses_export(archive):
    now = [0.0]
    with JsocStandIn(archive, delay_s=0, clock=lambda: now[0]) as jsoc:
        jsoc.faults.add("busy", "request", seconds=30)
        assert "1 pending export requests (JSOC_" in request(jsoc)["error"]
        now[0] = 29
        assert request(jsoc)["status"] == 7
        now[0] = 30
        assert request(jsoc)["status"] == 2


def test_limit_on_order(jsoc):
    jsoc.faults.add("limit", "request", records=4)
    assert request(jsoc, ONE)["status"] == 2
    assert request(jsoc, HOUR)["status"] == 3
    assert request(jsoc, HOUR)["status"] == 2


def test_duplicates(jsoc):
    jsoc.faults.add("duplicate", "request")
    jsoc.faults.add("duplicate error", "request")
    first = request(jsoc)["requestid"]
    again, refused, other = request(jsoc), request(jsoc), request(jsoc, HOUR)
    assert (again["status"], again["requestid"]) == (2, first)
    assert (refused["status"], first in refused["error"]) == (4, True)
    assert other["requestid"] != first


def test_missing_segments(client, jsoc):
    jsoc.faults.add("missing segment", "request", segment="Br", records=2)
    export = client.export(HOUR, method="url", protocol="fits")
    export.wait(sleep=0)
    assert list(export.data.filename == "NoDataFile") == [False, True] * 2 + [False] * 6
    assert len(export.urls) == 8
    gone = f"{export.dir}/{SERIES}.377.20110215_000000_TAI.Br.fits"
    assert ask(jsoc, gone)[0] == 404


def test_unregistered(client, jsoc):
    jsoc.faults.add("unregistered", "email")
    jsoc.faults.add("unregistered", "request")
    assert [client.check_email(ADDRESS) for _ in range(2)] == [False, True]
    assert [request(jsoc)["status"] for _ in range(2)] == [4, 2]


# -- Faults on the way -------------------------------------------------------------------------------


def spoilt(jsoc: JsocStandIn, archive: Archive, kind: str, **options: Any) -> Any:
    """The answer for a file with that fault, after which the next one must be good again."""
    jsoc.faults.add(kind, "file", **options)
    answer = ask(jsoc, path_of(archive), Range="bytes=0-")
    assert jsoc.log[-1]["fault"] == kind
    assert ask(jsoc, path_of(archive))[2] == archive.records(SERIES)[0].read_as_is("Br")
    return answer


@pytest.fixture
def whole(archive: Archive) -> bytes:
    return archive.records(SERIES)[0].read_as_is("Br")


def test_errors_of_the_server(jsoc, archive):
    assert spoilt(jsoc, archive, "500")[0] == 500
    code, headers, _ = spoilt(jsoc, archive, "503", retry_after=7)
    assert (code, headers["Retry-After"]) == (503, "7")
    assert spoilt(jsoc, archive, "not found")[0] == 404
    code, headers, body = spoilt(jsoc, archive, "html")
    assert (code, headers["Content-Type"], b"<html>" in body) == (200, "text/html", True)


def test_dropped(jsoc, archive):
    assert spoilt(jsoc, archive, "drop")[0] == -1


def test_truncated(jsoc, archive, whole):
    code, headers, body = spoilt(jsoc, archive, "truncated", share=0.5)
    assert (code, int(headers["Content-Length"])) == (206, len(whole))
    assert body == whole[: len(whole) // 2]


def test_wrong_size(jsoc, archive, whole):
    _, headers, body = spoilt(jsoc, archive, "wrong size", share=0.5)
    assert body == whole[: len(whole) // 2]
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Content-Range"] == f"bytes 0-{len(body) - 1}/{len(body)}"
    assert headers["ETag"] != ask(jsoc, path_of(archive))[1]["ETag"]


def test_tar_cut_in_the_middle(jsoc):
    made = status(jsoc, request(jsoc, HOUR, method="url-tar")["requestid"])
    jsoc.faults.add("wrong size", "tar")
    with tarfile.open(fileobj=io.BytesIO(ask(jsoc, made["tarfile"])[2])) as tar, pytest.raises(tarfile.ReadError):
        tar.getmembers()
    with tarfile.open(fileobj=io.BytesIO(ask(jsoc, made["tarfile"])[2])) as tar:
        assert len(tar.getmembers()) == 14


def test_garbled(jsoc, archive, whole):
    code, _, body = spoilt(jsoc, archive, "garbled")
    assert (code, len(body)) == (206, len(whole))
    flipped = sum(x != y for x, y in zip(body, whole, strict=True))
    assert 1 <= flipped <= len(whole) // 500


def test_no_ranges(jsoc, archive, whole):
    code, headers, body = spoilt(jsoc, archive, "no ranges")
    assert (code, body, headers.get("Accept-Ranges")) == (200, whole, None)


def test_redirect(jsoc, archive):
    code, headers, _ = spoilt(jsoc, archive, "redirect", url="http://127.0.0.1:9{path}")
    assert (code, headers["Location"]) == (302, f"http://127.0.0.1:9{path_of(archive)}")


def test_slow_and_drip(jsoc, archive, whole):
    begun = time.monotonic()
    assert spoilt(jsoc, archive, "slow", seconds=0.1)[2] == whole
    assert time.monotonic() - begun >= 0.1
    begun = time.monotonic()
    assert spoilt(jsoc, archive, "drip", bytes_per_s=10 * len(whole))[2] == whole
    assert time.monotonic() - begun >= 0.09


def test_html_where_json_should_be(client, jsoc):
    jsoc.faults.add("html", "info")
    with pytest.raises(json.JSONDecodeError):
        client.query(ONE, key="T_REC")
    jsoc.faults.add("truncated", "status")
    asked = request(jsoc)["requestid"]
    cut = ask(jsoc, f"/cgi-bin/ajax/jsoc_fetch?op=exp_status&requestid={asked}")[2]
    assert cut.startswith(b"{")
    assert not cut.endswith(b"}\n")


@pytest.mark.parametrize(("after", "taken"), [(False, 2), (True, 7)], ids=["before", "after"])
def test_a_lost_answer_may_have_been_acted_on(archive, after, taken):
    with JsocStandIn(archive, delay_s=60) as jsoc:
        jsoc.faults.add("500", "request", after=after)
        path = f"/cgi-bin/ajax/jsoc_fetch?{urlencode({'op': 'exp_request', 'ds': ONE, 'notify': ADDRESS})}"
        assert ask(jsoc, path)[0] == 500
        assert request(jsoc)["status"] == taken


# -- Order and account -------------------------------------------------------------------------------


def test_faults_wait_their_turn(jsoc, archive):
    jsoc.faults.add("500", "file", skip=1, times=2)
    jsoc.faults.add("not found", "file", match="continuum", times=None)
    path = path_of(archive)
    assert [ask(jsoc, path)[0] for _ in range(4)] == [200, 500, 500, 200]
    assert {ask(jsoc, path.replace("Br", "continuum"))[0] for _ in range(3)} == {404}
    jsoc.faults.clear()
    assert ask(jsoc, path.replace("Br", "continuum"))[0] == 200


def test_chance_repeats_itself():
    def run(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add("500", "file", times=None, probability=0.3)
        return [faults.take("file", "500") is not None for _ in range(300)]

    assert run(1) == run(1) != run(2)
    assert 60 < sum(run(1)) < 120


def test_steering_from_outside(jsoc, archive):
    path = path_of(archive)
    order = json.dumps([{"kind": "500", "where": "file"}, {"kind": "503", "where": "file", "times": None}])
    code, _, left = ask(jsoc, "/faults", "POST", order)
    assert (code, [fault["kind"] for fault in json.loads(left)["faults"]]) == (200, ["500", "503"])
    assert [ask(jsoc, path)[0] for _ in range(3)] == [500, 503, 503]
    ask(jsoc, "/faults", "DELETE")
    assert ask(jsoc, path)[0] == 200
    report = json.loads(ask(jsoc, "/log")[2])
    assert [entry["status"] for entry in report["requests"]] == [500, 503, 503, 200]
    assert (report["max_connections"], report["max_in_flight"]) == (1, {})
    ask(jsoc, "/log", "DELETE")
    assert json.loads(ask(jsoc, "/log")[2])["requests"] == []


@pytest.mark.parametrize(
    "order",
    [
        "nonsense",
        {"kind": "500"},
        {"kind": "nosuch", "where": "file"},
        {"kind": "500", "where": "nosuch"},
        {"kind": "stuck", "where": "file"},
        {"kind": "500", "where": "file", "nosuch": 1},
    ],
    ids=["text", "no place", "kind", "place", "wrong place", "option"],
)
def test_orders_that_make_no_sense(jsoc, order):
    code, _, body = ask(jsoc, "/faults", "POST", json.dumps(order))
    assert (code, "error" in json.loads(body)) == (400, True)
    assert jsoc.faults.left() == []


def test_every_kind_can_be_ordered():
    faults = Faults()
    for kind in ON_THE_WAY:
        faults.add(kind, "file")
    for kind, places in OF_JSOC.items():
        faults.add(kind, places[0])
    assert len(faults.left()) == len(ON_THE_WAY) + len(OF_JSOC)


def test_the_log_of_one_who_asks_in_turn(jsoc, archive):
    for _ in range(20):
        ask(jsoc, path_of(archive))
    assert jsoc.max_connections == 1
    assert {(entry["where"], entry["method"], entry["status"]) for entry in jsoc.log} == {("file", "GET", 200)}
    assert len(jsoc.asked("file")) == 20
    jsoc.forget()
    assert (jsoc.log, jsoc.max_connections) == ([], 0)


def test_it_counts_those_who_ask_at_once_and_stops_though_they_wait(archive):
    with JsocStandIn(archive) as jsoc:
        jsoc.faults.add("slow", "file", seconds=600, times=3)
        threads = [threading.Thread(target=ask, args=(jsoc, path_of(archive)), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        patience = time.monotonic() + 10
        while jsoc.max_connections < 3 and time.monotonic() < patience:
            time.sleep(0.005)
    assert jsoc.max_connections == 3
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_a_thousand_questions(jsoc, archive):
    connection = http.client.HTTPConnection(urlsplit(jsoc.address).netloc, timeout=10)
    whole = archive.records(SERIES)[0].read_as_is("Br")
    for _ in range(1000):
        connection.request("GET", path_of(archive))
        assert connection.getresponse().read() == whole
    connection.close()
    assert len(jsoc.log) == 1000
