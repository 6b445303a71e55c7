"""Events and what people say of them: the queue, verdicts, settlements, undo and redo, presence."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, CharField, F, IntegerField, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError, refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import review as shapes
from poreweb.http import get_visible, must_lead, must_write
from poreweb.review import actions, leases, many, progress, steps
from poreweb.review.desk.context import event_words
from poreweb.review.desk.links import event_alternatives, event_links
from poreweb.review.forms import VerdictForm
from poreweb.review.models import Act, Choice, Settlement, Verdict
from poreweb.review.queries import hidden_from, visible_entries, visible_verdicts, with_state
from poreweb.review.queue import ALL, Queue
from poreweb.tracks.models import Event, Run
from processing.errors import ParameterError
from processing.timekeys import format_t_rec


def with_all(events: Any, user: User) -> Any:
    """Add to events with their state what their shape tells, in a number of queries that does not grow."""
    own = Verdict.objects.filter(event=OuterRef("pk"), reviewer=user).values("choice")
    hidden = When(is_hidden=True, then=Value(None))
    return (
        events.annotate(
            my_choice=Subquery(own[:1]),
            n_told=Case(hidden, default=F("n_verdicts"), output_field=IntegerField()),
            version=Case(
                When(is_hidden=True, then=Value(0)),
                default=Coalesce(F("standing__version"), Value(0)),
                output_field=IntegerField(),
            ),
            stale=Coalesce(F("standing__stale"), Value(""), output_field=CharField()),
            frame=F("index") + 1,
        )
        .select_related("run__patch__team")
        .prefetch_related("parents__track", "children__track")
    )


def event_of(user: User, event_id: int) -> Any:
    """An event as its shape tells it; 404 for another team's."""
    return get_visible(with_all(with_state(Event.objects.all(), user), user), user, event_id)


def run_of(user: User, run_id: int) -> Run:
    """A run; 404 for another team's."""
    return get_visible(Run.objects.select_related("patch__team"), user, run_id)


# -- The queue -----------------------------------------------------------------------------------


class QueueEvents(Address):
    """What waits in all patches."""

    @operation(lists=shapes.EventShape, query=shapes.QueueQuery)
    def get(self, request: ApiRequest) -> Response:
        """The queue of all your patches: of each the newest run that is done, most uncertain first."""
        self.asked(shapes.QueueQuery)
        queue = Queue.of(request.query_params).but(scope=ALL)
        return self.page(with_all(queue.events(request.user, None), request.user), shapes.EventShape)


class QueueProgress(Address):
    """How far people are with it."""

    @operation(shapes.QueueProgressShape, query=shapes.QueueQuery)
    def get(self, request: ApiRequest) -> Response:
        """How far the team and each member are with the events of the queue that the filters leave."""
        self.asked(shapes.QueueQuery)
        queue = Queue.of(request.query_params).but(scope=ALL)
        return _progress(queue.events(request.user, None))


class RunEvents(Address):
    """The queue of one run."""

    @operation(lists=shapes.EventShape, query=shapes.RunQueueQuery)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """The queue of one run, most uncertain first, with the filters of its page."""
        run = run_of(request.user, run_id)
        self.asked(shapes.RunQueueQuery)
        queue = Queue.of(request.query_params).but(scope="")
        return self.page(with_all(queue.events(request.user, run), request.user), shapes.EventShape)


class RunProgress(Address):
    """How far people are with it."""

    @operation(shapes.QueueProgressShape, query=shapes.RunQueueQuery)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """How far the team and each member are with the events of a run that the filters leave."""
        run = run_of(request.user, run_id)
        self.asked(shapes.RunQueueQuery)
        return _progress(Queue.of(request.query_params).but(scope="").events(request.user, run))


def _progress(events: Any) -> Response:
    counted = {"all": progress.of_events(events), "reviewers": progress.of_reviewers(events)}
    return Response(shapes.QueueProgressShape(counted).data)


class RunVerdicts(Address):
    """Verdicts on many events at once."""

    @operation(shapes.DoneShape, query=shapes.RunQueueQuery, takes=shapes.BulkIn)
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """
        The same verdict on all events that the filters leave and that wait for yours, as one act.

        ``n`` is how many you take them to be; if they are more or fewer, nothing is judged.
        """
        run = run_of(request.user, run_id)
        must_write(request.user, run.patch.team)
        self.asked(shapes.RunQueueQuery)
        told = self.told(shapes.BulkIn)
        queue = Queue.of(request.query_params).but(scope="")
        choice, note = told["choice"], told.get("note", "")
        try:
            act = many.judge_listed(run, queue, request.user, choice, note=note, expected=told["n"])
        except ParameterError as problem:
            raise RefusedError(f"Nothing was judged: {problem}.") from problem
        return Response(shapes.DoneShape({"act": act, "n_events": told["n"]}).data)


# -- One event -----------------------------------------------------------------------------------


class OneEvent(Address):
    """An event in full."""

    @operation(shapes.EventDetailShape)
    def get(self, request: ApiRequest, event_id: int) -> Response:
        """One event: its pores, links and alternatives, verdicts and settlement as far as you may know them."""
        event = event_of(request.user, event_id)
        t_rec_s = event.run.segmentations.values_list("frame__t_rec_s", flat=True).get(index=event.index)
        settlement = Settlement.objects.filter(event=event).select_related("by").first()
        known = {
            "words": event_words(event),
            "t_rec": format_t_rec(t_rec_s),
            "quorum": event.run.patch.team.quorum,
            "links": event_links(event),
            "alternatives": event_alternatives(event),
            "told_verdicts": visible_verdicts(event, request.user),
            "told_settlement": None if event.is_hidden else settlement,
            "present": leases.present(event, request.user),
        }
        for name, value in known.items():
            setattr(event, name, value)
        return Response(shapes.EventDetailShape(event).data)


