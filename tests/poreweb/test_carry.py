"""A rerun: what was settled is kept by its tracking, and verdicts are carried over to the events that match."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from poreweb.consensus.actions import set_gold
from poreweb.consensus.gold import answers_to_gold
from poreweb.observations.models import Frame, RawFile
from poreweb.review import actions, steps
from poreweb.review.carry import carry, default_source, plan_of
from poreweb.review.comparison import Comparison, compare
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Assignment, GoldEvent, ReviewEntry, Settlement, Standing, Verdict
from poreweb.tracks.actions import extend_run, input_hash, start_run
from poreweb.tracks.extension import taken_over
from poreweb.tracks.models import Event, Feature, Link, Run, Segmentation
from processing.errors import ParameterError
from processing.parameters import ChainParameters

pytestmark = pytest.mark.usefixtures("no_files")

ACCEPT, REJECT, UNSURE = (Judgement(choice) for choice in ("accept", "reject", "unsure"))


@pytest.fixture
def first_gap(run) -> Event:
    return run.events.filter(kind="gap").order_by("index")[0]


@pytest.fixture
def last_gap(run) -> Event:
    return run.events.filter(kind="gap").order_by("-index")[0]


@pytest.fixture
def twin(run) -> Callable[[], Run]:
    """Another run of the patch that is done and has found the same, row by row."""

    def again(row: Model, **changes: object) -> int:
        row.pk, row._state.adding = None, True
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()
        return row.pk

    def made() -> Run:
        other = Run.objects.get(pk=run.pk)
        again(other, number=run.patch.runs.count() + 1, parent=run)
        there = {}
        for segmentation in run.segmentations.all():
            features = list(segmentation.features.all())
            copy = again(segmentation, run=other)
            there |= {row.pk: again(row, segmentation_id=copy, track=None) for row in features}
        for link in run.links.all():
            again(link, run=other, earlier_id=there[link.earlier_id], later_id=there[link.later_id])
        for event in run.events.all():
            ends = [[there[row.pk] for row in side.all()] for side in (event.parents, event.children)]
            again(event, run=other)
            event.parents.set(ends[0])
            event.children.set(ends[1])
        return Run.objects.select_related("patch__team").get(pk=other.pk)

    return made


@pytest.fixture
def other(twin) -> Run:
    return twin()


def there(event: Event, other: Run) -> Event:
    """The twin's event."""
    return other.events.get(kind=event.kind, index=event.index)


def fates(found: Comparison) -> dict[int, tuple[str, str]]:
    return {fate.event.pk: (fate.how, fate.words) for fate in found.fates}


# -- The tracking keeps what is settled ----------------------------------------------------------------


@pytest.fixture
def rerun(run, start, alice, queues) -> Callable[..., Run]:
    """Run again and keep what is settled."""

    def started(**changes: object) -> Run:
        parameters = ChainParameters(**{**run.parameters, **changes})
        made = start_run(run.patch, parameters, user=alice, parent=run, settled_from=run)
        queues.work()
        made.refresh_from_db()
        assert made.state == "done", made.error
        return made

    return started


def links(run: Run) -> dict[tuple[int, int, int, int], float]:
    """Probability of each link, by frame and label of its ends."""
    ends = ("earlier__segmentation__index", "earlier__label", "later__segmentation__index", "later__label")
    return {tuple(row): value for *row, value in run.links.values_list(*ends, "probability")}


def pair(event: Event) -> tuple[int, int, int, int]:
    ends = (event.parents.get(), event.children.get())
    return tuple(value for end in ends for value in (end.segmentation.index, end.label))


def log(run: Run) -> str:
    return "\n".join(line.text for line in run.log.all())


