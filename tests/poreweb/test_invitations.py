"""Invitations: made once, used once, by somebody with an account or without."""

import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.urls import reverse
from django.utils import timezone

from poreweb.people import actions
from poreweb.people.invitations import InvitationError, sha256_of, state_of
from poreweb.people.models import Invitation, Membership

NEWCOMER = {"username": "carol", "password1": "granulation-72", "password2": "granulation-72"}
HALF_OPEN = {"used": "has been used", "revoked": "was withdrawn", "expired": "ended on"}


@pytest.fixture
def invite(team, lena):
    """The secret of a new invitation."""
    return lambda role="reviewer", days=7: actions.invite(team, lena, role=role, note="Carol", days=days)[1]


def link(secret):
    return reverse("people:invitation", args=[secret])


def spoil(how, invitation_secret, user):
    invitation = Invitation.objects.get(secret_sha256=sha256_of(invitation_secret))
    if how == "used":
        invitation.accepted_by, invitation.accepted_at = user, timezone.now()
    elif how == "revoked":
        invitation.revoked_at = timezone.now()
    else:
        invitation.expires_at = timezone.now() - timedelta(seconds=1)
    invitation.save()


def role_of(name, team):
    return Membership.objects.get(user__username=name, team=team).role


def test_a_lead_makes_one_whose_link_is_shown_once(sign_in, team, client):
    as_lena = sign_in("lena")
    form = {"note": "Carol", "role": "viewer", "days": 3}
    page = as_lena.post(reverse("people:invite", args=[team.pk]), form)
    url = page.text.partition('readonly value="')[2].partition('"')[0]
    invitation = Invitation.objects.get()
    secret = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    assert len(secret) >= 40
    assert url.startswith("http://testserver/")
    assert invitation.secret_sha256 == sha256_of(secret)
    assert secret not in str(vars(invitation))
    assert timedelta(days=2.9) < invitation.expires_at - timezone.now() < timedelta(days=3)
    assert "no-store" in page["Cache-Control"]
    assert secret not in as_lena.get(reverse("people:team", args=[team.pk])).text
    assert "lena invites you to Team A as viewer" in client.get(urlsplit(url).path).text


@pytest.mark.parametrize("days", ["0", "31", "-1", "", "soon"])
def test_days_are_1_to_30_and_what_was_typed_is_kept(sign_in, team, days):
    form = {"note": "Carol of Tenerife", "role": "lead", "days": days}
    page = sign_in("lena").post(reverse("people:invite", args=[team.pk]), form)
    assert not Invitation.objects.exists()
    assert "Carol of Tenerife" in page.text
    assert 'aria-invalid="true"' in page.text


@pytest.mark.parametrize("name", ["visitor", "alice"])
def test_only_a_lead_invites_and_withdraws(sign_in, team, invite, name):
    invite()
    client = sign_in(name)
    assert "Only a lead" in client.post(reverse("people:invite", args=[team.pk]), {"role": "lead", "days": 7}).text
    revoked = client.post(reverse("people:revoke", args=[Invitation.objects.get().pk]))
    assert revoked.status_code == 403
    assert state_of(Invitation.objects.get()) == "open"
    assert "Carol" not in client.get(reverse("people:team", args=[team.pk])).text


def test_somebody_without_an_account_makes_one_and_is_signed_in(client, team, invite):
    url = link(invite("viewer"))
    assert client.get(url).status_code == 200
    done = client.post(url, NEWCOMER, follow=True)
    assert done.status_code == 200
    assert done.redirect_chain[-1][0] == reverse("people:team", args=[team.pk])
    assert role_of("carol", team) == "viewer"
    assert User.objects.get(username="carol").check_password("granulation-72")
    assert "used by carol" in _list_of(team)


def _list_of(team):
    return " ".join(f"{state_of(item)} by {item.accepted_by}" for item in team.invitations.all())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password1": "12345", "password2": "12345"}, "too short"),
        ({"password2": "granulation-73"}, "match"),
        ({"username": "ALICE"}, "already exists"),
        ({"username": "a b<script>"}, "Enter a valid username"),
        ({"username": ""}, "required"),
    ],
)
def test_a_bad_account_is_refused_and_uses_nothing_up(client, team, invite, changes, words):
    secret, n_users = invite(), User.objects.count()
    page = client.post(link(secret), NEWCOMER | changes)
    assert words in page.text
    assert User.objects.count() == n_users
    assert "_auth_user_id" not in client.session
    assert state_of(Invitation.objects.get()) == "open"


