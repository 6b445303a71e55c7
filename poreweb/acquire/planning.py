"""What JSOC has of what is wanted: its records as rows, and the preview that a page shows."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from poreweb.acquire import jsoc
from poreweb.acquire.models import Acquisition, Record
from poreweb.acquire.sizes import estimated_bytes
from poreweb.observations.models import Patch, RawFile
from poreweb.work.tasks import must_hold
from processing.errors import FrameError, PorewebError
from processing.geometry import CeaGeometry
from processing.timekeys import format_t_rec, gaps_in

# Of the records that a page draws mu for; a curve over ten days does not need each of 1,200
MU_POINTS = 200
NO_CONTINUUM = "JSOC has no continuum of it."


class NothingThereError(PorewebError):
    """JSOC has no record of what is wanted."""


def plan(acquisition: Acquisition) -> None:
    """
    Ask JSOC what there is and keep it as rows; twice is the same as once.

    Raises
    ------
    NothingThereError
        If there is no record.
    FetchError
        If JSOC has a trouble, or refuses.
    """
    asked = jsoc.record_set(
        acquisition.series, acquisition.harpnum, acquisition.first_s, acquisition.last_s,
        cadence_s=acquisition.cadence_s,
    )  # fmt: skip
    found = jsoc.records_of(asked, acquisition.segments)
    if not found:
        raise NothingThereError(
            f"JSOC has no record of {acquisition.wanted_words}; look at the number, the series and the dates"
        )
    with transaction.atomic():
        must_hold(acquisition)
        _store(acquisition, found)


def _store(acquisition: Acquisition, found: Sequence[jsoc.JsocRecord]) -> None:
    wanted = list(acquisition.segments)
    acquisition.records.all().delete()
    Record.objects.bulk_create(
        [
            Record(
                acquisition=acquisition,
                t_rec_s=record.t_rec_s,
                keywords=record.keywords,
                absent=[name for name in wanted if name not in record.segments],
                problem="" if "continuum" in record.segments else NO_CONTINUUM,
                estimated_bytes=estimated_bytes(record.shape, [s for s in wanted if s in record.segments]),
            )
            for record in found
        ],
        batch_size=200,
    )
    acquisition.patch = find_patch(acquisition)
    look_what_is_held(acquisition)
    to_fetch = acquisition.records.filter(is_held=False)
    acquisition.estimated_bytes = sum(to_fetch.values_list("estimated_bytes", flat=True))
    acquisition.preview = preview_of(acquisition, found)
    acquisition.planned_at = timezone.now()
    acquisition.save(update_fields=["patch", "estimated_bytes", "preview", "planned_at"])


def find_patch(acquisition: Acquisition) -> Patch | None:
    """The team's patch of that HARP, if it has one."""
    held = Patch.objects.filter(team=acquisition.team_id, series=acquisition.series, harpnum=acquisition.harpnum)
    return held.first()


def look_what_is_held(acquisition: Acquisition, t_recs: Sequence[int] | None = None) -> None:
    """Mark the records of which each wanted segment that JSOC has is among the patch's raw files."""
    patch = acquisition.patch or find_patch(acquisition)
    if patch is None:
        return
    open_records = acquisition.records.filter(is_held=False)
    files = RawFile.objects.filter(frame__patch=patch, conflict=False, segment__in=acquisition.segments)
    if t_recs is not None:
        open_records, files = open_records.filter(t_rec_s__in=t_recs), files.filter(frame__t_rec_s__in=t_recs)
    here = set(files.values_list("frame__t_rec_s", "segment"))
    done = [
        record.pk
        for record in open_records.only("pk", "t_rec_s", "absent")
        if "continuum" not in record.absent
        and all((record.t_rec_s, name) in here for name in acquisition.segments if name not in record.absent)
    ]
    for start in range(0, len(done), 500):
        Record.objects.filter(pk__in=done[start : start + 500]).update(is_held=True, problem="")


def missing_segments(record: Record) -> list[str]:
    """Segments of a record that are still to be had."""
    acquisition = record.acquisition
    files = RawFile.objects.filter(frame__patch=acquisition.patch_id, frame__t_rec_s=record.t_rec_s, conflict=False)
    here = set(files.values_list("segment", flat=True))
    return [name for name in acquisition.segments if name not in here and name not in record.absent]


def preview_of(acquisition: Acquisition, found: Sequence[jsoc.JsocRecord]) -> dict[str, Any]:
    """What the page shows before anything is asked for, in plain values."""
    t_recs = [record.t_rec_s for record in found]
    gaps = gaps_in(t_recs, acquisition.cadence_s)
    online = sum(record.is_online for record in found)
    mu = [_mu(record) for record in found[:: max(len(found) // MU_POINTS, 1)]]
    noaas = sorted({str(record.keywords.get("NOAA_ARS", "")) for record in found} - {"", "0", "MISSING"})
    return {
        "n_records": len(found),
        "n_held": acquisition.records.filter(is_held=True).count(),
        "first": format_t_rec(t_recs[0]),
        "last": format_t_rec(t_recs[-1]),
        "n_missing": sum(len(gap) for gap in gaps),
        "gaps": [(format_t_rec(gap[0]), format_t_rec(gap[-1]), len(gap)) for gap in gaps[:100]],
        "absent": {name: n for name in acquisition.segments if (n := sum(name not in r.segments for r in found))},
        "n_online": online,
        "kept_until": min((r.kept_until for r in found if r.kept_until), default=""),
        "noaa_ars": ", ".join(noaas),
        "shape": next((r.shape for r in found if r.shape), None),
        "n_bad_quality": sum(bool(r.keywords.get("QUALITY")) for r in found),
        "mu": [point for point in mu if point is not None],
    }


def _mu(record: jsoc.JsocRecord) -> tuple[str, float, float, float] | None:
    """T_REC, and mu at the middle of the patch, least and greatest; None when it cannot be told."""
    if record.shape is None:
        return None
    ny, nx = record.shape
    try:
        geometry = CeaGeometry.from_header(record.keywords)
    except FrameError:
        return None
    rows, cols = ((0, ny // 2, ny - 1), (0, nx // 2, nx - 1))
    mus = [float(geometry.mu(row, col)) for row in rows for col in cols]  # type: ignore[arg-type]
    seen = [mu for mu in mus if mu == mu]
    middle = mus[4]
    if not seen or middle != middle:
        return None
    return format_t_rec(record.t_rec_s), round(middle, 4), round(min(seen), 4), round(max(seen), 4)
