"""A run on a simulated patch against its truth."""

import json
from io import StringIO

import pytest
from django.urls import reverse

from poreweb import storage
from poreweb.tracks.accuracy import (
    accuracy_key,
    accuracy_of,
    has_truth,
    is_scored,
    keep_truth,
    store_accuracy,
    truth_key,
)
from poreweb.tracks.models import Feature
from poreweb.work.management.commands.demo import Command
from processing.errors import FrameError
from processing.synthetic_truth import read_truth


@pytest.fixture
def truth_file(simulated):
    return simulated / "truth.json"


@pytest.fixture
def scored(run, truth_file):
    """The run, compared with its truth."""
    assert keep_truth(run.patch, truth_file)
    store_accuracy(run)
    return run


@pytest.fixture
def page(as_alice, run):
    return lambda: as_alice.get(reverse("tracks:accuracy", args=[run.pk]))


def scores_of(run):
    return dict(accuracy_of(run).scores)


def counts(score):
    return score["n_true"], score["n_found"], score["n_right"]


# ---- Without a truth -----------------------------------------------------------------------


def test_a_patch_without_a_truth_has_no_page_and_no_link(as_alice, run, page):
    assert page().status_code == 404
    assert "Against the truth" not in as_alice.get(run.get_absolute_url()).text
    store_accuracy(run)
    assert not is_scored(run)


def test_a_run_from_before_the_truth_says_so(run, truth_file, page):
    keep_truth(run.patch, truth_file)
    assert "it ended before there was a truth" in page().text
    run.state = "running"
    run.save()
    assert "it is not done yet" in page().text


# ---- The truth of a patch ------------------------------------------------------------------


def test_a_truth_is_kept_once_and_for_ever(patch, truth_file, tmp_path):
    assert not has_truth(patch)
    assert keep_truth(patch, truth_file)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**json.loads(truth_file.read_text()), "frames": []}))
    assert keep_truth(patch, other)
    assert storage.read_bytes(truth_key(patch)) == truth_file.read_bytes()


def test_the_truth_of_another_harp_is_not_kept(team, truth_file):
    other = team.patches.create(harpnum=5)
    assert not keep_truth(other, truth_file)
    assert not has_truth(other)


def test_where_files_are_in_conflict_no_truth_is_kept(patch, truth_file):
    patch.frames.first().raw_files.update(conflict=True)
    assert not keep_truth(patch, truth_file)


def test_what_is_no_truth_is_refused(patch, tmp_path):
    path = tmp_path / "truth.json"
    path.write_text("{}")
    with pytest.raises(FrameError, match="is not a simulation's truth"):
        keep_truth(patch, path)


def test_the_demo_keeps_the_truth_and_scores_runs_from_before(run, simulated, team):
    demo = Command(stdout=StringIO())
    assert demo.ingest(team, simulated) == [run]
    assert has_truth(run.patch)
    demo.score(run)
    assert is_scored(run)


def test_the_demo_goes_on_without_a_truth_it_cannot_read(patch, tmp_path):
    out = StringIO()
    (tmp_path / "truth.json").write_text("[]")
    Command(stdout=out).keep_truth(patch, tmp_path / "truth.json")
    Command(stdout=out).keep_truth(patch, tmp_path / "missing.json")
    assert "is not a simulation's truth" in out.getvalue()
    assert not has_truth(patch)


# ---- Scores --------------------------------------------------------------------------------


def test_tracking_compares_with_the_truth(start, patch, truth_file, no_files):
    keep_truth(patch, truth_file)
    run = start(work=True)
    assert run.state == "done"
    assert counts(scores_of(run)["Merges, up to two frames off"]) == (1, 1, 1)


def test_the_scores_of_the_run(scored, truth_file, page):
    truth = read_truth(truth_file)
    n_true = sum(pore.visible for frame in truth.frames for pore in frame.pores)
    found = scores_of(scored)
    assert found["Detections"]["n_true"] == n_true
    assert found["Detections"]["n_found"] == Feature.objects.count()
    assert found["Detections"]["f1"] > 0.9  # the native grid is not mistaken for the doubled one
    assert counts(found["Merges, up to two frames off"]) == (1, 1, 1)
    assert found["Edges"]["n_found"] == scored.links.count()
    text = page().text
    assert "the simulation has 1 merge and 0 splits" in text
    for words in ("LNK", "HOTA", "IDF1", "Luiten et al. 2021", "Share that is right"):
        assert words in text


