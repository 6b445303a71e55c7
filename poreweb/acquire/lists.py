"""Lists of regions written by hand: which HARPs each line may mean, and what is asked for in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from poreweb.acquire.noaa import Known, known_of
from poreweb.acquire.wanted import Wanted
from processing.list_times import ListError, t_rec_range
from processing.region_lists import RegionLine

YOURS, JSOCS, BOTH = "your list", "JSOC’s list", "your list and JSOC’s"


@dataclass(frozen=True)
class Choice:
    """A HARP that a line may mean, who says so, and the NOAA regions that JSOC's list has in it."""

    harpnum: int
    noaa_ar: int | None
    noaa_ars: tuple[int, ...]
    said_by: str
    is_ticked: bool = False

    @property
    def value(self) -> str:
        """What the form sends for it."""
        return f"{self.harpnum}-{self.noaa_ar or ''}"


@dataclass(frozen=True)
class Offer:
    """A line, the HARPs to choose from, and a sentence where the choice is the reader's."""

    line: RegionLine
    choices: tuple[Choice, ...]
    remark: str = ""
    is_at_odds: bool = False

    @property
    def field(self) -> str:
        """Name of its boxes in the form."""
        return f"line-{self.line.line}"


def offers_of(lines: Sequence[RegionLine], *, alone: str = "", most_ticked: int = 200) -> list[Offer]:
    """
    What each line may mean, by JSOC's list and by its own words.

    Ticked is what there is no doubt about: the HARPs that a line names and JSOC's list does
    not contradict, or the only one of its NOAA region; no more than ``most_ticked`` in all.
    ``alone`` is what a number is that stands alone: "harp", "noaa", or empty to choose line
    by line.
    """
    lines = [_with_kind(line, alone) for line in lines]
    numbers = {line.number for line in lines if line.number}
    known = known_of(
        numbers | {harpnum for line in lines for harpnum in line.harpnums},
        numbers | {line.noaa_ar for line in lines if line.noaa_ar},
    )
    offers, n_ticked = [], 0
    for line in lines:
        offer = _offer(line, known)
        n_ticked += sum(choice.is_ticked for choice in offer.choices)
        offers.append(offer if n_ticked <= most_ticked else _ticked(offer, ()))
    return offers


def _with_kind(line: RegionLine, alone: str) -> RegionLine:
    if line.number is None or not alone:
        return line
    if alone == "harp":
        return replace(line, number=None, harpnums=(line.number,))
    return replace(line, number=None, noaa_ar=line.number)


def _offer(line: RegionLine, known: Known) -> Offer:
    if line.number is not None:
        choices = _choices((line.number,), None, known, YOURS)
        choices += _choices(known.harps_of(line.number), line.number, known, JSOCS)
        return Offer(line, choices, f"The line does not say whether {line.number} is a HARP or a NOAA region.")
    listed = known.harps_of(line.noaa_ar) if line.noaa_ar else ()
    if line.noaa_ar is None:
        return Offer(line, _choices(line.harpnums, None, known, YOURS, is_ticked=True))
    if not line.harpnums:
        remark = "" if len(listed) == 1 else _several_or_none(line.noaa_ar, listed)
        return Offer(line, _choices(listed, line.noaa_ar, known, JSOCS, is_ticked=len(listed) == 1), remark)
    return _compared(line, line.noaa_ar, listed, known)


def _several_or_none(noaa_ar: int, listed: Sequence[int]) -> str:
    if listed:
        return f"NOAA {noaa_ar} lies in {len(listed)} HARPs."
    return f"JSOC’s list has no HARP for NOAA {noaa_ar}; if {noaa_ar} is a HARP, write HARP before it."


def _compared(line: RegionLine, noaa_ar: int, listed: tuple[int, ...], known: Known) -> Offer:
    """A line that names both: the HARPs of both lists, and whether they say the same."""
    own = line.harpnums
    wrong = [harpnum for harpnum in own if harpnum not in listed and (listed or known.noaas_of(harpnum))]
    choices = (
        *_choices([h for h in own if h in listed], noaa_ar, known, BOTH, is_ticked=not wrong),
        *_choices([h for h in own if h not in listed], noaa_ar, known, YOURS, is_ticked=not wrong),
        *_choices([h for h in listed if h not in own], noaa_ar, known, JSOCS),
    )
    if wrong:
        theirs = f"says HARP {_words(listed)}"
        if not listed:
            theirs = f"does not have it, and has NOAA {_words(known.noaas_of(wrong[0]))} in HARP {wrong[0]}"
        remark = f"For NOAA {noaa_ar} your list says HARP {_words(own)}; JSOC’s {theirs}."
        return Offer(line, choices, remark, is_at_odds=True)
    if not listed:
        return Offer(line, choices, f"JSOC’s list has neither NOAA {noaa_ar} nor HARP {_words(own)}.")
    more = [harpnum for harpnum in listed if harpnum not in own]
    return Offer(line, choices, f"NOAA {noaa_ar} lies in HARP {_words(more)} too." if more else "")


def _words(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _choices(
    harpnums: Sequence[int], noaa_ar: int | None, known: Known, said_by: str, *, is_ticked: bool = False
) -> tuple[Choice, ...]:
    return tuple(Choice(harp, noaa_ar, known.noaas_of(harp), said_by, is_ticked) for harp in harpnums)


def _ticked(offer: Offer, values: Sequence[str]) -> Offer:
    choices = tuple(replace(choice, is_ticked=choice.value in values) for choice in offer.choices)
    return replace(offer, choices=choices)


def chosen_of(offers: Sequence[Offer], sent: Mapping[str, Sequence[str]]) -> list[Offer]:
    """
    The offers with those boxes ticked that the form sent, by their fields.

    Raises
    ------
    ListError
        If something was sent that is not offered: JSOC's list has changed meanwhile.
    """
    chosen = []
    for offer in offers:
        values = sent.get(offer.field, ())
        if unknown := set(values) - {choice.value for choice in offer.choices}:
            words = ", ".join(sorted(unknown))[:80]
            raise ListError(f"{words!r} is no longer offered for line {offer.line.line}; choose again")
        chosen.append(_ticked(offer, values))
    return chosen


def wanted_of(offers: Sequence[Offer]) -> list[Wanted]:
    """What is ticked, the same records of a HARP once."""
    wanted: dict[tuple[int, int | None, int | None], Wanted] = {}
    for offer in offers:
        ticked = [choice for choice in offer.choices if choice.is_ticked]
        if ticked:
            first_s, last_s = t_rec_range(offer.line.first, offer.line.last)
            for choice in ticked:
                key = choice.harpnum, first_s, last_s
                wanted.setdefault(key, Wanted(choice.harpnum, choice.noaa_ar, first_s, last_s))
    return list(wanted.values())
