"""Adding the frames that came after a run was done: what was settled stays, to the row."""

from collections.abc import Callable
from itertools import product

import pytest
from django.db.models import Model
from django.urls import reverse

from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.review.actions import give_verdict
from poreweb.review.judgement import Judgement
from poreweb.review.steps import undo
from poreweb.tracks import actions, archive, extension, jobs, rows
from poreweb.tracks.changes import keep_lineages
from poreweb.tracks.models import Batch, Event, Feature, Run
from poreweb.tracks.progress import progress_of
from poreweb.work.tasks import SupersededError
from processing.errors import ParameterError
from processing.lineage import TrackOf
from tests.poreweb import growing
from tests.poreweb.growing import N_KNOWN, OPEN_FROM, found, go_on, odd_event, pairs, published

pytestmark = pytest.mark.usefixtures("no_files")


# -- A patch whose frames are those of a simulation, three of them still to come ---------------------


@pytest.fixture
def hide(patch: Patch) -> Callable[..., Callable[[], None]]:
    """Take frames away; what is returned brings them back."""

    def hidden(*indices: int) -> Callable[[], None]:
        frames = [list(patch.frames.order_by("t_rec_s"))[index] for index in indices]
        files = list(RawFile.objects.filter(frame__in=frames))
        Frame.objects.filter(pk__in=[frame.pk for frame in frames]).delete()

        def bring_back() -> None:
            Frame.objects.bulk_create(frames)
            RawFile.objects.bulk_create(files)

        return bring_back

    return hidden


@pytest.fixture
def grown(hide, start) -> Run:
    """A run on the first eight of the patch's frames; three more have come since."""
    bring_back = hide(8, 9, 10)
    run = start(work=True)
    bring_back()
    return run


def add(run: Run) -> str:
    return reverse("tracks:extend", args=[run.pk])


def chunks(run: Run, folder) -> dict[str, tuple[bytes, int]]:
    """What is stored of its maps: content and time of writing."""
    files = (folder / archive.run_folder(run)).glob("*.zarr/c/*/0/0")
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files if "statistics" not in str(path)}


def test_new_frames_are_offered_and_added(as_alice, alice, grown, patch, start, queues, storage_folder, outcome):
    for page in (grown.get_absolute_url(), patch.get_absolute_url()):
        assert "Add 3 new frames" in as_alice.get(page).text
    before, features, old_hash = chunks(grown, storage_folder), set(Feature.objects.values_list("pk")), grown.input_hash
    assert len(before) == 16

    assert as_alice.post(add(grown)).url == grown.get_absolute_url()
    grown.refresh_from_db()
    assert (grown.state, grown.finished_at) == ("running", None)
    progress = progress_of(grown)
    assert progress.sentence.startswith("8 of 11 frames measured, about ")
    assert [(stage.n_done, stage.n_all, stage.state) for stage in progress.stages[-1:]] == [(8, 8, "waiting")]
    page = as_alice.get(grown.get_absolute_url()).text
    assert "Open the viewer" in page  # what there is can be looked at meanwhile
    assert "new frame" not in page
    queues.work(times=2)

    grown.refresh_from_db()
    assert (grown.state, progress_of(grown).percent) == ("done", 100)
    assert list(grown.segmentations.values_list("index", "frame__t_rec_s", "state")) == [
        (index, t_rec_s, "done") for index, t_rec_s in enumerate(patch.frames.values_list("t_rec_s", flat=True))
    ]
    after = chunks(grown, storage_folder)
    assert len(after) == 22
    assert {name: after[name] for name in before} == before
    assert features < set(Feature.objects.values_list("pk"))
    assert archive.statistics_size(grown).n_frames == 11
    assert len(grown.sparkline.split()) == 11
    assert list(grown.batches.values_list("kind", "first", "last")) == [
        ("frames", 0, 7), ("track", 0, 7), ("frames", 8, 10), ("track", 8, 10)
    ]  # fmt: skip

    whole = start(work=True)
    links = len(rows.links_of(whole))
    assert outcome(grown)[1][-links:] == outcome(whole)[1][-links:]
    assert grown.input_hash not in (old_hash, whole.input_hash)
    (added,) = grown.extensions
    assert (added["first"], added["n_frames"], added["by"]) == (8, 3, "alice")
    page = as_alice.get(grown.get_absolute_url()).text
    assert "3 frames added from frame 9 on with code" in page
    assert "3 frames added with code" in page  # in the log
    assert as_alice.get(f"{patch.get_absolute_url()}viewer/?run={grown.pk}").status_code == 200


