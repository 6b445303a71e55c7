"""What HEK lists of a patch, and the search for it."""

from typing import ClassVar

from django.db import models

from poreweb.observations.models import Patch
from poreweb.work.models import Task
from processing.locator import where_words
from processing.solar_events import KINDS, LENGTH_OF_CLASS, LENGTH_OF_FINDER, LENGTH_OF_KEY


class EventSearch(Task):
    """The search for a patch's solar events: one row, done anew as the patch grows."""

    queue_name: ClassVar[str] = "network"
    job_function: ClassVar[str] = "poreweb.context.jobs.search_events"

    patch = models.OneToOneField(Patch, on_delete=models.CASCADE, related_name="event_search")
    first_s = models.BigIntegerField("T_REC of the first frame that was searched for", null=True)
    last_s = models.BigIntegerField("T_REC of the last one", null=True)
    n_listed = models.PositiveIntegerField("detections on the whole Sun that HEK listed at the last search", default=0)
    searched_at = models.DateTimeField(null=True)
    waits_for = models.TextField("why it was put off, one sentence", blank=True)
    troubles = models.PositiveIntegerField("troubles in a row", default=0)

    class Meta(Task.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"Solar events of {self.patch}"

    def when_done(self) -> None:
        """Frames may have come while it was looking."""
        from poreweb.context import actions

        actions.search_if_grown(self.patch)


class SolarEvent(models.Model):
    """One event of HEK's in a patch's time and place. Times are UTC."""

    patch = models.ForeignKey(Patch, on_delete=models.CASCADE, related_name="solar_events")
    hek_key = models.CharField("HEK's name for it (kb_archivid)", max_length=LENGTH_OF_KEY)
    kind = models.CharField(max_length=2, choices=[*KINDS.items()])
    start = models.DateTimeField()
    peak = models.DateTimeField(null=True)
    end = models.DateTimeField()
    goes_class = models.CharField("GOES class", max_length=LENGTH_OF_CLASS, blank=True)
    lon_deg = models.FloatField("Stonyhurst longitude", null=True)
    lat_deg = models.FloatField("latitude", null=True)
    tx = models.FloatField("helioprojective, arcsec towards west", null=True)
    ty = models.FloatField("helioprojective, arcsec towards north", null=True)
    noaa_ar = models.PositiveIntegerField("NOAA active region", null=True)
    area_msh = models.FloatField("area of a sunspot, millionths of the hemisphere", null=True)
    finder = models.CharField("method that found it", max_length=LENGTH_OF_FINDER)
    others = models.JSONField("methods of the other detections of the same flare", default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patch", "hek_key"], name="one_event_per_patch_and_key")]
        ordering = ["patch", "start", "hek_key"]

    def __str__(self) -> str:
        return f"{self.goes_class} {self.get_kind_display()} {self.start:%Y-%m-%d %H:%M} UTC".strip()

    @property
    def place_words(self) -> str:
        """Its place in whole degrees; "" when HEK gives none."""
        return "" if self.lon_deg is None or self.lat_deg is None else where_words(self.lon_deg, self.lat_deg)
