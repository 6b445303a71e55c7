"""One verdict on many events: what a filter lists, and a whole track."""

import pytest
from django.urls import reverse

from poreweb.review.models import Act, Settlement, Verdict
from poreweb.review.strip import strip_png
from poreweb.tracks.models import Event


@pytest.fixture
def url(run):
    return reverse("review:judge-all", args=[run.pk])


@pytest.fixture
def gaps(run):
    return list(run.events.filter(kind="gap"))


def test_all_that_is_listed_is_judged_in_one_act(as_alice, run, gaps, url):
    page = as_alice.get(f"/runs/{run.pk}/events/?kind=gap")
    assert page.context["n_waiting"] == len(gaps) == 2
    response = as_alice.post(f"{url}?kind=gap", {"choice": "accept", "n": 2, "note": "clear flicker"}, follow=True)
    assert "Accepted 2 events (kind gap); undo takes it back in one step." in response.text
    assert {verdict.event for verdict in Verdict.objects.all()} == set(gaps)
    assert Verdict.objects.first().note == "clear flicker"
    act = Act.objects.get()
    assert (act.kind, act.entries.count()) == ("bulk", 2)


def test_gaps_of_one_frame_that_are_sure_enough(as_alice, gaps, url):
    Event.objects.filter(pk=gaps[0].pk).update(probability=0.95)
    Event.objects.filter(pk=gaps[1].pk).update(probability=0.8)
    frame = gaps[0].index + 1
    assert gaps[1].index + 1 != frame
    as_alice.post(f"{url}?kind=gap&over=0.9&frame={frame}", {"choice": "accept", "n": 1})
    assert Verdict.objects.get().event == gaps[0]


def test_what_has_changed_meanwhile_judges_nothing(as_alice, gaps, url):
    response = as_alice.post(f"{url}?kind=gap", {"choice": "accept", "n": 3}, follow=True)
    assert "Nothing was judged: 2 events wait here now, not 3." in response.text
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("choice", ["correct", "", "maybe"])
def test_not_every_verdict_fits_many(as_alice, url, choice):
    response = as_alice.post(url, {"choice": choice, "n": 3}, follow=True)
    assert "is not a verdict that many events can have at once." in response.text
    assert not Verdict.objects.exists()


def test_what_one_has_judged_is_left_alone(as_alice, gaps, url):
    as_alice.post(reverse("review:give-verdict", args=[gaps[0].pk]), {"choice": "reject"})
    as_alice.post(f"{url}?kind=gap", {"choice": "accept", "n": 1})
    assert dict(Verdict.objects.values_list("event", "choice")) == {gaps[0].pk: "reject", gaps[1].pk: "accept"}


def test_a_track_is_judged_in_one_act(as_alice, event):
    track = event.children.get().track
    address = reverse("review:track", args=[event.run_id, track.number])
    assert f"Track {track.number}" in as_alice.get(address).text
    as_alice.post(f"{address}judge/", {"choice": "accept"})
    judged = set(Verdict.objects.values_list("event", flat=True))
    on_it = set(track.features.values_list("pk", flat=True))
    for other in event.run.events.all():
        touches = on_it & {feature.pk for feature in (*other.parents.all(), *other.children.all())}
        assert (other.pk in judged) == bool(touches)
    assert Act.objects.get().kind == "track"


def test_a_track_that_is_no_pore(as_alice, event):
    track = event.parents.first().track
    as_alice.post(reverse("review:judge-track", args=[event.run_id, track.number]), {"choice": "spurious"})
    (settled,) = Settlement.objects.all()
    assert settled.choice == "correct"
    assert set(settled.correction["spurious"]) == set(track.features.values_list("pk", flat=True))


def test_two_tracks_with_one_first_event_are_both_no_pores(as_alice, event):
    tracks = [feature.track for feature in event.parents.all()]
    assert len(tracks) == 2
    for track in tracks:
        Event.objects.filter(parents__track=track).exclude(pk=event.pk).delete()
        as_alice.post(reverse("review:judge-track", args=[event.run_id, track.number]), {"choice": "spurious"})
    pores = {pk for track in tracks for pk in track.features.values_list("pk", flat=True)}
    assert set(Settlement.objects.get().correction["spurious"]) == pores


