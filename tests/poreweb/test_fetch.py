"""The one door to other people's servers: nobody is led past it, by an address, a redirect or a name."""

import socket
import urllib.request
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from hypothesis import given
from hypothesis import strategies as st

from poreweb.acquire import fetch, jsoc
from poreweb.acquire.fetch import FetchError, GoneError, NotAllowedError, TroubleError, download, read_text
from tests.poreweb import tiny_server
from tests.poreweb.tiny_server import BODY, Tiny

servers, ours, theirs, part = tiny_server.servers, tiny_server.ours, tiny_server.theirs, tiny_server.part


# -- Addresses -----------------------------------------------------------------------------------------------

ALLOWED = [
    "http://jsoc.test:8099/x", "HTTP://JSOC.Test:8099/x", "https://hek.test/her?cmd=search&x=[1]", "http://hek.test/",
    "http://files.test:80/", "https://files.test:443/", "http://[::1]:8080/x", "http://jsoc.test:8099",
]  # fmt: skip
REFUSED = [
    "http://jsoc.test/x", "http://jsoc.test:80/x", "http://jsoc.test:0/x", "http://hek.test:8099/", "http://evil.test/",
    "http://jsoc.test.:8099/x", "http://jsoc.test.evil.test:8099/", "http://xjsoc.test:8099/", "http://test:8099/",
    "http://[::1]/", "http://[::2]:8080/", "http://[::1%25lo]:8080/", "http://[::ffff:127.0.0.1]:8080/", "http://[::1",
    "http://jsoc.test:8099@evil.test/", "http://jsoc.test@evil.test:8099/", "http://evil.test@jsoc.test:8099/",
    "http://a:b@jsoc.test:8099/", "http://evil.test:80@jsoc.test:8099/", "http://evil.test%40jsoc.test:8099/",
    "http://evil.test\\@jsoc.test:8099/", "http://jsoc.test:8099\\@evil.test/", "http://jsoc.test:8099/a\\b",
    "http:\\\\jsoc.test:8099\\x", "http://jsoc.test:8099/\r\nHost: evil.test", "http://jsoc.\ttest:8099/",
    " http://jsoc.test:8099/", "http://jsoc.test:8099/a b", "http://jsoc.test:8099/\x00", "http://jsoc.test:8099/\x7f",
    "http://jsoc.test:8099/über", "http://ｊｓｏｃ.test:8099/", "http://jѕoc.test:8099/", "http://xn--joc-9xd.test:8099/",
    "http://jsoc。test:8099/", "http://jsoc.test:８099/", "http://jsoc.test:99999/", "http://jsoc.test:80x/",
    "http://2130706433:8099/", "http://0x7f.1:8099/", "http://169.254.169.254/latest/meta-data/", "http:///x",
    "http:/x", "http:x", "//jsoc.test:8099/x", "jsoc.test:8099/x", "", "file:///etc/passwd", "file://jsoc.test/etc/passwd",
    "ftp://jsoc.test:8099/x", "data:text/plain,x", "javascript:alert(1)", "gopher://jsoc.test:8099/", "about:blank",
]  # fmt: skip


@pytest.fixture
def known_hosts(settings: LazySettings) -> None:
    settings.JSOC_URL, settings.HEK_URL = "http://jsoc.test:8099/", "https://hek.test/her?"
    settings.NOAA_LIST_URL, settings.FETCH_HOSTS = "http://jsoc.test:8099/list", ["files.test", "[::1]:8080"]


@pytest.mark.parametrize("url", ALLOWED, ids=range(len(ALLOWED)))
def test_the_hosts_of_the_settings_are_allowed(known_hosts: None, url: str):
    fetch.must_be_allowed(url)


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
def test_no_other_address_is(known_hosts: None, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("somebody looked the host up"))
    with pytest.raises(NotAllowedError) as refusal:
        fetch.must_be_allowed(url)
    assert str(refusal.value).isprintable()
    with pytest.raises(NotAllowedError):
        download(url, tmp_path / "part")
    with pytest.raises(NotAllowedError):
        read_text(url)
    assert not list(tmp_path.iterdir())


