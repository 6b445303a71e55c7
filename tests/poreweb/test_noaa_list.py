"""JSOC's list of HARPs and NOAA regions: kept whole or not at all, read on request and by schedule; its page."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import noaa
from poreweb.acquire.models import HarpNoaa, NoaaList
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch_due
from processing.list_times import ListError
from processing.region_lists import Pair

TEXT = "HARPNUM NOAA_ARS\n1 11067\n45 11073,11077\n46 11073\n377 11158\n"
JOB = "poreweb.acquire.jobs.refresh_noaa_list"
PAGE = reverse("acquire:noaa-list")


class Server:
    """Answers with ``text``, or with another status."""

    def __init__(self):
        self.text, self.status, self.n_asked = TEXT, 200, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.n_asked += 1
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.text.encode())

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/list.txt"


@pytest.fixture(scope="module")
def one_server():
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def server(one_server, settings):
    one_server.text, one_server.status, one_server.n_asked = TEXT, 200, 0
    settings.NOAA_LIST_URL = one_server.address
    settings.JSOC_PACE_S = 10
    return one_server


@pytest.fixture
def imported(team):
    noaa.import_text(TEXT, "a test")


def pairs():
    return set(HarpNoaa.objects.values_list("harpnum", "noaa_ar"))


def listed():
    return NoaaList.objects.get()


def pause_s():
    """Seconds until it goes on by itself."""
    return round((listed().not_before - timezone.now()).total_seconds())


def let_time_pass():
    """As if the wait were over."""
    NoaaList.objects.update(not_before=timezone.now())
    dispatch_due(NoaaList)


# -- The table -------------------------------------------------------------------------------------


def test_the_table_is_replaced_and_says_what_came_and_went(imported):
    stored = noaa.store_pairs([Pair(1, 11067), Pair(45, 11073), Pair(2, 11064)], "another")
    assert str(stored) == "3 pairs of HARP and NOAA region: 1 came, 3 went."
    assert pairs() == {(1, 11067), (45, 11073), (2, 11064)}
    assert (listed().n_pairs, listed().source) == (3, "another")


@pytest.mark.parametrize("force", [False, True])
def test_an_empty_list_never_replaces_one(imported, force):
    before = pairs()
    with pytest.raises(ListError, match="has no pair"):
        noaa.store_pairs([], "broken", force=force)
    assert pairs() == before


def test_a_list_that_is_too_short_replaces_one_only_by_force(imported):
    before = pairs()
    with pytest.raises(ListError, match="2 pairs, less than half of the 5 that are held"):
        noaa.store_pairs([Pair(1, 11067), Pair(2, 11064)], "short")
    assert (pairs(), listed().source) == (before, "a test")
    noaa.store_pairs([Pair(1, 11067), Pair(2, 11064)], "short", force=True)
    assert len(pairs()) == 2
    noaa.store_pairs([Pair(1, 11067)], "just half")


def test_a_text_that_is_no_list_says_so(imported):
    with pytest.raises(ListError, match="no line is one of a list of HARPs and NOAA regions; in line 1 a line has"):
        noaa.import_text("<html>\n<body>", "an error page")
    assert len(pairs()) == 5


def test_an_import_starts_no_schedule(imported, queues):
    assert (listed().state, listed().every_hours, listed().not_before) == ("done", 0, None)
    assert not listed().is_open
    assert queues.commit().jobs == []


# -- Reading it ------------------------------------------------------------------------------------


def test_it_is_read_when_told_to_and_then_every_day(lena, server, queues):
    assert noaa.refresh_now(lena)
    assert queues.commit().jobs == [(JOB, 1)]
    queues.work(times=2)  # a job may run twice
    assert len(pairs()) == 5
    assert (listed().state, listed().source, listed().problem) == ("waiting", server.address, "")
    assert abs(pause_s() - 24 * 3600) < 60

    server.text += "500 11200\n"
    let_time_pass()
    queues.work()
    assert (500, 11200) in pairs()


def test_it_is_read_at_once_though_it_waits(lena, server, queues):
    noaa.refresh_now(lena)
    assert noaa.refresh_now(lena)  # a second click, before a worker has it: still one job
    queues.work()
    assert server.n_asked == 1
    assert noaa.refresh_now(lena)
    queues.work()
    assert server.n_asked == 2


def test_while_it_is_read_it_is_not_read_again(lena, server):
    noaa.refresh_now(lena)
    NoaaList.objects.update(state=Task.State.RUNNING, attempts=1)
    assert not noaa.refresh_now(lena)
    assert not noaa.refresh_now()


def test_a_trouble_of_the_server_is_waited_out_ever_longer(lena, imported, server, queues):
    server.status = 503
    noaa.refresh_now(lena)
    pauses = []
    for _ in range(11):
        queues.work()
        pauses.append(pause_s())
        let_time_pass()
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert len(pairs()) == 5
    assert "answered 503" in listed().problem
    assert listed().problem.endswith("; what is held stays.")

    server.status = 200
    queues.work()
    assert listed().problem == ""
    server.status = 503
    noaa.schedule(lena, 24)
    let_time_pass()
    queues.work()
    assert pause_s() == 10  # after a good reading the waits are short again


def test_a_database_that_is_busy_is_waited_out(lena, imported, server, queues, monkeypatch):
    actual, n_calls = noaa.import_text, []

    def busy(*args, **options):
        n_calls.append(1)
        if len(n_calls) < 3:
            raise OperationalError("database is locked")
        return actual(*args, **options)

    monkeypatch.setattr(noaa, "import_text", busy)
    server.text = TEXT + "999 11999\n"
    noaa.refresh_now(lena)
    pauses = []
    for _ in range(2):
        queues.work()
        pauses.append(pause_s())
        let_time_pass()
    assert pauses == [10, 20]
    queues.work()
    assert (listed().problem, len(n_calls), len(pairs())) == ("", 3, 6)


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (404, TEXT, "answered 404"),
        (200, "<html>moved</html>", "No line is one of a list"),
        (200, "HARPNUM NOAA_ARS\n", "The list has no pair"),
        (200, "1 11067\n", "The list has 1 pairs, less than half"),
    ],
)
@pytest.mark.parametrize("hours", [0, 6])
def test_a_list_that_is_no_good_changes_nothing(lena, imported, server, queues, hours, status, text, words):
    server.status, server.text = status, text
    noaa.schedule(lena, hours)
    noaa.refresh_now(lena)
    queues.work()
    assert len(pairs()) == 5
    assert words in listed().problem
    if hours:  # the next one may be better
        assert listed().state == "waiting"
        assert abs(pause_s() - 6 * 3600) < 60
    else:
        assert listed().state == "failed"
        assert words.lower() in listed().error.lower()


def test_some_bad_lines_are_told_and_the_others_kept(lena, server, queues):
    server.text = TEXT + "x 1\n400 x\n"
    noaa.refresh_now(lena)
    queues.work()
    assert len(pairs()) == 5
    assert listed().problem == "2 lines were left out, the first one line 6: 'x' is no HARP number."


def test_an_attempt_that_was_taken_for_dead_stores_nothing(lena, imported, server, queues, monkeypatch):
    noaa.refresh_now(lena)
    queues.commit()

    def slow(address):
        NoaaList.objects.update(attempts=7, state=Task.State.WAITING)  # queued again meanwhile
        return "1 1\n2 2\n3 3\n"

    monkeypatch.setattr("poreweb.acquire.fetch.read_text", slow)
    before = pairs()
    queues.work()
    assert pairs() == before
    assert listed().attempts == 7


def test_the_schedule_may_be_changed_and_ended(lena, imported, server, queues):
    noaa.schedule(lena, 6)
    assert abs(pause_s() - 6 * 3600) < 60
    noaa.schedule(lena, 1)
    assert abs(pause_s() - 3600) < 60
    noaa.schedule(lena, 0)
    assert (listed().state, listed().not_before) == ("done", None)
    assert noaa.refresh_now(lena)
    queues.work()
    assert listed().state == "done"


def test_a_schedule_changed_while_it_is_read_holds_afterwards(lena, imported, server, queues, monkeypatch):
    noaa.refresh_now(lena)
    read = noaa.import_text

    def meanwhile(*args, **options):
        noaa.schedule(lena, 3)
        return read(*args, **options)

    monkeypatch.setattr(noaa, "import_text", meanwhile)
    queues.work()
    assert abs(pause_s() - 3 * 3600) < 60


def test_a_schedule_of_a_list_that_was_never_read_begins_now(lena, server, queues):
    noaa.schedule(lena, 24)
    dispatch_due(NoaaList)
    queues.work()
    assert len(pairs()) == 5


# -- The page --------------------------------------------------------------------------------------


def test_the_page_of_no_list_says_what_to_do(sign_in):
    assert "Read it from JSOC with" in sign_in("lena").get(PAGE).text
    text = sign_in("alice").get(PAGE).text
    assert "A lead of a team can read it from JSOC." in text
    assert "never read" in text
    assert 'name="every_hours"' not in text


def test_the_page_asks_for_itself_while_the_list_is_read(sign_in, server, queues):
    client = sign_in("lena")
    response = client.post(reverse("acquire:refresh-noaa-list"), follow=True)
    assert "as soon as a worker is free" in response.text
    assert 'hx-trigger="every 2s"' in response.text
    assert "There is nothing in it yet." in response.text
    assert "noaa-pairs" not in client.get(PAGE, headers={"HX-Request": "true"}).text  # somebody may be typing there
    asked = f"{PAGE}?q=NOAA+11073"
    assert f'hx-get="{asked}"' in client.get(asked).text
    queues.work()
    assert 'hx-trigger="every 2s"' not in client.get(PAGE).text
    part = client.get(asked, headers={"HX-Request": "true"}).text
    assert '<p hx-swap-oob="innerHTML:#announce">The list was read.</p>' in part
    pairs = part[part.index('<section id="noaa-pairs"') :]
    assert 'hx-swap-oob="true"' in pairs
    assert re.findall(r"q=HARP\+(\d+)", pairs) == ["45", "46"]
    assert "<html" not in part
    assert "every 24 hours" in part
    assert server.address in part


@pytest.mark.parametrize(
    ("query", "harps"),
    [
        ({}, [1, 45, 46, 377]),
        ({"q": "11073"}, [45, 46]),
        ({"q": "1107"}, []),
        ({"q": "377 11067"}, [1, 377]),
        ({"q": "NOAA 377"}, []),
        ({"q": "HARP 377"}, [377]),
        ({"q": "pore"}, []),
        ({"many": "harp"}, [45]),
        ({"many": "noaa"}, [45, 46]),
        ({"many": "noaa", "q": "46"}, [46]),
        ({"many": "?", "page": "x"}, [1, 45, 46, 377]),
    ],
)
def test_the_page_is_filtered_by_whole_numbers(as_alice, imported, query, harps):
    response = as_alice.get(PAGE, query)
    assert [row.harpnum for row in response.context["rows"]] == harps


def test_a_region_in_several_harps_names_the_others(as_alice, imported):
    rows = {row.harpnum: row.regions for row in as_alice.get(PAGE).context["rows"]}
    assert rows[45] == ((11073, (46,)), (11077, ()))
    assert rows[46] == ((11073, (45,)),)


def test_the_list_comes_in_pages(as_alice, team, django_assert_max_num_queries):
    noaa.store_pairs([Pair(k, 11000 + k) for k in range(1, 252)], "a test")
    with django_assert_max_num_queries(16):
        page = as_alice.get(PAGE, {"page": "3", "many": ""})
    assert [row.harpnum for row in page.context["rows"]] == list(range(101, 151))
    assert "251 HARPs" in page.text
    assert "?page=2&amp;many=" in page.text


def test_a_lead_imports_a_list(sign_in, imported):
    client, address = sign_in("lena"), reverse("acquire:import-noaa-list")
    file = SimpleUploadedFile("mine.txt", f"{TEXT}500 11200\n".encode("utf-16"))
    response = client.post(address, {"file": file}, follow=True)
    assert "6 pairs of HARP and NOAA region: 1 came, 0 went." in response.text
    assert listed().source == "the file mine.txt, by lena"

    refused = client.post(address, {"text": "1 11067\nx\n"})
    assert "Nothing was changed: the list has 1 pairs, less than half" in refused.text
    assert "1 11067\nx\n" in refused.text
    taken = client.post(address, {"text": "1 11067\nx\n", "force": "on"})
    assert "5 went" in taken.text
    assert "<strong>Line 2:</strong> A line has a HARP number" in taken.text
    assert "Paste a list, or choose a file with one." in client.post(address, {"text": " "}).text
    big = SimpleUploadedFile("big.txt", b"1 1\n" * 250_001)
    assert "a list may have" in client.post(address, {"file": big}).text


def test_a_lead_sets_the_schedule(sign_in, imported):
    client, address = sign_in("lena"), reverse("acquire:schedule-noaa-list")
    assert "every 6 hours" in client.post(address, {"every_hours": 6}, follow=True).text
    for bad in ("-1", "x", "", "100000", "9" * 4000):
        assert "every 6 hours" in client.post(address, {"every_hours": bad}).text
        assert listed().every_hours == 6


@pytest.mark.parametrize("name", ["alice", "visitor", "mallory"])
def test_only_leads_change_it(sign_in, imported, everything, name):
    before, client = everything(), sign_in(name)
    for verb, form in (("refresh", {}), ("schedule", {"every_hours": 3}), ("import", {"text": TEXT})):
        response = client.post(reverse(f"acquire:{verb}-noaa-list"), form)
        assert response.status_code == 403
        assert "only a lead of one of them may change it" in response.text
        assert client.get(reverse(f"acquire:{verb}-noaa-list")).status_code == 405
    assert everything() == before


# -- The command line ------------------------------------------------------------------------------


def said(*args):
    out = StringIO()
    call_command("noaa_list", *args, stdout=out)
    return out.getvalue()


def test_the_command_imports_and_refreshes(team, tmp_path, server):
    assert "There is no list yet" in said()
    (tmp_path / "list.txt").write_text("1 11067\nx\n")
    assert said(tmp_path / "list.txt").splitlines() == [
        "Line 2: a line has a HARP number and, after a space, NOAA numbers with commas between them.",
        "1 pairs of HARP and NOAA region: 1 came, 0 went.",
    ]
    assert "1 line was left out" in said()
    assert "5 pairs of HARP and NOAA region: 4 came, 0 went." in said("--refresh")
    assert f"5 pairs, from {server.address}, read 20" in said()
    with pytest.raises(CommandError, match="less than half of the 5 that are held"):
        said(tmp_path / "list.txt")
    assert "4 went" in said(tmp_path / "list.txt", "--force")


def test_the_command_says_what_is_wrong(team, tmp_path, server):
    with pytest.raises(CommandError, match="not both"):
        said(tmp_path, "--refresh")
    with pytest.raises(CommandError, match="missing cannot be read: No such file"):
        said(tmp_path / "missing")
    server.status = 500
    with pytest.raises(CommandError, match="answered 500"):
        said("--refresh")
