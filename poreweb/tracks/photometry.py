"""What the quiet Sun of a run's frames says of its reduction: levels over time, and the curve over mu."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.figures import limb_darkening_figure, quiet_sun_levels
from processing.limb_darkening import LIMB_DARKENING, LimbDarkeningFit, QuietCurve, fit_limb_darkening, join_curves
from processing.timekeys import EPOCH


@dataclass(frozen=True)
class Photometry:
    """
    For the run page. ``mean`` in DN/s; ``scatter`` (from frame to frame) and ``largest_jump`` in per cent of the level.

    ``fit`` is None, and so is its figure, where the quiet pixels do not span enough of mu.
    """

    n_frames: int
    mean: float
    scatter: float | None
    largest_jump: float | None
    fit: LimbDarkeningFit | None
    source: str
    levels_figure: dict[str, Any]
    law_figure: dict[str, Any] | None

    @property
    def from_law(self) -> float | None:
        """Rms of the curve from the law, per cent."""
        return 100 * self.fit.rms_from_law if self.fit else None

    @property
    def bins(self) -> list[dict[str, float]]:
        """The curve as the rows of a table."""
        if self.fit is None:
            return []
        columns = {name: getattr(self.fit, name) for name in ("mu", "n", "measured", "expected", "ratio")}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def photometry_of(run: Run) -> Photometry | None:
    """Levels and quiet-Sun curve of the frames measured so far; None before there is one."""
    rows = list(
        run.segmentations.filter(state=Segmentation.State.DONE, quiet_sun__isnull=False)
        .order_by("index")
        .values_list("frame__t_rec_s", "quiet_sun", "quiet_curve")
    )
    if not rows:
        return None
    levels = np.array([level for _, level, _ in rows])
    steps = np.diff(levels) / levels[:-1]
    law = run.chain_parameters.limb_darkening
    fit = _fit([QuietCurve.from_dict(curve) for *_, curve in rows if curve], law)
    times = [EPOCH + timedelta(seconds=t_rec_s) for t_rec_s, *_ in rows]
    return Photometry(
        n_frames=len(rows),
        mean=float(levels.mean()),
        scatter=100 * float(steps.std()) if len(rows) > 2 else None,
        largest_jump=100 * float(np.abs(steps).max()) if len(rows) > 2 else None,
        fit=fit,
        source=LIMB_DARKENING[law].source,
        levels_figure=json.loads(quiet_sun_levels(times, levels.tolist()).to_json()),
        law_figure=json.loads(limb_darkening_figure(fit).to_json()) if fit else None,
    )


def _fit(curves: list[QuietCurve], law: str) -> LimbDarkeningFit | None:
    try:
        return fit_limb_darkening(join_curves(curves), law)
    except FrameError:
        return None
