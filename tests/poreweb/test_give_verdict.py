"""Judging an event, changing one's mind, taking it back, and what the others see of it."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from poreweb.review.models import ReviewEntry, Verdict
from poreweb.tracks.models import Event


@pytest.fixture
def url(event):
    return reverse("review:give-verdict", args=[event.pk])


@pytest.fixture
def events(run):
    """gap in frame 4, merge in 5, gap in 6; the later, the surer."""
    for event in run.events.all():
        sure = 0.5 + 0.04 * event.index
        Event.objects.filter(pk=event.pk).update(probability=sure, doubt=1 - sure)
    return list(run.events.order_by("index"))


def history(event: Event) -> list[tuple[str, str, str, str]]:
    """Who, from, to, note."""
    return [
        (entry.act.by.username, choice_of(entry.before), choice_of(entry.after), (entry.after or {}).get("note", ""))
        for entry in event.history.all()
    ]


def choice_of(told: dict | None) -> str:
    return told["choice"] if told else ""


@pytest.fixture
def undo(event):
    return reverse("review:undo", args=[event.run_id])


def test_it_is_stored_with_who_and_when(as_alice, alice, event, url):
    began = timezone.now()
    as_alice.post(url, {"choice": "accept", "note": "clear"})
    verdict = Verdict.objects.get()
    assert (verdict.event, verdict.reviewer, verdict.choice, verdict.note) == (event, alice, "accept", "clear")
    assert began <= verdict.given_at <= timezone.now()
    assert history(event) == [("alice", "", "accept", "clear")]


def test_an_event_that_a_job_removes_meanwhile_is_not_found(as_alice, event, url, monkeypatch):
    def removed(*whose) -> None:  # after the view has looked the event up, before it is locked
        Event.objects.filter(pk=event.pk).delete()

    monkeypatch.setattr("poreweb.review.desk_pages.must_write", removed)
    assert as_alice.post(url, {"choice": "accept"}).status_code == 404
    assert not Verdict.objects.exists()
    assert not ReviewEntry.objects.exists()


def test_the_page_says_what_rejecting_does(as_alice, event):
    def words() -> str:
        return re.search(r"Rejecting [^<]*", as_alice.get(event.get_absolute_url()).text)[0]

    numbers = sorted(str(feature.track.number) for feature in event.parents.all())
    said = words()
    assert sorted(re.findall(r"(\d+) →", said)) == numbers
    event.run.links.filter(earlier__in=event.parents.all(), later__in=event.children.all()).first().delete()
    assert words() == "Rejecting cuts nothing: no more than one link is left."


def test_no_machine_row_is_touched(as_alice, event, url, run, everything):
    def of_machine() -> list[dict]:
        return [row for row in everything() if not row["model"].startswith(("review.", "releases."))]

    before = of_machine()
    as_alice.post(url, {"choice": "reject"})
    assert of_machine() == before


def test_a_change_of_mind_is_added_to_the_history(as_alice, event, url):
    as_alice.post(url, {"choice": "accept", "note": "clear"})
    first = ReviewEntry.objects.values().get()
    as_alice.post(url, {"choice": "unsure"})
    assert Verdict.objects.get().choice == "unsure"
    assert history(event) == [("alice", "", "accept", "clear"), ("alice", "accept", "unsure", "")]
    assert ReviewEntry.objects.values().first() == first


def test_it_can_be_taken_back(as_alice, event, url, undo):
    as_alice.post(url, {"choice": "reject"})
    response = as_alice.post(undo)
    assert response.url == event.get_absolute_url()
    assert not Verdict.objects.exists()
    assert history(event)[-1] == ("alice", "reject", "", "")
    as_alice.post(undo)  # nothing left to take back
    assert ReviewEntry.objects.count() == 2


def test_only_one_s_own_is_taken_back(sign_in, event, url, undo):
    sign_in("alice").post(url, {"choice": "reject"})
    response = sign_in("bob").post(undo, {"event": event.pk}, follow=True)
    assert "There is nothing of yours to be taken back in this run." in response.text
    assert Verdict.objects.get().reviewer.username == "alice"
    assert len(history(event)) == 1


def test_it_goes_on_to_the_next_that_waits(as_alice, sign_in, events):
    first, second, third = events

    def judge(event: Event) -> str:
        return as_alice.post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"}).url

    assert judge(second) == f"{third.get_absolute_url()}?judged={second.pk}"
    assert judge(third) == f"{first.get_absolute_url()}?judged={third.pk}"
    assert judge(first) == f"/runs/{first.run_id}/events/?judged={first.pk}"


def test_the_filter_stays_while_judging(as_alice, run, events):
    gap = run.events.create(kind="gap", index=7)
    gap.parents.set(events[0].parents.all())
    gap.children.set(events[0].children.all())
    first = events[0]
    response = as_alice.post(f"{reverse('review:give-verdict', args=[first.pk])}?kind=merge", {"choice": "unsure"})
    assert "kind=merge" in response.url
    page = as_alice.get(response.url)
    assert gap not in (page.context["next"], page.context["previous"], page.context["next_pending"])


def test_births_and_deaths_are_not_asked_for(as_alice, run, events):
    birth = run.events.create(kind="appear", index=5)
    birth.children.set(events[1].children.all())
    for event in events:
        response = as_alice.post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"})
    assert response.url.startswith(f"/runs/{run.pk}/events/")
    assert "appears" in as_alice.get(birth.get_absolute_url()).text


def test_the_next_page_offers_to_undo(as_alice, sign_in, events, url):
    after = as_alice.post(url, {"choice": "accept"}).url
    page = as_alice.get(after).text
    assert "Merge in frame 6:" in page
    assert f'action="/runs/{events[0].run_id}/undo/' in page
    assert "Merge in frame 6:" not in sign_in("bob").get(after).text
    for asked in ("x", "99999", ""):
        assert as_alice.get(f"{events[2].get_absolute_url()}?judged={asked}").status_code == 200


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"choice": "maybe"}, "Select a valid choice. maybe is not one of the available choices."),
        ({}, "This field is required."),
        ({"choice": "accept", "note": "x" * 2001}, "Ensure this value has at most 2000 characters (it has 2001)."),
    ],
    ids=["unknown", "none", "too long"],
)
def test_a_wrong_form_is_a_sentence_and_stores_nothing(as_alice, event, url, form, words):
    response = as_alice.post(url, form)
    assert response.status_code == 200
    assert words in response.text
    assert form.get("note", "") in response.text  # what was typed is kept
    assert not Verdict.objects.exists()
    assert not ReviewEntry.objects.exists()


def test_the_page_shows_who_and_when(as_alice, event, url):
    assert "Nobody has judged this event yet." in as_alice.get(event.get_absolute_url()).text
    as_alice.post(url, {"choice": "accept", "note": "<b>clear</b>"})
    at = Verdict.objects.get().given_at
    page = as_alice.get(event.get_absolute_url()).text
    assert f"alice, {at:%-d %b %Y, %H:%M} UTC" in page
    history = " ".join(re.sub(r"<[^>]+>", "", page[page.index('id="history"') :]).split())
    assert f"{at:%-d %b %Y, %H:%M:%S} UTC · alice: none → accepted" in history
    assert "event pending → accepted" in history
    assert "“&lt;b&gt;clear&lt;/b&gt;”" in history
    assert 'value="accept" data-key="a" aria-pressed="true"' in page
    listed = as_alice.get(f"/runs/{event.run_id}/events/").text
    assert f"alice, {at:%-d %b %Y, %H:%M} UTC" in listed


def test_the_page_shows_what_the_machine_says(as_alice, event):
    page = as_alice.get(event.get_absolute_url()).text
    parents = [str(feature.track.number) for feature in event.parents.order_by("pk")]
    (child,) = event.children.all()
    assert f"Tracks {' and '.join(parents)} become track {child.track.number}: area " in page
    assert page.count("<canvas data-filmstrip") == 6
    links = page[page.index('<h2 id="links">') : page.index('<h2 id="alternatives">')]
    assert links.count("<td>track ") == 4  # two links, two ends each


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", ["gap", "merge", "gap"]),
        ("?kind=gap", ["gap", "gap"]),
        ("?kind=appear", ["appear"]),
        ("?kind=split", []),
        ("?state=accepted", ["merge"]),
        ("?state=pending", ["gap", "gap"]),
        ("?state=pending&kind=merge", []),
        ("?kind=nonsense&state=nonsense&page=x", ["gap", "merge", "gap"]),
    ],
)
def test_the_list_is_filtered_by_its_address(as_alice, run, events, url, query, kinds):
    run.events.create(kind="appear", index=7)
    as_alice.post(url, {"choice": "accept"})
    response = as_alice.get(f"/runs/{run.pk}/events/{query}")
    assert [item.kind for item in response.context["page"]] == kinds
    assert "1 of 3 judged" in response.text
    assert ("No event fits these filters" in response.text) is (not kinds)


def test_a_long_list_has_pages_that_keep_the_filter(as_alice, run):
    Event.objects.bulk_create(Event(run=run, kind="split", index=3) for _ in range(60))
    first = as_alice.get(f"/runs/{run.pk}/events/?kind=split")
    assert len(first.context["page"].object_list) == 50
    assert "?page=2&amp;kind=split" in first.text
    assert len(as_alice.get(f"/runs/{run.pk}/events/?kind=split&page=2").context["page"].object_list) == 10
