"""Bytes in a folder, and in anything else that fsspec knows."""

from typing import Any

import numpy as np
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem

from poreweb import storage
from poreweb.observations.thumbnails import thumbnail_png


@pytest.fixture(params=["file", "memory"])
def everywhere(request: Any, settings: Any, tmp_path: Any) -> Any:
    if request.param == "memory":
        settings.STORAGE_URL = f"memory://{tmp_path.name}"
    yield request.param
    MemoryFileSystem.store.clear()


def test_bytes_come_back(everywhere):
    storage.write_bytes("a/b/c.bin", b"first")
    storage.write_bytes("a/b/c.bin", b"second")
    assert storage.read_bytes("a/b/c.bin") == b"second"
    assert storage.open_file("a/b/c.bin").read() == b"second"
    with storage.local_copy("a/b/c.bin") as path:
        assert path.read_bytes() == b"second"
    assert storage.exists("a/b/c.bin")
    assert not storage.exists("a/b/d.bin")
    storage.remove("a")
    storage.remove("a")
    assert not storage.exists("a/b/c.bin")
    with pytest.raises(FileNotFoundError):
        storage.read_bytes("a/b/c.bin")


def test_no_reader_sees_half_a_file(everywhere):
    storage.write_bytes("a/x.bin", b"old")
    with storage.writing("a/x.bin") as path, storage.writing("a/new.bin") as new:
        path.write_bytes(b"ne")
        new.write_bytes(b"ne")
        assert storage.read_bytes("a/x.bin") == b"old"
        assert not storage.exists("a/new.bin")
        path.write_bytes(b"new")
    assert storage.read_bytes("a/x.bin") == b"new"


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt])
def test_trouble_leaves_what_was(everywhere, problem, storage_folder):
    storage.write_bytes("a/x.bin", b"old")

    def write() -> None:
        for key in ("a/x.bin", "a/y.bin"):
            with storage.writing(key) as path:
                path.write_bytes(b"half")
                raise problem

    with pytest.raises(problem):
        write()
    assert storage.read_bytes("a/x.bin") == b"old"
    assert storage.filesystem().find("") == ["a/x.bin"]


def test_a_file_s_suffix_is_known_while_it_is_written(everywhere):
    with storage.writing("a/movie.mp4") as path:  # writers go by it
        assert path.suffix == ".mp4"
        path.write_bytes(b"")


def test_only_a_folder_has_a_local_path(everywhere, storage_folder):
    assert storage.local_path("a/b") == (storage_folder / "a/b" if everywhere == "file" else None)


def test_arrays_come_back(everywhere):
    array = zarr.create_array(storage.array_store("runs/1/x.zarr"), shape=(2, 3), chunks=(1, 3), dtype="uint16")
    array[1] = np.array([1, 2, 3], np.uint16)
    again = zarr.open_array(storage.array_store("runs/1/x.zarr"), mode="r")
    np.testing.assert_array_equal(again[:], [[0, 0, 0], [1, 2, 3]])


def test_a_whole_run_away_from_the_disk(settings, deliver, fits_files):
    settings.STORAGE_URL = "memory://elsewhere"
    try:
        ingest = deliver(*fits_files[:15], run_after=True)
        (run,) = ingest.patches.get().runs.all()
        assert (run.state, run.error) == ("done", "")
        assert set(run.exports.values_list("state", "error")) == {("done", "")}
        assert thumbnail_png(run.patch.frames.first()).startswith(b"\x89PNG")
    finally:
        MemoryFileSystem.store.clear()
