"""Files that steps name and write; nothing here needs to know what is in them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from processing.errors import ParameterError

# A SHARP is at most about 2,000 x 1,100 pixels; far beyond that is no patch but an attack.
MAX_PIXELS = 64_000_000
# Endings of the images that can be written; see `processing.images`.
IMAGE_SUFFIXES = (".fits", ".fits.gz", ".npz", ".npy")
_MEMBER = re.compile(r"(?P<file>.*\.npz)\[(?P<member>[^\[\]]+)\]")


def split_member(path: str | Path) -> tuple[Path, str | None]:
    """The file, and the array that ``file.npz[name]`` names in it."""
    match = _MEMBER.fullmatch(str(path))
    if match and not Path(path).exists():
        return Path(match["file"]), match["member"]
    return Path(path), None


def check_output(path: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> None:
    """Raise ParameterError when nothing can be written there, before much work is done for it."""
    suffixes = tuple(suffixes)
    if not path.name.endswith(suffixes):
        raise ParameterError(f"the name of {path.name} must end in {', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise ParameterError(f"there is no folder {path.parent} to write {path.name} to")
    if path.is_dir():
        raise ParameterError(f"{path} is a folder, not a file to write")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside it; the file is renamed when the block ends well, or removed."""
    beside = path.with_name(f"{path.name}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
