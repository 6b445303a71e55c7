"""What each step of the command line does to one frame: files in, files out; returns the sentence to print."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import astropy.units as u
import numpy as np
from astropy.table import QTable

from processing.chain import segment_as
from processing.enhance import DEFAULT_ITERATIONS, DEFAULT_METHOD, HMI_PIXEL_MM, deblur
from processing.enhance.optics import MM_PER_ARCSEC
from processing.errors import FitsError, FrameError, ParameterError
from processing.files import check_output, replacing, split_member
from processing.geometry import PLAIN_UNIT, RSUN_REF_M, CeaGeometry, PlainGeometry, geometry_of
from processing.images import PlainImage, doubled_grid, read_plain, without_statistics, write_plain
from processing.limb_darkening import DEFAULT_LIMB_DARKENING, LIMB_DARKENING
from processing.measure import ERROR_SEGMENTS, FIELD_SEGMENTS, measure_features
from processing.parameters import ChainParameters
from processing.quality import read_quality
from processing.reduce import DEFAULT_LEVEL, flatten, quiet_sun_level
from processing.timekeys import parse_t_rec
from processing.upscale import upscale_cubic, upscale_nearest

TABLE_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}
# No contrast of the Sun is as bright; a continuum in DN/s is 1000 or more.
BRIGHTEST_MEDIAN = 3.0
_T_REC_IN_NAME = re.compile(r"\d{8}_\d{6}_TAI")


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with it; a wrong parameter is not its fault."""
    try:
        yield
    except (FitsError, FrameError) as problem:
        name, words = split_member(path)[0].name, str(problem)
        raise type(problem)(words if name in words else f"{name}: {words}") from problem


def t_rec_of(path: Path, cards: Mapping[str, Any]) -> int | None:
    """T_REC in seconds: from the header, or else from the file's name; None when neither has it."""
    if "T_REC" in cards:
        with about(path):
            return parse_t_rec(str(cards["T_REC"]))
    in_name = _T_REC_IN_NAME.search(path.name)
    return parse_t_rec(in_name[0]) if in_name else None


def pixel_side_mm(cards: Mapping[str, Any]) -> float | None:
    """
    Side of a pixel on the Sun in Mm, as the header tells it; None when it does not.

    For heliographic axes (CRLN, HGLN) as at the equator, with RSUN_REF; for
    helioprojective ones (HPLN, or in arcsec) as at disk centre and 1 au; for axes in Mm as they are.

    Raises
    ------
    FrameError
        If the cards that tell it are not numbers.
    """
    kind, unit = str(cards.get("CTYPE1", ""))[:4], str(cards.get("CUNIT1", ""))
    if unit == PLAIN_UNIT:
        return geometry_of(cards).pixel_side_mm
    try:
        step = _step(cards)
        if kind in ("CRLN", "HGLN"):
            return step * np.deg2rad(1) * float(cards.get("RSUN_REF", RSUN_REF_M)) / 1e6
        if kind == "HPLN" or unit.startswith("arcsec"):
            return step * float(u.Unit(unit or "arcsec").to(u.arcsec)) * MM_PER_ARCSEC
    except (TypeError, ValueError) as problem:
        raise FrameError(f"the header's pixel size cannot be read: {problem}") from problem
    return None


def _step(cards: Mapping[str, Any]) -> float:
    """Side of a square of the pixel's area, in the unit of the axes."""
    if "CD1_1" in cards:
        cd = [[float(cards.get(f"CD{i}_{j}", 0)) for j in "12"] for i in "12"]
        return math.sqrt(abs(cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0]))
    return math.sqrt(abs(float(cards.get("CDELT1", 1)) * float(cards.get("CDELT2", 1))))


def reduce(
    input: Path,
    output: Path,
    sibling: Path | None = None,
    limb_darkening: str = DEFAULT_LIMB_DARKENING,
    quiet_sun: str = DEFAULT_LEVEL,
) -> str:
    """Continuum to contrast."""
    image = _with_geometry(input, read_plain(input), sibling, needed=limb_darkening != "none")
    with about(input):
        flat = reduced(image, limb_darkening=limb_darkening, quiet_sun=quiet_sun)
    write_plain(output, flat.data, flat.cards, flat.history)
    return f"{output}: quiet Sun {flat.cards['AVG_F_ON']:.6g}, darkest {np.nanmin(flat.data):.3f}"


