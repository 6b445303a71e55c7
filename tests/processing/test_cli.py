"""The steps on plain files, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from processing.__main__ import main
from processing.synthetic import SimulationParameters, write_simulation
from tests.real_data import needs_real_data, paths_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    write_simulation(
        SimulationParameters(n_frames=3, shape=(96, 150), n_pores=3, n_mergers=0, n_splits=0, n_flickers=0), folder
    )
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@needs_real_data
def test_the_steps_of_one_real_frame(tmp_path, capsys):
    paths = {path.name.split(".")[-2]: path for path in paths_of("2875.20130620_103600")}
    contrast, enhanced, labels, table = (tmp_path / name for name in ("c.fits", "e.fits", "l.fits", "f.ecsv"))
    plain = tmp_path / "IN.fits"  # the name need not be JSOC's
    plain.write_bytes(paths["continuum"].read_bytes())
    assert run("reduce", plain, contrast) == 0
    assert np.median(fits.getdata(contrast)) == pytest.approx(1, abs=0.02)
    assert fits.getheader(contrast)["T_REC"] == "2013.06.20_10:36:00_TAI"

    assert run("segment", contrast, labels, "--threshold", 0.5, "--min-pixels", 6) == 0
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
    assert run("reduce", alone, tmp_path / "out.fits") == 1
    assert "--sibling" in capsys.readouterr().err
    assert run("reduce", alone, tmp_path / "out.fits", "--sibling", paths["Br"]) == 0


def test_the_whole_chain_on_a_folder(folder, tmp_path):
    assert run("run", folder, tmp_path / "out") == 0
    story = json.loads((tmp_path / "out" / "tracks.json").read_text())
    assert len(story["tracks"]) == 3
    assert all(len(track["ids"]) == 3 for track in story["tracks"])
    assert (tmp_path / "out" / "movie.mp4").stat().st_size > 10_000

    labels = sorted((tmp_path / "out").glob("*.labels.fits"))
    again = tmp_path / "again.json"
    assert run("track", again, *reversed(labels)) == 0  # T_REC orders them, not the command line
    assert json.loads(again.read_text()) == story
    contrast = sorted((tmp_path / "out").glob("*.contrast.fits"))
    film = tmp_path / "film.mp4"
    assert run("movie", film, "--contrast", *contrast, "--labels", *labels, "--tracks", again) == 0
    assert film.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("reduce", "{folder}/truth.json", "{out}"), "truth.json is not a FITS file"),
        (("run", "{empty}", "{out}"), "holds 0 HARPs"),
    ],
)
def test_trouble_is_one_sentence(folder, tmp_path, capsys, arguments, words):
    (tmp_path / "empty").mkdir()
    names = {"folder": folder, "out": tmp_path / "out", "empty": tmp_path / "empty"}
    code = run(*(argument.format(**names) for argument in arguments))
    error = capsys.readouterr().err
    assert code == 1
    assert words in error
    assert error.count("\n") == 1


def test_help_lists_the_steps(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    words = capsys.readouterr().out
    assert all(
        step in words for step in ("reduce", "enhance", "upscale", "segment", "measure", "track", "movie", "run")
    )
