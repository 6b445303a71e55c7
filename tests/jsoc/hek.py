"""The Heliophysics Event Knowledgebase's search, over events that are given to it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

PAGE = 200
# A row as HEK answers it: the columns of every event and those of active regions, flares and sunspots.
_EMPTY: dict[str, Any] = {
    "event_type": "AR", "concept": "", "kb_archivid": "", "kb_archivdate": "", "kb_archivist": "",
    "event_starttime": "", "event_endtime": "", "event_peaktime": None, "event_title": "", "event_description": "",
    "event_coordsys": "UTC-HGS-TOPO", "event_coordunit": "degrees", "event_coord1": 0.0, "event_coord2": 0.0,
    "event_coord3": None, "event_c1error": 0.0, "event_c2error": 0.0, "event_probability": None,
    "event_testflag": "false", "event_score": "0", "active": "true",
    "frm_name": "", "frm_institute": "", "frm_identifier": "", "frm_humanflag": "false", "frm_specificid": "",
    "frm_url": "", "obs_observatory": "SDO", "obs_instrument": "HMI", "obs_channelid": "", "obs_meanwavel": None,
    "obs_wavelunit": "", "hgs_x": 0.0, "hgs_y": 0.0, "hpc_x": 0.0, "hpc_y": 0.0, "hgc_x": 0.0, "hgc_y": 0.0,
    "hgs_coord": "", "hpc_coord": "", "hgc_coord": "", "hrc_coord": "", "hgs_bbox": "", "hpc_bbox": "",
    "hgc_bbox": "", "hrc_bbox": "", "hgs_boundcc": "", "hpc_boundcc": "", "hgc_boundcc": "", "hrc_boundcc": "",
    "bound_chaincode": "", "skel_chaincode": "", "boundbox_c1ll": None, "boundbox_c2ll": None,
    "boundbox_c1ur": None, "boundbox_c2ur": None, "area_atdiskcenter": None, "area_atdiskcenteruncert": None,
    "area_raw": None, "area_uncert": None, "area_unit": None, "ar_noaanum": None, "ar_noaaclass": None,
    "ar_mtwilsoncls": None, "ar_mcintoshcls": None, "ar_numspots": None, "ar_polarity": None,
    "ar_spotarearaw": None, "ar_spotarearawunit": None, "ar_spotarearepr": None, "ar_spotareareprunit": None,
    "sharp_noaa_ars": None, "fl_goescls": None, "fl_peakflux": None, "fl_peakfluxunit": None,
    "ss_spinrate": None, "ss_spinrateunit": None, "refs": [], "SOL_standard": "", "gs_thumburl": "",
}  # fmt: skip
_CONCEPTS = {"AR": "Active Region", "FL": "Flare", "SS": "Sunspot", "EF": "Emerging Flux", "CE": "CME"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "like": lambda a, b: str(b).strip("%") in str(a),
}  # fmt: skip


def full_event(given: Mapping[str, Any]) -> dict[str, Any]:
    """
    An event with all columns; what is not given is empty, as in HEK.

    ``hgs_x`` and ``hgs_y`` (Stonyhurst, degrees) give the other ways of telling the same place.
    """
    event = {**_EMPTY, **given}
    kind = event["event_type"] = str(event["event_type"]).upper()
    event["concept"] = event["concept"] or _CONCEPTS.get(kind, "Other")
    x, y = event["hgs_x"], event["hgs_y"]
    if "event_coord1" not in given:
        event["event_coord1"], event["event_coord2"] = x, y
    event["hgs_coord"] = event["hgs_coord"] or f"POINT({x} {y})"
    event["SOL_standard"] = event["SOL_standard"] or f"SOL{event['event_starttime']}"
    event["kb_archivid"] = event["kb_archivid"] or f"ivo://stand-in/{kind}_{event['SOL_standard']}"
    return event


def search(events: Iterable[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of the events of some types that touch a span of time and pass all ``param0 op0 value0`` and so on."""
    kinds = {kind.strip().upper() for kind in query.get("event_type", "**").split(",")}
    begin, end = query.get("event_starttime", ""), query.get("event_endtime", "9999")
    found = [
        event
        for event in events
        if (kinds == {"**"} or event["event_type"] in kinds)
        and event["event_starttime"] <= end
        and event["event_endtime"] >= begin
        and _passes(event, query)
    ]
    found.sort(key=lambda event: event["event_starttime"])
    page, size = int(query.get("page") or 1), int(query.get("result_limit") or PAGE)
    shown = found[(page - 1) * size : page * size]
    columns = [name.strip().lower() for name in query.get("return", "").split(",") if name.strip()]
    if columns:
        shown = [{key: value for key, value in event.items() if key.lower() in columns} for event in shown]
    return {"association": [], "result": shown, "overmax": page * size < len(found)}


def _passes(event: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    lower = {key.lower(): value for key, value in event.items()}
    number = 0
    while name := query.get(f"param{number}"):
        sign = query.get(f"op{number}") or query.get(f"operator{number}") or "="
        wanted: Any = query.get(f"value{number}", "")
        value = lower.get(name.lower())
        if value is None:
            return False
        if isinstance(value, int | float):
            wanted = float(wanted)
        if not _COMPARE[sign](value, wanted):
            return False
        number += 1
    return True
