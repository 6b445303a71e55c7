"""What people say about events. Never edits a machine row."""

from typing import Any

from django.contrib.auth.models import User
from django.db import models

from poreweb.tracks.models import Event, Run


class Choice(models.TextChoices):
    """What can be said of an event."""

    ACCEPT = "accept", "accepted"
    REJECT = "reject", "rejected"
    CORRECT = "correct", "corrected"
    UNSURE = "unsure", "unsure"


class Reason(models.TextChoices):
    """Why, in the few words that are worth counting."""

    BALANCE = "balance", "area or flux balance"
    MOTION = "motion", "motion"
    SHAPE = "shape", "shape"
    FIELD = "field", "magnetic field"
    LIMB = "limb", "too near the limb"
    BLUR = "blur", "bad image"
    FRAGMENT = "fragment", "transient fragment"
    NO_PORE = "no_pore", "not a pore"
    OTHER = "other", "other"


class Judged(models.Model):
    """A judgement: what verdicts and settlements say. ``correction`` as `processing.edits.Correction`."""

    choice = models.CharField(max_length=10, choices=Choice.choices)
    correction: Any = models.JSONField("links added and removed, spurious pores", default=dict, blank=True)
    joined: Any = models.JSONField("keys of other events that are one with this one", default=list, blank=True)

    class Meta:
        abstract = True


class Standing(models.Model):
    """Where the team stands on one event. An event without one is pending."""

    class State(models.TextChoices):
        """A word, and one mark and hue on every page."""

        PENDING = "pending", "pending"
        ACCEPTED = "accepted", "accepted"
        REJECTED = "rejected", "rejected"
        CORRECTED = "corrected", "corrected"
        UNSURE = "unsure", "unsure"
        DISPUTED = "disputed", "disputed"

    SETTLED = (State.ACCEPTED, State.REJECTED, State.CORRECTED)

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="standing")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    n_verdicts = models.PositiveSmallIntegerField(default=0)
    # key of the newest entry of its history; 0 for none
    version = models.PositiveIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    # why what was carried over from another run should be looked at again
    stale = models.TextField(blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.state}"


class Verdict(Judged):
    """One reviewer's judgement of one event, as it is now."""

    Choice = Choice

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="verdicts")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="verdicts")
    reason = models.CharField(max_length=10, choices=Reason.choices, blank=True)
    note = models.TextField(blank=True, max_length=2000)
    given_at = models.DateTimeField()
    carried_from = models.ForeignKey(Event, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "reviewer"], name="one_verdict_per_reviewer")]
        ordering = ["-given_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.get_choice_display()}"


class Settlement(Judged):
    """What holds for the published lineage: agreed by enough verdicts, or said by a lead (``by``)."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="settlement")
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    note = models.TextField(blank=True, max_length=2000)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "event"]  # of two on one link the later one holds

    def __str__(self) -> str:
        return f"{self.event_id}: {self.get_choice_display()}"


class Act(models.Model):
    """One step of one person, on one event or on many: what undo takes back, and redo does again."""

    class Kind(models.TextChoices):
        """What was done."""

        VERDICT = "verdict", "verdict"
        BULK = "bulk", "verdicts in bulk"
        TRACK = "track", "verdict on a track"
        SETTLE = "settle", "settlement"
        CARRY = "carry", "carried over"
        RULES = "rules", "other rules"
        UNDO = "undo", "undo"
        REDO = "redo", "redo"

    # what a step back or forth can be taken on
    STEPS = (Kind.VERDICT, Kind.BULK, Kind.TRACK, Kind.SETTLE, Kind.CARRY)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="acts")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="acts")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    words = models.CharField("what it was on, when that is more than one event", max_length=300, blank=True)
    at = models.DateTimeField()
    # the act that an undo takes back or a redo does again
    of = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, related_name="steps")
    is_undone = models.BooleanField(default=False)
    # a new act ends what could be done again before it
    is_closed = models.BooleanField("undone, and no longer to be done again", default=False)

    class Meta:
        indexes = [models.Index(fields=["run", "by", "-id"])]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.by}: {self.get_kind_display()} {self.words}".strip()


class ReviewEntry(models.Model):
    """What one act changed on one event, append-only: who and when (the act), what, from, to."""

    class What(models.TextChoices):
        """Whose judgement it is."""

        VERDICT = "verdict", "verdict"
        SETTLEMENT = "settlement", "settlement"
        RULES = "rules", "rules"

    act = models.ForeignKey(Act, on_delete=models.CASCADE, related_name="entries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="history")
    what = models.CharField(max_length=10, choices=What.choices, default=What.VERDICT)
    # None, or what the verdict or settlement says, with its time and where it was carried from
    before: Any = models.JSONField(null=True)
    after: Any = models.JSONField(null=True)
    state_before = models.CharField(max_length=10, choices=Standing.State.choices, default=Standing.State.PENDING)
    state_after = models.CharField(max_length=10, choices=Standing.State.choices, default=Standing.State.PENDING)
    stale_before = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "review entries"

    def __str__(self) -> str:
        return f"{self.event_id}: {self.state_before} to {self.state_after}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever added: history is not rewritten."""
        if self.pk is not None:
            raise TypeError("an entry of the history is never changed")
        super().save(*args, **kwargs)


class Lease(models.Model):
    """Somebody has an event open. The first whose lease has not expired holds it."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="leases")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "user"], name="one_lease_per_user")]
        ordering = ["since", "pk"]

    def __str__(self) -> str:
        return f"{self.user} at {self.event_id}"


class Assignment(models.Model):
    """An event that a member is asked to judge."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="assignments")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "user"], name="assigned_once")]

    def __str__(self) -> str:
        return f"{self.event_id} for {self.user}"


class GoldEvent(Judged):
    """An event whose answer a lead knows: it measures a reviewer, who is not told."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="gold")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.event_id}: {self.get_choice_display()}"
