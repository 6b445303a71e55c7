"""
From the files of a sequence to the frames of a patch, one image in memory at a time.

Times, calibration images and shifts are stored before the first frame is, shifts in pieces as
they are measured; what is stored is not measured again. So an attempt that died anywhere is
gone on with, and writes the same bytes.
"""

import math
import time
from itertools import pairwise
from statistics import median

import numpy as np
from django.db import transaction

from poreweb.acquire import space
from poreweb.observations.actions import MAX_REPORT_LINES, IngestReport, keep_segment
from poreweb.observations.models import Patch, RawFile
from poreweb.sequences import reading
from poreweb.sequences.actions import MAX_FRAMES, ingest_for
from poreweb.sequences.attempt import OF_IMAGES, Work, save
from poreweb.sequences.developing import Develop, development_of, missing_in
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.sequences.placing import Cards, Shift, places_of
from poreweb.sequences.shifting import measure_shifts
from poreweb.words import counted
from poreweb.work.tasks import PutOffError, must_hold
from processing.errors import FrameError, ParameterError
from processing.fits import SEQUENCE, read_sequence_frame, sequence_file_name, write_sequence_frame
from processing.sequence_files import SequenceFile, TimedFrame, in_name_order, times_of
from processing.timekeys import CADENCE_S, format_t_rec, tai_of

TURN_S = 600  # then others have their turn
MOST_LETTERS = 68  # of a card's text (FITS standard 4.0, 4.2.1)


def make(sequence: Sequence) -> None:
    """
    Do all that is to be done for a sequence.

    Raises
    ------
    PorewebError
        If nothing can be made of it.
    PutOffError
        When it has had its turn.
    """
    until = time.monotonic() + TURN_S
    save(sequence, doing="Reading the headers.")
    with reading.opened(sequence) as sources:
        timed = _timed(sequence, sources[SourceFile.Role.IMAGE])
        if sources[SourceFile.Role.DARK] or sources[SourceFile.Role.FLAT]:
            save(sequence, doing="Combining darks and flats.")
        develop, facts, described = development_of(sequence, sources)
        first, image = _first_good(timed, develop)
        work = Work(sequence, timed, develop, places_of(sequence, timed, first, image), until)
        facts += [*missing_in(image, first), *work.places.facts()]
        try:
            if sequence.coalign:
                measure_shifts(work)
            save(sequence, pictures=described, facts=[*facts, *_about_shifts(sequence)])
            space.must_have_room(sequence.team, image.nbytes * (len(timed) - sequence.n_done))
            _write_frames(work)
        except OSError as problem:
            if not space.is_no_room(problem):
                raise
            raise space.NoRoomError(f"writing failed: {problem.strerror}; make room and try again") from problem


def _timed(sequence: Sequence, images: list[SequenceFile]) -> list[TimedFrame]:
    """All frames in order of time, and what is known of them stored."""
    first = None if sequence.first_s is None else tai_of(sequence.first_s)
    timed = times_of(in_name_order(images), first=first, cadence_s=sequence.cadence_s, scale="tai")
    if len(timed) > MAX_FRAMES:
        raise ParameterError(f"these are {len(timed):,} frames; a sequence may have {MAX_FRAMES:,}")
    times = [frame.t_s for frame in timed]
    n_known = len(sequence.shifts)
    is_begun = n_known <= len(times) and times[:n_known] == sequence.times[:n_known]  # later ones may have come
    save(
        sequence, n_frames=len(timed), times=times, shifts=sequence.shifts if is_begun else [],
        times_from_headers=all(source.time_s is not None for source in images),
    )  # fmt: skip
    return timed


def _first_good(timed: list[TimedFrame], develop: Develop) -> tuple[TimedFrame, np.ndarray]:
    """The first frame that can be used, and its image; FrameError with what is wrong with the first if none can."""
    wrong: Exception | None = None
    for frame in timed:
        try:
            return frame, develop(frame)
        except OF_IMAGES as problem:
            wrong = wrong or problem
    if len(timed) == 1:
        raise FrameError(f"its only frame cannot be used: {wrong}")
    raise FrameError(f"none of the {len(timed)} frames can be used; the first one: {wrong}")


def _about_shifts(sequence: Sequence) -> list[str]:
    known = [shift for shift in sequence.shifts if shift]
    if not known:
        return []
    largest = max(math.hypot(rows, columns) for rows, columns, *_ in known)
    lost = sum(not trusted for *_, trusted in known)
    said = f"Frames were moved onto the first by up to {largest:.2f} pixels (sunkit-image, template matching)."
    return [said + (f" {lost} matched nothing before them and were moved as the one before." if lost else "")]


