"""What a run takes in, and how it is asked for."""

import re
from html import unescape

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from poreweb.observations.models import RawFile
from poreweb.tracks import actions
from poreweb.tracks.models import Run
from processing.errors import ParameterError
from processing.parameters import ChainParameters

pytestmark = pytest.mark.usefixtures("no_files")


def test_it_snapshots_frames_and_batches(patch, start, alice, queues, settings):
    settings.BATCH_FRAMES = 4
    run = start()
    assert (run.number, run.state, run.created_by, run.parent) == (1, "running", alice, None)
    assert list(run.segmentations.values_list("index", "frame")) == list(
        enumerate(patch.frames.values_list("pk", flat=True))
    )
    assert list(run.batches.values_list("kind", "first", "last", "state")) == [
        ("frames", first, last, "waiting") for first, last in ((0, 3), (4, 7), (8, 10))
    ]
    assert [function for function, _ in queues.jobs] == ["poreweb.tracks.jobs.run_batch"] * 3
    assert set(run.batches.values_list("attempts", flat=True)) == {1}
    patch.frames.create(t_rec_s=patch.frames.last().t_rec_s + 720, ny=64, nx=64)
    assert run.segmentations.count() == 11
    assert str(run.log.first()) == f"Run 1 started on 11 frames with code {run.code_version}."


def test_a_patch_without_frames_starts_nothing(team, alice):
    with pytest.raises(ParameterError, match="holds no frame"):
        actions.start_run(team.patches.create(harpnum=1), ChainParameters())
    assert not Run.objects.exists()


def test_numbers_are_unique_within_a_patch(start, patch, team):
    assert [start().number, start().number] == [1, 2]
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(patch=patch, number=2)
    Run.objects.create(patch=team.patches.create(harpnum=1), number=2)


def test_the_input_hash_follows_files_and_parameters(run, frame):
    def hashed(**changes) -> str:
        run.parameters = ChainParameters(**changes).as_dict()
        return actions.input_hash(run)

    first = hashed()
    assert hashed() == first
    assert hashed(threshold=0.6) != first
    RawFile.objects.create(frame=frame, segment="Br", sha256="0" * 64, size=1, name="x", conflict=True)
    RawFile.objects.filter(segment="Bt").update(name="renamed.fits")
    assert hashed() == first
    frame.raw_files.filter(segment="Br", conflict=False).update(sha256="1" * 64)
    changed = hashed()
    assert changed != first
    frame.raw_files.filter(segment="bitmap").delete()  # which no run reads
    assert hashed() == changed
    frame.raw_files.filter(segment="Bt").delete()
    assert hashed() not in (first, changed)


FORM = {
    "limb_darkening": "neckel-labs-6173", "quiet_sun": "histogram", "enhance": "none", "iterations": 5,
    "segmentation": "threshold", "threshold": 0.6, "stara_depth": 0.5, "split": "watershed", "connectivity": 8,
    "min_pixels": 6, "umbra_level": 0.45, "max_gap": 2, "reach_mm": 2,
    "link_bias": 0.5, "opposite_polarity": "free",
}  # fmt: skip


def test_the_form_says_what_the_tracking_numbers_mean(as_alice, run):
    run.parameters = {**run.parameters, "link_bias": -0.5, "opposite_polarity": "free"}
    run.save()
    page = unescape(as_alice.get(run.get_absolute_url()).text)
    for name, words in (
        ("max_gap", "frames; a pore that is lost for longer"),
        ("reach_mm", "Mm per 12 min; the farthest a pore moves"),
        ("link_bias", "log-odds; added to every link"),
        ("opposite_polarity", "whether a link may join pores whose flux differs in sign"),
    ):
        assert f'id="id_{name}_helptext">{words}' in page
        assert f'aria-describedby="id_{name}_helptext"' in page
    assert re.search(r'<input[^>]*name="link_bias"[^>]*value="-0.5"', page)
    assert '<option value="free" selected>linked like any others</option>' in page
    for label, value, unit, default in (
        ("Readiness to link", "-0.5", "log-odds", "0.0"),
        ("Opposite polarities", "linked like any others", "", "never linked"),
    ):  # fmt: skip
        assert f'<td>{label}</td><td>{value}</td><td class="quiet">{unit}</td><td>{default}</td>' in page