def test_only_members_who_write_may(sign_in, grown, everything):
    before = everything()
    assert sign_in("visitor").post(add(grown)).status_code == 403
    assert sign_in("mallory").post(add(grown)).status_code == 404
    assert sign_in("alice").get(add(grown)).status_code == 405
    assert everything() == before
    for page in (grown, grown.patch):
        assert "new frame" not in sign_in("visitor").get(page.get_absolute_url()).text


@pytest.mark.parametrize(
    ("steps", "changes", "words"),
    [
        ([], {}, "HARP 99001 has no frame that run 1 does not hold"),
        ([11], {"state": "running"}, "Run 1 of HARP 99001 is running; frames can be added when it is done"),
        ([11], {"state": "failed"}, "Run 1 of HARP 99001 is failed; frames can be added when it is done"),
        ([-1, 11], {}, "1 of the 2 new frames of HARP 99001 lies before the last one of run 1; make a new run"),
    ],
    ids=["nothing new", "running", "failed", "earlier"],
)
def test_what_cannot_be_added_is_a_sentence(as_alice, run, everything, steps, changes, words):
    first = run.patch.frames.first().t_rec_s
    for step in steps:
        run.patch.frames.create(t_rec_s=first + 720 * step, ny=64, nx=64)
    Run.objects.update(**changes)
    before = everything()
    page = as_alice.post(add(run), follow=True).text
    assert words in page
    assert "Add 1 new" not in page
    assert everything() == before


def test_a_run_of_an_earlier_tracker_is_left_alone(run):
    run.patch.frames.create(t_rec_s=run.patch.frames.last().t_rec_s + 720, ny=64, nx=64)
    run.links.update(probability=None)
    with pytest.raises(ParameterError, match="links have no probability; make a new run"):
        actions.extend_run(run)


def test_frames_that_fail_leave_all_as_it_was(run, queues, as_alice):
    before, (last,) = found(run), run.patch.frames.order_by("-t_rec_s")[:1]
    run.patch.frames.create(t_rec_s=last.t_rec_s + 720, ny=64, nx=64)
    as_alice.post(add(run))
    queues.work(times=2)
    run.refresh_from_db()
    assert (run.state, found(run)) == ("done", before)
    page = as_alice.get(run.get_absolute_url()).text
    assert "No new frame was measured" in page
    assert "11 of 12 frames measured, 1 failed" in page

    for step in (2, 3, 4):
        run.patch.frames.create(t_rec_s=last.t_rec_s + 720 * step, ny=64, nx=64)
    as_alice.post(add(run))
    queues.work()
    as_alice.post(reverse("tracks:retry", args=[run.pk]))
    assert list(run.segmentations.filter(state="waiting").values_list("index", flat=True)) == [12, 13, 14]
    queues.work()
    run.refresh_from_db()
    assert (run.state, found(run)) == ("failed", before)
    assert "Open the viewer" in as_alice.get(run.get_absolute_url()).text


def test_cancelled_and_continued_it_goes_on(grown, queues, as_alice, monkeypatch):
    tracks = list(grown.tracks.values("pk", "number", "first_index"))
    as_alice.post(add(grown))
    queues.commit()
    as_alice.post(reverse("tracks:cancel", args=[grown.pk]))
    queues.work()
    assert grown.segmentations.filter(state="waiting").count() == 3
    as_alice.post(reverse("tracks:retry", args=[grown.pk]))
    monkeypatch.delattr(jobs, "link_series")  # it is not begun anew
    queues.work()
    grown.refresh_from_db()
    assert (grown.state, grown.segmentations.filter(state="done").count()) == ("done", 11)
    assert [row for row in grown.tracks.values("pk", "number", "first_index") if row in tracks] == tracks


# -- A longer series, of which only the end is solved again ------------------------------------------

kept, live, series = growing.kept, growing.live, growing.series


