"""Where bytes live: one root, addressed through fsspec, so that a folder and an object store look the same."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from fsspec.core import url_to_fs
from fsspec.implementations.dirfs import DirFileSystem
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore


@cache
def _root(url: str) -> tuple[DirFileSystem, str | None]:
    """The file system under that address, and the folder it is when it is local."""
    base, path = url_to_fs(url)
    local = path if "file" in (base.protocol if isinstance(base.protocol, tuple) else (base.protocol,)) else None
    return DirFileSystem(path, base), local


def filesystem() -> DirFileSystem:
    """The file system whose root is STORAGE_URL."""
    return _root(settings.STORAGE_URL)[0]


@contextmanager
def writing(key: str) -> Iterator[Path]:
    """
    Give a local path to write to; its file appears under ``key`` when the block ends well.

    Whatever happens, no reader ever sees half a file.
    """
    fs, local = _root(settings.STORAGE_URL)
    fs.makedirs(str(Path(key).parent), exist_ok=True)
    if local is not None:
        target = Path(local) / key
        part = target.with_name(f".{uuid.uuid4().hex}.part{target.suffix}")
        try:
            yield part
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    else:
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / Path(key).name
            yield part
            fs.put_file(str(part), key)


@contextmanager
def local_copy(key: str) -> Iterator[Path]:
    """Give a local path to read the file from."""
    fs, local = _root(settings.STORAGE_URL)
    if local is not None:
        yield Path(local) / key
    else:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / Path(key).name
            fs.get_file(key, str(copy))
            yield copy


def write_bytes(key: str, data: bytes) -> None:
    """Store bytes under a key."""
    with writing(key) as path:
        path.write_bytes(data)


def read_bytes(key: str) -> bytes:
    """The bytes under a key; FileNotFoundError when there are none."""
    data: bytes = filesystem().cat_file(key)
    return data


def open_file(key: str) -> BinaryIO:
    """The file under a key, open for reading."""
    file: BinaryIO = filesystem().open(key, "rb")
    return file


def exists(key: str) -> bool:
    """Whether there is a file under that key."""
    return bool(filesystem().exists(key))


def remove(key: str) -> None:
    """Delete the file or folder under a key, if it is there."""
    if filesystem().exists(key):
        filesystem().rm(key, recursive=True)


def local_path(key: str) -> Path | None:
    """Where the key lies on this machine's disk, or None when the storage is elsewhere."""
    local = _root(settings.STORAGE_URL)[1]
    return None if local is None else Path(local) / key


def array_store(key: str) -> Store:
    """A zarr store under a key."""
    folder = local_path(key)
    if folder is not None:
        return LocalStore(folder)
    return FsspecStore.from_url(f"{settings.STORAGE_URL.rstrip('/')}/{key}")
