"""What is asked for: the addresses of JSOC and HEK, by kind."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

CGI = "/cgi-bin/ajax/"
NOAA_LIST = "/doc/data/hmi/harpnum_to_noaa/all_harps_with_noaa_ars.txt"
HEK = "/hek/her"
FILE = re.compile(r"(/SUM\d+/D\d+/S\d+)/([^/]+)")


@dataclass
class Question:
    """One request, understood: ``place`` is the kind of its address, as faults and the log call it."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    place: str | None


def place_of(path: str, query: Mapping[str, str]) -> str | None:
    """What kind of address it is; None for those that do not exist."""
    if path.startswith(CGI):
        name = path.removeprefix(CGI)
        of_name = {"show_series": "series", "showextseries": "series", "jsoc_info": "info", "checkAddress.sh": "email"}
        if name == "jsoc_fetch":
            return {"exp_request": "request", "exp_status": "status"}.get(query.get("op", ""))
        return of_name.get(name)
    if found := FILE.fullmatch(path):
        return "tar" if found[2].endswith(".tar") else "index" if found[2].startswith("index.") else "file"
    return {NOAA_LIST: "noaa", HEK: "hek"}.get(path)
