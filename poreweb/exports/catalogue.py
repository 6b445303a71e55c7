"""A run and what is settled of it to the columns of the catalogue."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from astropy.table import Table

from poreweb.releases.lineage import published_of
from poreweb.review.models import Settlement, Verdict
from poreweb.tracks.models import Feature, Run
from processing.edits import CHOICES, Published
from processing.export import CATALOGUE_COLUMNS, catalogue_table
from processing.geometry import PLAIN_UNIT


def build_catalogue(run: Run, published: Published | None = None, *, told: Mapping[str, Any] | None = None) -> Table:
    """
    One row per feature of the run, in order of frame and label.

    ``published`` is the lineage to be told of, ``told`` its provenance; else as they are now.
    """
    reviewed = (published or published_of(run)).track_of
    parents, children = _relatives(run)
    columns: dict[str, list[Any]] = {name: [] for name in CATALOGUE_COLUMNS}
    features = (
        Feature.objects.filter(segmentation__run=run)
        .select_related("track", "segmentation__frame")
        .defer("segmentation__frame__cards", "segmentation__seconds", "segmentation__quiet_curve")
        .order_by("segmentation__index", "label")
    )
    times: dict[int, tuple[str, str]] = {}
    for feature in features.iterator(chunk_size=2000):
        frame = feature.segmentation.frame
        if frame.pk not in times:
            times[frame.pk] = frame.t_rec, frame.utc.isoformat(timespec="seconds")
        track = feature.track
        known = {
            "harpnum": run.patch.harpnum,
            "series": run.patch.series,
            "sequence": run.patch.name,
            "t_rec": times[frame.pk][0],
            "utc": times[frame.pk][1],
            "frame": feature.segmentation.index + 1,
            "track": track.number if track else 0,
            "lineage": track.lineage if track else 0,
            "reviewed_track": reviewed.get(feature.pk, 0),
            "parent_tracks": "+".join(map(str, sorted(parents[track.pk]))) if track else "",
            "child_tracks": "+".join(map(str, sorted(children[track.pk]))) if track else "",
        }
        for name, values in columns.items():
            values.append(known[name] if name in known else getattr(feature, name))
    return catalogue_table(columns, provenance=provenance(run) if told is None else told)


def provenance(run: Run, *, settled: int | None = None) -> dict[str, Any]:
    """What it takes to make the same file again; ``settled`` is how many events are, counted unless given."""
    if settled is None:
        settled = Settlement.objects.filter(event__run=run, choice__in=CHOICES).count()
    return {
        "title": f"Pores of {run.patch}, Poreweb run {run.number}",
        "harpnum": run.patch.harpnum,
        "sequence": run.patch.name,
        "noaa_ars": run.patch.noaa_ars,
        "series": run.patch.series,
        "cadence_s": run.patch.cadence_s,
        "run": run.number,
        "parameters": run.parameters,
        "code_version": run.code_version,
        "input_sha256": run.input_hash,
        "run_finished": run.finished_at.isoformat(timespec="seconds") if run.finished_at else "",
        "frames": run.segmentations.count(),
        "extensions": run.extensions,
        "verdicts": Verdict.objects.filter(event__run=run).count(),
        "settled_events": settled,
        "spurious_pores": "what people have found to be no pore has reviewed_track 0",
        "grid": _grid(run),
        "credit": _credit(run),
    }


def _grid(run: Run) -> str:
    is_plain = run.patch.harpnum is None and run.first_cards.get("CUNIT1") == PLAIN_UNIT
    native = "native pixel, as observed" if is_plain else "native CEA pixel"
    return f"working grid: half the {native}" if run.chain_parameters.factor == 2 else native


def _credit(run: Run) -> str:
    """Whose data they are; of a sequence its instrument, as far as its header tells."""
    if run.patch.harpnum is not None:
        return "Data courtesy of NASA/SDO and the HMI science team."
    cards = run.first_cards
    names = dict.fromkeys(str(cards.get(card, "")).strip() for card in ("TELESCOP", "INSTRUME"))
    return f"Data of {' '.join(filter(None, names))}." if any(names) else "The instrument is not known."


def _relatives(run: Run) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Numbers of the tracks before and after each track (by its key), from the links between tracks."""
    parents: dict[int, set[int]] = defaultdict(set)
    children: dict[int, set[int]] = defaultdict(set)
    between = run.links.exclude(earlier__track=None).exclude(later__track=None).values_list(
        "earlier__track_id", "earlier__track__number", "later__track_id", "later__track__number"
    )  # fmt: skip
    for earlier, earlier_number, later, later_number in between:
        if earlier != later:
            parents[later].add(earlier_number)
            children[earlier].add(later_number)
    return parents, children
