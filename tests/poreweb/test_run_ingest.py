"""Reading a delivery: what is good is kept, what is not becomes one sentence."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from poreweb import storage
from poreweb.observations import actions, jobs
from poreweb.observations.archive import raw_key, read_frame
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from processing.errors import FrameError
from processing.fits import SEGMENTS


def tar_of(files: list[Path], *members: tarfile.TarInfo, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        for file in files:
            tar.add(file, file.name)
    return out.getvalue()


def member(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def bare(path: Path, name: str = "", *, shape: tuple[int, int] | None = None) -> tuple[str, bytes]:
    """The image of a file under nothing but structural cards, as JSOC's as-is export gives it."""
    data = fits.getdata(path)
    counts = np.rint(data[: shape[0], : shape[1]] if shape else data).astype(">i4")
    cards = {"SIMPLE": "T", "BITPIX": 32, "NAXIS": 2, "NAXIS1": counts.shape[1], "NAXIS2": counts.shape[0],
             "BSCALE": "1.0", "BZERO": "0.0"}  # fmt: skip
    header = "".join(f"{f'{key:8}= {value:>20}':80}" for key, value in cards.items()) + f"{'END':80}"
    size = -(-len(header) // 2880) * 2880
    raw = counts.tobytes()
    return name or path.name, header.ljust(size).encode() + raw.ljust(-(-len(raw) // 2880) * 2880, b"\0")


def counts(ingest: Ingest) -> dict[str, int]:
    return {name: getattr(ingest, f"n_{name}") for name in ("read", "new", "duplicate", "conflict", "refused")}


def test_several_files_make_frames(deliver, fits_files, team, storage_folder):
    ingest = deliver(*fits_files)
    assert (ingest.state, ingest.error, ingest.report) == ("done", "", [])
    assert counts(ingest) == {"read": 55, "new": 55, "duplicate": 0, "conflict": 0, "refused": 0}
    patch = Patch.objects.get()
    assert (patch.team, patch.harpnum, patch.frames.count(), patch.gaps()) == (team, 99001, 11, [])
    assert list(ingest.patches.all()) == [patch]
    frame = patch.frames.first()
    assert frame.t_rec == "2013.06.19_00:00:00_TAI"
    assert frame.utc.isoformat() == "2013-06-18T23:59:25"
    assert (frame.ny, frame.nx) == (64, 64)
    assert 0 < frame.mu_min < frame.mu_max < 1
    assert set(frame.raw_files.values_list("segment", flat=True)) == set(SEGMENTS)
    for path, row in zip(fits_files, RawFile.objects.order_by("name"), strict=True):
        assert storage.read_bytes(raw_key(row.sha256)) == path.read_bytes()
        assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not list(storage_folder.glob("incoming/*"))


@pytest.mark.parametrize(("name", "mode"), [("all.tar", "w"), ("all.tar.gz", "w:gz")])
def test_an_archive_is_as_good(deliver, fits_files, name, mode):
    ingest = deliver((name, tar_of(fits_files[:10], mode=mode)))
    assert (counts(ingest)["new"], ingest.report) == (10, [])
    assert Frame.objects.count() == 2


def test_each_bad_file_gets_one_sentence(deliver, fits_files):
    good, whole = fits_files[:5], fits_files[9].read_bytes()
    archive = tar_of(
        good[2:], member("../up.fits", size=9), member("/etc/root.fits", size=9),
        member("link.fits", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    )  # fmt: skip
    ingest = deliver(
        good[0], ("text.fits", b"hello"), (fits_files[9].name, whole[: len(whole) // 2]), ("mix.tar", archive),
        ("noname.Br.fits", bare(good[1])[1]), (good[0].name.replace("Bp", "Dopplergram"), whole), good[1],
    )  # fmt: skip
    assert (ingest.state, counts(ingest)["new"], counts(ingest)["refused"]) == ("done", 5, 7)
    words = {
        "text.fits": "does not begin with SIMPLE",
        fits_files[9].name: "cut short",
        "up.fits": "points out",
        "root.fits": "points out",
        "link.fits": "a link",
        "noname.Br.fits": "neither HARPNUM and T_REC cards nor a JSOC file name",
        "Dopplergram": "names no segment",
    }
    assert len(ingest.report) == len(words)
    for name, reason in words.items():
        (line,) = [line for line in ingest.report if name in line["text"]]
        assert line["kind"] == "refused"
        assert reason in line["text"]
    assert all(line["text"].endswith(".") for line in ingest.report), "some have no full stop"


def test_nothing_good_at_all_is_told_and_starts_nothing(deliver, queues, as_alice):
    ingest = deliver(("text.fits", b"hello"), run_after=True)
    assert (ingest.state, counts(ingest)["refused"], queues.jobs) == ("done", 1, [])
    assert not Patch.objects.exists()
    assert "text.fits" in as_alice.get(ingest.get_absolute_url()).text


def test_a_second_time_all_are_held_already(deliver, fits_files):
    deliver(*fits_files[:5])
    rows = list(RawFile.objects.values())
    again = deliver(*fits_files[:5])
    assert counts(again) == {"read": 5, "new": 0, "duplicate": 5, "conflict": 0, "refused": 0}
    assert [line["kind"] for line in again.report] == ["duplicate"] * 5
    assert f"{fits_files[0].name} is already held with the same bytes" in again.report[0]["text"]
    assert list(RawFile.objects.values()) == rows


def test_other_bytes_for_a_record_are_kept_beside_the_first(deliver, fits_files, as_alice):
    (br,) = [path for path in fits_files[:5] if ".Br." in path.name]
    deliver(*fits_files[:5])
    first = read_frame(Frame.objects.get()).maps["Br"]
    ingest = deliver(bare(br, shape=None))
    assert counts(ingest)["conflict"] == 1
    assert re.search(r"differs from the Br already held.*both are kept", ingest.report[0]["text"])
    held = RawFile.objects.filter(segment="Br")
    assert list(held.values_list("conflict", flat=True)) == [False, True]
    assert all(storage.exists(raw_key(row.sha256)) for row in held)
    np.testing.assert_array_equal(read_frame(Frame.objects.get()).maps["Br"], first)
    assert "1 frame with files that differ" in as_alice.get(Patch.objects.get().get_absolute_url()).text
    assert counts(deliver(bare(br)))["duplicate"] == 1


@pytest.mark.parametrize("bare_first", [True, False], ids=["bare first", "bare last"])
def test_a_bare_header_takes_its_sibling_s_cards(deliver, fits_files, bare_first, as_alice):
    continuum, br = fits_files[4], fits_files[1]
    files = [bare(continuum), br]
    for file in files if bare_first else files[::-1]:
        assert counts(deliver(file))["new"] == 1
    frame = Frame.objects.get()
    assert RawFile.objects.get(segment="continuum").bare
    joined = read_frame(frame, ("continuum",))
    assert joined.cards["CTYPE1"] == "CRLN-CEA"
    assert joined.geometry == frame.geometry
    np.testing.assert_allclose(joined.need("continuum"), fits.getdata(continuum), atol=0.5)
    assert frame.mu_min is not None
    url = f"/patches/{frame.patch_id}/frames/{frame.pk}/thumbnail.png"
    assert as_alice.get(url).status_code == 200


def test_a_bare_header_alone_has_no_place_on_the_sun(deliver, fits_files, as_alice):
    deliver(bare(fits_files[4]))
    frame = Frame.objects.get()
    assert (frame.mu_min, frame.cards) == (None, {})
    with pytest.raises(FrameError):
        _ = frame.geometry
    assert "not known: no full header" in as_alice.get(frame.patch.get_absolute_url()).text
    assert as_alice.get(f"{frame.patch.get_absolute_url()}viewer/").status_code == 200


def test_a_missing_segment_is_shown(deliver, fits_files, as_alice):
    deliver(*[path for path in fits_files[:10] if path != fits_files[2]])
    assert "Bt in 1 frame" in as_alice.get(Patch.objects.get().get_absolute_url()).text


def test_another_shape_is_refused(deliver, fits_files):
    ingest = deliver(fits_files[4], bare(fits_files[1], shape=(32, 40)))
    assert counts(ingest) == {"read": 2, "new": 1, "duplicate": 0, "conflict": 0, "refused": 1}
    assert re.search(
        r"Br.fits is 40 by 32 pixels, but HARP 99001 at \S+ is held with 64 by 64", ingest.report[0]["text"]
    )
    assert Frame.objects.get().raw_files.count() == 1


def test_one_delivery_may_hold_several_patches(deliver, fits_files):
    other = bare(fits_files[1], fits_files[1].name.replace("99001", "99002"))
    assert deliver(fits_files[0], other).patches.count() == 2


def test_run_twice_it_leaves_the_same(deliver, fits_files, everything):
    ingest = deliver(*fits_files[:5], ("text.fits", b"hello"))
    before = everything()
    jobs.run_ingest(ingest.pk)
    assert everything() == before


@pytest.mark.parametrize("n_taken", [0, 3])
def test_killed_in_the_middle_it_completes(deliver, fits_files, killed_in, n_taken):
    files = [*fits_files[:5], fits_files[0], ("text.fits", b"hello")]
    killed_in("poreweb.observations.actions.take_file", lambda: deliver(*files), calls=n_taken)
    ingest = Ingest.objects.get()
    assert (ingest.state, RawFile.objects.count()) == ("running", n_taken)
    jobs.run_ingest(ingest.pk)
    ingest.refresh_from_db()
    assert ingest.state == "done"
    assert counts(ingest) == {"read": 6, "new": 5, "duplicate": 1, "conflict": 0, "refused": 1}
    assert [line["kind"] for line in ingest.report] == ["duplicate", "refused"]


def test_killed_just_before_its_end_it_completes(deliver, fits_files, killed_in):
    killed_in("poreweb.work.tasks.finish", lambda: deliver(*fits_files[:5]))
    ingest = Ingest.objects.get()
    jobs.run_ingest(ingest.pk)
    ingest.refresh_from_db()
    assert (ingest.state, ingest.report) == ("done", [])
    assert counts(ingest)["new"] == 5


def test_a_bug_is_kept_and_raised(deliver, fits_files, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(actions, "take_file", broken)
    with pytest.raises(ZeroDivisionError):
        deliver(fits_files[0])
    ingest = Ingest.objects.get()
    assert (ingest.state, ingest.error) == ("failed", "ZeroDivisionError: oops")


def test_a_raw_file_that_changed_on_disk_is_not_used(frame):
    br = frame.raw_files.get(segment="Br")
    other = frame.raw_files.get(segment="Bt")
    storage.write_bytes(raw_key(br.sha256), storage.read_bytes(raw_key(other.sha256)))
    with pytest.raises(FrameError, match="has changed on disk"):
        read_frame(frame, ("Br",))
