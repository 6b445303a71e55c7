"""What is read out of JSOC's answers: values, segments, days, and which refusal asks for fewer records."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from astropy.io import fits
from django.conf import LazySettings

from poreweb.acquire import jsoc as asking
from poreweb.acquire.jsoc import Answer, BusyError, TooBigError
from processing.checksums import check_sums
from processing.errors import FitsError
from tests.jsoc import JsocStandIn, small_archive
from tests.jsoc.asking import ADDRESS, ONE, SERIES
from tests.jsoc.asking import request as requested

ALL = f"{SERIES}[377][]"


@pytest.fixture
def jsoc(settings: LazySettings) -> Iterator[JsocStandIn]:
    archive = small_archive(4, shape=(8, 8), bad=(1,), offline=(2,))
    archive.records()[3].files.pop("Br")
    with JsocStandIn(archive, delay_s=0) as stand_in:
        settings.JSOC_URL = f"{stand_in.address}/"
        yield stand_in


def test_records_on_tape_have_their_segments(jsoc: JsocStandIn):
    records = asking.records_of(ALL, ("continuum", "Br"))
    assert [record.segments for record in records] == [("continuum", "Br")] * 4  # an export tells of the last one
    assert [record.is_online for record in records] == [True, True, False, True]
    assert [record.kept_until for record in records] == ["2038.01.19", "2038.01.19", "", "2038.01.19"]
    assert {record.shape for record in records} == {(8, 8)}
    assert [record.keywords["QUALITY"] for record in records] == [0, 2**31, 0, 0]


@pytest.mark.parametrize(
    ("path", "is_there"),
    [("/SUM1/D1/S00000/Br.fits", True), ("/SUM1/D1/S00000/", True), ("NoDataDirectory", True), ("NoDataFile", True),
     ("InvalidSegName", False), ("BadSegLink", False), ("MISSING", False), ("", False), (None, False)],
    ids=repr,
)  # fmt: skip
def test_a_segment_is_absent_where_jsoc_says_so(path: Any, is_there: bool):
    keywords = [{"name": "T_REC", "values": ["2011.02.15_00:00:00_TAI"]}]
    (record,) = asking._records_in(
        {"keywords": keywords, "segments": [{"name": "Br", "values": [path], "dims": ["8x8"]}]}
    ).values()
    assert record.segments == (("Br",) if is_there else ())


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("-7", -7), ("0x80000000", 2**31), ("0X0f", 15), ("1.5e3", 1500.0), ("1_2", "1_2"), ("1_2.5", "1_2.5"),
     ("0x1_0", "0x1_0"), ("١٢", "١٢"), ("１２", "１２"), ("١.٥", "١.٥"), ("MISSING", None), ("nan", None),
     ("inf", None), ("", None), ("0xZZ", "0xZZ"), ("2011.02.15_00:00:00_TAI", "2011.02.15_00:00:00_TAI"), (3, 3),
     (None, None), ([], None)],
    ids=ascii,
)  # fmt: skip
def test_a_number_is_one_in_plain_digits(text: Any, value: Any):
    found = asking._value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("dims", ["٨x٨", "8", "8x8x8", "NA", None, "0x1x"], ids=ascii)
def test_a_shape_is_two_sides(dims: Any):
    assert asking._shape(dims) is None
    assert asking._shape("32x24") == (24, 32)


ROW = f"{SERIES}[377][2011.02.15_00:00:00_TAI]{{Br}}"


@pytest.mark.parametrize(
    ("record", "is_ours"),
    [(ROW, True), (ROW.replace("hmi", "HMI"), True), (ROW.replace("377", "378"), False),
     (ROW.replace("720s", "720s_nrt"), False), ("hmi.M_720s[2011.02.15_TAI]", False), ("", False)],
    ids=["ours", "in capitals", "another HARP", "near-real-time", "another series", "nothing"],
)  # fmt: skip
def test_an_export_of_something_else_is_told_by_its_rows(record: str, is_ours: bool):
    rows = [{"record": ROW, "filename": "Br.fits"}, {"record": record, "filename": "Br.fits"}]
    assert Answer(0, "", {"data": rows}).is_of(SERIES, 377) is is_ours


@pytest.mark.parametrize(
    ("answer", "expected"),
    [({"status": 4, "error": "Can not open RecordSet 5000 is too many records in one request."}, TooBigError),
     ({"status": 4, "error": f"Can not open RecordSet, bad query or too many records: {ONE}"}, TooBigError),
     ({"status": 4, "error": "Request exceeds max byte limit of 100000MB"}, TooBigError),
     ({"status": 4, "error": "Request too large"}, TooBigError),
     ({"status": 3}, TooBigError),
     ({"status": 7, "error": "too many pending requests; can not open RecordSet"}, BusyError)],
    ids=["too many", "bad or too many", "bytes", "too large", "status 3", "busy"],
)  # fmt: skip
def test_too_many_records_are_refused_in_several_ways(answer: dict[str, Any], expected: type[Exception]):
    with pytest.raises(expected) as caught:
        asking._understood(answer)
    assert type(caught.value) is expected


def test_other_refusals_are_not_taken_for_too_many():
    with pytest.raises(asking.FetchError, match="JSOC refuses the export: There are no files") as caught:
        asking._understood({"status": 4, "error": "There are no files in this RecordSet"})
    assert type(caught.value) is asking.FetchError


def test_an_export_called_pending_is_found_in_the_series_of_exports(jsoc: JsocStandIn):
    jsoc.faults.add("stale", "request", seconds=3600)
    pending = asking.submit(ONE, email=ADDRESS, method="url")
    answer = asking.status_of(pending.request_id)
    assert (answer.status, "dir" in answer.raw) == (asking.SUBMITTED, False)
    made = asking.packing_list(answer)
    assert made is not None
    assert [record for record, _ in made.files] == [f"{SERIES}[377][2011.02.15_00:00:00_TAI]"]
    assert any("jsoc.export%5B" in entry["path"] and "%2Arecdir%2A" in entry["path"] for entry in jsoc.asked("info"))


def test_one_that_is_not_made_or_not_known_has_no_packing_list(jsoc: JsocStandIn):
    jsoc.faults.add("stuck", "request")
    stuck = asking.status_of(requested(jsoc)["requestid"])
    assert asking.packing_list(stuck) is None
    assert asking.packing_list(Answer(asking.SUBMITTED, "JSOC_20260101_999")) is None
    for kind in ("500", "html", "drop"):
        jsoc.faults.add(kind, "info")
        assert asking.packing_list(stuck) is None


# -- Its files are such as JSOC's ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")  # of a bare nan, as JSOC has
def test_each_file_has_the_checksums_of_its_bytes():
    """As those of JSOC have: in the second HDU, and none in the empty first."""
    for record in small_archive(2, shape=(8, 8)).records():
        for segment, file in record.files.items():
            with fits.open(io.BytesIO(file), disable_image_compression=True) as hdus:
                assert "DATASUM" not in hdus[0].header
                assert hdus[1].verify_datasum() == 1
                begin = hdus.fileinfo(1)["hdrLoc"]
            check_sums(file, segment)
            for place in (begin + 2000, len(file) - 1):  # a header of blanks there, and the fill behind the data
                changed = bytearray(file)
                changed[place] ^= 1
                with pytest.raises(FitsError, match=r"do(es)? not add up"):
                    check_sums(bytes(changed), segment)
