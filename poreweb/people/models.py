"""Teams and who belongs to them in which role."""

from django.contrib.auth.models import User
from django.db import models


class TeamQuerySet(models.QuerySet["Team"]):
    """Questions about teams."""

    def of(self, user: User) -> "TeamQuerySet":
        """Teams that the user belongs to."""
        return self.filter(memberships__user=user)

    def writable_by(self, user: User) -> "TeamQuerySet":
        """Teams in which the user may change things."""
        return self.filter(memberships__user=user, memberships__role__in=Membership.WRITERS)


class Team(models.Model):
    """People who share patches, runs and verdicts. Nothing is visible outside its team."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One user in one team."""

    class Role(models.TextChoices):
        """What a member may do: look; also upload, run and judge; also settle for the team."""

        VIEWER = "viewer", "viewer"
        REVIEWER = "reviewer", "reviewer"
        LEAD = "lead", "lead"

    WRITERS = (Role.REVIEWER, Role.LEAD)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="one_membership_per_team")]
        ordering = ["team__name", "user__username"]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} ({self.role})"