def test_a_link_less_is_an_edge_less(scored):
    before = counts(scores_of(scored)["Edges"])
    scored.links.filter(skipped=0).last().delete()
    store_accuracy(scored)
    n_true, n_found, n_right = before
    assert counts(scores_of(scored)["Edges"]) == (n_true, n_found - 1, n_right - 1)


def test_a_missed_merger_links_to_the_viewer(scored, event, page):
    child = event.children.get()
    tracks = sorted(event.parents.values_list("track__number", flat=True))
    child.links_in.all()[1:2].get().delete()
    event.delete()
    store_accuracy(scored)
    assert counts(scores_of(scored)["Merges, in the right frame"])[1:] == (0, 0)
    missed = accuracy_of(scored).branchings[0]
    assert (missed["kind"], missed["verdict"], missed["event_url"]) == ("merge", "missed", None)
    assert sorted(missed["parents"]) == tracks
    t_rec = scored.segmentations.get(index=missed["index"]).frame.t_rec
    assert missed["viewer_url"] == f"/patches/{scored.patch_id}/viewer/?run={scored.pk}&t={t_rec}"
    assert missed["viewer_url"].replace("&", "&amp;") in page().text


def test_a_merger_that_is_none_links_to_its_event(scored, page):
    first, second = scored.links.filter(skipped=0, earlier__segmentation__index=0)[:2]
    scored.links.create(earlier=second.earlier, later=first.later, cost=0, overlap=0, distance_mm=1)
    wrong = scored.events.create(kind="merge", index=1, probability=0.97)
    wrong.parents.set([first.earlier, second.earlier])
    wrong.children.set([first.later])
    right_before = accuracy_of(scored).calibration[-1]["n_right"]
    n_before = accuracy_of(scored).calibration[-1]["n"]
    store_accuracy(scored)
    listed = {item["event_url"]: item["verdict"] for item in accuracy_of(scored).branchings}
    assert listed[wrong.get_absolute_url()] == "wrong"
    assert f'href="{wrong.get_absolute_url()}"' in page().text
    surest = accuracy_of(scored).calibration[-1]
    assert (surest["n"], surest["n_right"]) == (n_before + 1, right_before)


def test_events_without_a_probability_are_in_no_bin(scored):
    scored.events.update(probability=None)
    store_accuracy(scored)
    assert [one["n"] for one in accuracy_of(scored).calibration] == [0, 0, 0, 0]


def test_frames_after_the_simulation_are_left_out(scored):
    n_frames = scored.segmentations.count()
    last = scored.segmentations.get(index=n_frames - 1)
    n_last = last.features.count()
    before = counts(scores_of(scored)["Detections"])
    last.frame.t_rec_s += 720
    last.frame.save()
    store_accuracy(scored)
    after = counts(scores_of(scored)["Detections"])
    assert after[1] == before[1] - n_last
    assert after[0] < before[0]


def test_a_run_on_none_of_the_frames_says_why_it_has_no_scores(scored, page):
    for segmentation in scored.segmentations.select_related("frame"):
        segmentation.frame.t_rec_s += 10**6
        segmentation.frame.save()
    store_accuracy(scored)
    assert "cannot be compared with the truth: none of the run" in page().text


def test_what_another_version_stored_is_not_read(scored, page):
    storage.write_bytes(accuracy_key(scored), b'{"version": 0}')
    assert not is_scored(scored)
    assert "was not compared with the truth" in page().text


# ---- The page ------------------------------------------------------------------------------


def test_the_run_page_links_to_it_once_the_run_is_done(as_alice, scored):
    address = f'href="{reverse("tracks:accuracy", args=[scored.pk])}"'
    assert address in as_alice.get(scored.get_absolute_url()).text
    scored.state = "running"
    scored.save()
    assert address not in as_alice.get(scored.get_absolute_url()).text


def test_who_may_see_it(client, sign_in, scored):
    address = reverse("tracks:accuracy", args=[scored.pk])
    assert sign_in("visitor").get(address).status_code == 200
    assert sign_in("mallory").get(address).status_code == 404
    assert client.get(address).status_code == 302


def test_a_long_list_is_cut(scored, page):
    stored = json.loads(storage.read_bytes(accuracy_key(scored)))
    one = {"kind": "split", "verdict": "wrong", "index": 3, "t_rec": "2013.06.19_00:36:00_TAI", "event": None,
           "parents": [1], "children": [2, 3]}  # fmt: skip
    stored["branchings"] = [one] * 250
    storage.write_bytes(accuracy_key(scored), json.dumps(stored).encode())
    text = page().text
    assert "The first 200 of 250." in text
    assert text.count("1 → 2 + 3") == 200
