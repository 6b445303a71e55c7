"""A rerun that keeps what is settled: how that is asked for, and what the tracking makes of it."""

import re

import pytest
from django.urls import reverse

from poreweb.observations.models import Frame, RawFile
from poreweb.review import actions, steps
from poreweb.review.judgement import Judgement
from poreweb.tracks.actions import extend_run, input_hash, start_run
from poreweb.tracks.extension import taken_over
from poreweb.tracks.models import Event, Feature, Run
from processing.errors import ParameterError
from processing.parameters import ChainParameters
from tests.poreweb import rerunning
from tests.poreweb.rerunning import ACCEPT, REJECT, log, there

pytestmark = pytest.mark.usefixtures("no_files")
first_gap, last_gap, rerun, twin = rerunning.first_gap, rerunning.last_gap, rerunning.rerun, rerunning.twin


def links(run: Run) -> dict[tuple[int, int, int, int], float]:
    """Probability of each link, by frame and label of its ends."""
    ends = ("earlier__segmentation__index", "earlier__label", "later__segmentation__index", "later__label")
    return {tuple(row): value for *row, value in run.links.values_list(*ends, "probability")}


def pair(event: Event) -> tuple[int, int, int, int]:
    ends = (event.parents.get(), event.children.get())
    return tuple(value for end in ends for value in (end.segmentation.index, end.label))


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
