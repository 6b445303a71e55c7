"""What is written of a simulation: header cards in the words of a SHARP header, compressed files, the truth."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy import ndimage

from processing.errors import FrameError
from processing.geometry import ARCSEC_PER_RAD, RSUN_REF_M, CeaGeometry
from processing.synthetic_sun import Life, label_scene, pore_contrast
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
MIN_AREA_PX = 20  # of a pore, as the chain's default, on the doubled grid
TRUTH_FORMAT, TRUTH_VERSION = "poreweb simulation truth", 1


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
    beside = path.with_name(path.name + ".part")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(beside, overwrite=True)
    beside.replace(path)


@dataclass(frozen=True)
class TruePore:
    """A pore in one frame: ``row``, ``col`` (from 0) and ``area_px`` on the doubled grid; area 0 if not visible."""

    track: int
    row: float
    col: float
    area_px: int
    polarity: int
    visible: bool


@dataclass(frozen=True)
class TrueFrame:
    """One record: ``index`` counts slots from 0, lost ones included."""

    index: int
    t_rec_s: int
    pores: tuple[TruePore, ...]


@dataclass(frozen=True)
class TrueEvent:
    """
    What happened to tracks, at slot ``frame``.

    merge: the first frame as one; split: the first frame apart; gap: the first frame
    back; appear: the first frame seen; disappear: the last frame seen. ``last_frame``
    is the last frame before (disappear: the same frame).
    """

    kind: str
    frame: int
    last_frame: int
    parents: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True)
class Truth:
    """Everything that is true of a simulation; a track ends at a merge or split and new ones begin."""

    parameters: dict[str, Any]
    frames: tuple[TrueFrame, ...]
    events: tuple[TrueEvent, ...]

    def events_of(self, kind: str) -> list[TrueEvent]:
        """The events of one kind, in time order."""
        return [event for event in self.events if event.kind == kind]

    def track(self, number: int) -> list[tuple[int, TruePore]]:
        """(slot, pore) of one track, in time order."""
        return [(frame.index, pore) for frame in self.frames for pore in frame.pores if pore.track == number]

    def to_json(self) -> dict[str, Any]:
        """The content of ``truth.json``; T_REC is added for human readers."""
        frames = [{"t_rec": format_t_rec(frame.t_rec_s), **asdict(frame)} for frame in self.frames]
        about = "Pixels count from 0 on the doubled grid: native pixel i is at 2 i + 0.5. Frames count 12-minute slots."
        head = {"format": TRUTH_FORMAT, "version": TRUTH_VERSION, "about": about, "parameters": self.parameters}
        return {**head, "frames": frames, "events": [asdict(event) for event in self.events]}


def read_truth(path: Path) -> Truth:
    """
    Read a ``truth.json``.

    Raises
    ------
    FrameError
        If the file is something else or of another version.
    """
    try:
        tree = json.loads(Path(path).read_text())
        if (tree["format"], tree["version"]) != (TRUTH_FORMAT, TRUTH_VERSION):
            raise FrameError(f"{path} is version {tree['version']} of {tree['format']}, not of {TRUTH_FORMAT}")
        frames = tuple(
            TrueFrame(frame["index"], frame["t_rec_s"], tuple(TruePore(**pore) for pore in frame["pores"]))
            for frame in tree["frames"]
        )
        events = tuple(
            TrueEvent(**{**event, "parents": tuple(event["parents"]), "children": tuple(event["children"])})
            for event in tree["events"]
        )
        return Truth(tree["parameters"], frames, events)
    except (ValueError, KeyError, TypeError) as problem:
        raise FrameError(f"{path} is not a simulation's truth: {problem}") from problem


def write_truth(path: Path, truth: Truth) -> None:
    """Write ``truth.json``; under a temporary name until complete."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(truth.to_json(), indent=1) + "\n")
    beside.replace(path)


@dataclass
class _Chain:
    """A track while it is being followed: its bundles, where it was last seen, its pores by slot."""

    track: int
    last: int
    pores: dict[int, TruePore]


def observe(
    lives: list[Life], *, n_frames: int, shape: tuple[int, int]
) -> tuple[list[tuple[TruePore, ...]], tuple[TrueEvent, ...]]:
    """
    Read the truth off the sharp scenes.

    Each 4-connected region below the threshold of at least MIN_AREA_PX is a pore, known
    by the bundles whose middle it holds. A set of bundles seen again continues its
    track; sets that unite or part end their tracks. ``shape`` is that of the doubled
    grid; returns the pores of each slot and the events.
    """
    chains: list[_Chain] = []
    live: dict[frozenset[int], _Chain] = {}
    events: list[TrueEvent] = []
    for index in range(n_frames):
        ended: dict[frozenset[int], _Chain] = {}
        parted: dict[frozenset[int], list[int]] = {}
        for key, (row, col, area) in sorted(_visible(lives, index, shape).items(), key=lambda item: sorted(item[0])):
            chain = live.get(key)
            if chain is None:
                chain = _Chain(len(chains) + 1, index, {})
                chains.append(chain)
                parents = {known: live[known] for known in live if known & key and live[known].last >= index - 1}
                ended |= parents
                if any(known > key for known in parents):
                    parted.setdefault(next(iter(parents)), []).append(chain.track)
                elif parents:
                    tracks = tuple(sorted(parent.track for parent in parents.values()))
                    events.append(TrueEvent("merge", index, index - 1, tracks, (chain.track,)))
                elif index:
                    events.append(TrueEvent("appear", index, index - 1, (), (chain.track,)))
                live[key] = chain
            elif chain.last < index - 1:
                events.append(TrueEvent("gap", index, chain.last, (chain.track,), (chain.track,)))
                for hidden in range(chain.last + 1, index):
                    body = lives[min(key)]
                    row_then, col_then = round(float(body.row[hidden]), 2), round(float(body.col[hidden]), 2)
                    chain.pores[hidden] = TruePore(chain.track, row_then, col_then, 0, body.polarity, False)
            chain.last = index
            chain.pores[index] = TruePore(chain.track, row, col, area, lives[min(key)].polarity, True)
        for key, tracks_after in parted.items():
            events.append(TrueEvent("split", index, index - 1, (ended[key].track,), tuple(tracks_after)))
        for key in ended:
            del live[key]
    for chain in live.values():
        if chain.last < n_frames - 1:
            events.append(TrueEvent("disappear", chain.last, chain.last, (chain.track,), ()))
    pores = [tuple(c.pores[index] for c in chains if index in c.pores) for index in range(n_frames)]
    return pores, tuple(sorted(events, key=lambda event: (event.frame, event.kind, event.parents, event.children)))


def _visible(lives: list[Life], index: int, shape: tuple[int, int]) -> dict[frozenset[int], tuple[float, float, int]]:
    """Centroid row, column and area of each pore of one slot, by the bundles in it."""
    bundles = {number: bundle for number, life in enumerate(lives) if (bundle := life.at(index))}
    labels, areas = label_scene(pore_contrast(list(bundles.values()), shape), MIN_AREA_PX)
    members: dict[int, set[int]] = {}
    for number, bundle in bundles.items():
        label = int(labels[round(bundle.row), round(bundle.col)])
        if areas[label]:
            members.setdefault(label, set()).add(number)
    centres = ndimage.center_of_mass(labels > 0, labels, list(members)) if members else []
    return {
        frozenset(numbers): (round(float(row), 2), round(float(col), 2), int(areas[label]))
        for (label, numbers), (row, col) in zip(members.items(), centres, strict=True)
    }
