"""The published lineage: machine and settled verdicts, built anew at every settlement."""

import gzip
import json

import pytest
from django.urls import reverse

from poreweb import storage
from poreweb.exports.catalogue import build_catalogue
from poreweb.releases import actions, jobs
from poreweb.releases.chart import chart_of
from poreweb.releases.lineage import published_of, rows_of, settled_json
from poreweb.releases.models import Publication
from poreweb.review.actions import give_verdict, settle
from poreweb.review.judgement import Judgement
from poreweb.review.steps import undo
from poreweb.tracks.models import Feature, Track
from poreweb.work.models import Task
from poreweb.work.tasks import SupersededError

REJECT, ACCEPT, UNSURE = (Judgement(choice) for choice in ("reject", "accept", "unsure"))


@pytest.fixture
def published(run, queues):
    """Its publication as it stands once all that was queued is done."""

    def worked() -> Publication:
        queues.work(times=2)
        return Publication.objects.get(run=run)

    return worked


def machine(run):
    """Feature -> number of the track that the machine put it on."""
    return dict(Feature.objects.filter(segmentation__run=run).values_list("pk", "track__number"))


def read(publication):
    return json.loads(gzip.decompress(storage.read_bytes(publication.path)))


def seen(chart):
    """(T_REC, label) of every pore -> number of its track."""
    return {
        (chart["frames"][track["first"] + k], label): track["n"]
        for track in chart["tracks"]
        for k, label in enumerate(track["labels"])
        if label
    }


# -- What it says --------------------------------------------------------------------------------


def test_with_nothing_settled_it_is_the_machines(run, event, alice):
    give_verdict(event, alice, UNSURE)
    published = published_of(run)
    assert published.track_of == machine(run)
    tracks = list(Track.objects.filter(run=run).values_list("number", "lineage", "n_features"))
    assert [(track.number, track.lineage, len(track.ids)) for track in published.lineage.tracks] == tracks
    assert set(published.lineage.events) == set(rows_of(run).events.values())
    assert settled_json(run) == []


def test_an_accepted_event_changes_nothing(run, event, alice):
    give_verdict(event, alice, ACCEPT)
    assert published_of(run).track_of == machine(run)


def test_a_rejected_merger_parts_the_tracks_and_undo_joins_them(run, event, alice):
    ends = [*event.parents.values_list("pk", flat=True), *event.children.values_list("pk", flat=True)]
    give_verdict(event, alice, REJECT)
    track_of = published_of(run).track_of
    assert len({machine(run)[end] for end in ends}) == 3
    assert len({track_of[end] for end in ends}) == 2  # one parent goes on as the child
    undo(run, alice)
    assert published_of(run).track_of == machine(run)


def test_what_is_no_pore_is_in_no_track(run, event, alice):
    parent = event.parents.first()
    give_verdict(event, alice, Judgement("correct", correction={"add": [], "remove": [], "spurious": [parent.pk]}))
    published = published_of(run)
    assert parent.pk not in published.track_of
    assert published.track_of.keys() == machine(run).keys() - {parent.pk}
    table = build_catalogue(run)
    row = next(row for row in table if (row["frame"], row["label"]) == (parent.segmentation.index + 1, parent.label))
    assert (row["reviewed_track"], row["track"]) == (0, parent.track.number)
    assert sum(table["reviewed_track"] == 0) == 1
    assert table.meta["settled_events"] == 1


def test_what_was_settled_can_be_kept_and_told_again(run, event, alice, lena):
    give_verdict(event, alice, REJECT)
    gap = run.events.filter(kind="gap").first()
    settle(gap, lena, REJECT)
    kept, then = json.loads(json.dumps(settled_json(run))), published_of(run)
    assert [(item["event"], item["choice"], item["by"]) for item in kept] == [
        (event.pk, "reject", "quorum"),
        (gap.pk, "reject", "lena"),
    ]
    (child,) = event.children.select_related("segmentation__frame")
    assert kept[0]["children"] == [[child.pk, child.segmentation.frame.t_rec_s, child.label]]
    undo(run, lena)
    undo(run, alice)
    assert published_of(run) != then
    assert published_of(run, kept) == then


def test_frames_that_are_being_added_are_in_no_track_yet(run, patch):
    run.state = "running"
    run.batches.filter(kind="track").update(last=5)
    assert [segmentation.index for segmentation in rows_of(run).frames] == [0, 1, 2, 3, 4, 5]


# -- The picture ---------------------------------------------------------------------------------


