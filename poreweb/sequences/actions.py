"""Every change to sequences, but for what their job measures, which is in `making`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from poreweb import storage
from poreweb.observations import archive
from poreweb.observations.actions import close_delivery
from poreweb.observations.models import Ingest
from poreweb.people.models import Team
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.tracks.actions import start_run
from poreweb.tracks.incoming import process_new_frames
from poreweb.work.models import Task
from poreweb.work.tasks import dispatch
from processing.enhance import HMI_PIXEL_MM
from processing.errors import ParameterError
from processing.parameters import ChainParameters
from processing.sequence_files import SequenceFile

# Per sequence; each frame takes a second or so
MAX_FRAMES = 5000
# Of HMI's pixel, as `processing.enhance.deblur` has it
PIXEL_TOLERANCE = 0.15
LEAST_PIXELS = 4  # fewer have no shape
# (role, what was sent, what is in it)
Sent = Iterable[tuple[str, UploadedFile, SequenceFile]]


def receive(files: Sent, *, team: Team, user: User, said: Mapping[str, Any]) -> Sequence:
    """
    Keep what was sent, by its role, and queue its reading.

    Raises
    ------
    ParameterError
        If the team has a sequence of that name.
    """
    kept = _keep_files(files)  # before the transaction: gigabytes within it would keep every other writer waiting
    try:
        with transaction.atomic():
            sequence = Sequence.objects.create(team=team, user=user, doing="Waiting for its turn.", **said)
            _add_files(sequence, kept)
            dispatch(sequence)
    except IntegrityError as problem:
        raise ParameterError(f"{team} has a sequence of that name; choose another name") from problem
    return sequence


def correct(sequence: Sequence, files: Sent, *, user: User, said: Mapping[str, Any]) -> Sequence:
    """
    Make a sequence's frames anew from the files that are here, and more, as is now said of it.

    Raises
    ------
    ParameterError
        If it is at work, something was made of its frames, or another one has that name.
    """
    kept = _keep_files(files)
    try:
        with transaction.atomic():
            sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence.pk)
            if not sequence.can_change:
                raise ParameterError(f"{sequence} cannot be corrected any more; add it anew under another name")
            _forget_frames(sequence)
            for name, value in said.items():
                setattr(sequence, name, value)
            sequence.user = user
            _add_files(sequence, kept)
            _go_on(sequence)
    except IntegrityError as problem:
        raise ParameterError(f"{sequence.team} has a sequence of that name; choose another name") from problem
    return sequence


def add(sequence: Sequence, files: Sent, *, user: User) -> Sequence:
    """
    Make frames of later images too; those that are there stay as they are, and its run goes on.

    Raises
    ------
    ParameterError
        If it is at work.
    """
    kept = _keep_files(files)
    with transaction.atomic():
        sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence.pk)
        if sequence.is_open:
            raise ParameterError(f"{sequence} is at work; add more when it is done")
        _add_files(sequence, kept)
        sequence.user, sequence.ingest = user, None  # shifts go on: a frame is coaligned with those before it
        _go_on(sequence)
    return sequence


def _keep_files(files: Sent) -> list[SourceFile]:
    """Store the bytes under their SHA-256; rows for them, not saved."""
    kept = []
    for role, file, source in files:
        key = archive.raw_key(source.sha256)
        if not storage.exists(key):
            with storage.writing(key) as path, path.open("wb") as out:
                for chunk in file.chunks():
                    out.write(chunk)
        file.close()  # a temporary one is deleted, so that not all are on the disk twice
        kept.append(
            SourceFile(
                role=role, name=source.name[:255], size=file.size or 0, sha256=source.sha256, n_frames=source.n_frames,
                exposure_s=source.exposure_s,
            )
        )  # fmt: skip
    return kept


def _add_files(sequence: Sequence, kept: list[SourceFile]) -> None:
    """Save the rows; the same bytes in the same role are one file."""
    held = set(sequence.files.values_list("role", "sha256"))
    numbers = {role: sequence.files.filter(role=role).count() for role in SourceFile.Role.values}
    for file in kept:
        if (file.role, file.sha256) not in held:
            held.add((file.role, file.sha256))
            file.sequence, file.number = sequence, numbers[file.role]
            numbers[file.role] += 1
            file.save()


def _forget_frames(sequence: Sequence) -> None:
    """Take back the frames of an attempt that nothing was made of; what was sent stays."""
    patch, ingest = sequence.patch, sequence.ingest
    sequence.patch = sequence.ingest = None
    sequence.n_frames = sequence.n_done = 0
    sequence.times, sequence.shifts, sequence.pictures, sequence.facts, sequence.report = [], [], [], [], []
    sequence.save()
    storage.remove(pictures_folder(sequence.pk))
    if patch is not None:
        patch.ingests.all().delete()
        patch.delete()
    if ingest is not None:
        ingest.delete()


def pictures_folder(sequence_id: int) -> str:
    """Key of the folder of a sequence’s calibration images, and of what its coalignment goes on from."""
    return f"sequences/{sequence_id}"


def _go_on(sequence: Sequence) -> None:
    sequence.state, sequence.error, sequence.finished_at = Task.State.WAITING, "", None
    sequence.not_before, sequence.forgiven, sequence.doing = None, sequence.attempts, "Waiting for its turn."
    sequence.save()
    dispatch(sequence)


@transaction.atomic
def retry(sequence: Sequence) -> bool:
    """Go on with what failed or was stopped; frames that are stored are kept. False if there is nothing to do."""
    sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence.pk)
    if sequence.state not in (Task.State.FAILED, Task.State.CANCELLED):
        return False
    _go_on(sequence)
    return True


@transaction.atomic
def cancel(sequence: Sequence) -> bool:
    """Stop it; frames that are stored are kept. False if it had ended."""
    sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence.pk)
    if not sequence.is_open:
        return False
    sequence.state, sequence.finished_at = Task.State.CANCELLED, timezone.now()
    sequence.not_before, sequence.doing = None, ""
    sequence.save(update_fields=["state", "finished_at", "not_before", "doing"])
    return True


def ingest_for(sequence: Sequence) -> Ingest:
    """The delivery as which its frames come in; it is closed with the sequence."""
    if sequence.ingest is None:
        sequence.ingest = Ingest.objects.create(
            team=sequence.team, user=sequence.user, names=[file.name for file in sequence.files.all()],
            run_after=False,  # `close` starts the run, with parameters that fit the pixel
            state=Ingest.State.CANCELLED, error="Its frames are still being made.",
        )  # fmt: skip
        sequence.save(update_fields=["ingest"])
    return sequence.ingest


def close(sequence: Sequence) -> None:
    """Close the delivery of a sequence that is whole, and process it when that was asked for. In its transaction."""
    ingest, patch = sequence.ingest, sequence.patch
    if ingest is None or patch is None:
        return
    ingest.report = sequence.report
    close_delivery(ingest, patch=patch)
    if not sequence.run_after:
        return
    if patch.runs.exists():
        process_new_frames(patch, user=sequence.user)
    else:
        frame = patch.frames.first()
        assert frame is not None
        start_run(patch, parameters_for(frame.geometry.pixel_side_mm), user=sequence.user)


def parameters_for(side_mm: float) -> ChainParameters:
    """
    The default parameters, with those that are for HMI's pixel changed to fit another one.

    HMI's blur is removed from HMI's pixels only (`processing.enhance.deblur`): a coarser image has its sampling
    doubled, a finer one is taken as it is. The smallest area stays what it is in Mm2, by as many pixels.
    """
    default = ChainParameters()
    if abs(side_mm / HMI_PIXEL_MM - 1) <= PIXEL_TOLERANCE:
        return default
    enhance = "cubic-spline" if side_mm > HMI_PIXEL_MM else "none"
    factor = replace(default, enhance=enhance).factor
    smallest_mm2 = default.min_pixels * (HMI_PIXEL_MM / default.factor) ** 2
    min_pixels = round(smallest_mm2 / (side_mm / factor) ** 2)
    return replace(default, enhance=enhance, min_pixels=min(max(min_pixels, LEAST_PIXELS), 100_000))
