"""How far a team agrees: what is counted, who sees what of it, and how it is said."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from poreweb.consensus.statistics import MU_UNKNOWN, Rated, confusion, rated_events, statistics_of
from poreweb.people.actions import set_rules
from poreweb.review import actions, steps
from poreweb.review.carry import carry
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, ReviewEntry, Standing, Verdict
from poreweb.tracks.models import Event

NOT_DEFINED = "not defined: only one choice was ever made"


@pytest.fixture
def events(run):
    """Twelve merges and splits, near the centre and near the limb."""
    kinds = ("merge", "split")
    made = [Event(run=run, kind=kinds[k % 2], index=3, mu=0.95 if k < 6 else 0.2) for k in range(12)]
    return Event.objects.bulk_create(made)


@pytest.fixture
def judge(team):
    """Put down verdicts and their history without weighing them: ``judge(alice, events, "aar")``."""
    words = {"a": "accept", "r": "reject", "c": "correct", "u": "unsure"}

    def judged(reviewer, events, choices, kind="verdict"):
        given = [(event, words[letter]) for event, letter in zip(events, choices, strict=False) if letter != "-"]
        at = timezone.now()
        Verdict.objects.bulk_create(
            Verdict(event=event, reviewer=reviewer, choice=choice, given_at=at) for event, choice in given
        )
        act = Act.objects.create(run=events[0].run, by=reviewer, kind=kind, at=at)
        ReviewEntry.objects.bulk_create(
            ReviewEntry(act=act, event=event, after=Judgement(choice).as_dict()) for event, choice in given
        )

    return judged


@pytest.fixture
def page(sign_in, team):
    return lambda name="alice", **query: sign_in(name).get(reverse("consensus:agreement", args=[team.pk]), query)


def table(statistics):
    return {group.label: group.n_events for group in (*statistics.kinds, *statistics.mus)}


# ---- What is counted -----------------------------------------------------------------------


def test_only_events_with_two_verdicts_count(team, alice, bob, events, judge):
    judge(alice, events, "aaaa")
    judge(bob, events, "aa--a")
    rated = rated_events(team, alice)
    assert [item.event for item in rated] == [event.pk for event in events[:2]]
    assert rated[0].choices == {"alice": "accept", "bob": "accept"}


def test_they_are_counted_by_kind_and_by_mu(team, alice, bob, events, judge):
    Event.objects.filter(pk=events[0].pk).update(mu=None)
    judge(alice, events, "aaaaaaaaaaar")
    judge(bob, events, "aaaaaaaaaaar")
    statistics = statistics_of(rated_events(team, alice))
    assert table(statistics) == {"merge": 6, "split": 6, "0.9 to 1": 5, "below 0.3": 6, MU_UNKNOWN: 1}
    assert statistics.all.alpha.value == statistics.all.fleiss.value == 1
    assert statistics.all.cohen["alice", "bob"].n == 12


@pytest.mark.parametrize(
    ("mu", "name"),
    [
        (1, "0.9 to 1"),
        (0.9, "0.9 to 1"),
        (0.89, "0.7 to 0.9"),
        (0.5, "0.5 to 0.7"),
        (0.3, "0.3 to 0.5"),
        (0, "below 0.3"),
    ],
)
def test_a_bin_begins_at_its_lower_end(mu, name):
    assert Rated(1, "merge", mu, {}).mu_bin == name


def test_a_verdict_carried_over_counts_where_it_was_given(team, alice, bob, events, judge):
    judge(alice, events, "aa")
    judge(bob, events, "aa", kind="carry")
    assert rated_events(team, alice) == []


def test_what_somebody_judges_anew_after_it_was_carried_over_counts_where_it_was_given(
    team, run, event, alice, bob, lena, start, no_files
):
    set_rules(team, lena, quorum=2, is_blind=True)
    other = start(work=True)
    for reviewer in (alice, bob):
        actions.give_verdict(event, reviewer, Judgement("accept"))
    carry(run, other, lena)
    for reviewer in (alice, bob):  # each by now knows what the other has said
        twin = other.events.select_related("run__patch__team").get(kind="merge")
        actions.give_verdict(twin, reviewer, Judgement("reject"))
    assert [(item.event, set(item.choices.values())) for item in rated_events(team, alice)] == [(event.pk, {"accept"})]


def test_judging_again_with_others_verdicts_in_view_changes_nothing(team, run, event, alice, bob, lena):
    set_rules(team, lena, quorum=2, is_blind=True)
    event.refresh_from_db()
    actions.give_verdict(event, alice, Judgement("accept"))
    actions.give_verdict(event, bob, Judgement("unsure"))
    first = [{"alice": "accept", "bob": "unsure"}]
    steps.undo(run, bob, anyway=True)
    actions.give_verdict(event, bob, Judgement("accept"), anyway=True)
    assert event.verdicts.get(reviewer=bob).choice == "accept"
    assert [item.choices for item in rated_events(team, bob)] == first
    actions.give_verdicts([event], bob, Judgement("reject"))
    steps.undo(run, bob, anyway=True)
    steps.redo(run, bob, anyway=True)
    assert [item.choices for item in rated_events(team, bob)] == first


def test_filters_narrow_what_is_counted(team, alice, bob, events, judge, run):
    judge(alice, events, "aaa")
    judge(bob, events, "aaa")
    assert len(rated_events(team, alice, kind="split")) == 1
    assert len(rated_events(team, alice, run=run, patch=run.patch)) == 3
    other = team.patches.create(harpnum=5)
    assert rated_events(team, alice, patch=other) == []


def test_the_measures_are_those_of_a_worked_table(team, alice, bob, run, judge):
    """Sim & Wright 2005, Phys. Ther. 85, 257, table 1: 22, 2, 4 and 11 of 39, kappa 0.67."""
    events = Event.objects.bulk_create(Event(run=run, kind="gap", index=3) for _ in range(39))
    judge(alice, events, "a" * 24 + "r" * 15)
    judge(bob, events, "a" * 22 + "r" * 2 + "a" * 4 + "r" * 11)
    rated = rated_events(team, alice)
    assert statistics_of(rated).all.cohen["alice", "bob"].value == pytest.approx(0.67, abs=0.005)
    assert confusion(rated, ("alice", "bob"))[:2] == [("accepted", [22, 2, 0, 0]), ("rejected", [4, 11, 0, 0])]


def test_all_measures_come_of_one_query_for_verdicts(team, alice, bob, events, judge, django_assert_num_queries):
    judge(alice, events, "arar")
    judge(bob, events, "arra")
    with django_assert_num_queries(1):
        statistics_of(rated_events(team, alice))


# ---- Blindness -----------------------------------------------------------------------------


@pytest.fixture
def blind(team, alice, bob, lena, events, judge):
    """Bob and Lena have judged four events, Alice the first; the second is settled."""
    team.is_blind = True
    team.save()
    judge(bob, events, "aaaa")
    judge(lena, events, "aarr")
    judge(alice, events, "r")
    Standing.objects.create(event=events[1], state="accepted", changed_at=timezone.now())
    return events


def test_a_blind_reviewer_is_told_of_own_and_settled_events(blind, team, alice, bob, lena, visitor):
    def seen(user):
        return [item.event for item in rated_events(team, user)]

    pks = [event.pk for event in blind]
    assert seen(alice) == pks[:2]
    assert seen(bob) == seen(lena) == pks[:4]
    assert seen(visitor) == pks[1:2]
    Verdict.objects.filter(reviewer=lena).delete()
    Standing.objects.create(event=blind[3], state="disputed", changed_at=timezone.now())
    assert seen(lena) == [pks[1], pks[3]]


def test_the_page_says_so(blind, page):
    assert "here are only events that are settled or that you have judged yourself" in page("alice").text
    assert "that are settled, that wait for a lead or that you have judged yourself" in page("lena").text


def test_no_number_tells_a_lead_of_an_event_that_he_is_to_judge(blind, page, sign_in, team, run, lena, alice, judge):
    """However few events the filters leave, and whatever is taken from what."""
    Verdict.objects.filter(reviewer=lena).delete()
    judge(alice, blind[2:3], "r")
    Event.objects.filter(pk=blind[2].pk).update(kind="gap")
    response = page("lena", run=run.pk, kind="gap", pair="alice,bob")
    assert response.context["statistics"].all.n_events == 0
    assert response.context["confusion"] == []
    told = sign_in("lena").get(f"/api/v1/teams/{team.pk}/agreement/", {"run": run.pk, "kind": "gap"}).json()
    assert (told["all"]["n_events"], told["all"]["cohen"]) == (0, [])
    assert f'href="{blind[2].get_absolute_url()}"' not in page("lena").text


# ---- The page ------------------------------------------------------------------------------


def test_it_shows_the_measures_and_where_they_differ(page, alice, bob, events, judge):
    judge(alice, events, "aaarru")
    judge(bob, events, "aarrrc")
    text = page().text
    assert "6 events judged by two reviewers or more" in text
    assert "Taking that back, or judging again" in text
    assert "Events by what alice (rows) and bob (columns) said" in text
    assert text.count("alice accepted, bob rejected") == 1
    assert f'href="{events[2].get_absolute_url()}"' in text
    assert f'href="{events[0].get_absolute_url()}"' not in text


def test_what_is_not_defined_says_why(page, alice, bob, events, judge):
    judge(alice, events, "aa")
    judge(bob, events, "aa")
    text = page().text
    assert NOT_DEFINED in text
    assert "nan" not in text.lower()
    assert "On each of these events all have said the same" in text


def test_an_empty_page_says_why(page):
    assert "No event here has been judged by two people yet" in page().text


def test_reviewers_without_an_event_in_common_are_told_apart(page, alice, bob, lena, events, judge):
    judge(alice, events, "ar---")
    judge(bob, events, "arar-")
    judge(lena, events, "--ar-")
    text = page().text
    assert '<option value="alice,lena"' not in text
    assert '<option value="alice,bob"' in text


def test_the_pair_is_in_the_address(page, alice, bob, lena, events, judge):
    for member in (alice, bob, lena):
        judge(member, events, "ara")
    assert "what bob (rows) and lena (columns)" in page(pair="bob,lena").text
    assert "what alice (rows) and bob (columns)" in page(pair="bob,nobody").text


@pytest.mark.parametrize("query", [{"run": "no"}, {"patch": "999"}, {"kind": "flare"}, {"page": "x"}])
def test_what_makes_no_sense_in_the_address_is_no_error_of_the_site(page, query):
    assert page(**query).status_code == 200


def test_the_number_of_queries_does_not_grow(as_alice, team, alice, bob, events, judge):
    def n_queries():
        with CaptureQueriesContext(connection) as queries:
            as_alice.get(reverse("consensus:agreement", args=[team.pk]))
        return len(queries)

    judge(alice, events, "ar")
    judge(bob, events, "ra")
    few = n_queries()
    judge(alice, events[2:], "ararararar")
    judge(bob, events[2:], "rarararara")
    assert n_queries() == few <= 16


def test_another_team_finds_nothing(page):
    assert page("mallory").status_code == 404
    assert page("visitor").status_code == 200
