"""Real SDO/HMI records, kept beside the repository; tests of them are skipped where they are missing."""

from functools import cache
from pathlib import Path

import pytest

from processing.fits import PatchFrame, read_patch_frame

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"

needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real records are not at ../shared/data")

RECORDS = (
    "2875.20130618_122400",
    "2875.20130620_103600",
    "2875.20130622_084800",
    "377.20110215_020000",
    "7115.20170901_220000",
    "7115.20170906_120000",
)
each_record = pytest.mark.parametrize("record", RECORDS)


def paths_of(record: str) -> list[Path]:
    """The files of all segments of one of `RECORDS`."""
    harpnum = record.partition(".")[0]
    return sorted((REAL_DATA / f"harp{harpnum}").glob(f"hmi.sharp_cea_720s.{record}_TAI.*.fits"))


@cache
def real_frame(record: str) -> PatchFrame:
    """One of `RECORDS`, read once; its maps are shared by all tests and must not be changed."""
    return read_patch_frame(paths_of(record))
