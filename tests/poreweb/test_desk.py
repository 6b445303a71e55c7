"""The desk of one event: what it shows, what it asks of the database, and what a reviewer can send from it."""

import json
import re

import pytest
from django.urls import reverse

from poreweb.people.models import Preferences
from poreweb.review.desk import context as desk
from poreweb.review.desk import links as desk_links
from poreweb.review.desk.frames import layer_addresses
from poreweb.review.desk.window import window_of
from poreweb.review.templatetags.desk import key, told
from poreweb.tracks.models import Alternative, Event, Feature, Link, Segmentation


@pytest.fixture
def url(event) -> str:
    return event.get_absolute_url()


def page_data(page: str) -> dict:
    (found,) = re.findall(r'<script id="desk-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def shown(page: str) -> list[int]:
    return [int(index) for index in re.findall(r'<li data-index="(\d+)"', page)]


# -- What is shown -----------------------------------------------------------------------------------


def test_three_frames_before_and_three_from_the_event_on(as_alice, event, url):
    assert shown(as_alice.get(url).text) == list(range(event.index - 3, event.index + 3))


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(1, 1, (4, 5)), (2, 4, (3, 8)), (20, 20, (0, 10)), (0, 99, (4, 10))]
)
def test_more_frames_as_far_as_there_are(event, before, after, expected):
    strip = desk.desk_context(event, before=before, after=after)["strip"]
    indices = [item.frame.index for item in strip.frames]
    assert indices == list(range(expected[0], expected[1] + 1))


def test_a_gap_shows_where_the_pore_was_seen_before(run):
    for gap in run.events.filter(kind="gap"):
        strip = desk.desk_context(gap, before=1, after=1)["strip"]
        assert strip.frames[0].frame.index == gap.parents.get().segmentation.index
        assert strip.frames[-1].frame.index == gap.index


def test_a_frame_that_failed_and_one_that_is_not_held_say_so(as_alice, run, event, url):
    failed = run.segmentations.get(index=event.index - 2)
    Segmentation.objects.filter(pk=failed.pk).update(state="failed", reason="continuum is missing")
    for later in run.segmentations.filter(index__gt=event.index).order_by("-index"):  # no two at one time
        later.frame.t_rec_s += 2 * 720
        later.frame.save()
    page = as_alice.get(url).text
    assert "2 T_REC not held" in page
    assert page.count("T_REC not held") == 1
    told_of = {frame["index"]: frame for frame in page_data(page)["frames"]}
    assert told_of[failed.index]["reason"] == "continuum is missing"
    assert told_of[event.index + 1]["missing"] == 2
    assert sum(bool(frame["reason"]) for frame in told_of.values()) == 1


def test_the_scripts_know_every_pore_of_the_frames_shown(as_alice, run, event, url):
    data = page_data(as_alice.get(url).text)
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["pores"]]
    expected = Feature.objects.filter(
        segmentation__run=run, segmentation__index__range=(event.index - 3, event.index + 2)
    )
    assert {row["id"] for row in rows} == set(expected.values_list("pk", flat=True))
    own = {feature.pk for feature in (*event.parents.all(), *event.children.all())}
    assert {int(pk) for pk in data["roles"]["pores"]} == own
    known = {row["id"] for row in rows}
    of_shown = [pair for pair in run.links.values_list("earlier_id", "later_id") if set(pair) <= known]
    assert {tuple(pair) for pair in data["links"]} >= set(of_shown)
    for row in rows:
        feature = Feature.objects.get(pk=row["id"])
        assert (row["label"], row["track"]) == (feature.label, feature.track.number)
        assert row["radius"] == pytest.approx((feature.area_px / 3.14159265) ** 0.5, abs=0.01)


def test_maps_can_be_fetched_from_the_addresses_given(as_alice, event, url):
    data = page_data(as_alice.get(url).text)
    frame = next(frame for frame in data["frames"] if frame["index"] == event.index)
    for layer in (*(layer["key"] for layer in data["layers"]), "labels"):
        address = data["layer_url"].replace("{id}", str(frame["id"])).replace("{layer}", layer)
        assert as_alice.get(address).status_code == 200
    assert as_alice.get(data["features_url"].replace("{id}", str(frame["id"]))).json()["features"]


def test_the_next_events_maps_are_named_so_that_they_can_be_fetched_ahead(as_alice, event, url):
    page = as_alice.get(url)
    following = page.context["next"]
    (ahead,) = re.findall(r'data-ahead="([^"]*)"', page.text)
    assert ahead.replace("&amp;", "&").split() == layer_addresses(following)
    assert len(layer_addresses(following)) == 12
    assert all(as_alice.get(address).status_code == 200 for address in layer_addresses(following)[:2])


def test_a_viewer_sees_no_way_to_judge(sign_in, url):
    page = sign_in("visitor").get(url).text
    assert "You may look, but not judge" in page
    for part in ('name="choice"', 'id="correction"', "data-choice"):
        assert part not in page


def test_only_a_lead_can_settle(sign_in, event, url):
    address = reverse("review:settle", args=[event.pk])
    assert address not in sign_in("alice").get(url).text
    assert f'formaction="{address}"' in sign_in("lena").get(url).text


