"""The stand-in for JSOC and HEK: what unmodified clients make of it, as long as nothing goes wrong."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import drms
import numpy as np
import pytest
from astropy.io import fits
from sunpy.net import attrs as a
from sunpy.net.hek import HEKClient

from processing.fits import read_patch_frame, read_segment
from processing.synthetic import SimulationParameters
from tests.jsoc import Archive, JsocStandIn, bare, small_archive
from tests.jsoc.__main__ import demo_folder, events_of, main
from tests.jsoc.asking import ADDRESS, HOUR, ONE, SERIES, ask, path_of, request, status
from tests.real_data import REAL_DATA, needs_real_data

STRUCTURE = {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BLANK", "BSCALE",
             "BZERO", "EXTEND"}  # fmt: skip


@pytest.fixture(scope="module")
def archive() -> Archive:
    """HARP 377: 40 slots, one empty, one without good data; HARP 401: 3 records; two near-real-time ones."""
    archive = small_archive(lost=(7,), bad=(9,))
    small_archive(3, harpnum=401, noaa=(11161, 11162), into=archive, seed=1)
    return small_archive(2, series=f"{SERIES}_nrt", into=archive, seed=2)


@pytest.fixture
def jsoc(archive: Archive) -> Iterator[JsocStandIn]:
    with JsocStandIn(archive, delay_s=0) as running:
        yield running


@pytest.fixture
def client(jsoc: JsocStandIn) -> drms.Client:
    return drms.Client(jsoc.config(), email=ADDRESS)


# -- Asking ------------------------------------------------------------------------------------------


def test_series_are_listed(client):
    assert client.series("sharp") == [SERIES, f"{SERIES}_nrt"]
    assert client.series("aia") == []
    assert list(client.series("nrt$", full=True).name) == [f"{SERIES}_nrt"]


def test_plain_show_series_names_the_prime_keys(jsoc):
    listed = json.loads(ask(jsoc, "/cgi-bin/ajax/show_series?filter=nrt")[2])
    assert [(one["name"], one["primekeys"]) for one in listed["names"]] == [(f"{SERIES}_nrt", "HARPNUM, T_REC")]


def test_info_tells_types(client):
    info = client.info(f"{SERIES}[377]")
    assert info.primekeys == ["HARPNUM", "T_REC"] == client.pkeys(SERIES)
    assert list(info.segments.index) == ["bitmap", "continuum", "Bp", "Bt", "Br"]
    types = info.keywords.type[["HARPNUM", "T_REC", "DATE__OBS", "QUALITY", "USFLUX", "R_VALUE", "NOAA_ARS"]]
    assert list(types) == ["int", "time", "time", "int", "double", "double", "string"]
    assert {"MEANGAM", "T_REC_epoch", "CRLN_OBS"} <= set(client.keys(SERIES))


def test_query_agrees_with_the_headers(client, archive):
    ds = f"{SERIES}[377][2011.02.15_00:00:00_TAI-2011.02.15_00:36:00_TAI]"
    keys, segments = client.query(
        ds, key=["T_REC", "USFLUX", "R_VALUE", "NOAA_ARS", "NOSUCH", "*recnum*"], seg=["Br", "nosuch"], rec_index=True
    )
    records = archive.records(SERIES)[:4]
    headers = [fits.getheader(io.BytesIO(record.read("Br")), 1) for record in records]
    assert list(keys.index) == [record.name for record in records]
    assert list(keys.T_REC) == [header["T_REC"] for header in headers]
    assert list(keys.USFLUX) == [float(header["USFLUX"]) for header in headers]
    assert list(np.isnan(keys.R_VALUE)) == [True, False, False, True]
    assert set(keys.NOAA_ARS) == {"11158"}
    assert set(keys.NOSUCH) == {"Invalid KeyLink"}
    assert list(keys["*recnum*"]) == [record.recnum for record in records]
    assert list(segments.Br) == [f"{record.folder}/Br.fits" for record in records]
    assert set(segments.nosuch) == {"InvalidSegName"}


def test_values_are_text_as_jsoc_gives_them(jsoc):
    query = {"op": "rs_list", "ds": f"{SERIES}[377][2011.02.15_01:48_TAI]", "R": "1", "seg": "**ALL**"}
    query["key"] = "QUALITY,HARPNUM,R_VALUE,*size*,*online*,*sunum*,BUNIT_006"
    answer = json.loads(ask(jsoc, f"/cgi-bin/ajax/jsoc_info?{urlencode(query)}")[2])
    values = {key["name"]: key["values"][0] for key in answer["keywords"]}
    sunum = values.pop("*sunum*")
    assert values == {
        "QUALITY": "0x80000000", "HARPNUM": "377", "R_VALUE": "MISSING", "*size*": "86400", "*online*": "Y",
        "BUNIT_006": "Mx/cm^2",
    }  # fmt: skip
    assert isinstance(sunum, int)
    assert answer["recinfo"][0]["online"] == 1
    assert [segment["dims"] for segment in answer["segments"]] == [["32x24"]] * 5
    assert (answer["status"], answer["count"]) == (0, 1)


def test_all_keywords(client):
    keys = client.query(f"{SERIES}[401][$]", key="**ALL**")
    assert keys.NOAA_ARS[0] == "11161,11162"
    assert keys.BUNIT_003[0] == "DN/s"
    assert keys.DATE__OBS[0].endswith("Z")


def test_nonsense_is_refused(client):
    with pytest.raises(drms.DrmsQueryError, match="does not exist"):
        client.query("hmi.nosuch[1]", key="T_REC")
    with pytest.raises(drms.DrmsQueryError, match="series not found"):
        client.info("hmi.nosuch")


def test_counts_and_limits(client):
    assert client._json.rs_summary(f"{SERIES}[377][]{{Br}}")["count"] == 39
    assert [t_rec[11:16] for t_rec in client.query(f"{SERIES}[377]", key="T_REC", n=-2).T_REC] == ["07:36", "07:48"]


def test_only_registered_addresses_may_export(archive):
    with JsocStandIn(archive, registered={ADDRESS}) as jsoc:
        client = drms.Client(jsoc.config())
        assert client.check_email(ADDRESS)
        assert not client.check_email("b@example.org")
        assert not client.check_email("nobody")
        with pytest.raises(drms.DrmsExportError, match=r"neither validated nor registered.*status=4"):
            client.export(ONE, email="b@example.org", method="url", protocol="fits").wait()


# -- Exports -----------------------------------------------------------------------------------------


def names_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expected(archive: Archive, n: int = 5) -> dict[str, bytes]:
    return {
        f"{SERIES}.377.20110215_{12 * k // 60:02d}{12 * k % 60:02d}00_TAI.{segment}.fits": record.read(segment)
        for k, record in enumerate(archive.records(SERIES)[:n])
        for segment in ("continuum", "Br")
    }


def test_export_as_files(client, archive, tmp_path):
    export = client.export(HOUR, method="url", protocol="fits")
    assert export.id.startswith("JSOC_20")
    assert export.wait(sleep=0, timeout=5)
    assert (export.keywords, export.tarfile) == ("**IN FITS FILES**", None)
    assert export.data.record[0] == f"{SERIES}[377][2011.02.15_00:00:00_TAI]"
    export.download(tmp_path)
    assert names_in(tmp_path) == expected(archive)


def test_export_as_tar(client, archive, tmp_path):
    export = client.export(HOUR, method="url-tar", protocol="fits")
    assert export.wait(sleep=0, timeout=5)
    assert export.tarfile == f"{export.dir}/{export.id}.tar"
    (path,) = export.download(tmp_path).download
    with tarfile.open(path) as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    index = json.loads(held["./index.json"])
    assert {name[2:]: data for name, data in held.items() if "index." not in name} == expected(archive)
    assert (index["status"], index["count"], index["requestid"]) == ("0", "10", export.id)


def test_export_as_is(client, archive, tmp_path):
    export = client.export(HOUR, method="url_quick", protocol="as-is")
    assert (export.status, export.id) == (0, None)
    assert export.data.record[0].endswith("_TAI]{continuum}")
    export.download(tmp_path)
    full = expected(archive)
    assert names_in(tmp_path) == {name: bare(data) for name, data in full.items()}
    for path in tmp_path.iterdir():
        with fits.open(path) as as_is, fits.open(io.BytesIO(full[path.name])) as whole:
            assert set(as_is[1].header) <= STRUCTURE
            assert np.array_equal(as_is[1].data, whole[1].data)


def test_files_are_as_the_site_reads_them(archive):
    record = archive.records(SERIES)[1]
    name = f"{SERIES}.377.20110215_001200_TAI."
    segments = [read_segment(record.read(segment), f"{name}{segment}.fits") for segment in record.files]
    assert {segment.name: segment.bare for segment in segments} == dict.fromkeys(record.files, False)
    assert {segment.t_rec_s for segment in segments} == {record.t_rec_s}
    assert min(segment.data.min() for segment in segments if segment.name == "continuum") < 20_000  # the pore
    assert len({record.read_as_is("Br") for record in archive.records()}) == len(archive.records())


def test_an_export_takes_its_time(archive):
    now = [0.0]
    with JsocStandIn(archive, delay_s=10, clock=lambda: now[0], id_suffix="_X_IN") as jsoc:
        asked = request(jsoc, HOUR, method="url-tar")
        assert asked["status"] == 2
        assert asked["requestid"].endswith("_001_X_IN")
        assert (asked["rcount"], asked["size"], asked["wait"]) == (5, 1, 10)
        seen = []
        for now[0] in (4, 6, 10):
            answer = status(jsoc, asked["requestid"])
            seen.append(answer["status"])
        tar = answer["tarfile"]
        assert seen == [2, 1, "0"]
        assert ask(jsoc, tar)[0] == 200
        now[0] = 9.9
        assert ask(jsoc, tar)[0] == 404
        now[0] = 8 * 86_400
        assert status(jsoc, asked["requestid"])["status"] == 5


def test_one_request_at_a_time(archive):
    now = [0.0]
    with JsocStandIn(archive, delay_s=10, clock=lambda: now[0]) as jsoc:
        first = request(jsoc)["requestid"]
        refused = request(jsoc, HOUR)
        assert refused == {
            "status": 7,
            "error": f"User {ADDRESS} has 1 pending export requests ({first}); please wait until at least one request "
            "has completed before submitting a new one.",
        }
        assert request(jsoc, HOUR, notify="other@example.org")["status"] == 2
        assert request(jsoc, HOUR, method="url_quick", protocol="as-is")["status"] == 0
        now[0] = 10
        assert request(jsoc, HOUR)["status"] == 2
        assert jsoc.max_in_flight == {ADDRESS: 1, "other@example.org": 1}


def test_requests_that_come_to_nothing(jsoc):
    assert request(jsoc, f"{SERIES}[9]", method="url_quick", protocol="as-is")["status"] == 4
    made = request(jsoc, f"{SERIES}[9]")
    assert made["status"] == 2
    assert status(jsoc, made["requestid"])["status"] == 4
    assert request(jsoc, "hmi.nosuch[1]")["status"] == 4
    assert status(jsoc, "JSOC_20110215_999")["status"] == 6


def test_a_segment_that_was_never_made():
    own = small_archive(2)
    del own.records()[1].files["bitmap"]
    with JsocStandIn(own, delay_s=0) as jsoc:
        export = drms.Client(jsoc.config(), email=ADDRESS).export(f"{SERIES}[377]{{bitmap}}", protocol="fits")
        export.wait(sleep=0)
    assert list(export.data.filename) == [f"{SERIES}.377.20110215_000000_TAI.bitmap.fits", "NoDataFile"]
    assert len(export.urls) == 1


def test_limits_of_the_book(archive):
    with JsocStandIn(archive, max_records=4) as jsoc:
        refused = request(jsoc, HOUR)
        assert (refused["status"], refused["requestid"], refused["count"]) == (3, "VOID", 5)
        assert request(jsoc, HOUR, **{"process=n": "4"})["status"] == 2
    with JsocStandIn(archive, max_mb=0.1) as jsoc:
        assert request(jsoc, HOUR)["error"] == "Request exceeds max byte limit of 0.1MB"


# -- Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [("bytes=0-99", 0, 100), ("bytes=2880-", 2880, None), ("bytes=-100", -100, None), ("bytes=100-9999999", 100, None)],
    ids=["span", "rest", "last", "beyond"],
)
def test_parts_of_files(jsoc, archive, wanted, begin, end):
    whole = archive.records(SERIES)[0].read_as_is("Br")
    code, headers, body = ask(jsoc, path_of(archive), Range=wanted)
    assert (code, body) == (206, whole[begin:end])
    first = begin % len(whole)
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"
    assert jsoc.log[-1]["range"] == wanted


def test_whole_files_and_impossible_parts(jsoc, archive):
    whole = archive.records(SERIES)[0].read_as_is("Br")
    code, headers, body = ask(jsoc, path_of(archive))
    assert (code, body, headers["Accept-Ranges"]) == (200, whole, "bytes")
    assert int(headers["Content-Length"]) == len(whole)
    again = ask(jsoc, path_of(archive), Range="bytes=9-", If_Range=headers["ETag"])
    changed = ask(jsoc, path_of(archive), Range="bytes=9-", If_Range='"another"')
    assert (again[0], changed[0], changed[2]) == (206, 200, whole)
    code, headers, body = ask(jsoc, path_of(archive), Range=f"bytes={len(whole)}-")
    assert (code, headers["Content-Range"], body) == (416, f"bytes */{len(whole)}", b"")
    code, headers, body = ask(jsoc, path_of(archive), method="HEAD")
    assert (code, int(headers["Content-Length"]), body) == (200, len(whole), b"")
    assert ask(jsoc, "/SUM1/D1/S00000/Br.fits")[0] == 404
    assert ask(jsoc, "/elsewhere")[0] == 404


NOAA = "/doc/data/hmi/harpnum_to_noaa/all_harps_with_noaa_ars.txt"


def test_noaa_list(jsoc, archive, tmp_path):
    assert ask(jsoc, NOAA)[2] == b"HARPNUM NOAA_ARS\n377 11158\n401 11161,11162\n"
    path = tmp_path / "list.txt"
    path.write_text("HARPNUM NOAA_ARS\n9 1\n")
    for noaa in (path, path.read_text(), {9: "1"}):
        with JsocStandIn(archive, noaa=noaa) as other:
            assert ask(other, NOAA)[2] == b"HARPNUM NOAA_ARS\n9 1\n"


EVENTS = [
    {"event_type": "AR", "event_starttime": "2011-02-15T00:00:00", "event_endtime": "2011-02-16T00:00:00",
     "ar_noaanum": 11158, "hgs_x": 10.0, "hgs_y": -20.0, "frm_name": "HMI SHARP"},
    {"event_type": "FL", "event_starttime": "2011-02-15T01:44:00", "event_endtime": "2011-02-15T02:06:00",
     "event_peaktime": "2011-02-15T01:56:00", "fl_goescls": "X2.2", "ar_noaanum": 11158},
    {"event_type": "FL", "event_starttime": "2011-02-18T09:55:00", "event_endtime": "2011-02-18T10:15:00",
     "event_peaktime": "2011-02-18T10:11:00", "fl_goescls": "M6.6", "ar_noaanum": 11158},
]  # fmt: skip


def test_events(archive):
    with JsocStandIn(archive, events=EVENTS) as jsoc:
        hek = HEKClient(url=f"{jsoc.address}/hek/her?")
        span = a.Time("2011-02-15T01:50:00", "2011-02-15T03:00:00")
        flares = hek.search(span, a.hek.EventType("FL"))
        both = hek.search(span, a.hek.AR | a.hek.FL)
        later = hek.search(a.Time("2011-02-15", "2011-02-19"), a.hek.FL, a.hek.FL.GOESCls == "M6.6")
        none = hek.search(a.Time("2012-01-01", "2012-01-02"), a.hek.EventType("FL"))
    assert list(flares["fl_goescls"]) == ["X2.2"]
    assert flares["event_peaktime"][0].isot == "2011-02-15T01:56:00.000"
    assert sorted(both["event_type"]) == ["AR", "FL"]
    assert float(both["hgs_coord"][0].lat.deg) == pytest.approx(-20)
    assert list(later["fl_goescls"]) == ["M6.6"]
    assert len(none) == 0


def test_events_come_in_pages(archive, monkeypatch):
    monkeypatch.setattr("tests.jsoc.hek.PAGE", 3)
    with JsocStandIn(archive, events=EVENTS * 4) as jsoc:
        found = HEKClient(url=f"{jsoc.address}/hek/her?").search(
            a.Time("2011-02-15", "2011-02-16"), a.hek.EventType("FL")
        )
        pages = json.loads(ask(jsoc, "/hek/her?result_limit=5&page=2")[2])
    assert len(found) == 4
    assert (len(pages["result"]), pages["overmax"]) == (5, True)


# -- Other archives ----------------------------------------------------------------------------------


def test_records_may_come_and_go():
    own = small_archive(3)
    with JsocStandIn(own) as jsoc:
        client = drms.Client(jsoc.config())
        own.remove(own.records()[0])
        own.move(own.records()[:1], f"{SERIES}_nrt")
        assert len(client.query(f"{SERIES}[377]", key="T_REC")) == 1
        assert len(client.query(f"{SERIES}_nrt[377]", key="T_REC")) == 1


SIMULATION = SimulationParameters(n_frames=2, shape=(64, 64), n_pores=1, n_mergers=0, n_splits=0, n_flickers=0)


def test_a_folder_of_simulated_files(tmp_path, capsys):
    folder = demo_folder(tmp_path, SIMULATION)
    assert demo_folder(tmp_path, SIMULATION) == folder
    archive = Archive.from_folders(folder)
    held = [path for record in archive.records() for path in record.files.values() if isinstance(path, Path)]
    assert sorted(held) == sorted(folder.glob("*.fits"))
    record = archive.records()[0]
    frame = read_patch_frame(held[:5])
    some = ("CRVAL1", "USFLUX", "T_OBS", "N_PATCH")
    assert {key: record.value(key) for key in some} == {key: frame.cards[key] for key in some}
    assert {event["event_type"] for event in events_of(archive)} == {"AR", "FL"}
    assert main(["--port", "0", "--fits", str(folder), "--seconds", "0"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Drawing") == 1
    assert f"{SERIES}[99001]: 2 records" in printed
    assert "JSOC_URL=http://127.0.0.1:" in printed
    assert "/hek/her?" in printed


def test_a_folder_of_something_else(tmp_path, capsys):
    assert main(["--port", "0", "--fits", str(tmp_path)]) == 2
    assert "no file named as JSOC names those" in capsys.readouterr().err


@needs_real_data
def test_real_records():
    archive = Archive.from_folders(REAL_DATA / "harp377", REAL_DATA / "harp7115")
    with JsocStandIn(archive, noaa=REAL_DATA / "HARP_TO_NOAA.txt") as jsoc:
        client = drms.Client(jsoc.config())
        keys = client.query(
            f"{SERIES}[? NOAA_ARS like '%11158%' ?]", key="USFLUX,R_VALUE,CRVAL1,T_REC", convert_numeric=False
        )
        listed = json.loads(ask(jsoc, f"/cgi-bin/ajax/jsoc_info?op=rs_list&ds={SERIES}[377]&seg=continuum,bitmap")[2])
        assert keys.iloc[0].to_dict() == {
            "USFLUX": "2.71476e+22", "R_VALUE": "MISSING", "CRVAL1": "34.879105", "T_REC": "2011.02.15_02:00:00_TAI",
        }  # fmt: skip
        assert [segment["dims"] for segment in listed["segments"]] == [["744x377"]] * 2
        assert b"\n377 11158\n" in ask(jsoc, NOAA)[2]
    for record in archive.records():
        for segment in record.files:
            with fits.open(io.BytesIO(record.read_as_is(segment))) as as_is:
                image = next(hdu for hdu in as_is if hdu.is_image and hdu.header["NAXIS"])
                assert set(image.header) <= STRUCTURE
                assert image.data.shape == record.dims[segment][::-1]