def test_what_is_settled_holds_in_a_rerun(run, rerun, event, last_gap, alice):
    actions.give_verdict(event, alice, ACCEPT)
    actions.give_verdict(last_gap, alice, REJECT)
    made = rerun()
    before, after = links(run), links(made)
    assert pair(last_gap) in before
    assert pair(last_gap) not in after
    assert {link for link in before if link != pair(last_gap)} <= set(after)
    merged = there(event, made)
    assert merged.verdicts.get().carried_from == event
    assert "3 of 3 settled links taken over from run 1." in log(made)
    assert "Verdicts of run 1 on 1 event carried over." in log(made)
    kept = {link for link in before if link[2:] == (event.index, event.children.get().label)}
    assert len(kept) == 2
    for link in kept:  # as sure as the machine was, not as people are
        assert after[link] == pytest.approx(before[link], abs=1e-6)


def test_equal_hashes_are_of_equal_settlements(run, rerun, start, first_gap, alice):
    plain = start(work=True)
    assert plain.input_hash == run.input_hash
    actions.give_verdict(first_gap, alice, REJECT)
    one, two = rerun(), rerun()
    assert one.input_hash == two.input_hash == input_hash(one)
    assert one.input_hash != run.input_hash
    steps.undo(run, alice)
    actions.give_verdict(first_gap, alice, ACCEPT)
    assert rerun().input_hash not in (one.input_hash, run.input_hash)
    steps.undo(run, alice)
    assert rerun().input_hash == run.input_hash  # nothing is settled any more
    one.refresh_from_db()
    assert one.input_hash == input_hash(one)  # of what was settled when it was made


def test_it_is_matched_across_working_grids(rerun, event, first_gap, alice):
    for one in (event, first_gap):
        actions.give_verdict(one, alice, ACCEPT)
    made = rerun(enhance="cubic-spline", min_pixels=12)
    assert made.chain_parameters.factor == 2
    assert there(event, made).verdicts.get().choice == "accept"
    assert taken_over(made).n_found == 3


def test_pores_that_are_not_found_any_more_are_counted(run, twin, event, first_gap, alice):
    for one in (event, first_gap):
        actions.give_verdict(one, alice, ACCEPT)
    other = twin()
    there(first_gap, other).parents.get().delete()
    Run.objects.filter(pk=other.pk).update(settled_from=run)
    other.refresh_from_db()
    taken = taken_over(other)
    assert taken.words(run) == ("2 of 3 settled links taken over from run 1; 1 has a pore that is not found any more.")
    assert set(taken.links.values()) == {True}


def test_a_spurious_pore_is_linked_to_no_other(run, twin, event, alice):
    parent, _ = event.parents.order_by("pk")
    correction = {"add": [], "remove": [], "spurious": [parent.pk]}
    actions.give_verdict(event, alice, Judgement("correct", correction=correction))
    other = twin()
    Run.objects.filter(pk=other.pk).update(settled_from=run)
    other.refresh_from_db()
    lone = Feature.objects.get(
        segmentation__run=other, segmentation__index=parent.segmentation.index, label=parent.label
    )
    taken = taken_over(other)
    touching = {ends: is_link for ends, is_link in taken.links.items() if lone.pk in ends}
    # the event that says so is left as it is, so that it is found again
    own = {(row.pk, there(event, other).children.get().pk) for row in there(event, other).parents.all()}
    assert {ends for ends, is_link in taken.links.items() if is_link} == own
    assert len(touching) > 5
    assert "1 spurious pore is kept apart" in taken.words(run)
    times = dict(Feature.objects.values_list("pk", "segmentation__frame__t_rec_s"))
    assert all(times[earlier] < times[later] for earlier, later in taken.links)
    nearest = Feature.objects.filter(segmentation__run=other, segmentation__index=parent.segmentation.index - 1)
    assert {(row.pk, lone.pk) for row in nearest} <= {ends for ends, is_link in touching.items() if not is_link}


def test_frames_added_later_keep_it_too(patch, start, alice, queues):
    late = list(patch.frames.order_by("-t_rec_s")[:3])
    files = list(RawFile.objects.filter(frame__in=late))
    Frame.objects.filter(pk__in=[frame.pk for frame in late]).delete()
    run = start(work=True)
    gap = run.events.filter(kind="gap").order_by("-index")[0]
    actions.give_verdict(gap, alice, REJECT)
    made = start_run(patch, run.chain_parameters, user=alice, settled_from=run)
    queues.work()
    assert not made.events.filter(kind="gap", index=gap.index).exists()  # so nobody can reject it here
    Frame.objects.bulk_create(late)
    RawFile.objects.bulk_create(files)
    extend_run(made, user=alice)
    queues.work()
    assert made.n_tracked == 11
    assert pair(gap) not in links(made)
    made.refresh_from_db()
    assert made.input_hash == input_hash(made)


