"""A team settles: quorum, a lead's word, blindness, and saves on a page that is behind."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from poreweb.people.actions import set_rules
from poreweb.people.models import Team
from poreweb.review import actions
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Settlement, Standing, Verdict
from poreweb.review.queries import waits_for, with_state
from poreweb.review.settlements import settled_judgements
from poreweb.review.signals import settlement_changed
from poreweb.tracks.models import Event

ACCEPT, REJECT, UNSURE = Judgement("accept"), Judgement("reject"), Judgement("unsure")


@pytest.fixture
def quorum_of_two(team):
    Team.objects.filter(pk=team.pk).update(quorum=2)


@pytest.fixture
def blind_team(team, quorum_of_two):
    Team.objects.filter(pk=team.pk).update(is_blind=True)


@pytest.fixture
def say(event, team):
    """Somebody judges the event as it is in the database."""

    def said(name: str, judged: Judgement, **options) -> Verdict:
        fresh = Event.objects.select_related("run__patch__team").get(pk=event.pk)
        return actions.give_verdict(fresh, User.objects.get(username=name), judged, **options)

    return said


@pytest.fixture
def changed():
    """The runs whose settlements are said to have changed."""
    seen = []

    def hear(sender, run, **_):
        seen.append(run.pk)

    settlement_changed.connect(hear)
    yield seen
    settlement_changed.disconnect(hear)


def state_of(event: Event, name: str | None = None) -> str:
    viewer = User.objects.get(username=name) if name else None
    return with_state(Event.objects.filter(pk=event.pk), viewer).get().state


def test_enough_equal_verdicts_settle(event, say, quorum_of_two, changed):
    say("alice", ACCEPT)
    assert (state_of(event), Settlement.objects.count(), changed) == ("pending", 0, [])
    say("bob", ACCEPT)
    assert state_of(event) == "accepted"
    settled = Settlement.objects.get()
    assert (settled.event, settled.choice, settled.by) == (event, "accept", None)
    assert changed == [event.run_id]
    assert event.standing.n_verdicts == 2
    say("lena", ACCEPT)  # nothing new
    assert changed == [event.run_id]


def test_disagreement_waits_for_a_lead_who_settles_it(event, say, sign_in, quorum_of_two, run):
    say("alice", ACCEPT)
    say("bob", REJECT)
    assert state_of(event) == "disputed"
    lena, alice = (User.objects.get(username=name) for name in ("lena", "alice"))
    assert event in run.events.filter(waits_for(lena))
    assert event not in run.events.filter(waits_for(alice))
    url = reverse("review:settle", args=[event.pk])
    assert sign_in("alice").post(url, {"choice": "reject"}).status_code == 403
    assert not Settlement.objects.exists()
    sign_in("lena").post(url, {"choice": "reject", "note": "the flux says so"})
    settled = Settlement.objects.get()
    assert (settled.choice, settled.by, settled.note) == ("reject", lena, "the flux says so")
    assert state_of(event) == "rejected"
    say("lena", ACCEPT)  # a verdict more does not change what a lead has settled
    say("bob", ACCEPT)
    assert state_of(event) == "rejected"
    assert [judged.choice for judged in settled_judgements(run)] == ["reject"]


def test_another_quorum_weighs_everything_anew(event, say, team, lena, quorum_of_two, changed):
    say("alice", REJECT)
    Team.objects.filter(pk=team.pk).update(quorum=1)
    assert actions.settle_anew(Team.objects.get(pk=team.pk), lena) == 1
    assert (state_of(event), changed) == ("rejected", [event.run_id])
    Team.objects.filter(pk=team.pk).update(quorum=3)
    assert actions.settle_anew(Team.objects.get(pk=team.pk), lena) == 1
    assert state_of(event) == "pending"
    assert not Settlement.objects.exists()
    assert actions.settle_anew(Team.objects.get(pk=team.pk), lena) == 0


def test_a_change_of_the_quorum_is_told_and_keeps_the_order(run, event, alice, bob, lena, team):
    gap = run.events.filter(kind="gap").first()
    for judged in (event, gap):
        for user in (alice, bob):
            actions.give_verdict(judged, user, ACCEPT)
    before = list(Settlement.objects.values_list("event", "at"))
    set_rules(team, lena, quorum=2, is_blind=False)
    assert [pk for pk, _ in Settlement.objects.values_list("event", "at")] == [pk for pk, _ in before]
    set_rules(team, lena, quorum=1, is_blind=False)
    assert list(Settlement.objects.values_list("event", "at")) == before
    told = list(Act.objects.filter(kind="rules").values_list("by__username", "words"))
    assert told == [("lena", "2 equal verdicts settle"), ("lena", "1 equal verdicts settle")]
    assert Standing.objects.get(event=event).version == event.history.last().pk


def test_a_verdict_is_weighed_by_the_quorum_of_now(event, say, team, lena, alice):
    old = Event.objects.select_related("run__patch__team").get(pk=event.pk)
    set_rules(team, lena, quorum=2, is_blind=False)
    actions.give_verdict(old, alice, ACCEPT)
    assert state_of(event) == "pending"


def test_an_unsure_event_waits_for_the_others(run, event, say, alice, bob, lena):
    say("alice", UNSURE)
    assert event not in run.events.filter(waits_for(alice))
    assert all(event in run.events.filter(waits_for(user)) for user in (bob, lena))


def test_who_settled_it_is_named(event, say, lena):
    say("alice", ACCEPT)
    say("bob", REJECT)
    actions.settle(event, lena, ACCEPT)
    assert with_state(Event.objects.filter(pk=event.pk)).get().judged_by == "lena"


def test_a_settlement_is_never_unsure(event, sign_in):
    response = sign_in("lena").post(reverse("review:settle", args=[event.pk]), {"choice": "unsure"})
    assert "A settlement says what holds; unsure is a verdict." in response.text
    assert not Settlement.objects.exists()


# -- Blindness -------------------------------------------------------------------------------------


def shown_to(client, event: Event, run) -> str:
    viewer = f"/patches/{run.patch_id}/viewer/?run={run.pk}"
    pages = (event.get_absolute_url(), f"/events/{event.pk}/live/", f"/runs/{run.pk}/events/", "/queue/", viewer)
    return "".join(client.get(page).text for page in (*pages, run.get_absolute_url(), run.patch.get_absolute_url()))


def test_others_verdicts_are_hidden_until_one_s_own_is_in(event, say, sign_in, run, blind_team):
    say("alice", Judgement("reject", note="a light bridge, I think"))
    page = shown_to(sign_in("bob"), event, run)
    assert "light bridge" not in page
    assert "alice, 2" not in page  # with the time of it
    assert "alice</strong>" not in page
    assert "hidden until yours is in" in page
    say("bob", UNSURE)
    assert "light bridge" in shown_to(sign_in("bob"), event, run)


def test_a_state_that_tells_is_hidden_as_well(event, say, run, sign_in, blind_team):
    say("alice", ACCEPT)
    say("lena", REJECT)
    assert state_of(event) == state_of(event, "alice") == state_of(event, "lena") == "disputed"
    assert state_of(event, "bob") == state_of(event, "visitor") == "pending"
    assert "disputed</span>" not in sign_in("bob").get(event.get_absolute_url()).text
    say("bob", ACCEPT)
    assert state_of(event, "visitor") == "accepted"  # settled: nobody's judgement is wanted any more


def test_nobody_can_tell_a_hidden_dispute_by_what_waits(event, say, run, bob, sign_in, blind_team):
    say("alice", ACCEPT)
    say("lena", REJECT)
    client = sign_in("bob")
    for query in ("?state=pending", "?wait=me"):
        assert event in client.get(f"/runs/{run.pk}/events/{query}").context["page"].object_list


def test_a_lead_sees_what_he_is_to_settle(event, say, blind_team):
    say("alice", ACCEPT)
    assert state_of(event, "lena") == "pending"
    say("bob", REJECT)
    assert state_of(event, "lena") == "disputed"


def test_a_verdict_that_is_hidden_does_not_make_a_page_stale(event, say, blind_team):
    say("alice", ACCEPT)
    say("bob", REJECT, version=0)
    assert Verdict.objects.count() == 2


# -- Pages that are behind -------------------------------------------------------------------------


def test_a_save_on_a_page_that_is_behind_is_refused_with_the_difference(event, sign_in, say):
    client = sign_in("bob")
    version = client.get(event.get_absolute_url()).context["form"]["version"].value()
    say("alice", Judgement("reject", note="two pores"))
    form = {"choice": "accept", "note": "one pore", "version": version}
    url = reverse("review:give-verdict", args=[event.pk])
    refused = client.post(url, form)
    assert refused.status_code == 409
    assert "Nothing was saved: alice has judged this event since you opened it." in refused.text
    assert "two pores" in refused.text
    assert "one pore" in refused.text  # what was typed is kept
    assert not Verdict.objects.filter(reviewer__username="bob").exists()
    again = client.post(url, {**form, "anyway": "1"})
    assert again.status_code == 302
    assert state_of(event) == "disputed"


def test_a_refused_save_is_refused_again_unless_one_means_it(event, sign_in, say):
    client = sign_in("bob")
    version = client.get(event.get_absolute_url()).context["form"]["version"].value()
    say("alice", REJECT)
    url = reverse("review:give-verdict", args=[event.pk])
    refused = client.post(url, {"choice": "accept", "version": version})
    again = {"choice": "accept", "version": refused.context["form"]["version"].value()}
    assert client.post(url, again).status_code == 409  # a key pressed twice is no "anyway"
    assert client.post(url, {**again, "anyway": "1"}).status_code == 302
    assert state_of(event) == "disputed"


def test_one_s_own_acts_make_no_page_stale(event, sign_in):
    client, url = sign_in("bob"), reverse("review:give-verdict", args=[event.pk])
    for choice in ("accept", "reject"):
        assert client.post(url, {"choice": choice, "version": 0}).status_code == 302
    assert Standing.objects.get().n_verdicts == 1


def test_a_lead_does_not_settle_over_what_he_has_not_seen(event, sign_in, say):
    say("alice", REJECT)
    url = reverse("review:settle", args=[event.pk])
    assert sign_in("lena").post(url, {"choice": "accept", "version": 0}).status_code == 409
    assert Settlement.objects.get().by is None


# -- Corrections -----------------------------------------------------------------------------------


def test_a_correction_is_stored_and_settles(event, sign_in, run):
    parent, child = event.parents.first(), event.children.get()
    sent = f'{{"remove": [[{parent.pk}, {child.pk}]], "add": [], "spurious": []}}'
    url = reverse("review:give-verdict", args=[event.pk])
    assert sign_in("alice").post(url, {"choice": "correct", "correction": sent}).status_code == 302
    assert state_of(event) == "corrected"
    (judged,) = settled_judgements(run)
    assert judged.correction.remove == ((parent.pk, child.pk),)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("", "A correction changes something"),
        ("{}", "A correction changes something"),
        ('{"add": 1}', "must be a list"),
        ("[1]", "must be an object"),
        ("{", "Enter a valid JSON."),
        ('{"add": [[1, 99999999]]}', "There is no feature 99999999 in this run."),
        ('{"add": [[1, 1]]}', "."),
        ('{"nonsense": []}', "has add, remove and spurious"),
        ("[" * 15_000, "Enter a valid JSON."),
        ("9" * 5_000, "Enter a valid JSON."),
        ("[" + "1," * 20_000, "at most 20000 are read"),
    ],
)
def test_an_impossible_correction_is_a_sentence_and_stores_nothing(event, as_alice, sent, words):
    url = reverse("review:give-verdict", args=[event.pk])
    response = as_alice.post(url, {"choice": "correct", "correction": sent, "note": "kept"})
    assert response.status_code == 200
    assert words in response.text
    assert "kept" in response.text
    assert not Verdict.objects.exists()


def test_only_events_of_the_same_run_are_joined(event, as_alice, run):
    url = reverse("review:give-verdict", args=[event.pk])
    for joined in (f"[{event.pk}]", "[99999999]", '["x"]', "{}", f"[{2**70}]", f"{list(range(1, 30))}"):
        response = as_alice.post(url, {"choice": "correct", "joined": joined})
        assert response.status_code == 200, joined
    assert not Verdict.objects.exists()


def test_a_link_skips_no_more_than_the_tracking_may(event, as_alice, run):
    first = run.segmentations.get(index=0).features.first()
    last = run.segmentations.get(index=10).features.first()
    sent = f'{{"add": [[{first.pk}, {last.pk}]]}}'
    url = reverse("review:give-verdict", args=[event.pk])
    response = as_alice.post(url, {"choice": "correct", "correction": sent})
    assert "A link may skip 4 frames in this run, and this one skips 9." in response.text
    assert not Verdict.objects.exists()


def test_equal_corrections_agree_however_they_are_written(event, sign_in, quorum_of_two):
    pair = [event.parents.first().pk, event.children.get().pk]
    url = reverse("review:give-verdict", args=[event.pk])
    for name, sent in (("alice", f'{{"remove": [{pair}, {pair}]}}'), ("bob", f'{{"remove": [{pair}], "add": []}}')):
        sign_in(name).post(url, {"choice": "correct", "correction": sent})
    assert state_of(event) == "corrected"