def reduced(
    image: PlainImage, *, limb_darkening: str = DEFAULT_LIMB_DARKENING, quiet_sun: str = DEFAULT_LEVEL
) -> PlainImage:
    """
    A continuum as contrast, float32, with its level (AVG_F_ON, in the continuum's unit) in the cards.

    Without a CEA header it must be without limb darkening already ("none").

    Raises
    ------
    FrameError
        If there is no geometry but a law, or no finite pixel.
    """
    continuum = np.asarray(image.data, dtype=np.float64)
    if _is_cea(image.cards):
        geometry = CeaGeometry.from_header(image.cards)
        flat = flatten(continuum, geometry, limb_darkening=limb_darkening, quiet_sun=quiet_sun)
        contrast, level = flat.contrast, flat.quiet_sun
    elif limb_darkening != "none":
        raise FrameError("there is no CEA header to tell mu; only limb_darkening none works without one")
    else:
        level = quiet_sun_level(continuum, method=quiet_sun)
        contrast = continuum / level
    law = LIMB_DARKENING[limb_darkening]
    done = "Limb darkening left in" if limb_darkening == "none" else f"Limb darkening removed ({law.source})"
    cards = {**without_statistics(image.cards), "BUNIT": "", "AVG_F_ON": level}
    history = f"{done}; divided by the quiet-Sun level AVG_F_ON ({quiet_sun})."
    return PlainImage(contrast.astype(np.float32), cards, (*image.history, history))


def _is_cea(cards: Mapping[str, Any]) -> bool:
    return str(cards.get("CTYPE1", "")).endswith("-CEA")


def _with_geometry(path: Path, image: PlainImage, sibling: Path | None, *, needed: bool) -> PlainImage:
    """The image with the cards of another segment of its record where it has none: named, or beside it by its name."""
    if _is_cea(image.cards):
        return image
    stem = path.name.removesuffix(".fits").rpartition(".")[0]
    beside = sorted(path.parent.glob(f"{stem}.*.fits")) if stem else []
    for candidate in [sibling] if sibling else beside:
        try:
            other = read_plain(candidate)
        except (FitsError, FrameError):
            if sibling:
                raise
            continue
        if not _is_cea(other.cards):
            continue
        if other.data.shape != image.data.shape:
            raise FrameError(f"{path.name} is {image.data.shape}, its sibling {candidate.name} {other.data.shape}")
        times = t_rec_of(path, image.cards), t_rec_of(candidate, other.cards)
        if None not in times and times[0] != times[1]:
            raise FrameError(f"{candidate.name} is of another T_REC than {path.name}")
        return replace(image, cards={**other.cards, **image.cards})
    if needed:
        held = f"CTYPE1 is {image.cards['CTYPE1']}" if "CTYPE1" in image.cards else "it is bare"
        raise FrameError(
            f"the header of {path.name} does not tell where its pixels lie ({held}): name a segment of the same record "
            "with --sibling, or leave limb darkening as it is with --limb-darkening none"
        )
    return image


def enhance(
    input: Path,
    output: Path,
    enhance: str = DEFAULT_METHOD,
    iterations: int = DEFAULT_ITERATIONS,
    weights: str | None = None,
    quiet_sun: str = DEFAULT_LEVEL,
) -> str:
    """Any continuum image to a sharper one on the doubled grid, in its own unit."""
    with about(input):
        sharp = sharpened(
            read_plain(input), method=enhance, iterations=iterations, weights=weights, quiet_sun=quiet_sun
        )
    write_plain(output, sharp.data, sharp.cards, sharp.history)
    rows, cols = sharp.data.shape
    darkest = float(np.nanmin(sharp.data)) / quiet_sun_level(sharp.data, method=quiet_sun)
    return f"{output}: {cols} by {rows} pixels, darkest {darkest:.3f} of the quiet Sun"


