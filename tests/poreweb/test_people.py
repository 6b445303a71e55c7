"""A team's page, its history, and signing in when somebody guesses passwords."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from redis import RedisError

from poreweb.people import actions, throttle
from poreweb.people.activity import activity_of, pace_of
from poreweb.people.models import Membership, Team
from poreweb.review.actions import give_verdict, give_verdicts, settle
from poreweb.review.judgement import Judgement
from poreweb.review.models import Act, Assignment, Verdict

ACCEPT, REJECT = Judgement("accept"), Judgement("reject", reason="motion", note="moves <b>apart</b>")


def address(name, *args):
    return reverse(f"people:{name}", args=args)


def membership(name):
    return Membership.objects.get(user__username=name)


def activity(team, name):
    return next(item for item in activity_of(team) if item.member.user.username == name)


# -- Who may do what -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["team", "history"])
def test_every_member_may_look_and_nobody_else(sign_in, team, name):
    for member in ("visitor", "alice", "lena"):
        assert sign_in(member).get(address(name, team.pk)).status_code == 200
    assert sign_in("mallory").get(address(name, team.pk)).status_code == 404


def writing(team):
    return {
        address("set-role", membership("bob").pk): {"role": "lead"},
        address("remove-member", membership("bob").pk): {},
        address("set-rules", team.pk): {"quorum": 3},
        address("invite", team.pk): {"role": "lead", "days": 7},
    }


@pytest.mark.parametrize(("name", "status"), [("visitor", 403), ("alice", 403), ("mallory", 404)])
def test_only_a_lead_changes_the_team(sign_in, team, everything, name, status):
    before = everything()
    for url, form in writing(team).items():
        assert sign_in(name).post(url, form).status_code == status, url
    assert everything() == before


def test_changes_take_post_and_a_token(lena, sign_in, team, everything):
    before, strict = everything(), Client(enforce_csrf_checks=True)
    strict.force_login(lena)
    for url, form in writing(team).items():
        assert sign_in("lena").get(url).status_code == 405
        assert strict.post(url, form).status_code == 403
    assert everything() == before


def test_who_only_looks_sees_no_forms(sign_in, team):
    page = sign_in("alice").get(address("team", team.pk)).text
    assert page.count("<form") == 1  # to sign out
    assert "One verdict settles an event." in page


def test_ones_teams(sign_in, team, lena, client):
    assert sign_in("lena").get(address("teams")).url == address("team", team.pk)
    actions.add_member(Team.objects.get(name="Team M"), lena, "viewer")
    page = sign_in("lena").get(address("teams")).text
    assert "Team A" in page
    assert "Team M" in page
    client.force_login(User.objects.create_user("newcomer"))
    assert "You belong to no team yet" in client.get(address("teams")).text


# -- Members -------------------------------------------------------------------------------------


def test_a_lead_changes_a_role(sign_in, team):
    done = sign_in("lena").post(address("set-role", membership("bob").pk), {"role": "viewer"}, follow=True)
    assert "bob is now viewer" in done.text
    assert membership("bob").role == "viewer"


def test_a_role_that_is_none_changes_nothing(sign_in, team):
    page = sign_in("lena").post(address("set-role", membership("bob").pk), {"role": "king"})
    assert "There is no such role" in page.text
    assert membership("bob").role == "reviewer"


@pytest.mark.parametrize(("name", "form"), [("set-role", {"role": "reviewer"}), ("remove-member", {})])
def test_the_last_lead_stays(sign_in, team, alice, name, form):
    url = address(name, membership("lena").pk)
    page = sign_in("lena").post(url, form)
    assert "lena is the only lead of Team A: make somebody else a lead before this." in page.text
    assert membership("lena").role == "lead"
    actions.add_member(team, alice, "lead")
    sign_in("lena").post(url, form)
    assert not Membership.objects.filter(user__username="lena", role="lead").exists()


def test_a_lead_who_stays_lead_is_no_trouble(sign_in, team):
    sign_in("lena").post(address("set-role", membership("lena").pk), {"role": "lead"})
    assert membership("lena").role == "lead"


@pytest.mark.parametrize("leave", [actions.remove_member, lambda member: actions.change_role(member, "viewer")])
def test_whoever_leaves_keeps_verdicts_and_is_no_longer_waited_for(event, run, bob, lena, leave):
    other = run.events.exclude(pk=event.pk).first()
    for asked in (event, other):
        Assignment.objects.create(event=asked, user=bob, by=lena)
    Assignment.objects.create(event=other, user=lena)
    give_verdict(event, bob, ACCEPT)
    leave(membership("bob"))
    assert set(Assignment.objects.values_list("user__username", "event")) == {("bob", event.pk), ("lena", other.pk)}
    assert Verdict.objects.get().reviewer == bob


def test_a_member_who_is_gone_cannot_be_changed(team, sign_in):
    bob = membership("bob")
    actions.remove_member(bob)
    bob.pk = Membership.objects.count() + 100
    with pytest.raises(Membership.DoesNotExist):
        actions.change_role(bob, "lead")


# -- What each has done --------------------------------------------------------------------------


def at(minutes):
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("minutes", "pace"),
    [
        ([0, 1, 2, 3, 4, 5], 60),
        ([0, 2, 4, 6, 8, 10, 90, 92], 30),  # the pause is none of the work
        ([0, 1, 2, 3, 4, 9], 60),
        ([0, 1, 2, 3, 4], None),
        ([0, 20, 40, 60, 80, 100, 120], None),
        ([0, 0, 0, 0, 0, 0], 3600),
        ([], None),
    ],
)
def test_the_pace_is_of_the_time_spent_working(minutes, pace):
    assert pace_of([at(minute) for minute in minutes]) == pace


def test_the_page_tells_what_each_has_done(run, event, alice, bob, lena, team, sign_in):
    events = list(run.events.all()[:3])
    for each in events:
        Assignment.objects.create(event=each, user=bob, by=lena)
    give_verdict(events[0], bob, ACCEPT)  # settles it: the quorum is 1
    give_verdict(events[1], alice, ACCEPT)
    give_verdict(events[2], alice, Judgement("unsure"))
    assert (activity(team, "alice").n_verdicts, activity(team, "alice").n_assigned) == (2, 0)
    assert (activity(team, "bob").n_verdicts, activity(team, "bob").n_assigned) == (1, 1)
    Verdict.objects.filter(event=events[1]).update(given_at=timezone.now() - timedelta(days=31))
    assert activity(team, "alice").n_verdicts == 1
    assert [item.member.user.username for item in activity_of(team)] == ["alice", "bob", "lena", "visitor"]
    assert "too few verdicts" in sign_in("visitor").get(address("team", team.pk)).text


def test_joining_is_told_of_those_who_were_invited(team, lena, mallory, sign_in):
    _, secret = actions.invite(team, lena, role="viewer", note="", days=1)
    actions.accept(secret, mallory)
    assert abs(activity(team, "mallory").joined_at - timezone.now()) < timedelta(minutes=1)
    assert "added without an invitation" in sign_in("lena").get(address("team", team.pk)).text


def test_the_pages_cost_no_more_queries_with_more_in_them(run, event, team, lena, bob, sign_in):
    client = sign_in("lena")
    give_verdict(event, bob, ACCEPT)
    actions.invite(team, lena, role="viewer", note="", days=1)

    def n_queries(name):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address(name, team.pk)).status_code == 200
        return len(queries)

    before = {name: n_queries(name) for name in ("team", "history")}
    for k in range(12):
        user = User.objects.create_user(f"member{k}")
        actions.add_member(team, user)
        actions.invite(team, lena, role="viewer", note="", days=1)
        give_verdicts(run.events.all(), user, REJECT, words="all events")
    assert {name: n_queries(name) for name in before} == before
    assert max(before.values()) < 25


# -- Rules ---------------------------------------------------------------------------------------


def test_another_quorum_weighs_every_event_anew(sign_in, event, team, alice):
    give_verdict(event, alice, ACCEPT)
    assert event.standing.state == "accepted"
    done = sign_in("lena").post(address("set-rules", team.pk), {"quorum": 2, "is_blind": "on"}, follow=True)
    assert "1 event changed by them" in done.text
    event.standing.refresh_from_db()
    assert event.standing.state == "pending"
    team.refresh_from_db()
    assert (team.quorum, team.is_blind) == (2, True)


@pytest.mark.parametrize("quorum", ["0", "10", "", "two"])
def test_a_quorum_is_1_to_9(sign_in, team, quorum):
    page = sign_in("lena").post(address("set-rules", team.pk), {"quorum": quorum})
    assert 'aria-invalid="true"' in page.text
    team.refresh_from_db()
    assert team.quorum == 1


# -- History -------------------------------------------------------------------------------------


def listed(client, team, **filters):
    return re.findall(r'id="act-(\d+)"', client.get(address("history", team.pk), filters).text)


def test_the_history_tells_who_did_what_from_what_to_what(as_alice, event, team, alice, lena):
    give_verdict(event, alice, ACCEPT)
    give_verdict(event, alice, REJECT)
    settle(event, lena, ACCEPT)
    page = as_alice.get(address("history", team.pk)).text
    assert page.index("settlement none → accepted") < page.index("accepted → rejected (motion)")
    assert "none → accepted" in page
    assert "the event rejected → accepted" in page
    assert "moves &lt;b&gt;apart&lt;/b&gt;" in page
    assert event.get_absolute_url() in page


def test_it_is_filtered_by_member_patch_and_run(as_alice, event, run, team, alice, bob, mallory):
    give_verdict(event, alice, ACCEPT)
    give_verdict(event, bob, ACCEPT)
    of_alice, of_bob = (str(Act.objects.get(by=user).pk) for user in (alice, bob))
    other_run = run.patch.runs.create(number=2, code_version="x")
    other_patch = team.patches.create(harpnum=5)
    assert listed(as_alice, team) == [of_bob, of_alice]
    assert listed(as_alice, team, member=alice.pk) == [of_alice]
    assert listed(as_alice, team, run=run.pk, patch=run.patch_id) == [of_bob, of_alice]
    assert listed(as_alice, team, run=other_run.pk) == listed(as_alice, team, patch=other_patch.pk) == []
    theirs = Team.objects.get(name="Team M").patches.create(harpnum=6)
    for wrong in ({"patch": theirs.pk}, {"member": mallory.pk}, {"run": "x"}, {"before": "-1"}):
        page = as_alice.get(address("history", team.pk), wrong)
        assert page.status_code == 200
        assert "act-" not in page.text


def test_its_pages_are_by_key(as_alice, event, team, alice, monkeypatch):
    monkeypatch.setattr("poreweb.people.history.PER_PAGE", 2)
    for judged in (ACCEPT, REJECT) * 2 + (ACCEPT,):
        give_verdict(event, alice, judged)
    keys, url = [], address("history", team.pk) + f"?member={alice.pk}"
    while url:
        page = as_alice.get(url).text
        keys += re.findall(r'id="act-(\d+)"', page)
        match = re.search(r'rel="next" href="(\?[^"]+)"', page)
        url = match and address("history", team.pk) + match[1].replace("&amp;", "&")
        assert match is None or f"member={alice.pk}" in match[1]
    assert keys == [str(key) for key in Act.objects.order_by("-pk").values_list("pk", flat=True)]
    assert len(keys) == 5


def test_of_an_act_on_many_events_a_few_are_listed(as_alice, run, team, alice, monkeypatch):
    monkeypatch.setattr("poreweb.people.history.MOST_ENTRIES", 2)
    give_verdicts(run.events.all(), alice, ACCEPT, words="all gaps of frame 3")
    page = as_alice.get(address("history", team.pk)).text
    assert "all gaps of frame 3" in page
    assert page.count("none → accepted") == 2
    assert f"and {run.events.count() - 2} more</li>" in page


def test_a_blind_team_tells_no_reviewer_what_others_say(as_alice, sign_in, run, event, team, alice, bob, lena):
    actions.set_rules(team, lena, quorum=2, is_blind=True)
    other = run.events.exclude(pk=event.pk).first()
    for each in (event, other):
        each.refresh_from_db()
    give_verdict(event, alice, ACCEPT)
    give_verdicts([event, other], bob, REJECT, words="all that drift")
    page = as_alice.get(address("history", team.pk)).text
    assert page.count("→ rejected") == 1  # of the event that alice has judged
    assert "all that drift" not in page  # it tells of the other event too
    assert "more</li>" not in page
    assert listed(sign_in("visitor"), team) == []
    assert sign_in("bob").get(address("history", team.pk)).text.count("→ rejected") == 2
    give_verdict(other, alice, ACCEPT)
    assert "all that drift" in as_alice.get(address("history", team.pk)).text


def test_another_teams_acts_are_not_in_it(sign_in, event, alice):
    give_verdict(event, alice, ACCEPT)
    assert listed(sign_in("mallory"), Team.objects.get(name="Team M")) == []


# -- Guessing passwords ---------------------------------------------------------------------------

WAIT = "There were too many wrong tries: wait 15 minutes, then try again."
PASSWORD = "granulation-72"


@pytest.fixture
def guess(settings, alice, bob):
    """Try to sign in; the response."""
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sign-in"}
    settings.CACHES = {"default": local}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    for user in (alice, bob):
        user.set_password(PASSWORD)
        user.save()

    def tried(name, password="wrong", comes_from="192.0.2.1", url="/accounts/login/", **headers):
        form = {"username": name, "password": password}
        return Client(REMOTE_ADDR=comes_from).post(url, form, headers=headers)

    return tried


def test_a_site_without_a_user_says_how_to_make_one(client, db):
    page = client.get("/accounts/login/").text
    assert "this site has no user" in page
    assert "<code>.venv/bin/python manage.py createsuperuser</code>" in page
    assert "<code>.venv/bin/python manage.py add_member NAME " in page
    User.objects.create_user("somebody")
    page = client.get("/accounts/login/").text
    assert "user" not in re.sub(r"[Uu]sername|<form.*?</form>", "", page, flags=re.DOTALL)
    assert "manage.py" not in page


@pytest.mark.parametrize("url", ["/accounts/login/", "/staff/login/"])
def test_after_ten_wrong_tries_a_name_waits(guess, url):
    for k in range(10):
        assert WAIT not in guess("alice", url=url, comes_from=f"192.0.2.{k}").text
    refused = guess("Alice", PASSWORD, comes_from="198.51.100.1")
    assert WAIT in refused.text
    assert 'value="Alice"' in refused.text
    assert guess("bob", PASSWORD, comes_from="192.0.2.1").status_code == 302


def test_after_ten_wrong_tries_an_address_waits(guess):
    for k in range(10):
        guess(f"nobody{k}", comes_from="192.0.2.7")
    assert WAIT in guess("bob", PASSWORD, comes_from="192.0.2.7").text
    assert guess("bob", PASSWORD, comes_from="192.0.2.8").status_code == 302


def test_right_tries_are_not_held_against_anybody(guess):
    for _ in range(9):
        guess("alice")
    for _ in range(12):
        assert guess("alice", PASSWORD).status_code == 302
    assert WAIT not in guess("alice").text  # the name starts anew, the tenth of the address
    assert WAIT in guess("bob").text


def test_the_wait_ends(guess, monkeypatch):
    now = throttle.time.time()
    monkeypatch.setattr("time.time", lambda: now)  # however long eleven passwords take
    for _ in range(11):
        guess("alice")
    monkeypatch.setattr("time.time", lambda: now + 14 * 60)
    assert "wait 1 minute, then" in guess("alice", PASSWORD).text
    monkeypatch.setattr("time.time", lambda: now + 15 * 60 + 2)
    assert guess("alice", PASSWORD).status_code == 302


def test_nobody_is_kept_out_when_nothing_can_be_counted(guess, monkeypatch, caplog):
    class Unreachable:
        def add(self, *args):
            raise RedisError("no answer")

        delete_many = add

    monkeypatch.setattr(throttle, "cache", Unreachable())
    assert guess("alice", PASSWORD).status_code == 302
    assert "are not counted: no answer" in caplog.text


@pytest.mark.parametrize(
    ("behind", "remote", "forwarded", "address"),
    [
        (False, "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (True, "10.0.0.1", "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        (True, "10.0.0.1", None, ""),
        (False, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        (False, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (False, "", None, ""),
    ],
    ids=["direct", "behind a proxy", "a proxy that does not say", "IPv6", "IPv4 as IPv6", "a socket"],
)
def test_an_address_is_the_visitors_and_not_made_up(settings, behind, remote, forwarded, address):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if behind else None
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)
    assert throttle.address_of(request) == address
