"""The catalogue: one row per feature, with units, descriptions and provenance."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from processing.errors import ParameterError

# name: (unit, description). Names end in their unit, so that the plain CSV has it too.
CATALOGUE_COLUMNS: dict[str, tuple[u.UnitBase | None, str]] = {
    "harpnum": (None, "HARP number; none for a sequence of another kind"),
    "series": (None, "JSOC series of the HARP, without which its number means nothing; empty for another sequence"),
    "sequence": (None, "name of a sequence that is no HARP"),
    "t_rec": (None, "slot time, TAI"),
    "utc": (None, "slot time, UTC"),
    "frame": (None, "number of the frame in the run, from 1"),
    "label": (None, "label of the feature in its frame"),
    "track": (None, "machine's track: an unbranched chain of links"),
    "lineage": (None, "machine's lineage: tracks joined by merges and splits"),
    "reviewed_track": (None, "track after the reviewers' verdicts"),
    "parent_tracks": (None, "tracks that end where this one begins, joined by +"),
    "child_tracks": (None, "tracks that begin where this one ends, joined by +"),
    "row": (u.pix, "mean row on the working grid, from 0, south first"),
    "col": (u.pix, "mean column on the working grid, from 0, east first"),
    "lon_deg": (u.deg, "Carrington longitude"),
    "lat_deg": (u.deg, "heliographic latitude"),
    "tx_arcsec": (u.arcsec, "helioprojective Tx, west"),
    "ty_arcsec": (u.arcsec, "helioprojective Ty, north"),
    "mu": (None, "cosine of the heliocentric angle"),
    "area_px": (u.pix, "area in pixels of the working grid"),
    "area_mm2": (u.Mm**2, "area on the Sun"),
    "area_err_mm2": (u.Mm**2, "half of the area's change when the limit moves from 0.02 below to 0.02 above"),
    "area_msh": (None, "area in millionths of the solar hemisphere"),
    "umbra_area_px": (u.pix, "pixels darker than the umbra's level"),
    "umbra_area_mm2": (u.Mm**2, "area on the Sun of the pixels darker than the umbra's level"),
    "area_projected_mm2": (u.Mm**2, "area as seen by the observer"),
    "area_projected_msh": (None, "area as seen by the observer, in millionths of the solar hemisphere"),
    "area_projected_msd": (None, "area as seen by the observer, in millionths of the solar disk"),
    "intensity_mean": (None, "mean intensity over the quiet Sun"),
    "intensity_min": (None, "smallest intensity over the quiet Sun"),
    "bx_g": (u.G, "mean of Bp, westward"),
    "by_g": (u.G, "mean of -Bt, northward"),
    "bz_g": (u.G, "mean of Br, outward"),
    "bx_err_g": (u.G, "standard error of bx_g from the noise of the pixels"),
    "by_err_g": (u.G, "standard error of by_g from the noise of the pixels"),
    "bz_err_g": (u.G, "standard error of bz_g from the noise of the pixels"),
    "b_g": (u.G, "mean of the field's magnitude"),
    "b_max_g": (u.G, "largest magnitude of the field"),
    "inclination_deg": (u.deg, "angle of the mean field from the vertical, 0 outward, 180 inward"),
    "azimuth_deg": (u.deg, "direction of the mean horizontal field, 0 west, 90 north"),
    "flux_mx": (u.Mx, "sum of Br times pixel area"),
    "flux_err_mx": (u.Mx, "standard error of flux_mx from the noise of the pixels"),
    "major_mm": (u.Mm, "major axis of the ellipse of equal second moments"),
    "minor_mm": (u.Mm, "minor axis of the ellipse of equal second moments"),
    "orientation_deg": (u.deg, "major axis, from west towards north"),
    "perimeter_mm": (u.Mm, "length of the outer border"),
    "flags": (
        None,
        "bits: 1 touches the edge, 2 field missing, 4 QUALITY not 0, 8 mu below 0.5 or unknown",
    ),
}
FORMATS = ("csv", "ecsv")


def catalogue_table(columns: Mapping[str, Sequence[Any]], *, provenance: Mapping[str, Any]) -> Table:
    """
    Make the catalogue from columns named as in `CATALOGUE_COLUMNS`; None becomes NaN.

    Raises
    ------
    ParameterError
        If a column is not one of the catalogue's.
    """
    if unknown := sorted(set(columns) - set(CATALOGUE_COLUMNS)):
        raise ParameterError(f"the catalogue has no column {', '.join(unknown)}")
    table = Table(meta=dict(provenance))
    for name, (unit, description) in CATALOGUE_COLUMNS.items():
        if name in columns:
            values = list(columns[name])
            if any(value is None for value in values):
                values = [np.nan if value is None else value for value in values]
            table[name] = values
            table[name].unit = unit
            table[name].description = description
    return table


def write_catalogue(table: Table, path: Path, *, kind: str) -> None:
    """
    Write the catalogue as "csv" (provenance and units in ``#`` lines above the header) or "ecsv".

    Raises
    ------
    ParameterError
        If the kind is neither.
    """
    if kind not in FORMATS:
        raise ParameterError(f"kind must be one of {', '.join(FORMATS)}, not {kind!r}")
    if kind == "ecsv":
        table.write(path, format="ascii.ecsv", overwrite=True)
        return
    with path.open("w", newline="", encoding="utf-8") as out:
        for key, value in table.meta.items():
            out.write(f"# {key}: {value if isinstance(value, str) else json.dumps(value)}\n")
        for name in table.colnames:
            column = table[name]
            unit = "" if column.unit is None else f" [{column.unit.to_string('generic')}]"
            out.write(f"# {name}{unit}: {column.description}\n")
        rows = csv.writer(out)
        rows.writerow(table.colnames)
        rows.writerows(["" if value != value else value for value in row] for row in zip(
            *(table[name].tolist() for name in table.colnames), strict=True
        ))  # fmt: skip
