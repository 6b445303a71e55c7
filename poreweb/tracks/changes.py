"""A run's rows brought to a lineage that has gone on: what is as it was keeps its row, and its key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from django.db.models import Model

from poreweb.tracks import rows
from poreweb.tracks.models import Alternative, Event, Feature, Link, Run, Track
from poreweb.tracks.rows import LINK_VALUES, AnyLink
from processing.certainty import Certainty
from processing.lineage import EventOf, Lineage, Node, TrackOf
from processing.track import Link as LinkOf
from processing.track import Linked

# Keys in one statement; SQLite takes 32766 at most.
CHUNK = 500

# What people have made of an event: while there is any of it, its row is not deleted.
WORK = ("history", "verdicts", "gold", "assignments", "comments")


def change_lineage(
    run: Run,
    linked: Linked,
    lineage: Lineage,
    certainties: Sequence[Certainty],
    frame_indices: Sequence[int],
    nodes: Sequence[Node],
    *,
    first_open: int,
) -> list[Event]:
    """
    Bring links, alternatives, tracks and events to what they are now. Call within a transaction.

    Parameters
    ----------
    run, linked, lineage, certainties, frame_indices, nodes
        As for `rows.save_lineage`; tracks are told apart by number, events by kind,
        parents and children.
    first_open : int
        Place of the first frame that was solved again. Events before it keep the
        certainty that they had.

    Returns
    -------
    list of `Event`
        Those that are not in the lineage any more but stay, for what people have made of them.
    """
    index_of = {node.id: frame_indices[node.frame] for node in nodes}
    _change_links(Link, run, linked.links)
    _change_links(Alternative, run, linked.rejected)
    _change_tracks(run, lineage.tracks, index_of)
    return _change_events(run, lineage.events, certainties, frame_indices, first_open)


def _change_links(model: type[AnyLink], run: Run, links: Iterable[LinkOf]) -> None:
    held = {(row.earlier_id, row.later_id): row for row in model._default_manager.filter(run=run)}
    added, changed = [], []
    for row in rows.link_rows(model, run, links):
        before = held.pop((row.earlier_id, row.later_id), None)
        if before is None:
            added.append(row)
        elif any(getattr(before, name) != getattr(row, name) for name in LINK_VALUES):
            row.pk = before.pk
            changed.append(row)
    _delete(model, [row.pk for row in held.values()])
    model._default_manager.bulk_update(changed, LINK_VALUES, batch_size=100)
    model._default_manager.bulk_create(added, batch_size=CHUNK)


def _change_tracks(run: Run, tracks: Sequence[TrackOf], index_of: Mapping[int, int]) -> None:
    held = {row.number: row for row in run.tracks.all()}
    kept = keep_lineages(tracks, {row.number: row.lineage for row in held.values()})
    track_of = dict(Feature.objects.filter(segmentation__run=run).values_list("pk", "track_id"))
    for track in kept:
        values = rows.track_values(track, index_of)
        row = held.pop(track.number, None)
        if row is None:
            row = Track.objects.create(run=run, number=track.number, **values)
        else:
            _set(row, values)
        rows.put_on_track(row, [pk for pk in track.ids if track_of[pk] != row.pk])
    _delete(Track, [row.pk for row in held.values()])  # no feature is on them any more


def keep_lineages(tracks: Sequence[TrackOf], before: Mapping[int, int]) -> list[TrackOf]:
    """
    The tracks with the lineage numbers that they had, ``before``: track number -> lineage.

    Of lineages that are joined the lowest number stays; where one has parted, the part
    with the lowest track keeps it. What is new counts on from the highest.
    """
    parts: dict[int, list[int]] = {}
    for number, part in sorted((track.number, track.lineage) for track in tracks):
        parts.setdefault(part, []).append(number)
    following = count(max(before.values(), default=0) + 1)
    taken: set[int] = set()
    lineage_of = {}
    for part, numbers in parts.items():  # by their lowest track
        had = {before[number] for number in numbers if number in before} - taken
        lineage_of[part] = min(had) if had else next(following)
        taken.add(lineage_of[part])
    return [replace(track, lineage=lineage_of[track.lineage]) for track in tracks]


def _change_events(
    run: Run,
    events: Sequence[EventOf],
    certainties: Sequence[Certainty],
    frame_indices: Sequence[int],
    first_open: int,
) -> list[Event]:
    held = {rows.event_key(event): pk for pk, event in rows.events_of(run).items()}
    row_of = {row.pk: row for row in run.events.all()}
    pores = rows.pores_of(event for event in events if event.frame >= first_open)
    added = []
    for event, certainty in zip(events, certainties, strict=True):
        pk = held.pop(rows.event_key(event), None)
        if pk is None:
            added.append((event, certainty))
        elif event.frame >= first_open:
            queued = rows.queue_values(event, certainty.probability, pores)
            _set(row_of[pk], {**rows.certainty_values(certainty), **queued})
    rows.save_events(run, [event for event, _ in added], [certainty for _, certainty in added], frame_indices)
    return _remove_unless_used(run, list(held.values()))


def _remove_unless_used(run: Run, keys: list[int]) -> list[Event]:
    """Delete these events but for those that people have made something of, which are returned."""
    stale: list[Event] = []
    for start in range(0, len(keys), CHUNK):
        part = sorted(keys)[start : start + CHUNK]
        # locked, so that nobody judges one between the question and its end; in the order in which acts lock them
        locked = list(run.events.select_for_update().filter(pk__in=part).order_by("pk"))
        here = run.events.filter(pk__in=part).order_by()
        used = {pk for name in WORK for pk in here.filter(**{f"{name}__isnull": False}).values_list("pk", flat=True)}
        _delete(Event, [event.pk for event in locked if event.pk not in used])
        stale += [event for event in locked if event.pk in used]
    return sorted(stale, key=lambda event: (event.index, event.pk))


def _set(row: Model, values: Mapping[str, Any]) -> None:
    """Save what differs, if anything does."""
    if changed := [name for name, value in values.items() if getattr(row, name) != value]:
        for name in changed:
            setattr(row, name, values[name])
        row.save(update_fields=changed)


def _delete(model: type[Model], keys: Sequence[int]) -> None:
    for start in range(0, len(keys), CHUNK):
        model._default_manager.filter(pk__in=keys[start : start + CHUNK]).delete()
