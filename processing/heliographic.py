"""
Helioprojective images of any instrument to the CEA maps that the chain works on; sunpy reads their headers.

A patch is followed with solar rotation: its box is fixed in Carrington coordinates, so
that each pixel is the same place of that frame in all maps of a series. Nothing has to be
chosen or measured for it, and it can be told in two numbers. What is left is differential
rotation: a pore at 30 degrees drifts by 0.9 degrees a day against the box, a fifth of a
pixel of HMI in 12 minutes, and all the pores of a region nearly alike, which the tracker
takes out as the frame's shift. (A HARP's box goes with the rotation of its own latitude
instead, so that its Carrington longitude drifts.)
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from astropy.wcs import FITSFixedWarning
from scipy import ndimage

from processing.errors import FrameError, ParameterError, first_line
from processing.files import MAX_PIXELS
from processing.fits import NO_HARP, OF_SEQUENCE, PatchFrame
from processing.geometry import ARCSEC_PER_RAD, RSUN_REF_M, CeaGeometry
from processing.timekeys import format_t_rec, parse_t_rec, t_rec_s_of
from processing.upscale import fill_missing

# A pixel's side in degrees is a whole number of these; for finer images, of a tenth, a hundredth of it.
STEP_DEG = 0.005
# so that rounding never changes the sampling by more than an eighth
LEAST_STEPS = 4
# Wider, a box holds pixels from beyond the limb at any time.
MOST_DEGREES = 120.0
# Places of the field that are looked at along each axis to see how far it reaches.
N_PROBES = 65
# Of the cubic spline: what a pixel further away adds is below 4e-7 (see `processing.upscale`).
REACH = 11
OF_DATE = ("DATE-AVG", "DATE-OBS", "DATE_OBS", "DATE-BEG", "DATE-END")  # those that sunpy looks at
OF_RADIUS = ("RSUN_REF", "RSUN_OBS", "SOLAR_R", "RADIUS")
OLD_AXES = {"SOLAR-X": "HPLN-TAN", "SOLAR_X": "HPLN-TAN", "SOLAR-Y": "HPLT-TAN", "SOLAR_Y": "HPLT-TAN"}
CARRIED = ("TELESCOP", "INSTRUME", "DETECTOR", "WAVELNTH", "WAVEUNIT", "BUNIT", "QUALITY")


@dataclass(frozen=True)
class Pointing:
    """
    Where an image without a header looked, as seen from the Earth.

    ``pixel_arcsec`` is the side of a pixel; ``tx_arcsec`` (west) and ``ty_arcsec`` (north)
    are of the image's middle; ``rotation_deg`` is the position angle of its rows' upward
    direction, from solar north towards east (CROTA2). ``utc`` is a naive datetime.
    """

    utc: datetime
    pixel_arcsec: float
    tx_arcsec: float = 0.0
    ty_arcsec: float = 0.0
    rotation_deg: float = 0.0


@dataclass(frozen=True)
class CeaBox:
    """A patch fixed in Carrington coordinates: its middle and pixel in degrees, ``shape`` (ny, nx)."""

    lon_deg: float
    lat_deg: float
    step_deg: float
    shape: tuple[int, int]


@contextmanager
def _quietly() -> Iterator[None]:
    """
    Without what sunpy and astropy warn of that is expected.

    That the Earth is taken for the observer, that nothing of what is asked is on the disk,
    and how dates are spelt.
    """
    from sunpy.util.exceptions import SunpyMetadataWarning, SunpyUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        warnings.filterwarnings("ignore", "The conversion of these 2D helioprojective", SunpyUserWarning)
        warnings.simplefilter("ignore", FITSFixedWarning)
        yield


def read_map(data: np.ndarray, header: Mapping[str, Any]) -> Any:
    """
    An image and its header as `sunpy.map.GenericMap`.

    Parameters
    ----------
    data : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity, any unit; NaN marks pixels without data.
    header : mapping
        HPLN and HPLT axes, or SOLAR-X and SOLAR-Y, and a time. Without an observer it is
        the Earth's centre at that time, without a solar radius RSUN_REF is 696 Mm as HMI's.

    Raises
    ------
    FrameError
        If the image is not two-dimensional, or the header tells no helioprojective axes, or no time.
    """
    import sunpy.map
    from sunpy.time import is_time

    if data.ndim != 2 or not np.isfinite(data).any():
        raise FrameError(f"need a two-dimensional image with finite pixels, got shape {data.shape}")
    cards = {keyword.upper(): value for keyword, value in header.items()}
    for axis in ("CTYPE1", "CTYPE2"):
        cards[axis] = OLD_AXES.get(str(cards.get(axis, "")).upper(), cards.get(axis, "missing"))
        if not str(cards[axis]).startswith("HPL"):
            raise FrameError(f"the image is not helioprojective: {axis} is {cards[axis]}")
    for axis in ("CUNIT1", "CUNIT2"):
        cards[axis] = cards.get(axis) or "arcsec"
    if not any(is_time(cards.get(card)) for card in OF_DATE):  # sunpy would take the time at which it is read
        if not is_time(cards.get("T_OBS")):
            raise FrameError(f"the header has no time: DATE-OBS is {cards.get('DATE-OBS') or 'missing'}")
        cards["DATE-OBS"] = cards["T_OBS"]
    if not any(cards.get(card) for card in OF_RADIUS):
        cards["RSUN_REF"] = RSUN_REF_M
    try:
        with _quietly():
            observed = sunpy.map.Map(data, cards)
            observed.wcs, observed.observer_coordinate  # noqa: B018 - read now, so that what is wrong with them is told
    except Exception as problem:  # sunpy, astropy.time and wcslib raise many kinds on cards that make no sense
        raise FrameError(f"the header cannot be read: {first_line(problem)}") from problem
    return observed


def map_of(data: np.ndarray, pointing: Pointing) -> Any:
    """
    An image without a header as `sunpy.map.GenericMap`.

    Raises
    ------
    FrameError
        If the image is not two-dimensional.
    ParameterError
        If the pixel is not larger than 0, or a number is not finite.
    """
    numbers = (pointing.pixel_arcsec, pointing.tx_arcsec, pointing.ty_arcsec, pointing.rotation_deg)
    if not all(map(math.isfinite, numbers)) or pointing.pixel_arcsec <= 0:
        raise ParameterError(f"a pointing needs finite numbers and a pixel larger than 0, not {numbers}")
    if data.ndim != 2:
        raise FrameError(f"need a two-dimensional image, got shape {data.shape}")
    cards: dict[str, Any] = {"DATE-OBS": pointing.utc.isoformat(), "CROTA2": pointing.rotation_deg}
    middles = (pointing.tx_arcsec, pointing.ty_arcsec)
    for axis, name, side, middle in zip("12", ("HPLN", "HPLT"), data.shape[::-1], middles, strict=True):
        cards |= {f"CTYPE{axis}": f"{name}-TAN", f"CUNIT{axis}": "arcsec", f"CDELT{axis}": pointing.pixel_arcsec}
        cards |= {f"CRPIX{axis}": (side + 1) / 2, f"CRVAL{axis}": middle}
    return read_map(data, cards)


def step_of(observed: Any) -> float:
    """
    The CEA pixel for an image, degrees: its own at disk centre, rounded to steps of `STEP_DEG`.

    HMI's 0.504 arcsec are 0.0300 degrees. Rounded, since all frames of a series want the
    same pixel, though their distance changes, and since the published numbers then are short.
    """
    with _quietly():
        scales = [abs(scale.to_value(u.arcsec / u.pix)) for scale in observed.scale]
        distance, radius = observed.dsun.to_value(u.m), observed.rsun_meters.to_value(u.m)
    side = math.sqrt(scales[0] * scales[1]) / ARCSEC_PER_RAD
    step = math.degrees(side * (distance - radius) / radius)
    if not 0 < step < MOST_DEGREES:
        raise FrameError(f"the image's pixels are {side * ARCSEC_PER_RAD:g} arcsec wide, which no solar image has")
    unit = STEP_DEG
    while step < LEAST_STEPS * unit:
        unit /= 10
    return float(f"{round(step / unit) * unit:.6g}")


def box_around(
    observed: Any,
    *,
    tx_arcsec: float | None = None,
    ty_arcsec: float | None = None,
    width_deg: float | None = None,
    height_deg: float | None = None,
) -> CeaBox:
    """
    The box to be followed, as it is seen in one image of a series.

    Parameters
    ----------
    observed : `sunpy.map.GenericMap`
        What `read_map` or `map_of` gave.
    tx_arcsec, ty_arcsec : float, optional
        A place on the disk that becomes its middle; without them that of the image.
    width_deg, height_deg : float, optional
        Its size on the Sun; without them it holds the whole image as far as it is on the disk.

    Raises
    ------
    FrameError
        If its middle is off the disk.
    ParameterError
        If it is wider than `MOST_DEGREES`, or has more pixels than any patch.
    """
    lon, lat = _middle(observed, tx_arcsec, ty_arcsec)
    if width_deg is None or height_deg is None:
        whole = _reach(*_field(observed), lon, lat)
        width_deg = whole[0] if width_deg is None else width_deg
        height_deg = whole[1] if height_deg is None else height_deg
    sides = width_deg, height_deg
    if not all(0 < side <= MOST_DEGREES for side in sides):
        raise ParameterError(
            f"the patch would be {sides[0]:.1f} by {sides[1]:.1f} degrees; give a size of at most {MOST_DEGREES:.0f} "
            "degrees around a place"
        )
    step = step_of(observed)
    ny, nx = (math.ceil(side / step - 1e-6) for side in sides[::-1])
    if ny * nx > MAX_PIXELS:
        raise ParameterError(f"the patch would have {nx} by {ny} pixels, more than {MAX_PIXELS}; give a smaller size")
    return CeaBox(round(lon, 6), round(lat, 6), step, (ny, nx))


def _carrington(observed: Any) -> Any:
    """The frame of Carrington coordinates at that time, as that observer sees it."""
    from sunpy.coordinates import HeliographicCarrington

    return HeliographicCarrington(
        observer=observed.observer_coordinate, obstime=observed.reference_date, rsun=observed.rsun_meters
    )


def _middle(observed: Any, tx_arcsec: float | None, ty_arcsec: float | None) -> tuple[float, float]:
    """Carrington longitude and latitude in degrees of a place, or of the image's middle."""
    from astropy.coordinates import SkyCoord

    ny, nx = observed.data.shape
    with _quietly():
        middle = observed.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2)
        tx = middle.Tx if tx_arcsec is None else tx_arcsec * u.arcsec
        ty = middle.Ty if ty_arcsec is None else ty_arcsec * u.arcsec
        seen = SkyCoord(tx, ty, frame=middle.frame.replicate_without_data())
        place = seen.transform_to(_carrington(observed))
    lon, lat = (float(angle.to_value(u.deg)) for angle in (place.lon, place.lat))
    if not (math.isfinite(lon) and math.isfinite(lat)):
        where = f"Tx {tx.to_value(u.arcsec):.0f}, Ty {ty.to_value(u.arcsec):.0f} arcsec"
        raise FrameError(f"the middle of the patch, {where}, is off the disk; give a place on it")
    return lon, lat