# -- How it is asked for -------------------------------------------------------------------------------


def test_the_form_offers_to_keep_what_is_settled(as_alice, run, event, alice, bob, team):
    def box() -> str:
        return "".join(re.findall(r'<input[^>]*name="keep_settled"[^>]*>', as_alice.get(run.get_absolute_url()).text))

    assert not box()
    team.quorum = 2
    team.save()
    actions.give_verdict(event, alice, ACCEPT)
    assert "checked" not in box()  # nothing is settled
    assert box()
    actions.give_verdict(event, bob, ACCEPT)
    assert "checked" in box()
    page = as_alice.get(run.get_absolute_url()).text
    assert "Keep what people have settled in run 1" in page
    assert "1 event settled there" in page


@pytest.mark.parametrize("is_kept", [True, False])
def test_it_is_kept_when_that_is_ticked(as_alice, run, event, alice, is_kept):
    actions.give_verdict(event, alice, ACCEPT)
    form = {**run.parameters, "parent": run.pk, **({"keep_settled": "on"} if is_kept else {})}
    as_alice.post(reverse("tracks:start", args=[run.patch_id]), form)
    made = Run.objects.get(number=2)
    assert made.settled_from == (run if is_kept else None)
    assert made.parent == run
    wrong = as_alice.post(reverse("tracks:start", args=[run.patch_id]), {**form, "threshold": 7})
    assert ("checked" in re.search(r'<input[^>]*name="keep_settled"[^>]*>', wrong.text)[0]) is is_kept


def test_a_run_of_another_patch_is_refused(run, team, frame):
    other = team.patches.create(harpnum=5)
    frame.pk, frame.patch = None, other
    frame.save()
    with pytest.raises(ParameterError, match="Run 1 of HARP 99001 is of another patch"):
        start_run(other, ChainParameters(), settled_from=run)
    assert Run.objects.count() == 1


# -- What has become of events -------------------------------------------------------------------------


def test_events_are_the_same_changed_or_gone(run, twin, event, first_gap, last_gap, alice, bob):
    other = twin()
    actions.give_verdict(event, bob, ACCEPT)
    actions.give_verdict(last_gap, alice, REJECT)
    actions.give_verdict(first_gap, alice, ACCEPT)
    there(event, other).parents.first().delete()
    there(last_gap, other).delete()
    found = compare(run, other)
    assert found.numbers == {"same": 1, "changed": 1, "gone": 1}
    assert fates(found) == {
        event.pk: ("changed", "one parent of 2 is not there"),
        last_gap.pk: ("gone", "its pores are there, but no event of half of them"),
        first_gap.pk: ("same", "it is the same, of the same pores"),
    }
    assert [fate.target for fate in found.fates] == [there(first_gap, other), there(event, other), None]
    (settled_otherwise,) = found.contradicted
    ends = (last_gap.parents.get().pk, last_gap.children.get().pk)
    assert settled_otherwise[1:] == (ends, False)  # the link is still there


def test_what_the_tracking_obeyed_is_said(run, rerun, first_gap, alice):
    actions.give_verdict(first_gap, alice, REJECT)
    (fate,) = compare(run, rerun()).fates
    assert fate.how != "same"
    assert fate.words.endswith("; its links are as they were settled")
    assert not fate.contradicted