def _write_frames(work: Work) -> None:
    """Make and keep the frames that are not kept yet."""
    sequence, timed = work.sequence, work.timed
    patch = _patch_of(sequence)
    held = set(RawFile.objects.filter(frame__patch=patch).values_list("frame__t_rec_s", flat=True))
    counts, left_out = IngestReport(), list[dict[str, str]]()
    for index, frame in enumerate(timed):
        if frame.t_s in held:
            continue
        n_done = len(held) + len(left_out)
        work.say(f"Making frame {index + 1} of {len(timed)}.", n_done=n_done, report=left_out)
        try:
            _write_frame(work, patch, index, counts)
        except OF_IMAGES as problem:
            which = f"Frame {index + 1} ({format_t_rec(frame.t_s)})"
            left_out.append({"kind": "left out", "text": f"{which} was left out: {str(problem).rstrip('.')}."})
            continue
        held.add(frame.t_s)
        if work.is_over and len(held) + len(left_out) < len(timed):
            raise PutOffError(0)  # after a frame that was kept, so that each turn brings it on
    if not held:
        raise FrameError(f"no frame could be made. {left_out[0]['text'].rstrip('.')}")
    said = f"{counted(len(held), 'frame')} {'is' if len(held) == 1 else 'are'} in"
    said += f", {len(left_out)} left out." if left_out else "."
    save(sequence, n_done=len(timed), report=left_out[:MAX_REPORT_LINES], doing=said)


def _patch_of(sequence: Sequence) -> Patch:
    """The patch that its frames are of, and the delivery as which they come; made when they are not there yet."""
    with transaction.atomic():
        must_hold(sequence)
        if sequence.patch is None:
            if Patch.objects.filter(team=sequence.team, harpnum=None, name=sequence.name).exists():
                raise ParameterError(f"{sequence.team} has a patch called {sequence.name}; choose another name")
            sequence.patch = Patch.objects.create(
                team=sequence.team, series="", harpnum=None, name=sequence.name, cadence_s=_cadence_s(sequence)
            )
            sequence.save(update_fields=["patch"])
        ingest_for(sequence)
    return sequence.patch


def _cadence_s(sequence: Sequence) -> int:
    """As given, or the usual step."""
    if sequence.cadence_s:
        return max(1, round(sequence.cadence_s))
    steps = [after - before for before, after in pairwise(sequence.times)]
    return max(1, round(median(steps))) if steps else CADENCE_S


def _write_frame(work: Work, patch: Patch, index: int, counts: IngestReport) -> None:
    """Make one frame's file and keep it as a delivery's files are kept."""
    sequence, frame = work.sequence, work.timed[index]
    image = work.develop(frame)  # first, as it tells what is wrong with a frame
    shift = _shift_of(sequence, index)
    data, cards = work.places.place(image, frame, shift)
    raw = write_sequence_frame(
        data, t_rec_s=frame.t_s, cards={**cards, **provenance(sequence, frame, shift, patch.cadence_s)}
    )
    name = sequence_file_name(patch.file_stem, frame.t_s)
    with transaction.atomic():
        must_hold(sequence)
        assert sequence.ingest is not None
        keep_segment(read_sequence_frame(raw, name), raw, name, patch=patch, ingest=sequence.ingest, report=counts)


def _shift_of(sequence: Sequence, index: int) -> Shift | None:
    if not sequence.coalign:
        return None
    shift = sequence.shifts[index]
    if shift is None:
        raise FrameError("its shift could not be measured")
    return shift[0], shift[1]


def provenance(sequence: Sequence, frame: TimedFrame, shift: Shift | None, cadence_s: int) -> Cards:
    """What a frame's own header says of where it comes from, in short cards."""
    source = frame.source
    told = "header" if sequence.times_from_headers else f"form, {sequence.get_time_scale_display()}"
    cards: Cards = {
        SEQUENCE: sequence.name,
        "SRCFILE": source.name[-MOST_LETTERS:],
        "SRCSHA": source.sha256,
        "SRCFRAME": frame.index + 1,
        "TIMEFROM": told,
        "CADENCE": float(cadence_s),
    }
    if sequence.instrument:
        cards["INSTRUME"] = sequence.instrument
    if source.exposure_s is not None:
        cards["EXPTIME"] = source.exposure_s
    if sequence.pixel_scale is not None:
        cards |= {"PIXSCALE": sequence.pixel_scale, "PIXUNIT": sequence.scale_unit}
        cards["PLACES"] = "scale alone, from 1 au" if sequence.tx_arcsec is None else "pointing given"
    for name, number in zip(("SHIFTROW", "SHIFTCOL"), shift or (), strict=False):
        cards[name] = number
    for card, role in (("NDARKS", SourceFile.Role.DARK), ("NFLATS", SourceFile.Role.FLAT)):
        if n := sum(file.n_frames for file in sequence.files.all() if file.role == role):
            cards[card] = n
    return cards
