"""Frames of a sequence that come in archives, or gzipped, or compressed."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from django.core.files.uploadedfile import SimpleUploadedFile

from poreweb import storage
from poreweb.observations.archive import raw_key
from poreweb.sequences.models import Sequence, SourceFile
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import fits_bytes, sun
from tests.poreweb.test_sequences import errors_in, file, maps_of

send, made = test_sequences.send, test_sequences.made


def tar(name: str, *members: tuple[str, bytes]) -> SimpleUploadedFile:
    """An archive of those files, packed as its name says."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz" if name.endswith("gz") else "w") as archive:
        for path, raw in members:
            info = tarfile.TarInfo(path)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return SimpleUploadedFile(name, whole.getvalue())


def fpacked(image: np.ndarray) -> bytes:
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, quantize_level=0, compression_type="GZIP_1")]).writeto(
        whole := io.BytesIO()
    )
    return whole.getvalue()


@pytest.fixture(autouse=True)
def temporary(settings, tmp_path) -> Path:
    """The folder where uploads and what is in them lie for a while, which must not be for long."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = folder
    return folder


@pytest.fixture(params=["in memory", "on disk"])
def where(request, settings):
    """Small and large uploads are given to the site in two ways."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = {"in memory": 2**30, "on disk": 0}[request.param]


