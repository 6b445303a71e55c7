"""What is fetched from JSOC and from watched folders: orders, their records and exports, watches, and the NOAA list."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse
from django.utils import timezone

from poreweb.observations.models import Ingest, Patch
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL
from processing.timekeys import CADENCE_S, format_t_rec


class HarpNoaa(models.Model):
    """A HARP and a NOAA region that it covers, or part of it: many to many, and the same for every team."""

    harpnum = models.PositiveIntegerField("HARP number", db_index=True)
    noaa_ar = models.PositiveIntegerField("NOAA active region", db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["harpnum", "noaa_ar"], name="one_pair_of_harp_and_noaa")]
        ordering = ["harpnum", "noaa_ar"]

    def __str__(self) -> str:
        return f"HARP {self.harpnum} - NOAA {self.noaa_ar}"


class NoaaList(Task):
    """JSOC's list of which HARP is which NOAA region: one row, which reads it anew every so often."""

    queue_name: ClassVar[str] = "network"
    job_function: ClassVar[str] = "poreweb.acquire.jobs.refresh_noaa_list"

    every_hours = models.PositiveIntegerField("read anew after so many hours; 0: only when told to", default=24)
    read_at = models.DateTimeField("when it was last read", null=True)
    source = models.CharField("where it was read from", max_length=300, blank=True)
    n_pairs = models.PositiveIntegerField(default=0)
    problem = models.TextField("why the last reading failed, one sentence", blank=True)

    class Meta(Task.Meta):
        abstract = False

    def __str__(self) -> str:
        return "List of HARPs and NOAA regions"


class WatchQuerySet(models.QuerySet["Watch"]):
    """Questions about watches."""

    def visible_to(self, user: User) -> "WatchQuerySet":
        """Those of the user's teams."""
        return self.filter(team__in=Team.objects.of(user))

    def pause(self) -> int:
        """Stop looking; how many were not paused already."""
        open_ones = self.filter(state__in=Task.OPEN)
        return open_ones.update(state=Task.State.CANCELLED, finished_at=timezone.now(), not_before=None)


class Watch(Task):
    """
    Something looked at again and again: a HARP that is still on the disk, or a folder in which files appear.

    It waits between two looks; a paused one is cancelled.
    """

    class Kind(models.TextChoices):
        """What is watched."""

        HARP = "harp", "HARP at JSOC"
        FOLDER = "folder", "folder on this machine"

    queue_name: ClassVar[str] = "network"
    job_function: ClassVar[str] = "poreweb.acquire.jobs.run_watch"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="watches")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    series = models.CharField("JSOC series", max_length=60, default=DEFINITIVE_SERIES, blank=True)
    harpnum = models.PositiveIntegerField("HARP number", null=True)
    folder = models.CharField("folder, with all that is below it", max_length=500, blank=True)
    segments: Any = models.JSONField(default=list)
    every_s = models.PositiveIntegerField("seconds between two looks", default=CADENCE_S)
    run_after = models.BooleanField("process what is new", default=True)
    looked_at = models.DateTimeField(null=True)
    last_new_at = models.DateTimeField("when something new was last found", null=True)
    n_new = models.PositiveIntegerField("records or files found so far", default=0)
    said = models.TextField("what the last look found, one sentence", blank=True)
    problem = models.TextField("why the last look failed, one sentence", blank=True)

    objects = WatchQuerySet.as_manager()

    class Meta(Task.Meta):
        abstract = False
        ordering = ["pk"]

    def __str__(self) -> str:
        if self.kind == self.Kind.FOLDER:
            return f"Folder {self.folder}"
        return f"HARP {self.harpnum}" + (" (near-real-time)" if self.series.endswith(PROVISIONAL) else "")


class SeenFile(models.Model):
    """A file of a watched folder as it was when it was read; one that changes is read again."""

    watch = models.ForeignKey(Watch, on_delete=models.CASCADE, related_name="seen_files")
    path = models.CharField("below the folder", max_length=1000)
    size = models.PositiveBigIntegerField()
    mtime_ns = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["watch", "path"], name="one_row_per_watched_file")]
        ordering = ["watch", "path"]

    def __str__(self) -> str:
        return self.path


class AcquisitionQuerySet(models.QuerySet["Acquisition"]):
    """Questions about acquisitions."""

    def visible_to(self, user: User) -> "AcquisitionQuerySet":
        """Those of the user's teams."""
        return self.filter(team__in=Team.objects.of(user))