def test_keys_are_the_readers_own(as_alice, alice, url):
    assert 'value="accept" data-key="a"' in as_alice.get(url).text
    Preferences.objects.create(user=alice, keys={"accept": "q", "redo": "shift+z"})
    page = as_alice.get(url).text
    assert 'value="accept" data-key="q"' in page
    assert 'data-key="shift+z"' in page
    assert "<kbd>Q</kbd>" in page


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a", "<kbd>A</kbd>"),
        ("shift+u", "<kbd>Shift</kbd> <kbd>U</kbd>"),
        ("+", "<kbd>+</kbd>"),
        ("?", "<kbd>?</kbd>"),
        ("", ""),
        ("<", "<kbd>&lt;</kbd>"),
    ],
)
def test_a_key_is_shown_as_it_is_pressed(name, shown):
    assert key(name) == shown


# -- What is sent, and sent back ---------------------------------------------------------------------


@pytest.fixture
def correction(event) -> dict:
    parent, child = event.parents.first(), event.children.get()
    return {"add": [], "remove": [[parent.pk, child.pk]], "spurious": []}


def test_a_correction_is_stored_and_shown_again(as_alice, alice, event, url, correction):
    form = {"choice": "correct", "correction": json.dumps(correction), "joined": "[]", "version": "0"}
    assert as_alice.post(reverse("review:give-verdict", args=[event.pk]), form).status_code == 302
    verdict = event.verdicts.get(reviewer=alice)
    assert verdict.correction["remove"] == correction["remove"]
    page = as_alice.get(url).text
    assert "corrected: 1 link cut" in page
    (field,) = re.findall(r'<input type="hidden" name="correction" value="([^"]*)">', page)
    assert json.loads(field.replace("&quot;", '"'))["remove"] == correction["remove"]


def test_an_impossible_correction_comes_back_as_it_was(as_alice, event, correction):
    child = event.children.get().pk
    correction["add"] = [[child, correction["remove"][0][0]]]  # back in time
    form = {"choice": "correct", "correction": json.dumps(correction), "joined": "[]", "note": "<b>kept</b>"}
    page = as_alice.post(reverse("review:give-verdict", args=[event.pk]), form).text
    assert 'class="errorlist' in page
    assert "data-sent-back" in page
    assert "&lt;b&gt;kept&lt;/b&gt;</textarea>" in page
    assert f"[[{child}, " in page.replace("&quot;", '"')
    assert not event.verdicts.exists()


def test_a_stale_save_shows_the_difference_and_can_be_sent_anyway(as_alice, sign_in, alice, event, url, correction):
    (version,) = set(re.findall(r'name="version" value="(\d+)"', as_alice.get(url).text))
    address = reverse("review:give-verdict", args=[event.pk])
    sign_in("bob").post(address, {"choice": "reject", "note": "two pores"})
    form = {
        "choice": "correct",
        "correction": json.dumps(correction),
        "joined": "[]",
        "note": "mine",
        "version": version,
    }
    page = as_alice.post(address, form).text
    (conflict,) = re.findall(r'<section class="notice warning conflict".*?</section>', page, re.DOTALL)
    for words in ("bob", "rejected", "corrected: 1 link cut", 'name="anyway" value="1"'):
        assert words in conflict
    sent_again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', conflict))
    sent_again = {name: value.replace("&quot;", '"') for name, value in sent_again.items()}
    assert as_alice.post(address, {**sent_again, "anyway": "1"}).status_code == 302
    verdict = event.verdicts.get(reviewer=alice)
    assert (verdict.choice, verdict.note) == ("correct", "mine")
    assert verdict.correction["remove"] == correction["remove"]


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (None, "none"),
        ({"choice": "accept"}, "accepted"),
        ({"choice": "unsure"}, "unsure"),
        ({"choice": "correct"}, "corrected"),
        ({"choice": "correct", "correction": {"add": [[1, 2], [2, 3]], "spurious": [4]}, "joined": [7]},
         "corrected: 2 links added, 1 pore spurious, 1 event joined"),
    ],
)  # fmt: skip
def test_a_judgement_in_words(judged, words):
    assert told(judged) == words


def test_blind_reviewers_are_told_no_state_of_other_events(as_alice, sign_in, team, run, event, url):
    team.is_blind, team.quorum = True, 2
    team.save()
    other = run.events.exclude(pk=event.pk).filter(kind="gap").first()
    sign_in("bob").post(reverse("review:give-verdict", args=[other.pk]), {"choice": "reject"})
    assert all(mark.state in ("", "pending") for mark in desk.desk_context(event, viewer=None)["lineage"].marks)
    page = as_alice.get(url).text
    assert "state-rejected" not in page
    assert "bob" not in page


# -- Alternatives and nearby events ------------------------------------------------------------------


