"""
Files, folders and tar archives that someone gives us, to the FITS files in them.

One file's bytes are in memory at a time and nothing is written to disk. A name inside
an archive is only ever shown, never used as a path. Whatever cannot be taken is a
`Refusal` with its sentence, and the files beside it still come.
"""

import gzip
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal, cast

FITS_SUFFIXES = (".fits", ".fit", ".fts")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
OTHER_ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".z", ".tbz", ".tbz2", ".txz", ".tzst")
FITS_BEGINS = b"SIMPLE  ="
GZIP_BEGINS = b"\x1f\x8b"
BLOCK = 512  # of a tar file: POSIX.1-2017, pax, "ustar interchange format"
CHUNK = 64 * 1024
MIB = 1024 * 1024


@dataclass(frozen=True)
class UnpackLimits:
    """
    What one call may cost, in bytes after decompression.

    The defaults hold 1,200 frames of five segments of 3 MB. ``ratio`` is bytes out over
    compressed bytes read, looked at once ``ratio_after_bytes`` came out, since a single
    empty bitmap may well shrink a thousandfold. ``header_bytes`` bounds what lies between
    two members of a tar file.
    """

    member_bytes: int = 512 * MIB
    total_bytes: int = 20 * 1024 * MIB
    members: int = 50_000
    ratio: float = 200
    ratio_after_bytes: int = 16 * MIB
    header_bytes: int = MIB


@dataclass(frozen=True)
class Found:
    """A whole file that begins as FITS does; ``name`` is for showing, ``read`` its bytes."""

    name: str
    read: bytes


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken and why; ``ignored`` are those nobody would expect to be taken."""

    name: str
    reason: str
    kind: Literal["refused", "ignored"] = "refused"


class _StopError(Exception):
    """A file that cannot be read, or not any further; the text goes on after its name."""


class _FullError(Exception):
    """Nothing more is read in this call; the text is a whole sentence."""


@dataclass
class _Tally:
    """What the call has cost so far."""

    limits: UnpackLimits
    suffixes: tuple[str, ...] = FITS_SUFFIXES
    n_members: int = 0
    n_bytes: int = 0

    def add_member(self) -> None:
        self.n_members += 1
        if self.n_members > self.limits.members:
            raise _FullError(f"more than {self.limits.members:,} files at once; the rest was not read")

    def add_bytes(self, n_bytes: int) -> None:
        self.n_bytes += n_bytes
        if self.n_bytes > self.limits.total_bytes:
            raise _FullError(f"more than {_size(self.limits.total_bytes)} at once; the rest was not read")


def unpack(
    paths: Iterable[Path | tuple[str, Path]],
    *,
    limits: UnpackLimits | None = None,
    suffixes: tuple[str, ...] = FITS_SUFFIXES,
) -> Iterator[Found | Refusal]:
    """
    Yield every FITS file in what is given, and a refusal for everything else.

    Parameters
    ----------
    paths : iterable of `~pathlib.Path` or (str, `~pathlib.Path`)
        Files, folders (all levels, sorted by name, links not followed) and .tar,
        .tar.gz or .tgz files. The str is the name to show for an uploaded file, which
        also decides what it is.
    limits : `UnpackLimits`, optional
        What the call may cost at most. Once the number of files or the total size is
        exceeded it ends with a refusal.
    suffixes : tuple of str, optional
        How the names of FITS files end. Those that end in .gz may be gzipped, and are
        then given as they are.

    Yields
    ------
    `Found` or `Refusal`
        In the order read. Never raises for what is in the files.
    """
    tally = _Tally(limits or UnpackLimits(), suffixes)
    for given in paths:
        shown, path = given if isinstance(given, tuple) else (given.name or str(given), given)
        name = _printable(shown)
        try:
            yield from _given(name, path, tally)
        except _FullError as full:
            yield Refusal(name, f"{name} was not read to its end: {full}.")
            return


def _given(name: str, path: Path, tally: _Tally) -> Iterator[Found | Refusal]:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as problem:
        yield _unreadable(name, problem)
        return
    if is_folder:
        yield from _or_a_word(_folder(name, path, tally), name, "folder")
    else:
        tally.add_member()
        yield from _file(name, path, tally, follow=True)


def _or_a_word(items: Iterable[Found | Refusal], name: str, what: str) -> Iterator[Found | Refusal]:
    """The items, and a refusal of the whole where they would leave a user without a word."""
    empty, silent = True, True
    for item in items:
        empty = False
        silent = silent and isinstance(item, Refusal) and item.kind == "ignored"
        yield item
        del item  # its bytes may be many
    if empty:
        yield Refusal(name, f"{name} is an empty {what}.")
    elif silent:
        yield Refusal(name, f"{name} holds no FITS file.")


def _folder(name: str, path: Path, tally: _Tally) -> Iterator[Found | Refusal]:
    """All levels, depth first, with its own stack since a folder may be deep."""
    stack = [(name, path, True)]
    while stack:
        shown, here, is_folder = stack.pop()
        if here.name and here != path and _hidden([here.name]):
            yield Refusal(shown, f"{shown} is hidden.", "ignored")
        elif not is_folder:
            tally.add_member()
            yield from _file(shown, here, tally, follow=False)
        else:
            try:
                with os.scandir(here) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
                for entry in inside:
                    below = f"{shown}/{_printable(entry.name)}"
                    stack.append((below, Path(entry.path), entry.is_dir(follow_symlinks=False)))
            except OSError as problem:
                yield _unreadable(shown, problem)


def _file(name: str, path: Path, tally: _Tally, *, follow: bool) -> Iterator[Found | Refusal]:
    """A plain file or an archive."""
    if refusal := refusal_by_name(name, name.rpartition("/")[2], tally.suffixes):
        yield refusal
        return
    try:
        with _open_regular(path, follow=follow) as handle:
            if _ends(name, TAR_SUFFIXES):
                yield from _or_a_word(_archive(name, handle, tally), name, "archive")
                return
            size = os.fstat(handle.fileno()).st_size
            tally.add_bytes(min(size, tally.limits.member_bytes))
            yield _whole(name, handle, size, tally.limits)
    except _StopError as stop:
        yield Refusal(name, f"{name} {stop}.")
    except OSError as problem:
        yield _unreadable(name, problem)


def refusal_by_name(shown: str, base: str, suffixes: tuple[str, ...] = FITS_SUFFIXES) -> Refusal | None:
    """A refusal where the last part of the name alone decides; none of archives."""
    if _hidden([base]):
        return Refusal(shown, f"{shown} is hidden.", "ignored")
    if _ends(base, suffixes + TAR_SUFFIXES):
        return None
    if _ends(base, OTHER_ARCHIVES):
        return Refusal(shown, f"{shown} is packed in a way not read here; give FITS files, a .tar or a .tar.gz.")
    return Refusal(shown, f"{shown} is no FITS file by its name.", "ignored")


def _hidden(parts: Iterable[str]) -> bool:
    """Hidden, or one of the companions that macOS packs along."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _open_regular(path: Path, *, follow: bool) -> BufferedReader:
    """Open for reading, but no link (unless told) and nothing that would block, such as a pipe."""
    if not follow and path.is_symlink():
        raise _StopError("is a link, which is not followed")
    if not stat.S_ISREG(path.stat().st_mode):
        raise _StopError("is no regular file")
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    return open(os.open(path, flags), "rb")


