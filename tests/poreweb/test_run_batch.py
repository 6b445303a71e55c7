"""The work of a run: in any order, more than once, with workers that die and frames that fail."""

import random
from collections.abc import Iterable
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from django.db import transaction

from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.tracks import actions, archive, jobs, rows
from poreweb.tracks.models import Batch, Feature, Link, Run
from poreweb.work.tasks import SupersededError
from processing.certainty import Certainty
from processing.lineage import build_lineage
from processing.track import DetectedFrame, Linked
from processing.track import Link as LinkOf

pytestmark = pytest.mark.usefixtures("no_files")

SURE = Certainty(1.0, "", nan, inf, "")


def test_batches_in_any_order_and_twice_give_the_same(run, start, queues, settings, outcome):
    settings.BATCH_FRAMES = 3
    other = start()
    random.Random(1).shuffle(queues.jobs)
    queues.work(times=2)
    other.refresh_from_db()
    assert (other.state, other.error) == ("done", "")
    assert other.batches.count() == 5
    assert outcome(other) == outcome(run)
    assert other.input_hash == run.input_hash
    assert other.exports.count() == 3


def test_batches_that_lost_their_worker_are_done_again(run, monkeypatch, outcome):
    before, n_links = outcome(run), run.links.count()
    run.batches.update(state="running")
    run.segmentations.update(state="waiting")
    Run.objects.update(state="running")
    for batch in run.batches.all():
        jobs.run_batch(batch.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert (outcome(run), run.links.count()) == (before, n_links)
    assert run.exports.count() == 3  # those that stand


@pytest.mark.parametrize("where", ["archive.write_maps", "actions.store_frame_result"])
def test_killed_in_a_frame_it_goes_on_from_there(start, run, queues, killed_in, where, outcome):
    other = start()
    killed_in(f"poreweb.tracks.{where}", lambda: jobs.run_batch(queues.jobs[0][1]), calls=2)
    assert other.batches.first().state == "running"
    assert other.segmentations.filter(state="done").count() == 2
    queues.work()
    other.refresh_from_db()
    assert other.state == "done"
    assert outcome(other) == outcome(run)


def test_killed_in_the_joining_step_it_joins_again(start, run, queues, killed_in, outcome):
    other = start()
    killed_in("poreweb.tracks.rows._save_ends", queues.work)
    assert not other.tracks.exists()
    jobs.run_batch(other.batches.get(kind="track").pk)
    assert outcome(other) == outcome(run)


def linked_of(run: Run) -> Linked:
    rejected = run.alternatives.values_list(
        "earlier_id", "later_id", "cost", "overlap", "distance_mm", "skipped", "probability"
    )
    return Linked(rows.links_of(run), [LinkOf(*row) for row in rejected])


def certainties_of(run: Run) -> list[Certainty]:
    found = run.events.order_by("pk").values_list(
        "probability", "runner_up", "runner_up_probability", "margin", "reasons"
    )
    return [Certainty(*(nan if value is None else value for value in row)) for row in found]


def test_storing_a_lineage_again_replaces_it(run, outcome):
    before = outcome(run)
    kept = run.links.values_list("earlier", "later", "cost")
    (nodes, indices), linked = rows.nodes_of(run), linked_of(run)
    lineage = build_lineage(nodes, linked.links, n_frames=len(indices))
    certainties = certainties_of(run)
    edges = set(kept)
    batch = run.batches.get(kind="track")
    Batch.objects.filter(pk=batch.pk).update(state="running")
    for _ in range(2):
        actions.store_lineage(batch, linked, lineage, certainties, frame_indices=indices, nodes=nodes)
    assert outcome(run) == before
    assert set(kept.all()) == edges
    numbers = list(run.tracks.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    for track in run.tracks.all():
        indices = [feature.segmentation.index for feature in track.features.order_by("segmentation__index")]
        assert (indices[0], indices[-1], len(indices)) == (track.first_index, track.last_index, track.n_features)


def test_what_was_weighed_is_kept(run):
    """Links with probability, those not chosen, and each event's certainty; what is not finite is not known."""
    (nodes, indices), links = rows.nodes_of(run), rows.links_of(run)
    lineage = build_lineage(nodes, links, n_frames=len(indices))
    chosen = {(link.earlier, link.later) for link in links}
    other = next(
        LinkOf(a.id, b.id, 3.5, 0.25, 1.75, b.frame - a.frame - 1, 0.03)
        for a in nodes for b in nodes if a.frame < b.frame and (a.id, b.id) not in chosen
    )  # fmt: skip
    certainties = [Certainty(0.75, "they stay apart", 0.125, 1.5, "The fluxes fit.")] * len(lineage.events)
    certainties[-1] = Certainty(1.0, "", nan, inf, "")
    batch = run.batches.get(kind="track")
    Batch.objects.filter(pk=batch.pk).update(state="running")
    linked = Linked([replace(link, probability=0.875) for link in links], [other])
    actions.store_lineage(batch, linked, lineage, certainties, frame_indices=indices, nodes=nodes)
    assert set(run.links.values_list("probability", flat=True)) == {0.875}
    assert rows.links_of(run) == linked.links
    (kept,) = run.alternatives.values()
    assert kept == {
        "id": kept["id"], "run_id": run.pk, "earlier_id": other.earlier, "later_id": other.later, "cost": 3.5,
        "overlap": 0.25, "distance_mm": 1.75, "skipped": other.skipped, "probability": 0.03,
    }  # fmt: skip
    columns = ("probability", "runner_up", "runner_up_probability", "margin", "reasons")
    *first, last = run.events.order_by("pk").values_list(*columns)
    assert set(first) == {(0.75, "they stay apart", 0.125, 1.5, "The fluxes fit.")}
    assert last == (1.0, "", None, None, "")


def test_the_tracker_is_told_what_is_known(run):
    features = Feature.objects.filter(segmentation__run=run)
    unknown = features.filter(segmentation__index=0).first()
    features.filter(pk=unknown.pk).update(flux_mx=None)
    nodes = {node.id: node for node in rows.nodes_of(run)[0]}
    n_seen = 0
    for frame in rows.detected_frames(run):
        assert frame.ids.dtype == np.int64
        for k, pk in enumerate(frame.ids.tolist()):
            feature, n_seen = features.get(pk=pk), n_seen + 1
            flux = nan if pk == unknown.pk else feature.flux_mx
            given = (frame.row[k], frame.col[k], frame.area_px[k], frame.intensity[k], frame.flux[k])
            expected = (feature.row, feature.col, feature.area_px, feature.intensity_mean, flux)
            np.testing.assert_array_equal(given, expected)
            np.testing.assert_array_equal((nodes[pk].area, nodes[pk].flux), (feature.area_mm2, flux))
    assert n_seen == len(nodes) == features.count()


def test_a_frame_without_features_is_given_as_one(run):
    run.segmentations.get(index=3).features.all().delete()
    frame = list(rows.detected_frames(run))[3]
    assert [column.shape for column in (frame.ids, frame.row, frame.intensity, frame.flux)] == [(0,)] * 4


def test_the_tracker_is_told_what_was_chosen(start, monkeypatch):
    told = {}

    def link_series(frames: Iterable[DetectedFrame], **options: Any) -> Linked:
        told.update(options)
        return Linked([], [])

    monkeypatch.setattr(jobs, "link_series", link_series)
    monkeypatch.setattr(jobs, "weigh_events", lambda lineage, nodes, linked: [SURE] * len(lineage.events))
    start(work=True, max_gap=2, reach_mm=0.8, link_bias=-1.5, opposite_polarity="free")
    del told["pixel_side_mm"]
    assert told.pop("cadence_s") == 720
    assert told == {"max_gap": 2, "reach_mm": 0.8, "link_bias": -1.5, "opposite_polarity": "free"}


def test_only_links_of_the_run_are_made(run):
    for link in Link.objects.select_related("earlier__segmentation", "later__segmentation"):
        assert link.earlier.segmentation.run_id == link.later.segmentation.run_id == run.pk
        assert link.earlier.segmentation.index < link.later.segmentation.index


def test_maps_are_kept_to_the_step(run):
    contrast, codes = archive.read_contrast(run, 0), archive.read_contrast_codes(run, 0)
    assert contrast.shape == (64, 64)
    assert abs(contrast - (codes - 1.0) * 1e-4).max() < 1e-6
    assert archive.read_labels(run, 0).max() == run.segmentations.get(index=0).n_features


def test_a_frame_that_cannot_be_processed_is_listed(patch, start, as_alice, lose_continuum):
    lose_continuum(5)
    run = start(work=True)
    assert run.state == "done"
    failed = run.segmentations.get(state="failed")
    assert (failed.index, failed.reason) == (5, "continuum is missing at 2013.06.19_01:00:00_TAI")
    page = as_alice.get(run.get_absolute_url()).text
    assert "continuum is missing at 2013.06.19_01:00:00_TAI" in page
    assert "10 of 11 frames measured, 1 failed" in page
    assert max(link.skipped for link in run.links.all()) < 4


def test_too_many_failed_frames_fail_the_run(patch, start, as_alice, lose_continuum):
    lose_continuum(0, 4, 9)
    run = start(work=True)
    words = "3 of 11 frames failed; the first one because continuum is missing at 2013.06.19_00:00:00_TAI."
    assert (run.state, run.error) == ("failed", words)
    assert not run.batches.filter(kind="track").exists()
    assert not run.exports.exists()
    assert words in as_alice.get(run.get_absolute_url()).text


def test_a_frame_without_a_field_is_measured(patch, start):
    patch.frames.first().raw_files.filter(segment="Bt").delete()
    run = start(work=True)
    feature = run.segmentations.get(index=0).features.first()
    assert run.state == "done"
    assert feature.area_mm2 > 0
    assert (feature.by_g, feature.b_g) == (None, None)


def test_a_bug_fails_the_run_with_its_name(start, queues, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(jobs, "process_segmentation", broken)
    run = start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            queues.work()
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "reduce to measure failed: ZeroDivisionError: oops")


def test_nothing_dark_is_a_result(start):
    run = start(work=True, threshold=0.05)
    assert (run.state, run.tracks.count(), run.events.count()) == ("done", 0, 0)
    assert set(run.exports.values_list("state", flat=True)) == {"done"}


def test_a_worker_that_comes_back_too_late_changes_nothing(run, event, alice, outcome):
    """Its machine slept while another did its work, and people have judged since."""
    give_verdict(event, alice, Judgement("accept"))
    before = outcome(run)
    late = run.batches.get(kind="track")  # as the sleeper remembers it
    with pytest.raises(SupersededError), transaction.atomic():
        jobs.track_run(late)
    frames = run.batches.filter(kind="frames").first()
    segmentation = run.segmentations.get(index=0)
    with pytest.raises(SupersededError), transaction.atomic():
        jobs.process_segmentation(frames, segmentation, 11)
    assert outcome(run) == before
    assert event.verdicts.count() == event.history.count() == 1


def test_an_attempt_that_was_queued_again_is_not_begun(start, queues):
    run = start()
    batch = run.batches.first()
    Batch.objects.filter(pk=batch.pk).update(attempts=5)
    jobs.run_batch(batch.pk, attempt=4)
    assert not run.segmentations.filter(state="done").exists()
    jobs.run_batch(batch.pk, attempt=5)
    assert run.segmentations.filter(state="done").exists()