def test_a_gap_in_which_a_pore_is_found_is_no_contradiction(run, twin, first_gap, alice):
    actions.give_verdict(first_gap, alice, ACCEPT)
    other = twin()
    gap = there(first_gap, other)
    parent, child = gap.parents.get(), gap.children.get()
    link = Link.objects.get(earlier=parent, later=child)
    between = Feature.objects.get(pk=parent.pk)
    between.pk, between.label = None, 99
    between.segmentation = other.segmentations.get(index=parent.segmentation.index + 1)
    between.save()
    gap.delete()
    assert not compare(run, other).contradicted
    link.delete()
    assert len(compare(run, other).contradicted) == 1
    for ends in ((parent, between), (between, child)):
        Link.objects.create(run=other, earlier=ends[0], later=ends[1], cost=0, overlap=1, distance_mm=0)
    assert not compare(run, other).contradicted


def test_only_two_runs_of_a_patch_that_are_done(run, other, team):
    far = Run.objects.create(patch=team.patches.create(harpnum=5), number=1, state="done")
    for source, target in ((run, run), (far, run)):
        with pytest.raises(ParameterError, match="not two runs of one patch"):
            compare(source, target)
    other.state = "running"
    with pytest.raises(ParameterError, match="is running; it can be compared when it is done"):
        compare(run, other)


@pytest.mark.django_db
def test_the_number_of_queries_stays(run, twin, alice, bob):
    other = twin()

    def n_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            found = compare(Run.objects.get(pk=run.pk), Run.objects.get(pk=other.pk))
            plan_of(found)
        assert len(found.fates) == run.events.filter(verdicts__isnull=False).distinct().count()
        return len(asked)

    for event in run.events.all()[:1]:
        actions.give_verdict(event, alice, ACCEPT)
    before = n_queries()
    for event in run.events.all():
        actions.give_verdict(event, alice, REJECT)
        actions.give_verdict(event, bob, ACCEPT)
    assert n_queries() == before < 40


# -- Carrying over -------------------------------------------------------------------------------------


def test_everybody_s_verdicts_are_given_again(run, other, event, first_gap, alice, bob, lena, team):
    team.quorum = 2
    team.save()
    actions.give_verdict(event, alice, Judgement("accept", "motion", "clear"))
    actions.give_verdict(event, bob, ACCEPT)
    actions.give_verdict(first_gap, bob, UNSURE)
    acts = carry(run, other, lena)
    assert [(act.by, act.kind, act.words, act.run) for act in sorted(acts, key=lambda act: act.by_id)] == [
        (name, "carry", "from run 1, carried over by lena", other) for name in (alice, bob)
    ]
    given = there(event, other).verdicts.get(reviewer=alice)
    assert (given.choice, given.reason, given.note, given.carried_from) == ("accept", "motion", "clear", event)
    assert given.given_at == event.verdicts.get(reviewer=alice).given_at
    assert there(event, other).standing.state == "accepted"
    assert there(event, other).settlement.choice == "accept"
    assert there(first_gap, other).verdicts.get().choice == "unsure"
    assert there(first_gap, other).standing.state == "pending"
    assert Verdict.objects.filter(event__run=other).count() == 3


def test_done_again_it_changes_nothing(run, other, event, first_gap, last_gap, alice, lena, everything):
    actions.give_verdict(event, alice, ACCEPT)
    actions.settle(first_gap, lena, REJECT)
    actions.give_verdict(last_gap, alice, ACCEPT)
    there(last_gap, other).parents.set([])
    GoldEvent.objects.create(event=event, choice="accept", by=lena)
    Assignment.objects.create(event=event, user=alice, by=lena)
    assert len(carry(run, other, lena)) == 2
    before = everything()
    assert carry(run, other, lena) == []
    assert plan_of(compare(run, other)).is_empty
    assert everything() == before


def test_a_lead_s_settlement_is_put_again(run, other, event, alice, lena):
    actions.give_verdict(event, alice, ACCEPT)
    actions.settle(event, lena, Judgement("reject", note="no"))
    acts = carry(run, other, None)
    assert {(act.by, act.words) for act in acts} == {
        (alice, "from run 1, carried over"),
        (lena, "from run 1, carried over"),
    }
    held = there(event, other).settlement
    assert (held.choice, held.by, held.note) == ("reject", lena, "no")
    assert there(event, other).standing.state == "rejected"