def test_a_run_of_before_the_new_numbers_can_be_run_again(as_alice, run):
    del run.parameters["link_bias"], run.parameters["opposite_polarity"]
    run.save()
    page = as_alice.get(run.get_absolute_url()).text
    assert "<td>Readiness to link</td>" not in page
    assert re.search(r'<input[^>]*name="link_bias"[^>]*value="0.0"', page)
    assert (run.chain_parameters.link_bias, run.chain_parameters.opposite_polarity) == (0.0, "never")


def test_a_rerun_knows_its_parent(as_alice, alice, run, queues):
    response = as_alice.post(reverse("tracks:start", args=[run.patch_id]), {**FORM, "parent": run.pk})
    rerun = Run.objects.get(number=2)
    assert response.url == rerun.get_absolute_url()
    assert (rerun.parent, rerun.created_by) == (run, alice)
    assert rerun.parameters == FORM
    assert set(FORM) == set(ChainParameters().as_dict())  # every parameter can be chosen
    assert rerun.input_hash != run.input_hash
    queues.work()
    page = as_alice.get(rerun.get_absolute_url()).text
    assert "<th>Run 1</th>" in page
    assert 'value="0.6"' in page  # the form of the next rerun is filled in
    run.refresh_from_db()
    assert (run.state, run.parameters["threshold"]) == ("done", 0.5)


def test_the_published_network_is_offered_with_its_weights_only(as_alice, patch, run, settings):
    def offered() -> str:
        return as_alice.get(run.get_absolute_url()).text

    assert "published network" not in offered()
    settings.PUBLISHED_WEIGHTS = "/somewhere/intensity_weights.hdf5"
    assert "published network" in offered()


def test_weights_that_cannot_be_read_fail_the_frames_with_the_reason(start, settings):
    settings.PUBLISHED_WEIGHTS = "/nowhere/intensity_weights.hdf5"
    run = start(work=True, enhance="published")
    assert run.state == "failed"
    assert "intensity_weights.hdf5 are no file that is there" in run.error


def test_a_parent_on_another_patch_is_none(as_alice, run, team):
    other = team.patches.create(harpnum=7)
    other.frames.create(t_rec_s=0, ny=64, nx=64)
    as_alice.post(reverse("tracks:start", args=[other.pk]), {**FORM, "parent": run.pk})
    assert other.runs.get().parent is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threshold", "5", "Threshold must be 0.05 to 1, not 5."),
        ("threshold", "nan", "Enter a number."),
        ("threshold", "", "This field is required."),
        ("min_pixels", "0", "Smallest area must be 1 to 100000, not 0."),
        ("min_pixels", "1.5", "Enter a whole number."),
        ("enhance", "magic", "Select a valid choice."),
        ("connectivity", "6", "Select a valid choice."),
        ("reach_mm", "inf", "Enter a number."),
        ("link_bias", "6", "Readiness to link must be -5 to 5, not 6."),
        ("opposite_polarity", "sometimes", "Select a valid choice."),
    ],
)
def test_a_wrong_value_is_a_sentence_by_its_field(as_alice, patch, name, value, words):
    response = as_alice.post(reverse("tracks:start", args=[patch.pk]), {**FORM, name: value})
    errors = response.context["form"].errors
    assert list(errors) == [name]
    (sentence,) = errors[name]
    assert sentence.startswith(words)
    assert response.text.count('class="errorlist"') == 1
    assert not Run.objects.exists()


def test_a_patch_without_frames_is_a_sentence(as_alice, team):
    url = reverse("tracks:start", args=[team.patches.create(harpnum=7).pk])
    assert "HARP 7 holds no frame to process." in as_alice.post(url, FORM).text
