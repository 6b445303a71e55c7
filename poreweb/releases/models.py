"""The published lineage, machine and settled verdicts together, as it stands and as it was frozen."""

from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse

from poreweb.observations.models import Patch
from poreweb.people.models import Team
from poreweb.tracks.models import Run
from poreweb.work.models import Task


class Publication(Task):
    """
    The published lineage of a run, built anew after each settlement; one row a run.

    ``wanted`` counts settlements and undoings of them, ``built`` is what ``wanted`` was when the
    file at ``path`` was begun: the file is as new as can be when they are equal.
    """

    queue_name: ClassVar[str] = "quick"
    job_function: ClassVar[str] = "poreweb.releases.jobs.publish"

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="publication")
    wanted = models.PositiveIntegerField(default=0)
    built = models.PositiveIntegerField(default=0)
    built_at = models.DateTimeField(null=True)
    path = models.CharField(max_length=300, blank=True)
    summary: Any = models.JSONField("numbers of tracks, events and conflicts", default=dict, blank=True)

    class Meta(Task.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"Published lineage of {self.run}"

    def when_done(self) -> None:
        """Not done after all when more has been settled while it was built."""
        from poreweb.releases import actions

        actions.catch_up(self)


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Questions about releases."""

    def visible_to(self, user: User) -> "ReleaseQuerySet":
        """Releases of the user's teams."""
        return self.filter(patch__team__in=Team.objects.of(user))


class Release(Task):
    """
    A published lineage that is frozen: what it says, and where it is found, never changes.

    ``settled`` is what was settled when it was frozen, so that its files can be made from it
    at any later time. ``files``: name -> key in storage, size, SHA-256.
    """

    job_function: ClassVar[str] = "poreweb.releases.jobs.freeze"

    patch = models.ForeignKey(Patch, on_delete=models.PROTECT, related_name="releases")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="releases")
    number = models.PositiveIntegerField("number within the patch")
    note = models.TextField("what it is for", blank=True, max_length=2000)
    frozen_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField()
    settled: Any = models.JSONField(default=list)
    provenance: Any = models.JSONField(default=dict)
    files: Any = models.JSONField(default=dict)
    summary: Any = models.JSONField("numbers of tracks, events and conflicts", default=dict, blank=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta(Task.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["patch", "number"], name="release_number_once_per_patch")]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Release {self.number} of {self.patch}"

    def get_absolute_url(self) -> str:
        """Address of its page; it never changes."""
        return reverse("releases:release", args=[self.patch.pk, self.number])
