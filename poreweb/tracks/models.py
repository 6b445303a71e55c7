"""What the machine found. Written only by jobs; a rerun makes new rows, nothing is overwritten."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.urls import reverse

from poreweb.observations.models import Frame, Patch
from poreweb.people.models import Team
from poreweb.work.models import Task
from processing.flags import FeatureFlag
from processing.parameters import ChainParameters


class RunQuerySet(models.QuerySet["Run"]):
    """Questions about runs."""

    def visible_to(self, user: User) -> "RunQuerySet":
        """Runs on patches of the user's teams."""
        return self.filter(patch__team__in=Team.objects.of(user))


class Run(models.Model):
    """The chain on one patch with one set of parameters."""

    class State(models.TextChoices):
        """Where a run stands."""

        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    patch = models.ForeignKey(Patch, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField("number within the patch")
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="reruns")
    # of the same patch: its settled links are kept by the tracker, its verdicts carried over to matching events
    settled_from = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="carried_to")
    parameters: Any = models.JSONField(default=dict)
    code_version = models.CharField(max_length=60)
    settled_hash = models.CharField("SHA-256 over the settled links that were kept", max_length=64, blank=True)
    input_hash = models.CharField("SHA-256 over the input files and parameters", max_length=64, blank=True)
    sparkline = models.TextField("total area over the frames, as points of an SVG polyline", blank=True)
    # each with first (index), n_frames, code_version, by, at (ISO 8601) and highest_track (number given until then)
    extensions: Any = models.JSONField("frames that were added after it was done", default=list, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING, db_index=True)
    n_automatic = models.PositiveSmallIntegerField("times begun again by itself since it failed", default=0)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patch", "number"], name="run_number_once_per_patch")]
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Run {self.number} of {self.patch}"

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("tracks:run", args=[self.pk])

    def locked(self) -> "Run":
        """
        The run as it stands, locked until the end of the transaction; its patch is locked before it.

        Whoever changes what a run is at takes the two in this order, so that nobody waits for
        each other, and none misses that frames came while it ended.
        """
        Patch.objects.select_for_update(no_key=True).get(pk=self.patch_id)
        return Run.objects.select_for_update(no_key=True).get(pk=self.pk)

    @property
    def chain_parameters(self) -> ChainParameters:
        """The parameters as the science code takes them."""
        return ChainParameters.from_dict(self.parameters)

    @property
    def first_cards(self) -> dict[str, Any]:
        """The header cards of its first frame."""
        first = self.segmentations.select_related("frame").order_by("index").first()
        return first.frame.cards if first else {}

    @property
    def n_tracked(self) -> int:
        """How many of its frames, from the first on, have been tracked."""
        tracked = self.batches.filter(kind=Batch.Kind.TRACK, state=Task.State.DONE)
        last: int | None = tracked.aggregate(last=models.Max("last"))["last"]
        return 0 if last is None else last + 1

    @property
    def extended_at(self) -> datetime | None:
        """When frames were last added to it; what was made of it before lacks them."""
        return datetime.fromisoformat(self.extensions[-1]["at"]) if self.extensions else None


class RunLog(models.Model):
    """One line of a run's log."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(auto_now_add=True)
    text = models.TextField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class Batch(Task):
    """A stretch of a run's frames, or the joining step after all of them."""

    class Kind(models.TextChoices):
        """What the batch does."""

        FRAMES = "frames", "reduce to measure"
        TRACK = "track", "track"

    job_function: ClassVar[str] = "poreweb.tracks.jobs.run_batch"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    first = models.PositiveIntegerField("index of its first frame", default=0)
    last = models.PositiveIntegerField("index of its last frame", default=0)

    class Meta(Task.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["run", "kind", "first"], name="one_batch_per_stretch")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.first}-{self.last} of {self.run}"

    def lock_first(self) -> None:
        """The patch, then the run before its batches, as whoever cancels or retries a run does."""
        self.run.locked()

    def when_done(self) -> None:
        """Go on with the run when this was its last open batch."""
        from poreweb.tracks import actions

        actions.advance(self.run)

    def when_failed(self) -> None:
        """Say so in the log, then go on or stop."""
        from poreweb.tracks import actions

        actions.write_log(self.run, f"{self.get_kind_display()} {self.first}-{self.last} failed: {self.error}")
        actions.advance(self.run)


class Segmentation(models.Model):
    """What one run made of one frame; ``index`` is the frame's place in the run's arrays."""

    class State(models.TextChoices):
        """Where a frame stands."""

        WAITING = "waiting", "waiting"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="segmentations")
    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="segmentations")
    index = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.TextField("why it failed", blank=True)
    # NULL before it is tried, and in runs from before it was kept
    files: Any = models.JSONField("files that it was made from, each as segment and SHA-256", null=True)
    quiet_sun = models.FloatField("quiet-Sun level, DN/s at disk centre", null=True)
    quiet_sun_enhanced = models.FloatField("quiet-Sun level after sharpening, DN/s at disk centre", null=True)
    quiet_curve: Any = models.JSONField("quiet Sun over mu, as `processing.limb_darkening.QuietCurve`", null=True)
    n_features = models.PositiveIntegerField(default=0)
    seconds: Any = models.JSONField("time of each stage", default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "frame"], name="one_segmentation_per_frame"),
            models.UniqueConstraint(fields=["run", "index"], name="one_segmentation_per_index"),
        ]
        ordering = ["run", "index"]

    def __str__(self) -> str:
        return f"{self.run}, frame {self.index}"


