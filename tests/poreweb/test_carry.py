"""Another run of a patch: what has become of its events there, and verdicts carried over to those that match."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from poreweb.consensus.actions import set_gold
from poreweb.consensus.gold import answers_to_gold
from poreweb.review import actions, steps
from poreweb.review.carry import carry, plan_of
from poreweb.review.comparison import Comparison, compare
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Assignment, GoldEvent, ReviewEntry, Settlement, Standing, Verdict
from poreweb.tracks.models import Feature, Link, Run, Segmentation
from processing.errors import ParameterError
from tests.poreweb import rerunning
from tests.poreweb.rerunning import ACCEPT, REJECT, UNSURE, log, there

pytestmark = pytest.mark.usefixtures("no_files")
first_gap, last_gap, other = rerunning.first_gap, rerunning.last_gap, rerunning.other
rerun, twin = rerunning.rerun, rerunning.twin


def fates(found: Comparison) -> dict[int, tuple[str, str]]:
    return {fate.event.pk: (fate.how, fate.words) for fate in found.fates}


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


def test_frames_that_failed_are_no_match(run, twin, event, alice):
    other = twin()
    actions.give_verdict(event, alice, ACCEPT)
    Segmentation.objects.filter(run=other, index=event.index).update(state="failed")
    assert compare(run, other).numbers["same"] == 0


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
