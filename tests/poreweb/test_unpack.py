"""Files, folders and archives to FITS bytes; hostile ones to sentences."""

import gzip
import io
import os
import random
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poreweb.observations.unpack import Found, Refusal, UnpackLimits, unpack

KIB = 1024


def fits_bytes(seed: int, size: int = 6 * KIB) -> bytes:
    return b"SIMPLE  =                    T" + random.Random(seed).randbytes(size)


def entry(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def tar_bytes(*entries: tuple[tarfile.TarInfo, bytes], mode: str = "w", **options: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as tar:  # type: ignore[call-overload]
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


GOOD = {f"a{i}.fits": fits_bytes(i, 3 * KIB + 700 * i) for i in range(4)}
GOOD_ENTRIES = [entry(name, data) for name, data in GOOD.items()]


def sorted_out(items: Iterator[Found | Refusal]) -> tuple[dict[str, bytes], list[str], list[str]]:
    """Found files by base name, reasons of refusals, names ignored."""
    found, refused, ignored = {}, [], []
    for item in items:
        if isinstance(item, Found):
            found[item.name.rpartition("/")[2]] = item.read
        elif item.kind == "refused":
            refused.append(item.reason)
        else:
            ignored.append(item.name)
    return found, refused, ignored


def unpack_bytes(tmp_path: Path, data: bytes, name: str = "x.tar", limits: UnpackLimits | None = None):
    path = tmp_path / "upload"
    path.write_bytes(data)
    return sorted_out(unpack([(name, path)], limits=limits))


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.TGZ", "w:gz")])
def test_an_archive_yields_its_files(tmp_path, name, mode):
    assert unpack_bytes(tmp_path, tar_bytes(*GOOD_ENTRIES, mode=mode), name) == (GOOD, [], [])


def test_a_folder_is_walked_sorted_with_its_archives(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/b.fits").write_bytes(GOOD["a1.fits"])
    (tmp_path / "a.fits").write_bytes(GOOD["a0.fits"])
    (tmp_path / "z.tar").write_bytes(tar_bytes(GOOD_ENTRIES[2]))
    for name in ("truth.json", "README", ".hidden.fits", "._a.fits"):
        (tmp_path / name).write_text("x")
    items = list(unpack([tmp_path]))
    found = [item.name for item in items if isinstance(item, Found)]
    assert found == [f"{tmp_path.name}/{name}" for name in ("a.fits", "deep/er/b.fits", "z.tar/a2.fits")]
    assert {item.kind for item in items if isinstance(item, Refusal)} == {"ignored"}
    assert len(items) == 7


def test_a_single_file_and_one_that_is_not_fits(tmp_path):
    good, bad, missing = tmp_path / "a.fits", tmp_path / "b.fits", tmp_path / "c.fits"
    good.write_bytes(GOOD["a0.fits"])
    bad.write_text("hello")
    (tmp_path / "d.fits").touch()
    found, refused, _ = sorted_out(unpack([good, bad, missing, tmp_path / "d.fits"]))
    assert list(found) == ["a.fits"]
    assert refused == [
        "b.fits is not FITS: it does not begin with SIMPLE.",
        "c.fits cannot be read: no such file or directory.",
        "d.fits is an empty file.",
    ]


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.fits").write_bytes(GOOD["a0.fits"])
    (inside / "link.fits").symlink_to(outside / "secret.fits")
    (inside / "folder.fits").symlink_to(outside)
    os.mkfifo(inside / "pipe.fits")
    found, refused, _ = sorted_out(unpack([inside]))
    assert found == {}
    assert refused == [
        "inside/folder.fits is a link, which is not followed.",
        "inside/link.fits is a link, which is not followed.",
        "inside/pipe.fits is no regular file.",
    ]


def test_an_unreadable_file_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.fits").write_bytes(GOOD["a0.fits"])
    monkeypatch.setattr("poreweb.observations.unpack.os.open", refuse)
    assert sorted_out(unpack([tmp_path / "a.fits"]))[1] == ["a.fits cannot be read: permission denied."]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (entry("../up.fits", GOOD["a0.fits"]), "points out"),
        (entry("b/../../up.fits", GOOD["a0.fits"]), "points out"),
        (entry("/etc/abs.fits", GOOD["a0.fits"]), "points out"),
        (entry("C:\\abs.fits", GOOD["a0.fits"]), "points out"),
        (entry("s.fits", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
        (entry("h.fits", type=tarfile.LNKTYPE, linkname="a0.fits"), "a hard link"),
        (entry("d.fits", type=tarfile.CHRTYPE, devmajor=1), "a device"),
        (entry("p.fits", type=tarfile.FIFOTYPE), "a pipe"),
        (entry("u.fits", GOOD["a0.fits"], type=b"Z"), "a special entry"),
        (entry("n.tar.gz", tar_bytes(*GOOD_ENTRIES, mode="w:gz")), "archive inside an archive"),
        (entry("z.zip", b"PK"), "packed in a way"),
        (entry("c.fits.gz", gzip.compress(GOOD["a0.fits"])), "packed in a way"),
        (entry("t.fits", b"not fits"), "does not begin with SIMPLE"),
        (entry("big.fits", fits_bytes(9, 40 * KIB)), "more than the 32 KiB"),
    ],
    ids=lambda value: value[0].name if isinstance(value, tuple) else "",
)
def test_a_bad_member_is_refused_and_the_others_come(tmp_path, bad, words):
    limits = UnpackLimits(member_bytes=32 * KIB)
    found, refused, _ = unpack_bytes(tmp_path, tar_bytes(GOOD_ENTRIES[0], bad, GOOD_ENTRIES[1]), limits=limits)
    assert found == {name: GOOD[name] for name in ("a0.fits", "a1.fits")}
    (reason,) = refused
    assert words in reason
    assert bad[0].name.rpartition("/")[2] in reason
    assert reason.endswith(".")
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_companions_in_an_archive_are_ignored(tmp_path):
    names = ["truth.json", "README", "._a0.fits", "__MACOSX/a0.fits", ".git/a0.fits"]
    found, refused, ignored = unpack_bytes(tmp_path, tar_bytes(*[entry(name, b"x") for name in names], GOOD_ENTRIES[0]))
    assert (len(found), refused, len(ignored)) == (1, [], 5)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no tar archive"),
        (b"short text", "no tar archive"),
        (b"just a text file\n" * 100, "no tar archive"),
        (gzip.compress(b"just a text file\n" * 100), "no tar archive"),
        (gzip.compress(fits_bytes(1))[:10], "cut short"),
        (tar_bytes(), "empty archive"),
        (tar_bytes(entry("README", b"x")), "no FITS file"),
        (tar_bytes(entry("folder", type=tarfile.DIRTYPE)), "empty archive"),
    ],
    # given, since what gzip makes holds the time
    ids=["nothing", "short", "text", "text in gzip", "cut short", "empty tar", "no FITS", "a folder"],
)
def test_what_is_no_archive_or_holds_nothing(tmp_path, data, words):
    found, refused, _ = unpack_bytes(tmp_path, data)
    assert (found, len(refused)) == ({}, 1)
    assert words in refused[0]


def test_an_empty_folder_is_a_sentence(tmp_path):
    assert sorted_out(unpack([tmp_path]))[1] == [f"{tmp_path.name} is an empty folder."]


def test_other_archives_are_refused(tmp_path):
    for name in ("x.zip", "x.tar.bz2", "x.fits.gz"):
        _, refused, _ = unpack_bytes(tmp_path, b"", name)
        assert refused == [f"{name} is packed in a way not read here; give FITS files, a .tar or a .tar.gz."]


def test_a_bomb_is_stopped_early(tmp_path):
    bomb = tar_bytes(GOOD_ENTRIES[0], entry("zero.fits", b"SIMPLE  =" + bytes(8 << 20)), mode="w:gz")
    limits = UnpackLimits(ratio=50, ratio_after_bytes=KIB * KIB)
    tracemalloc.start()
    found, refused, _ = unpack_bytes(tmp_path, bomb, limits=limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(found) == ["a0.fits"]
    assert "unpacks to more than 50 times its size" in refused[-1]
    assert peak < 6 << 20


def test_an_overlong_name_is_stopped(tmp_path):
    data = tar_bytes(GOOD_ENTRIES[0], entry("x" * 2_000_000 + ".fits", b"x"), GOOD_ENTRIES[1])
    limits = UnpackLimits(header_bytes=100 * KIB)
    found, refused, _ = unpack_bytes(tmp_path, data, limits=limits)
    assert list(found) == ["a0.fits"]
    assert "overlong header" in refused[0]


def test_a_claimed_size_beyond_all_ends_at_once(tmp_path):
    info = tarfile.TarInfo("huge.fits")
    info.size = 1 << 60
    data = tar_bytes(GOOD_ENTRIES[0])[: 512 * 8] + info.tobuf(tarfile.GNU_FORMAT)
    found, refused, _ = unpack_bytes(tmp_path, data)
    assert list(found) == ["a0.fits"]
    assert "more than 20 GiB at once" in refused[0]


@pytest.mark.parametrize(
    "limits", [UnpackLimits(members=2), UnpackLimits(total_bytes=9 * KIB)], ids=["members", "bytes"]
)
def test_the_whole_call_is_bounded(tmp_path, limits):
    for name, data in GOOD.items():
        (tmp_path / name).write_bytes(data)
    items = list(unpack([tmp_path, tmp_path], limits=limits))
    assert [type(item) for item in items] == [Found, Found, Refusal]
    assert "the rest was not read" in items[-1].reason  # type: ignore[union-attr]


def test_joined_archives_and_a_wrong_checksum_are_told(tmp_path):
    one = tar_bytes(*GOOD_ENTRIES)
    found, refused, _ = unpack_bytes(tmp_path, one + one)
    assert (found, len(refused)) == (GOOD, 1)
    assert "goes on after its end mark" in refused[0]
    packed = bytearray(gzip.compress(one))
    packed[-8] ^= 1  # of the CRC
    assert "damaged" in unpack_bytes(tmp_path, bytes(packed))[1][-1]


def test_one_file_at_a_time_is_held(tmp_path):
    size = 4 << 20
    data = tar_bytes(*[entry(f"{i}.fits", b"SIMPLE  =" + bytes([i]) * size) for i in range(6)])
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    del data
    tracemalloc.start()
    n_found = 0
    for item in unpack([path]):
        n_found += isinstance(item, Found)
        del item
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_found == 6
    assert peak < 2.5 * size  # the pieces and the whole, of one


PLAIN = tar_bytes(*GOOD_ENTRIES)
PACKED = gzip.compress(PLAIN, mtime=0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packed=st.booleans(), share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_archive_yields_whole_files_and_a_sentence(tmp_path, packed, share):
    data = PACKED if packed else PLAIN
    # A plain tar ends in zero blocks, of which the first is the end mark.
    whole = len(data) if packed else 512 * (sum(-(-len(one) // 512) + 1 for one in GOOD.values()) + 1)
    cut = int(share * whole)
    found, refused, _ = unpack_bytes(tmp_path, data[:cut])
    assert refused
    assert all(GOOD[name] == read for name, read in found.items())
    if not packed:
        ends, at = [], 0
        for one in GOOD.values():
            at += 512 * (1 + -(-len(one) // 512))
            ends.append(at)
        assert len(found) >= sum(end <= cut for end in ends)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(PLAIN) - 1), value=st.integers(0, 255))
def test_a_changed_byte_never_raises(tmp_path, at, value):
    data = bytearray(PLAIN)
    data[at] = value
    unpack_bytes(tmp_path, bytes(data))
    unpack_bytes(tmp_path, gzip.compress(bytes(data), 1)[: at or None])
