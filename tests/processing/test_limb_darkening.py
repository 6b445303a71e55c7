"""Laws of limb darkening against each other, and a quiet-Sun curve on Suns whose law is known and on real ones."""

import json

import numpy as np
import pytest

from processing.errors import FrameError, ParameterError
from processing.geometry import CeaGeometry
from processing.limb_darkening import (
    DEFAULT_LIMB_DARKENING,
    LIMB_DARKENING,
    PIERCE_SLAUGHTER_6206,
    QuietCurve,
    fit_limb_darkening,
    grown,
    join_curves,
    law_named,
    limb_darkening,
    quiet_curve,
)
from processing.reduce import flatten
from tests.real_data import RECORDS, needs_real_data, real_frame

SHAPE = (80, 300)
LEVEL = 57_600.0
MU = np.linspace(0.3, 1, 50)
CORRECTIONS = [name for name in LIMB_DARKENING if name != "none"]
each_law = pytest.mark.parametrize("name", CORRECTIONS)


def patch_at(away: float) -> CeaGeometry:
    """A patch that many degrees west of the central meridian."""
    return CeaGeometry(
        crpix1=150.5, crpix2=40.5, crval1=210 + away, crval2=11, cdelt1=0.05, cdelt2=0.03,
        crln_obs=210, crlt_obs=1.7, dsun_obs=1.52e11,
    )  # fmt: skip