def sharpened(
    image: PlainImage,
    *,
    method: str = DEFAULT_METHOD,
    iterations: int = DEFAULT_ITERATIONS,
    weights: str | None = None,
    quiet_sun: str = DEFAULT_LEVEL,
) -> PlainImage:
    """
    Sharpen an image in any unit and double its sampling.

    Parameters
    ----------
    image : `PlainImage`
        Continuum intensity, with or without header; limb darkening should be out. The
        header's pixel size counts; without one the pixel is taken for HMI's.
    method, iterations, weights
        As in `deblur`; "none" leaves the grid as it is.
    quiet_sun : {"density", "histogram"}
        How the levels are found; see `quiet_sun_level`.

    Returns
    -------
    `PlainImage`
        float32 (2 ny, 2 nx) in the unit and with the mean of the input, NaN where that
        has no value. A contrast that `reduced` made is brought back to 1.0 in the quiet
        Sun instead, as `processing.chain` does. Its cards tell the level before
        (AVG_F_ON, which `reduced` may have set) and after (AVG_F_EN): AVG_F_EN over
        AVG_F_ON is how much sharpening moves the level.

    Raises
    ------
    FrameError
        If the level is not positive or no pixel is finite.
    ParameterError
        If the method cannot be had, or the pixel is not HMI's.
    """
    data = np.where(np.isfinite(image.data), image.data, np.nan)  # whole numbers become floating, too
    before = quiet_sun_level(data, method=quiet_sun)
    side = pixel_side_mm(image.cards) or HMI_PIXEL_MM
    sharp = deblur(data / before, pixel_side_mm=side, method=method, iterations=iterations, weights=weights)
    gain = quiet_sun_level(sharp, method=quiet_sun)
    was_reduced = "AVG_F_ON" in image.cards and image.cards.get("BUNIT") == ""
    sharp *= np.float32(1 / gain if was_reduced else before)
    cards = image.cards if method == "none" else doubled_grid(image.cards)
    level = float(image.cards.get("AVG_F_ON", before))
    how = f"richardson-lucy, {iterations} iterations" if method == "richardson-lucy" else method
    history = f"Sharpened: {how}; AVG_F_EN / AVG_F_ON is the quiet-Sun level after it over that before."
    cards = {**cards, "AVG_F_ON": level, "AVG_F_EN": level * gain}
    return PlainImage(sharp, cards, (*image.history, history))


def upscale(input: Path, output: Path, interpolation: Literal["cubic", "nearest"] | None = None) -> str:
    """A field map or bitmap to the doubled grid; without a wish, whole numbers and bitmaps are repeated."""
    image = read_plain(input)
    is_bitmap = image.data.dtype.kind in "iu" or ".bitmap." in input.name
    nearest = is_bitmap if interpolation is None else interpolation == "nearest"
    with about(input):
        data = upscale_nearest(image.data) if nearest else upscale_cubic(image.data)
    how = "each pixel repeated" if nearest else "cubic spline"
    write_plain(output, data, doubled_grid(image.cards), [*image.history, f"Sampling doubled: {how}."])
    return f"{output}: {data.shape[1]} by {data.shape[0]} pixels, {how}"


def read_contrast(path: Path) -> PlainImage:
    """An image whose quiet Sun is about 1.0; FrameError when it cannot be."""
    image = read_plain(path)
    finite = image.data[np.isfinite(image.data)]
    if finite.size and np.median(finite) > BRIGHTEST_MEDIAN:
        raise FrameError(
            f"{path.name} is no contrast: its median is {np.median(finite):.6g} where the quiet Sun should be 1; "
            "use reduce first"
        )
    return image


