"""Archives among the files of a form: taken apart on disk, each file in them as if it had been sent by itself."""

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from poreweb.acquire import space
from poreweb.observations.unpack import FITS_SUFFIXES, MIB, TAR_SUFFIXES, Refusal, UnpackLimits, unpack
from poreweb.people.models import Team
from poreweb.sequences.actions import MAX_FRAMES
from processing.sequence_files import natural_key

# Plain, gzipped, and as fpack has it
SUFFIXES = (*FITS_SUFFIXES, *(f"{suffix}{packed}" for suffix in FITS_SUFFIXES for packed in (".gz", ".fz")))
LOOK_EVERY_BYTES = 64 * MIB


class Member(UploadedFile):
    """A file that lay in an archive; open only while it is read, as there may be thousands."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(file=None, name=name, size=path.stat().st_size)
        self._path = path

    def temporary_file_path(self) -> str:
        """Where its bytes are."""
        return str(self._path)

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Its bytes in pieces."""
        with self._path.open("rb") as stream:
            while piece := stream.read(chunk_size or MIB):
                yield piece

    def close(self) -> None:
        """Delete it, and its folder after the last one."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()


class Folder:
    """A temporary folder; it goes with this object at the latest."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="poreweb-", dir=settings.FILE_UPLOAD_TEMP_DIR))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def remove(self) -> None:
        """Delete it now, with all that is in it."""
        self._remove()


def is_archive(file: UploadedFile) -> bool:
    """Whether its name is that of an archive."""
    return (file.name or "").lower().endswith(TAR_SUFFIXES)


def taken_apart(files: list[UploadedFile], folder: Path, *, team: Team | None) -> tuple[list[UploadedFile], list[str]]:
    """
    The files, with what is in the archives among them, and sentences on what cannot be taken.

    A file in an archive goes by its own name, without folders. Where two have the same,
    all go by their archive and folders too, so that one night stays before the next. Those
    out of archives come last, in the order of their names (frame2 before frame10).

    Raises
    ------
    NoRoomError
        If the team or the disk has no room for what is in them.
    """
    plain = [file for file in files if not is_archive(file)]
    places, refused = list[tuple[list[str], Path]](), list[str]()
    n_bytes = n_looked = 0
    with ExitStack() as stack:
        packed = [(file.name or "", stack.enter_context(_on_disk(file))) for file in files if is_archive(file)]
        limits = UnpackLimits(total_bytes=settings.MAX_UPLOAD_BYTES, members=2 * MAX_FRAMES)
        for item in unpack(packed, limits=limits, suffixes=SUFFIXES):
            if isinstance(item, Refusal):
                refused += [item.reason] if item.kind == "refused" else []
                continue
            n_bytes += len(item.read)
            if team is not None and n_bytes - n_looked > LOOK_EVERY_BYTES:
                space.must_have_room(team, n_bytes)
                n_looked = n_bytes
            path = folder / uuid4().hex
            _write(path, item.read)
            places.append((item.name.split("/"), path))
            del item  # its bytes may be many
    if team is not None:
        space.must_have_room(team, n_bytes)
    names = _names([[file.name or ""] for file in plain], [parts for parts, _ in places])
    refused += [f"{name} is there more than once." for name, n in Counter(names).items() if n > 1]
    members = [Member(path, name) for name, (_, path) in zip(names, places, strict=True)]
    return [*plain, *sorted(members, key=lambda member: natural_key(member.name or ""))], refused


def _names(plain: list[list[str]], packed: list[list[str]]) -> list[str]:
    """What those in archives are called: by their file's name alone where that is enough."""
    bases = [parts[-1] for parts in (*plain, *packed)]
    if len(set(bases)) == len(bases):
        return bases[len(plain) :]
    folders = [[_without_suffix(parts[0]), *parts[1:-1]] if len(parts) > 1 else [] for parts in (*plain, *packed)]
    n_common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
    # a blank comes before all that folders are called, so that files stay in the order of their folders
    of_packed = zip(folders[len(plain) :], packed, strict=True)
    return [" ".join([*above[n_common:], parts[-1]]) for above, parts in of_packed]


def _without_suffix(name: str) -> str:
    suffix = max((suffix for suffix in TAR_SUFFIXES if name.lower().endswith(suffix)), key=len, default="")
    return name[: len(name) - len(suffix)]


@contextmanager
def _on_disk(file: UploadedFile) -> Iterator[Path]:
    """Where an archive is, also one that is held in memory."""
    if isinstance(file, TemporaryUploadedFile):
        yield Path(file.temporary_file_path())
        return
    with tempfile.NamedTemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as problem:
        if not space.is_no_room(problem):
            raise
        words = f"there is no room to take the archive apart: {problem.strerror}"
        raise space.NoRoomError(words) from problem
