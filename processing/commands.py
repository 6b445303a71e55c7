"""What each step of the command line does. Files in, files out; returns the sentence to print."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from processing.chain import process_frame
from processing.enhance import deblur
from processing.errors import FitsError, FrameError
from processing.fits import (
    doubled_cards,
    plain_cards,
    read_image,
    read_patch_frame,
    read_segment,
    write_image,
)
from processing.flags import FeatureFlag
from processing.geometry import CeaGeometry
from processing.lineage import Node, build_lineage
from processing.measure import FIELD_SEGMENTS, measure_features
from processing.movie import MAX_GAP_FRAMES, MovieFrame, write_movie
from processing.parameters import ChainParameters
from processing.reduce import flatten
from processing.segment import label_pores
from processing.timekeys import compact_t_rec, parse_t_rec, slots_between
from processing.track import DetectedFrame, link_series, series_breaks
from processing.upscale import upscale_cubic, upscale_nearest

Cards = dict[str, Any]


def read(path: Path) -> tuple[np.ndarray, Cards]:
    """An image and its plain cards."""
    data, header = read_image(path.read_bytes(), path.name)
    return data, plain_cards(header)


def reduce(input: Path, output: Path, sibling: Path | None = None) -> str:
    """Continuum to contrast."""
    continuum, cards = read(input)
    if "CTYPE1" not in cards:
        cards = _sibling_cards(input, sibling)
    flat = flatten(continuum, CeaGeometry.from_header(cards))
    cards = {**cards, "BUNIT": "", "AVG_F_ON": flat.quiet_sun}
    history = ["Limb darkening removed (Pierce & Slaughter 1977, 6205.9 A) and divided by AVG_F_ON [DN/s]."]
    write_image(output, flat.contrast.astype(np.float32), cards, history=history)
    return f"{output}: quiet Sun {flat.quiet_sun:.0f} DN/s, darkest {np.nanmin(flat.contrast):.3f}"


def _sibling_cards(path: Path, sibling: Path | None) -> Cards:
    """Cards of another segment of the same record, named or lying beside it under JSOC's name."""
    stem = path.name.removesuffix(".fits").rpartition(".")[0]
    beside = sorted(path.parent.glob(f"{stem}.*.fits")) if stem else []
    for candidate in [sibling] if sibling else beside:
        cards = read(candidate)[1]
        if "CTYPE1" in cards:
            return cards
    raise FrameError(f"{path.name} has a bare header; name a segment of the same record with --sibling")


def enhance(input: Path, output: Path, enhance: str, iterations: int) -> str:
    """Contrast to sharper contrast on the doubled grid."""
    contrast, cards = read(input)
    side = CeaGeometry.from_header(cards).pixel_side_mm
    sharp = deblur(contrast.astype(np.float64), pixel_side_mm=side, method=enhance, iterations=iterations)
    new = cards if sharp.shape == contrast.shape else doubled_cards(cards, contrast.shape)
    write_image(output, sharp, new, history=[f"Sharpened: {enhance}, {iterations} iterations."])
    return f"{output}: {sharp.shape[1]} by {sharp.shape[0]} pixels, darkest {np.nanmin(sharp):.3f}"


def upscale(input: Path, output: Path) -> str:
    """A field map or bitmap to the doubled grid."""
    image, cards = read(input)
    is_bitmap = image.dtype.kind in "iu"  # field maps are scaled, so floating
    data = upscale_nearest(image) if is_bitmap else upscale_cubic(image)
    write_image(output, data, doubled_cards(cards, image.shape), history=["Sampling doubled."])
    return f"{output}: {data.shape[1]} by {data.shape[0]} pixels"


def segment(input: Path, output: Path, threshold: float, min_pixels: int, connectivity: int) -> str:
    """Contrast to labels."""
    contrast, cards = read(input)
    labels = label_pores(contrast, threshold=threshold, min_pixels=min_pixels, connectivity=connectivity)
    history = [f"Labels: below {threshold:g}, at least {min_pixels} pixels, {connectivity}-connected."]
    write_image(output, labels, {**cards, "BUNIT": ""}, history=history)
    return f"{output}: {labels.max()} features, {np.count_nonzero(labels)} pixels"


