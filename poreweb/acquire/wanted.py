"""What somebody asks for, before it is a row."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """Records of one HARP: T_REC in TAI seconds since 1993-01-01, None for from its beginning or to its end."""

    harpnum: int
    noaa_ar: int | None = None
    first_s: int | None = None
    last_s: int | None = None
