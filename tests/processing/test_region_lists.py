"""JSOC's list and lists by hand: what each line says, and what is wrong with it, by its number."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.list_times import FIRST_DAY, ListError, Moment, read_span, shown, t_rec_range
from processing.region_lists import (
    HIGHEST,
    MOST_LINES,
    Asked,
    Pair,
    parse_harp_noaa,
    parse_region_list,
    read_numbers,
    text_of,
)
from processing.timekeys import CADENCE_S, format_t_rec, parse_t_rec
from tests.real_data import REAL_DATA, needs_real_data

numbers = st.integers(1, HIGHEST)
# What breaks parsers: their own signs in any order.
messy = st.text(st.sampled_from("HARPNOAJSCharnoe0123456789.,:;#-_–?TZ \t\n\r\x0b\x85\ufeff\x00²٣é<&\"'"), max_size=200)
anything = st.one_of(st.text(max_size=300), messy)
days = st.dates(FIRST_DAY.date(), date(2035, 12, 31))


def day(text):
    return Moment(datetime.fromisoformat(text), is_day=True)


def only(text):
    """The one region of a list without problems."""
    (line,), problems = parse_region_list(text)
    assert problems == []
    return line


def reason(text):
    """What is wrong with the one bad line of a list without good ones."""
    lines, (problem,) = parse_region_list(text)
    assert lines == []
    return problem.reason


# -- JSOC's list -----------------------------------------------------------------------------------


def test_harps_with_several_regions_and_regions_in_several_harps():
    text = "HARPNUM NOAA_ARS\n45 11073,11077\n46 11073\n"
    assert parse_harp_noaa(text) == ([Pair(45, 11073), Pair(45, 11077), Pair(46, 11073)], [])


@pytest.mark.parametrize(
    "text",
    [
        "1 11067\r\n2 11064\r\n",
        "\ufeff1 11067\n\n2\t11064",
        "1 11067 # new\n# 3 11069\n0002   11064",
        "1 11067\r2 11064",
    ],
    ids=["Windows", "byte-order mark and tab", "comments and zeros", "old Mac"],
)
def test_how_a_text_is_written_does_not_matter(text):
    assert parse_harp_noaa(text) == ([Pair(1, 11067), Pair(2, 11064)], [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2", "a HARP number and, after a space, NOAA numbers"),
        ("2 11064 11065", "a HARP number and, after a space, NOAA numbers"),
        ("two 11064", "'two' is no HARP number"),
        ("2 MISSING", "'MISSING' is no NOAA region number"),
        ("2 11064,", "'' is no NOAA region number"),
        ("2 0", "0 is no NOAA region number"),
        ("-2 11064", "'-2' is no HARP number"),
        ("2 1e4", "'1e4' is no NOAA region number"),
        ("٢ 11064", "is no HARP number"),
        ("100000 11064", "those go from 1 to 99,999"),
        ("2 " + "9" * 4000, "those go from 1 to 99,999"),
        ("1 11067", "HARP 1 with NOAA 11067 is given twice, first in line 2"),
        ("<html>", "a HARP number and, after a space, NOAA numbers"),
    ],
)
def test_a_bad_line_is_told_by_number_and_the_others_are_taken(line, words):
    pairs, (problem,) = parse_harp_noaa(f"HARPNUM NOAA_ARS\n1 11067\n{line}\n3 11069")
    assert pairs == [Pair(1, 11067), Pair(3, 11069)]
    assert problem.line == 3
    assert words in problem.reason
    assert len(problem.reason) < 400
    assert len(problem.text) <= 200


def test_of_a_line_that_repeats_a_pair_the_others_are_taken():
    pairs, (problem,) = parse_harp_noaa("1 11067\n1 11068,11067,11068")
    assert pairs == [Pair(1, 11067), Pair(1, 11068)]
    assert problem.line == 2


@given(anything)
def test_no_text_breaks_the_reading_of_pairs(text):
    pairs, problems = parse_harp_noaa(text)
    assert len(set(pairs)) == len(pairs)
    assert all(0 < number <= HIGHEST for pair in pairs for number in pair)
    assert [problem.line for problem in problems] == sorted({problem.line for problem in problems})


@given(st.lists(st.tuples(numbers, st.lists(numbers, min_size=1, max_size=4)), max_size=20), st.data())
def test_every_line_of_pairs_is_accounted_for(rows, data):
    """Lines that are good by themselves give all pairs; each line of rubbish put between them is a problem."""
    lines = [f"{harp} {','.join(map(str, regions))}" for harp, regions in rows]
    rubbish = data.draw(st.lists(st.sampled_from(["x", "1", "1 2 3", "0 5", "5 ,"]), max_size=5))
    for text in rubbish:
        lines.insert(data.draw(st.integers(0, len(lines))), text)
    pairs, problems = parse_harp_noaa("\n".join(lines))
    wanted = {Pair(harp, region) for harp, regions in rows for region in regions}
    assert set(pairs) == wanted
    named = {problem.line for problem in problems}
    assert {number for number, text in enumerate(lines, 1) if text in rubbish} <= named
    n_given = sum(len(regions) for _, regions in rows)
    assert (len(named) > len(rubbish)) == (n_given > len(wanted))  # the others are repetitions


# -- The columns of a list by hand -----------------------------------------------------------------


def test_a_line_as_the_pore_observer_writes_it():
    line = only("#AR NOAA Beginning end ID HARPs\n11067\t1.5.2010   06.5.2010  JSOC_20180918_435  0001,0002")
    assert (line.line, line.noaa_ar, line.harpnums, line.jsoc_id) == (2, 11067, (1, 2), "JSOC_20180918_435")
    assert (line.first, line.last) == (day("2010-05-01"), day("2010-05-06"))
    assert line.number is None


@pytest.mark.parametrize(
    "text",
    [
        "11067 1.5.2010 6.5.2010 JSOC_20180918_435 1",
        "\ufeff11067 2010-05-01 2010-05-06 JSOC_20180918_435 001\r\n",
        "AR 11067  1.5.2010  6.5.2010  JSOC_20180918_435  HARP 1  # the first",
        "HARP begin end JSOC ID NOAA AR\n1 1.5.2010 6.5.2010 JSOC_20180918_435 11067",
        "# from to HARPNUM NOAA request\n1.5.2010 6.5.2010 1 11067 JSOC_20180918_435",
    ],
    ids=["by position", "ISO dates", "labels and a comment", "header", "header in a comment"],
)
def test_columns_in_any_order_say_the_same(text):
    line = only(text)
    assert (line.noaa_ar, line.harpnums, line.jsoc_id) == (11067, (1,), "JSOC_20180918_435")
    assert (line.first, line.last) == (day("2010-05-01"), day("2010-05-06"))


@pytest.mark.parametrize(
    ("text", "noaa_ar", "harpnums", "number"),
    [
        ("HARP 377", None, (377,), None),
        ("harp: 0377", None, (377,), None),
        ("H377", None, (377,), None),
        ("HARPs 377, 394", None, (377, 394), None),
        ("AR 11158", 11158, (), None),
        ("AR11158 - 16.2.2011", 11158, (), None),
        ("NOAA 11158", 11158, (), None),
        ("NOAA AR 11158 15.2.2011", 11158, (), None),
        ("noaa_ar 11158", 11158, (), None),
        ("377", None, (), 377),
        ("HARP\n377", None, (377,), None),
        ("# HARPs from NOAA\n377", None, (), 377),  # prose, not a header
        ("NOAA\n377", 377, (), None),
        ("NOAA HARP\nHARP 377, 394", None, (377, 394), None),  # it says what it is
        ("HARP from NOAA\nAR 11158 15.2.2011", 11158, (), None),
        ("11158 - - - 377", 11158, (377,), None),
    ],
)
def test_what_a_number_is_said_to_be(text, noaa_ar, harpnums, number):
    line = only(text)
    assert (line.noaa_ar, line.harpnums, line.number) == (noaa_ar, harpnums, number)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pore", "'pore' stands where a NOAA region number belongs"),
        ("377, 394", "write HARP before several numbers"),
        ("377 394", "'394' stands where a date belongs"),
        ("0", "0 is no HARP or NOAA region number"),
        ("NOAA 123456", "those go from 1 to 99,999"),
        ("11158,11159 1.2.2011", "several NOAA regions"),
        ("- 1.5.2010 6.5.2010", "neither a NOAA region nor a HARP"),
        ("end", "'end' stands where a NOAA region number belongs"),
        ("11067 1.5.2010 6.5.2010 0001", "'0001' stands where JSOC's id belongs"),
        ("11067 1.5.2010 6.5.2010 JSOC_1 1 2", "it has 6 columns where 5 are known"),
        ("HARP 1 1.5.2010 6.5.2010 JSOC_1 1", "it has 5 columns where 4 are known"),
        ("11067 1.5.2010 6.5.2010 JSOC_1 NOAA 1", "belongs, but says NOAA region"),
        ("11067;1.5.2010", "'11067;1.5.2010' stands where a NOAA region number belongs"),
        ("11067 31.2.2011", "'31.2.2011' is no real date: day is out of range for month"),
        ("11067 2011-13-01", "is no real date: month must be in 1..12"),
        ("11067 0000-01-01", "is no real date"),
        ("11067 2011-02-15 25:00", "is no real date: hour must be in 0..23"),
        ("11067 1.5.10", "'1.5.10' stands where a date belongs"),
        ("11067 2/5/2010", "stands where a date belongs"),
        ("11067 30.4.2010", "2010-04-30 lies outside of HMI's years, which begin on 2010-05-01"),
        ("11067 1.5.2100", "lies outside of HMI's years"),
        ("11067 6.5.2010 5.5.2010", "it ends before it begins: 2010-05-06 to 2010-05-05"),
        ("AR 11158 2011-02-15 02:01 2011-02-15 02:09", "no 12-minute slot lies between"),
        ("AR 11158 2011.02.15_99:00:00_TAI", "stands where a date belongs"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(text, words):
    assert words in reason(text)


def test_a_line_that_says_the_same_again_is_taken_once():
    lines, (problem,) = parse_region_list("AR 11158 1.2.2011\n\n11158 2011-02-01 - JSOC_1\nAR 11158 2.2.2011")
    assert [line.line for line in lines] == [1, 4]
    assert (problem.line, problem.reason) == (3, "it says the same as line 1, which is taken")


def test_a_harp_named_twice_in_a_line_is_taken_once_and_said():
    line = only("HARP 377, 394, 377")
    assert (line.harpnums, line.remark) == ((377, 394), "HARP 377 is named twice, and taken once.")


def test_a_list_that_is_too_long_is_read_as_far_as_it_may_go():
    lines, (problem,) = parse_region_list("\n".join(f"HARP {k}" for k in range(1, MOST_LINES + 4)))
    assert len(lines) == MOST_LINES
    assert problem.line == MOST_LINES + 1
    assert problem.reason == "a list may have 2,000 lines; this one and the 2 after it were not read"


def test_a_long_line_is_shown_cut_and_in_plain_signs():
    (problem,) = parse_region_list("\x1b[31m\x00" + "x" * 5000)[1]
    assert len(problem.text) <= 200
    assert problem.text.isprintable()
    assert len(problem.reason) < 400
    assert shown("abc") == "abc"


@given(anything)
def test_every_line_by_hand_is_accounted_for(text):
    lines, problems = parse_region_list(text)
    read = Counter([line.line for line in lines] + [problem.line for problem in problems])
    assert set(read.values()) <= {1}
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        body = line.partition("#")[0].split()
        if number not in read:  # a comment, nothing, or a header, which is of words alone
            assert not any(sign in "0123456789" for sign in "".join(body))
            assert not body or {"NOAA", "AR", "ARS", "HARP", "HARPS", "HARPNUM", "NOAA_AR"} & {
                word.strip("#()[].,:;").upper() for word in body
            }


@st.composite
def written(draw):
    """A line with all that it says, in one of many ways to write it."""
    noaa_ar, harpnums = draw(numbers), draw(st.lists(numbers, max_size=3, unique=True))
    first, last = sorted((draw(days), draw(days)))
    how = draw(st.sampled_from(["%Y-%m-%d", "%d.%m.%Y"]))
    gap = draw(st.sampled_from([" ", "\t", "   "]))
    label, comma = draw(st.sampled_from(["", "AR ", "NOAA "])), draw(st.sampled_from([",", ", "]))
    harps = comma.join(f"{number:04d}" for number in harpnums) or "-"
    text = gap.join([f"{label}{noaa_ar}", first.strftime(how), last.strftime(how), "-", harps])
    return text + draw(st.sampled_from(["", "  # seen", "\t"])), (noaa_ar, tuple(harpnums), first, last)


@given(st.lists(written(), max_size=8), st.sampled_from(["\n", "\r\n", "\n\n# a comment\n"]))
def test_what_was_written_is_what_is_read(rows, between):
    lines, problems = parse_region_list(between.join(text for text, _ in rows))
    assert len(lines) + len(problems) == len(rows)
    assert all("says the same as" in problem.reason for problem in problems)
    read = [(line.noaa_ar, line.harpnums, line.first.at.date(), line.last.at.date()) for line in lines]
    assert read == list(dict.fromkeys(said for _, said in rows))


# -- Times -----------------------------------------------------------------------------------------


def t_recs(first, last):
    return tuple(None if seconds is None else format_t_rec(seconds) for seconds in t_rec_range(*read_span(first, last)))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("15.2.2011", "2011-02-15", ("2011.02.15_00:00:00_TAI", "2011.02.15_23:48:00_TAI")),
        ("2016-12-31", "2016-12-31", ("2016.12.31_00:00:00_TAI", "2016.12.31_23:48:00_TAI")),  # UTC's is longer
        ("2011-02-15T00:00", "2011-02-15", ("2011.02.15_00:12:00_TAI", "2011.02.15_23:48:00_TAI")),  # TAI - UTC = 34 s
        ("2011-02-15T02:00TAI", "2011-02-15T02:24TAI", ("2011.02.15_02:00:00_TAI", "2011.02.15_02:24:00_TAI")),
        ("2011-02-15T02:00", "2011-02-15T02:24Z", ("2011.02.15_02:12:00_TAI", "2011.02.15_02:24:00_TAI")),
        ("2011.02.15_02:00:00_TAI", "", ("2011.02.15_02:00:00_TAI", None)),
        ("", "", (None, None)),
    ],
)
def test_days_and_moments_become_slots(first, last, expected):
    assert t_recs(first, last) == expected


@given(days, st.integers(0, 30))
def test_the_slots_of_days_are_those_whose_t_rec_names_them(begin, n_more):
    end = begin + timedelta(days=n_more)
    first_s, last_s = t_rec_range(
        *(Moment(datetime.combine(d, datetime.min.time()), is_day=True) for d in (begin, end))
    )
    assert first_s % CADENCE_S == last_s % CADENCE_S == 0
    assert (last_s - first_s) // CADENCE_S + 1 == 120 * (n_more + 1)
    slots = (first_s - CADENCE_S, first_s, last_s, last_s + CADENCE_S)
    before, first, last, after = (date.fromisoformat(format_t_rec(slot)[:10].replace(".", "-")) for slot in slots)
    assert before < begin == first
    assert last == end < after


def test_time_and_zone_may_stand_apart():
    line = only("AR 11158 2011-02-15 02:00:30 TAI 15.2.2011 3:00 utc")
    assert line.first == Moment(datetime(2011, 2, 15, 2, 0, 30), is_tai=True)
    assert line.last == Moment(datetime(2011, 2, 15, 3))
    assert (str(line.first), str(line.last)) == ("2011-02-15 02:00:30 TAI", "2011-02-15 03:00:00 UTC")
    assert str(day("2011-02-15")) == "2011-02-15"


def test_a_span_is_refused_with_a_sentence():
    with pytest.raises(ListError, match="ends before it begins"):
        read_span("2011-02-15T02:00TAI", "2011-02-14")


# -- Numbers that somebody types -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("377", [Asked(377, "")]),
        ("1106", [Asked(1106, "")]),
        ("AR 11158, HARP 377;H12", [Asked(11158, "noaa"), Asked(377, "harp"), Asked(12, "harp")]),
        ("noaa ar 11159 NOAA_AR:11158", [Asked(11159, "noaa"), Asked(11158, "noaa")]),
        ("AR 11158 11159", [Asked(11158, "noaa"), Asked(11159, "")]),
        ("377 0377 HARP 377", [Asked(377, ""), Asked(377, "harp")]),
        ("  ", []),
    ],
)  # fmt: skip
def test_typed_numbers(text, expected):
    assert read_numbers(text) == (expected, [])


def test_what_is_no_number_is_said():
    found, problems = read_numbers("pore 0 377 123456")
    assert found == [Asked(377, "")]
    assert [words.split(" is no ")[0] for words in problems] == ["'pore'", "0", "123456"]


def test_only_so_many_are_read():
    found, problems = read_numbers(" ".join(map(str, range(1, 40))), most=20)
    assert len(found) == 20
    assert "The first 20 are read" in problems[-1]


@given(anything)
def test_no_text_breaks_the_search(text):
    found, problems = read_numbers(text)
    assert all(0 < asked.number <= HIGHEST for asked in found)
    assert bool(found or problems) == bool(text.replace(",", " ").replace(";", " ").split())


# -- Bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_all_editors(encoding):
    assert only(text_of("HARP 377\r\n".encode(encoding))).harpnums == (377,)


# -- The real lists --------------------------------------------------------------------------------


@needs_real_data
def test_the_real_list_of_jsoc():
    """Counted with awk, sort and uniq."""
    pairs, problems = parse_harp_noaa(text_of((REAL_DATA / "HARP_TO_NOAA.txt").read_bytes()))
    assert problems == []
    of_harp, of_region = (Counter(pair[k] for pair in pairs) for k in (0, 1))
    assert (len(pairs), len(of_harp), len(of_region)) == (1706, 1350, 1626)
    assert sum(n > 1 for n in of_harp.values()) == 243
    assert sum(n > 1 for n in of_region.values()) == 75
    assert Pair(377, 11158) in pairs


@needs_real_data
def test_the_real_list_of_the_pore_observer():
    lines, problems = parse_region_list(text_of((REAL_DATA / "AR_LIST").read_bytes()))
    assert problems == []
    assert len(lines) == 19
    assert all(line.jsoc_id.startswith("JSOC_2018091") and line.first and line.last for line in lines)
    pairs, _ = parse_harp_noaa(text_of((REAL_DATA / "HARP_TO_NOAA.txt").read_bytes()))
    for line in lines:
        assert line.harpnums == tuple(harpnum for harpnum, region in pairs if region == line.noaa_ar)
    first, last = t_rec_range(lines[0].first, lines[0].last)
    assert (first, last) == (parse_t_rec("2010.05.01_00:00:00_TAI"), parse_t_rec("2010.05.06_23:48:00_TAI"))


def test_a_span_of_one_slot_is_not_empty():
    assert t_rec_range(*read_span("2011-02-15T00:12TAI", "2011-02-15T00:12TAI"))[0] is not None