def segment(
    input: Path,
    output: Path,
    pixel_mm: float | None = None,
    output_margin: Path | None = None,
    **options: Any,
) -> str:
    """Contrast to labels; ``options`` are those of `ChainParameters` for this step."""
    p = ChainParameters(**options)
    image = read_contrast(input)
    with about(input):
        side = pixel_side_mm(image.cards) or pixel_mm or HMI_PIXEL_MM / 2
        found = segment_as(p, image.data.astype(np.float64), pixel_side_mm=side)
    cards = {**without_statistics(image.cards), "BUNIT": ""}
    if output_margin:
        write_plain(output_margin, found.margin, cards, [*image.history, "Contrast above the limit of the labels."])
    write_plain(output, found.labels, cards, [*image.history, described(p)])
    return f"{output}: {found.labels.max()} features, {np.count_nonzero(found.labels)} pixels"


def described(p: ChainParameters) -> str:
    """How features are found, in one line."""
    limit = f"below {p.threshold:g}" if p.segmentation == "threshold" else f"STARA, deeper than {p.stara_depth:g}"
    return f"Labels: {limit}, split {p.split}, at least {p.min_pixels} pixels, {p.connectivity}-connected."


def read_labels(path: Path) -> PlainImage:
    """A label image, int32; FrameError when its values are not whole numbers from 0."""
    image = read_plain(path)
    labels = image.data
    if not (labels >= 0).all() or (labels % 1).any() or labels.max() > labels.size:
        raise FrameError(f"{path.name} is no label image: labels are whole numbers from 0 to the number of features")
    return replace(image, data=labels.astype(np.int32))


def measure(
    labels: Path,
    output: Path,
    contrast: Path,
    margin: Path | None = None,
    quality: str | None = None,
    pixel_mm: float | None = None,
    umbra_level: float = ChainParameters.umbra_level,
    **field: Path | None,
) -> str:
    """Labels to a table; ``field``: maps br, bt, bp and their errors br_err, bt_err, bp_err."""
    p = ChainParameters(umbra_level=umbra_level)
    if unknown := set(field) - {name.lower() for name in (*FIELD_SEGMENTS, *ERROR_SEGMENTS)}:
        raise ParameterError(f"no such map: {', '.join(sorted(unknown))}")
    image, bright = read_labels(labels), read_contrast(contrast)
    cards = image.cards if _is_cea(image.cards) else {**image.cards, **bright.cards}
    maps, doubled = {}, False
    for name in (*FIELD_SEGMENTS, *ERROR_SEGMENTS):
        if path := field.get(name.lower()):
            values = read_plain(path).data.astype(np.float64)
            if (2 * values.shape[0], 2 * values.shape[1]) == image.data.shape:
                values, doubled = upscale_cubic(values), True
            maps[name] = values
    geometry = _geometry(cards, pixel_mm, labels)
    with about(labels):
        table = measure_features(
            image.data,
            contrast=bright.data.astype(np.float64),
            geometry=geometry,
            field={name: maps[name] for name in FIELD_SEGMENTS if name in maps},
            field_errors={name: maps[name] for name in ERROR_SEGMENTS if name in maps},
            margin=read_plain(margin).data if margin else None,
            umbra_level=p.umbra_level,
            quality=int(read_quality(cards.get("QUALITY", 0) if quality is None else quality)),
            pixels_per_sample=4 if doubled else None,
        )
    table.meta = {"T_REC": cards.get("T_REC", ""), "HARPNUM": cards.get("HARPNUM", 0)}
    write_table(table, output)
    return f"{output}: {len(table)} features"


def _geometry(cards: Mapping[str, Any], pixel_mm: float | None, path: Path) -> CeaGeometry:
    if _is_cea(cards) or cards.get("CUNIT1") == PLAIN_UNIT:
        with about(path):
            return geometry_of(cards)
    if pixel_mm is None:
        raise FrameError(f"{path.name} does not tell where its pixels lie: give their side in Mm with --pixel-mm")
    return PlainGeometry(pixel_mm)


def write_table(table: QTable, path: Path) -> None:
    """Write by the suffix, one of `TABLE_FORMATS`, under a temporary name first."""
    check_output(path, TABLE_FORMATS)
    with replacing(path) as beside:
        table.write(beside, format=TABLE_FORMATS[path.suffix], overwrite=True)
