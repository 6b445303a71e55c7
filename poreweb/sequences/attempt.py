"""One attempt at a sequence: what its frames are made with, and what is stored while it is still the task's."""

import time
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from poreweb.sequences.developing import Develop
from poreweb.sequences.models import Sequence
from poreweb.sequences.placing import Places
from poreweb.work.tasks import must_hold
from processing.errors import FitsError, FrameError, ParameterError
from processing.sequence_files import TimedFrame

SAY_EVERY_S = 0.7
# What is wrong with one image, which is left out
OF_IMAGES = (FitsError, FrameError, ParameterError)


@dataclass
class Work:
    """What a sequence's frames are made with, and until when."""

    sequence: Sequence
    timed: list[TimedFrame]
    develop: Develop
    places: Places
    until: float
    said_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether others should have their turn."""
        return time.monotonic() > self.until

    def say(self, text: str, **values: Any) -> None:
        """Show what is done now, not more often than it is looked at; stops an attempt that is not the task's."""
        now = time.monotonic()
        if now - self.said_at >= SAY_EVERY_S:
            self.said_at = now
            save(self.sequence, doing=text, **values)


def save(sequence: Sequence, **values: Any) -> None:
    """Store what is known now, if the sequence is still this attempt's."""
    for name, value in values.items():
        setattr(sequence, name, value)
    with transaction.atomic():
        must_hold(sequence)
        sequence.save(update_fields=list(values))