def _whole(name: str, handle: IO[bytes], size: int, limits: UnpackLimits) -> Found | Refusal:
    """The file or member of that size, read in pieces so that a false size costs nothing."""
    if size > limits.member_bytes:
        return Refusal(name, f"{name} has {_size(size)}, more than the {_size(limits.member_bytes)} a file may have.")
    pieces: list[bytes] = []
    missing = size
    while missing and (piece := handle.read(min(missing, MIB))):
        pieces.append(piece)
        missing -= len(piece)
        if not pieces[0].startswith((FITS_BEGINS, GZIP_BEGINS) if _ends(name, (".gz",)) else FITS_BEGINS):
            return Refusal(name, f"{name} is not FITS: it does not begin with SIMPLE.")
    if missing:
        return Refusal(name, f"{name} is cut short: {_size(missing)} of {_size(size)} are missing.")
    if not pieces:
        return Refusal(name, f"{name} is an empty file.")
    return Found(name, b"".join(pieces))


class _Unpacked:
    """The bytes of a tar file, gunzipped where needed, as tarfile reads them: forward only."""

    def __init__(self, handle: BufferedReader, tally: _Tally) -> None:
        self._handle, self._tally = handle, tally
        self._packed = handle.peek(2)[:2] == GZIP_BEGINS
        self._source = gzip.GzipFile(fileobj=handle) if self._packed else handle
        self._before, self._last = b"", b""
        self.position = 0
        self.fence: float = tally.limits.header_bytes  # reading beyond is refused

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only before the end or before the place of the damage."""
        if self.position > self.fence:
            raise _StopError("has an entry with an overlong header, and was read only up to there")
        pieces: list[bytes] = []
        while size:
            try:
                piece = self._source.read1(size)
            except (EOFError, OSError, zlib.error):
                if pieces:
                    break  # it comes again at the next call
                raise
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        chunk = b"".join(pieces)
        self._before, self._last = self._last, chunk
        self.position += len(chunk)
        self._tally.add_bytes(len(chunk))
        limits = self._tally.limits
        if self._packed and self.position > max(limits.ratio_after_bytes, limits.ratio * self._handle.tell()):
            raise _StopError(f"unpacks to more than {limits.ratio:g} times its size, and was read only up to there")
        return chunk

    def finish(self, offset: int) -> None:
        """Read on to the end, where gzip's checksum is; the end mark must be at ``offset``."""
        recent = self._before + self._last
        start = self.position - len(recent)
        rest = recent[max(offset - start, 0) :]
        if offset < start or len(rest) < BLOCK or any(rest[:BLOCK]):
            raise _StopError("is cut short or damaged, and was read only up to there")
        self.fence = float("inf")
        joined = any(rest)
        while chunk := self.read(CHUNK):
            joined = joined or any(chunk)
        if joined:
            raise _StopError("goes on after its end mark, as joined archives do, and was read only up to there")


