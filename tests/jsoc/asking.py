"""Plain requests to a stand-in, without any client's own ideas of what an answer must be."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.jsoc.records import Archive
from tests.jsoc.server import JsocStandIn

SERIES = "hmi.sharp_cea_720s"
ADDRESS = "a.b+c@example.org"
HOUR = f"{SERIES}[377][2011.02.15_00:00:00_TAI/1h]{{continuum,Br}}"  # 5 records, 10 files of a small archive
ONE = f"{SERIES}[377][2011.02.15_00:00:00_TAI]{{Br}}"


def ask(jsoc: JsocStandIn, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Any:
    """Status, headers and body of one request; -1 for a connection that was closed without an answer."""
    connection = http.client.HTTPConnection(urlsplit(jsoc.address).netloc, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        with connection.getresponse() as response:
            try:
                return response.status, response.headers, response.read()
            except http.client.IncompleteRead as cut:
                return response.status, response.headers, cut.partial
    except (ConnectionError, http.client.RemoteDisconnected):
        return -1, {}, b""
    finally:
        connection.close()


def fetch(jsoc: JsocStandIn, **query: str) -> dict[str, Any]:
    """An answer of jsoc_fetch."""
    usual = {"method": "url", "protocol": "fits", "notify": ADDRESS} if query["op"] == "exp_request" else {}
    return json.loads(ask(jsoc, f"/cgi-bin/ajax/jsoc_fetch?{urlencode({**usual, **query})}")[2])


def request(jsoc: JsocStandIn, ds: str = ONE, **query: str) -> dict[str, Any]:
    return fetch(jsoc, op="exp_request", ds=ds, **query)


def status(jsoc: JsocStandIn, requestid: str) -> dict[str, Any]:
    return fetch(jsoc, op="exp_status", requestid=requestid)


def path_of(archive: Archive) -> str:
    """Where the as-is file of the first record's Br lies."""
    return f"{archive.records(SERIES)[0].folder}/Br.fits"
