"""Tokens for the API: shown once, kept as a digest, one's own."""

import re
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from poreweb.people import actions


@pytest.fixture
def url():
    return reverse("people:tokens")


def shown_in(page):
    match = re.search(r'id="token-text"[^>]*value="([^"]+)"', page)
    return match and match[1]


def who_uses(text):
    """The user whom the API takes the sender for."""
    request = RequestFactory().get("/", headers={"Authorization": f"Token {text}"})
    return TokenAuthentication().authenticate(request)[0]


def test_a_token_is_shown_once_and_works(as_alice, alice, url):
    made = as_alice.post(url, {"days": 30})
    text = shown_in(made.text)
    assert who_uses(text) == alice
    assert text.startswith("poreweb_")
    assert "no-store" in made["Cache-Control"]
    token = AuthToken.objects.get()
    assert text not in (token.digest, token.token_key)
    assert timedelta(days=29.9) < token.expiry - timezone.now() < timedelta(days=30)
    later = as_alice.get(url).text
    assert text not in later
    assert f"{text[:15]}…" in later


@pytest.mark.parametrize("days", ["0", "366", "", "x"])
def test_days_are_1_to_365(as_alice, url, days):
    page = as_alice.post(url, {"days": days}).text
    assert 'aria-invalid="true"' in page
    assert not AuthToken.objects.exists()


def test_a_revoked_token_is_refused(as_alice, alice, url):
    token, text = actions.make_token(alice, days=1)
    as_alice.post(reverse("people:revoke-token", args=[token.digest]))
    assert not AuthToken.objects.exists()
    with pytest.raises(AuthenticationFailed):
        who_uses(text)


def test_an_expired_token_is_refused_and_said_to_be(as_alice, alice, url):
    _, text = actions.make_token(alice, days=1)
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert "expired" in as_alice.get(url).text
    with pytest.raises(AuthenticationFailed):
        who_uses(text)


def test_another_users_tokens_are_not_there(as_alice, sign_in, bob, url):
    token, text = actions.make_token(bob, days=1)
    assert text[:15] not in as_alice.get(url).text
    assert as_alice.post(reverse("people:revoke-token", args=[token.digest])).status_code == 404
    assert who_uses(text) == bob


def test_revoking_takes_post(as_alice, alice):
    token, _ = actions.make_token(alice, days=1)
    assert as_alice.get(reverse("people:revoke-token", args=[token.digest])).status_code == 405
    assert AuthToken.objects.exists()


def test_there_is_an_end_to_how_many(as_alice, alice, url, monkeypatch):
    monkeypatch.setattr(actions, "MOST_TOKENS", 2)
    _, first = actions.make_token(alice, days=1)
    actions.make_token(alice, days=1)
    page = as_alice.post(url, {"days": 1})
    assert "You have 2 tokens" in page.text
    assert AuthToken.objects.count() == 2
    AuthToken.objects.filter(token_key=first[:15]).update(expiry=timezone.now() - timedelta(days=1))
    assert shown_in(as_alice.post(url, {"days": 1}).text)  # what has expired does not count
