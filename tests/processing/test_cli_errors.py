"""What goes wrong on the command line: one sentence, exit status 2, and no file is lost."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.processing.drawing import SHAPE, draw
from tests.processing.test_cli import BEGIN, run, saved, sentence


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    """Files to have trouble with, by name."""
    contrast = draw([(20, 30, 4.0), (44, 70, 6.0)])
    patch = saved(tmp_path / "contrast.fits", contrast, {"T_REC": BEGIN})
    labels = (contrast < 0.5).astype(np.int32)
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "small.npy", labels[:9, :9])
    np.save(tmp_path / "holed.npy", np.where(labels == 1, 2, 0))
    np.save(tmp_path / "dn.npy", 57_600 * contrast)
    np.save(tmp_path / "negative.npy", -contrast)
    np.save(tmp_path / "nothing.npy", np.full(SHAPE, np.nan))
    np.save(tmp_path / "cube.npy", np.stack([contrast, contrast]))
    np.savez(tmp_path / "two.npz", a=contrast, b=contrast)
    np.savez(tmp_path / "pickle.npz", a=np.array([{}], dtype=object))
    (tmp_path / "text.fits").write_text("some text")
    (tmp_path / "text.json").write_text("[1]")
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.fits").write_bytes(b"old")
    (tmp_path / "old.json").write_bytes(b"old")
    (tmp_path / "old.ecsv").write_bytes(b"old")
    return {"tmp": tmp_path, "patch": patch}


SERIES = "--begin 2013.06.20_10:36:00_TAI --pixel-mm 0.2"
TROUBLE = [
    ("enhance {tmp}/missing.fits {tmp}/old.fits", "missing.fits does not exist"),
    ("enhance {tmp}/missing.npz[a] {tmp}/old.fits", "does not exist"),
    ("enhance {tmp}/text.fits {tmp}/old.fits", "text.fits is not a FITS file"),
    ("enhance {tmp}/cube.npy {tmp}/old.fits", "a cube of 2 x 64 x 96"),
    ("enhance {tmp}/pickle.npz {tmp}/old.fits", "Python objects"),
    ("enhance {tmp}/two.npz {tmp}/old.fits", "name one, as in two.npz[a]"),
    ("enhance {tmp}/two.npz[c] {tmp}/old.fits", "no array c; it holds a, b"),
    ("enhance {tmp}/nothing.npy {tmp}/old.fits", "nothing.npy: the continuum has no finite pixel"),
    ("enhance {tmp}/negative.npy {tmp}/old.fits", "quiet-Sun level must be positive"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --method magic", "invalid choice: 'magic'"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --method none", "invalid choice: 'none'"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --method published", "needs its weights"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --method published --weights {tmp}/no.h5", "no.h5 does not exist"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --method published --weights {tmp}/two.npz", "no Keras 2 file"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --iterations 0", "iterations must be 1 to 100"),
    ("enhance {tmp}/dn.npy {tmp}/old.fits --iterations many", "invalid int value: 'many'"),
    ("enhance {tmp}/dn.npy {tmp}/old.png", "must end in .fits"),
    ("enhance {tmp}/dn.npy {tmp}/no/out.fits", "there is no folder"),
    ("enhance {tmp}/empty {tmp}/old.fits", "is a folder, not a file"),
    ("enhance {patch} {patch}", "is an input; name another file to write"),
    ("reduce {tmp}/dn.npy {tmp}/old.fits --sibling {tmp}/text.fits", "text.fits is not a FITS file"),
    ("reduce {tmp}/dn.npy {tmp}/old.fits --limb-darkening dark", "invalid choice: 'dark'"),
    ("upscale {tmp}/nothing.npy {tmp}/old.fits", "no finite pixel"),
    ("segment {tmp}/dn.npy {tmp}/old.fits", "dn.npy is no contrast"),
    ("segment {patch} {tmp}/old.fits --threshold 7", "threshold must be 0.05 to 1, not 7"),
    ("segment {patch} {tmp}/old.fits --pixel-mm -1", "-1 is not a positive number"),
    ("segment {patch} {tmp}/old.fits --margin {tmp}/old.fits", "cannot be written twice"),
    ("measure {tmp}/labels.npy {tmp}/old.ecsv --contrast {tmp}/dn.npy", "dn.npy is no contrast"),
    ("measure {patch} {tmp}/old.ecsv --contrast {patch}", "contrast.fits is no label image"),
    (
        "measure {tmp}/small.npy {tmp}/old.ecsv --contrast {patch} --pixel-mm 1",
        "contrast is (64, 96), the labels are (9, 9)",
    ),
    ("measure {tmp}/labels.npy {tmp}/old.ecsv --contrast {patch} --pixel-mm 1 --quality bad", "QUALITY is 'bad'"),
    ("measure {tmp}/labels.npy {tmp}/old.xyz --contrast {patch}", "must end in .ecsv, .csv, .fits"),
    ("track {tmp}/old.json {tmp}/labels.npy {tmp}/small.npy " + SERIES, "small.npy is (9, 9)"),
    ("track {tmp}/old.json {tmp}/holed.npy " + SERIES, "label 1 has no pixel"),
    ("track {tmp}/old.json {patch} {patch}", "are both of 2013.06.20_10:36:00_TAI"),
    ("track {tmp}/old.json {tmp}/labels.npy --begin yesterday", "'yesterday' is not a T_REC"),
    ("track {tmp}/old.json {tmp}/labels.npy " + SERIES + " --features {tmp}/text.json", "no table that measure wrote"),
    ("track {tmp}/old.txt {tmp}/labels.npy", "must end in .json"),
    ("track {tmp}/old.json", "name the label images behind it"),
    ("track {tmp}/old.json {tmp}/missing.npy", "missing.npy does not exist"),
    ("track {tmp}/old.json {tmp}/labels.npy " + SERIES + " --links {tmp}/old.json", "must end in .csv"),
    ("track {tmp}/old.json {tmp}/labels.npy " + SERIES + " --geff {tmp}/empty", "must end in .geff"),
    ("track {tmp}/old.json {tmp}/labels.npy " + SERIES + " --reach 0.1", "reach_mm must be 0.1 to 50, not 0.02"),
    ("track {tmp}/old.json {tmp}/labels.npy --frames 3", "unrecognized arguments: --frames"),
    ("movie {tmp}/old.mp4 --contrast {patch} --tracks {tmp}/old.json", "would replace old.json"),
    ("movie {tmp}/new.mp4 --contrast {patch} --tracks {tmp}/text.json", "text.json is not what track writes"),
    ("run {tmp}/empty {tmp}/out", "holds 0 HARPs"),
    ("run {tmp}/dn.npy {tmp}/out", "is not a folder"),
    ("run {tmp} {tmp}/dn.npy", "holds 0 HARPs"),
    ("run {tmp} {tmp}", "is an input"),
    ("", "required: STEP"),
]


@pytest.mark.parametrize(("line", "words"), TROUBLE, ids=[words for _, words in TROUBLE])
def test_trouble_is_one_sentence_and_nothing_is_lost(place, capsys, line, words):
    before = {path: path.read_bytes() for path in place["tmp"].rglob("*") if path.is_file()}
    code = run(*line.format(**place).split())
    error = sentence(capsys)
    assert code == 2
    assert words in error
    assert re.search(r"[^.]\.\n$", error)
    assert {path: path.read_bytes() for path in place["tmp"].rglob("*") if path.is_file()} == before
