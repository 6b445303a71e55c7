"""A series of plain files, as a user types it."""

import json
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from processing.__main__ import build_parser
from processing.enhance import HMI_PIXEL_MM
from processing.images import read_plain
from processing.parameters import ChainParameters
from processing.reduce import quiet_sun_level
from processing.synthetic import SimulationParameters, write_simulation
from processing.timekeys import CADENCE_S, parse_t_rec
from tests.processing.test_cli import BEGIN, run, sentence


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    write_simulation(
        SimulationParameters(n_frames=3, shape=(96, 150), n_pores=3, n_mergers=0, n_splits=0, n_flickers=0), folder
    )
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What run makes of the simulated folder."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert run("run", folder, out) == 0
    return out


def test_a_reduced_frame_goes_on_as_in_the_chain(folder, finished, tmp_path):
    """Step by step is what run does: the same contrast, levels, labels and features."""
    stem = sorted(finished.glob("*.contrast.fits"))[1].name.removesuffix(".contrast.fits")
    t_rec = stem.partition(".")[2]
    segments = {path.name.split(".")[-2]: path for path in folder.glob(f"*{t_rec}*")}
    flat, sharp, labels, margin = (tmp_path / f"{name}.fits" for name in ("flat", "sharp", "labels", "margin"))
    assert run("reduce", segments["continuum"], flat) == 0
    assert run("enhance", flat, sharp) == 0
    assert run("segment", sharp, labels, "--margin", margin) == 0
    field = [part for name in ("Br", "Bt", "Bp") for part in (f"--{name.lower()}", segments[name])]
    table = tmp_path / "f.ecsv"
    assert run("measure", labels, table, "--contrast", sharp, "--margin", margin, *field) == 0

    whole = read_plain(finished / f"{stem}.contrast.fits")
    steps = read_plain(sharp)
    np.testing.assert_allclose(steps.data, whole.data, rtol=1e-5)
    assert quiet_sun_level(steps.data) == pytest.approx(1, abs=1e-4)
    assert steps.cards.keys() == whole.cards.keys()
    for keyword in ("AVG_F_ON", "AVG_F_EN", "CRPIX1", "CDELT2", "BUNIT", "T_REC"):
        expected = whole.cards[keyword]
        assert steps.cards[keyword] == (pytest.approx(expected, rel=1e-5) if isinstance(expected, float) else expected)
    np.testing.assert_array_equal(read_plain(labels).data, read_plain(finished / f"{stem}.labels.fits").data)
    features, expected = QTable.read(table), QTable.read(finished / f"{stem}.features.ecsv")
    assert features.colnames == expected.colnames
    assert len(features) == len(expected) > 0
    for name in features.colnames:
        np.testing.assert_allclose(u.Quantity(features[name]).value, u.Quantity(expected[name]).value, rtol=1e-4)


def test_the_whole_chain_on_a_folder(finished, tmp_path):
    story = json.loads((finished / "tracks.json").read_text())
    assert len(story["tracks"]) == 3
    assert all(len(track["ids"]) == 3 for track in story["tracks"])
    assert (finished / "movie.mp4").stat().st_size > 10_000

    labels = sorted(finished.glob("*.labels.fits"))
    again = tmp_path / "again.json"
    assert run("track", again, *reversed(labels)) == 0  # T_REC orders them, not the command line
    assert json.loads(again.read_text()) == story
    contrast = sorted(finished.glob("*.contrast.fits"))
    film = tmp_path / "film.mp4"
    assert run("movie", film, "--contrast", *contrast, "--labels", *labels, "--tracks", again) == 0
    assert film.exists()


def test_run_writes_levels_units_and_how(finished):
    image = read_plain(min(finished.glob("*.contrast.fits")))
    assert image.cards["BUNIT"] == ""
    assert 0.9 < image.cards["AVG_F_EN"] / image.cards["AVG_F_ON"] < 1.1
    assert image.cards["AVG_F_EN"] != image.cards["AVG_F_ON"]
    assert "Pierce & Slaughter 1977" in " ".join(image.history)
    labels = read_plain(min(finished.glob("*.labels.fits")))
    assert "below 0.5, split none, at least 20 pixels, 4-connected" in " ".join(labels.history)


