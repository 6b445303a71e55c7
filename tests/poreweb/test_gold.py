"""Events whose answer a lead knows: marking them, measuring by them, and not telling which they are."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from poreweb.consensus.actions import gold_from_truth, remove_gold, set_gold
from poreweb.consensus.gold import Share, answers_to_gold, by_event, is_right, measured, own_share
from poreweb.consensus.truth import right_by_truth
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, GoldEvent, Verdict
from poreweb.review.steps import undo
from poreweb.tracks.accuracy import keep_truth
from poreweb.tracks.models import Event
from processing.errors import FrameError

ACCEPT, REJECT, UNSURE = Judgement("accept"), Judgement("reject"), Judgement("unsure")
CUT = {"add": [], "remove": [[1, 2]], "spurious": []}


def correct(**correction):
    return Judgement("correct", correction={**CUT, **correction})


@pytest.fixture
def events(run):
    return Event.objects.bulk_create(Event(run=run, kind=("merge", "split")[k % 2], index=3) for k in range(24))


@pytest.fixture
def golden(events, lena):
    """All but the last four: accept is right."""
    for event in events[:20]:
        set_gold(event, ACCEPT, lena)
    GoldEvent.objects.update(at=timezone.now() - timedelta(days=9))
    return events


@pytest.fixture
def judge():
    """Judge events a number of days ago."""

    def judged(reviewer, events, judgement=ACCEPT, days=2):
        for event in events:
            give_verdict(event, reviewer, judgement, anyway=True)
        at = timezone.now() - timedelta(days=days)
        acts = Act.objects.filter(by=reviewer, entries__event__in=events)
        Act.objects.filter(pk__in=acts).update(at=at)
        Verdict.objects.filter(reviewer=reviewer, event__in=events).update(given_at=at)

    return judged


def of(team, name):
    return next((one for one in measured(answers_to_gold(team)) if one.name == name), None)


# ---- What is right -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "gold", "right"),
    [
        (ACCEPT, ACCEPT, True),
        (REJECT, ACCEPT, False),
        (UNSURE, ACCEPT, None),
        (correct(), correct(), True),
        (correct(remove=[[2, 3]]), correct(), False),
        (correct(add=[[4, 5]]), Judgement("correct"), True),
        (ACCEPT, Judgement("correct"), False),
        (Judgement("correct", joined=(7, 8)), Judgement("correct", joined=(8, 7)), True),
    ],
)
def test_what_is_right(given, gold, right):
    assert is_right(given, gold) is right


def test_wilsons_interval_is_the_published_one():
    """Newcombe 1998, Stat. Med. 17, 857, table I, method 3: 81 of 263, 15 of 148, 0 of 20 and 1 of 29."""
    known = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (n_right, n), interval in known.items():
        assert Share(n, 0, n_right).interval == pytest.approx(interval, abs=5e-5)


def test_unsure_counts_neither_way():
    share = Share.of([True, False, None, None, True])
    assert (share.n_judged, share.n_unsure, share.n_decided, share.n_right) == (5, 2, 3, 2)
    assert share.share == pytest.approx(2 / 3)
    assert Share.of([None]).share is Share.of([]).interval is None


# ---- Measuring -----------------------------------------------------------------------------


def test_reviewers_are_measured_by_kind_and_listed_by_name(team, golden, alice, bob, judge):
    judge(bob, golden[:4], REJECT)
    judge(alice, golden[:5])
    judge(alice, golden[20:])
    names = [one.name for one in measured(answers_to_gold(team))]
    alices = of(team, "alice")
    assert names == ["alice", "bob"]
    assert (alices.all.n_judged, alices.all.n_right) == (5, 5)
    assert {kind: share.n_judged for kind, share in alices.kinds if share.n_judged} == {"merge": 3, "split": 2}
    assert of(team, "bob").all.share == 0
    assert by_event(answers_to_gold(team))[golden[0].pk] == Share(2, 0, 1)


def test_who_has_set_the_answer_is_not_measured_by_it(team, events, lena, bob, judge):
    judge(lena, events[:1], days=0)
    set_gold(events[0], ACCEPT, lena)
    assert of(team, "lena").all.n_judged == 1  # before it was set
    set_gold(events[1], ACCEPT, lena)
    judge(lena, events[1:2], days=-1)
    assert of(team, "lena").all.n_judged == 1
    GoldEvent.objects.update(by=None)
    assert of(team, "lena").all.n_judged == 2


def test_an_answer_that_changes_hands_is_known_from_then_on(team, events, lena, bob, judge):
    """What its new owner judged before is his own, though somebody else had set an answer by then."""
    bob.memberships.update(role="lead")
    set_gold(events[0], ACCEPT, lena)
    GoldEvent.objects.update(at=timezone.now() - timedelta(days=9))
    judge(bob, events[:1], REJECT)
    set_gold(events[0], REJECT, bob)
    assert of(team, "bob").all == Share(1, 0, 1)
    before = GoldEvent.objects.get().at
    assert set_gold(events[0], ACCEPT, bob).at == GoldEvent.objects.get().at == before  # he has known it since


def test_the_first_judgement_counts_whatever_follows(team, golden, run, alice, bob, judge):
    judge(alice, golden[:1], REJECT)
    judge(alice, golden[:1])
    judge(bob, golden[:1], UNSURE)
    undo(run, bob)
    give_verdict(golden[0], bob, ACCEPT)
    assert of(team, "alice").all == Share(1, 0, 0)
    assert of(team, "bob").all == Share(1, 1, 0)


def test_a_verdict_carried_over_is_not_counted_again(team, golden, alice, judge):
    judge(alice, golden[:2])
    Act.objects.filter(entries__event=golden[0]).update(kind=Act.Kind.CARRY)
    assert of(team, "alice").all.n_judged == 1


# ---- What a reviewer is told ---------------------------------------------------------------


def test_it_is_nothing_until_ten_are_judged(team, golden, alice, judge):
    judge(alice, golden[:9])
    judge(alice, golden[20:])
    assert own_share(team, alice) is None
    judge(alice, golden[9:10], REJECT)
    assert own_share(team, alice) == Share(10, 0, 9)


def test_it_comes_in_tens_and_from_past_days(team, golden, alice, judge):
    judge(alice, golden[:15])
    assert own_share(team, alice).n_judged == 10
    judge(alice, golden[15:20], REJECT, days=0)
    assert own_share(team, alice) == Share(10, 0, 10)
    assert own_share(team, alice, timezone.now() + timedelta(days=1)) == Share(20, 0, 15)


def test_changing_ones_mind_does_not_show_which_are_gold(team, golden, run, alice, judge):
    judge(alice, golden[:10])
    give_verdict(golden[0], alice, REJECT)
    assert own_share(team, alice) == Share(10, 0, 10)
    undo(run, alice)
    undo(run, alice)
    assert own_share(team, alice) == Share(10, 0, 10)


def test_the_page_tells_the_total_and_no_event(sign_in, team, golden, alice, judge):
    address = reverse("consensus:agreement", args=[team.pk])
    assert "Once you have judged 10 of these" in sign_in("alice").get(address).text
    judge(alice, golden[:8])
    judge(alice, golden[8:10], UNSURE)
    text = sign_in("alice").get(address).text
    assert "You were right on 8 of the 8 that you decided, a share of 1.00" in text
    assert "of 2 you were unsure" in text
    assert "gold" not in text.lower()
    assert "known answers" not in sign_in("visitor").get(address).text


@pytest.mark.parametrize("name", ["alice", "visitor"])
def test_pages_are_the_same_whether_or_not_an_event_is_gold(sign_in, run, event, lena, name):
    """But for what each request has of its own."""
    addresses = [
        event.get_absolute_url(), reverse("review:events", args=[run.pk]), run.get_absolute_url(),
        reverse("consensus:agreement", args=[run.patch.team_id]),
    ]  # fmt: skip
    client = sign_in(name)
    client.get(addresses[0])

    def pages():
        responses = [client.get(address) for address in addresses]
        return [response.text.replace(str(response.context["csrf_token"]), "") for response in responses]

    before = pages()
    set_gold(event, REJECT, lena)
    assert pages() == before


# ---- Marking -------------------------------------------------------------------------------


@pytest.fixture
def post(sign_in):
    def posted(verb, pk, name="lena", **form):
        return sign_in(name).post(reverse(f"consensus:{verb}", args=[pk]), form, follow=True)

    return posted


def test_a_lead_marks_changes_and_unmarks_an_event(post, event, lena):
    assert "accept is the right answer" in post("set-gold", event.pk, choice="accept").text
    post("set-gold", event.pk, choice="reject")
    gold = GoldEvent.objects.get()
    assert (gold.event, gold.choice, gold.by) == (event, "reject", lena)
    back = post("remove-gold", event.pk, next=event.get_absolute_url())
    assert back.redirect_chain[0][0] == event.get_absolute_url()
    assert not GoldEvent.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"choice": "unsure"}, {}, {"choice": "correct", "correction": "{"},
        {"choice": "correct", "correction": '{"add": 1}'}, {"choice": "correct", "joined": '["a"]'},
        {"choice": "correct", "correction": "[1]"}, {"choice": "correct", "correction": "[" * 9_000},
        {"choice": "correct", "correction": f'{{"spurious": [{"9" * 5_000}]}}'},
        {"choice": "correct", "joined": f"[{2**70}]"},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(post, event, form):
    assert "was not marked as gold" in post("set-gold", event.pk, **form).text
    assert not GoldEvent.objects.exists()


def test_what_is_corrected_must_be_of_the_run(post, sign_in, event, start):
    other = start()
    foreign = Event.objects.create(run=other, kind="merge", index=1)
    child = event.children.get()
    for form in ({"correction": '{"spurious": [99999999]}'}, {"joined": f"[{foreign.pk}]"}):
        assert "was not marked as gold" in post("set-gold", event.pk, choice="correct", **form).text
    address = f"/api/v1/events/{event.pk}/gold/"
    sent = {"choice": "correct", "correction": {"add": [], "remove": [], "spurious": [99999999]}}
    assert sign_in("lena").put(address, sent, content_type="application/json").status_code == 400
    assert not GoldEvent.objects.exists()
    post("set-gold", event.pk, choice="correct", correction=f'{{"spurious": [{child.pk}]}}')
    assert GoldEvent.objects.get().correction["spurious"] == [child.pk]


def test_a_correction_that_says_nothing_makes_any_right(post, event):
    for sent in ("", "{}", '{"add": [], "remove": [], "spurious": []}'):
        post("set-gold", event.pk, choice="correct", correction=sent)
        gold = GoldEvent.objects.get()
        assert (gold.choice, gold.correction, gold.joined) == ("correct", {}, [])
        gold.delete()


@pytest.mark.parametrize("asked", ["foo", "//example.org/", "https://example.org/", "javascript:0", "\n"])
def test_the_way_back_is_an_address_on_this_site(post, team, event, asked):
    response = post("set-gold", event.pk, choice="accept", next=asked)
    assert response.redirect_chain == [(reverse("consensus:gold", args=[team.pk]), 302)]


@pytest.mark.parametrize("asked", ["x", "-1", "9" * 30, "9" * 5_000])
def test_a_run_that_cannot_be_is_none(sign_in, team, asked):
    assert sign_in("lena").get(reverse("consensus:gold", args=[team.pk]), {"run": asked}).context["run"] is None


def test_the_right_correction_is_what_the_event_was_settled_with(event, lena):
    set_gold(event, Judgement("correct"), lena)
    assert not event.gold.correction
    settle(event, lena, correct())
    assert set_gold(event, Judgement("correct"), lena).correction == CUT
    assert set_gold(event, correct(remove=[[3, 4]]), lena).correction["remove"] == [[3, 4]]
    assert set_gold(event, ACCEPT, lena).correction == {}
    remove_gold(event)
    remove_gold(event)


def test_an_event_that_a_job_removes_meanwhile_is_not_found(post, event, monkeypatch):
    def gone(*_):
        raise Event.DoesNotExist

    monkeypatch.setattr("poreweb.consensus.actions.lock", gone)
    assert post("set-gold", event.pk, choice="accept").status_code == 404


def test_the_page_has_the_events_and_the_shares(sign_in, team, golden, alice, judge, run):
    judge(alice, golden[:3])
    judge(alice, golden[3:4], UNSURE)
    text = sign_in("lena").get(reverse("consensus:gold", args=[team.pk])).text
    assert "20 in all" in text
    assert "3 of 3, 1 unsure" in text
    assert "1.00" in text
    assert text.count("reviewer is not told") == 1
    others = sign_in("lena").get(reverse("consensus:gold", args=[team.pk]), {"run": run.pk})
    assert not {event.pk for event in golden[:20]} & {event.pk for event in others.context["page"]}


def test_the_number_of_queries_does_not_grow(sign_in, team, golden, events, run, django_assert_max_num_queries):
    client = sign_in("lena")
    for query in ({}, {"run": run.pk}):
        client.get(reverse("consensus:gold", args=[team.pk]), query)
        with django_assert_max_num_queries(16):
            client.get(reverse("consensus:gold", args=[team.pk]), query)


@pytest.mark.parametrize("name", ["alice", "visitor"])
def test_only_leads_know(sign_in, post, team, run, event, name):
    for response in (
        sign_in(name).get(reverse("consensus:gold", args=[team.pk])),
        post("set-gold", event.pk, name, choice="accept"),
        post("remove-gold", event.pk, name),
        post("gold-from-truth", run.pk, name),
    ):
        assert response.status_code == 403
        assert "Only a lead of Team A may do this." in response.text
    assert not GoldEvent.objects.exists()


def test_another_team_finds_nothing(sign_in, post, team, run, event):
    assert sign_in("mallory").get(reverse("consensus:gold", args=[team.pk])).status_code == 404
    for verb, pk in (("set-gold", event.pk), ("remove-gold", event.pk), ("gold-from-truth", run.pk)):
        assert post(verb, pk, "mallory", choice="accept").status_code == 404


# ---- From the truth ------------------------------------------------------------------------


@pytest.fixture
def simulated_run(run, simulated):
    assert keep_truth(run.patch, simulated / "truth.json")
    return run


def test_all_events_of_a_simulation_are_marked_in_one_go(post, simulated_run):
    wanted = simulated_run.events.filter(kind__in=("merge", "split", "gap"))
    n = wanted.count()
    assert n
    assert (
        f"{n} events of {simulated_run} marked as gold from the truth."
        in post("gold-from-truth", simulated_run.pk).text
    )
    assert set(GoldEvent.objects.values_list("event", flat=True)) == set(wanted.values_list("pk", flat=True))
    assert set(GoldEvent.objects.values_list("choice", flat=True)) == {"accept"}  # an easy simulation


def test_a_wrong_event_is_to_be_rejected(simulated_run, event, lena):
    event.parents.remove(event.parents.first())
    assert right_by_truth(simulated_run)[event.pk] is False
    gold_from_truth(simulated_run, lena)
    assert event.gold.choice == "reject"


def test_what_was_marked_by_hand_stays(simulated_run, event, lena):
    set_gold(event, REJECT, lena)
    n = gold_from_truth(simulated_run, lena)
    assert n == GoldEvent.objects.count() - 1
    assert GoldEvent.objects.get(event=event).choice == "reject"
    assert gold_from_truth(simulated_run, lena) == 0


def test_without_a_truth_nothing_is_marked(post, run):
    with pytest.raises(FrameError, match="is not simulated"):
        right_by_truth(run)
    text = post("gold-from-truth", run.pk).text
    assert "No event was marked: HARP 99001 is not simulated, so the truth of it is not known." in text
    assert "Mark from the truth" not in text
