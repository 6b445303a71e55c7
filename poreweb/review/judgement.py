"""A judgement as it is given, kept and compared; no database here."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from poreweb.review.models import Choice, Judged


@dataclass(frozen=True)
class Judgement:
    """
    What somebody says of an event.

    ``correction`` as `processing.edits.Correction.as_dict`, ``joined`` the keys of other
    events that are one with this one; both count for a correction alone.
    """

    choice: str
    reason: str = ""
    note: str = ""
    correction: Mapping[str, Any] = field(default_factory=dict)
    joined: tuple[int, ...] = ()

    @classmethod
    def of(cls, row: Judged) -> "Judgement":
        """What a verdict, a settlement or a gold event says."""
        return cls(row.choice, getattr(row, "reason", ""), getattr(row, "note", ""), row.correction, tuple(row.joined))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Judgement":
        """From what the history keeps."""
        return cls(told["choice"], told["reason"], told["note"], told["correction"], tuple(told["joined"]))

    def as_dict(self) -> dict[str, Any]:
        """As the history keeps it."""
        return {**asdict(self), "correction": dict(self.correction), "joined": list(self.joined)}

    @property
    def answer(self) -> str:
        """Equal for judgements that say the same of the lineage, whatever their reason and note."""
        if self.choice != Choice.CORRECT:
            return self.choice
        sets = {name: sorted(values) for name, values in self.correction.items() if values}
        return json.dumps([self.choice, sets, sorted(self.joined)], sort_keys=True)