@pytest.mark.parametrize("name", ["night.tar", "night.TAR.GZ", "night.tgz"])
def test_an_archive_is_as_its_files(made, where, name, temporary, as_alice):
    cube = sun(11).astype(np.float32)
    raws = {f"frame{k}.fits": fits_bytes(cube[k]) for k in range(11)}
    shuffled = [f"frame{k}.fits" for k in (10, 3, 0, 7, 1, 9, 2, 8, 4, 6, 5)]
    entries = [(f"./night/{'a' if name < 'frame5' else 'b'}/{name}", raws[name]) for name in shuffled]
    sequence = made(tar(name, *entries, ("night/README.txt", b"seeing 2 arcsec"), ("._frame1.fits", b"a Mac's")))
    for found, given in zip(maps_of(sequence), cube, strict=True):
        np.testing.assert_array_equal(found, given)  # frame10 is the last one
    assert [source.name for source in sequence.files.all()] == [f"frame{k}.fits" for k in range(11)]
    for source in sequence.files.all():
        raw = raws[source.name]
        assert (source.size, source.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
        assert storage.read_bytes(raw_key(source.sha256)) == raw
    assert sequence.patch.frames.last().cards["SRCFILE"] == "frame10.fits"
    assert list(temporary.iterdir()) == []
    assert "frame10.fits" in as_alice.get(sequence.get_absolute_url()).text


def test_darks_and_flats_come_in_archives_too(made):
    rng = np.random.default_rng(2)
    dark, flat = (level + rng.normal(0, 3, (3, 64, 64)) for level in (300, 9300))
    packed = {
        word: [tar(f"{word}.tar", *[(f"{k}.fits", fits_bytes(image, EXPTIME=1.0)) for k, image in enumerate(images)])]
        for word, images in {"darks": dark, "flats": flat}.items()
    }
    sequence = made(file("cube.fits", sun(2) + 300, EXPTIME=1.0), **packed)
    cards = sequence.patch.frames.first().cards
    assert (cards["NDARKS"], cards["NFLATS"]) == (3, 3)
    assert sorted(sequence.files.values_list("role", "name")) == sorted(
        [("image", "cube.fits"), *((role, f"{k}.fits") for role in ("dark", "flat") for k in range(3))]
    )


@pytest.mark.parametrize(
    ("archives", "names"),
    [
        ({"x.tar": ("d2/1.fits", "d10/1.fits", "d2/2.fits")}, ["d2 1.fits", "d2 2.fits", "d10 1.fits"]),
        ({"x.tar": ("n/d2/1.fits", "n/1.fits", "n/d2/c/1.fits")}, ["1.fits", "d2 1.fits", "d2 c 1.fits"]),
        (
            {"night2.tgz": ("1.fits", "2.fits"), "night1.tar.gz": ("2.fits",)},
            ["night1 2.fits", "night2 1.fits", "night2 2.fits"],
        ),
        ({"night2.tar": ("4.fits", "5.fits"), "night1.tar": ("6.fits",)}, ["4.fits", "5.fits", "6.fits"]),
    ],
    ids=["two folders", "folders in folders", "two archives", "two archives of other names"],
)
def test_the_same_names_in_several_folders_stay_in_order(made, archives, names):
    cube = iter(sun(sum(map(len, archives.values()))).astype(np.float32))
    images = {}

    def entry(archive: str, path: str) -> tuple[str, bytes]:
        images[archive, path] = next(cube)
        return path, fits_bytes(images[archive, path])

    sequence = made(*[tar(name, *[entry(name, path) for path in paths]) for name, paths in archives.items()])
    assert [frame.cards["SRCFILE"] for frame in sequence.patch.frames.order_by("t_rec_s")] == names
    by_hash = {hashlib.sha256(fits_bytes(image)).hexdigest(): image for image in images.values()}
    for found, frame in zip(maps_of(sequence), sequence.patch.frames.order_by("t_rec_s"), strict=True):
        np.testing.assert_array_equal(found, by_hash[frame.cards["SRCSHA"]])


def test_one_of_the_same_name_beside_an_archive(made):
    cube = sun(2)
    sequence = made(file("1.fits", cube[0]), tar("late.tar", ("1.fits", fits_bytes(cube[1]))))
    assert set(sequence.files.values_list("name", flat=True)) == {"1.fits", "late 1.fits"}


@pytest.mark.parametrize(
    ("name", "entries", "words"),
    [
        ("x.tar", [("a.fits", b"GIF89a" * 500)], "x.tar/a.fits is not FITS: it does not begin with SIMPLE."),
        ("x.tar", [("notes.txt", b"none")], "x.tar holds no FITS file."),
        ("x.tar", [], "x.tar is an empty archive."),
        ("x.tar", [("d/a.fits", fits_bytes(sun(1))[:9000])], "a.fits is damaged or cut short"),
        ("x.tar", [("inner.tar", b"x" * 600)], "inner.tar is an archive inside an archive, which is not opened."),
        ("x.tar", [("../a.fits", fits_bytes(sun(1)))], "../a.fits in x.tar has a name that points out of the archive."),
        ("x.tar", [("a.fits.bz2", b"BZh9")], "a.fits.bz2 is packed in a way not read here"),
        ("x.tar", [("a.fits", fits_bytes(sun(1)))] * 2, "a.fits is there more than once."),
        ("x.tar", [(f"{k}.fits", b"no") for k in range(9)], "4 more cannot be taken."),
        ("x.tgz", None, "x.tgz is no tar archive, whatever its name says."),
        ("x.zip", None, "x.zip is packed in a way not read here; give FITS files, a .tar or a .tar.gz."),
    ],
    ids=["gif", "text", "empty", "cut", "nested", "outside", "bzip2", "twice", "many", "no archive", "zip"],
)
def test_what_an_archive_must_not_hold_is_said(send, temporary, name, entries, words):
    sent = SimpleUploadedFile(name, b"PK\3\4") if entries is None else tar(name, *entries)
    assert words in errors_in(send(sent, file("z.fits", sun(1, seed=4))).text)["images"]
    assert not Sequence.objects.exists()
    assert not storage.exists("raw")
    assert list(temporary.iterdir()) == []


def test_what_is_wrong_elsewhere_leaves_nothing_behind(send, temporary):
    response = send(tar("x.tar", ("a.fits", fits_bytes(sun(2)))), cadence_s="")  # which is known once it is unpacked
    assert set(errors_in(response.text)) == {"cadence_s"}
    assert list(temporary.iterdir()) == []


def test_an_archive_that_unpacks_to_too_much(send, settings, temporary):
    empty = tar("x.tgz", *[(f"{k}.fits", fits_bytes(np.full((64, 64), k + 1.0))) for k in range(40)])
    settings.TEAM_QUOTA_MB = 1
    assert empty.size < 100_000
    assert "Team A may hold" in errors_in(send(empty).text)["images"]
    settings.TEAM_QUOTA_MB, settings.MAX_UPLOAD_BYTES = 0, 1_000_000
    empty.seek(0)
    assert "more than 977 KiB at once; the rest was not read" in errors_in(send(empty).text)["images"]
    assert list(temporary.iterdir()) == []


def test_a_full_disk_is_said(send, temporary, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    words = errors_in(send(tar("x.tar", ("a.fits", fits_bytes(sun(2))))).text)["images"]
    assert "There is no room to take the archive apart: No space left on device." in words
    assert list(temporary.iterdir()) == []


def test_later_images_in_an_archive(made, as_alice, queues, temporary):
    cube = sun(12)
    sequence = made(tar("1.tar", *[(f"frame{k}.fits", fits_bytes(cube[k])) for k in (8, 9)]))
    url = f"{sequence.get_absolute_url()}add/"
    early = tar("2.tar", ("frame7.fits", fits_bytes(cube[2])))
    assert "do not all come after" in errors_in(as_alice.post(url, {"images": [early]}).text)["images"]
    assert list(temporary.iterdir()) == []
    late = tar("2.tar", *[(f"frame{k}.fits", fits_bytes(cube[k])) for k in (10, 11)])
    assert as_alice.post(url, {"images": [late]}).status_code == 302
    queues.work()
    assert [frame.cards["SRCFILE"] for frame in sequence.patch.frames.order_by("t_rec_s")] == [
        f"frame{k}.fits" for k in (8, 9, 10, 11)
    ]


# -- Gzipped and compressed ------------------------------------------------------------------------


@pytest.mark.parametrize("in_archive", [False, True], ids=["by themselves", "in an archive"])
def test_gzipped_and_compressed_files(made, in_archive):
    cube = sun(3).astype(np.float32)
    given = {
        "f1.fits": fits_bytes(cube[0]), "f2.fts.gz": gzip.compress(fits_bytes(cube[1]), 1),
        "f3.fits.fz": fpacked(cube[2]),
    }  # fmt: skip
    files = [SimpleUploadedFile(name, raw) for name, raw in given.items()]
    sequence = made(*([tar("x.tar", *given.items())] if in_archive else files))
    for found, image in zip(maps_of(sequence), cube, strict=True):
        np.testing.assert_array_equal(found, image)
    for source in SourceFile.objects.all():
        assert storage.read_bytes(raw_key(source.sha256)) == given[source.name]  # as it was sent


def test_a_long_gzipped_cube_is_refused(send):
    raw = gzip.compress(fits_bytes(np.ones((51, 8, 8), np.uint8)), 1)
    words = errors_in(send(SimpleUploadedFile("cube.fits.gz", raw)).text)["images"]
    assert "cube.fits.gz has 51 frames; gunzip a cube of more than 50." in words