def values(model: type[Model], keys: set[int]) -> list[dict]:
    """Rows by key, without the lineage, which may be joined to another."""
    rows_of = model._default_manager.filter(pk__in=keys).order_by("pk").values()
    return [{name: value for name, value in row.items() if name != "lineage"} for row in rows_of]


def test_settled_rows_keep_their_keys_and_numbers(live, queues):
    far = OPEN_FROM - 5  # no link from before reaches what is solved again
    settled = (
        live.links.filter(later__segmentation__index__lt=OPEN_FROM),
        live.alternatives.filter(later__segmentation__index__lt=OPEN_FROM),
        live.tracks.filter(last_index__lt=far),
        live.events.filter(index__lt=far),
    )
    keys = [(queryset.model, set(queryset.values_list("pk", flat=True))) for queryset in settled]
    before = [values(*of_model) for of_model in keys]
    numbers = {first: number for first, number in extension.track_numbers(live).items() if first}
    closed = Feature.objects.filter(segmentation__run=live, segmentation__index__lt=far)
    track_of = dict(closed.values_list("pk", "track_id"))
    old = pairs(live)
    assert min(map(len, before)) > 5

    go_on(live, queues)
    assert [values(*of_model) for of_model in keys] == before
    after = extension.track_numbers(live)
    assert after.pop(extension.NO_FEATURE) == max(after.values())
    assert {first: after[first] for first in numbers if first in after}.items() <= numbers.items()
    assert len(set(after.values())) == len(after)
    assert dict(closed.values_list("pk", "track_id")) == track_of
    assert not Feature.objects.filter(segmentation__run=live, track=None).exists()
    new = Feature.objects.filter(segmentation__run=live, segmentation__index__gte=N_KNOWN)
    assert len({later for _, later in pairs(live) - old} & set(new.values_list("pk", flat=True))) > 0.8 * new.count()
    for track in live.tracks.all():
        indices = list(track.features.order_by("segmentation__index").values_list("segmentation__index", flat=True))
        assert (indices[0], indices[-1], len(indices)) == (track.first_index, track.last_index, track.n_features)


def test_it_finds_what_a_new_run_finds(live, queues):
    go_on(live, queues)
    options = {"pixel_side_mm": jobs.pixel_side_mm(live, rows.processed(live)[0]), "reach_mm": 50}
    whole = jobs.link_series(rows.detected_frames(live), **options)
    expected = {(link.earlier, link.later) for link in whole.links}
    assert len(expected ^ pairs(live)) <= 0.01 * len(expected)


def test_done_again_it_leaves_the_same_rows(live, queues):
    go_on(live, queues, times=2)
    before = found(live)
    batch = live.batches.get(kind="track", first=N_KNOWN)
    with pytest.raises(SupersededError):
        jobs.track_run(batch)
    Run.objects.filter(pk=live.pk).update(state="running")
    Batch.objects.filter(pk=batch.pk).update(state="running")
    jobs.run_batch(batch.pk)
    assert found(live) == before


@pytest.mark.parametrize("where", ["_change_links", "_change_tracks", "_remove_unless_used"])
def test_killed_in_the_joining_step_it_loses_nothing(live, queues, killed_in, where, alice):
    give_verdict(live.events.filter(kind="merge").last(), alice, Judgement("accept"))
    before = found(live)[:4]
    actions.extend_run(live)
    killed_in(f"poreweb.tracks.changes.{where}", queues.work)
    assert found(live)[:4] == before
    jobs.run_batch(live.batches.get(kind="track", first=N_KNOWN).pk)
    live.refresh_from_db()
    assert live.state == "done"
    assert found(live)[:4] != before
    assert alice.verdicts.count() == 1


