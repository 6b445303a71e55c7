"""The answers of jsoc_info, show_series and showextseries, as dictionaries."""

import re
import time
from collections.abc import Mapping
from typing import Any

from tests.jsoc.problems import QueryError
from tests.jsoc.record_sets import select
from tests.jsoc.records import PER_SEGMENT, PRIME_KEYS, SEGMENTS, Archive, Record, drms_text, last_change

NOTE = "Spaceweather HMI Active Region Patch (SHARP): CEA Cylindrical Equal Area Projection"
_UNITS = {"continuum": "DN/s", "Dopplergram": "cm/s", "bitmap": "", "conf_disambig": ""}
_CONSTANT = ("T_REC_epoch", "T_REC_step", "T_REC_unit", "RSUN_REF", "DSUN_REF")
_TIME = re.compile(r"\d{4}[.-]\d\d[.-]\d\d[_T]\d\d:\d\d.*")


def show_series(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    """The series whose names a regular expression finds; everything without one."""
    names = [
        {"name": name, "primekeys": ", ".join(PRIME_KEYS), "note": NOTE}
        for name in archive.series
        if re.search(query.get("filter") or "", name, re.IGNORECASE)
    ]
    return {"status": 0, "n": len(names), "names": names}


def show_ext_series(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    """The same for the public site, with or without descriptions."""
    names = [series["name"] for series in show_series(archive, query)["names"]]
    described = [{name: {"description": NOTE}} for name in names]
    return {"seriesList": described if query.get("info") == "1" else names, "errMsg": None}


def jsoc_info(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    """Do what ``op`` says; a question that cannot be answered has status 1."""
    begun = time.monotonic()
    operations = {"series_struct": series_struct, "rs_summary": rs_summary, "rs_list": rs_list}
    try:
        answer = operations[query.get("op", "")](archive, query)
    except KeyError:
        return {"status": 1, "error": f"no such op: {query.get('op', '')}"}
    except QueryError as problem:
        return {"status": 1, "error": str(problem)}
    return {**answer, "runtime": round(time.monotonic() - begun, 3), "status": 0}


def rs_summary(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    return {"count": len(select(archive, query.get("ds", ""), _limit(query)))}


def rs_list(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    """Keywords and segments of records, one list of values each; all values are text but the numbers of records."""
    records = [record for record, _ in select(archive, query.get("ds", ""), _limit(query))]
    if not records:
        return {"count": 0}
    series = records[0].series
    answer: dict[str, Any] = {}
    if query.get("R") == "1":
        answer["recinfo"] = [{"name": record.name, "online": int(record.is_online)} for record in records]
    keys = _names(query.get("key"), _all_keywords(archive, series))
    answer["keywords"] = [{"name": key, "values": [_value(record, key) for record in records]} for key in keys]
    segments = _names(query.get("seg"), archive.segments(series))
    answer["segments"] = [_segment(records, segment) for segment in segments]
    answer["links"] = [
        {"name": link, "values": ["Invalid_Link"] * len(records)} for link in _names(query.get("link"), [])
    ]
    return {**answer, "count": len(records)}


def export_list(export: Mapping[str, str] | None, query: Mapping[str, str]) -> dict[str, Any]:
    """The same of the record of one export, which has no segments here; of none when it is not known."""
    if export is None:
        return {"count": 0, "status": 0}
    keys = [
        {"name": key, "values": [export.get(key, "Invalid KeyLink")]} for key in _names(query.get("key"), [*export])
    ]
    return {"keywords": keys, "segments": [], "links": [], "count": 1, "status": 0}


def _limit(query: Mapping[str, str]) -> int:
    return int(query.get("n") or 0)


def _names(asked: str | None, known: list[str]) -> list[str]:
    """What is listed in ``key=`` or ``seg=``, with **ALL** written out."""
    names: list[str] = []
    for name in filter(None, (part.strip() for part in (asked or "").split(","))):
        if name == "**NONE**":
            return []
        names += known if name == "**ALL**" else [name]
    return names


def _all_keywords(archive: Archive, series: str) -> list[str]:
    numbers = [SEGMENTS.index(segment) for segment in archive.segments(series)]
    return archive.keyword_names(series) + [f"{name}_{number:03d}" for name in PER_SEGMENT for number in numbers]


def _value(record: Record, key: str) -> Any:
    """A keyword or one of the starred names that tell of storage."""
    special = {
        "*recnum*": record.recnum,
        "*sunum*": record.sunum,
        "*size*": str(sum(record.size(segment) for segment in record.files)),
        "*online*": "Y" if record.is_online else "N",
        "*retain*": "2038.01.19" if record.is_online else "N/A",
        "*archive*": "Y",
        "*recdir*": record.folder if record.is_online else "",
        "*dirmtime*": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last_change(record))),
        "*logdir*": "NO LOG",
    }
    if key in special:
        return special[key]
    try:
        return drms_text(key, record.value(key))
    except KeyError:
        return "Invalid KeyLink"


def _segment(records: list[Record], name: str) -> dict[str, Any]:
    values, dims, cparms = [], [], []
    for record in records:
        held = next((segment for segment in record.files if segment.lower() == name.lower()), None)
        path = f"{record.folder}/{held}.fits" if held else f"{record.folder}/"
        values.append(path if record.is_online else "NoDataDirectory")
        dims.append("x".join(str(side) for side in record.dims[held]) if held else "0x0")
        cparms.append("compress Rice")
    known = any(name.lower() == segment.lower() for record in records for segment in record.files)
    if not known:
        values, dims, cparms = ["InvalidSegName"] * len(records), ["NA"] * len(records), []
    return {"name": name, "values": values, "dims": dims, "cparms": cparms, "bzeros": [], "bscales": []}


def series_struct(archive: Archive, query: Mapping[str, str]) -> dict[str, Any]:
    """Everything about one series: its keywords with types and units, segments, first and last record."""
    wanted = re.match(r"\s*([\w.]*)", query.get("ds", ""))[1]  # type: ignore[index]
    series = next((name for name in archive.series if name.lower() == wanted.lower()), None)
    if series is None:
        raise QueryError("series not found")
    records = archive.records(series)
    first, last = records[0], records[-1]
    return {
        "note": NOTE,
        "retention": -60,
        "unitsize": 1,
        "archive": 1,
        "tapegroup": 7,
        "primekeys": list(PRIME_KEYS),
        "dbindex": list(PRIME_KEYS),
        "keywords": [_keyword(records, name) for name in archive.keyword_names(series)]
        + [_keyword(records, name, recscope="segment") for name in PER_SEGMENT],
        "segments": [_segment_info(segment) for segment in archive.segments(series)],
        "links": [],
        "Interval": {
            "FirstRecord": first.name, "FirstRecnum": first.recnum, "LastRecord": last.name,
            "LastRecnum": last.recnum, "MaxRecnum": max(record.recnum for record in records),
        },
    }  # fmt: skip


def _keyword(records: list[Record], name: str, recscope: str = "variable") -> dict[str, str]:
    kind = _type(records, name)
    return {
        "name": name,
        "type": kind,
        "recscope": "constant" if name in _CONSTANT else "slotted" if name == "T_REC" else recscope,
        "defval": {"int": "-2147483648", "double": "NaN", "time": "-4712.01.01_11:59:28_TAI"}.get(kind, ""),
        "units": "TAI" if name in ("T_REC", "T_OBS") else "ISO" if name.startswith("DATE") else "",
        "note": "",
    }


def _type(records: list[Record], name: str) -> str:
    """The DRMS type of a keyword, by the values that records have."""
    if name in PRIME_KEYS:
        return "int" if name == "HARPNUM" else "time"
    if name in PER_SEGMENT:
        return "string" if name == "BUNIT" else "int" if name.endswith("VALS") else "double"
    values = [record.keywords.get(name) for record in records]
    if texts := [value for value in values if isinstance(value, str)]:
        return "time" if _TIME.fullmatch(texts[0]) else "string"
    return "int" if all(isinstance(value, int) for value in values if value is not None) else "double"


def _segment_info(name: str) -> dict[str, str]:
    kind = "char" if name in ("bitmap", "conf_disambig") else "int"
    units = _UNITS.get(name, "Mx/cm^2")
    return {"name": name, "type": kind, "units": units, "protocol": "fits", "dims": "VARxVAR", "note": name}
