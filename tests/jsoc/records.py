"""What the stand-in holds: the records of some series, their keywords and their files."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processing.timekeys import EPOCH, format_t_rec, parse_t_rec, tai_of
from tests.jsoc.fits_bytes import bare, dims_of, read_header

DEFINITIVE = "hmi.sharp_cea_720s"
SEGMENTS = (
    "magnetogram", "bitmap", "Dopplergram", "continuum", "Bp", "Bt", "Br", "Bp_err", "Bt_err", "Br_err",
    "conf_disambig",
)  # fmt: skip
PRIME_KEYS = ("HARPNUM", "T_REC")
# The names of keywords that FITS has no room for.
_DRMS_NAMES = {"DATE-OBS": "DATE__OBS", "TRECEPOC": "T_REC_epoch", "TRECSTEP": "T_REC_step", "TRECUNIT": "T_REC_unit"}
PER_SEGMENT = ("BUNIT", "DATAVALS", "MISSVALS", "DATAMIN", "DATAMAX", "DATAMEDN", "DATAMEAN", "DATARMS")
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|EXTNAME|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BLANK|BSCALE|BZERO|TFIELDS|T(TYPE|FORM)\d+|"
    r"Z(IMAGE|SIMPLE|TENSION|EXTEND|[PG]COUNT|BITPIX|NAXIS\d*|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|BLANK)|CHECKSUM|DATASUM"
)
_FILE_NAME = re.compile(
    r"(?P<series>hmi\.sharp_cea_\w+)\.(?P<harpnum>\d+)\.(?P<t_rec>\d{8}_\d{6}_TAI)\.(?P<segment>\w+)\.fits?"
)
HEADER_BYTES = 20 * 2880  # enough for both headers of a SHARP file
SUNUM_OF_FIRST = 60_000_000


def keywords_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """The DRMS keywords of a header, by their DRMS names."""
    named = {_DRMS_NAMES.get(key, key): value for key, value in header.items() if not _STRUCTURE.fullmatch(key)}
    if isinstance(moment := named.get("DATE__OBS"), str) and not moment.endswith("Z"):
        named["DATE__OBS"] = f"{moment}Z"  # the card has no zone, the keyword has
    return named


def drms_text(name: str, value: Any) -> str:
    """A keyword's value in an answer: always text, hexadecimal for QUALITY, MISSING for what has none."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "nan":
        return "MISSING"
    if name.upper() in ("QUALITY", "QUAL_S", "QUALLEV1"):
        return f"0x{int(value) & 0xFFFFFFFF:08x}"
    return str(value)


@dataclass
class Record:
    """One HARP at one T_REC. ``files`` holds of each segment its bytes, or where they lie."""

    series: str
    harpnum: int
    t_rec_s: int
    keywords: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes | Path] = field(default_factory=dict)
    dims: dict[str, tuple[int, int]] = field(default_factory=dict)
    per_segment: dict[str, dict[str, Any]] = field(default_factory=dict)
    recnum: int = 0
    is_online: bool = True

    @property
    def t_rec(self) -> str:
        return format_t_rec(self.t_rec_s)

    @property
    def name(self) -> str:
        """Its record-set specification."""
        return f"{self.series}[{self.harpnum}][{self.t_rec}]"

    @property
    def sunum(self) -> int:
        return SUNUM_OF_FIRST + self.recnum

    @property
    def folder(self) -> str:
        """Where SUMS keeps it."""
        return f"/SUM{self.sunum % 90}/D{self.sunum}/S00000"

    def read(self, segment: str) -> bytes:
        """The file as an export with protocol fits gives it."""
        file = self.files[segment]
        return file.read_bytes() if isinstance(file, Path) else file

    def read_as_is(self, segment: str) -> bytes:
        return bare(self.read(segment))

    def size(self, segment: str) -> int:
        file = self.files[segment]
        return file.stat().st_size if isinstance(file, Path) else len(file)

    def value(self, name: str) -> Any:
        """A keyword's value, None when it has none; raises KeyError for a keyword that the record does not know."""
        wanted = name.upper()
        if wanted in PRIME_KEYS:
            return self.harpnum if wanted == "HARPNUM" else self.t_rec
        known = name if name in self.keywords else next((key for key in self.keywords if key.upper() == wanted), None)
        if known is not None:
            value = self.keywords[known]
            return None if isinstance(value, float) and math.isnan(value) else value
        if (found := re.fullmatch(r"(\w+)_(\d{3})", wanted)) and found[1] in PER_SEGMENT:
            return self.per_segment.get(SEGMENTS[int(found[2])], {}).get(found[1])
        raise KeyError(name)


