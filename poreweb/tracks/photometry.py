"""What the quiet Sun of a run's frames says of its reduction: levels over time, and the curve over mu."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from poreweb.tracks.forms import law_words
from poreweb.tracks.models import Run, Segmentation
from processing.errors import FrameError
from processing.figures import limb_darkening_figure, quiet_sun_levels
from processing.geometry import PLAIN_UNIT
from processing.limb_darkening import (
    LIMB_DARKENING,
    LimbDarkeningFit,
    LimbDarkeningLaw,
    QuietCurve,
    fit_limb_darkening,
    join_curves,
)
from processing.timekeys import slots_of, tai_of

FEWEST_STEPS = 3  # of which a scatter is told


@dataclass(frozen=True)
class Photometry:
    """
    For the run page. ``mean``, ``lowest`` and ``highest`` level in ``unit`` at disk centre.

    The unit is DN/s but for a sequence of another kind, whose header may tell none. Where
    ``keeps_limb_darkening``, the frames do not tell where they lie, and the level is what it
    is there.

    ``scatter`` (rms) and ``largest_jump`` are of the steps from one slot to the next, in per
    cent of the level: what lies between frames further apart is the Sun's and the orbit's,
    too. They are None where fewer than three such steps are held, and ``levels_figure`` of
    a single frame. ``fit`` is None, and so is its figure, where the quiet pixels do not span
    enough of mu.
    """

    n_frames: int
    mean: float
    lowest: float
    highest: float
    scatter: float | None
    largest_jump: float | None
    fit: LimbDarkeningFit | None
    law: LimbDarkeningLaw
    levels_figure: dict[str, Any] | None
    law_figure: dict[str, Any] | None
    unit: str
    keeps_limb_darkening: bool

    @property
    def places(self) -> str:
        """How a template writes a level: whole, or with decimals where the unit is a large one."""
        return "0g" if self.mean >= 1000 else "4g"

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
    times = np.array([t_rec_s for t_rec_s, *_ in rows])
    levels = np.array([level for _, level, _ in rows])
    cadence_s = run.patch.cadence_s
    steps = (np.diff(levels) / levels[:-1])[np.diff(slots_of(times.tolist(), cadence_s)) == 1]
    name = run.chain_parameters.limb_darkening
    cards = run.first_cards
    unit = "DN/s" if run.patch.harpnum is not None else str(cards.get("BUNIT", "")).strip()
    fit = _fit([QuietCurve.from_dict(curve) for *_, curve in rows if curve], name)
    return Photometry(
        n_frames=len(rows),
        mean=float(levels.mean()),
        lowest=float(levels.min()),
        highest=float(levels.max()),
        scatter=100 * float(np.sqrt(np.mean(steps**2))) if len(steps) >= FEWEST_STEPS else None,
        largest_jump=100 * float(np.abs(steps).max()) if len(steps) >= FEWEST_STEPS else None,
        fit=fit,
        law=LIMB_DARKENING[name],
        levels_figure=_levels_figure(times, levels, cadence_s, unit) if len(rows) > 1 else None,
        law_figure=_law_figure(fit) if fit else None,
        unit=unit,
        keeps_limb_darkening=cards.get("CUNIT1") == PLAIN_UNIT,
    )


def _fit(curves: list[QuietCurve], law: str) -> LimbDarkeningFit | None:
    try:
        return fit_limb_darkening(join_curves(curves), law)
    except FrameError:
        return None


def _levels_figure(t_rec_s: np.ndarray, levels: np.ndarray, cadence_s: int, unit: str) -> dict[str, Any]:
    """The levels over time; a value that is none breaks the line where slots are missing."""
    after = np.flatnonzero(np.diff(slots_of(t_rec_s.tolist(), cadence_s)) > 1) + 1
    times = [tai_of(slot) for slot in np.insert(t_rec_s, after, t_rec_s[after - 1] + cadence_s).tolist()]
    return _plain(quiet_sun_levels(times, np.insert(levels, after, np.nan).tolist(), unit=unit))


def _law_figure(fit: LimbDarkeningFit) -> dict[str, Any]:
    """The curve beside the law, under the name that the form gives it."""
    figure = _plain(limb_darkening_figure(fit))
    for trace in figure["data"]:
        if trace["name"] == fit.law:
            trace["name"] = law_words(LIMB_DARKENING[fit.law])
    return figure


def _plain(figure: go.Figure) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(figure.to_json())
    return plain
