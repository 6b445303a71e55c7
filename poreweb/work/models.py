"""The SQL mirror of background work: what a page shows and what the reconciler trusts."""

from typing import ClassVar

from django.db import models


class Task(models.Model):
    """
    Work that a job does, as a row. The row is the truth; a job in Redis only carries it.

    A subclass names its queue and its job function, which takes the primary key.
    """

    class State(models.TextChoices):
        """Where a task stands."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    OPEN: ClassVar[tuple[str, ...]] = (State.WAITING, State.RUNNING)
    queue_name: ClassVar[str] = "science"
    job_function: ClassVar[str]

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    job_id = models.CharField(max_length=100, blank=True)
    # Counts on for ever: it tells a job that it is still the one the row waits for.
    attempts = models.PositiveIntegerField(default=0)
    forgiven = models.PositiveIntegerField("attempts before the last retry by a person", default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    dispatched_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField("when it goes on, of one that was put off", null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        """Whether work on it is still to be expected."""
        return self.state in self.OPEN

    def lock_first(self) -> None:
        """Lock what must be locked before this row, so that nobody waits for each other."""

    def when_done(self) -> None:
        """Called in the transaction that marks it done."""

    def when_failed(self) -> None:
        """Called in the transaction that marks it failed."""
