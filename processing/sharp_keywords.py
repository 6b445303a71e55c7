"""
What JSOC says of a SHARP's field at each T_REC: the space-weather keywords of its header.

Meanings, units and errors after Bobra et al. 2014, Sol. Phys. 289, 3549, tables 2 and 3;
R_VALUE after Schrijver 2007, ApJ 655, L117. The vector quantities are of those pixels whose
disambiguation is of high confidence; NPIX, SIZE, NACR and AREA_ACR are of the HARP itself,
from its detection in the line-of-sight field. JSOC calls the unit of SIZE microhemispheres,
but what it gives is in millionths of the disk: SIZE / NPIX of real headers is that share
of a pixel.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SharpKeyword:
    """One keyword; ``unit`` is empty where it has none, ``error`` is the keyword of its error, empty likewise."""

    name: str
    meaning: str
    unit: str
    error: str = ""


SHARP_KEYWORDS = {
    keyword.name: keyword
    for keyword in (
        SharpKeyword("USFLUX", "total unsigned flux", "Mx", "ERRVF"),
        SharpKeyword("MEANGAM", "mean angle of the field from radial", "deg", "ERRGAM"),
        SharpKeyword("MEANGBT", "mean horizontal gradient of the total field", "G/Mm", "ERRBT"),
        SharpKeyword("MEANGBZ", "mean horizontal gradient of the vertical field", "G/Mm", "ERRBZ"),
        SharpKeyword("MEANGBH", "mean horizontal gradient of the horizontal field", "G/Mm", "ERRBH"),
        SharpKeyword("MEANJZD", "mean vertical current density", "mA/m²", "ERRJZ"),
        SharpKeyword("TOTUSJZ", "total unsigned vertical current", "A", "ERRUSI"),
        SharpKeyword("MEANALP", "mean characteristic twist parameter alpha", "1/Mm", "ERRALP"),
        SharpKeyword("MEANJZH", "mean current helicity, of Bz", "G²/m", "ERRMIH"),
        SharpKeyword("TOTUSJH", "total unsigned current helicity", "G²/m", "ERRTUI"),
        SharpKeyword("ABSNJZH", "absolute value of the net current helicity", "G²/m", "ERRTAI"),
        SharpKeyword("SAVNCPP", "sum of the absolute net currents of each polarity", "A", "ERRJHT"),
        SharpKeyword("MEANPOT", "proxy of the mean density of free magnetic energy", "erg/cm³", "ERRMPOT"),
        SharpKeyword("TOTPOT", "proxy of the total free magnetic energy, per length of depth", "erg/cm", "ERRTPOT"),
        SharpKeyword("MEANSHR", "mean shear angle between the field and the potential field", "deg", "ERRMSHA"),
        SharpKeyword("SHRGT45", "share of the area with a shear angle above 45 degrees", "%"),
        SharpKeyword("R_VALUE", "logarithm (base 10) of the unsigned flux near polarity inversion lines", "log Mx"),
        SharpKeyword("AREA_ACR", "area of its active pixels on the Sun", "MSH"),
        SharpKeyword("NPIX", "pixels within the patch", "pixels"),
        SharpKeyword("SIZE", "area of the patch as seen", "millionths of the disk"),
        SharpKeyword("NACR", "active pixels within the patch", "pixels"),
    )
}


@dataclass(frozen=True)
class KeywordCurve:
    """
    One keyword over the frames of a patch, in the order of the frames.

    ``values`` and ``errors`` are None where a header gives none. They are to be multiplied
    by 10 to the power of ``exponent`` to be in ``keyword.unit``.
    """

    keyword: SharpKeyword
    values: list[float | None]
    errors: list[float | None]
    exponent: int

    @property
    def unit(self) -> str:
        """Of the values as they stand here: "10²² Mx"."""
        power = f"10{str(self.exponent).translate(_RAISED)}" if self.exponent else ""
        return " ".join(filter(None, [power, self.keyword.unit]))


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number_in(cards: Mapping[str, Any], name: str) -> float | None:
    """The finite number that a card gives; None when it is missing, nan or no number."""
    value = cards.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def held_keywords(cards: Sequence[Mapping[str, Any]]) -> list[SharpKeyword]:
    """Those that at least one of the headers gives, in the order of `SHARP_KEYWORDS`."""
    return [
        keyword
        for keyword in SHARP_KEYWORDS.values()
        if any(number_in(header, keyword.name) is not None for header in cards)
    ]


def keyword_curve(keyword: SharpKeyword, cards: Sequence[Mapping[str, Any]]) -> KeywordCurve:
    """One keyword of many headers, scaled by a power of ten where its numbers are long."""
    values = [number_in(header, keyword.name) for header in cards]
    errors = [number_in(header, keyword.error) if keyword.error else None for header in cards]
    largest = max((abs(value) for value in values if value is not None), default=0)
    order = math.floor(math.log10(largest)) if largest else 0
    exponent = order if order >= 5 or order <= -3 else 0
    return KeywordCurve(keyword, _scaled(values, exponent), _scaled(errors, exponent), exponent)


def _scaled(values: Sequence[float | None], exponent: int) -> list[float | None]:
    return [None if value is None else value / 10.0**exponent for value in values]
