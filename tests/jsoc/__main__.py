"""``python -m tests.jsoc``: a stand-in for JSOC and HEK to point a site at, without any network."""

import argparse
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from processing.synthetic import SimulationParameters, write_simulation
from processing.timekeys import utc_of
from tests.jsoc.records import Archive
from tests.jsoc.server import JsocStandIn

# Enough of a region for every step of the chain; a few seconds to draw.
DEMO = SimulationParameters(
    harpnum=99001, n_frames=40, shape=(160, 240), n_pores=6, n_mergers=1, n_splits=1, n_flickers=1
)
DEMO_NOAA = 99001  # no real region has five such digits yet


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    options = _parser().parse_args(arguments)
    folders, noaa = options.fits, options.noaa
    if not folders:
        folders = [demo_folder(options.cache)]
        noaa = noaa or {DEMO.harpnum: str(DEMO_NOAA)}
    try:
        archive = Archive.from_folders(*folders)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    events = [] if options.fits else events_of(archive)
    jsoc = JsocStandIn(
        archive, host=options.host, port=options.port, noaa=noaa, events=events, delay_s=options.delay,
        registered=options.registered,
    )  # fmt: skip
    with jsoc:
        print(introduction(jsoc), flush=True)
        try:
            threading.Event().wait(options.seconds)
        except KeyboardInterrupt:
            pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.jsoc", description=__doc__)
    parser.add_argument("--port", type=int, default=8099, help="0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--fits", type=Path, nargs="+", default=[], metavar="FOLDER", help="SHARP files to serve")
    parser.add_argument("--noaa", type=Path, metavar="FILE", help="list of HARPs and their NOAA regions")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where the simulated region is kept")
    parser.add_argument("--delay", type=float, default=5.0, metavar="SECONDS", help="how long an export takes")
    parser.add_argument("--registered", action="append", metavar="ADDRESS", help="may export; all may by default")
    parser.add_argument("--seconds", type=float, help="serve for so long")
    return parser


def demo_folder(cache: Path | None, parameters: SimulationParameters = DEMO) -> Path:
    """The files of the simulated region, drawn unless they have been drawn before."""
    folder = (cache or Path(tempfile.gettempdir()) / "poreweb-jsoc-stand-in") / f"harp{parameters.harpnum}"
    if not (folder / "truth.json").is_file():  # written last
        print(f"Drawing {parameters.n_frames} frames of a simulated region into {folder}", flush=True)
        write_simulation(parameters, folder)
    return folder


def events_of(archive: Archive) -> list[dict[str, Any]]:
    """A made-up active region and flare for each HARP, so that a search for events finds some."""
    spans: dict[int, list[int]] = {}
    for record in archive.records():
        spans.setdefault(record.harpnum, []).append(record.t_rec_s)
    events = []
    for harpnum, moments in spans.items():
        begin, end = utc_of(min(moments)), utc_of(max(moments))
        middle = begin + (end - begin) / 2
        place = {"hgs_x": 10.0, "hgs_y": 11.0, "frm_name": "stand-in"}
        flare = {"event_type": "FL", "fl_goescls": "C1.0", "event_peaktime": f"{middle:%Y-%m-%dT%H:%M:%S}"}
        events.append({"event_type": "AR", "ar_noaanum": harpnum, **_span(begin, end), **place})
        events.append({**flare, **_span(middle, middle + timedelta(minutes=20)), **place})
    return events


def _span(begin: Any, end: Any) -> dict[str, str]:
    return {"event_starttime": f"{begin:%Y-%m-%dT%H:%M:%S}", "event_endtime": f"{end:%Y-%m-%dT%H:%M:%S}"}


def introduction(jsoc: JsocStandIn) -> str:
    """What there is, and the settings that lead to it."""
    lines = [f"The stand-in for JSOC serves at {jsoc.address}/ until Ctrl-C:"]
    for series in jsoc.archive.series:
        records = jsoc.archive.records(series)
        for harpnum in sorted({record.harpnum for record in records}):
            of_harp = [record for record in records if record.harpnum == harpnum]
            span = f"{of_harp[0].t_rec} to {of_harp[-1].t_rec}"
            lines.append(f"  {series}[{harpnum}]: {len(of_harp)} records, {span}")
    lines += [
        "Point a site at it with",
        f"  JSOC_URL={jsoc.address}/",
        f"  HEK_URL={jsoc.address}/hek/her?",
        f'Order a fault:  curl -d \'{{"kind": "503", "where": "file", "times": 3}}\' {jsoc.address}/faults',
        f"What was asked: curl {jsoc.address}/log",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