def test_the_chart_tells_every_pore_once(run):
    chart, summary = chart_of(run)
    features = Feature.objects.filter(segmentation__run=run).select_related("segmentation__frame", "track")
    assert seen(chart) == {(item.segmentation.frame.t_rec, item.label): item.track.number for item in features}
    assert (summary["n_tracks"], summary["n_settled"]) == (len(chart["tracks"]), 0)
    track = chart["tracks"][0]
    pore = features.get(segmentation__index=track["first"], label=track["labels"][0])
    assert track["areas"][0] * chart["area_step"] == pytest.approx(pore.area_mm2, abs=0.01)
    assert (track["rows"][0], track["cols"][0]) == (round(pore.row), round(pore.col))
    assert track["polarity"] == (1 if pore.flux_mx > 0 else -1)
    assert chart["x"] == list(range(11))
    assert max(track["lane"] + track["height"] for track in chart["tracks"]) == chart["n_lanes"]
    assert "machine" not in track


def test_links_and_events_know_what_is_settled(run, event, alice):
    chart, _ = chart_of(run)
    parents = sorted(event.parents.values_list("track__number", flat=True))
    (child,) = event.children.values_list("track__number", flat=True)
    told = next(item for item in chart["events"] if item["pk"] == event.pk)
    assert (told["kind"], told["in"], told["out"], told["there"]) == ("merge", parents, [child], True)
    assert (told["state"], told["frame"]) == ("pending", event.index)
    joins = [link for link in chart["links"] if link[1] == child]
    assert [(link[0], link[3], link[4], link[5]) for link in joins] == [
        (parent, event.index, event.pk, False) for parent in parents
    ]
    give_verdict(event, alice, ACCEPT)
    chart, _ = chart_of(run)
    assert {link[5] for link in chart["links"] if link[1] == child} == {True}
    assert next(item for item in chart["events"] if item["pk"] == event.pk)["state"] == "accepted"


def test_a_rejected_event_is_still_told_and_what_comes_of_it_too(run, event, alice):
    give_verdict(event, alice, REJECT)
    chart, _ = chart_of(run)
    told = next(item for item in chart["events"] if item["pk"] == event.pk)
    assert (told["there"], told["state"]) == (False, "rejected")
    brought_about = [item for item in chart["events"] if item["pk"] is None]
    assert {item["of"] for item in brought_about} == {event.pk}
    assert [item["kind"] for item in brought_about] == ["disappear"]  # of the parent that lost its child


def test_events_that_are_one_leave_one_event_and_what_they_absorb(run, event, alice):
    gap = run.events.filter(kind="gap").first()  # of one of the two that merge a frame later
    (lost,) = gap.children.all()
    give_verdict(event, alice, Judgement("correct", joined=(gap.pk,)))
    chart, summary = chart_of(run)
    assert (summary["n_absorbed"], summary["unjoined"]) == (1, {})
    (child,) = event.children.values_list("track__number", flat=True)
    track = next(track for track in chart["tracks"] if track["n"] == child)
    assert track["absorbed"] == [[lost.segmentation.index, lost.label]]
    merges = [(item["pk"], item.get("of"), item["there"]) for item in chart["events"] if item["kind"] == "merge"]
    assert sorted(merges, key=str) == [(event.pk, None, False), (None, event.pk, True)]
    other = run.events.filter(kind="gap").last()
    give_verdict(event, alice, Judgement("correct", joined=(other.pk,)))
    assert chart_of(run)[1]["unjoined"] == {str(event.pk): "these events are not connected through pores between them"}


def test_a_missing_frame_is_a_hole_in_the_time(run):
    run.segmentations.get(index=3).delete()
    chart, _ = chart_of(run)
    assert chart["x"] == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert chart["gaps"] == [[2, 1]]
    assert chart["numbers"] == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]


# -- Building it ---------------------------------------------------------------------------------


def test_every_settlement_builds_it_anew(run, event, alice, published):
    give_verdict(event, alice, REJECT)
    first = published()
    assert (first.state, first.wanted, first.built, first.error) == ("done", 1, 1, "")
    assert sorted(set(seen(read(first)).values())) == sorted(set(published_of(run).track_of.values()))
    undo(run, alice)
    second = published()
    assert (second.wanted, second.built) == (2, 2)
    assert len(set(seen(read(second)).values())) == len(set(machine(run).values()))
    assert not storage.exists(first.path)


def test_an_unsure_verdict_builds_nothing(run, event, alice, published):
    give_verdict(event, alice, UNSURE)
    assert not Publication.objects.exists()


