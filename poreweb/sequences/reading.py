"""The files of a sequence as `processing.sequence_files` reads them, wherever they lie."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from poreweb import storage
from poreweb.observations.archive import raw_key
from poreweb.sequences.archives import Member
from poreweb.sequences.models import Sequence, SourceFile
from processing.errors import FitsError
from processing.sequence_files import SequenceFile, open_sequence_file

BySourceRole = Mapping[str, list[SequenceFile]]


def open_upload(file: UploadedFile) -> SequenceFile:
    """Look at a file that has just been sent; raises FitsError when it cannot be used."""
    name = (file.name or "unnamed").replace("\\", "/").rpartition("/")[2]
    if isinstance(file, TemporaryUploadedFile | Member):
        return open_sequence_file(file.temporary_file_path(), name)
    file.seek(0)
    return open_sequence_file(file.read(), name)


@contextmanager
def opened(sequence: Sequence) -> Iterator[BySourceRole]:
    """
    A sequence's files by their role, each as sent.

    Raises
    ------
    FitsError
        If one cannot be used, or is not what it was when it was sent.
    """
    with ExitStack() as stack:
        found: dict[str, list[SequenceFile]] = {role: [] for role in SourceFile.Role.values}
        for file in sequence.files.all():
            path = stack.enter_context(storage.local_copy(raw_key(file.sha256)))
            try:
                source = open_sequence_file(path, file.name)
            except OSError as problem:
                raise FitsError(f"{file.name} is not in the store any more; send it again") from problem
            if source.sha256 != file.sha256:
                raise FitsError(f"{file.name} has changed on disk since it was received")
            found[file.role].append(source)
        yield found


def n_frames(sources: Iterable[SequenceFile]) -> int:
    """How many images they hold."""
    return sum(source.n_frames for source in sources)
