"""The figure of a preview: where on the disk the patch is."""

import json
from typing import Any

from poreweb.acquire.models import Acquisition
from processing.figures import mu_over_time
from processing.timekeys import parse_t_rec, tai_of


def mu_figure(acquisition: Acquisition) -> dict[str, Any] | None:
    """Mu at the middle of the patch over T_REC with its range; None when it is not known."""
    points = acquisition.preview.get("mu") or []
    if not points:
        return None
    times = [tai_of(parse_t_rec(t_rec)) for t_rec, *_ in points]
    middle, low, high = zip(*(values for _, *values in points), strict=True)
    figure: dict[str, Any] = json.loads(mu_over_time(times, middle, low, high).to_json())
    return figure
