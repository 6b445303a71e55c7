"""What the pages show of acquisitions."""

from dataclasses import dataclass
from urllib.parse import urlencode, urljoin

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from poreweb.acquire import noaa, space
from poreweb.acquire.models import Acquisition, Record, Watch
from poreweb.observations.models import Frame, Patch, RawFile
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL
from processing.timekeys import tai_of

SHOWN = 100
NO_EMAIL = ("is not registered at JSOC", "and none is set")  # what a failed order says that an e-mail would mend


@dataclass(frozen=True)
class Progress:
    """How far an acquisition is; ``left_s`` is None while nothing can be said."""

    n_held: int
    n_all: int
    n_lost: int
    left_s: int | None

    @property
    def percent(self) -> int:
        """Of the records."""
        return 100 * self.n_held // self.n_all if self.n_all else 0


@dataclass(frozen=True)
class Room:
    """What a team holds and may hold, in bytes."""

    team: Team
    held: int
    quota: int | None


@dataclass(frozen=True)
class Watched:
    """A watch with its newest request, if it has made one, and the patch that it keeps up to date."""

    watch: Watch
    request: Acquisition | None
    patch: Patch | None
    n_requests: int
    n_found: int

    @property
    def unit(self) -> str:
        """Of what is found."""
        unit = "file" if self.watch.kind == Watch.Kind.FOLDER else "record"
        return unit if self.n_found == 1 else f"{unit}s"

    @property
    def state(self) -> str:
        """Where it stands, in a word or two."""
        if self.watch.state == Task.State.CANCELLED:
            return "paused"
        if not self.watch.is_open:
            return str(self.watch.get_state_display())
        return "last look failed" if self.watch.problem else "watching"

    @property
    def mark(self) -> str:
        """The state whose colour it has."""
        return "failed" if self.watch.is_open and self.watch.problem else self.watch.state

    @property
    def said(self) -> str:
        """What the last look found; nothing once its request has ended, which tells by itself."""
        ended, looked = self.request and self.request.finished_at, self.watch.looked_at
        return "" if ended and looked and ended > looked else self.watch.said

    @property
    def request_said(self) -> str:
        """What the newest request does or what came of it, unless the watch says so."""
        words = (self.request.error or self.request.doing) if self.request else ""
        return "" if words and words.rstrip(".") in self.watch.problem else words


def watched(user: User) -> list[Watched]:
    """What is watched for the user's teams, as it is now and not as it was at the last look."""
    requests = Acquisition.objects.filter(watch=OuterRef("pk")).order_by("-pk")
    files = RawFile.objects.filter(ingest__acquisitions__watch=OuterRef("pk"), conflict=False).order_by()
    came = files.values("ingest__acquisitions__watch").annotate(n=Count("frame", distinct=True)).values("n")
    counted = requests.order_by().values("watch").annotate(n=Count("pk")).values("n")
    watches = list(
        Watch.objects.visible_to(user)
        .select_related("team", "user")
        .annotate(
            newest=Subquery(requests.values("pk")[:1]),
            n_requests=Coalesce(Subquery(counted), 0),
            n_came=Coalesce(Subquery(came), 0),
        )
    )
    newest = {one.pk: one for one in listed(user).filter(pk__in=[watch.newest for watch in watches])}
    harps = Patch.objects.visible_to(user).filter(harpnum__in=[watch.harpnum for watch in watches if watch.harpnum])
    patches = {(patch.team_id, patch.series, patch.harpnum): patch for patch in harps}
    return [
        Watched(
            watch, newest.get(watch.newest), patches.get((watch.team_id, watch.series, watch.harpnum)),
            watch.n_requests, max(watch.n_new, watch.n_came),
        )
        for watch in watches
    ]  # fmt: skip


def listed(user: User) -> "QuerySet[Acquisition]":
    """The acquisitions of the user's teams, newest first, with ``n_all`` and ``n_held`` records."""
    # each a subquery on an index, for the rows that are shown alone: a record is as long as its keywords
    records = Record.objects.filter(acquisition=OuterRef("pk")).order_by().values("acquisition")
    counted = {
        name: Coalesce(Subquery(found.annotate(n=Count("pk")).values("n")), 0)
        for name, found in (("n_all", records), ("n_held", records.filter(is_held=True)))
    }
    acquisitions = Acquisition.objects.visible_to(user).select_related("team", "user", "patch")
    return acquisitions.annotate(**counted).order_by("-pk")


