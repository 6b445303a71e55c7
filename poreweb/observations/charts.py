"""What a patch page draws: light curves, the timeline's events and gaps, previews."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, F, Q, Sum
from django.urls import reverse

from poreweb.context.charts import solar_marks
from poreweb.exports.models import Export
from poreweb.observations.models import Patch
from poreweb.review.queries import STATES, review_events
from poreweb.tracks.models import Run, Segmentation
from processing.figures import EventMark, LightCurve, light_curves
from processing.fits import OF_SEQUENCE, SEGMENTS
from processing.timekeys import CADENCE_S, format_t_rec, slots_between, tai_of, utcs_of


def light_curve_rows(run: Run) -> list[dict[str, Any]]:
    """
    One row per processed frame: T_REC, UTC, pores, area (Mm2), flux of each polarity (Mx).

    The fluxes are None when that of any pore of the frame is not known.
    """
    positive, negative = Q(features__flux_mx__gt=0), Q(features__flux_mx__lt=0)
    rows = (
        run.segmentations.filter(state=Segmentation.State.DONE)
        .annotate(
            t_rec_s=F("frame__t_rec_s"),
            area_mm2=Sum("features__area_mm2", default=0.0),
            positive=Sum("features__flux_mx", filter=positive, default=0.0),
            negative=Sum("features__flux_mx", filter=negative, default=0.0),
            n_known=Count("features__flux_mx"),
        )
        .order_by("index")
        .values("index", "t_rec_s", "n_features", "area_mm2", "positive", "negative", "n_known")
    )
    found = []
    for row, utc in zip(rows, utcs_of(row["t_rec_s"] for row in rows), strict=True):
        if row["n_known"] < row["n_features"]:
            row["positive"] = row["negative"] = None
        found.append({**row, "t_rec": format_t_rec(row["t_rec_s"]), "utc": utc})
    return found


def timeline_figure(run: Run | None, rows: list[dict[str, Any]], gaps: list[range], *, reader: User) -> dict[str, Any]:
    """The figure of `light_curve_rows` and `Patch.gaps` as plain values; without rows its curves are empty."""
    cadence_s = run.patch.cadence_s if run else CADENCE_S
    times: list[datetime] = []
    columns: dict[str, list[Any]] = {name: [] for name in ("area_mm2", "n_features", "positive", "negative")}
    for before, row in zip([None, *rows], rows, strict=False):
        if before and slots_between(before["t_rec_s"], row["t_rec_s"], cadence_s):  # a None breaks the line
            times.append(tai_of(before["t_rec_s"] + cadence_s))
            for values in columns.values():
                values.append(None)
        times.append(tai_of(row["t_rec_s"]))
        for name, values in columns.items():
            values.append(row[name])
    half = timedelta(seconds=cadence_s / 2)
    shaded = [(tai_of(missing[0]) - half, tai_of(missing[-1]) + half) for missing in gaps]
    curve = LightCurve(times, columns["area_mm2"], columns["n_features"], columns["positive"], columns["negative"])
    marks = [] if run is None else _marks(run, {row["index"]: row["t_rec_s"] for row in rows}, reader)
    # those before and after the frames are in the table below; they would make the axis longer
    solar = solar_marks(run.patch, rows[0]["t_rec_s"], rows[-1]["t_rec_s"]) if run and rows else []
    figure: dict[str, Any] = json.loads(light_curves(curve, gaps=shaded, events=marks, solar=solar).to_json())
    return figure


def _marks(run: Run, t_rec_s: dict[int, int], reader: User) -> list[EventMark]:
    return [
        EventMark(
            tai_of(t_rec_s[event.index]),
            event.kind,
            STATES[event.state],
            f"{event.kind} in frame {event.index + 1}",
            event.get_absolute_url(),
        )
        for event in review_events(run, reader)
        if event.index in t_rec_s
    ]


def previews(patch: Patch) -> list[tuple[str, str, str]]:
    """For each frame: TAI as the figure's axis has it, address of its thumbnail, T_REC."""
    frames = patch.frames.order_by("t_rec_s").values_list("pk", "t_rec_s")
    return [
        (tai_of(t_rec_s).isoformat(), reverse("observations:thumbnail", args=[patch.pk, pk]), format_t_rec(t_rec_s))
        for pk, t_rec_s in frames
    ]


def missing_segments(patch: Patch) -> list[tuple[str, int]]:
    """(segment, number of frames without it) for the segments that are not complete; a sequence has but one."""
    wanted = (OF_SEQUENCE,) if patch.harpnum is None else SEGMENTS
    n_frames = patch.frames.count()
    held = Counter(
        dict(
            patch.frames.filter(raw_files__conflict=False)
            .values_list("raw_files__segment")
            .annotate(n=Count("pk", distinct=True))
            .order_by()
        )
    )
    return [(segment, n_frames - held[segment]) for segment in wanted if held[segment] < n_frames]


def latest_exports(run: Run) -> list[Export]:
    """The newest export of each kind."""
    newest: dict[str, Export] = {}
    for export in run.exports.all():
        newest.setdefault(export.kind, export)
    return [newest[kind] for kind in Export.Kind.values if kind in newest]