def _field(observed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Carrington longitude and latitude in degrees of places all over the image, NaN off the disk."""
    ny, nx = observed.data.shape
    with _quietly():
        cols, rows = np.meshgrid(np.linspace(-0.5, nx - 0.5, N_PROBES), np.linspace(-0.5, ny - 0.5, N_PROBES))
        places = observed.wcs.pixel_to_world(cols.ravel(), rows.ravel()).transform_to(_carrington(observed))
    return places.lon.to_value(u.deg), places.lat.to_value(u.deg)


def _reach(lon: np.ndarray, lat: np.ndarray, box_lon: float, box_lat: float) -> tuple[float, float]:
    """Width and height in degrees of a box around a place that holds these places (degrees, NaN off the disk)."""
    away, lat, tilt = np.radians(lon - box_lon), np.radians(lat), math.radians(box_lat)
    outward = np.cos(lat) * np.cos(away) * math.cos(tilt) + np.sin(lat) * math.sin(tilt)
    north = np.sin(lat) * math.cos(tilt) - np.cos(lat) * np.cos(away) * math.sin(tilt)
    east = np.arctan2(np.cos(lat) * np.sin(away), outward)
    known = np.isfinite(east)
    if not known.any():
        raise FrameError("nothing of the image is on the disk; give the size of the patch")
    return 2 * math.degrees(np.abs(east[known]).max()), 2 * math.degrees(np.abs(north[known]).max())


def geometry_in(observed: Any, box: CeaBox) -> CeaGeometry:
    """The box as the observer of an image sees it."""
    from sunpy.coordinates import HeliographicCarrington

    with _quietly():
        observer, radius = observed.observer_coordinate, float(observed.rsun_meters.to_value(u.m))
        own = HeliographicCarrington(observer="self", obstime=observed.reference_date, rsun=observed.rsun_meters)
        seen = observer.transform_to(own)
    ny, nx = box.shape
    return CeaGeometry(
        crpix1=(nx + 1) / 2, crpix2=(ny + 1) / 2, crval1=box.lon_deg, crval2=box.lat_deg,
        cdelt1=box.step_deg, cdelt2=box.step_deg, crln_obs=round(float(seen.lon.to_value(u.deg)), 6),
        crlt_obs=round(float(seen.lat.to_value(u.deg)), 6), dsun_obs=float(f"{seen.radius.to_value(u.m):.14g}"),
        rsun_ref=radius,
    )  # fmt: skip


def to_cea(observed: Any, box: CeaBox) -> PatchFrame:
    """
    The continuum of a box, as SHARPs have it.

    The image is sampled at the middle of each CEA pixel by cubic spline. A CEA pixel is
    that of the image at disk centre and covers less of it elsewhere, so that nothing is
    lost between samples, and no averaging over the pixel is needed, which would blur once
    more. Of pores that went from SHARPs to images and back (below 0.6 of the quiet Sun) the
    total area stays within 0.3 % and those of 50 pixels or more keep theirs to 1 %; by linear
    interpolation the total loses 0.7 to 2.6 %, by sunpy's adaptive reprojection (DeForest
    2004, Sol. Phys. 219, 3) with a Gaussian kernel 1.7 to 4.4 %. Sunpy's bicubic reprojection
    gives the same to 1e-7 where it gives anything: one pixel without data makes all of its
    map NaN. Intensity is carried over as it is, not per pixel.

    Parameters
    ----------
    observed : `sunpy.map.GenericMap`
        What `read_map` or `map_of` gave.
    box : `CeaBox`
        The same for all images of a series.

    Returns
    -------
    `PatchFrame`
        With the continuum alone, float32, NaN beyond the limb, outside the image and where
        its nearest pixel has no data. T_REC is the image's own where its header has one,
        else its time to the second.

    Raises
    ------
    FrameError
        If nothing of the box is on the disk, or in the image.
    """
    geometry = geometry_in(observed, box)
    t_rec_s = t_rec_s_in(observed)
    tx, ty = geometry.helioprojective(*np.ogrid[: box.shape[0], : box.shape[1]])
    on_disk = np.isfinite(tx)
    if not on_disk.any():
        raise FrameError(f"the patch is beyond the limb at {format_t_rec(t_rec_s)}")
    with _quietly():
        # wcslib works in degrees, whatever the header's unit
        col, row = observed.wcs.world_to_pixel_values(tx[on_disk] / 3600, ty[on_disk] / 3600)
    values = np.full(box.shape, np.nan, np.float32)
    values[on_disk] = _sampled(observed.data, row, col)
    if not np.isfinite(values).any():
        raise FrameError(f"the patch lies outside the image at {format_t_rec(t_rec_s)}")
    return PatchFrame(NO_HARP, t_rec_s, _cards(observed, geometry, t_rec_s), {OF_SEQUENCE: values})


def t_rec_s_in(observed: Any) -> int:
    """T_REC of an image, TAI seconds since 1993-01-01: of its header, or its time to the nearest second."""
    try:
        return parse_t_rec(str(observed.meta.get("t_rec", "")))
    except FrameError:
        with _quietly():
            return t_rec_s_of(Time(observed.reference_date).utc.to_datetime())


def _sampled(image: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """The image at these places, NaN outside it and where the nearest pixel is; only the part around them is read."""
    ny, nx = image.shape
    inside = (row >= -0.5) & (row <= ny - 0.5) & (col >= -0.5) & (col <= nx - 0.5)
    values = np.full(row.shape, np.nan)
    if not inside.any():
        return values
    row, col = row[inside], col[inside]
    row0, col0 = (max(0, math.floor(axis.min()) - REACH) for axis in (row, col))
    row1, col1 = (math.ceil(axis.max()) + REACH + 1 for axis in (row, col))
    part = np.asarray(image[row0:row1, col0:col1], np.float64)
    if not np.isfinite(part).any():
        return values
    filled, missing = fill_missing(part)
    places = np.stack([row - row0, col - col0])
    found = ndimage.map_coordinates(filled, places, order=3, mode="mirror")
    nearest = [np.clip(np.rint(axis).astype(int), 0, side - 1) for axis, side in zip(places, part.shape, strict=True)]
    found[missing[tuple(nearest)]] = np.nan
    values[inside] = found
    return values


def _cards(observed: Any, geometry: CeaGeometry, t_rec_s: int) -> dict[str, Any]:
    """What `CeaGeometry.from_header` and sunpy read back, with the instrument's name, unit and QUALITY."""
    with _quietly():
        time = Time(observed.reference_date).utc
    own = {card: value for card in CARRIED if isinstance(value := observed.meta.get(card.lower()), str | int | float)}
    places = {name.upper(): value for name, value in vars(geometry).items()}
    return {
        "T_REC": format_t_rec(t_rec_s),
        "DATE-OBS": time.isot,
        "T_OBS": format_t_rec(t_rec_s_of(time.to_datetime())),
        "WCSNAME": "Carrington Heliographic",
        "CTYPE1": "CRLN-CEA",
        "CTYPE2": "CRLT-CEA",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        **places,
        "RSUN_OBS": round(geometry.apparent_radius_arcsec, 6),
        **own,
    }