class Acquisition(Task):
    """
    Records of one HARP that a team wants: first a preview, and once ordered everything until they are held.

    What is held is told by the patch's raw files alone; a record is done when each wanted
    segment that JSOC has of it is among them.
    """

    class Method(models.TextChoices):
        """How JSOC hands files out."""

        TAR = "url-tar", "one archive, full headers"
        FILES = "url", "single files, full headers"
        AS_IS = "url_quick", "single files at once, bare headers"

    queue_name: ClassVar[str] = "network"
    job_function: ClassVar[str] = "poreweb.acquire.jobs.run_acquisition"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="acquisitions")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    watch = models.ForeignKey(Watch, on_delete=models.SET_NULL, null=True, related_name="acquisitions")
    series = models.CharField("JSOC series", max_length=60, default=DEFINITIVE_SERIES)
    harpnum = models.PositiveIntegerField("HARP number")
    noaa_ar = models.PositiveIntegerField("NOAA region by which it was asked for", null=True)
    first_s = models.BigIntegerField("first T_REC, TAI seconds since 1993-01-01; NULL: from its beginning", null=True)
    last_s = models.BigIntegerField("last T_REC, the same; NULL: to its end", null=True)
    cadence_s = models.PositiveIntegerField("seconds between two records", default=CADENCE_S)
    segments: Any = models.JSONField(default=list)
    method = models.CharField(max_length=10, choices=Method.choices, default=Method.TAR)
    run_after = models.BooleanField("process them as soon as they are in", default=True)
    planned_at = models.DateTimeField("when JSOC was asked what there is", null=True)
    ordered_at = models.DateTimeField("NULL: a preview", null=True)
    preview: Any = models.JSONField("what JSOC has, as `acquire.planning` makes it", default=dict)
    estimated_bytes = models.PositiveBigIntegerField("what is still to be fetched when it was planned", default=0)
    fetched_bytes = models.PositiveBigIntegerField(default=0)
    doing = models.TextField("what it does or waits for now, one sentence", blank=True)
    troubles = models.PositiveIntegerField("troubles in a row since something last went well", default=0)
    patch = models.ForeignKey(Patch, on_delete=models.SET_NULL, null=True, related_name="acquisitions")
    ingest = models.ForeignKey(Ingest, on_delete=models.SET_NULL, null=True, related_name="acquisitions")

    objects = AcquisitionQuerySet.as_manager()

    class Meta(Task.Meta):
        abstract = False
        ordering = ["-pk"]

    def __str__(self) -> str:
        kind = " (near-real-time)" if self.series.endswith(PROVISIONAL) else ""
        return f"HARP {self.harpnum}{kind} from JSOC"

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("acquire:acquisition", args=[self.pk])

    @property
    def is_preview(self) -> bool:
        """Whether nothing was asked for yet."""
        return self.ordered_at is None

    @property
    def n_to_fetch(self) -> int:
        """Records of a plan that are not held and that JSOC has."""
        return self.records.filter(is_held=False, problem="").count()

    @property
    def wanted_words(self) -> str:
        """What was asked for, for a sentence; nothing where the range is open."""
        words = f"HARP {self.harpnum} in {self.series}"
        if self.first_s is not None:
            words += f" from {format_t_rec(self.first_s)}{'' if self.last_s is not None else ' on'}"
        if self.last_s is not None:
            words += f" {'up ' if self.first_s is None else ''}to {format_t_rec(self.last_s)}"
        return words + (f", one every {self.cadence_s // 60} min" if self.cadence_s != CADENCE_S else "")

    def when_done(self) -> None:
        """Tell who wants to process what came in."""
        from poreweb.acquire import actions

        actions.close(self)

    def when_failed(self) -> None:
        """Say why; what did come is kept, and processed."""
        from poreweb.acquire import actions

        actions.say_failed(self)
        actions.close(self)


class ExportRequest(models.Model):
    """
    One export at JSOC, for some of an acquisition's records.

    It is planned, then sent, pending until JSOC has made its files, ready until they are
    read; one that failed or was abandoned sets its records free for another.
    """

    class State(models.TextChoices):
        """Where it stands."""

        PLANNED = "planned", "planned"
        SENDING = "sending", "being sent"
        PENDING = "pending", "pending at JSOC"
        READY = "ready", "ready to be fetched"
        READ = "read", "fetched and read"
        FAILED = "failed", "failed"
        ABANDONED = "abandoned", "abandoned"

    OPEN: ClassVar[tuple[str, ...]] = (State.PLANNED, State.SENDING, State.PENDING, State.READY)
    AT_JSOC: ClassVar[tuple[str, ...]] = (State.SENDING, State.PENDING)

    acquisition = models.ForeignKey(Acquisition, on_delete=models.CASCADE, related_name="exports")
    number = models.PositiveIntegerField("number within the acquisition")
    method = models.CharField(max_length=10, choices=Acquisition.Method.choices)
    email = models.CharField("under which it was asked for", max_length=254)
    record_set = models.TextField("as JSOC was asked")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED, db_index=True)
    request_id = models.CharField("JSOC's name for it", max_length=100, blank=True)
    status = models.IntegerField("JSOC's last status", null=True)
    answer: Any = models.JSONField("JSOC's last answer", default=dict)
    fetched: Any = models.JSONField("addresses whose files have been read", default=list)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["acquisition", "number"], name="export_number_once_per_acquisition"),
            # JSOC lets one e-mail have one export pending; url_quick is answered at once
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(state__in=("sending", "pending")) & ~models.Q(method="url_quick"),
                name="one_export_in_flight_per_email",
            ),
        ]
        ordering = ["acquisition", "number"]

    def __str__(self) -> str:
        return self.request_id or f"Export {self.number} of {self.acquisition}"


class Record(models.Model):
    """One record of JSOC's that an acquisition wants, with its keywords."""

    acquisition = models.ForeignKey(Acquisition, on_delete=models.CASCADE, related_name="records")
    t_rec_s = models.BigIntegerField("T_REC, TAI seconds since 1993-01-01")
    keywords: Any = models.JSONField("as JSOC's query gave them", default=dict)
    estimated_bytes = models.PositiveIntegerField(default=0)
    export = models.ForeignKey(ExportRequest, on_delete=models.SET_NULL, null=True, related_name="records")
    tries = models.PositiveIntegerField("exports that ended without it", default=0)
    absent: Any = models.JSONField("segments that JSOC says it does not have", default=list)
    is_held = models.BooleanField("all that JSOC has of it is here", default=False)
    problem = models.TextField("why it could not be had, one sentence", blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["acquisition", "t_rec_s"], name="one_record_per_t_rec")]
        indexes = [models.Index(fields=["acquisition", "is_held"])]
        ordering = ["acquisition", "t_rec_s"]

    def __str__(self) -> str:
        return format_t_rec(self.t_rec_s)


class AcquisitionLog(models.Model):
    """One line of what happened."""

    acquisition = models.ForeignKey(Acquisition, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(auto_now_add=True)
    text = models.TextField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text
