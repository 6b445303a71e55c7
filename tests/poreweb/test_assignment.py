"""Who judges what: by hand, in even shares, and taken back."""

import re
from collections import Counter
from itertools import combinations, product

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from poreweb.consensus.actions import AssigneeError, assign, share_out, unassign
from poreweb.consensus.shares import even_shares
from poreweb.review.models import Assignment, Standing, Verdict
from poreweb.tracks.models import Event

# ---- Even shares, without a database -------------------------------------------------------


@st.composite
def fresh(draw):
    members = list(range(draw(st.integers(1, 7))))
    return list(range(100, 100 + draw(st.integers(0, 60)))), members, draw(st.integers(1, 8))


@st.composite
def begun(draw):
    """Events of which some are taken already: held by members or strangers (9), or only judged."""
    events, members = list(range(draw(st.integers(0, 5)))), list(range(draw(st.integers(1, 3))))
    who = st.sets(st.sampled_from([*members, 9]))
    held = {event: draw(who) for event in events}
    judged = {event: draw(who) for event in events}
    taken = {event: held[event] | judged[event] for event in events}
    return events, members, draw(st.integers(1, 3)), taken, [(event, one) for event in events for one in held[event]]


@given(fresh())
def test_each_event_goes_to_so_many_and_everybody_has_as_many(case):
    events, members, k = case
    pairs = even_shares(events, members, k, {})
    assert len(set(pairs)) == len(pairs)
    assert Counter(event for event, _ in pairs) == dict.fromkeys(events, min(k, len(members)))
    n = Counter(member for _, member in pairs)
    assert max(n[one] for one in members) - min(n[one] for one in members) <= 1


@given(fresh())
def test_so_do_the_hardest_of_them_however_many(case):
    events, members, k = case
    pairs, n = even_shares(events, members, k, {}), Counter(dict.fromkeys(members, 0))
    for event in events:
        n.update(member for of, member in pairs if of == event)
        assert max(n.values()) - min(n.values()) <= 1


@given(fresh().filter(lambda case: case[2] == 1 and len(case[1]) > 1))
def test_nobody_has_the_harder_half(case):
    """The mean place of a member's events is that of all, to within the number of members."""
    events, members, _ = case
    pairs = even_shares(events, members, 1, {})
    for one in members:
        places = [events.index(event) for event, member in pairs if member == one]
        if places:
            assert abs(sum(places) / len(places) - (len(events) - 1) / 2) <= len(members)


@given(begun())
def test_what_is_taken_counts_and_nobody_gets_it_again(case):
    events, members, k, taken, held = case
    pairs = even_shares(events, members, k, taken, held)
    for event in events:
        new = [member for of, member in pairs if of == event]
        assert len(set(new)) == len(new) == min(max(0, k - len(taken[event])), len(set(members) - taken[event]))
        assert not taken[event] & set(new)


@given(begun())
def test_it_is_as_even_as_what_is_taken_allows(case):
    events, members, k, taken, held = case

    def unevenness(pairs):
        n = Counter(member for _, member in [*held, *pairs])
        return sum(n[member] ** 2 for member in members)

    def ways(event):
        may = [member for member in members if member not in taken[event]]
        return combinations([(event, member) for member in may], min(len(may), max(0, k - len(taken[event]))))

    possible = ([pair for of_event in way for pair in of_event] for way in product(*map(ways, events)))
    assert unevenness(even_shares(events, members, k, taken, held)) == min(map(unevenness, possible))


@given(begun())
def test_the_same_input_gives_the_same_shares(case):
    events, members, k, taken, held = case
    assert even_shares(*case) == even_shares(events, members, k, dict(reversed(taken.items())), held[::-1])


def test_who_comes_late_does_not_get_all_the_hard_ones():
    """Two hold 30 events each, and 60 new ones come with a third: 40 for each, over the whole of their range."""
    old, new = list(range(60)), list(range(100, 160))
    held = [(event, event % 2) for event in old]
    pairs = even_shares([*new, *old], [0, 1, 2], 1, {event: {member} for event, member in held}, held)
    assert Counter(member for _, member in [*held, *pairs]) == {0: 40, 1: 40, 2: 40}
    assert 15 <= sum(member == 2 for _, member in pairs[:30]) <= 25


def test_20000_events_for_12_members_are_a_matter_of_a_moment():
    pairs = even_shares(range(20_000), range(12), 3, {event: {event % 5} for event in range(0, 20_000, 3)})
    assert len(pairs) == 20_000 * 3 - len(range(0, 20_000, 3))


# ---- The actions ---------------------------------------------------------------------------


