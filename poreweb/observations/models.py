"""What we hold: patches, their frames, the raw files, and how they came in."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from poreweb.observations.signals import ingest_done
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL
from processing.geometry import CeaGeometry, geometry_of
from processing.timekeys import CADENCE_S, format_t_rec, gaps_in, utc_of


class PatchQuerySet(models.QuerySet["Patch"]):
    """Questions about patches."""

    def visible_to(self, user: User) -> "PatchQuerySet":
        """Patches of the user's teams."""
        return self.filter(team__in=Team.objects.of(user))


class Patch(models.Model):
    """
    A HARP as one team holds it, or a sequence of another instrument under a name of its own.

    JSOC numbers the HARPs of its near-real-time series anew, so that a number means
    nothing without its series.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="patches")
    series = models.CharField("JSOC series", max_length=60, default=DEFINITIVE_SERIES, blank=True)
    harpnum = models.PositiveIntegerField("HARP number", null=True)  # NULL: no HARP, and the series is empty
    name = models.CharField("name of a sequence that is no HARP", max_length=60, blank=True)
    cadence_s = models.PositiveIntegerField("seconds between two frames", default=CADENCE_S)
    noaa_ars = models.CharField("NOAA active regions", max_length=200, blank=True)
    process_new = models.BooleanField("frames have come that are still to be processed", default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PatchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "series", "harpnum"], name="one_patch_per_team_series_and_harp"),
            models.UniqueConstraint(
                fields=["team", "name"], condition=models.Q(harpnum=None), name="one_sequence_per_team_and_name"
            ),
            models.CheckConstraint(condition=models.Q(harpnum=None) ^ models.Q(name=""), name="a_harp_or_a_name"),
        ]
        ordering = ["-created_at", "harpnum"]
        verbose_name_plural = "patches"

    def __str__(self) -> str:
        if self.harpnum is None:
            return self.name
        return f"HARP {self.harpnum}" + (" (near-real-time)" if self.is_provisional else "")

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("observations:patch", args=[self.pk])

    @property
    def is_provisional(self) -> bool:
        """Whether its data are near-real-time ones, which JSOC makes again weeks later under another number."""
        return self.series.endswith(PROVISIONAL)

    @property
    def file_stem(self) -> str:
        """What the names of files made of it begin with: harp377, harp377_nrt, or the name in plain letters."""
        if self.harpnum is None:
            return slugify(self.name) or f"sequence{self.pk}"
        return f"harp{self.harpnum}" + ("_nrt" if self.is_provisional else "")

    def gaps(self) -> list[range]:
        """For each gap between its frames the missing slots, as T_REC (TAI seconds)."""
        return gaps_in(self.frames.values_list("t_rec_s", flat=True), self.cadence_s)


class Frame(models.Model):
    """A patch at one T_REC. TAI is the key; UTC is only shown."""

    patch = models.ForeignKey(Patch, on_delete=models.CASCADE, related_name="frames")
    t_rec_s = models.BigIntegerField("T_REC, TAI seconds since 1993-01-01")
    quality = models.BigIntegerField("QUALITY bits", null=True)
    ny = models.PositiveIntegerField()
    nx = models.PositiveIntegerField()
    mu_min = models.FloatField(null=True)
    mu_max = models.FloatField(null=True)
    cards = models.JSONField("header cards its segments share", default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patch", "t_rec_s"], name="one_frame_per_t_rec")]
        ordering = ["patch", "t_rec_s"]

    def __str__(self) -> str:
        return f"{self.patch} at {self.t_rec}"

    @property
    def t_rec(self) -> str:
        """The slot time in header notation, TAI."""
        return format_t_rec(self.t_rec_s)

    @property
    def utc(self) -> datetime:
        """The slot time in UTC, without zone."""
        return utc_of(self.t_rec_s)

    @property
    def geometry(self) -> CeaGeometry:
        """Of the native grid, without places for some sequences; raises FrameError when the cards do not tell."""
        return geometry_of(self.cards)


class RawFile(models.Model):
    """
    One segment's file, kept exactly as received under its SHA-256.

    Different bytes for the same segment of the same record are all kept; the first
    one received is used, the others are marked as conflicts.
    """

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="raw_files")
    segment = models.CharField(max_length=20)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField()
    name = models.CharField(max_length=255)
    bare = models.BooleanField("header without cards", default=False)
    conflict = models.BooleanField(default=False)
    ingest = models.ForeignKey("Ingest", on_delete=models.SET_NULL, null=True, related_name="raw_files")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["frame", "segment", "sha256"], name="same_bytes_once")]
        ordering = ["frame", "segment", "pk"]

    def __str__(self) -> str:
        return self.name


class Ingest(Task):
    """One delivery of files: an upload in the browser, or a folder given on the command line."""

    job_function: ClassVar[str] = "poreweb.observations.jobs.run_ingest"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="ingests")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    folder = models.CharField("where its files wait to be read", max_length=32, blank=True)
    names = models.JSONField("names of the files as sent", default=list)
    run_after = models.BooleanField("process afterwards", default=True)
    n_read = models.PositiveIntegerField(default=0)
    n_new = models.PositiveIntegerField(default=0)
    n_duplicate = models.PositiveIntegerField(default=0)
    n_conflict = models.PositiveIntegerField(default=0)
    n_refused = models.PositiveIntegerField(default=0)
    report: Any = models.JSONField("sentences about single files", default=list)
    patches = models.ManyToManyField(Patch, related_name="ingests")

    class Meta(Task.Meta):
        abstract = False
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Delivery {self.pk}"

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("observations:ingest", args=[self.pk])

    def when_done(self) -> None:
        """Tell who wants to process what came in."""
        if self.n_new:
            ingest_done.send(type(self), ingest=self)
