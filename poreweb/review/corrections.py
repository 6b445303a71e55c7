"""Whether a correction fits the run that it is about."""

from collections.abc import Mapping
from typing import Any

from poreweb.tracks import rows
from poreweb.tracks.models import Event, Feature
from processing.edits import Correction, join_problem
from processing.edits import correction_problem as impossible
from processing.errors import ParameterError
from processing.lineage import EventOf

MOST_JOINED = 20
NOTHING = "A correction changes something: add or cut a link, mark a pore as spurious, or join events."


def correction_problem(event: Event, correction: Any, joined: Any) -> str:
    """Why it cannot be, in one sentence; empty when it can."""
    try:
        read = Correction.from_dict(correction)
    except ParameterError as unread:
        return _sentence(str(unread))
    if not isinstance(joined, list) or not all(type(key) is int and 0 < key < 2**63 for key in joined):
        return "Joined events are given as a list of their numbers."
    if len(joined) > MOST_JOINED:
        return f"At most {MOST_JOINED} events can be joined with one, not {len(joined)}."
    if not (read.add or read.remove or read.spurious or joined):
        return NOTHING
    pores = {*(pk for pair in (*read.add, *read.remove) for pk in pair), *read.spurious}
    frames = Feature.objects.filter(pk__in=pores, segmentation__run=event.run_id)
    frame_of = dict(frames.values_list("pk", "segmentation__index"))
    problem = impossible(read, frame_of) or _too_long(event, read, frame_of)
    return _sentence(problem) or _join_problem(event, joined)


def _too_long(event: Event, read: Correction, frame_of: Mapping[int, int]) -> str:
    """A gap is bridged over no more frames than the run's tracking may: beyond that nothing is known of the pore."""
    most = event.run.chain_parameters.max_gap
    for earlier, later in read.add:
        if (missing := frame_of[later] - frame_of[earlier] - 1) > most:
            return f"a link may skip {most} frames in this run, and this one skips {missing}"
    return ""


def joined_events(event: Event, keys: list[int]) -> dict[int, EventOf]:
    """Events of the same run, as the science code takes them, by key; those that are not there are left out."""
    others = Event.objects.filter(pk__in=keys, run=event.run_id).prefetch_related("parents", "children")
    return {other.pk: rows.event_of(other) for other in others}


def _join_problem(event: Event, joined: list[int]) -> str:
    if not joined:
        return ""
    known = joined_events(event, [event.pk, *joined])
    if event.pk in joined or len(known) != len(set(joined)) + 1:
        return "Events can be joined with other events of the same run only."
    return _sentence(join_problem(list(known.values()), rows.links_of(event.run)))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:].rstrip('.')}." if words else ""
