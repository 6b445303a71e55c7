"""Record sets of DRMS as the stand-in for JSOC understands them."""

import pytest

from tests.jsoc import Archive, small_archive
from tests.jsoc.asking import SERIES
from tests.jsoc.problems import QueryError
from tests.jsoc.record_sets import select


@pytest.fixture(scope="module")
def archive() -> Archive:
    """HARP 377: 40 slots from midnight, one empty, one without good data; HARP 401: 3 records of the same time."""
    archive = small_archive(lost=(7,), bad=(9,))
    return small_archive(3, harpnum=401, noaa=(11161, 11162), into=archive, seed=1)


SETS = {
    "[377]": 39,
    "[]": 42,
    "": 42,
    "[377,401][]": 42,
    "[300-380]": 39,
    "[377][2011.02.15_00:12:00_TAI]": 1,
    "[377][2011.02.15_00:12_TAI,2011.02.15_00:36_TAI]": 2,
    "[][2011.02.15_00:12:00_TAI]": 2,
    "[377][2011.02.15/2h]": 9,
    "[377][2011.02.15_TAI/1d@1h]": 8,
    "[377][2011.02.15_00:00:00_TAI-2011.02.15_02:00:00_TAI@24m]": 6,
    "[377][2011.02.14_23:59:26_UTC]": 1,
    "[377][$]": 1,
    "[377][][? QUALITY >= 0 ?]": 38,
    "[377][? QUALITY < 0 ?]": 1,
    "[? NOAA_AR = 11158 ?]": 39,
    "[? NOAA_ARS like '%11162%' ?]": 3,
    "[? NOAA_ARS like '%11162%' OR (HARPNUM = 377 AND NOT T_REC < $(2011.02.15_07:00_TAI)) ?]": 8,
    "[377][? T_REC >= '2011.02.15_07:48:00_TAI' ?]": 1,
    "[? R_VALUE IS NOT NULL ?]": 27,
    "[377][2011.02.16/1d]": 0,
}


@pytest.mark.parametrize(("selectors", "count"), SETS.items(), ids=SETS)
def test_how_many_are_selected(archive, selectors, count):
    assert len(select(archive, f"{SERIES}{selectors}{{Br}}")) == count


def test_a_range_has_both_ends_and_a_duration_only_its_first(archive):
    def slots(selector: str) -> list[str]:
        return [record.t_rec[11:16] for record, _ in select(archive, f"{SERIES}[377][2011.02.15_{selector}]")]

    assert slots("00:12_TAI-2011.02.15_00:36_TAI") == ["00:12", "00:24", "00:36"]
    assert slots("00:12_TAI/24m") == ["00:12", "00:24"]
    assert slots("00:00_TAI/2h@48m") == ["00:00", "00:48", "01:36"]


def test_several_record_sets_at_once(archive):
    found = select(archive, f"{SERIES}[377][2011.02.15_00:00_TAI]{{Br}}, {SERIES}[401]{{continuum,Br}}")
    assert [(record.harpnum, segments) for record, segments in found] == [(377, ["Br"])] + [
        (401, ["continuum", "Br"])
    ] * 3


def test_segments(archive):
    def of(braces: str) -> list[str]:
        return select(archive, f"{SERIES}[401][$]{braces}")[0][1]

    assert of("{br, Continuum,nosuch}") == ["continuum", "Br"]
    assert of("") == of("{**ALL**}") == ["bitmap", "continuum", "Bp", "Bt", "Br"]


@pytest.mark.parametrize(("n", "slots"), [(2, "00:00 00:12"), (-2, "07:36 07:48")], ids=["first", "last"])
def test_limit(archive, n, slots):
    assert [record.t_rec[11:16] for record, _ in select(archive, f"{SERIES}[377]", n)] == slots.split()


NONSENSE = {
    "series": ("hmi.nosuch[1]", "does not exist"),
    "time": (f"{SERIES}[377][yesterday]", "is no time"),
    "date": (f"{SERIES}[377][2011.02.30]", "is no time"),
    "duration": (f"{SERIES}[377][2011.02.15/1y]", "is no duration"),
    "HARPNUM": (f"{SERIES}[AR 11158]", "is no HARPNUM"),
    "third key": (f"{SERIES}[377][][1]", "Too many prime keys"),
    "keyword": (f"{SERIES}[? NOSUCH = 1 ?]", 'column "nosuch" does not exist'),
    "syntax": (f"{SERIES}[? QUALITY >< 1 ?]", "syntax error"),
    "open end": (f"{SERIES}[? QUALITY > ?]", "syntax error"),
    "bracket": (f"{SERIES}[377", "Bad record-set query"),
    "afterthought": (f"{SERIES}[377] please", "Bad record-set query"),
}


@pytest.mark.parametrize(("ds", "message"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused(archive, ds, message):
    with pytest.raises(QueryError, match=message):
        select(archive, ds)