@pytest.fixture
def alternatives(run, event) -> list[Alternative]:
    """From the cheaper parent to a pore of the next frame; from another pore to the child."""
    run.alternatives.all().delete()
    cheap = run.links.filter(earlier__in=event.parents.all(), later__in=event.children.all()).order_by("cost").first()
    after = Feature.objects.filter(segmentation__run=run, segmentation__index=event.index + 1).first()
    own = event.parents.values_list("pk", flat=True)
    before = (
        Feature.objects.filter(segmentation__run=run, segmentation__index=event.index - 2).exclude(pk__in=own).first()
    )
    pairs = [(cheap.earlier, after, 2.5), (before, event.children.get(), 3.5)]
    return [
        Alternative.objects.create(run=run, earlier=one, later=other, cost=cost, overlap=0.2, distance_mm=1, skipped=1)
        for one, other, cost in pairs
    ]


def test_an_alternative_replaces_the_link_it_competes_with(as_alice, event, url, alternatives):
    links = desk_links.event_links(event)
    choices = desk.desk_context(event)["choices"]
    assert [choice.link for choice in choices] == alternatives
    assert [choice.key for choice in choices] == [1, 2]
    assert choices[0].replaces == links[0]  # the same earlier pore
    assert choices[1].replaces == links[-1]  # both share its later pore: the dearer one
    assert [choice.minutes for choice in choices] == [24, 24]
    page = as_alice.get(url).text
    assert page_data(page)["choices"][0] == {
        "add": [alternatives[0].earlier_id, alternatives[0].later_id],
        "remove": [links[0].earlier_id, links[0].later_id],
    }
    assert page.count("data-choice=") == 2
    assert page.count('<canvas class="crop"') == 4
    assert {alternatives[1].earlier_id, alternatives[0].later_id} <= {row[0] for row in page_data(page)["pores"]}


def test_what_competes_with_nothing_replaces_nothing(event):
    other = Link(earlier_id=-1, later_id=-2, cost=1)
    assert desk_links.replaced_by(other, desk_links.event_links(event)) is None


def test_only_nine_alternatives_have_a_key(event):
    window_ = window_of(event)
    feature = event.children.get()
    many = [Alternative(earlier=event.parents.first(), later=feature, cost=k) for k in range(12)]
    assert [choice.key for choice in desk_links.choices_of(many, [], window_)] == [*range(1, 10), None, None, None]


def nearby(event: Event) -> list[Event]:
    return [item.event for item in desk_links.nearby_events(event, window_of(event))]


def test_events_on_the_same_tracks_are_nearby(run, event):
    child = event.children.get()
    later = Feature.objects.get(segmentation__run=run, segmentation__index=event.index + 2, track=child.track)
    split = run.events.create(kind="split", index=event.index + 2)
    split.parents.set([child])
    split.children.set([later])
    far = run.events.create(kind="gap", index=event.index + 4)
    far.parents.set([child])
    far.children.set([later])
    assert split in nearby(event)
    assert far not in nearby(event)
    assert event in nearby(split)
    Feature.objects.filter(pk__in=[child.pk, later.pk]).update(row=900)  # on one track however far
    assert split in nearby(Event.objects.get(pk=event.pk))


def test_pores_far_apart_are_not_nearby(run, event):
    parent = event.parents.first()
    feature = Feature.objects.get(pk=parent.pk)
    feature.pk, feature.track, feature.label, feature.row = None, None, 99, parent.row + 60
    feature.save()
    other = run.events.create(kind="disappear", index=event.index)
    other.parents.set([feature])
    assert other not in nearby(event)
    Feature.objects.filter(pk=feature.pk).update(row=parent.row + 2)
    assert other in nearby(event)


# -- Speed -------------------------------------------------------------------------------------------

MOST_QUERIES = 20


def lengthen(run, times: int) -> None:
    """Many more frames with pores and links after the last, as rows only."""
    last = run.segmentations.order_by("-index").first()
    pattern = list(last.features.all())
    before = pattern
    for step in range(1, times + 1):
        frame = last.frame
        frame.pk, frame.t_rec_s = None, frame.t_rec_s + 720
        frame.save(force_insert=True)
        item = Segmentation.objects.create(run=run, frame=frame, index=last.index + step, state="done")
        now = []
        for feature in pattern:
            values = {
                field.attname: getattr(feature, field.attname) for field in Feature._meta.fields if field.name != "id"
            }
            now.append(Feature.objects.create(**{**values, "segmentation_id": item.pk}))
        Link.objects.bulk_create(
            Link(run=run, earlier=one, later=other, cost=-5, overlap=1, distance_mm=0.1)
            for one, other in zip(before, now, strict=True)
        )
        before = now


def test_a_longer_run_costs_no_more_queries(event, run, django_assert_num_queries, django_assert_max_num_queries):
    def again() -> Event:
        return Event.objects.select_related("run__patch").get(pk=event.pk)

    with django_assert_max_num_queries(MOST_QUERIES) as few:
        desk.desk_context(again())
    lengthen(run, 60)
    with django_assert_num_queries(len(few)):
        desk.desk_context(again())


def test_nothing_far_from_the_event_is_read(event, run):
    lengthen(run, 60)
    around = window_of(event)
    assert max(around.frames) == event.index + 20
    assert {item.index for item in around.pores.values()} <= set(around.frames)
    assert max(around.pores[edge.later].index for edge in around.edges) == event.index + 20