class Archive:
    """
    Records of one or more series, in the order of their prime keys.

    >>> Archive.from_folders("data/harp377").series
    ['hmi.sharp_cea_720s']
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, int, int], Record] = {}
        self._n_made = 0

    @classmethod
    def from_folders(cls, *folders: Path | str) -> "Archive":
        archive = cls()
        for folder in folders:
            archive.add_folder(Path(folder))
        return archive

    def add_folder(self, folder: Path) -> None:
        """Take in all files with a JSOC name, the series being part of it."""
        paths = sorted(Path(folder).glob("*.fits"))
        if not any(_FILE_NAME.fullmatch(path.name) for path in paths):
            raise ValueError(f"{folder} holds no file named as JSOC names those of a SHARP")
        for path in paths:
            if named := _FILE_NAME.fullmatch(path.name):
                key = (named["series"], int(named["harpnum"]), parse_t_rec(named["t_rec"]))
                self.add(*key, named["segment"], path)

    def add(self, series: str, harpnum: int, t_rec_s: int, segment: str, file: bytes | Path) -> Record:
        """Add the file of one segment; the first one with a full header gives the record its keywords."""
        if segment not in SEGMENTS:
            raise ValueError(f"{segment!r} is no segment of {series}")
        record = self._records.get((series, harpnum, t_rec_s))
        if record is None:
            self._n_made += 1
            record = Record(series, harpnum, t_rec_s, recnum=self._n_made)
            self._records[series, harpnum, t_rec_s] = record
        if isinstance(file, Path):
            with file.open("rb") as opened:
                header = read_header(opened.read(HEADER_BYTES))
        else:
            header = read_header(file[:HEADER_BYTES])
        record.files[segment] = file
        record.dims[segment] = dims_of(header)
        keywords = keywords_of(header)
        record.per_segment[segment] = {key: keywords.pop(key) for key in PER_SEGMENT if key in keywords}
        record.keywords = record.keywords or keywords
        return record

    @property
    def series(self) -> list[str]:
        return sorted({key[0] for key in self._records})

    def records(self, series: str | None = None) -> list[Record]:
        """All of one series (in any case of letters), or of all of them."""
        keys = sorted(key for key in list(self._records) if series is None or key[0].lower() == series.lower())
        return [self._records[key] for key in keys]

    def record(self, harpnum: int, t_rec: str, series: str = DEFINITIVE) -> Record:
        return self._records[series, harpnum, parse_t_rec(t_rec)]

    def remove(self, record: Record) -> None:
        """As if it had never been observed."""
        del self._records[record.series, record.harpnum, record.t_rec_s]

    def move(self, records: Iterable[Record], series: str) -> None:
        """Put records into another series, such as the near-real-time one; their files stay the same."""
        for record in list(records):
            self.remove(record)
            record.series = series
            self._records[series, record.harpnum, record.t_rec_s] = record

    def take_offline(self, records: Iterable[Record]) -> None:
        """Leave records on tape alone: JSOC knows them, and their files come with exports."""
        for record in records:
            record.is_online = False

    def segments(self, series: str) -> list[str]:
        """Those that any of its records has, in the order of the series."""
        held = {segment for record in self.records(series) for segment in record.files}
        return [segment for segment in SEGMENTS if segment in held]

    def keyword_names(self, series: str) -> list[str]:
        """Those that any of its records knows, the prime keys first."""
        names = dict.fromkeys(PRIME_KEYS)
        for record in self.records(series):
            names |= dict.fromkeys(record.keywords)
        return list(names)

    def noaa_list(self) -> str:
        """HARPs and their NOAA regions as JSOC lists them, from the keywords; HARPs without one left out."""
        of_harp: dict[int, str] = {}
        for record in self.records():
            regions = str(record.keywords.get("NOAA_ARS") or "MISSING")
            if regions != "MISSING":
                of_harp[record.harpnum] = regions
        return "HARPNUM NOAA_ARS\n" + "".join(f"{harp} {regions}\n" for harp, regions in sorted(of_harp.items()))


def last_change(record: Record) -> float:
    """POSIX time of its files: five days after the observation, which is when definitive data come."""
    return (tai_of(record.t_rec_s) - EPOCH).total_seconds() + 725_846_400 + 5 * 86_400
