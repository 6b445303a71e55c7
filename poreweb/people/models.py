"""Teams and who belongs to them in which role."""

from typing import Any

from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class TeamQuerySet(models.QuerySet["Team"]):
    """Questions about teams."""

    def of(self, user: User) -> "TeamQuerySet":
        """Teams that the user belongs to."""
        return self.filter(memberships__user=user)

    def led_by(self, user: User) -> "TeamQuerySet":
        """Teams that the user leads."""
        return self.filter(memberships__user=user, memberships__role=Membership.Role.LEAD)

    def writable_by(self, user: User) -> "TeamQuerySet":
        """Teams in which the user may change things."""
        return self.filter(memberships__user=user, memberships__role__in=Membership.WRITERS)


class Team(models.Model):
    """People who share patches, runs and verdicts. Nothing is visible outside its team."""

    MOST_QUORUM = 9

    name = models.CharField(max_length=100, unique=True)
    quorum = models.PositiveSmallIntegerField(
        "equal verdicts that settle an event",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_QUORUM)],
    )
    is_blind = models.BooleanField("hide others' verdicts until one's own is in", default=False)
    jsoc_email = models.EmailField("e-mail registered at JSOC", blank=True)  # empty: that of the site
    quota_mb = models.PositiveIntegerField("most it may hold, MB", null=True, blank=True)  # NULL: that of the site
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


class Invitation(models.Model):
    """A way into a team that expires. The link carries a secret; only its SHA-256 is kept."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Membership.Role.choices, default=Membership.Role.REVIEWER)
    note = models.CharField("for whom", max_length=200, blank=True)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Invitation to {self.team} as {self.role}"


class Preferences(models.Model):
    """What a user has chosen for the pages."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="preferences")
    # act -> key, of those that differ from poreweb.people.keys.KEYS
    keys: Any = models.JSONField("keys of the desk", default=dict, blank=True)

    def __str__(self) -> str:
        return f"Preferences of {self.user}"