@pytest.fixture
def events(run):
    """Ten events, each less doubtful than the one before; the first is settled."""
    made = Event.objects.bulk_create(Event(run=run, kind="merge", index=k, doubt=1 - k / 10) for k in range(10))
    Standing.objects.create(event=made[0], state="rejected", changed_at=timezone.now())
    Standing.objects.create(event=made[1], state="disputed", changed_at=timezone.now())
    return run.events.filter(pk__in=[event.pk for event in made]).order_by("index")


def given_to(events):
    rows = Assignment.objects.filter(event__in=events.values("pk")).order_by("event__index", "user__username")
    return [(row.event.index, row.user.username) for row in rows.select_related("event", "user")]


def test_shares_leave_out_what_is_settled(events, alice, bob, lena):
    assert share_out(events, [alice, bob], 1, lena) == 9
    assert 0 not in dict(given_to(events))
    assert Counter(name for _, name in given_to(events)) in ({"alice": 5, "bob": 4}, {"alice": 4, "bob": 5})
    assert set(Assignment.objects.values_list("by__username", flat=True)) == {"lena"}


def test_sharing_out_again_gives_nothing_twice(events, alice, bob, lena):
    share_out(events, [alice, bob], 1, lena)
    before = given_to(events)
    assert share_out(events, [alice, bob], 1, lena) == 0
    assert share_out(events, [alice, bob, lena], 2, lena) == 9
    after = given_to(events)
    assert set(before) < set(after)
    assert Counter(index for index, _ in after) == dict.fromkeys(range(1, 10), 2)


def test_who_has_judged_is_one_of_those_who_judge(events, alice, bob, lena):
    for event in events[1:4]:
        Verdict.objects.create(event=event, reviewer=alice, choice="unsure", given_at=timezone.now())
    assert share_out(events, [alice, bob], 1, lena) == 6
    assert share_out(events, [alice, bob], 2, lena) == 9
    assert ("alice" in {name for index, name in given_to(events) if index in (1, 2, 3)}) is False


def test_the_most_doubtful_so_many_can_be_shared(events, alice, bob, lena):
    share_out(events.order_by("-doubt")[:4], [alice, bob], 2, lena)
    assert {index for index, _ in given_to(events)} == {1, 2, 3}


def test_by_hand_nothing_is_given_twice_or_when_settled(events, alice, lena):
    Verdict.objects.create(event=events[2], reviewer=alice, choice="accept", given_at=timezone.now())
    assert assign(events, alice, lena) == 8
    assert assign(events, alice, lena) == 0
    assert {0, 2} & {index for index, _ in given_to(events)} == set()


@pytest.mark.parametrize("name", ["visitor", "mallory"])
def test_only_who_can_judge_can_be_asked_to(events, alice, lena, name, request):
    other = request.getfixturevalue(name)
    with pytest.raises(AssigneeError, match=f"{name} cannot judge in this team"):
        assign(events, other, lena)
    with pytest.raises(AssigneeError, match=f"^{name} cannot"):
        share_out(events, [alice, other], 1, lena)
    assert not Assignment.objects.exists()


def test_what_is_judged_is_not_taken_back(events, alice, bob, lena):
    assign(events, alice, lena)
    assign(events, bob, lena)
    Verdict.objects.create(event=events[5], reviewer=alice, choice="accept", given_at=timezone.now())
    assert unassign(events.filter(index__gte=4), alice) == 5
    assert [index for index, name in given_to(events) if name == "alice"] == [1, 2, 3, 5]
    assert len([index for index, name in given_to(events) if name == "bob"]) == 9


# ---- The pages -----------------------------------------------------------------------------


@pytest.fixture
def post(sign_in, run):
    def posted(verb, name="lena", **form):
        return sign_in(name).post(reverse(f"consensus:{verb}", args=[run.pk]), form, follow=True)

    return posted


@pytest.fixture
def shares(alice, bob):
    return {"how": "shares", "kinds": ["merge"], "members": [alice.pk, bob.pk], "k": 1}


def test_a_lead_shares_events_out(post, events, shares, run):
    n = run.events.filter(kind="merge").count() - 1
    assert f"{n} assignments made." in post("assign", **shares).text
    assert Assignment.objects.count() == n
    assert "Nothing was assigned" in post("assign", **shares).text


def test_only_the_most_doubtful_and_less_sure_ones_if_asked(post, events, shares):
    events.filter(index__lt=6).update(probability=0.8)
    events.filter(index__gte=6).update(probability=0.99)
    post("assign", **shares, below=0.9, most=2)
    assert {index for index, _ in given_to(events)} == {1, 2}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"k": 3}, "2 members cannot make 3 people for each event."),
        ({"kinds": []}, "Tick at least one kind of event."),
        ({"members": []}, "Tick at least one member."),
        ({"members": ["4"]}, "Select a valid choice"),  # visitor
        ({"most": "0"}, "greater than or equal to 1"),
    ],
)
def test_shares_that_cannot_be_are_refused_in_a_sentence(post, events, shares, changes, sentence):
    response = post("assign", **{**shares, "below": "0.75", **changes})
    assert response.status_code == 200
    assert sentence in response.text
    assert 'value="0.75"' in response.text
    assert not Assignment.objects.exists()