def _archive(name: str, handle: BufferedReader, tally: _Tally) -> Iterator[Found | Refusal]:
    """The members of a tar file one after another, up to its end or to what is wrong with it."""
    source = _Unpacked(handle, tally)
    begun = False
    try:
        with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|", bufsize=CHUNK) as tar:
            begun = True
            while member := _next_member(tar, source, tally.limits):
                tally.add_member()
                yield from _member(name, tar, member, tally)
            source.finish(tar.offset)
    except _FullError:
        raise
    except _StopError as stop:
        yield Refusal(name, f"{name} {stop}.")
    except Exception as problem:  # tarfile raises many kinds on hostile bytes
        if begun or isinstance(problem, EOFError):
            yield Refusal(name, f"{name} is cut short or damaged, and was read only up to there.")
        else:
            yield Refusal(name, f"{name} is no tar archive, whatever its name says.")


def _next_member(tar: tarfile.TarFile, source: _Unpacked, limits: UnpackLimits) -> tarfile.TarInfo | None:
    source.fence = max(tar.offset, source.position) + limits.header_bytes
    member = tar.next()
    source.fence = float("inf")
    tar.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
    tar.pax_headers = {}
    return member


def _member(archive: str, tar: tarfile.TarFile, member: tarfile.TarInfo, tally: _Tally) -> Iterator[Found | Refusal]:
    parts = [part for part in re.split(r"[/\\]", member.name) if part not in ("", ".")]
    shown = f"{archive}/{_printable('/'.join(parts))}"
    if member.size < 0:
        raise _StopError("has an entry of negative size, and was read only up to there")
    if member.size > tally.limits.total_bytes - tally.n_bytes:
        tally.add_bytes(member.size)  # too much, known before reading it
    if ".." in parts or re.match(r"[/\\]|[A-Za-z]:[/\\]", member.name):
        yield Refusal(shown, f"{_printable(member.name)} in {archive} has a name that points out of the archive.")
    elif member.isdir():
        return
    elif not member.isreg() or member.issparse():
        yield Refusal(shown, f"{shown} is {_kind_of(member)}, not a plain file.")
    elif _hidden(parts):
        yield Refusal(shown, f"{shown} is hidden.", "ignored")
    elif _ends(shown, TAR_SUFFIXES):
        yield Refusal(shown, f"{shown} is an archive inside an archive, which is not opened.")
    elif refusal := refusal_by_name(shown, parts[-1] if parts else "", tally.suffixes):
        yield refusal
    else:
        try:
            yield _whole(shown, cast(IO[bytes], tar.extractfile(member)), member.size, tally.limits)
        except (EOFError, OSError, zlib.error, tarfile.TarError):
            yield Refusal(shown, f"{shown} is cut short or damaged.")
            raise


def _kind_of(member: tarfile.TarInfo) -> str:
    kinds = {tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a pipe"}
    kinds |= {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device"}
    return "a sparse file" if member.issparse() else kinds.get(member.type, "a special entry")


def _ends(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes)


def _printable(name: str) -> str:
    """The name as one short line that any page, file or database takes."""
    line = "".join(letter if letter.isprintable() else "?" for letter in name)
    return line if len(line) <= 200 else "..." + line[-197:]


def _size(n_bytes: int) -> str:
    for unit, size in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", 1024)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} bytes"


def _unreadable(name: str, problem: Exception) -> Refusal:
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "its name is not usable"
    return Refusal(name, f"{name} cannot be read: {reason.lower()}.")
