"""Undo and redo: one step an act, without end, each reviewer's own, and never over somebody else's act unsaid."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poreweb.releases.lineage import published_of
from poreweb.review import actions, steps
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, ReviewEntry, Settlement, Standing, Verdict
from poreweb.tracks.models import Event

OF = {word: Judgement(word, note=f"said {word}") for word in ("accept", "reject", "unsure")}


@pytest.fixture
def events(run):
    return list(run.events.select_related("run__patch__team").order_by("pk"))


def forget_everything() -> None:
    for model in (Verdict, ReviewEntry, Settlement, Standing):
        model.objects.all().delete()
    Act.objects.update(of=None)
    Act.objects.all().delete()


def verdicts(user: User) -> dict[int, tuple[str, str]]:
    return {pk: (choice, note) for pk, choice, note in user.verdicts.values_list("event", "choice", "note")}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(list(OF))), max_size=6),
    walk=st.lists(st.sampled_from(["undo", "redo"]), max_size=12),
)
def test_back_and_forth_goes_through_every_state(run, events, alice, acts, walk):
    forget_everything()
    states = [verdicts(alice)]
    for place, word in acts:
        actions.give_verdict(events[place % len(events)], alice, OF[word])
        states.append(verdicts(alice))
    here = len(acts)
    for step in walk:
        done = getattr(steps, step)(run, alice)
        there = here + (1 if step == "redo" else -1)
        assert (done is not None) == (0 <= there <= len(acts))
        here = there if done else here
        assert verdicts(alice) == states[here]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["accept", "reject", "cut", "unsure"])), max_size=5),
    n_back=st.integers(1, 5),
)
def test_a_step_back_brings_the_lineage_back(run, events, alice, lena, acts, n_back):
    """Also where settlements speak of the same links, and the later one holds; verdicts and settlements alike."""
    forget_everything()
    seen = [published(run)]
    for place, word in acts:
        event = events[place % len(events)]
        link = run.links.filter(later__in=event.children.all()).order_by("cost").first()
        cut = Judgement("correct", correction={"add": [], "remove": [[link.earlier_id, link.later_id]], "spurious": []})
        actions.give_verdict(event, alice, cut if word == "cut" else OF[word])
        seen.append(published(run))
    for _ in range(min(n_back, len(acts))):
        steps.undo(run, alice)
    assert published(run) == seen[len(acts) - min(n_back, len(acts))]
    while steps.redo(run, alice):
        pass
    assert published(run) == seen[-1]


def published(run) -> tuple:
    found = published_of(run)
    return sorted(track.ids for track in found.lineage.tracks), found.conflicts


def test_a_lead_s_earlier_word_keeps_its_place_in_the_order(run, events, lena):
    actions.settle(events[0], lena, OF["accept"])
    actions.settle(events[1], lena, OF["accept"])
    before = list(Settlement.objects.values_list("event", "at"))
    actions.settle(events[0], lena, OF["reject"])
    steps.undo(run, lena)
    assert list(Settlement.objects.values_list("event", "at")) == before


def test_what_was_stale_is_stale_again(run, event, alice):
    Standing.objects.create(event=event, stale="one parent is not there", changed_at=event.run.created_at)
    actions.give_verdict(event, alice, OF["accept"])
    assert Standing.objects.get().stale == ""
    steps.undo(run, alice)
    assert Standing.objects.get().stale == "one parent is not there"
    steps.redo(run, alice)
    assert Standing.objects.get().stale == ""


def test_it_survives_signing_out(sign_in, run, event):
    first = sign_in("alice")
    first.post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"})
    first.logout()
    again = sign_in("alice")
    again.post(reverse("review:undo", args=[run.pk]))
    assert not Verdict.objects.exists()
    again.post(reverse("review:redo", args=[run.pk]))
    assert Verdict.objects.get().choice == "accept"


def test_a_new_act_ends_what_could_be_done_again(run, events, alice):
    actions.give_verdict(events[0], alice, OF["accept"])
    steps.undo(run, alice)
    actions.give_verdict(events[1], alice, OF["reject"])
    assert steps.next_redo(run, alice) is None
    assert steps.redo(run, alice) is None
    assert list(verdicts(alice)) == [events[1].pk]


def test_the_history_keeps_every_step(run, event, alice):
    actions.give_verdict(event, alice, OF["accept"])
    steps.undo(run, alice)
    steps.redo(run, alice)
    kinds = list(Act.objects.values_list("kind", flat=True))
    assert kinds == ["verdict", "undo", "redo"]
    states = list(ReviewEntry.objects.values_list("state_before", "state_after"))
    assert states == [("pending", "accepted"), ("accepted", "pending"), ("pending", "accepted")]


def test_an_entry_is_never_rewritten(run, event, alice):
    actions.give_verdict(event, alice, OF["accept"])
    entry = ReviewEntry.objects.get()
    entry.state_after = "rejected"
    with pytest.raises(TypeError, match="never changed"):
        entry.save()


def test_each_has_steps_of_his_own(run, events, alice, bob):
    actions.give_verdict(events[0], alice, OF["accept"])
    actions.give_verdict(events[1], bob, OF["reject"])
    assert steps.undo(run, alice).by == alice
    assert not verdicts(alice)
    assert verdicts(bob)


def test_many_at_once_are_one_step(run, events, alice):
    actions.give_verdicts(events, alice, OF["reject"], words="rejected all")
    assert len(verdicts(alice)) == len(events)
    steps.undo(run, alice)
    assert not verdicts(alice)
    steps.redo(run, alice)
    assert len(verdicts(alice)) == len(events)


def test_undo_after_somebody_else_says_so_and_changes_nothing(sign_in, run, event, alice, bob):
    actions.give_verdict(event, alice, OF["accept"])
    actions.give_verdict(event, bob, OF["reject"])
    client, url = sign_in("alice"), reverse("review:undo", args=[run.pk])
    refused = client.post(url)
    assert refused.status_code == 409
    assert "Others have acted since" in refused.text
    assert "said reject" in refused.text
    assert verdicts(alice)
    assert client.post(url, {"anyway": "1"}).status_code == 302
    assert not verdicts(alice)
    assert verdicts(bob)


def test_a_settlement_is_taken_back_and_an_earlier_one_is_there_again(run, event, alice, lena):
    actions.give_verdict(event, alice, OF["accept"])
    actions.settle(event, lena, OF["reject"])
    actions.settle(event, lena, OF["accept"])
    steps.undo(run, lena)
    assert (Settlement.objects.get().choice, Settlement.objects.get().by) == ("reject", lena)
    steps.undo(run, lena)
    assert (Settlement.objects.get().choice, Settlement.objects.get().by) == ("accept", None)  # as alice's verdict
    steps.redo(run, lena)
    assert Settlement.objects.get().by == lena


def test_one_lead_does_not_undo_another_s_word_unsaid(run, event, lena, team):
    other = User.objects.create(username="otto")
    team.memberships.create(user=other, role="lead")
    actions.settle(event, lena, OF["accept"])
    actions.settle(event, other, OF["reject"])
    with pytest.raises(steps.ClashError):
        steps.undo(run, lena)
    assert Settlement.objects.get().by == other
    steps.undo(run, other)
    assert (Settlement.objects.get().choice, Settlement.objects.get().by) == ("accept", lena)


def test_events_that_are_gone_leave_nothing_to_undo(run, event, alice):
    actions.give_verdict(event, alice, OF["accept"])
    Event.objects.filter(pk=event.pk).delete()
    assert steps.next_undo(run, alice) is None
    assert steps.undo(run, alice) is None