@given(st.text(max_size=40))
def test_no_text_at_all_leads_elsewhere(text: str):
    """Whatever is behind the scheme, the host that is connected to is the allowed one."""
    for url in (f"http://jsoc.test:8099{text}", f"http://{text}jsoc.test:8099/", f"http://{text}", text):
        with (
            pytest.MonkeyPatch.context() as patched,
            suppress(NotAllowedError),
        ):
            patched.setattr(fetch, "allowed_hosts", lambda: {("jsoc.test", 8099)})
            fetch.must_be_allowed(url)
            request = urllib.request.Request(url)
            assert (request.type, request.host.lower()) == ("http", "jsoc.test:8099")


# -- Redirects -----------------------------------------------------------------------------------------------

CODES = (301, 302, 303, 307, 308)
ELSEWHERE = [
    "http://127.0.0.1:{theirs}/x", "http://localhost:{theirs}/x", "http://localhost:{ours}/x", "//127.0.0.1:{theirs}/x",
    "http://127.0.0.1:{ours}@127.0.0.1:{theirs}/x", "http://a@127.0.0.1:{ours}/x", "http://127.1:{ours}/x",
    "http://127.0.0.1.:{ours}/x", "http://[::1]:{ours}/x", "http://[::ffff:127.0.0.1]:{ours}/x", "file:///etc/passwd",
    "file://127.0.0.1:{ours}/etc/passwd", "ftp://127.0.0.1:{theirs}/x", "data:text/plain,secret", "javascript:alert(1)",
    "http://169.254.169.254/latest/meta-data/", "https://127.0.0.1:{theirs}/x", "http://0:{theirs}/x",
    "http:\\\\127.0.0.1:{theirs}\\x", "http://127.0.0.1:{theirs}\\@127.0.0.1:{ours}/x", "\\\\127.0.0.1:{theirs}/x",
    "gopher://127.0.0.1:{theirs}/x",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_no_redirect_leads_elsewhere(target: str, ours: Tiny, theirs: Tiny, part: Path):
    target = target.format(ours=ours.port, theirs=theirs.port)
    for code in CODES:
        ours.asked.clear()
        ours.reply = lambda asked, code=code: (
            asked.say(code, Location=target) if asked.path == "/first" else asked.say(200, b"")
        )
        url = f"{ours.address}/first"
        for fetched in (lambda: download(url, part), lambda: read_text(url)):  # noqa: B023
            with suppress(NotAllowedError):
                got = fetched()
                # a path with backslashes in it is one of the same server
                assert not got, target
                assert len(ours.asked) == 2
            ours.asked.clear()
        assert not part.exists() or part.stat().st_size == 0
    assert theirs.asked == []


def test_most_of_them_are_refused_in_words(ours: Tiny, theirs: Tiny):
    said = {}
    for target in (f"{theirs.address}/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"):
        ours.reply = lambda asked, target=target: asked.say(302, Location=target)
        with pytest.raises(NotAllowedError) as refusal:
            read_text(f"{ours.address}/x")
        said[target] = str(refusal.value)
    first, *_, data = said.values()
    assert first == f"{theirs.address} is not among the servers that this site may fetch from (FETCH_HOSTS)"
    assert data == "the server answered 302 Found, and where that leads is not fetched"


@pytest.mark.parametrize("code", CODES)
def test_a_redirect_within_what_is_allowed_is_followed(code: int, ours: Tiny, part: Path):
    ours.reply = lambda asked: asked.say(200, BODY) if asked.path == "/b" else asked.say(code, Location="/b")
    assert download(f"{ours.address}/a", part) == len(BODY)
    assert part.read_bytes() == BODY
    assert [path for path, _ in ours.asked] == ["/a", "/b"]


def test_a_circle_ends(ours: Tiny, part: Path):
    ours.reply = lambda asked: asked.say(302, Location=f"/{int(asked.path[1:]) + 1}")
    with pytest.raises(NotAllowedError, match="answered 302 Found"):
        download(f"{ours.address}/1", part)
    assert len(ours.asked) < 20


def test_drms_is_not_led_elsewhere_either(ours: Tiny, theirs: Tiny):
    ours.reply = lambda asked: asked.say(302, Location=f"{theirs.address}{asked.path}")
    for ask in (
        lambda: jsoc.last_t_rec("hmi.sharp_cea_720s", 377), lambda: jsoc.is_registered("a@example.org"),
        lambda: jsoc.submit("hmi.sharp_cea_720s[377][]", email="a@example.org", method="url"),
        lambda: jsoc.status_of("JSOC_20110215_001"),
    ):  # fmt: skip
        with pytest.raises(NotAllowedError):
            ask()
    assert len(ours.asked) == 4
    assert theirs.asked == []


# -- What a server may name as its files ------------------------------------------------------------------------

NAMES = [
    "//127.0.0.1:{theirs}/x", "http://127.0.0.1:{theirs}/x", "HTTP://127.0.0.1:{theirs}/x", "/\\127.0.0.1:{theirs}/x",
    "\\\\127.0.0.1:{theirs}\\x", "http:\\\\127.0.0.1:{theirs}\\x", "@127.0.0.1:{theirs}/x", ":{theirs}/x",
    "http://127.0.0.1:{ours}@127.0.0.1:{theirs}/x", "../../../etc/passwd", "/../../etc/passwd", "file:///etc/passwd",
    "ftp://127.0.0.1:{theirs}/x", "data:text/plain,secret", "javascript:alert(1)", "x\r\nHost: 127.0.0.1:{theirs}",
    "x y", "über.fits", "x?y#z", "%2e%2e/%2e%2e/x", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("field", ["filename", "dir", "tarfile"])
def test_no_name_in_an_answer_leads_elsewhere(field: str, ours: Tiny, theirs: Tiny, tmp_path: Path):
    for number, pattern in enumerate(NAMES):
        name = pattern.format(ours=ours.port, theirs=theirs.port)
        raw: dict[str, Any] = {
            "data": [{"record": "hmi.sharp_cea_720s[377][2011.02.15_00:00:00_TAI]", "filename": "a"}]
        }
        if field == "filename":
            raw["data"][0]["filename"] = name
        else:
            raw[field] = name
        ((_, url),) = jsoc.Answer(0, "", raw).files
        ours.asked.clear()
        try:
            download(url, tmp_path / f"{number}.part")
        except NotAllowedError:
            assert ours.asked == []
        else:
            assert len(ours.asked) == 1
    assert theirs.asked == []
    assert {path.parent for path in tmp_path.rglob("*")} == {tmp_path}


@pytest.mark.parametrize("data", [None, "text", 7, [None, 3, "x", []], [{}], [{"filename": None}]], ids=repr)
def test_an_answer_of_another_form_has_no_files(data: Any):
    answer = jsoc.Answer(0, "", {"data": data, "dir": "/SUM1"})
    assert [name for _, name in answer.files if not name.endswith("/None")] == []
    assert answer.absent(["Br"]) == {}


@pytest.mark.parametrize(
    "series",
    ["", "hmi.M_720s", "hmi.sharp_cea_720s[1]", "hmi.sharp_cea_720s'", 'hmi.sharp_cea_720s"', "hmi.sharp_cea_720s,x",
     "hmi.sharp_cea_720s[? 1=1 ?]", " hmi.sharp_cea_720s", "HMI.SHARP_CEA_720S", "hmi.sharp_cea_720s\n", "@x"],
    ids=range(11),
)  # fmt: skip
def test_only_two_series_are_asked_for(series: str, ours: Tiny):
    with pytest.raises(FetchError, match="is no series that is fetched"):
        jsoc.record_set(series, 377)
    with pytest.raises(FetchError, match="is no series that is fetched"):
        jsoc.last_t_rec(series, 377)
    assert ours.asked == []


@pytest.mark.parametrize(
    "name", ["", "JSOC_1", "JSOC_20110215_001&op=x", "JSOC_20110215_001\n", "../x", "JSOC_20110215_"]
)
def test_only_names_of_exports_are_asked_about(name: str, ours: Tiny):
    with pytest.raises(FetchError, match="is no export's name"):
        jsoc.status_of(name)
    assert ours.asked == []


# -- Proxies ---------------------------------------------------------------------------------------------------


def test_a_proxy_is_asked_for_what_is_allowed_alone(ours: Tiny, theirs: Tiny, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "ftp_proxy", "all_proxy"):
        monkeypatch.setenv(name, theirs.address)
    assert read_text(f"{ours.address}/x") == BODY.decode(errors="replace")
    assert ([path for path, _ in theirs.asked], ours.asked) == ([f"{ours.address}/x"], [])
    theirs.reply = lambda asked: asked.say(302, Location=f"{theirs.address}/y")
    for url in (f"{theirs.address}/x", "http://evil.test/", "ftp://127.0.0.1/x", "file:///etc/passwd"):
        with pytest.raises(NotAllowedError):
            read_text(url)
    assert len(theirs.asked) == 1
    with pytest.raises(NotAllowedError):  # nor may it send us on
        read_text(f"{ours.address}/x")
    assert len(theirs.asked) == 2


# -- What a server says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [(500, TroubleError), (502, TroubleError), (503, TroubleError), (429, TroubleError), (408, TroubleError),
     (404, GoneError), (403, GoneError), (410, GoneError), (400, FetchError), (401, FetchError),
     (304, NotAllowedError)],
)  # fmt: skip
def test_what_the_server_says_is_told_apart(code: int, kind: type[FetchError], ours: Tiny, part: Path):
    ours.reply = lambda asked: asked.say(code)
    for ask in (lambda: download(f"{ours.address}/x", part), lambda: read_text(f"{ours.address}/x")):
        with pytest.raises(FetchError, match=f" answered {code}") as problem:
            ask()
        assert type(problem.value) is kind


