"""Sequences of images that are not SHARPs: what was sent, what was said of it, and how far it is."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse

from poreweb.observations.models import Ingest, Patch
from poreweb.people.models import Team
from poreweb.words import sentence
from poreweb.work.models import Task
from processing.enhance.optics import MM_PER_ARCSEC
from processing.timekeys import format_t_rec


class SequenceQuerySet(models.QuerySet["Sequence"]):
    """Questions about sequences."""

    def visible_to(self, user: User) -> "SequenceQuerySet":
        """Those of the user's teams."""
        return self.filter(team__in=Team.objects.of(user))


class Sequence(Task):
    """
    A delivery of images of one instrument, with what the form says of them; its job makes a patch of it.

    What is measured on the way (times, shifts) is stored before any frame is written, so
    that another attempt writes the same bytes.
    """

    class Coordinates(models.TextChoices):
        """What is known of where its pixels lie."""

        HEADERS = "headers", "as the headers tell"
        POINTING = "pointing", "scale and pointing given here"
        SCALE = "scale", "scale alone"

    class Unit(models.TextChoices):
        """Of the pixel scale."""

        ARCSEC = "arcsec", "arcsec"
        KM = "km", "km on the Sun"

    class TimeScale(models.TextChoices):
        """Of the time given."""

        UTC = "utc", "UTC"
        TAI = "tai", "TAI"

    job_function: ClassVar[str] = "poreweb.sequences.jobs.run_sequence"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="sequences")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    patch = models.ForeignKey(Patch, on_delete=models.SET_NULL, null=True, related_name="sequences")
    ingest = models.ForeignKey(Ingest, on_delete=models.SET_NULL, null=True, related_name="sequences")
    # what was said
    name = models.CharField(max_length=60)
    instrument = models.CharField(max_length=60, blank=True)
    coordinates = models.CharField(max_length=10, choices=Coordinates.choices)
    pixel_scale = models.FloatField("side of a pixel", null=True)
    scale_unit = models.CharField(max_length=10, choices=Unit.choices, default=Unit.ARCSEC)
    # of the image's middle in the first frame where the pointing is given; of the patch's where headers tell
    tx_arcsec = models.FloatField("Tx, west; NULL: the image's middle by its header", null=True)
    ty_arcsec = models.FloatField("Ty, north; the same", null=True)
    rotation_deg = models.FloatField("from solar north towards east to the image's upward direction", default=0)
    width_deg = models.FloatField("of the patch on the Sun; NULL: of the whole image", null=True)
    height_deg = models.FloatField("the same", null=True)
    time_scale = models.CharField(max_length=10, choices=TimeScale.choices, default=TimeScale.UTC)
    first_s = models.BigIntegerField("first time, TAI seconds since 1993-01-01; NULL: by headers", null=True)
    cadence_s = models.FloatField("seconds between two frames; NULL: by headers", null=True)
    coalign = models.BooleanField("shift the frames onto each other", default=False)
    scale_darks = models.BooleanField("scale darks of another exposure time", default=False)
    run_after = models.BooleanField("process afterwards", default=True)
    # what came of it
    doing = models.TextField("what it does now, one sentence", blank=True)
    n_frames = models.PositiveIntegerField(default=0)
    n_done = models.PositiveIntegerField("frames stored or left out", default=0)
    times: Any = models.JSONField("T_REC of each frame, in order of time: TAI seconds since 1993-01-01", default=list)
    times_from_headers = models.BooleanField(null=True)
    shifts: Any = models.JSONField("of each frame: rows, columns (pixels), quality", default=list)
    pictures: Any = models.JSONField("calibration images, as `pictures` describes them", default=list)
    facts: Any = models.JSONField("what was found and assumed, sentences", default=list)
    report: Any = models.JSONField("sentences about single frames and files", default=list)

    objects = SequenceQuerySet.as_manager()

    class Meta(Task.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_sequence_per_name")]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("sequences:sequence", args=[self.pk])

    @property
    def now(self) -> str:
        """What it does, or why it stopped, in a sentence."""
        return sentence(self.error) if self.error else self.doing

    @property
    def side_mm(self) -> float | None:
        """Side of a pixel on the Sun as given, in Mm, at disk centre from 1 au; None where headers tell it."""
        if self.pixel_scale is None:
            return None
        return self.pixel_scale * (MM_PER_ARCSEC if self.scale_unit == self.Unit.ARCSEC else 1e-3)

    @property
    def first(self) -> str:
        """The first time as given, in header notation, TAI."""
        return "" if self.first_s is None else format_t_rec(self.first_s)

    @property
    def can_change(self) -> bool:
        """Whether what was said of it may still be corrected: it rests, and nothing is made of its frames."""
        return not self.is_open and (self.patch is None or not self.patch.runs.exists())

    def when_done(self) -> None:
        """Close its delivery, so that what came is processed."""
        from poreweb.sequences import actions

        actions.close(self)


class SourceFile(models.Model):
    """A file as it was sent, kept under its SHA-256 beside the raw files of HARPs and never modified."""

    class Role(models.TextChoices):
        """What its images are."""

        IMAGE = "image", "image"
        DARK = "dark", "dark"
        FLAT = "flat", "flat"

    sequence = models.ForeignKey(Sequence, on_delete=models.CASCADE, related_name="files")
    role = models.CharField(max_length=10, choices=Role.choices)
    number = models.PositiveIntegerField("in the order sent")
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    n_frames = models.PositiveIntegerField()
    exposure_s = models.FloatField("exposure time by its header, seconds", null=True)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sequence", "role", "sha256"], name="same_source_once"),
        ]
        ordering = ["sequence", "role", "number"]

    def __str__(self) -> str:
        return self.name