def measure(
    labels: Path, output: Path, contrast: Path, br: Path | None = None, bt: Path | None = None, bp: Path | None = None
) -> str:
    """Labels to a table."""
    label_image, cards = read(labels)
    field: dict[str, np.ndarray] = {}
    for name, path in zip(FIELD_SEGMENTS, (br, bt, bp), strict=True):
        if path:
            data, _ = read(path)
            doubled = (2 * data.shape[0], 2 * data.shape[1]) == label_image.shape
            field[name] = upscale_cubic(data) if doubled else data
    table = measure_features(
        label_image, contrast=read(contrast)[0], geometry=CeaGeometry.from_header(cards), field=field
    )
    table.meta = {"T_REC": cards.get("T_REC", ""), "HARPNUM": cards.get("HARPNUM", 0)}
    table.write(output, overwrite=True)
    return f"{output}: {len(table)} features"


def track(output: Path, labels: list[Path], max_gap: int, reach_mm: float, features: Sequence[Path] = ()) -> str:
    """Labels of a series to tracks, links and events; the tables that measure wrote tell what touches the edge."""
    series = _in_time(labels)
    edges = {}
    for path in features:
        table = QTable.read(path)
        edges[parse_t_rec(table.meta["T_REC"])] = (table["flags"] & FeatureFlag.ON_EDGE) > 0
    _, cards = read(series[0][1])
    side = CeaGeometry.from_header(cards).pixel_side_mm
    parameters = ChainParameters(max_gap=max_gap, reach_mm=reach_mm)
    story = _lineage_of(_detected(series), edges, side, parameters)
    output.write_text(json.dumps(story, indent=1) + "\n")
    return f"{output}: {len(story['tracks'])} tracks, {len(story['links'])} links, {len(story['events'])} events"


def movie(output: Path, contrast: list[Path], labels: list[Path], tracks: Path | None, title: str) -> str:
    """A series to a movie."""
    series = _in_time(contrast)
    label_of = dict(_in_time(labels)) if labels else {}
    story = json.loads(tracks.read_text()) if tracks else {"features": [], "tracks": []}
    numbers = _track_numbers(story)
    _, cards = read(series[0][1])

    def frames() -> Iterator[MovieFrame]:
        for (t_rec_s, path), before in zip(series, [None, *series[:-1]], strict=True):
            if before:
                missing = slots_between(before[0], t_rec_s)[:MAX_GAP_FRAMES]
                yield from (MovieFrame(slot, gap=True) for slot in missing)
            image = read(label_of[t_rec_s])[0] if t_rec_s in label_of else None
            yield MovieFrame(t_rec_s, contrast=read(path)[0], labels=image, tracks=numbers[t_rec_s])

    side = CeaGeometry.from_header(cards).pixel_side_mm
    summary = write_movie(output, frames(), title=title, pixel_side_mm=side)
    return f"{output}: {summary.n_frames} frames, {summary.width} by {summary.height} pixels"


def run(input: Path, output: Path, **options: Any) -> str:
    """The whole chain on a folder."""
    parameters = ChainParameters(**options)
    harpnum, records = _records(input)
    output.mkdir(parents=True, exist_ok=True)
    contrast, labels, features = [], [], []
    for paths in records:
        frame = read_patch_frame(paths)
        result = process_frame(frame, parameters)
        stem = output / f"harp{harpnum}.{compact_t_rec(frame.t_rec_s)}"
        cards = frame.cards if parameters.factor == 1 else doubled_cards(frame.cards, frame.shape)
        cards = {**cards, "BUNIT": "", "AVG_F_ON": result.quiet_sun}
        contrast.append(Path(f"{stem}.contrast.fits"))
        labels.append(Path(f"{stem}.labels.fits"))
        features.append(Path(f"{stem}.features.ecsv"))
        write_image(contrast[-1], result.contrast, cards)
        write_image(labels[-1], result.labels, cards)
        result.features.meta = {"T_REC": frame.t_rec, "HARPNUM": harpnum}
        result.features.write(features[-1], overwrite=True)
    story, film = output / "tracks.json", output / "movie.mp4"
    words = track(story, labels, parameters.max_gap, parameters.reach_mm, features)
    movie(film, contrast, labels, story, title=f"HARP {harpnum}")
    return f"{len(records)} frames in {output}; {words}; {film}"


