"""The catalogue as its users read it: back through astropy, and line by line."""

import csv
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from processing.errors import ParameterError
from processing.export import CATALOGUE_COLUMNS, FORMATS, catalogue_table, write_catalogue
from processing.flags import FeatureFlag
from processing.measure import measure_features
from tests.processing.drawing import GEOMETRY

PROVENANCE = {"software": "poreweb 0.1.0", "run": 7, "parameters": {"threshold": 0.5, "enhance": "richardson-lucy"}}
COLUMNS = {
    "harpnum": [2875, 2875],
    "t_rec": ["2013.06.20_10:36:00_TAI", "2013.06.20_10:48:00_TAI"],
    "label": [1, 3],
    "parent_tracks": ["", "4+5"],
    "area_mm2": [0.66, 12.5],
    "flux_mx": [None, -1.5e20],
    "flags": [2, 0],
}


@pytest.fixture
def table() -> Table:
    return catalogue_table(COLUMNS, provenance=PROVENANCE)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "catalogue"


def test_columns_come_in_the_catalogues_order(table):
    backwards = catalogue_table(dict(reversed(COLUMNS.items())), provenance={})
    assert backwards.colnames == table.colnames == [name for name in CATALOGUE_COLUMNS if name in COLUMNS]


def test_none_is_nan(table):
    assert np.isnan(table["flux_mx"][0])
    assert table["flux_mx"][1] == -1.5e20


def test_ecsv_tells_astropy_everything(table, target):
    write_catalogue(table, target, kind="ecsv")
    back = Table.read(target, format="ascii.ecsv")
    assert dict(back.meta) == PROVENANCE
    assert back.colnames == table.colnames
    for name in back.colnames:
        unit, description = CATALOGUE_COLUMNS[name]
        assert back[name].unit == unit, name
        assert back[name].description == description
    assert back["area_mm2"].quantity.to_value(u.km**2).tolist() == pytest.approx([0.66e6, 12.5e6])
    assert back["parent_tracks"].tolist()[1] == "4+5"
    assert back["t_rec"].tolist() == COLUMNS["t_rec"]
    assert np.isnan(back["flux_mx"][0])


def test_csv_begins_with_its_provenance(table, target):
    write_catalogue(table, target, kind="csv")
    lines = target.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert lines[: len(comments)] == comments
    assert comments[0] == "# software: poreweb 0.1.0"
    assert comments[2] == '# parameters: {"threshold": 0.5, "enhance": "richardson-lucy"}'
    assert "# area_mm2 [Mm2]: area on the Sun" in comments
    assert "# flux_mx [Mx]: sum of Br times pixel area" in comments
    assert len(comments) == len(PROVENANCE) + len(COLUMNS)


def test_csv_is_plain_for_others(table, target):
    write_catalogue(table, target, kind="csv")
    with target.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert [row["label"] for row in rows] == ["1", "3"]
    assert [row["flux_mx"] for row in rows] == ["", "-1.5e+20"]
    assert [row["parent_tracks"] for row in rows] == ["", "4+5"]
    back = Table.read(target, format="ascii.csv", comment="#")
    assert back.colnames == table.colnames
    assert back["area_mm2"].tolist() == [0.66, 12.5]
    assert back["flux_mx"].mask.tolist() == [True, False]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_catalogue_has_its_columns(kind, target):
    empty = catalogue_table({name: [] for name in COLUMNS}, provenance=PROVENANCE)
    write_catalogue(empty, target, kind=kind)
    back = Table.read(target, format={"csv": "ascii.csv", "ecsv": "ascii.ecsv"}[kind], comment="#")
    assert back.colnames == empty.colnames
    assert len(back) == 0


def test_names_end_in_their_unit():
    endings = {u.deg: "_deg", u.arcsec: "_arcsec", u.Mm: "_mm", u.Mm**2: "_mm2", u.G: "_g", u.Mx: "_mx"}
    for name, (unit, description) in CATALOGUE_COLUMNS.items():
        assert description, name
        assert unit not in endings or name.endswith(endings[unit]), name


def test_every_measured_quantity_has_its_column_and_unit():
    endings = {
        u.deg: "_deg", u.arcsec: "_arcsec", u.Mm: "_mm", u.Mm**2: "_mm2", u.G: "_g", u.Mx: "_mx", None: ""
    }  # fmt: skip
    pores = measure_features(np.zeros((4, 5), np.int32), contrast=np.ones((4, 5)), geometry=GEOMETRY)
    for name in pores.colnames:
        unit, _ = CATALOGUE_COLUMNS[name + endings[pores[name].unit]]
        assert unit == pores[name].unit or unit == u.pix, name


def test_every_flag_is_explained():
    _, description = CATALOGUE_COLUMNS["flags"]
    explained = [int(part.split()[0]) for part in description.removeprefix("bits: ").split(", ")]
    assert explained == [flag.value for flag in FeatureFlag]


def test_an_unknown_column_is_refused():
    with pytest.raises(ParameterError, match="no column colour, mass"):
        catalogue_table({"mass": [1], "label": [1], "colour": ["red"]}, provenance={})


def test_an_unknown_kind_is_refused(table, target):
    with pytest.raises(ParameterError, match="kind must be one of csv, ecsv, not 'xls'"):
        write_catalogue(table, target, kind="xls")
    assert not target.exists()
