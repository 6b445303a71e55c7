"""Background steps. Each takes a primary key and may safely run twice."""

from poreweb.sequences.making import make
from poreweb.sequences.models import Sequence
from poreweb.work.tasks import perform


def run_sequence(sequence_id: int, attempt: int | None = None) -> None:
    """Make the frames of a sequence from its files, those that are not made yet."""
    perform(Sequence, sequence_id, make, attempt)