def test_a_correction_is_of_the_other_run_s_pores(run, other, event, first_gap, alice):
    one, two = event.parents.order_by("pk")
    child = event.children.get()
    correction = {"add": [], "remove": [[one.pk, child.pk]], "spurious": [two.pk]}
    actions.give_verdict(event, alice, Judgement("correct", correction=correction, joined=(first_gap.pk,)))
    carry(run, other, None)
    merged = there(event, other)
    one, two = merged.parents.order_by("pk")
    given = merged.verdicts.get()
    assert given.correction == {"add": [], "remove": [[one.pk, merged.children.get().pk]], "spurious": [two.pk]}
    assert given.joined == [there(first_gap, other).pk]


def test_a_correction_that_does_not_fit_flags_the_event(run, other, event, first_gap, alice):
    actions.give_verdict(event, alice, Judgement("correct", joined=(first_gap.pk,)))
    there(first_gap, other).delete()
    assert carry(run, other, None) == []
    standing = there(event, other).standing
    assert standing.state == "pending"
    assert standing.stale == (
        "Run 1 had this merge of 2 as corrected by alice; not all that was said of it fits here;"
        " its links are as they were settled."
    )


def test_what_has_changed_is_flagged_and_nothing_else(run, other, event, alice, bob, team, as_alice):
    actions.give_verdict(event, bob, ACCEPT)
    there(event, other).parents.first().delete()
    assert carry(run, other, None) == []
    standing = Standing.objects.get(event__run=other)
    assert standing.event == there(event, other)
    assert (standing.state, standing.n_verdicts, standing.version) == ("pending", 0, 0)
    words = "Run 1 had this merge of 2 as accepted by bob; one parent of 2 is not there."
    assert standing.stale == words
    assert not ReviewEntry.objects.filter(event__run=other).exists()
    assert words in as_alice.get(there(event, other).get_absolute_url()).text
    actions.give_verdict(there(event, other), alice, ACCEPT)
    standing.refresh_from_db()
    assert standing.stale == ""
    carry(run, other, None)  # somebody has looked at it
    standing.refresh_from_db()
    assert standing.stale == ""


def test_open_verdicts_are_not_told_by_a_flag_where_judging_is_blind(
    run, other, event, alice, lena, team, sign_in, url
):
    team.quorum, team.is_blind = 2, True
    team.save()
    actions.give_verdict(event, alice, REJECT)
    there(event, other).parents.first().delete()
    said = text(sign_in("lena").get(url))
    assert "1 changed event that is not settled stays behind: a flag would tell of open verdicts." in said
    carry(run, other, lena)
    assert not Standing.objects.filter(event__run=other).exists()
    team.is_blind = False
    team.save()
    carry(run, other, lena)
    words = "Run 1 had 1 verdict on this merge of 2, which did not settle it; one parent of 2 is not there."
    assert Standing.objects.get(event__run=other).stale == words


def test_who_has_left_is_not_named(run, other, event, alice, bob, team):
    team.quorum = 2
    team.save()
    for reviewer in (alice, bob):
        actions.give_verdict(event, reviewer, ACCEPT)
    there(event, other).parents.first().delete()
    bob.memberships.all().delete()
    carry(run, other, None)
    assert "as accepted by alice and somebody who has left;" in Standing.objects.get(event__run=other).stale


def test_an_event_that_somebody_has_judged_there_stays(run, other, event, first_gap, alice, bob):
    for one in (event, first_gap):
        actions.give_verdict(one, alice, ACCEPT)
        actions.give_verdict(one, bob, ACCEPT)
    actions.give_verdict(there(event, other), bob, REJECT)
    acts = carry(run, other, None)
    assert [act.entries.get().event for act in acts] == [there(first_gap, other)] * 2
    assert [verdict.choice for verdict in there(event, other).verdicts.all()] == ["reject"]


def test_who_judges_later_is_carried_to_the_others(run, other, event, alice, bob):
    actions.give_verdict(event, alice, ACCEPT)
    carry(run, other, None)
    actions.give_verdict(event, bob, ACCEPT)
    (act,) = carry(run, other, None)
    assert act.by == bob
    assert there(event, other).verdicts.count() == 2


