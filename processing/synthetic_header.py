"""What is written of a simulated frame: header cards in the words of a SHARP header, and compressed files."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from processing.files import replacing
from processing.geometry import ARCSEC_PER_RAD, RSUN_REF_M, CeaGeometry
from processing.timekeys import CADENCE_S, format_t_rec, parse_t_rec, utc_of

ASTRONOMICAL_UNIT_M = 149597870691.0
DAY_S = 86400.0
# Facts of one real record (HARP 2875, 2013.06.18_12:24:00_TAI) that anchor the ephemeris.
ANCHOR_S = parse_t_rec("2013.06.18_12:24:00_TAI")
ANCHOR_CRLN, ANCHOR_ROTATION = 263.554596, 2138
CRLN_DEG_PER_DAY = 13.239  # towards smaller longitudes, from two records 46 h apart
# Rotation that the patch's grid follows, and its middle: those of HARP 2875.
OMEGA_DEG_PER_DAY = 13.5277
CRVAL2 = 10.8939
CDELT = 0.03
# Degrees west of the central meridian at which the series begins; gives mu 0.95 and falling.
FIRST_WEST_DEG = 10.0
# Quiet Sun at disk centre in DN/s, about that of HARP 2875.
QUIET_SUN_DN = 57_900.0
# (BSCALE, BZERO) of real files; the stored integers are (value - BZERO) / BSCALE.
SCALES = {"continuum": (3.0, 97304.0), "Br": (0.01, 0.0), "Bt": (0.01, 0.0), "Bp": (0.01, 0.0)}
BLANK = -(2**31)


def _ephemeris(t_s: int) -> dict[str, float]:
    """Where the observer is: low-precision, within 0.1 degrees and 0.1 % of the real values of June 2013."""
    days = (t_s - ANCHOR_S) / DAY_S
    turned = ANCHOR_CRLN - CRLN_DEG_PER_DAY * days
    # B0 passes 0 northwards about 11.65 days before the anchor; aphelion is about 16.5 days after it.
    b0 = 7.25 * np.sin(2 * np.pi * (days + 11.65) / 365.25)
    distance = ASTRONOMICAL_UNIT_M * (1 + 0.0167 * np.cos(2 * np.pi * (days - 16.5) / 365.25))
    return {
        "CRLN_OBS": turned % 360,
        "CRLT_OBS": b0,
        "CAR_ROT": ANCHOR_ROTATION - np.floor(turned / 360),
        "DSUN_OBS": distance,
        "RSUN_OBS": np.arcsin(RSUN_REF_M / distance) * ARCSEC_PER_RAD,
        # The orbit about the Earth adds up to some 3 km/s with a period of one day.
        "OBS_VR": -1000 + 2500 * np.sin(2 * np.pi * days),
        "OBS_VW": 30000 + 2500 * np.cos(2 * np.pi * days),
        "OBS_VN": 1500 + 1000 * np.sin(2 * np.pi * days + 1),
    }


def observer_cards(
    harpnum: int, t_rec_s: int, *, start_s: int, end_s: int, shape: tuple[int, int], cadence_s: int = CADENCE_S
) -> dict[str, Any]:
    """
    The cards that all segments of a record share: times, place, observer, origin.

    Parameters
    ----------
    harpnum : int
    t_rec_s, start_s, end_s : int
        Slot time of this record and of the series' first and last, TAI seconds since 1993.
    shape : (int, int)
        (ny, nx) of the maps.
    cadence_s : int, optional
        Seconds between records.
    """
    ny, nx = shape
    observer = {key: round(float(value), 6) for key, value in _ephemeris(t_rec_s).items()}
    first = _ephemeris(start_s)["CRLN_OBS"] + FIRST_WEST_DEG
    west = FIRST_WEST_DEG + (OMEGA_DEG_PER_DAY * (t_rec_s - start_s)) / DAY_S
    crval1 = (first + (OMEGA_DEG_PER_DAY - CRLN_DEG_PER_DAY) * (t_rec_s - start_s) / DAY_S) % 360
    begun = utc_of(t_rec_s) - timedelta(seconds=59.4)
    return {
        "DATE": (utc_of(t_rec_s) + timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%S"),
        "DATE-OBS": begun.isoformat(timespec="milliseconds")[:-1],
        "T_OBS": format_t_rec(t_rec_s + 8),
        "T_REC": format_t_rec(t_rec_s),
        "TRECEPOC": "1993.01.01_00:00:00_TAI",
        "TRECSTEP": float(CADENCE_S),
        "TRECUNIT": "secs",
        "CADENCE": float(cadence_s),
        "CTYPE1": "CRLN-CEA",
        "CTYPE2": "CRLT-CEA",
        "CRPIX1": (nx + 1) / 2,
        "CRPIX2": (ny + 1) / 2,
        "CRVAL1": round(crval1, 6),
        "CRVAL2": CRVAL2,
        "CDELT1": CDELT,
        "CDELT2": CDELT,
        "CUNIT1": "degree",
        "CUNIT2": "degree",
        "CROTA2": 0.0,
        "WCSNAME": "Carrington Heliographic",
        **observer,
        "CAR_ROT": int(observer["CAR_ROT"]),
        "DSUN_REF": int(ASTRONOMICAL_UNIT_M),
        "RSUN_REF": int(RSUN_REF_M),
        "TELESCOP": "SDO/HMI",
        "INSTRUME": "HMI_SIDE1",
        "WAVELNTH": 6173.0,
        "CAMERA": 1,
        "QUALITY": 0,
        "QUALLEV1": 0,
        "ORIGIN": "POREWEB SIMULATION",
        "CONTENT": "SIMULATED, NOT AN OBSERVATION",
        "HARPNUM": harpnum,
        "NOAA_AR": 0,
        "NOAA_NUM": 0,
        "NOAA_ARS": "MISSING",
        "H_MERGE": 0,
        "H_FAINT": 0,
        "OMEGA_DT": OMEGA_DEG_PER_DAY,
        "LATDTMIN": round(CRVAL2 - ny * CDELT / 2, 6),
        "LATDTMAX": round(CRVAL2 + ny * CDELT / 2, 6),
        "LONDTMIN": round(west - nx * CDELT / 2, 6),
        "LONDTMAX": round(west + nx * CDELT / 2, 6),
        "T_FRST": format_t_rec(start_s),
        "T_FRST1": format_t_rec(start_s),
        "T_LAST1": format_t_rec(end_s),
        "T_LAST": format_t_rec(end_s),
        "N_PATCH": (end_s - start_s) // cadence_s + 1,
    }


def region_cards(maps: Mapping[str, np.ndarray], geometry: CeaGeometry) -> dict[str, Any]:
    """The cards that sum up the active region: its extent, areas and fluxes from Br and the bitmap."""
    inside, strong = maps["bitmap"] >= 32, maps["bitmap"] == 34
    area_cm2 = geometry.pixel_area_mm2 * 1e16
    cards: dict[str, Any] = {"NPIX": int(inside.sum()), "NACR": int(strong.sum())}
    cards["SIZE"] = round(cards["NPIX"] * geometry.pixel_area_mm2 * geometry.msh_per_mm2, 6)
    cards["SIZE_ACR"] = round(cards["NACR"] * geometry.pixel_area_mm2 * geometry.msh_per_mm2, 6)
    cards["CMASK"] = float(cards["NACR"])
    cards["USFLUX"] = float(f"{np.abs(maps['Br'][strong]).sum(dtype=float) * area_cm2:.6e}")
    if not inside.any():
        return cards
    field = maps["Br"][inside].astype(float)
    cards |= {"MTOT": np.abs(field).sum(), "MNET": field.sum(), "MMEAN": field.mean(), "MSTDEV": field.std()}
    cards |= {"MPOS_TOT": field[field > 0].sum(), "MNEG_TOT": -field[field < 0].sum()}
    lon, lat = geometry.lon_lat(*np.nonzero(inside))
    west = (lon - geometry.crln_obs + 180) % 360 - 180
    weight = np.abs(field) / np.abs(field).sum()
    cards |= {"LAT_MIN": lat.min(), "LAT_MAX": lat.max(), "LON_MIN": west.min(), "LON_MAX": west.max()}
    cards |= {"LAT_FWT": (lat * weight).sum(), "LON_FWT": (west * weight).sum()}
    return {key: value if isinstance(value, int) else float(f"{value:.9g}") for key, value in cards.items()}


def quantised(segment: str, data: np.ndarray) -> np.ndarray:
    """The integers that a file of that segment stores: int32, or uint8 for the bitmap."""
    if segment == "bitmap":
        return data.astype(np.uint8)
    scale, zero = SCALES[segment]
    stored = np.rint((data.astype(float) - zero) / scale)
    return np.where(np.isfinite(stored), stored, BLANK).astype(np.int32)


def restored(segment: str, stored: np.ndarray) -> np.ndarray:
    """What a reader gets back from ``stored``: float32 with NaN for BLANK, or the bitmap as it is."""
    if segment == "bitmap":
        return stored
    scale, zero = SCALES[segment]
    return np.where(stored == BLANK, np.nan, stored * scale + zero).astype(np.float32)


def segment_cards(cards: Mapping[str, Any], segment: str, data: np.ndarray) -> dict[str, Any]:
    """The shared cards with the unit and the statistics of one segment's map."""
    finite = data[np.isfinite(data)].astype(float)
    own: dict[str, Any] = {"DATAVALS": int(finite.size), "MISSVALS": int(data.size - finite.size)}
    if segment != "bitmap":
        own["BUNIT"] = "DN/s" if segment == "continuum" else "Mx/cm^2"
    if finite.size:
        own |= {"DATAMIN": finite.min(), "DATAMAX": finite.max(), "DATAMEDN": np.median(finite)}
        own |= {"DATAMEAN": finite.mean(), "DATARMS": finite.std()}
    rounded = {key: value if isinstance(value, int | str) else round(float(value), 6) for key, value in own.items()}
    return {**cards, **rounded}


def write_segment(path: Path, segment: str, data: np.ndarray, cards: Mapping[str, Any]) -> None:
    """Write one map RICE-compressed row by row, as JSOC does; under a temporary name until complete."""
    stored = quantised(segment, data)
    header = fits.Header(cards=list(segment_cards(cards, segment, restored(segment, stored)).items()))
    image = fits.CompImageHDU(stored, header, compression_type="RICE_1", tile_shape=(1, stored.shape[1]))
    if segment != "bitmap":
        image.header["BSCALE"], image.header["BZERO"] = SCALES[segment]
        image.header["BLANK"] = BLANK
    with replacing(path) as beside:
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(beside, overwrite=True)