class Track(models.Model):
    """An unbranched chain of links."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tracks")
    number = models.PositiveIntegerField()
    lineage = models.PositiveIntegerField("number of its lineage")
    first_index = models.PositiveIntegerField()
    last_index = models.PositiveIntegerField()
    n_features = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="track_number_once_per_run")]
        ordering = ["run", "number"]

    def __str__(self) -> str:
        return f"Track {self.number}"


class Feature(models.Model):
    """
    One labelled region in one frame. Rows and columns are of the run's working grid, from 0.

    Place, mu and area as seen are NULL where the frame does not tell where it lies.
    """

    segmentation = models.ForeignKey(Segmentation, on_delete=models.CASCADE, related_name="features")
    track = models.ForeignKey(Track, on_delete=models.SET_NULL, null=True, related_name="features")
    label = models.PositiveIntegerField()
    row = models.FloatField()
    col = models.FloatField()
    lon_deg = models.FloatField("Carrington longitude", null=True)
    lat_deg = models.FloatField("latitude", null=True)
    tx_arcsec = models.FloatField("helioprojective Tx", null=True)
    ty_arcsec = models.FloatField("helioprojective Ty", null=True)
    mu = models.FloatField(null=True)
    area_px = models.PositiveIntegerField()
    area_mm2 = models.FloatField()
    area_err_mm2 = models.FloatField("half its change when the limit moves", null=True)
    area_msh = models.FloatField()
    umbra_area_px = models.PositiveIntegerField(null=True)
    umbra_area_mm2 = models.FloatField(null=True)
    area_projected_mm2 = models.FloatField(null=True)
    area_projected_msh = models.FloatField("millionths of the hemisphere, as seen", null=True)
    area_projected_msd = models.FloatField("millionths of the disk, as seen", null=True)
    intensity_mean = models.FloatField()
    intensity_min = models.FloatField()
    bx_g = models.FloatField(null=True)
    by_g = models.FloatField(null=True)
    bz_g = models.FloatField(null=True)
    bx_err_g = models.FloatField(null=True)
    by_err_g = models.FloatField(null=True)
    bz_err_g = models.FloatField(null=True)
    b_g = models.FloatField("mean of the field's magnitude", null=True)
    b_max_g = models.FloatField(null=True)
    inclination_deg = models.FloatField("of the mean field, from the vertical", null=True)
    azimuth_deg = models.FloatField("of the mean field, from west towards north", null=True)
    flux_mx = models.FloatField(null=True)
    flux_err_mx = models.FloatField(null=True)
    major_mm = models.FloatField()
    minor_mm = models.FloatField()
    orientation_deg = models.FloatField()
    perimeter_mm = models.FloatField("length of the outer border", null=True)
    flags = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["segmentation", "label"], name="label_once_per_frame")]
        ordering = ["segmentation", "label"]

    def __str__(self) -> str:
        return f"Feature {self.label} of frame {self.segmentation.index}"

    @property
    def on_edge(self) -> bool:
        """Whether it touches the border or a pixel without data."""
        return bool(self.flags & FeatureFlag.ON_EDGE)


class CandidateLink(models.Model):
    """A possible edge of the lineage, from a feature to one in a later frame, as `processing.track.Link`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="%(class)ss")
    earlier = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="%(class)ss_out")
    later = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="%(class)ss_in")
    cost = models.FloatField()
    overlap = models.FloatField("shared pixels over the smaller area")
    distance_mm = models.FloatField()
    skipped = models.PositiveSmallIntegerField("frames held between the two", default=0)
    probability = models.FloatField("that it is right; NULL in runs from before it was computed", null=True)

    class Meta:
        abstract = True
        constraints = [models.UniqueConstraint(fields=["earlier", "later"], name="one_%(class)s_per_pair")]
        ordering = ["run", "pk"]

    def __str__(self) -> str:
        return f"{self.earlier_id} to {self.later_id}"


class Link(CandidateLink):
    """One edge of the lineage."""


class Alternative(CandidateLink):
    """A likely link that was not chosen, kept for the people who judge what was."""


class EventQuerySet(models.QuerySet["Event"]):
    """Questions about events."""

    def visible_to(self, user: User) -> "EventQuerySet":
        """Events of the user's teams."""
        return self.filter(run__patch__team__in=Team.objects.of(user))


class Event(models.Model):
    """Something that happened to features: many parents, many children."""

    class Kind(models.TextChoices):
        """What can happen to features; the words of `processing.lineage.EVENT_KINDS`."""

        MERGE = "merge", "merge"
        SPLIT = "split", "split"
        GAP = "gap", "gap"
        APPEAR = "appear", "appear"
        DISAPPEAR = "disappear", "disappear"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    index = models.PositiveIntegerField("frame at which it is seen")
    parents = models.ManyToManyField(Feature, related_name="ending_events")
    children = models.ManyToManyField(Feature, related_name="starting_events")
    # as `processing.certainty.Certainty`; NULL and empty in runs from before it was computed
    probability = models.FloatField("that the event is as it stands", null=True)
    runner_up = models.TextField("next best reading, in words", blank=True)
    runner_up_probability = models.FloatField(null=True)
    margin = models.FloatField("how much dearer the runner-up is, in the units of a link's cost", null=True)
    reasons = models.TextField("what speaks for and against it, one sentence", blank=True)
    # of its parents and children together; NULL where it is not known
    mu = models.FloatField("least mu of its pores", null=True)
    area_mm2 = models.FloatField("area of its largest pore", null=True)
    area_change = models.FloatField("area after over area before, less 1", null=True)
    flux_change = models.FloatField("flux after over flux before, less 1", null=True)
    doubt = models.FloatField("what the queue is ordered by, as `processing.certainty.doubt`", null=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["run", "kind", "index"]), models.Index(fields=["run", "-doubt"])]
        ordering = ["run", "index", "pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in frame {self.index + 1} of {self.run}"

    def get_absolute_url(self) -> str:
        """Address of its page."""
        return reverse("review:event", args=[self.pk])