def test_the_later_settlement_still_holds(run, other, event, first_gap, last_gap, alice, lena):
    order = [last_gap, event, first_gap]
    for one, person in zip(order, (alice, lena, alice), strict=True):
        (actions.settle if person == lena else actions.give_verdict)(one, person, ACCEPT)
    carry(run, other, None)
    settled = Settlement.objects.filter(event__run=other)
    assert [row.event for row in settled] == [there(one, other) for one in order]
    assert [row.at for row in settled] == [row.at for row in Settlement.objects.filter(event__run=run)]


def test_gold_events_and_assignments_go_along(run, other, event, first_gap, alice, lena):
    for one in (event, first_gap):
        GoldEvent.objects.create(event=one, choice="accept", by=lena)
        Assignment.objects.create(event=one, user=alice, by=lena)
    there(first_gap, other).delete()
    assert carry(run, other, lena) == []
    assert [(row.event, row.choice, row.by) for row in GoldEvent.objects.filter(event__run=other)] == [
        (there(event, other), "accept", lena)
    ]
    assert [(row.event, row.user, row.by) for row in Assignment.objects.filter(event__run=other)] == [
        (there(event, other), alice, lena)
    ]


def test_an_answer_is_as_old_as_where_it_was_set(run, other, event, lena, team):
    """So what its owner judges in the other run before it goes along tells nothing of him."""
    set_gold(event, ACCEPT, lena)
    actions.give_verdict(there(event, other), lena, ACCEPT)
    carry(run, other, None)
    assert there(event, other).gold.at == event.gold.at
    assert answers_to_gold(team) == []


def test_whoever_may_not_judge_is_given_no_event(run, other, event, alice, bob, lena):
    for user in (alice, bob, lena):
        Assignment.objects.create(event=event, user=user, by=lena)
    alice.memberships.all().delete()
    bob.memberships.update(role="viewer")
    carry(run, other, lena)
    assert [row.user for row in Assignment.objects.filter(event__run=other)] == [lena]
    type(lena).objects.filter(pk=lena.pk).update(is_active=False)
    Assignment.objects.filter(event__run=other).delete()
    carry(run, other, lena)
    assert not Assignment.objects.filter(event__run=other).exists()


def test_undo_takes_it_back_for_good(run, other, event, first_gap, alice, lena):
    for one in (event, first_gap):
        actions.give_verdict(one, alice, ACCEPT)
    carry(run, other, lena)
    assert steps.next_undo(other, lena) is None  # it is alice's
    act = steps.undo(other, alice, anyway=True)
    assert act.kind == Act.Kind.CARRY
    assert not Verdict.objects.filter(event__run=other).exists()
    assert not Settlement.objects.filter(event__run=other).exists()
    assert set(Standing.objects.filter(event__run=other).values_list("state", flat=True)) == {"pending"}
    assert carry(run, other, lena) == []
    assert Verdict.objects.filter(event__run=run).count() == 2
    steps.redo(other, alice, anyway=True)
    assert Verdict.objects.filter(event__run=other).count() == 2


def test_it_is_done_whole_or_not_at_all(run, other, event, first_gap, alice, monkeypatch, everything):
    for one in (event, first_gap):
        actions.give_verdict(one, alice, ACCEPT)
    before, put, calls = everything(), actions.restore_verdict, []

    def fails_late(*args: object, **kwargs: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("broken")
        put(*args, **kwargs)

    monkeypatch.setattr("poreweb.review.carry.restore_verdict", fails_late)
    with pytest.raises(RuntimeError):
        carry(run, other, None)
    assert everything() == before


def test_trouble_does_not_fail_the_run(run, rerun, event, alice, monkeypatch, caplog):
    actions.give_verdict(event, alice, ACCEPT)

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("poreweb.review.carry.restore_verdict", broken)
    made = rerun()
    assert made.state == "done"
    assert "Verdicts of run 1 could not be carried over: broken." in log(made)
    assert "broken" in caplog.text
    assert not Act.objects.filter(run=made).exists()


# -- The page --------------------------------------------------------------------------------------------


@pytest.fixture
def url(other) -> str:
    return reverse("review:carry", args=[other.pk])


def text(response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.text)).split())