def test_a_name_taken_meanwhile_undoes_everything(team, invite, alice):
    secret = invite()
    with pytest.raises(IntegrityError):
        actions.accept_as_new(secret, "alice", "granulation-72")
    assert state_of(Invitation.objects.get()) == "open"


def test_a_user_joins_as_that_user(sign_in, team, invite):
    as_mallory, url = sign_in("mallory"), link(invite("lead"))
    assert "Join as mallory" in as_mallory.get(url).text
    assert not Membership.objects.filter(user__username="mallory", team=team).exists()
    as_mallory.post(url)
    assert role_of("mallory", team) == "lead"
    assert Membership.objects.filter(user__username="mallory").count() == 2


@pytest.mark.parametrize(
    ("name", "role", "then", "state"),
    [
        ("lena", "viewer", "lead", "open"),
        ("alice", "reviewer", "reviewer", "open"),
        ("visitor", "lead", "lead", "used"),
    ],
    ids=["lower", "the same", "higher"],
)
def test_a_role_is_raised_but_never_lowered(sign_in, team, invite, name, role, then, state):
    client, url = sign_in(name), link(invite(role))
    assert ("changes nothing for you" in client.get(url).text) == (state == "open")
    client.post(url)
    assert role_of(name, team) == then
    assert state_of(Invitation.objects.get()) == state


@pytest.mark.parametrize("how", HALF_OPEN)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_no_longer_open_lets_nobody_in(client, sign_in, team, invite, bob, how, method):
    secret = invite()
    spoil(how, secret, bob)
    n_users, n_members = User.objects.count(), Membership.objects.count()
    for visitor in (client, sign_in("mallory")):
        response = getattr(visitor, method)(link(secret), NEWCOMER)
        assert response.status_code == 410
        assert HALF_OPEN[how] in response.text
        assert "Team A" not in response.text
    assert (User.objects.count(), Membership.objects.count()) == (n_users, n_members)
    with pytest.raises(InvitationError, match=HALF_OPEN[how]):
        actions.accept(secret, User.objects.get(username="mallory"))


def test_an_unknown_secret_is_not_found(client, as_alice, team, invite, django_assert_num_queries):
    secret = invite()
    for wrong in (secret[:-1], secret + "x", sha256_of(secret), "1" * 500):
        assert client.post(link(wrong), NEWCOMER).status_code == 404
        assert "There is no such invitation" in as_alice.get(link(wrong)).text
    spoil("expired", secret, None)
    for asked in ("nonsense", secret):  # as much work for either, so that the time tells nothing
        with django_assert_num_queries(1):
            client.get(link(asked))


def test_an_open_one_is_never_crowded_out_of_the_list(sign_in, team, invite, bob, monkeypatch):
    monkeypatch.setattr("poreweb.people.views.MOST_ENDED", 2)
    invite()
    for how in (*HALF_OPEN, "used"):
        spoil(how, invite(), bob)
    page = sign_in("lena").get(reverse("people:team", args=[team.pk])).text
    table = page[page.index("For whom</th>") :]
    assert table.count("<th scope=") == 3
    assert table.count("/revoke/") == 1
    assert "expired" in table


def test_it_is_withdrawn_by_a_lead_of_the_team(sign_in, team, invite):
    secret = invite()
    url = reverse("people:revoke", args=[Invitation.objects.get().pk])
    assert sign_in("mallory").post(url).status_code == 404
    assert "is withdrawn" in sign_in("lena").post(url, follow=True).text
    assert state_of(Invitation.objects.get()) == "revoked"
    assert "used or withdrawn before" in sign_in("lena").post(url, follow=True).text
    with pytest.raises(InvitationError):
        actions.accept(secret, User.objects.get(username="mallory"))


def test_a_lead_who_leaves_takes_open_invitations_along(team, lena, alice, invite):
    secret = invite("lead")
    actions.add_member(team, alice, "lead")
    actions.remove_member(Membership.objects.get(user=lena, team=team))
    with pytest.raises(InvitationError, match="withdrawn"):
        actions.accept(secret, lena)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_and_one_is_in(team, invite):
    secret, outcomes, gate = invite(), [], threading.Barrier(2)

    def join(name):
        gate.wait()
        try:
            actions.accept_as_new(secret, name, "granulation-72")
            outcomes.append("in")
        except InvitationError as refused:
            outcomes.append(str(refused))
        finally:
            connection.close()

    threads = [threading.Thread(target=join, args=[name]) for name in ("carol", "dave")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["This invitation has been used; ask who sent it for another.", "in"]
    assert User.objects.filter(username__in=["carol", "dave"]).count() == 1
