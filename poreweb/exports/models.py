"""What people take away: files made of a run and its verdicts."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse

from poreweb.people.models import Team
from poreweb.tracks.models import Run
from poreweb.work.models import Task


class ExportQuerySet(models.QuerySet["Export"]):
    """Questions about exports."""

    def visible_to(self, user: User) -> "ExportQuerySet":
        """Exports of the user's teams."""
        return self.filter(run__patch__team__in=Team.objects.of(user))


class Export(Task):
    """One file, made once and never changed; a new one is made when verdicts have moved on."""

    class Kind(models.TextChoices):
        """What can be had."""

        MOVIE = "movie", "Movie (MP4)"
        CSV = "csv", "Catalogue (CSV)"
        ECSV = "ecsv", "Catalogue (ECSV)"

    SUFFIX: ClassVar[dict[str, str]] = {Kind.MOVIE: "mp4", Kind.CSV: "csv", Kind.ECSV: "ecsv"}
    job_function: ClassVar[str] = "poreweb.exports.jobs.run_export"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="exports")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    n_done = models.PositiveIntegerField(default=0)
    n_total = models.PositiveIntegerField(default=0)
    n_verdicts = models.PositiveIntegerField("verdicts taken into account", default=0)
    path = models.CharField(max_length=300, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    objects = ExportQuerySet.as_manager()

    class Meta(Task.Meta):
        abstract = False
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.run}"

    def get_absolute_url(self) -> str:
        """Address of the file."""
        return reverse("exports:download", args=[self.pk])

    @property
    def file_name(self) -> str:
        """What the file is called on a user's disk."""
        suffix = self.SUFFIX[self.kind]
        return f"{self.run.patch.file_stem}_run{self.run.number}_{self.pk}.{suffix}"