def test_what_people_settled_holds(live, queues, alice):
    asked = list(live.events.filter(kind__in=("merge", "split", "gap"), index__gte=OPEN_FROM))
    assert len(asked) > 4
    accepted, rejected = asked[::2], asked[1::2]
    for events, choice in ((accepted, "accept"), (rejected, "reject")):
        for event in events:
            give_verdict(event, alice, Judgement(choice))
    settled = extension.settled_links(live)
    of_the_machine = settled.keys() & pairs(live)
    weighed = dict(live.links.values_list("pk", "probability"))
    verdicts = set(alice.verdicts.values_list("pk", "event_id", "choice"))
    assert {True, False} == set(settled.values())
    *_, last_but_one, last = live.patch.frames.order_by("t_rec_s")
    Frame.objects.filter(pk__in=[last_but_one.pk, last.pk]).delete()
    for more in ([], [last_but_one, last]):  # what is settled holds when frames are added once more
        Frame.objects.bulk_create(more)
        go_on(live, queues)
        assert {pair for pair, taken in settled.items() if taken} <= published(live)
        assert not {pair for pair, taken in settled.items() if not taken} & published(live)
        assert settled.keys() & pairs(live) == of_the_machine
        assert set(alice.verdicts.values_list("pk", "event_id", "choice")) == verdicts
    accepted_links = [pair for pair, taken in settled.items() if taken]
    for link in live.links.filter(pk__in=weighed):
        if (link.earlier_id, link.later_id) in accepted_links:
            assert link.probability == weighed[link.pk]  # as sure as the machine was, not as people are


def test_a_judged_event_that_is_not_found_stays(live, queues, alice):
    judged, undone, plain = (odd_event(live) for _ in range(3))
    judged.parents.set(list(judged.parents.all())[:1])
    judged.children.set(Feature.objects.filter(segmentation__index=N_KNOWN - 2, segmentation__run=live)[:1])
    give_verdict(judged, alice, Judgement("unsure"))
    Event.objects.filter(pk=undone.pk).update(kind="split")
    give_verdict(undone, alice, Judgement("accept", note="clear"))
    undo(undone.run, alice)
    go_on(live, queues)
    assert set(live.events.filter(pk__in=[judged.pk, undone.pk, plain.pk])) == {judged, undone}
    assert judged.verdicts.get().choice == "unsure"
    assert undone.history.count() == 2
    lines = [line.text for line in live.log.all() if "not found any more" in line.text]
    assert [line.partition(" is ")[0] for line in lines] == [
        f"Merge in frame {N_KNOWN - 1}",
        f"Split in frame {N_KNOWN - 1}",
    ]


def test_an_accepted_event_is_found_whatever_the_machine_thinks(live, queues, alice):
    event = odd_event(live)
    give_verdict(event, alice, Judgement("accept"))
    ends = [[feature.pk for feature in side.all()] for side in (event.parents, event.children)]
    drawn = set(product(*ends)) - pairs(live)
    assert drawn
    go_on(live, queues)
    assert set(product(*ends)) <= published(live)
    assert not drawn & pairs(live)  # the machine's own answer is another
    assert live.events.filter(pk=event.pk).exists()
    undo(live, alice)
    assert not drawn & published(live)


def test_no_number_is_given_twice(live, queues):
    live.extensions = [{"first": 0, "n_frames": 0, "at": "2026-01-01T00:00:00+00:00", "highest_track": 5000}]
    live.save()
    before = set(live.tracks.values_list("number", flat=True))
    go_on(live, queues)
    new = set(live.tracks.values_list("number", flat=True)) - before
    assert new
    assert min(new) == 5001
    assert live.extensions[-1]["highest_track"] == 5000


@pytest.mark.parametrize(
    ("parts", "before", "expected"),
    [
        ({1: 1, 2: 2, 3: 3}, {1: 1, 2: 2, 3: 3}, {1: 1, 2: 2, 3: 3}),
        ({1: 1, 2: 1, 3: 2}, {1: 1, 2: 2, 3: 3}, {1: 1, 2: 1, 3: 3}),
        ({1: 1, 2: 2, 3: 3}, {1: 1, 2: 1, 3: 2}, {1: 1, 2: 3, 3: 2}),
        ({1: 1, 2: 2, 9: 2, 10: 3}, {1: 4, 2: 7}, {1: 4, 2: 7, 9: 7, 10: 8}),
    ],
    ids=["as it was", "joined", "parted", "new"],
)
def test_lineages_keep_their_numbers(parts, before, expected):
    tracks = [TrackOf(number, part, (number,)) for number, part in parts.items()]
    for _ in range(2):
        kept = keep_lineages(tracks, before)
        assert {track.number: track.lineage for track in kept} == expected
        before = expected  # done again, it is the same