class EventHistory(Address):
    """What was said of it, and when."""

    @operation(lists=shapes.EntryShape, query=shapes.HistoryQuery)
    def get(self, request: ApiRequest, event_id: int) -> Response:
        """An event's history as far as you may know it, oldest first; ``after`` asks for what is new."""
        event = get_visible(Event.objects.all(), request.user, event_id)
        after = self.asked(shapes.HistoryQuery).get("after", 0)
        entries = visible_entries(event, request.user).filter(pk__gt=after)
        return self.page(entries.select_related("act__by").order_by("pk"), shapes.EntryShape)


def _judge(address: Address, event_id: int, must: Callable[..., None], act: Callable[..., Any]) -> tuple[Any, Any]:
    """What was stored by one of the actions, and the event after it."""
    user = address.request.user
    event = get_visible(Event.objects.select_related("run__patch__team"), user, event_id)
    must(user, event.run.patch.team)
    told = address.told(shapes.JudgementIn)
    if told["choice"] != Choice.CORRECT and (told.get("correction") or told.get("joined")):
        raise ValidationError({"correction": ["Only the choice 'correct' has a correction or joined events."]})
    form = VerdictForm(told, event=event, settles=must is must_lead)
    refuse_form(form)
    stored = act(event, user, form.judgement, version=told["version"], anyway=told.get("anyway", False))
    return stored, event_of(user, event_id)


class EventVerdict(Address):
    """Your verdict on it."""

    @operation(shapes.SaidShape, takes=shapes.JudgementIn, also={409: shapes.ConflictShape})
    def post(self, request: ApiRequest, event_id: int) -> Response:
        """
        Give your verdict on an event, in place of an earlier one.

        Status 409 and what others have done when they have acted since ``version``.
        """
        verdict, event = _judge(self, event_id, must_write, actions.give_verdict)
        return Response(shapes.SaidShape({"verdict": verdict, "event": event}).data)


class EventSettlement(Address):
    """What a lead says of it."""

    @operation(shapes.SettledShape, takes=shapes.JudgementIn, also={409: shapes.ConflictShape}, leads=True)
    def post(self, request: ApiRequest, event_id: int) -> Response:
        """Settle an event, whatever the verdicts; taken back by undo."""
        settlement, event = _judge(self, event_id, must_lead, actions.settle)
        return Response(shapes.SettledShape({"settlement": settlement, "event": event}).data)


class EventPresence(Address):
    """Who has it open."""

    @operation(shapes.PresentShape)
    def get(self, request: ApiRequest, event_id: int) -> Response:
        """Who else has an event open, the first one first."""
        return self._present(get_visible(Event.objects.all(), request.user, event_id))

    @operation(shapes.PresentShape)
    def post(self, request: ApiRequest, event_id: int) -> Response:
        """Say that you have an event open, for 20 seconds, and learn who else has."""
        event = self._event(event_id)
        leases.hold(event, request.user)
        return self._present(event)

    @operation(status=204)
    def delete(self, request: ApiRequest, event_id: int) -> Response:
        """Say that you have closed an event."""
        leases.let_go(self._event(event_id), request.user)
        return Response(status=204)

    def _event(self, event_id: int) -> Event:
        event = get_visible(Event.objects.select_related("run__patch__team"), self.request.user, event_id)
        must_write(self.request.user, event.run.patch.team)
        return event

    def _present(self, event: Event) -> Response:
        return Response(shapes.PresentShape({"present": leases.present(event, self.request.user)}).data)


# -- Settlements, undo and redo --------------------------------------------------------------------


class RunSettlements(Address):
    """What is settled."""

    @operation(lists=shapes.SettlementShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """What is settled of a run, in the order in which it was."""
        run = run_of(request.user, run_id)
        settled = Settlement.objects.filter(event__run=run).select_related("by").order_by("at", "pk")
        if (hidden := hidden_from(request.user)) is not None:
            settled = settled.exclude(event__in=Event.objects.filter(hidden, run=run))
        return self.page(settled, shapes.SettlementShape)


class RunSteps(Address):
    """Where undo and redo would go."""

    @operation(shapes.StepsShape)
    def get(self, request: ApiRequest, run_id: int) -> Response:
        """What undo would take back of yours in a run, and what redo would do again."""
        run = run_of(request.user, run_id)
        found = {"undo": steps.next_undo(run, request.user), "redo": steps.next_redo(run, request.user)}
        return Response(shapes.StepsShape(found).data)


def _step(address: Address, run_id: int, step: Callable[..., Act | None]) -> Response:
    user = address.request.user
    run = run_of(user, run_id)
    must_write(user, run.patch.team)
    act = step(run, user, anyway=address.told(shapes.StepIn).get("anyway", False))
    if act is not None:
        act.refresh_from_db()
    n_events = act.entries.count() if act else 0
    return Response(shapes.DoneShape({"act": act, "n_events": n_events}).data)


class RunUndo(Address):
    """A step back."""

    @operation(shapes.DoneShape, takes=shapes.StepIn, also={409: shapes.ConflictShape})
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Take back your newest act on a run; status 409 when others have acted on its events since."""
        return _step(self, run_id, steps.undo)


class RunRedo(Address):
    """A step forth."""

    @operation(shapes.DoneShape, takes=shapes.StepIn, also={409: shapes.ConflictShape})
    def post(self, request: ApiRequest, run_id: int) -> Response:
        """Do again what you took back last; status 409 when others have acted on its events since."""
        return _step(self, run_id, steps.redo)
