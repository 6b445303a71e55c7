"""A small archive for tests: a HARP of many records whose maps are tiny and whose headers are whole."""

import numpy as np

from processing.geometry import CeaGeometry
from processing.synthetic_header import (
    BLANK,
    QUIET_SUN_DN,
    SCALES,
    observer_cards,
    quantised,
    region_cards,
    restored,
    segment_cards,
)
from processing.timekeys import CADENCE_S, parse_t_rec
from tests.jsoc.fits_bytes import rice_file, rice_rows
from tests.jsoc.records import DEFINITIVE, Archive

SEGMENTS = ("bitmap", "continuum", "Bp", "Bt", "Br")
# Magnetic parameters of the region (Bobra et al. 2014, Sol. Phys. 289, 3549) with values as those of HARP 377.
_PARAMETERS = {
    "MEANGAM": 59.699, "MEANGBT": 93.508, "MEANGBZ": 100.523, "MEANGBH": 67.188, "MEANJZD": 0.26992074,
    "TOTUSJZ": 6.287423e13, "MEANALP": 0.03976294, "MEANJZH": 0.01801569, "TOTUSJH": 3330.155, "ABSNJZH": 823.317,
    "SAVNCPP": 2.009455e13, "MEANPOT": 1.456275e4, "TOTPOT": 8.838948e23, "MEANSHR": 52.548, "SHRGT45": 58.823,
    "R_VALUE": 4.9, "GWILL": 41.0, "ERRVF": 6.891751e18, "ERRGAM": 0.018, "AREA_ACR": 1101.346313,
}  # fmt: skip


def small_archive(
    n_records: int = 40,
    *,
    shape: tuple[int, int] = (24, 32),
    harpnum: int = 377,
    start: str = "2011.02.15_00:00:00_TAI",
    series: str = DEFINITIVE,
    noaa: tuple[int, ...] = (11158,),
    lost: tuple[int, ...] = (),
    bad: tuple[int, ...] = (),
    offline: tuple[int, ...] = (),
    seed: int = 377,
    into: Archive | None = None,
) -> Archive:
    """
    An archive with one more HARP: a pore on noise in five segments, every file different.

    ``lost`` are the slots without a record, ``bad`` those with bit 31 of QUALITY, as records
    without data have, ``offline`` those that are on tape alone. Every third record
    has no R_VALUE. ``into`` takes the records into an archive there is.
    """
    archive = Archive() if into is None else into
    start_s = parse_t_rec(start)
    slots = [index for index in range(n_records) if index not in lost]
    maps = {segment: quantised(segment, cube) for segment, cube in _cubes(len(slots), shape, seed).items()}
    rows = {segment: rice_rows(cube) for segment, cube in maps.items()}
    for k, index in enumerate(slots):
        t_rec_s = start_s + index * CADENCE_S
        cards = observer_cards(
            harpnum, t_rec_s, start_s=start_s, end_s=start_s + (n_records - 1) * CADENCE_S, shape=shape
        )
        seen = {segment: restored(segment, cube[k]) for segment, cube in maps.items()}
        cards |= region_cards(seen, CeaGeometry.from_header(cards))
        cards |= {name: float(f"{value * (1 + 0.002 * index):.7g}") for name, value in _PARAMETERS.items()}
        if index % 3 == 0:
            cards["R_VALUE"] = float("nan")
        cards |= {"NOAA_AR": noaa[0] if noaa else 0, "NOAA_NUM": len(noaa)}
        cards["NOAA_ARS"] = ",".join(map(str, noaa)) or "MISSING"
        cards["QUALITY"] = -(2**31) if index in bad else 0
        for segment in SEGMENTS:
            own = segment_cards(cards, segment, seen[segment])
            own |= (
                {"BLANK": BLANK, "BZERO": SCALES[segment][1], "BSCALE": SCALES[segment][0]} if segment in SCALES else {}
            )
            bitpix = 8 if segment == "bitmap" else 32
            file = rice_file(rows[segment][k], shape[1], own, bitpix=bitpix)
            archive.add(series, harpnum, t_rec_s, segment, file).is_online = index not in offline
    return archive


def _cubes(n: int, shape: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """Of each segment a cube (n, ny, nx): continuum in DN/s, fields in gauss, the bitmap's values."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    row, col = np.mgrid[:ny, :nx]
    drift = np.linspace(-2, 2, n)[:, None, None]
    inside = np.exp(-(((row - ny / 2) ** 2 + (col - nx / 2 - drift) ** 2) / (ny / 6) ** 2))
    noise = {segment: rng.normal(0, 1, (n, ny, nx)) for segment in SEGMENTS}
    return {
        "bitmap": np.where(inside > 0.3, 34, np.where(inside > 0.05, 33, 1)),
        "continuum": QUIET_SUN_DN * (1 - 0.75 * inside + 0.01 * noise["continuum"]),
        "Bp": 100 * inside + 30 * noise["Bp"],
        "Bt": -80 * inside + 30 * noise["Bt"],
        "Br": -1500 * inside + 30 * noise["Br"],
    }
