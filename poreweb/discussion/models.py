"""What people say to each other about patches, frames, events, tracks and links."""

from typing import Any

from django.contrib.auth.models import User
from django.db import models

from poreweb.observations.models import Frame, Patch
from poreweb.people.models import Team
from poreweb.tracks.models import Event, Feature, Run


class CommentQuerySet(models.QuerySet["Comment"]):
    """Questions about comments."""

    def visible_to(self, user: User) -> "CommentQuerySet":
        """Comments of the user's teams."""
        return self.filter(patch__team__in=Team.objects.of(user))


class Comment(models.Model):
    """
    One comment. The first of a thread says what it is about and may be resolved; replies have ``thread``.

    ``mark`` is drawn on the image: {"shape": "point" | "rectangle" | "circle" | "arrow",
    "points": [[Carrington longitude, latitude], ...]} in degrees, so that it stays on the Sun
    in every frame and every run.
    """

    patch = models.ForeignKey(Patch, on_delete=models.CASCADE, related_name="comments")
    thread = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replies")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="comments")
    at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True)
    text = models.TextField(max_length=4000)
    # what it is about, as far as that is more than the patch; replies have none
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    frame = models.ForeignKey(Frame, on_delete=models.SET_NULL, null=True, related_name="comments")
    event = models.ForeignKey(Event, on_delete=models.SET_NULL, null=True, related_name="comments")
    track_number = models.PositiveIntegerField(null=True)
    earlier = models.ForeignKey(Feature, on_delete=models.SET_NULL, null=True, related_name="+")
    later = models.ForeignKey(Feature, on_delete=models.SET_NULL, null=True, related_name="+")
    mark: Any = models.JSONField(null=True)
    resolved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)

    objects = CommentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patch", "thread"])]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"


class Mention(models.Model):
    """A member named in a comment as @name."""

    comment = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="mentions")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mentions")
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["comment", "user"], name="mentioned_once")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user} in {self.comment_id}"


class ThreadRead(models.Model):
    """How far a member has read a thread: the last comment seen."""

    thread = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="reads")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    last = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["thread", "user"], name="one_bookmark_per_thread")]

    def __str__(self) -> str:
        return f"{self.user} at {self.last_id}"
