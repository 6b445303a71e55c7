"""Rows as HEK has them, and flares made of nothing but their times."""

from dataclasses import replace
from datetime import datetime, timedelta

from processing.solar_events import SolarEvent

DAY = datetime(2011, 2, 15)
# The X2.2 flare of AR 11158 as SWPC, SolarSoft and the trigger of AIA's flare detective have it in HEK: SWPC's
# has no place, SolarSoft's number has four digits.
SWPC = {
    "event_type": "FL", "kb_archivid": "ivo://helio-informatics.org/FL_SECstandard_20110310_1", "frm_name": "SWPC",
    "event_starttime": "2011-02-15T01:44:00", "event_peaktime": "2011-02-15T01:56:00",
    "event_endtime": "2011-02-15T02:06:00", "fl_goescls": "X2.2", "ar_noaanum": 11158, "hgs_x": 0.0, "hgs_y": 0.0,
    "hpc_x": 0.0, "hpc_y": 0.0,
}  # fmt: skip
SOLARSOFT = {
    **SWPC, "kb_archivid": "ivo://helio-informatics.org/FL_SSWLatestEvents_20110215_1", "frm_name": "SSW Latest Events",
    "ar_noaanum": 1158, "hgs_x": 12.0, "hgs_y": -21.0, "hpc_x": 190.1, "hpc_y": -234.6,
}  # fmt: skip
DETECTIVE = {
    "event_type": "FL", "frm_name": "Flare Detective - Trigger Module", "event_starttime": "2011-02-15T01:46:38",
    "kb_archivid": "ivo://helio-informatics.org/FL_FlareDetective-TriggerModule_20110215_1_2011-02-15T01:46:38.120_1",
    "event_peaktime": "2011-02-15T01:53:14", "event_endtime": "2011-02-15T02:12:02", "fl_goescls": "",
    "ar_noaanum": None, "hgs_x": 13.2, "hgs_y": -20.2, "hpc_x": 211.2, "hpc_y": -220.8,
}  # fmt: skip
SPOT = {
    "event_type": "SS", "frm_name": "EGSO_SFC", "kb_archivid": "ivo://helio-informatics.org/SS_EGSO_SFC_20110215_1_3",
    "event_starttime": "2011-02-15T01:36:07", "event_endtime": "2011-02-15T07:36:07", "event_peaktime": "",
    "area_atdiskcenter": 304370000.0, "area_unit": "km2", "hgs_x": 9.6, "hgs_y": -20.1, "ar_noaanum": None,
}  # fmt: skip


def flare(start: int, peak: int, end: int, **changes) -> SolarEvent:
    """A flare in minutes of the day."""
    times = (DAY + timedelta(minutes=minute) for minute in (start, peak, end))
    begin, maximum, over = times
    event = SolarEvent(f"key {start} {peak} {end}", "FL", begin, maximum, over, "somebody")
    return replace(event, **changes)