def observed(law: str, away: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Continuum in DN/s with granulation, pores and faculae under that law; and its mu."""
    rng = np.random.default_rng(seed)
    mu = patch_at(away).mu_map(SHAPE)
    continuum = LEVEL * LIMB_DARKENING[law].at(mu) * rng.normal(1, 0.027, SHAPE)
    continuum[20:30, 40:60] *= 0.5
    continuum[18:20, 40:60] *= 0.95  # the blurred edge
    continuum[50:60, 100:120] *= 1.2
    continuum[0, :5] = np.nan
    return continuum, mu


def curve_of(law: str, away: float, *, seed: int = 0) -> QuietCurve:
    """The curve of one such frame, flattened by the default law."""
    continuum, mu = observed(law, away, seed=seed)
    return quiet_curve(continuum, mu, flatten(continuum, patch_at(away)).contrast)


def test_disk_centre_is_not_darkened():
    assert limb_darkening(np.array(1.0)) == pytest.approx(1, abs=1e-3)
    assert limb_darkening(np.array(1.0)) == pytest.approx(sum(PIERCE_SLAUGHTER_6206))


@pytest.mark.parametrize(
    ("mu", "expected"),  # the polynomial worked out by hand
    [(0.0, 0.32519), (0.2, 0.531332), (0.5, 0.741309), (0.8, 0.907311)],
)
def test_known_limb_darkening(mu, expected):
    assert limb_darkening(np.array(mu)) == pytest.approx(expected, abs=1e-6)


@each_law
def test_limb_darkening_grows_towards_the_centre(name):
    law = LIMB_DARKENING[name]
    assert (np.diff(law.at(np.linspace(0.05, 1, 200))) > 0).all()
    assert np.isnan(law.at(np.array(np.nan)))
    np.testing.assert_allclose(law.at(MU), np.polynomial.polynomial.polyval(MU, law.coefficients), rtol=1e-13)


@each_law
def test_the_laws_are_those_of_the_sun(name):
    """Hestroffer & Magnan 1998 (A&A 333, 338): one power of mu for all wavelengths, fitted out to 0.9 of the radius."""
    law = LIMB_DARKENING[name]
    assert sum(law.coefficients) == pytest.approx(1, abs=2e-3)
    assert law.wavelength_a is not None
    exponent = -0.023 + 0.292 / (law.wavelength_a * 1e-4)
    mu = MU[np.sqrt(1 - MU**2) <= 0.9]
    np.testing.assert_allclose(law.at(mu), mu**exponent, rtol=0.02)
    assert law.at(np.array(0.5)) == pytest.approx(0.74, abs=0.01)
    assert law.source


def test_the_sun_is_less_darkened_in_the_red():
    low, hmi, high = (LIMB_DARKENING[f"neckel-labs-{a}"].at(MU[:-1]) for a in (6110, 6173, 6410))
    assert (low < hmi).mean() > 0.7  # above mu = 0.9 they cross, by less than 1e-3
    assert ((hmi >= np.minimum(low, high)) & (hmi <= np.maximum(low, high))).all()
    np.testing.assert_allclose(hmi, low + (6173.3 - 6109.75) / 299.95 * (high - low), rtol=1e-12)


def test_no_correction_still_needs_a_disk():
    np.testing.assert_array_equal(LIMB_DARKENING["none"].at(np.array([0.3, 1.0, np.nan])), [1, 1, np.nan])


def test_an_unknown_law_is_refused():
    with pytest.raises(ParameterError, match=r"neckel-labs-6173, .* not 'allen'"):
        law_named("allen")


def test_a_mask_grows_by_a_square():
    mask = np.zeros((9, 12), bool)
    mask[0, 5] = mask[6, 11] = True
    expected = np.zeros_like(mask)
    expected[:3, 3:8] = expected[4:9, 9:] = True
    np.testing.assert_array_equal(grown(mask, 2), expected)
    assert mask.sum() == 2


def test_a_curve_is_the_mean_of_the_quiet_pixels():
    mu = np.full((10, 40), 0.7)
    mu[:, 20:] = 0.9
    contrast = np.ones((10, 40))
    contrast[:, :3] = 0.3  # and what lies within three pixels of it
    contrast[0, 30] = 1.3
    contrast[1, 30] = np.nan
    continuum = np.where(mu < 0.8, 100.0, 200.0) * contrast
    continuum[:, 3:6] = 1.0
    continuum[2, 30] = np.nan
    curve = quiet_curve(continuum, mu, contrast, edges=(0.5, 0.6, 0.8, 1.0))
    assert curve.n == [0, 140, 197]
    assert curve.mu == [None, pytest.approx(0.7), pytest.approx(0.9)]
    assert curve.intensity == [None, pytest.approx(100), pytest.approx(200)]


def test_the_last_bin_has_disk_centre():
    ones = np.ones((3, 3))
    assert quiet_curve(ones, ones, ones).n == [0] * 49 + [9]


def test_a_curve_goes_through_json():
    curve = curve_of(DEFAULT_LIMB_DARKENING, 30)
    assert QuietCurve.from_dict(json.loads(json.dumps(curve.as_dict()))) == curve
    assert 0 in curve.n


def test_joined_curves_are_the_curve_of_all_pixels():
    frames = [observed(DEFAULT_LIMB_DARKENING, away, seed=seed) for seed, away in enumerate((10, 12, 50))]
    contrasts = [flatten(frame, patch_at(away)).contrast for (frame, _), away in zip(frames, (10, 12, 50), strict=True)]
    joined = join_curves(quiet_curve(*frame, contrast) for frame, contrast in zip(frames, contrasts, strict=True))
    gap = np.full((4, SHAPE[1]), np.nan)  # so that no frame's pores reach into the next
    stacked = (np.vstack([a, gap, b, gap, c]) for a, b, c in zip(*frames, strict=True))
    together = quiet_curve(*stacked, np.vstack([contrasts[0], gap, contrasts[1], gap, contrasts[2]]))
    assert joined.n == together.n
    for name in ("mu", "intensity"):
        one, other = (np.array(getattr(curve, name), float) for curve in (joined, together))
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("truth", ["neckel-labs-6173", "pierce-slaughter-6206", "neckel-labs-6410"])
def test_a_crossing_of_the_disk_recovers_the_law(truth):
    joined = join_curves(curve_of(truth, away, seed=seed) for seed, away in enumerate(range(0, 61, 5)))
    right, wrong = fit_limb_darkening(joined, truth), fit_limb_darkening(joined, "none")
    assert right.rms_from_law < 1.5e-3
    assert right.disk_centre == pytest.approx(LEVEL, rel=2e-3)
    assert right.mu[0] < 0.5
    assert right.mu[-1] > 0.97
    assert right.rms_from_law < fit_limb_darkening(joined, "pierce-slaughter-6110").rms_from_law
    assert wrong.rms_from_law > 0.05
    assert wrong.rms_from_fit < 3e-3  # the free fit knows nothing of the law
    fitted = np.polynomial.polynomial.polyval(wrong.mu, wrong.coefficients)
    np.testing.assert_allclose(fitted, wrong.fitted, rtol=1e-12)
    np.testing.assert_allclose(np.array(wrong.fitted) * wrong.disk_centre / LEVEL,
                               LIMB_DARKENING[truth].at(np.array(wrong.mu)), rtol=6e-3)  # fmt: skip


def test_residuals_show_where_the_law_is_wrong():
    """The patch was flattened by the wrong law, and the curve tells by how much all the same."""
    truth, assumed = LIMB_DARKENING["neckel-labs-6410"], LIMB_DARKENING["neckel-labs-6110"]
    joined = join_curves(curve_of("neckel-labs-6410", away, seed=away) for away in range(0, 61, 5))
    fit = fit_limb_darkening(joined, "neckel-labs-6110")
    expected = truth.at(np.array(fit.mu)) / assumed.at(np.array(fit.mu))
    difference = np.array(fit.ratio) / expected
    np.testing.assert_allclose(difference / np.average(difference, weights=fit.n), 1, atol=2.5e-3)
    assert max(fit.ratio) - min(fit.ratio) > 0.01


def test_curves_that_do_not_belong_together_are_refused():
    ones = np.ones((3, 3))
    with pytest.raises(FrameError, match="no curve"):
        join_curves([])
    with pytest.raises(FrameError, match="different bins"):
        join_curves([quiet_curve(ones, ones, ones), quiet_curve(ones, ones, ones, edges=(0, 1))])
    with pytest.raises(FrameError, match="one shape"):
        quiet_curve(ones, ones[:2], ones)
    with pytest.raises(FrameError, match="must rise"):
        quiet_curve(ones, ones, ones, edges=(0, 0.5, 0.5))
    with pytest.raises(FrameError, match="degree 2 needs 3 bins of mu, found 1"):
        fit_limb_darkening(quiet_curve(ones, ones, ones), min_pixels=9)
    with pytest.raises(ParameterError, match="'allen'"):
        fit_limb_darkening(curve_of(DEFAULT_LIMB_DARKENING, 30), "allen")


@needs_real_data
@each_law
def test_the_real_sun_follows_the_laws(name):
    """Prints how far the quiet Sun of each record, and of HARP 2875 as a whole, is from the law; see with -s."""
    curves = {}
    for record in RECORDS:
        frame = real_frame(record)
        flat = flatten(frame.need("continuum"), frame.geometry, limb_darkening=name)
        curves[record] = quiet_curve(frame.need("continuum"), flat.mu, flat.contrast)
    curves["2875 joined"] = join_curves(curve for record, curve in curves.items() if record.startswith("2875"))
    for what, curve in curves.items():
        fit = fit_limb_darkening(curve, name)
        worst = max(abs(ratio - 1) for ratio in fit.ratio)
        print(f"\n{name}, {what}: mu {fit.mu[0]:.2f} to {fit.mu[-1]:.2f}, rms {fit.rms_from_law:.2%}, "
              f"worst bin {worst:.2%}; from a free fit {fit.rms_from_fit:.2%}")  # fmt: skip
        assert fit.rms_from_law < 5e-3
        assert worst < 0.02
