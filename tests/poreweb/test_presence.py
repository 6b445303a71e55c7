"""Who has an event open, and what a page hears of the others."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from poreweb.review import actions, leases
from poreweb.review.judgement import Judgement
from poreweb.review.models import Lease


@pytest.fixture
def url(event):
    return reverse("review:live", args=[event.pk])


def test_two_see_each_other(sign_in, event, url):
    sign_in("alice").get(event.get_absolute_url())
    page = sign_in("bob").get(event.get_absolute_url()).text
    assert "alice" in page
    assert "opened it first" in page
    heard = sign_in("alice").get(url)
    assert "bob" in heard.text
    assert "opened it first" not in heard.text  # alice was there before him


def test_nothing_new_is_no_content(sign_in, event, url):
    client = sign_in("alice")
    stamp = client.get(event.get_absolute_url()).context["stamp"]
    assert client.get(url, {"stamp": stamp, "seen": 0}).status_code == 204
    sign_in("bob").get(event.get_absolute_url())
    assert client.get(url, {"stamp": stamp, "seen": 0}).status_code == 200


def test_a_verdict_is_heard_of(sign_in, event, bob, url):
    client = sign_in("alice")
    page = client.get(event.get_absolute_url())
    actions.give_verdict(event, bob, Judgement("reject", note="no pore here"))
    heard = client.get(url, {"stamp": page.context["stamp"], "seen": page.context["seen"]})
    assert "no pore here" in heard.text
    assert "bob" in heard.text


def test_a_lease_ends_by_itself(sign_in, event, alice, bob, url):
    leases.hold(event, alice)
    assert leases.holder(event, bob).user == alice
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert leases.holder(event, bob) is None
    assert "alice" not in sign_in("bob").get(url).text


def test_a_lease_is_written_only_when_its_time_has_gone(event, alice, django_assert_num_queries):
    leases.hold(event, alice)
    with django_assert_num_queries(1):
        leases.hold(event, alice)
    soon = timezone.now() + leases.LEASE - leases.RENEW_AFTER - timedelta(seconds=1)
    Lease.objects.update(expires_at=soon)
    leases.hold(event, alice)
    assert Lease.objects.get().expires_at > soon + leases.RENEW_AFTER


def test_one_s_verdict_gives_it_free(sign_in, event):
    client = sign_in("alice")
    client.get(event.get_absolute_url())
    client.post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"})
    assert not Lease.objects.filter(event=event).exists()


def test_who_only_looks_holds_nothing(sign_in, event, url):
    sign_in("visitor").get(event.get_absolute_url())
    sign_in("visitor").get(url)
    assert not Lease.objects.exists()


def test_the_next_event_is_one_that_nobody_has_open(sign_in, run):
    first, second, third = run.events.order_by("-doubt")
    sign_in("bob").get(second.get_absolute_url())
    response = sign_in("alice").post(reverse("review:give-verdict", args=[first.pk]), {"choice": "accept"})
    assert response.url.startswith(third.get_absolute_url())
