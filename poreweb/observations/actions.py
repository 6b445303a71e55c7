"""Every change to patches, frames and raw files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from poreweb import storage
from poreweb.observations import archive
from poreweb.observations.models import Frame, Ingest, Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.tasks import dispatch, must_hold
from processing.errors import FitsError, FrameError
from processing.fits import NO_HARP, Segment, read_segment
from processing.geometry import geometry_of

MAX_REPORT_LINES = 500


@dataclass
class IngestReport:
    """What became of the files of one delivery; ``lines`` tells of those that are not plainly new."""

    n_read: int = 0
    n_new: int = 0
    n_duplicate: int = 0
    n_conflict: int = 0
    n_refused: int = 0
    lines: list[dict[str, str]] = field(default_factory=list)
    patch_ids: set[int] = field(default_factory=set)
    seen: set[tuple[str, int, int]] = field(default_factory=set)

    def say(self, kind: str, text: str) -> None:
        """Add a sentence; beyond the limit only the counts go on."""
        if len(self.lines) < MAX_REPORT_LINES:
            self.lines.append({"kind": kind, "text": text})


def receive_upload(files: Iterable[UploadedFile], *, team: Team, user: User, run_after: bool) -> Ingest:
    """Keep uploaded files where a worker finds them, and queue their reading."""
    folder = uuid4().hex
    names = []
    # before the transaction: copying gigabytes within it would keep every other writer waiting
    for number, file in enumerate(files):
        names.append((file.name or "unnamed").replace("\\", "/").rpartition("/")[2])
        _copy_in(archive.incoming_key(folder, number), file)
    with transaction.atomic():
        ingest = Ingest.objects.create(team=team, user=user, run_after=run_after, folder=folder, names=names)
        dispatch(ingest)
    return ingest


def _copy_in(key: str, file: UploadedFile) -> None:
    with storage.writing(key) as path, path.open("wb") as out:
        for chunk in file.chunks():
            out.write(chunk)


def take_file(
    raw: bytes,
    name: str,
    *,
    team: Team,
    ingest: Ingest,
    report: IngestReport,
    keywords: Mapping[str, Any] | None = None,
) -> None:
    """
    Read one FITS file and keep it; whatever is wrong with it becomes a sentence of the report.

    ``keywords`` are those of its record, for a file whose header is bare.
    """
    report.n_read += 1
    try:
        segment = read_segment(raw, name)
        if segment.harpnum == NO_HARP:
            raise FitsError(f"{name} is of the sequence {segment.sequence}, not of a HARP; add it as a sequence")
        patch, _ = Patch.objects.get_or_create(team=team, series=segment.series, harpnum=segment.harpnum)
        outcome = keep_segment(segment, raw, name, patch=patch, ingest=ingest, report=report, keywords=keywords)
    except (FitsError, FrameError) as problem:
        report.n_refused += 1
        report.say("refused", f"{str(problem).rstrip('.')}.")
        return
    if outcome == "new":
        report.n_new += 1
    elif outcome == "duplicate":
        report.n_duplicate += 1
        report.say("duplicate", f"{name} is already held with the same bytes and was skipped.")
    else:
        report.n_conflict += 1
        report.say("conflict", f"{name} differs from the {segment.name} already held for that record; both are kept.")


@transaction.atomic
def keep_segment(
    segment: Segment,
    raw: bytes,
    name: str,
    *,
    patch: Patch,
    ingest: Ingest,
    report: IngestReport,
    keywords: Mapping[str, Any] | None = None,
) -> str:
    """Store one segment; "new", "duplicate" (same bytes) or "conflict" (other bytes, same record)."""
    ny, nx = segment.data.shape
    frame, _ = Frame.objects.get_or_create(patch=patch, t_rec_s=segment.t_rec_s, defaults={"ny": ny, "nx": nx})
    Frame.objects.select_for_update(no_key=True).get(pk=frame.pk)  # two deliveries of one file wait for each other
    if (frame.ny, frame.nx) != (ny, nx):
        raise FrameError(
            f"{name} is {nx} by {ny} pixels, but {patch} at {frame.t_rec} is held with {frame.nx} by {frame.ny}"
        )
    report.patch_ids.add(patch.pk)
    key = (segment.sha256, patch.pk, segment.t_rec_s)
    held = frame.raw_files.filter(segment=segment.name)
    if same := held.filter(sha256=segment.sha256).first():
        # a delivery read a second time after its worker died finds its own files
        again = same.ingest_id == ingest.pk and key not in report.seen
        report.seen.add(key)
        return ("conflict" if same.conflict else "new") if again else "duplicate"
    report.seen.add(key)
    archive.store_raw(segment.sha256, raw)
    conflict = held.exists()
    RawFile.objects.create(
        frame=frame, segment=segment.name, sha256=segment.sha256, size=len(raw), name=name.rpartition("/")[2][:255],
        bare=segment.bare, conflict=conflict, ingest=ingest,
    )  # fmt: skip
    cards = segment.cards if not segment.bare else dict(keywords or {})
    if segment.bare and cards:
        archive.store_keywords(segment.sha256, frame, cards)
    if cards and "CTYPE1" not in frame.cards:
        _learn_cards(frame, cards)
    return "conflict" if conflict else "new"


def _learn_cards(frame: Frame, cards: dict[str, Any]) -> None:
    """Take a full header's cards as the frame's, and the patch's NOAA numbers with them."""
    frame.cards = cards
    quality = cards.get("QUALITY")
    frame.quality = quality if isinstance(quality, int) and abs(quality) < 2**63 else None
    try:
        mu = geometry_of(cards).mu_map((frame.ny, frame.nx))
        if np.isfinite(mu).any():
            frame.mu_min, frame.mu_max = float(np.nanmin(mu)), float(np.nanmax(mu))
    except FrameError:
        pass  # a run says so when it needs the geometry
    frame.save()
    noaa_ars = str(cards.get("NOAA_ARS", "")).strip()
    if noaa_ars not in ("", "0", "MISSING", frame.patch.noaa_ars):
        frame.patch.noaa_ars = noaa_ars[:200]
        frame.patch.save(update_fields=["noaa_ars"])


@transaction.atomic
def save_report(ingest: Ingest, report: IngestReport) -> None:
    """Show how far a delivery is."""
    if ingest.is_open:  # one read on the command line is nobody else's
        must_hold(ingest)
    for name in ("n_read", "n_new", "n_duplicate", "n_conflict", "n_refused"):
        setattr(ingest, name, getattr(report, name))
    ingest.report = report.lines
    ingest.save(update_fields=["n_read", "n_new", "n_duplicate", "n_conflict", "n_refused", "report"])
    ingest.patches.set(report.patch_ids)


def close_delivery(ingest: Ingest, *, patch: Patch | None = None) -> None:
    """
    Close a delivery whose files were fetched or made here, and tell who wants to hear of it.

    It is of ``patch``, also where that held all of it before; without one, of those that its
    files are of. Called in the transaction that ends what brought it.
    """
    files = RawFile.objects.filter(ingest=ingest)
    ingest.n_new, ingest.n_conflict = files.filter(conflict=False).count(), files.filter(conflict=True).count()
    ingest.n_read = ingest.n_new + ingest.n_conflict
    ingest.state, ingest.error, ingest.finished_at = Ingest.State.DONE, "", timezone.now()
    ingest.save()
    ingest.patches.set([patch] if patch else files.values_list("frame__patch", flat=True).distinct())
    ingest.when_done()
