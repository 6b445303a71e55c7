"""
The shifts by which a sequence's frames are coaligned, measured frame by frame and stored in pieces.

Beside each piece lies what the next frame is compared with, so that an attempt that died is
gone on with from there, and finds the very shifts that it would have found.
"""

import io
import json
import math
import time
from typing import Any

import numpy as np

from poreweb import storage
from poreweb.sequences.actions import pictures_folder
from poreweb.sequences.attempt import OF_IMAGES, Work, save
from poreweb.sequences.models import Sequence
from poreweb.work.tasks import PutOffError
from processing.coalign import Coaligner, FrameShift

STORE_EVERY_S = 10.0  # as much is measured again at most
DIGITS = 4  # of a pixel; what is measured is good to 0.01

# Of one frame: rows, columns, correlation (or None) and whether it is believed; None for a frame without a map
Row = list[Any] | None


def measure_shifts(work: Work) -> None:
    """
    Measure the shift of each frame that has none yet.

    Raises
    ------
    FrameError
        If the frames cannot be coaligned.
    PutOffError
        When it has had its turn; what was measured is stored.
    """
    sequence, n_frames = work.sequence, len(work.timed)
    if len(sequence.shifts) == n_frames:
        return
    rows, coaligner = _gone_on_with(sequence)
    stored_at = time.monotonic()
    for index in range(len(rows), n_frames):
        work.say(f"Measuring the shift of frame {index + 1} of {n_frames}.")
        rows.append(_measured(work, index, coaligner))
        is_last, now = index + 1 == n_frames, time.monotonic()
        if is_last or work.is_over or now - stored_at >= STORE_EVERY_S:
            store_shifts(sequence, rows, coaligner)
            stored_at = now
        if work.is_over and not is_last:
            raise PutOffError(0)


def _measured(work: Work, index: int, coaligner: Coaligner) -> Row:
    frame = work.timed[index]
    try:
        image = work.places.to_compare(work.develop(frame), frame)
    except OF_IMAGES:
        return None  # it is left out, with its reason, when the frames are made
    return _row(coaligner.add(image))


def _row(found: FrameShift) -> Row:
    rows, columns = (round(number, DIGITS) + 0.0 for number in found.shift.tolist())  # no -0, which JSON may lose
    known = None if math.isnan(found.correlation) else round(found.correlation, DIGITS)
    return [rows, columns, known, bool(found.trusted)]


def store_shifts(sequence: Sequence, rows: list[Row], coaligner: Coaligner) -> None:
    """
    Store what is measured; first on the row, which only the task's own attempt may write.

    Killed between the two, the state beside it is that of fewer frames, which is as good.
    """
    save(sequence, shifts=list(rows))
    whole = io.BytesIO()
    np.savez(whole, allow_pickle=False, rows=json.dumps(rows), **coaligner.state)
    storage.write_bytes(_key(sequence), whole.getvalue())


def _gone_on_with(sequence: Sequence) -> tuple[list[Row], Coaligner]:
    """The shifts from which can be gone on, and how; none where the state is not there or not that of these shifts."""
    try:
        whole = storage.read_bytes(_key(sequence))
    except FileNotFoundError:
        return [], Coaligner()
    with np.load(io.BytesIO(whole)) as state:
        rows = json.loads(str(state["rows"]))
        if rows != sequence.shifts[: len(rows)]:  # of what was said before it was corrected
            return [], Coaligner()
        return rows, Coaligner(state=state)


def _key(sequence: Sequence) -> str:
    return f"{pictures_folder(sequence.pk)}/coalignment.npz"