def test_the_page_shows_the_difference_and_a_lead_carries_it_over(
    sign_in, run, other, url, event, first_gap, last_gap, alice, bob
):
    actions.give_verdict(event, bob, ACCEPT)
    actions.give_verdict(last_gap, alice, REJECT)
    actions.give_verdict(first_gap, alice, ACCEPT)
    there(event, other).parents.first().delete()
    there(last_gap, other).delete()
    lead = sign_in("lena")
    said = text(lead.get(url))
    assert (
        "Of the 3 events judged in run 1 , 1 is the same in run 2, of the same pores; 1 has changed; 1 is gone." in said
    )
    assert "1 verdict, of 1 person on 1 event, are given again here" in said
    assert "1 changed event is flagged" in said
    assert "changed : one parent of 2 is not there" in said
    assert "are settled to be not linked, and are." in said
    for one in (event, last_gap, first_gap, there(event, other), there(first_gap, other)):
        assert f'href="{one.get_absolute_url()}"' in lead.get(url).text
    assert not Verdict.objects.filter(event__run=other).exists()  # a look changes nothing

    response = lead.post(url, {"from": run.pk}, follow=True)
    assert response.redirect_chain == [(f"{url}?from={run.pk}", 302)]
    assert "What 1 person said of 1 event of run 1 is carried over." in text(response)
    assert "Nothing: all that can be carried over from run 1 has been." in text(response)
    assert Verdict.objects.get(event__run=other).event == there(first_gap, other)
    for how, n in (("same", 1), ("changed", 1), ("gone", 1), ("", 3), ("nonsense", 3)):
        assert len(lead.get(f"{url}?from={run.pk}&how={how}").context["rows"]) == n


def test_only_a_lead_carries_over(sign_in, run, other, url, event, alice, everything):
    actions.give_verdict(event, alice, ACCEPT)
    before = everything()
    for name, status in (("alice", 403), ("visitor", 403), ("mallory", 404)):
        client = sign_in(name)
        assert client.post(url, {"from": run.pk}).status_code == status
        assert client.get(url).status_code == (404 if name == "mallory" else 200)
        assert "Carry over from run 1" not in client.get(url).text
    assert everything() == before
    assert "Carry over from run 1" in sign_in("lena").get(url).text


def test_gold_events_are_told_to_leads_alone(sign_in, other, url, event, alice, lena):
    actions.give_verdict(event, alice, ACCEPT)
    set_gold(event, ACCEPT, lena)
    for name, n in (("lena", 1), ("alice", 0)):
        client = sign_in(name)
        assert api(client, other)["planned"]["gold"] == n
        assert ("1 gold event goes along" in text(client.get(url))) is bool(n)


@pytest.fixture
def judged_blindly(event, first_gap, alice, bob, team) -> None:
    """Alice has corrected two events of a blind team, Bob has accepted one of them."""
    team.quorum, team.is_blind = 2, True
    team.save()
    for one in (event, first_gap):
        actions.give_verdict(one, alice, Judgement("correct", joined=(999999,)))
    actions.give_verdict(first_gap, bob, ACCEPT)


def api(client, run, part=""):
    return client.get(f"/api/v1/runs/{run.pk}/carry/{part}").json()


def test_a_blind_reviewer_learns_nothing_of_open_events(sign_in, other, url, event, first_gap, judged_blindly):
    bob = sign_in("bob")
    said = text(bob.get(url))
    assert "Of the 1 event judged in run 1" in said
    assert "alice: corrected, bob: accepted" in said  # his own is in
    assert "Merge" not in said
    assert "Carrying over" not in said
    told = api(bob, other)
    assert (told["numbers"], told["planned"]) == ({"same": 0, "changed": 1, "gone": 0}, None)
    (fate,) = api(bob, other, "events/")["results"]
    assert (fate["event"], fate["would_carry"], fate["would_flag"]) == (first_gap.pk, None, None)
    visitor = sign_in("visitor")
    assert "No event of run 1 is settled or judged by you." in text(visitor.get(url))
    assert api(visitor, other, "events/")["results"] == []