def _records(folder: Path) -> tuple[int, list[list[Path]]]:
    """HARPNUM, and the files of each record in time; FrameError if they are of several HARPs or of none."""
    by_time: dict[int, list[Path]] = defaultdict(list)
    harps = set()
    for path in sorted(folder.glob("*.fits")):
        segment = read_segment(path.read_bytes(), path.name)
        by_time[segment.t_rec_s].append(path)
        harps.add(segment.harpnum)
    if len(harps) != 1:
        raise FrameError(f"{folder} holds {len(harps)} HARPs in .fits files; one at a time, please")
    return harps.pop(), [by_time[t_rec_s] for t_rec_s in sorted(by_time)]


def _in_time(paths: Iterable[Path]) -> list[tuple[int, Path]]:
    """Files by the T_REC in their headers."""
    found = []
    for path in paths:
        cards = read(path)[1]
        if "T_REC" not in cards:
            raise FitsError(f"{path.name} has no T_REC card")
        found.append((parse_t_rec(str(cards["T_REC"])), path))
    return sorted(found)


def _detected(series: list[tuple[int, Path]]) -> Iterator[DetectedFrame]:
    """Label images as the tracker takes them; ids count on through the series."""
    n_before = 0
    for t_rec_s, path in series:
        labels = read(path)[0]
        rows, cols = np.nonzero(labels)
        inside = labels[rows, cols] - 1
        count = np.bincount(inside)
        yield DetectedFrame(
            t_rec_s,
            np.arange(n_before, n_before + count.size),
            np.bincount(inside, weights=rows) / count,
            np.bincount(inside, weights=cols) / count,
            count,
            labels,
        )
        n_before += count.size


def _lineage_of(
    frames: Iterable[DetectedFrame], edges: dict[int, np.ndarray], pixel_side_mm: float, parameters: ChainParameters
) -> dict[str, Any]:
    """Features (id, T_REC seconds, label), links, tracks and events, in plain values."""
    features: list[dict[str, int]] = []
    nodes: list[Node] = []
    times: list[int] = []

    def noted() -> Iterator[DetectedFrame]:
        for frame in frames:
            on_edge = edges.get(frame.t_rec_s, _on_border(frame.labels, frame.ids.size))
            for label, feature_id in enumerate(frame.ids.tolist(), start=1):
                features.append({"id": feature_id, "t_rec_s": frame.t_rec_s, "label": label})
                nodes.append(Node(feature_id, len(times), bool(on_edge[label - 1])))
            times.append(frame.t_rec_s)
            yield frame

    links = link_series(noted(), pixel_side_mm=pixel_side_mm, reach_mm=parameters.reach_mm, max_gap=parameters.max_gap)
    breaks = series_breaks(times, max_gap=parameters.max_gap)
    lineage = build_lineage(nodes, links, n_frames=len(times), breaks=breaks)
    return {
        "features": features,
        "links": [asdict(link) for link in links],
        "tracks": [asdict(item) for item in lineage.tracks],
        "events": [asdict(item) for item in lineage.events],
    }


def _on_border(labels: np.ndarray, n_features: int) -> np.ndarray:
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(np.arange(1, n_features + 1), rim)


def _track_numbers(story: dict[str, Any]) -> dict[int, dict[int, int]]:
    """T_REC seconds -> label -> track number."""
    number_of = {feature_id: item["number"] for item in story["tracks"] for feature_id in item["ids"]}
    numbers: dict[int, dict[int, int]] = defaultdict(dict)
    for feature in story["features"]:
        if feature["id"] in number_of:
            numbers[feature["t_rec_s"]][feature["label"]] = number_of[feature["id"]]
    return numbers