def test_nobody_there_is_a_trouble(ours: Tiny, settings: LazySettings, part: Path):
    settings.FETCH_HOSTS = ["127.0.0.1:9"]
    with pytest.raises(TroubleError, match="the server cannot be reached"):
        download("http://127.0.0.1:9/x", part)


def test_a_cut_text_is_not_taken_for_whole(ours: Tiny):
    ours.reply = lambda asked: asked.say(200, b"377 11158\n378 1115", promised=100)
    with pytest.raises(TroubleError, match="after 18 of 100 bytes"):
        read_text(f"{ours.address}/x")
    ours.reply = lambda asked: asked.say(200, b"x" * 101)
    with pytest.raises(FetchError, match="larger than 100 bytes"):
        read_text(f"{ours.address}/x", most_bytes=100)
    assert read_text(f"{ours.address}/x", most_bytes=101) == "x" * 101


# -- What is left of a visit ---------------------------------------------------------------------------------------


def test_the_process_is_as_before(ours: Tiny, settings: LazySettings):
    urllib.request.install_opener(mine := urllib.request.build_opener())
    try:
        for url in (f"{ours.address}/x", "http://evil.test/"):
            with suppress(NotAllowedError):
                read_text(url)
            assert urllib.request._opener is mine  # type: ignore[attr-defined]
            assert socket.getdefaulttimeout() is None
        settings.FETCH_TIMEOUT_S = 7
        with fetch.guarded():
            assert socket.getdefaulttimeout() == 7
            answer: HTTPResponse = urllib.request.urlopen(f"{ours.address}/x")
            answer.close()
    finally:
        urllib.request.install_opener(None)  # type: ignore[arg-type]
