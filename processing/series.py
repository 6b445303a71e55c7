"""What the command line does to a series of frames: files in, files out; returns the sentence to print."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from processing.chain import FrameResult, process_frame
from processing.commands import described, pixel_side_mm, read_contrast, read_labels, t_rec_of, write_table
from processing.errors import FitsError, FrameError, ParameterError
from processing.files import check_output, replacing
from processing.fits import NO_HARP, PROVISIONAL, SEQUENCE, PatchFrame, read_cards, read_key, read_patch_frame
from processing.flags import FeatureFlag
from processing.images import doubled_grid, read_plain_cards, write_plain
from processing.limb_darkening import LIMB_DARKENING
from processing.lineage import Node, build_lineage
from processing.link_files import Noted, check_link_files, write_link_files
from processing.movie import MAX_GAP_FRAMES, MovieFrame, write_movie
from processing.parameters import ChainParameters
from processing.timekeys import CADENCE_S, compact_t_rec, format_t_rec, slots_between, usual_step
from processing.track import DetectedFrame, Link, link_series, series_breaks

Series = list[tuple[int, Path]]
# By its name alone is a file known to be near-real-time; no header tells
_PROVISIONAL_NAME = re.compile(rf"hmi\.sharp_cea_\w+{PROVISIONAL}\.\d+\.")


def track(
    output: Path,
    labels: list[Path],
    max_gap: int = ChainParameters.max_gap,
    reach_mm: float | None = None,
    features: Sequence[Path] = (),
    begin: int | None = None,
    pixel_mm: float | None = None,
    reach: float | None = None,
    link_bias: float = ChainParameters.link_bias,
    opposite_polarity: str = ChainParameters.opposite_polarity,
    output_links: Path | None = None,
    output_geff: Path | None = None,
    cadence: int | None = None,
) -> str:
    """
    Labels of a series to tracks, links and events.

    The tables that measure wrote tell what touches the edge, how dark it is and its
    flux. The reach may be given in pixels (``reach``) in place of Mm; it is then for one
    step of the cadence (s), not of 12 minutes.
    """
    check_output(output, (".json",))
    check_link_files(output_links, output_geff, inputs=[*labels, *features, output])
    series = in_time(labels, begin, cadence_s=cadence)
    cadence_s = cadence or usual_step([t_rec_s for t_rec_s, _ in series])
    pixel_side_mm = _pixel_side(series[0][1], pixel_mm)
    if reach is not None:
        reach_mm = reach * pixel_side_mm
    parameters = ChainParameters(
        max_gap=max_gap,
        reach_mm=ChainParameters.reach_mm if reach_mm is None else reach_mm,
        link_bias=link_bias,
        opposite_polarity=opposite_polarity,
    )
    tables = {path: _read_features(path) for path in features}
    meta = {path: table.meta for path, table in tables.items()}
    measured = {t_rec_s: tables[path] for t_rec_s, path in in_time(features, begin, meta, cadence_s=cadence)}
    noted = Noted()
    detected = ((frame, np.arange(1, frame.ids.size + 1)) for frame in _detected(series, measured))
    of_12_minutes = 1.0 if reach is None else math.sqrt(CADENCE_S / cadence_s)  # as `link_series` has it
    links, story = _lineage_of(
        noted.passing(detected), measured, pixel_side_mm, parameters,
        reach_mm=parameters.reach_mm * of_12_minutes, cadence_s=cadence_s,
    )  # fmt: skip
    with replacing(output) as beside:
        beside.write_text(json.dumps(story, indent=1) + "\n", encoding="utf-8")
        write_link_files(output_links, output_geff, noted.features(), links, pixel_mm=pixel_side_mm)
    return f"{output}: {len(story['tracks'])} tracks, {len(story['links'])} links, {len(story['events'])} events"


def movie(
    output: Path,
    contrast: list[Path],
    labels: Sequence[Path] = (),
    tracks: Path | None = None,
    title: str = "Poreweb",
    begin: int | None = None,
    pixel_mm: float | None = None,
    cadence: int | None = None,
) -> str:
    """A series to a movie."""
    check_output(output, (".mp4",))
    if tracks and tracks.resolve() == output.with_suffix(".json").resolve():
        raise ParameterError(f"{output.name} would replace {tracks.name} by its own JSON; name the movie otherwise")
    series = in_time(contrast, begin, cadence_s=cadence)
    label_of = dict(in_time(labels, begin, cadence_s=cadence))
    numbers = _track_numbers(tracks) if tracks else defaultdict(dict)

    def frames() -> Iterator[MovieFrame]:
        cadence_s = cadence or usual_step([t_rec_s for t_rec_s, _ in series])
        for (t_rec_s, path), before in zip(series, [None, *series[:-1]], strict=True):
            if before:
                missing = slots_between(before[0], t_rec_s, cadence_s)[:MAX_GAP_FRAMES]
                yield from (MovieFrame(slot, gap=True) for slot in missing)
            image = read_labels(label_of[t_rec_s]).data if t_rec_s in label_of else None
            yield MovieFrame(t_rec_s, contrast=read_contrast(path).data, labels=image, tracks=numbers[t_rec_s])

    summary = write_movie(output, frames(), title=title, pixel_side_mm=_pixel_side(series[0][1], pixel_mm))
    return f"{output}: {summary.n_frames} frames, {summary.width} by {summary.height} pixels"


def run(input: Path, output: Path, weights: str | None = None, cadence: int | None = None, **options: Any) -> str:
    """The whole chain on a folder; ``options`` are those of `ChainParameters`."""
    parameters = ChainParameters(**options)
    harpnum, title, records, left_out = _records(input)
    output.mkdir(parents=True, exist_ok=True)
    contrast, labels, features = [], [], []
    for paths in records:
        try:
            frame = read_patch_frame(paths)
            result = process_frame(frame, parameters, weights=weights)
        except (FitsError, FrameError) as problem:  # of this frame alone
            left_out.append(str(problem))
            continue
        stem = output / f"{_stem(harpnum, title)}.{compact_t_rec(frame.t_rec_s)}"
        contrast.append(Path(f"{stem}.contrast.fits"))
        labels.append(Path(f"{stem}.labels.fits"))
        features.append(Path(f"{stem}.features.ecsv"))
        _write_result(frame, result, parameters, contrast[-1], labels[-1])
        of = {"SEQUENCE": title} if harpnum == NO_HARP else {"HARPNUM": harpnum}
        result.features.meta = {"T_REC": frame.t_rec, **of}
        write_table(result.features, features[-1])
    if not contrast:
        raise FrameError(f"no frame in {input} could be processed: {left_out[0]}")
    story, film = output / "tracks.json", output / "movie.mp4"
    words = track(
        story,
        labels,
        parameters.max_gap,
        parameters.reach_mm,
        features,
        link_bias=parameters.link_bias,
        opposite_polarity=parameters.opposite_polarity,
        cadence=cadence,
    )
    movie(film, contrast, labels, story, title=title, cadence=cadence)
    rest = f"; left out: {'; '.join(left_out)}" if left_out else ""
    return f"{len(contrast)} frames in {output}; {words}; {film}{rest}"


def _write_result(
    frame: PatchFrame, result: FrameResult, parameters: ChainParameters, contrast: Path, labels: Path
) -> None:
    cards = frame.cards if parameters.factor == 1 else doubled_grid(frame.cards)
    cards = {**cards, "BUNIT": "", "AVG_F_ON": result.quiet_sun, "AVG_F_EN": result.quiet_sun_enhanced}
    law, times = f"Limb darkening: {LIMB_DARKENING[parameters.limb_darkening].source}", " * limb darkening"
    if not frame.geometry.knows_places:
        law, times = "Limb darkening left in, as mu is not known", ""
    history = [
        f"{law}; quiet-Sun level: {parameters.quiet_sun}.",
        f"Sharpened: {parameters.enhance}; contrast * AVG_F_EN{times} is the continuum.",
    ]
    write_plain(contrast, result.contrast, cards, history)
    write_plain(labels, result.labels, cards, [*history, described(parameters)])


def _stem(harpnum: int, title: str) -> str:
    """What the names of the files begin with."""
    if harpnum != NO_HARP:
        return f"harp{harpnum}"
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "sequence"


def _records(folder: Path) -> tuple[int, str, list[list[Path]], list[str]]:
    """
    HARPNUM (0 for a sequence), what it is called, the files of each record in time, and why others were left out.

    Raises FrameError if they are of several HARPs or sequences, or of none.
    """
    by_time: dict[int, list[Path]] = defaultdict(list)
    harps, left_out = set(), []  # the same number in the two series is two HARPs
    for path in sorted(folder.glob("*.fits")):
        try:
            raw = path.read_bytes()
            harpnum, t_rec_s, _ = read_key(raw, path.name)
            title = f"HARP {harpnum}{' (near-real-time)' if _PROVISIONAL_NAME.match(path.name) else ''}"
            if harpnum == NO_HARP:
                title = str(read_cards(raw, path.name, (SEQUENCE,))[SEQUENCE])
        except FitsError as problem:
            left_out.append(str(problem))
            continue
        by_time[t_rec_s].append(path)
        harps.add((harpnum, title))
    if len(harps) != 1:
        names = ", ".join(sorted(title for _, title in harps)[:3])
        why = f" ({names}); one at a time, please" if harps else f": {left_out[0]}" if left_out else ""
        raise FrameError(f"{folder} holds {len(harps)} HARPs in .fits files{why}")
    return *harps.pop(), [by_time[t_rec_s] for t_rec_s in sorted(by_time)], left_out


def in_time(
    paths: Iterable[Path],
    begin: int | None,
    cards: Mapping[Path, Mapping[str, Any]] | None = None,
    *,
    cadence_s: int | None = None,
) -> Series:
    """
    Files in order of T_REC, as header or file name has it.

    With ``begin`` (T_REC seconds) the first file is of that time and the others follow by the cadence, 12 minutes
    without one.
    """
    paths = list(paths)
    if begin is not None:
        return [(begin + k * (cadence_s or CADENCE_S), path) for k, path in enumerate(paths)]
    found = []
    for path in paths:
        t_rec_s = t_rec_of(path, read_plain_cards(path, ("T_REC",)) if cards is None else cards[path])
        if t_rec_s is None:
            raise FrameError(
                f"{path.name} has T_REC neither in its header nor in its name: give that of the first file with "
                "--begin; the others follow, 12 minutes apart or by --cadence"
            )
        found.append((t_rec_s, path))
    found.sort()
    for (before, one), (after, other) in pairwise(found):
        if before == after:
            raise FrameError(f"{one.name} and {other.name} are both of {format_t_rec(before)}")
    return found


def _pixel_side(path: Path, pixel_mm: float | None) -> float:
    side = pixel_side_mm(read_plain_cards(path)) or pixel_mm
    if side is None:
        raise FrameError(f"{path.name} does not tell the size of its pixels: give their side in Mm with --pixel-mm")
    return side


def _read_features(path: Path) -> QTable:
    """A table that measure wrote."""
    try:
        table = QTable.read(path)
        flags = table["flags"]
    except OSError:
        raise
    except Exception as problem:  # astropy's readers raise many kinds
        raise FrameError(f"{path.name} is no table that measure wrote: it has no flags") from problem
    if not str(table.meta.get("T_REC", "")):
        table.meta.pop("T_REC", None)
    if flags.dtype.kind not in "iu":
        raise FrameError(f"{path.name} is no table that measure wrote: its flags are not whole numbers")
    return table


def _detected(series: Series, measured: Mapping[int, QTable]) -> Iterator[DetectedFrame]:
    """Label images as the tracker takes them, with what was measured; ids count on through the series."""
    n_before, shape = 0, None
    for t_rec_s, path in series:
        labels = read_labels(path).data
        shape = shape or labels.shape
        if labels.shape != shape:
            raise FrameError(f"{path.name} is {labels.shape}, the frames before it are {shape}")
        rows, cols = np.nonzero(labels)
        inside = labels[rows, cols] - 1
        count = np.bincount(inside)
        if not count.all():
            raise FrameError(f"{path.name}: label {np.argmin(count > 0) + 1} has no pixel, but {count.size} has")
        table = measured.get(t_rec_s)
        if table is not None and len(table) != count.size:
            raise FrameError(f"{format_t_rec(t_rec_s)} has {count.size} labels, its table has {len(table)} rows")
        yield DetectedFrame(
            t_rec_s,
            np.arange(n_before, n_before + count.size),
            np.bincount(inside, weights=rows) / count,
            np.bincount(inside, weights=cols) / count,
            count,
            labels,
            intensity=_column(table, "intensity_mean"),
            flux=_column(table, "flux"),
        )
        n_before += count.size


def _column(table: QTable | None, name: str) -> np.ndarray | None:
    """Values of a column in its own unit, NaN where it has none; None where there is no such column."""
    if table is None or name not in table.colnames:
        return None
    values = table[name]
    return np.ma.filled(np.ma.asarray(getattr(values, "value", values), np.float64), np.nan)


def _lineage_of(
    frames: Iterable[DetectedFrame],
    measured: Mapping[int, QTable],
    pixel_side_mm: float,
    parameters: ChainParameters,
    *,
    reach_mm: float,
    cadence_s: int,
) -> tuple[list[Link], dict[str, Any]]:
    """The links; and features (id, T_REC seconds, label), links, tracks and events, in plain values."""
    features: list[dict[str, int]] = []
    nodes: list[Node] = []
    times: list[int] = []

    def noted() -> Iterator[DetectedFrame]:
        for frame in frames:
            if frame.t_rec_s in measured:
                on_edge = (np.asarray(measured[frame.t_rec_s]["flags"]) & FeatureFlag.ON_EDGE) > 0
            else:
                on_edge = _on_border(frame.labels, frame.ids.size)
            for label, feature_id in enumerate(frame.ids.tolist(), start=1):
                features.append({"id": feature_id, "t_rec_s": frame.t_rec_s, "label": label})
                nodes.append(Node(feature_id, len(times), bool(on_edge[label - 1])))
            times.append(frame.t_rec_s)
            yield frame

    linked = link_series(
        noted(),
        pixel_side_mm=pixel_side_mm,
        reach_mm=reach_mm,
        max_gap=parameters.max_gap,
        link_bias=parameters.link_bias,
        opposite_polarity=parameters.opposite_polarity,
        cadence_s=cadence_s,
    )
    breaks = series_breaks(times, max_gap=parameters.max_gap, cadence_s=cadence_s)
    lineage = build_lineage(nodes, linked.links, n_frames=len(times), breaks=breaks)
    return linked.links, {
        "features": features,
        "links": [asdict(link) for link in linked.links],
        "tracks": [asdict(item) for item in lineage.tracks],
        "events": [asdict(item) for item in lineage.events],
    }


def _on_border(labels: np.ndarray, n_features: int) -> np.ndarray:
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(np.arange(1, n_features + 1), rim)


def _track_numbers(path: Path) -> dict[int, dict[int, int]]:
    """T_REC seconds -> label -> track number, from the file that track wrote."""
    numbers: dict[int, dict[int, int]] = defaultdict(dict)
    try:
        story = json.loads(path.read_text(encoding="utf-8"))
        number_of = {feature_id: item["number"] for item in story["tracks"] for feature_id in item["ids"]}
        for feature in story["features"]:
            if feature["id"] in number_of:
                numbers[feature["t_rec_s"]][feature["label"]] = number_of[feature["id"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise FrameError(f"{path.name} is not what track writes") from problem
    return numbers
