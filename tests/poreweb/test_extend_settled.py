"""What people have made of a run when frames are added to it, or when it is tracked again."""

import pytest
from django.contrib.auth.models import User

from poreweb.discussion.models import Comment
from poreweb.observations.models import Frame
from poreweb.review.actions import give_verdict, give_verdicts
from poreweb.review.judgement import Judgement
from poreweb.review.models import Assignment, GoldEvent
from poreweb.review.steps import undo
from poreweb.tracks import actions, extension, jobs, rows
from poreweb.tracks.models import Batch, Event, Feature, Run
from processing.joins import event_pairs
from processing.track import Link, Linked
from tests.poreweb import growing
from tests.poreweb.growing import N_KNOWN, OPEN_FROM, found, go_on, odd_event, pairs, published

pytestmark = pytest.mark.usefixtures("no_files")
kept, live, series = growing.kept, growing.live, growing.series

ACCEPT, REJECT = Judgement("accept"), Judgement("reject")


def in_window(run: Run) -> list[Event]:
    """What can be rejected, in the frames that are solved again."""
    return list(run.events.filter(kind__in=("merge", "split", "gap"), index__gte=OPEN_FROM))


def tracked(run: Run, of: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the pairs that lie in the frames that were there before."""
    known = Feature.objects.filter(segmentation__run=run, segmentation__index__lt=N_KNOWN)
    keys = set(known.values_list("pk", flat=True))
    return {pair for pair in of if pair[1] in keys}


def pores(run: Run, index: int) -> list[int]:
    return sorted(Feature.objects.filter(segmentation__run=run, segmentation__index=index).values_list("pk", flat=True))


# -- What the machine says, and what people say ------------------------------------------------------


def test_a_settlement_ends_and_makes_no_link_of_the_machine(live, queues, alice):
    """Frames are added twice, and people reject all that the machine said, or take that back."""
    last = live.patch.frames.order_by("-t_rec_s")[0]
    Frame.objects.filter(pk=last.pk).delete()
    asked = in_window(live)
    machine = pairs(live)
    give_verdicts(asked, alice, REJECT)
    rejected = published(live)
    assert len(machine - rejected) > 10

    go_on(live, queues)
    assert tracked(live, pairs(live)) == machine
    assert tracked(live, published(live)) == rejected
    Frame.objects.bulk_create([last])
    go_on(live, queues)
    assert tracked(live, pairs(live)) == machine
    assert tracked(live, published(live)) == rejected

    undo(live, alice)
    assert tracked(live, published(live)) == machine
    assert set(live.events.filter(standing__state="pending")) == set(asked)


def test_a_settlement_keeps_its_event_and_the_events_that_it_undoes(live, queues, alice):
    *_, merge = live.events.filter(kind="merge", index__gte=OPEN_FROM, index__lt=N_KNOWN - 1)
    gone = live.events.filter(kind="disappear", index__gte=OPEN_FROM).last()
    remove = [list(pair) for pair in event_pairs(rows.event_of(merge))]
    give_verdict(gone, alice, Judgement("correct", correction={"add": [], "remove": remove, "spurious": []}))
    go_on(live, queues)
    assert live.events.filter(pk__in=[merge.pk, gone.pk]).count() == 2
    assert {tuple(pair) for pair in remove} <= pairs(live)
    assert not {tuple(pair) for pair in remove} & published(live)


def test_nobody_is_asked_what_is_settled(live, queues, alice):
    """Without their old links pores find others, but the two together are no split."""
    give_verdicts(in_window(live), alice, REJECT)
    before = set(live.events.values_list("pk", flat=True))
    go_on(live, queues)
    cut = {pair for pair, is_link in extension.settled_links(live).items() if not is_link}
    made = {pair for pair in pairs(live) if pair[0] in {earlier for earlier, _ in cut & pairs(live)}}
    assert made - cut  # such pores there are
    new = [event for pk, event in rows.events_of(live).items() if pk not in before]
    assert len(new) > 10
    assert not {pair for event in new for pair in event_pairs(event)} & cut


@pytest.mark.parametrize(
    ("had", "would", "does", "is_settled", "in_known_frame", "in_new_frame"),
    [
        (True, True, True, False, True, True),
        (True, True, False, False, True, False),  # only people speak against it, and not of it
        (True, False, True, False, True, True),
        (True, False, False, False, False, False),
        (False, True, True, False, True, True),
        (False, True, False, False, False, False),
        (False, False, True, False, False, True),  # only people speak for it, and not of it
        (True, False, False, True, True, True),
        (False, True, True, True, False, False),
    ],
)
def test_a_link_is_what_the_machine_says(had, would, does, is_settled, in_known_frame, in_new_frame):
    link = Link(1, 2, cost=0.5, overlap=1, distance_mm=0, probability=0.4)
    known, alone, heard = (Linked([link], []) if there else Linked([], [link]) for there in (had, would, does))
    for new, expected in ((set(), in_known_frame), ({2}, in_new_frame)):
        settled = {(1, 2): True} if is_settled else {}
        answer = extension.as_the_machine_says(known, alone, heard, settled, new)
        assert answer == Linked([link] if expected else [], [] if expected else [link])


def test_a_settled_pair_that_the_machine_never_weighed_is_not_in_its_answer():
    link = Link(1, 2, cost=-12, overlap=1, distance_mm=0, probability=1)
    answer = extension.as_the_machine_says(Linked([], []), Linked([], []), Linked([link], []), {(1, 2): True}, {2})
    assert answer == Linked([], [])


# -- Pores that are none, and ends -------------------------------------------------------------------


def test_a_spurious_pore_gets_no_link_into_new_frames(live, queues, alice):
    spurious = pores(live, N_KNOWN - 1)[:3]
    before = tracked(live, pairs(live))
    event = live.events.filter(index__gte=OPEN_FROM).first()
    correction = {"add": [], "remove": [], "spurious": spurious}
    give_verdict(event, alice, Judgement("correct", correction=correction))
    go_on(live, queues)
    assert not {earlier for earlier, _ in pairs(live)} & set(spurious)
    assert not live.events.filter(parents__in=spurious).exists()  # nobody is asked where they went
    assert {pair for pair in before if pair[1] in spurious} <= pairs(live)  # the machine's own, as before
    undo(live, alice)
    assert {pair for pair in before if pair[1] in spurious} <= published(live)


@pytest.fixture
def ended(live: Run, queues, alice: User) -> int:
    """A pore of the last frame but one that the tracker goes on with, and people have not."""
    (feature, *_) = (earlier for earlier, later in sorted(pairs(live)) if later in pores(live, N_KNOWN - 1))
    event = live.events.create(kind="disappear", index=N_KNOWN - 1)
    event.parents.set([feature])
    give_verdict(event, alice, ACCEPT)
    return feature


def test_an_accepted_end_holds_when_frames_are_added(live, queues, ended):
    own = {pair for pair in pairs(live) if pair[0] == ended}
    assert own
    go_on(live, queues)
    assert {pair for pair in pairs(live) if pair[0] == ended} == own
    assert not {pair for pair in published(live) if pair[0] == ended}


def test_an_accepted_end_holds_in_a_run_that_follows(live, queues, ended):
    again = actions.start_run(live.patch, live.chain_parameters, settled_from=live)
    queues.work()
    again.refresh_from_db()
    assert again.state == "done", again.error
    place = Feature.objects.values_list("segmentation__index", "label").get(pk=ended)
    same = Feature.objects.get(segmentation__run=again, segmentation__index=place[0], label=place[1])
    assert not again.links.filter(earlier=same).exists()
    assert again.links.filter(later=same).exists()
    assert again.settled_hash


# -- Tracked again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_times", [1, 2])
def test_a_tracking_that_is_done_again_keeps_the_rows_and_what_was_said(run, event, alice, queues, n_times):
    give_verdict(event, alice, REJECT)
    before = found(run)
    batch = run.batches.get(kind="track")
    for _ in range(n_times):  # its worker died once all was stored
        Run.objects.filter(pk=run.pk).update(state="running")
        Batch.objects.filter(pk=batch.pk).update(state="running")
        jobs.run_batch(batch.pk)
    run.refresh_from_db()
    assert (run.state, found(run)) == ("done", before)
    assert alice.verdicts.get().event == event
    assert event.history.exists()


def test_a_run_that_failed_after_its_tracking_keeps_what_was_said(patch, start, queues, alice, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(jobs.accuracy, "store_accuracy", lambda run: 1 / 0)
        run = start()
        with pytest.raises(ZeroDivisionError):
            queues.work()
    run.refresh_from_db()
    event = run.events.get(kind="merge")
    assert run.state == "failed"
    give_verdict(event, alice, REJECT)
    before = found(run)
    actions.retry_run(run)
    queues.work()
    run.refresh_from_db()
    assert (run.state, found(run)) == ("done", before)
    assert alice.verdicts.get().event == event


# -- Events that are not found any more --------------------------------------------------------------


@pytest.mark.parametrize("kept_by", ["gold", "assignment", "comment"])
def test_what_people_have_made_of_an_event_keeps_it(live, queues, lena, alice, kept_by):
    event, plain = odd_event(live), odd_event(live)
    Event.objects.filter(pk=plain.pk).update(kind="split")
    made = {
        "gold": lambda: GoldEvent.objects.create(event=event, choice="reject", by=lena),
        "assignment": lambda: Assignment.objects.create(event=event, user=alice, by=lena),
        "comment": lambda: Comment.objects.create(patch=live.patch, run=live, author=alice, text="Look.", event=event),
    }[kept_by]()
    go_on(live, queues)
    made.refresh_from_db()
    assert made.event == event
    assert not live.events.filter(pk=plain.pk).exists()
    (line,) = [line.text for line in live.log.all() if "not found any more" in line.text]
    assert line.endswith("it stays, since people have worked on it.")  # the same whatever it is
