"""The photometry of a run, on its page."""

import math

import pytest

from poreweb.tracks.photometry import photometry_of


def test_the_run_page_shows_levels_and_the_limb_darkening(as_alice, run):
    photometry = photometry_of(run)
    levels = list(run.segmentations.filter(state="done").values_list("quiet_sun", flat=True))
    assert photometry.n_frames == len(levels) > 5
    assert photometry.levels_figure["data"][0]["y"] == levels
    assert 0 < photometry.scatter <= photometry.largest_jump < 2  # per cent
    page = as_alice.get(run.get_absolute_url()).text
    assert f"Quiet Sun {photometry.mean:,.0f} DN/s" in page
    assert f"{min(levels):,.0f} to {max(levels):,.0f}" in page
    assert 'id="quiet-sun-levels"' in page


def test_the_level_after_sharpening_is_kept(run):
    for before, after in run.segmentations.filter(state="done").values_list("quiet_sun", "quiet_sun_enhanced"):
        assert abs(after / before - 1) < 0.01


def test_the_curve_is_compared_with_the_law_where_it_spans_enough_of_mu(as_alice, run):
    photometry = photometry_of(run)
    page = as_alice.get(run.get_absolute_url()).text
    if photometry.fit is None:
        assert "spans too little of mu" in page
    wide = run.segmentations.filter(state="done").first()
    mu = [0.01 + 0.02 * k for k in range(50)]
    wide.quiet_curve = {"edges": [0.02 * k for k in range(51)], "n": [500] * 50, "mu": mu,
                        "intensity": [50_000 * (0.3 + 0.7 * value) for value in mu]}  # fmt: skip
    wide.save()
    run.segmentations.exclude(pk=wide.pk).update(quiet_curve=None)
    photometry = photometry_of(run)
    assert len(photometry.bins) == 50
    assert photometry.from_law > 1
    page = as_alice.get(run.get_absolute_url()).text
    assert 'id="limb-darkening"' in page
    assert "Pierce &amp; Slaughter 1977, Sol. Phys. 51, 25" in page
    names = [trace["name"] for trace in photometry.law_figure["data"]]
    assert names[:3] == ["measured", "Pierce & Slaughter 1977, 6206 \u00c5", "fit"]


def test_a_run_without_a_measured_frame_has_none(as_alice, start):
    run = start()
    assert photometry_of(run) is None
    assert "data-figure" not in as_alice.get(run.get_absolute_url()).text


def test_a_run_from_before_the_curves_still_shows_its_levels(as_alice, run):
    run.segmentations.update(quiet_curve=None, quiet_sun_enhanced=None)
    assert photometry_of(run).fit is None
    assert 'id="quiet-sun-levels"' in as_alice.get(run.get_absolute_url()).text


def test_steps_and_lines_end_where_slots_are_missing(as_alice, run):
    frames = [item.frame for item in run.segmentations.select_related("frame")]
    for index, item in enumerate(run.segmentations.order_by("index")):
        item.quiet_sun = 50_000 * (1 + 0.001 * (index % 2)) + (10_000 if index >= 6 else 0)
        item.save()
    for frame in frames[6:]:
        frame.t_rec_s += 10 * 720
        frame.save()
    photometry = photometry_of(run)
    # the 20 % between frame 6 and frame 7, two hours later, are no step
    assert photometry.largest_jump == pytest.approx(0.1, rel=0.01)
    assert photometry.scatter == pytest.approx(math.sqrt((5 * 0.1**2 + 4 * (0.1 * 5 / 6) ** 2) / 9), rel=0.01)
    assert (photometry.lowest, photometry.highest) == pytest.approx((50_000, 60_050))
    curve = photometry.levels_figure["data"][0]
    assert len(curve["x"]) == len(curve["y"]) == 12
    assert [index for index, level in enumerate(curve["y"]) if level is None] == [6]
    assert curve["x"] == sorted(curve["x"])
    page = as_alice.get(run.get_absolute_url()).text
    assert "it changes by 0.09 % rms, 0.10 % at most" in page


def test_frames_far_apart_have_no_scatter(as_alice, run):
    for index, item in enumerate(run.segmentations.select_related("frame").order_by("-index")):
        item.frame.t_rec_s += 720 * (100 - index)
        item.frame.save()
    photometry = photometry_of(run)
    assert (photometry.scatter, photometry.largest_jump) == (None, None)
    assert "rms, " not in as_alice.get(run.get_absolute_url()).text


def test_one_frame_is_no_curve(as_alice, run):
    run.segmentations.filter(index__gt=0).delete()
    assert photometry_of(run).levels_figure is None
    page = as_alice.get(run.get_absolute_url()).text
    assert "DN/s at disk centre in one frame." in page
    assert 'id="quiet-sun-levels"' not in page


def test_no_correction_is_said_as_such(as_alice, run):
    run.parameters["limb_darkening"] = "none"
    run.save()
    wide = run.segmentations.filter(state="done").first()
    mu = [0.51 + 0.02 * k for k in range(25)]
    wide.quiet_curve = {"edges": [0.5 + 0.02 * k for k in range(26)], "n": [500] * 25, "mu": mu,
                        "intensity": [50_000 * (0.3 + 0.7 * value) for value in mu]}  # fmt: skip
    wide.save()
    run.segmentations.exclude(pk=wide.pk).update(quiet_curve=None)
    page = as_alice.get(run.get_absolute_url()).text
    assert "No limb darkening was divided out." in page
    assert f"departs from a flat one by {photometry_of(run).from_law:.2f} % rms" in page


def test_a_run_that_goes_on_says_that_more_comes(as_alice, run, start):
    assert "Load the page again" not in as_alice.get(run.get_absolute_url()).text
    run.state = "running"
    run.save()
    assert "Load the page again" in as_alice.get(run.get_absolute_url()).text
    page = as_alice.get(start().get_absolute_url()).text
    assert "load the page again</a> when there are some" in page