def test_one_s_own_word_on_the_first_event_is_not_overwritten(as_alice, event):
    track = event.parents.first().track
    Event.objects.filter(parents__track=track).exclude(pk=event.pk).delete()
    as_alice.post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"})
    url = reverse("review:judge-track", args=[event.run_id, track.number])
    assert "you have accepted its first event" in as_alice.post(url, {"choice": "spurious"}, follow=True).text
    assert Verdict.objects.get().choice == "accept"


def test_a_lead_s_own_verdict_on_what_is_disputed_stays(sign_in, event, url):
    sign_in("alice").post(reverse("review:give-verdict", args=[event.pk]), {"choice": "accept"})
    sign_in("lena").post(reverse("review:give-verdict", args=[event.pk]), {"choice": "reject"})
    sign_in("lena").post(f"{url}?kind=merge", {"choice": "accept", "n": 1})
    assert event.verdicts.get(reviewer__username="lena").choice == "reject"


def test_too_many_at_once_are_refused(as_alice, run, url, monkeypatch):
    monkeypatch.setattr("poreweb.review.many.MOST_AT_ONCE", 2)
    response = as_alice.post(url, {"choice": "accept", "n": 3}, follow=True)
    assert "Nothing was judged: at most 2 events can be judged at once, not 3." in response.text
    assert not Verdict.objects.exists()


def test_an_event_that_goes_meanwhile_is_said(as_alice, event, url, monkeypatch):
    def gone(*_) -> None:
        raise Event.DoesNotExist

    monkeypatch.setattr("poreweb.review.actions.lock", gone)
    track = event.parents.first().track
    for address, form in (
        (url, {"choice": "accept", "n": 3}),
        (reverse("review:judge-track", args=[event.run_id, track.number]), {"choice": "accept"}),
    ):
        assert "an event has just gone" in as_alice.post(address, form, follow=True).text


@pytest.mark.parametrize("note", ["a\0b", "x" * 3000])
def test_a_note_that_cannot_be_kept_is_refused(as_alice, url, note):
    response = as_alice.post(url, {"choice": "accept", "n": 3, "note": note}, follow=True)
    assert "Nothing was judged: the note" in response.text
    assert not Verdict.objects.exists()


def test_an_unknown_track_is_not_found(as_alice, run):
    assert as_alice.get(reverse("review:track", args=[run.pk, 999])).status_code == 404


def test_the_strip_is_a_picture(as_alice, event):
    response = as_alice.get(reverse("review:strip", args=[event.pk]))
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response.content.startswith(b"\x89PNG")


def test_a_pore_that_disappears_is_shown_before_and_as_it_is_seen_last(run, monkeypatch):
    death = run.events.create(kind="disappear", index=4)
    death.parents.set(run.segmentations.get(index=4).features.all()[:1])
    shown = []
    monkeypatch.setattr("poreweb.review.strip._crop", lambda event, index, *_: shown.append(index))
    strip_png(death)
    assert shown == [3, 4, 5]


def test_without_its_pores_there_is_no_strip(as_alice, event):
    event.parents.clear()
    event.children.clear()
    response = as_alice.get(reverse("review:strip", args=[event.pk]))
    assert response.status_code == 404
    assert "the event has no pore any more" in response.text


def test_the_queue_goes_over_all_patches_and_the_newest_run_of_each(as_alice, run, start, no_files):
    assert as_alice.get("/queue/").context["page"].paginator.count == 3
    newer = start(work=True)
    listed = as_alice.get("/queue/").context["page"]
    assert {event.run_id for event in listed} == {newer.pk}
    of_old = as_alice.get(f"/queue/?run={run.pk}").context["page"]
    assert {event.run_id for event in of_old} == {run.pk}
    assert as_alice.get(f"/queue/?patch={run.patch_id + 1}").context["page"].paginator.count == 0


def test_the_desk_stays_in_the_queue_that_it_came_from(as_alice, run):
    event = next(iter(as_alice.get("/queue/").context["page"]))
    response = as_alice.post(f"/events/{event.pk}/verdict/?scope=all", {"choice": "accept"})
    assert "scope=all" in response.url