def test_run_passes_every_parameter_on(monkeypatch, tmp_path):
    """Of each field of `ChainParameters` a value that is not its default."""
    wanted = ChainParameters(
        limb_darkening="none", quiet_sun="histogram", enhance="richardson-lucy", iterations=3, segmentation="stara",
        threshold=0.6, stara_depth=0.5, split="watershed", connectivity=8, min_pixels=7, umbra_level=0.4, max_gap=2,
        reach_mm=2.5,
    )  # fmt: skip
    assert all(value != getattr(ChainParameters, name) for name, value in wanted.as_dict().items())
    options = [part for name, value in wanted.as_dict().items() for part in (f"--{name.replace('_', '-')}", str(value))]
    (tmp_path / "w.h5").touch()
    parsed = vars(
        build_parser().parse_args(["run", str(tmp_path), "out", *options, "--weights", str(tmp_path / "w.h5")])
    )
    assert ChainParameters(**{name: parsed[name] for name in wanted.as_dict()}) == wanted
    assert parsed["weights"] == str(tmp_path / "w.h5")
    assert vars(build_parser().parse_args(["run", str(tmp_path), "out", "--method", "none"]))["enhance"] == "none"


def test_run_leaves_out_what_it_cannot_use(folder, tmp_path, capsys):
    some = tmp_path / "some"
    shutil.copytree(folder, some)
    next(some.glob("*.continuum.fits")).unlink()
    (some / "notes.fits").write_text("not an image")
    assert run("run", some, tmp_path / "out", "--method", "none", "--threshold", 0.7, "--min-pixels", 5) == 0
    words = capsys.readouterr().out
    assert words.startswith("2 frames in")
    assert "notes.fits is not a FITS file" in words
    assert "continuum is missing at" in words
    assert all(fits.getdata(path).shape == (96, 150) for path in (tmp_path / "out").glob("*.contrast.fits"))  # "none"
    assert run("run", some, tmp_path / "out", "--method", "published", "--weights", some / "notes.fits") == 2
    assert "notes.fits is no Keras 2 file" in sentence(capsys)
    for path in some.glob("*.continuum.fits"):
        path.unlink()
    assert run("run", some, tmp_path / "none") == 2
    assert "no frame in" in sentence(capsys)


def test_a_series_of_bare_arrays_is_tracked_from_a_time_that_is_given(finished, tmp_path, capsys):
    labels, contrast = [], []
    for k, path in enumerate(sorted(finished.glob("*.labels.fits"))):
        labels.append(tmp_path / f"labels{k}.npy")
        contrast.append(tmp_path / f"contrast{k}.npz")
        np.save(labels[-1], fits.getdata(path))
        np.savez(contrast[-1], x=fits.getdata(str(path).replace("labels", "contrast")))
    output, size = tmp_path / "tracks.json", ("--pixel-mm", HMI_PIXEL_MM / 2)
    assert run("track", output, *labels, *size) == 2
    assert "--begin" in sentence(capsys)
    assert run("track", output, *labels, "--begin", BEGIN) == 2
    assert "--pixel-mm" in sentence(capsys)
    assert run("track", output, *labels, "--begin", BEGIN, *size) == 0
    story = json.loads(output.read_text())
    assert {feature["t_rec_s"] for feature in story["features"]} == {
        parse_t_rec(BEGIN) + k * CADENCE_S for k in range(3)
    }
    expected = json.loads((finished / "tracks.json").read_text())
    assert [item["ids"] for item in story["tracks"]] == [item["ids"] for item in expected["tracks"]]
    film = tmp_path / "film.mp4"
    series = ("--contrast", *contrast, "--labels", *labels, "--tracks", output, "--begin", BEGIN)
    assert run("movie", film, *series, *size) == 0
    assert json.loads(film.with_suffix(".json").read_text())