def test_what_is_settled_while_it_waits_is_built_once(run, event, alice, queues):
    give_verdict(event, alice, REJECT)
    give_verdict(run.events.filter(kind="gap").first(), alice, REJECT)
    assert [name for name, _ in queues.commit().jobs] == ["poreweb.releases.jobs.publish"]
    queues.work()
    publication = Publication.objects.get()
    assert (publication.wanted, publication.built) == (2, 2)


def test_what_is_settled_while_it_is_built_is_built_next(run, event, alice, published, monkeypatch):
    gap = run.events.filter(kind="gap").first()
    actual, rounds = jobs.chart_of, []

    def chart_of_and_more(of_run):
        made = actual(of_run)
        rounds.append(made[1]["n_settled"])
        if len(rounds) == 1:
            give_verdict(gap, alice, REJECT)  # comes after the settlements were read
        return made

    monkeypatch.setattr(jobs, "chart_of", chart_of_and_more)
    give_verdict(event, alice, REJECT)
    publication = published()
    assert rounds == [1, 2]
    assert (publication.state, publication.wanted, publication.built) == ("done", 2, 2)
    assert publication.summary["n_settled"] == 2


@pytest.mark.parametrize(
    "where", ["poreweb.releases.jobs.chart_of", "poreweb.storage.write_bytes", "poreweb.work.tasks.finish"]
)
def test_killed_at_any_time_it_is_built_by_the_next_attempt(run, event, alice, queues, killed_in, where):
    give_verdict(event, alice, REJECT)
    queues.commit().jobs.clear()
    pk = Publication.objects.get().pk
    killed_in(where, lambda: jobs.publish(pk))
    Publication.objects.filter(pk=pk).update(attempts=2, state="waiting")  # as the reconciler does
    jobs.publish(pk, attempt=2)
    publication = Publication.objects.get()
    assert (publication.state, publication.built) == ("done", 1)
    assert read(publication)["tracks"]


def test_an_attempt_that_lost_its_task_changes_nothing(run, event, alice, published):
    give_verdict(event, alice, REJECT)
    stands = published()
    late = Publication.objects.get()
    late.attempts -= 1
    with pytest.raises(SupersededError):
        jobs._publish(late)
    assert Publication.objects.get().path == stands.path
    assert read(stands)
    assert list(storage.filesystem().ls(f"lineages/{run.pk}", detail=False)) == [stands.path]


def test_after_a_failure_the_next_settlement_builds_it(run, event, alice, published, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "chart_of", lambda of_run: 1 / 0)
        give_verdict(event, alice, REJECT)
        with pytest.raises(ZeroDivisionError):
            published()
    failed = Publication.objects.get()
    assert (failed.state, failed.path, failed.built) == ("failed", "", 0)
    undo(run, alice)
    assert (published().state, published().built) == ("done", 2)


def test_a_run_that_ends_is_published(start, queues, no_files):
    run = start(work=True)
    publication = Publication.objects.get(run=run)
    assert (publication.state, publication.built) == ("done", 1)
    assert publication.summary["n_tracks"] == run.tracks.count()


# -- The address ---------------------------------------------------------------------------------


def test_before_it_is_built_a_sentence_says_so(as_alice, run, published):
    url = reverse("releases:lineage-json", args=[run.pk])
    response = as_alice.get(url)
    assert (response.status_code, response["Cache-Control"]) == (202, "no-store")
    assert response.json() == {"detail": "The lineage is being built; this takes some seconds."}
    assert as_alice.get(url).status_code == 202  # asked for once
    assert published().wanted == 1
    assert as_alice.get(url).status_code == 200


def test_a_failure_is_told(as_alice, run):
    Publication.objects.create(run=run, state=Task.State.FAILED, error="no space")
    response = as_alice.get(reverse("releases:lineage-json", args=[run.pk]))
    assert (response.status_code, response.json()["detail"]) == (202, "The lineage could not be built: no space")


def test_a_browser_asks_whether_it_has_changed(as_alice, run, event, alice, published):
    actions.want_publication(run)
    publication = published()
    url = reverse("releases:lineage-json", args=[run.pk])
    response = as_alice.get(url)
    assert response["Content-Encoding"] == "gzip"
    assert response.content == storage.read_bytes(publication.path)
    again = as_alice.get(url, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    give_verdict(event, alice, REJECT)
    published()
    changed = as_alice.get(url, headers={"If-None-Match": response["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != response["ETag"]


def test_a_run_without_tracks_has_no_lineage(as_alice, run):
    run.batches.filter(kind="track").delete()
    type(run).objects.update(state="failed")
    assert as_alice.get(reverse("releases:lineage-json", args=[run.pk])).status_code == 404
    assert "has no tracks yet" in as_alice.get(reverse("releases:lineage", args=[run.pk])).text
    assert not Publication.objects.exists()
