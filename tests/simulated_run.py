"""A finished run of a simulated series, straight into the site: many mergers, splits and gaps, with their images."""

import math
from itertools import pairwise

import numpy as np

from poreweb.observations.models import Frame, Patch
from poreweb.people.models import Team
from poreweb.tracks import archive, rows
from poreweb.tracks.models import Batch, Feature, Run, Segmentation
from poreweb.tracks.signals import run_done
from processing.certainty import weigh_events
from processing.lineage import build_lineage
from processing.parameters import ChainParameters
from processing.synthetic import SimulationParameters, simulate
from processing.synthetic_tracks import LEVELS, SimulatedTracks, simulate_tracks
from processing.timekeys import CADENCE_S
from processing.track import link_series

FIRST_S = 646_000_560  # T_REC of the first frame, seconds TAI
PIXEL_MM = 0.182  # of the doubled grid
CM2_PER_MM2 = 1e16  # the series has flux in G times pixels
PARAMETERS = ChainParameters(enhance="cubic-spline")


def make_run(
    team: Team, *, n_frames: int = 55, shape: tuple[int, int] = (300, 400), seed: int = 1, harpnum: int = 99100
) -> Run:
    """
    A run that is done on a patch of the team's.

    ``shape`` (ny, nx) is of the working grid, twice the frame's. Its images are drawn from
    the labels: quiet Sun at 1, each pore at its own intensity.
    """
    simulated = simulate_tracks(LEVELS["medium"], n_frames=n_frames, shape=shape, seed=seed)
    patch = Patch.objects.create(team=team, harpnum=harpnum)
    run = Run.objects.create(
        patch=patch, number=1, parameters=PARAMETERS.as_dict(), code_version="simulated", state="done"
    )
    done = _segmentations(run, simulated, shape)
    Batch.objects.create(run=run, kind=Batch.Kind.TRACK, first=0, last=n_frames - 1, state="done")
    for item, (first, last) in zip(done, pairwise(simulated.starts), strict=True):
        _store(run, item, simulated, slice(first, last))
    linked = link_series(rows.detected_frames(run), pixel_side_mm=PIXEL_MM, reach_mm=None)
    nodes, frame_indices = rows.nodes_of(run)
    lineage = build_lineage(nodes, linked.links, n_frames=n_frames)
    rows.save_lineage(run, linked, lineage, weigh_events(lineage, nodes, linked), frame_indices, nodes)
    run_done.send(Run, run=run)
    return run


def _segmentations(run: Run, simulated: SimulatedTracks, shape: tuple[int, int]) -> list[Segmentation]:
    cards = next(iter(simulate(SimulationParameters()))).cards
    ny, nx = (side // 2 for side in shape)
    frames = Frame.objects.bulk_create(
        Frame(patch=run.patch, t_rec_s=FIRST_S + CADENCE_S * k, ny=ny, nx=nx, mu_min=0.9, mu_max=0.99, cards=cards)
        for k in range(simulated.n_frames)
    )
    return Segmentation.objects.bulk_create(
        Segmentation(run=run, frame=frame, index=k, state="done") for k, frame in enumerate(frames)
    )


def _store(run: Run, item: Segmentation, simulated: SimulatedTracks, here: slice) -> None:
    labels = simulated.labels(item.index)
    level = np.ones(int(labels.max(initial=0)) + 1, np.float32)
    level[simulated.label[here]] = simulated.intensity[here]
    archive.write_maps(run, item.index, simulated.n_frames, contrast=level[labels], labels=labels)
    Feature.objects.bulk_create(_feature(item, simulated, k) for k in range(here.start, here.stop))
    Segmentation.objects.filter(pk=item.pk).update(n_features=here.stop - here.start)


def _feature(item: Segmentation, simulated: SimulatedTracks, k: int) -> Feature:
    area_px, row, col = int(simulated.area_px[k]), float(simulated.row[k]), float(simulated.col[k])
    area = area_px * PIXEL_MM**2
    side = 2 * math.sqrt(area / math.pi)
    flux = float(simulated.flux[k]) * PIXEL_MM**2 * CM2_PER_MM2
    degrees = 0.015  # of one pixel of the doubled grid
    return Feature(
        segmentation=item, label=int(simulated.label[k]), row=row, col=col, lon_deg=250 + degrees * col,
        lat_deg=-12 + degrees * row, mu=0.95, area_px=area_px, area_mm2=area, area_msh=area / 3.04,
        area_projected_mm2=0.95 * area, intensity_mean=float(simulated.intensity[k]),
        intensity_min=0.9 * float(simulated.intensity[k]), flux_mx=flux, b_g=1500.0,
        bz_g=math.copysign(1400, simulated.flux[k]), major_mm=side, minor_mm=side, orientation_deg=0,
    )  # fmt: skip
