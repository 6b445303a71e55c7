"""What a thread is about: the patch, or as much more as somebody pointed at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from poreweb.discussion.marks import clean_mark, mark_words
from poreweb.discussion.models import Comment
from poreweb.discussion.problems import TalkError
from poreweb.http import whole_number
from poreweb.observations.models import Frame, Patch
from poreweb.tracks.models import Event, Feature, Run


@dataclass(frozen=True)
class About:
    """The columns of a thread's first comment that say what it is about; none of them: the patch as a whole."""

    run: Run | None = None
    frame: Frame | None = None
    event: Event | None = None
    track_number: int | None = None
    earlier: Feature | None = None
    later: Feature | None = None
    mark: Any = None

    @classmethod
    def read(cls, patch: Patch, data: Mapping[str, str]) -> "About":
        """
        From the fields of a form or an address: run, frame, event, track (with run), link (two keys), mark (JSON).

        Raises
        ------
        Http404
            If one of them is nothing of this patch, as if it did not exist.
        TalkError
            If the mark is none.
        """
        features = Feature.objects.select_related("segmentation__run", "segmentation__frame", "track")
        ends = [
            get_object_or_404(features, pk=pk, segmentation__run__patch=patch) for pk in _keys(data, "link", number=2)
        ]
        run = _row(Run.objects.filter(patch=patch), data, "run")
        track_number = next(iter(_keys(data, "track")), None)
        if track_number is not None and (run is None or not run.tracks.filter(number=track_number).exists()):
            raise Http404("there is no such track in this run")
        return cls(
            run=run,
            frame=_row(Frame.objects.filter(patch=patch), data, "frame"),
            event=_row(Event.objects.filter(run__patch=patch).select_related("run"), data, "event"),
            track_number=track_number,
            earlier=ends[0] if ends else None,
            later=ends[1] if ends else None,
            mark=_json(data.get("mark", "")),
        )

    def complete(self, patch: Patch) -> "About":
        """
        The same with its mark made clean, and with the run and the frame that follow from the rest.

        Raises
        ------
        TalkError
            If something in it is of another patch, or does not go together.
        """
        run = self.run
        if run is None and self.event:
            run = self.event.run
        elif run is None and self.later:
            run = self.later.segmentation.run
        about = replace(self, run=run, mark=None if self.mark is None else clean_mark(self.mark))
        about._must_fit(patch)
        return replace(about, frame=self.frame or about._first_frame())

    def _must_fit(self, patch: Patch) -> None:
        if (self.earlier is None) != (self.later is None):
            raise TalkError("A link has two ends.")
        if self.earlier and self.later and self.earlier.segmentation.index >= self.later.segmentation.index:
            raise TalkError("A link goes from a pore to one in a later frame.")
        runs = [self.event and self.event.run, *(end and end.segmentation.run for end in (self.earlier, self.later))]
        if any(run is not None and run != self.run for run in runs):
            raise TalkError("A comment is about one run, not about several.")
        if any(of is not None and of.patch_id != patch.pk for of in (self.run, self.frame)):
            raise TalkError(f"A comment on {patch} is about something of {patch}.")
        if self.track_number is not None:
            if self.run is None:
                raise TalkError("A track is that of a run; say which.")
            if not self.run.tracks.filter(number=self.track_number).exists():
                raise TalkError(f"There is no track {self.track_number} in {self.run}.")

    def _first_frame(self) -> Frame | None:
        """Where to look: the frame of the event, of the link's later end, or of the track's beginning."""
        if self.later is not None:
            return self.later.segmentation.frame
        index = self.event.index if self.event else None
        if self.track_number is not None and self.run is not None:
            index = self.run.tracks.get(number=self.track_number).first_index
        if index is None or self.run is None:
            return None
        return Frame.objects.filter(segmentations__run=self.run, segmentations__index=index).first()

    def as_columns(self) -> dict[str, Any]:
        """Its values by name of the column."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def as_fields(self) -> dict[str, str]:
        """As `read` takes it: what a form sends back."""
        told = {
            "run": self.run and self.run.pk,
            "frame": self.frame and self.frame.pk,
            "event": self.event and self.event.pk,
            "track": self.track_number,
            "link": f"{self.earlier.pk},{self.later.pk}" if self.earlier and self.later else None,
            "mark": json.dumps(self.mark) if self.mark is not None else None,
        }
        return {name: str(value) for name, value in told.items() if value is not None}

    @property
    def words(self) -> str:
        """Such as "merge in frame 5, run 2"; "" for the patch as a whole."""
        return _words(self)


def words_about(thread: Comment) -> str:
    """What a thread is about, in words; the patch's name when it is the patch as a whole."""
    return _words(thread) or str(thread.patch)


def _words(told: "About | Comment") -> str:
    run = f", run {told.run.number}" if told.run else ""
    at = f" in {told.frame.t_rec}" if told.frame else ""
    if told.mark:
        return f"{mark_words(told.mark)}{at}"
    if told.event:
        return f"{told.event.get_kind_display()} in frame {told.event.index + 1}{run}"
    if told.earlier and told.later:
        return f"link from {_end(told.earlier)} to {_end(told.later)}{run}"
    if told.track_number is not None:
        return f"track {told.track_number}{run}"
    return f"frame {told.frame.t_rec}" if told.frame else run.removeprefix(", ")


def _end(feature: Feature) -> str:
    name = f"track {feature.track.number}" if feature.track else f"pore {feature.label}"
    return f"{name} in frame {feature.segmentation.index + 1}"


def url_about(thread: Comment) -> str:
    """Where a thread's subject is to be seen: the desk for an event, else the viewer with the thread's mark."""
    if thread.event:
        return thread.event.get_absolute_url()
    if not (thread.frame or thread.mark or thread.track_number is not None):
        return (thread.run or thread.patch).get_absolute_url()
    asked: dict[str, str | int] = {}
    if thread.run:
        asked["run"] = thread.run.pk
    if thread.frame:
        asked["t"] = thread.frame.t_rec
    ends = [end.track for end in (thread.earlier, thread.later) if end]
    tracks = {thread.track_number, *(track.number for track in ends if track)} - {None}
    if tracks:
        asked["tracks"] = ",".join(sorted(map(str, tracks)))
    asked["thread"] = thread.pk
    return f"{reverse('observations:viewer', args=[thread.patch_id])}?{urlencode(asked, safe=':,')}"


def _keys(data: Mapping[str, str], name: str, *, number: int = 1) -> list[int]:
    """So many keys, with commas between; none if the field is empty; Http404 if it holds anything else."""
    text = data.get(name, "").strip()
    if not text:
        return []
    keys = [key for part in text.split(",") if (key := whole_number(part)) is not None]
    if len(keys) != number or len(text.split(",")) != number:
        raise Http404(f"{name} {text!r} is no key")
    return keys


def _row(rows: Any, data: Mapping[str, str], name: str) -> Any:
    keys = _keys(data, name)
    return get_object_or_404(rows, pk=keys[0]) if keys else None


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise TalkError("The mark cannot be read; draw it once more.") from None
