"""A series of plain files, as a user types it."""

import csv
import json
import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from geff.core_io import read_to_memory

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
    features = sorted(finished.glob("*.features.ecsv"))
    # T_REC orders them, not the command line
    assert run("track", again, *reversed(labels), "--features", *features) == 0
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
        reach_mm=2.5, link_bias=0.5, opposite_polarity="free",
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


def test_the_links_of_label_images_as_a_table_and_a_graph(finished, tmp_path):
    """Frames count in order of T_REC; files may stand on both sides of an option."""
    first, second, third = sorted(finished.glob("*.labels.fits"))
    output, table, graph = tmp_path / "t.json", tmp_path / "l.csv", tmp_path / "g.geff"
    assert run("track", output, third, "--links", table, first, "--geff", graph, second) == 0
    story = json.loads(output.read_text())
    times = sorted({feature["t_rec_s"] for feature in story["features"]})
    place = {feature["id"]: (times.index(feature["t_rec_s"]), feature["label"]) for feature in story["features"]}
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ("frame_earlier", "label_earlier", "frame_later", "label_later")
    assert len(rows) == 6  # three pores, three frames
    assert {tuple(int(row[name]) for name in names) for row in rows} == {
        (*place[link["earlier"]], *place[link["later"]]) for link in story["links"]
    }
    probability = {(*place[link["earlier"]], *place[link["later"]]): link["probability"] for link in story["links"]}
    for row in rows:
        assert float(row["probability"]) == pytest.approx(
            probability[tuple(int(row[name]) for name in names)], abs=1e-6
        )
    memory = read_to_memory(graph)
    assert memory["metadata"].axes[1].scale == pytest.approx(HMI_PIXEL_MM / 2, rel=0.01)
    assert {tuple(pair) for pair in memory["edge_ids"].tolist()} == {
        (link["earlier"], link["later"]) for link in story["links"]
    }


@pytest.mark.parametrize("options", [(), ("--max-gap", 0), ("--opposite-polarity", "free")])
def test_tables_tell_the_tracker_the_polarity(tmp_path, options):
    labels = np.zeros((2, 30, 40), np.int32)
    labels[:, 10:16, 20:26] = 1
    files, tables = [], []
    for k, flux in enumerate((5e19, -5e19)):
        files.append(tmp_path / f"labels{k}.npy")
        np.save(files[-1], labels[k])
        table = QTable({"flags": [0], "intensity_mean": [0.4], "flux": [flux] * u.Mx}, meta={"T_REC": ""})
        tables.append(tmp_path / f"f{k}.ecsv")
        table.write(tables[-1])
    size = ("--begin", BEGIN, "--pixel-mm", 0.2, "--link-bias", 5)
    assert run("track", tmp_path / "t.json", *files, *size, "--features", *tables, *options) == 0
    links = json.loads((tmp_path / "t.json").read_text())["links"]
    assert len(links) == (1 if "free" in options else 0)
    assert run("track", tmp_path / "t.json", *files, *size) == 0  # without tables nobody knows
    assert len(json.loads((tmp_path / "t.json").read_text())["links"]) == 1


def test_the_reach_may_be_in_pixels(tmp_path):
    labels = np.zeros((2, 30, 60), np.int32)
    labels[0, 10:16, 10:16] = labels[1, 10:16, 30:36] = 1  # 20 pixels on
    files = [tmp_path / f"labels{k}.npy" for k in range(2)]
    for path, image in zip(files, labels, strict=True):
        np.save(path, image)
    size = ("--begin", BEGIN, "--pixel-mm", 0.5, "--link-bias", 5)

    def n_links(*options: object) -> int:
        assert run("track", tmp_path / "t.json", *files, *size, *options) == 0
        return len(json.loads((tmp_path / "t.json").read_text())["links"])

    assert n_links("--reach", 15) == n_links("--reach-mm", 7.5) == 0
    assert n_links("--reach", 25) == n_links("--reach-mm", 12.5)
