"""What people say about events. Never edits a machine row."""

from django.contrib.auth.models import User
from django.db import models

from poreweb.tracks.models import Event


class Verdict(models.Model):
    """One reviewer's judgement of one event, as it stands now."""

    class Choice(models.TextChoices):
        """What can be said of an event."""

        ACCEPT = "accept", "accepted"
        REJECT = "reject", "rejected"
        UNSURE = "unsure", "unsure"

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="verdicts")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="verdicts")
    choice = models.CharField(max_length=10, choices=Choice.choices)
    note = models.TextField(blank=True, max_length=2000)
    given_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "reviewer"], name="one_verdict_per_reviewer")]
        ordering = ["-given_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.get_choice_display()}"


class ReviewEntry(models.Model):
    """One act of one reviewer, append-only: who, when, what, from, to."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="history")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    before = models.CharField(max_length=10, blank=True)
    before_note = models.TextField(blank=True)
    after = models.CharField(max_length=10, blank=True)
    note = models.TextField(blank=True)
    undoes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="undone_by")

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "review entries"

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.before or 'pending'} to {self.after or 'pending'}"
