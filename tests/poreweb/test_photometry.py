"""The photometry of a run, on its page."""

from poreweb.tracks.photometry import photometry_of


def test_the_run_page_shows_levels_and_the_limb_darkening(as_alice, run):
    photometry = photometry_of(run)
    levels = list(run.segmentations.filter(state="done").values_list("quiet_sun", flat=True))
    assert photometry.n_frames == len(levels) > 5
    assert photometry.levels_figure["data"][0]["y"] == levels
    assert 0 < photometry.scatter <= photometry.largest_jump < 2  # per cent
    page = as_alice.get(run.get_absolute_url()).text
    assert f"Quiet Sun {photometry.mean:.0f} DN/s" in page
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
    assert "Pierce &amp; Slaughter 1977" in page


def test_a_run_without_a_measured_frame_has_none(as_alice, start):
    run = start()
    assert photometry_of(run) is None
    assert "Photometry" not in as_alice.get(run.get_absolute_url()).text


def test_a_run_from_before_the_curves_still_shows_its_levels(as_alice, run):
    run.segmentations.update(quiet_curve=None, quiet_sun_enhanced=None)
    assert photometry_of(run).fit is None
    assert 'id="quiet-sun-levels"' in as_alice.get(run.get_absolute_url()).text
