"""The steps on plain files, as a user types them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from processing import commands
from processing.__main__ import OPTIONS, main
from processing.enhance import deblur
from processing.fits import write_sequence_frame
from processing.flags import FeatureFlag
from processing.geometry import PlainGeometry
from processing.images import PlainImage, read_plain
from processing.limb_darkening import LIMB_DARKENING
from processing.parameters import ChainParameters
from processing.reduce import quiet_sun_level
from processing.segment import find_features
from processing.timekeys import parse_t_rec
from processing.upscale import upscale_nearest
from tests.processing.drawing import GEOMETRY, SHAPE, draw, seen_by_hmi
from tests.real_data import needs_real_data, paths_of

STEPS = ("reduce", "enhance", "upscale", "segment", "measure", "track", "movie", "run")
BEGIN = "2013.06.20_10:36:00_TAI"
PORES = [(20, 30, 4.0), (44, 70, 6.0)]
CEA = {"CTYPE1": "CRLN-CEA", "CTYPE2": "CRLT-CEA", **{key.upper(): value for key, value in vars(GEOMETRY).items()}}


@pytest.fixture(scope="module")
def contrast() -> np.ndarray:
    """Two pores with a little noise, as HMI sees them."""
    doubled = [(2 * row + 0.5, 2 * col + 0.5, 2 * radius) for row, col, radius in PORES]
    scene = seen_by_hmi(draw(doubled, shape=(2 * SHAPE[0], 2 * SHAPE[1])))
    return scene + np.random.default_rng(8).normal(0, 0.01, SHAPE)


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def saved(path: Path, data: np.ndarray, cards: dict[str, Any] | None = None) -> Path:
    fits.PrimaryHDU(data, fits.Header(cards or {})).writeto(path)
    return path


@needs_real_data
def test_the_steps_of_one_real_frame(tmp_path, capsys):
    paths = {path.name.split(".")[-2]: path for path in paths_of("2875.20130620_103600")}
    contrast, enhanced, labels, table = (tmp_path / name for name in ("c.fits", "e.fits", "l.fits", "f.ecsv"))
    plain = tmp_path / "IN.fits"  # the name need not be JSOC's
    plain.write_bytes(paths["continuum"].read_bytes())
    assert run("reduce", plain, contrast) == 0
    assert np.median(fits.getdata(contrast)) == pytest.approx(1, abs=0.02)
    assert fits.getheader(contrast)["T_REC"] == "2013.06.20_10:36:00_TAI"
    assert "DATAMEDN" not in fits.getheader(contrast)  # it was that of the continuum

    by_histogram = tmp_path / "h.fits"
    assert run("reduce", plain, by_histogram, "--quiet-sun", "histogram") == 0
    assert run("segment", by_histogram, labels, "--threshold", 0.5, "--min-pixels", 6) == 0
    assert "4 features, 171 pixels" in capsys.readouterr().out  # the published table of dark regions

    assert run("enhance", contrast, enhanced) == 0
    assert fits.getdata(enhanced).shape == (500, 1166)
    assert fits.getheader(enhanced)["CDELT1"] == pytest.approx(0.015)
    assert run("segment", enhanced, labels) == 0
    field = [part for name in ("Br", "Bt", "Bp") for part in (f"--{name.lower()}", paths[name])]
    assert run("measure", labels, table, "--contrast", enhanced, *field) == 0
    features = QTable.read(table)
    assert len(features) == fits.getdata(labels).max()
    assert np.isfinite(features["flux"]).all()

    upscaled = tmp_path / "Br.fits"
    assert run("upscale", paths["Br"], upscaled) == 0
    assert fits.getdata(upscaled).sum() == pytest.approx(4 * fits.getdata(paths["Br"]).sum(), rel=1e-3)


@needs_real_data
def test_a_bare_header_takes_the_cards_of_its_sibling(tmp_path, capsys):
    paths = {path.name.split(".")[-2]: path for path in paths_of("7115.20170901_220000")}
    assert run("reduce", paths["continuum"], tmp_path / "beside.fits") == 0  # found by its name
    alone = tmp_path / "IN.fits"
    alone.write_bytes(paths["continuum"].read_bytes())
    assert run("reduce", alone, tmp_path / "out.fits") == 2
    words = sentence(capsys)
    assert "--sibling" in words
    assert "--limb-darkening none" in words
    assert run("reduce", alone, tmp_path / "out.fits", "--sibling", paths["Br"]) == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), fits.getdata(tmp_path / "beside.fits"))
    other = next(path for path in paths_of("7115.20170906_120000") if ".Br." in path.name)
    assert run("reduce", paths["continuum"], tmp_path / "out.fits", "--sibling", other) == 2
    assert "is of another T_REC" in sentence(capsys)


@needs_real_data
def test_a_real_bitmap_is_repeated(tmp_path):
    bitmap = next(path for path in paths_of("377.20110215_020000") if ".bitmap." in path.name)
    assert run("upscale", bitmap, tmp_path / "doubled.fits") == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "doubled.fits"), upscale_nearest(fits.getdata(bitmap)))


# reduce


def test_reduce_divides_by_the_chosen_law_and_names_it(tmp_path, contrast):
    law = LIMB_DARKENING["neckel-labs-6173"]
    continuum = 57_600 * law.at(GEOMETRY.mu_map(SHAPE)) * contrast
    source = saved(tmp_path / "in.fits", continuum.astype(">f4"), {**CEA, "BUNIT": "DN/s"})
    assert run("reduce", source, tmp_path / "out.fits", "--limb-darkening", "neckel-labs-6173") == 0
    image = read_plain(tmp_path / "out.fits")
    level = quiet_sun_level(contrast)
    np.testing.assert_allclose(image.data, contrast / level, rtol=1e-5)
    assert image.cards["AVG_F_ON"] == pytest.approx(57_600 * level, rel=1e-5)
    assert image.cards["BUNIT"] == ""
    assert law.source.split(";")[0] in " ".join(image.history)


def test_a_bare_image_is_reduced_without_a_law(tmp_path, contrast, capsys):
    np.save(tmp_path / "in.npy", (57_600 * contrast).astype(np.int32))
    assert run("reduce", tmp_path / "in.npy", tmp_path / "out.npz") == 2
    assert "--limb-darkening none" in sentence(capsys)
    assert run("reduce", tmp_path / "in.npy", tmp_path / "out.npz", "--limb-darkening", "none") == 0
    image = read_plain(tmp_path / "out.npz")
    np.testing.assert_allclose(image.data, contrast / quiet_sun_level(contrast), rtol=1e-4)
    assert image.cards["AVG_F_ON"] == pytest.approx(57_600 * quiet_sun_level(contrast), rel=1e-4)


def test_a_sibling_must_have_the_shape(tmp_path, contrast, capsys):
    bare = saved(tmp_path / "in.fits", contrast)
    sibling = saved(tmp_path / "Br.fits", contrast[1:], CEA)
    assert run("reduce", bare, tmp_path / "out.fits", "--sibling", sibling) == 2
    assert "its sibling Br.fits (63, 96)" in sentence(capsys)


# enhance

METHODS = ("network", "richardson-lucy", "cubic-spline")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "scale"), [("in.npy", 57_600.0), ("in.fits", 1.0), ("in.npz", 0.02)])
def test_a_bare_image_of_any_unit_is_sharpened_in_that_unit(tmp_path, contrast, method, name, scale):
    image = PlainImage(contrast * scale)
    commands.write_plain(tmp_path / name, image.data, {})
    assert run("enhance", tmp_path / name, tmp_path / "out.fits", "--method", method) == 0
    sharp = read_plain(tmp_path / "out.fits")
    level = quiet_sun_level(contrast)
    np.testing.assert_allclose(sharp.data / scale, level * deblur(contrast / level, method=method), rtol=1e-4)
    assert sharp.data.mean() == pytest.approx(image.data.mean(), rel=1e-3)
    assert sharp.cards["AVG_F_ON"] == pytest.approx(level * scale)
    assert sharp.cards["AVG_F_EN"] == pytest.approx(quiet_sun_level(sharp.data), rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (7, 13), (31, 64)])
@pytest.mark.parametrize("method", METHODS)
def test_an_image_of_any_shape_is_sharpened(tmp_path, shape, method):
    np.save(tmp_path / "in.npy", 5e4 * (1 + 0.03 * np.random.default_rng(2).standard_normal(shape)))
    assert run("enhance", tmp_path / "in.npy", tmp_path / "out.npy", "--method", method) == 0
    sharp = np.load(tmp_path / "out.npy")
    assert sharp.shape == (2 * shape[0], 2 * shape[1])
    assert sharp.mean() == pytest.approx(np.load(tmp_path / "in.npy").mean(), rel=1e-3)


def test_counts_and_missing_pixels(tmp_path, contrast):
    counts = (57_600 * contrast).astype(np.int32)
    counts[3, 4], counts[50:53, 60:64] = -1, -1
    source = saved(tmp_path / "in.fits", counts, {"BLANK": -1})
    assert run("enhance", source, tmp_path / "out.fits", "--method", "cubic-spline") == 0
    sharp = fits.getdata(tmp_path / "out.fits")
    np.testing.assert_array_equal(np.isnan(sharp), upscale_nearest(counts < 0))
    assert np.nanmean(sharp) == pytest.approx(counts[counts > 0].mean(), rel=1e-3)


def test_infinite_pixels_have_no_value(contrast):
    image = contrast.copy()
    image[10, 10] = np.inf
    sharp = commands.sharpened(PlainImage(image), method="cubic-spline").data
    assert np.isnan(sharp).sum() == 4
    assert np.nanmean(sharp) == pytest.approx(image[np.isfinite(image)].mean(), rel=1e-3)


def test_the_pixel_of_the_header_counts(tmp_path, contrast, capsys):
    def header(step: float) -> dict[str, Any]:
        return {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CDELT1": step, "CDELT2": step}

    assert run("enhance", saved(tmp_path / "hmi.fits", contrast, header(0.504)), tmp_path / "out.fits") == 0
    assert fits.getheader(tmp_path / "out.fits")["CDELT1"] == 0.252
    assert run("enhance", saved(tmp_path / "aia.fits", contrast, header(0.6)), tmp_path / "none.fits") == 2
    assert "not 0.44" in sentence(capsys)
    assert not (tmp_path / "none.fits").exists()


# segment and measure


@pytest.fixture
def patch(tmp_path, contrast) -> Path:
    return saved(tmp_path / "contrast.fits", contrast.astype(np.float32), {**CEA, "T_REC": BEGIN, "QUALITY": 256})


def measured(labels: Path, output: Path, *options: object) -> QTable:
    assert run("measure", labels, output, *options) == 0
    return QTable.read(output)


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ((), {"threshold": 0.5}),
        (("--threshold", 0.8, "--connectivity", 8), {"threshold": 0.8, "connectivity": 8}),
        (("--segmentation", "stara", "--stara-depth", 0.4), {"method": "stara", "stara_depth": 0.4}),
        (("--split", "watershed"), {"split": "watershed"}),
    ],
)
def test_segment_finds_what_find_features_does(patch, tmp_path, options, keywords):
    labels, margin = tmp_path / "labels.fits", tmp_path / "margin.npy"
    assert run("segment", patch, labels, "--min-pixels", 9, "--margin", margin, *options) == 0
    contrast = fits.getdata(patch).astype(np.float64)
    found = find_features(contrast, pixel_side_mm=GEOMETRY.pixel_side_mm, min_pixels=9, **keywords)
    assert found.labels.max() == 2
    np.testing.assert_array_equal(fits.getdata(labels), found.labels)
    np.testing.assert_array_equal(np.load(margin), found.margin)


def test_the_size_of_the_pixel_matters_to_stara(tmp_path, contrast):
    ramp = contrast * np.linspace(1, 3, SHAPE[1])
    np.save(tmp_path / "ramp.npy", ramp)
    for side in (0.36, 1.5):
        options = ("--segmentation", "stara", "--pixel-mm", side, "--stara-depth", 0.3)
        assert run("segment", tmp_path / "ramp.npy", tmp_path / f"{side}.npy", *options) == 0
        found = find_features(ramp, pixel_side_mm=side, method="stara", stara_depth=0.3)
        np.testing.assert_array_equal(np.load(tmp_path / f"{side}.npy"), found.labels)
    assert (np.load(tmp_path / "0.36.npy") != np.load(tmp_path / "1.5.npy")).any()


def test_measure_with_errors_margin_umbra_and_quality(patch, tmp_path):
    labels, margin = tmp_path / "labels.fits", tmp_path / "margin.fits"
    run("segment", patch, labels, "--threshold", 0.8, "--margin", margin)
    br = saved(tmp_path / "Br.fits", np.full(SHAPE, -1200.0))
    error = saved(tmp_path / "Br_err.fits", np.full(SHAPE, 30.0))
    options = ("--contrast", patch, "--br", br, "--br-err", error, "--umbra-level", 0.4)
    features = measured(labels, tmp_path / "f.ecsv", *options, "--margin", margin)
    flags = FeatureFlag.NO_FIELD | FeatureFlag.BAD_QUALITY  # Bt and Bp are missing; QUALITY is in the header
    assert (features["flags"] == flags).all()
    np.testing.assert_allclose(features["bz"].to_value(u.G), -1200)
    np.testing.assert_allclose(features["bz_err"].to_value(u.G), 30 / np.sqrt(features["area_px"]))
    assert (features["area_err"] > 0 * u.Mm**2).all()
    assert (features["umbra_area_px"] < features["area_px"]).all()
    assert features.meta["T_REC"] == BEGIN
    again = measured(labels, tmp_path / "g.ecsv", *options, "--quality", "0x0")
    assert (again["flags"] == FeatureFlag.NO_FIELD).all()
    assert np.isnan(again["area_err"]).all()


@pytest.mark.parametrize("suffix", [".fits", ".npy"])
def test_a_native_field_is_brought_to_the_labels_grid(tmp_path, patch, suffix):
    sharp, labels = tmp_path / f"e{suffix}", tmp_path / f"l{suffix}"
    run("enhance", patch, sharp, "--method", "cubic-spline")
    run("segment", sharp, labels)
    field = [
        part
        for name in ("br", "bt", "bp", "br-err", "bt-err", "bp-err")
        for part in (f"--{name}", saved(tmp_path / f"{name}.fits", np.full(SHAPE, 40.0)))
    ]
    features = measured(labels, tmp_path / "f.ecsv", "--contrast", sharp, "--pixel-mm", 0.3, *field)
    np.testing.assert_allclose(features["b"].to_value(u.G), 40 * np.sqrt(3), rtol=1e-5)
    samples = features["area_px"] / 4  # four pixels share one observed pixel
    np.testing.assert_allclose(features["bz_err"].to_value(u.G), 40 / np.sqrt(samples), rtol=1e-5)


@pytest.mark.parametrize("suffix", [".ecsv", ".csv", ".fits"])
def test_labels_without_geometry_are_measured_by_the_side_of_their_pixels(patch, tmp_path, capsys, suffix):
    run("segment", patch, tmp_path / "labels.fits")
    there = measured(tmp_path / "labels.fits", tmp_path / "there.ecsv", "--contrast", patch)
    np.savez(tmp_path / "bare.npz", labels=fits.getdata(tmp_path / "labels.fits").astype(float), c=fits.getdata(patch))
    bare = (f"{tmp_path}/bare.npz[labels]", tmp_path / f"bare{suffix}", "--contrast", f"{tmp_path}/bare.npz[c]")
    capsys.readouterr()
    assert run("measure", *bare) == 2
    assert "--pixel-mm" in sentence(capsys)
    features = measured(*bare, "--pixel-mm", GEOMETRY.pixel_side_mm)
    assert len(features) == len(there) == 2
    unknown = {"lon", "lat", "tx", "ty", "mu", "area_projected", "area_projected_msh", "area_projected_msd"}
    for name in set(features.colnames) - {"flags"}:
        values, known = (np.asarray(u.Quantity(table[name]).value, float) for table in (features, there))
        np.testing.assert_allclose(values, np.nan if name in unknown else known, rtol=1e-9, err_msg=name)
    assert (features["flags"] & FeatureFlag.NEAR_LIMB).all()  # unknown is flagged as near the limb is


def test_a_plain_geometry_knows_sizes_and_nothing_else():
    geometry, rows = PlainGeometry(GEOMETRY.pixel_side_mm), np.arange(6.0).reshape(2, 3)
    assert geometry.pixel_area_mm2 == pytest.approx(GEOMETRY.pixel_area_mm2)
    assert geometry.msh_per_mm2 == GEOMETRY.msh_per_mm2
    assert geometry.doubled().pixel_side_mm == pytest.approx(GEOMETRY.doubled().pixel_side_mm)
    maps = (*geometry.lon_lat(rows, rows), *geometry.helioprojective(rows, rows), geometry.mu(rows, rows))
    for image in (*maps, geometry.mu_map((2, 3))):
        assert image.shape == (2, 3)
        assert np.isnan(image).all()


# a series


def test_every_parameter_is_explained():
    assert set(OPTIONS) == {item.name for item in dataclasses.fields(ChainParameters)}


def test_a_time_in_the_name_will_do(tmp_path):
    for k, minute in enumerate(("36", "48")):
        labels = np.zeros((20, 20), np.int32)
        labels[5:10, 5 + k : 10 + k] = 1
        np.save(tmp_path / f"spot.20130620_10{minute}00_TAI.npy", labels)
    files = sorted(tmp_path.glob("*.npy"), reverse=True)
    assert run("track", tmp_path / "t.json", *files, "--pixel-mm", 0.2) == 0
    story = json.loads((tmp_path / "t.json").read_text())
    assert [item["ids"] for item in story["tracks"]] == [[0, 1]]
    assert story["features"][0]["t_rec_s"] == parse_t_rec(BEGIN)


def links_of(output: Path, files: list[Path], *options: object) -> list[dict[str, Any]]:
    assert run("track", output, *files, "--pixel-mm", 0.5, "--link-bias", 5, *options) == 0
    return json.loads(output.read_text())["links"]


def test_a_cadence_tells_the_times(tmp_path, capsys):
    labels = np.zeros((2, 30, 60), np.int32)
    labels[0, 10:16, 10:16] = labels[1, 10:16, 30:36] = 1  # 20 pixels, 10 Mm on
    files = [saved(tmp_path / f"labels{k}.fits", image) for k, image in enumerate(labels)]
    output, begin = tmp_path / "t.json", ("--begin", BEGIN, "--cadence", 45)  # a quarter of the root of 12 minutes
    assert len(links_of(output, files, *begin, "--reach", 25)) == 1  # from frame to frame, whatever the cadence
    features = json.loads(output.read_text())["features"]
    assert [item["t_rec_s"] - parse_t_rec(BEGIN) for item in features] == [0, 45]
    assert links_of(output, files, *begin, "--reach", 15) == []
    assert len(links_of(output, files, *begin, "--reach-mm", 41)) == 1  # so 10.25 Mm
    assert links_of(output, files, *begin, "--reach-mm", 39) == []
    np.savez(tmp_path / "cube.npz", labels=labels)
    for options, n in {("--reach", 25): 1, ("--reach", 15): 0, ("--reach-mm", 41): 1, ("--reach-mm", 39): 0}.items():
        cube = (tmp_path / "cube.npz", "--links", tmp_path / "l.csv", "--pixel-mm", 0.5, "--link-bias", 5)
        assert run("track", *cube, "--cadence", 45, *options) == 0
        assert len((tmp_path / "l.csv").read_text().splitlines()) == 1 + n
    for cadence in ("0", "7.5"):
        assert run("track", output, *files, f"--cadence={cadence}") == 2
        assert f"{cadence} is not a positive whole number of seconds" in sentence(capsys)


@pytest.mark.parametrize(("cadence", "n_links"), [((), 2), (("--cadence", 120), 2), (("--cadence", 60), 0)])
def test_a_cadence_tells_what_is_missing(tmp_path, contrast, cadence, n_links):
    """Frames every 120 s, which of a cadence of 60 s is every other one."""
    cards = {"SEQUENCE": "Tenerife", **PlainGeometry(0.5).cards()}
    for k in range(3):
        raw = write_sequence_frame(57_600 * contrast[:, :50], t_rec_s=parse_t_rec(BEGIN) + 120 * k, cards=cards)
        (tmp_path / f"{k}.fits").write_bytes(raw)
    assert run("run", tmp_path, tmp_path / "out", "--method", "none", "--max-gap", 0, "--min-pixels", 9, *cadence) == 0
    assert len(json.loads((tmp_path / "out" / "tracks.json").read_text())["links"]) == n_links
    film = json.loads((tmp_path / "out" / "movie.json").read_text())
    assert len(film["frames"]) == (3 if n_links else 5)


def test_tables_tell_what_touches_the_edge(patch, tmp_path):
    labels, table = tmp_path / "labels.fits", tmp_path / "f.ecsv"
    run("segment", patch, labels)
    assert run("measure", labels, table, "--contrast", patch) == 0
    features = QTable.read(table)
    features["flags"] |= int(FeatureFlag.ON_EDGE)
    features.write(table, overwrite=True)
    later = saved(tmp_path / "later.fits", np.zeros(SHAPE, np.int32), {**CEA, "T_REC": "2013.06.20_10:48:00_TAI"})
    ends = {}
    for name, options in {"inside": (), "edge": ("--features", table)}.items():
        assert run("track", tmp_path / f"{name}.json", labels, later, *options) == 0
        ends[name] = json.loads((tmp_path / f"{name}.json").read_text())["events"]
    assert ends["inside"] != ends["edge"]


def test_help_lists_the_steps(capsys):
    assert run("--help") == 0
    words = capsys.readouterr().out
    assert all(re.search(rf"^    {step} ", words, re.MULTILINE) for step in STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_help(step, capsys):
    assert run(step, "--help") == 0
    assert f"python -m processing {step}" in capsys.readouterr().out