def progress_of(acquisition: Acquisition) -> Progress:
    """From its records, and the time that those took which came since it was ordered."""
    n_all, n_held, n_lost = acquisition.records.aggregate(
        n=Count("pk"), held=Count("pk", filter=Q(is_held=True)), lost=Count("pk", filter=~Q(problem=""))
    ).values()
    n_before = acquisition.preview.get("n_held", 0)
    came, to_come = n_held - n_before, n_all - n_held - n_lost
    left_s = None
    if acquisition.ordered_at and came > 0 and to_come > 0 and acquisition.state in Task.OPEN:
        took = (timezone.now() - acquisition.ordered_at).total_seconds()
        left_s = round(took / came * to_come)
    return Progress(n_held, n_all, n_lost, left_s)


def rooms(user: User) -> list[Room]:
    """Of each of the user's teams."""
    return [Room(team, space.held_bytes(team), space.quota_bytes(team)) for team in Team.objects.of(user)]


def room_refusal(acquisition: Acquisition) -> str:
    """Why what a preview shows cannot be had for want of room, one sentence; nothing when it can."""
    try:
        space.must_have_room(acquisition.team, acquisition.estimated_bytes)
    except space.NoRoomError as problem:
        text = str(problem)
        return f"{text[:1].upper()}{text[1:]}."
    return ""


def form_address(acquisition: Acquisition, **changes: object) -> str:
    """Address of the form of a preview, filled in with what was asked for but for the changes."""
    times = {
        name: f"{tai_of(seconds):%Y-%m-%d %H:%M}"
        for name, seconds in (("first", acquisition.first_s), ("last", acquisition.last_s)) if seconds is not None
    }  # fmt: skip
    given = {
        "team": acquisition.team_id, "harpnum": acquisition.harpnum, "series": acquisition.series, **times,
        "cadence_s": acquisition.cadence_s, "segments": acquisition.segments, **changes,
    }  # fmt: skip
    return f"{reverse('acquire:new')}?{urlencode(given, doseq=True)}"


def meant_harps(acquisition: Acquisition) -> list[tuple[int, str]]:
    """HARPs of the NOAA region whose number was asked for as a HARP in vain, and addresses that ask for them."""
    in_vain = acquisition.state == Task.State.FAILED and acquisition.planned_at is None
    if not in_vain or acquisition.series != DEFINITIVE_SERIES:  # whose numbers the list has
        return []
    number = acquisition.harpnum
    return [(harp, form_address(acquisition, harpnum=harp, noaa=number)) for harp in noaa.harps_of(number)]


def wants_email(acquisition: Acquisition) -> bool:
    """Whether an order failed for want of an e-mail that JSOC knows."""
    failed = acquisition.state == Task.State.FAILED
    return failed and any(words in acquisition.error for words in NO_EMAIL)


def registration_page() -> str:
    """Where JSOC registers e-mails."""
    return urljoin(settings.JSOC_URL, "ajax/register_email.html")


def held_thumbnails(acquisition: Acquisition, n: int = 6) -> list[Frame]:
    """Frames of the patch within what was asked for, spread over it, whose continuum is held."""
    if acquisition.patch is None:
        return []
    frames = acquisition.patch.frames.filter(
        t_rec_s__in=acquisition.records.values("t_rec_s"), raw_files__segment="continuum", raw_files__conflict=False
    ).order_by("t_rec_s")
    keys = list(frames.values_list("pk", flat=True))
    chosen = {keys[round(k * (len(keys) - 1) / max(n - 1, 1))] for k in range(n)} if keys else set()
    return list(Frame.objects.filter(pk__in=chosen).order_by("t_rec_s"))


def noaa_words(acquisition: Acquisition) -> str:
    """The HARP's NOAA regions: as its records have them, else as JSOC's list, which is of definitive HARPs, does."""
    if told := acquisition.preview.get("noaa_ars"):
        return str(told)
    return "" if acquisition.series.endswith(PROVISIONAL) else ", ".join(map(str, noaa.noaas_of(acquisition.harpnum)))