def test_nor_of_what_others_have_judged_in_the_other_run(sign_in, run, other, url, event, alice, bob, judged_blindly):
    actions.give_verdict(event, bob, Judgement("correct", joined=(999999,)))  # settled, so that everybody knows
    before = text(sign_in("visitor").get(url))
    assert "corrected" in before
    actions.give_verdict(there(event, other), alice, ACCEPT)
    assert text(sign_in("visitor").get(url)) == before


def test_a_lead_learns_which_open_events_there_are_and_no_more(sign_in, other, url, event, judged_blindly):
    lead = sign_in("lena")
    said = text(lead.get(url))
    row = said[said.index("Merge of 2") :]
    assert "Merge of 2 , frame 6 pending others' verdicts are hidden until yours is in not told same" in row
    assert "alice" not in row
    assert "fits here" not in row
    (fate,) = [one for one in api(lead, other, "events/")["results"] if one["event"] == event.pk]
    assert (fate["how"], fate["would_carry"]) == ("same", None)
    assert api(lead, other)["planned"]["verdicts"] == 0


def test_with_which_run_it_is_compared(sign_in, run, twin, team, everything):
    lead, alone = sign_in("lena"), reverse("review:carry", args=[run.pk])
    assert "has no other run that is done" in lead.get(alone).text
    assert "has no other run that is done" in text(lead.post(alone, follow=True))
    second, third = twin(), twin()
    assert default_source(run) == third
    assert default_source(third) == run  # its parent
    Run.objects.filter(pk=third.pk).update(settled_from=second)
    assert default_source(Run.objects.get(pk=third.pk)) == second
    Run.objects.filter(pk=second.pk).update(state="failed")
    assert default_source(Run.objects.get(pk=third.pk)) == run
    url = reverse("review:carry", args=[third.pk])
    far = Run.objects.create(patch=team.patches.create(harpnum=5), number=1, state="done")
    before = everything()
    for asked in (far.pk, third.pk, 10**30, "x", "-1"):
        assert lead.get(url, {"from": asked}).status_code == 404
        assert lead.post(url, {"from": asked}).status_code == 404
    assert everything() == before
    assert "Nobody has judged anything in run 1" in lead.get(url, {"from": run.pk}).text
    Run.objects.filter(pk=third.pk).update(state="running")
    assert "is running; it can be compared when it is done." in lead.get(url).text
    assert "is running; it can be compared when it is done." in lead.post(url, {"from": run.pk}, follow=True).text


def test_the_run_s_page_leads_there(sign_in, run, twin):
    assert "Compare with" not in sign_in("lena").get(run.get_absolute_url()).text
    other = twin()
    for name, words in (("lena", "Compare with run 1 / carry verdicts over"), ("visitor", "Compare with run 1<")):
        page = sign_in(name).get(other.get_absolute_url()).text
        assert words in page
        assert reverse("review:carry", args=[other.pk]) in page


def test_a_long_list_has_pages(sign_in, run, twin, alice):
    merger = run.events.get(kind="merge")
    for _ in range(60):
        more = Event.objects.create(run=run, kind="merge", index=merger.index)
        more.parents.set(merger.parents.all())
        more.children.set(merger.children.all())
    actions.give_verdicts(run.events.select_related("run__patch__team"), alice, ACCEPT)
    url = reverse("review:carry", args=[twin().pk])
    client = sign_in("lena")
    assert len(client.get(url).context["rows"]) == 50
    assert "page=2" in client.get(url).text
    assert len(client.get(f"{url}?page=2").context["rows"]) == 13


def test_frames_that_failed_are_no_match(run, twin, event, alice):
    other = twin()
    actions.give_verdict(event, alice, ACCEPT)
    Segmentation.objects.filter(run=other, index=event.index).update(state="failed")
    assert compare(run, other).numbers["same"] == 0