def test_a_lead_assigns_ticked_events_and_takes_them_back(post, events, bob):
    ticked = [event.pk for event in events[1:4]]
    assert "3 assignments made." in post("assign", events=ticked, member=bob.pk).text
    assert given_to(events) == [(1, "bob"), (2, "bob"), (3, "bob")]
    assert "1 assignment taken back from bob." in post("unassign", events=ticked[:1], member=bob.pk).text
    assert "2 assignments taken back from bob." in post("unassign", all=1, member=bob.pk).text


def test_what_was_ticked_stays_ticked(post, events, visitor):
    ticked = events[3].pk
    text = post("assign", events=[ticked], member=visitor.pk).text
    assert "Choose someone who can judge." in text
    assert re.search(f'value="{ticked}"[^>]* checked>', text)
    assert "Tick at least one event." in post("assign", member=visitor.pk).text


@pytest.mark.parametrize("key", [2**70, "9" * 5_000, "-1", "x", "\0", ""])
def test_what_is_no_key_is_told_in_a_sentence(post, events, shares, bob, key):
    ticked = events[3].pk
    for verb in ("assign", "unassign"):
        response = post(verb, events=[key, ticked], member=bob.pk)
        assert "An event is named by its number." in response.text
        assert re.search(f'value="{ticked}"[^>]* checked>', response.text)
        assert "errorlist" in post(verb, events=[ticked], member=key).text
    assert "is not a valid value" in post("assign", **{**shares, "members": [key, bob.pk]}).text
    assert not Assignment.objects.exists()


def test_whoever_can_no_longer_judge_can_be_relieved(post, events, bob, lena):
    assign(events, bob, lena)
    bob.memberships.update(role="viewer")
    assert "9 assignments taken back from bob." in post("unassign", all=1, member=bob.pk).text


def test_an_event_of_another_run_is_refused(post, start, events, bob):
    other = start(work=False)
    event = Event.objects.create(run=other, kind="merge", index=1)
    assert "An event that was ticked is no longer there." in post("assign", events=[event.pk], member=bob.pk).text
    assert not Assignment.objects.exists()


def test_the_page_counts_what_is_open_and_judged(sign_in, run, events, alice, lena):
    assign(events, alice, lena)
    Verdict.objects.create(event=events[5], reviewer=alice, choice="accept", given_at=timezone.now())
    Standing.objects.create(event=events[6], state="accepted", changed_at=timezone.now())
    response = sign_in("lena").get(reverse("consensus:assignments", args=[run.pk]))
    assert response.context["members"][0] == {"pk": alice.pk, "name": "alice", "judged": 1, "open": 7, "not_needed": 1}
    assert [row["name"] for row in response.context["members"]] == ["alice", "bob", "lena"]


def test_it_lists_what_is_assigned_to_nobody(sign_in, run, events, alice, lena):
    assign(events[1:9], alice, lena)
    page = sign_in("lena").get(reverse("consensus:assignments", args=[run.pk]), {"who": "nobody", "kind": "merge"})
    assert events[9].pk in {event.pk for event in page.context["page"]}
    assert events[8].pk not in {event.pk for event in page.context["page"]}


@pytest.mark.parametrize("name", ["alice", "visitor"])
def test_only_leads_assign(sign_in, post, run, events, shares, bob, name):
    for response in (
        sign_in(name).get(reverse("consensus:assignments", args=[run.pk])),
        post("assign", name, **shares),
        post("assign", name, events=[events[1].pk], member=bob.pk),
        post("unassign", name, all=1, member=bob.pk),
    ):
        assert response.status_code == 403
        assert "Only a lead of Team A may do this." in response.text
    assert not Assignment.objects.exists()


def test_another_team_finds_nothing(sign_in, post, run, shares):
    assert sign_in("mallory").get(reverse("consensus:assignments", args=[run.pk])).status_code == 404
    assert post("assign", "mallory", **shares).status_code == 404
    assert post("unassign", "mallory", all=1, member=1).status_code == 404


def test_the_way_back_stays_on_this_site(post, events, bob):
    for event, asked in zip(events[1:], ("https://example.org/", "foo"), strict=False):
        response = post("assign", events=[event.pk], member=bob.pk, next=asked)
        assert response.redirect_chain[0][0].startswith("/runs/")
