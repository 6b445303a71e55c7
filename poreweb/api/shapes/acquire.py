"""What is fetched from JSOC and from watched folders: previews, acquisitions, watches, and the NOAA list."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from poreweb.acquire.forms import CADENCES
from poreweb.acquire.jsoc import HMI_BEGINS, SERIES
from poreweb.acquire.models import Acquisition, AcquisitionLog, ExportRequest, HarpNoaa, NoaaList, Record, Watch
from poreweb.acquire.noaa import MOST_HOURS
from poreweb.acquire.noaa_pages import LONGEST_QUESTION
from poreweb.acquire.watching import LONGEST_S, SHORTEST_S
from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.api.shapes.patches import GapShape
from poreweb.work.models import Task
from processing.errors import FrameError
from processing.fits import PROVISIONAL, SEGMENTS
from processing.timekeys import format_t_rec, parse_t_rec, t_rec_s_of, tai_of

MOST_NUMBER = 2**31 - 1
AHEAD = timedelta(days=366)  # what is later than that was not meant
RECORD_STATES = ("held", "awaited", "lost")
MOMENT = "T_REC (TAI) such as 2011.02.15_02:00:00_TAI, or UTC such as 2011-02-15T02:00:00Z"


# -- What comes in -----------------------------------------------------------------------------------


class Moment(serializers.CharField):
    """A moment as T_REC, or as ISO 8601 with its zone; what is read of it is T_REC in either case."""

    def to_internal_value(self, data: Any) -> str:
        """T_REC in header notation; of a moment without TAI or a zone nobody knows which it is."""
        text: str = super().to_internal_value(data).strip()
        moment, is_tai = read_moment(text)
        if not tai_of(HMI_BEGINS) <= moment <= timezone.now().replace(tzinfo=None) + AHEAD:
            raise serializers.ValidationError(
                f"HMI's records begin at {format_t_rec(HMI_BEGINS)}, and this must not be more than a year from now."
            )
        return format_t_rec(int((moment - tai_of(0)).total_seconds()) if is_tai else t_rec_s_of(moment))


def read_moment(text: str) -> tuple[datetime, bool]:
    """A naive moment, and whether it is TAI; otherwise it is UTC."""
    try:
        return tai_of(parse_t_rec(text)), True
    except FrameError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(tzinfo=None), False
    except (ValueError, OverflowError):
        pass
    raise serializers.ValidationError(f"“{text[:80]}” is no moment that says its time scale: {MOMENT}.")


class HarpIn(Body):
    """A HARP of a series, and its segments."""

    harpnum = serializers.IntegerField(min_value=1, max_value=MOST_NUMBER, help_text="HARP number.")
    series = serializers.ChoiceField(SERIES, required=False, help_text="The definitive one unless told.")
    provisional = serializers.BooleanField(
        required=False, help_text="Must be true with the near-real-time series, whose HARP numbers are others."
    )
    segments = serializers.ListField(
        child=serializers.ChoiceField(SEGMENTS), min_length=1, required=False,
        help_text="With continuum among them; all unless told.",
    )  # fmt: skip


class PreviewIn(HarpIn):
    """Records of a HARP that one may want."""

    noaa_ar = serializers.IntegerField(
        min_value=1, max_value=MOST_NUMBER, required=False, allow_null=True,
        help_text="NOAA region by which it was asked for; a note, which chooses nothing.",
    )  # fmt: skip
    first_t_rec = Moment(required=False, allow_null=True, help_text=f"{MOMENT}; its first record unless told.")
    last_t_rec = Moment(required=False, allow_null=True, help_text="The same; its last record unless told.")
    cadence_s = serializers.ChoiceField(
        [seconds for seconds, _ in CADENCES], required=False, help_text="Seconds between two records; 720 unless told."
    )


class OrderIn(Body):
    """How the records of a preview are to be had."""

    method = serializers.ChoiceField(
        Acquisition.Method.choices, required=False, help_text="How JSOC hands them out; url-tar unless told."
    )
    run_after = serializers.BooleanField(required=False, help_text="Process them when all are in; true unless told.")


EVERY = "Seconds between two looks; 720 unless told."
PROCESS_NEW = "Process what is new; true unless told."


class WatchHarpIn(HarpIn):
    """A HARP to keep up to date."""

    every_s = serializers.IntegerField(min_value=SHORTEST_S, max_value=LONGEST_S, required=False, help_text=EVERY)
    run_after = serializers.BooleanField(required=False, help_text=PROCESS_NEW)


class WatchFolderIn(Body):
    """A folder to read from."""

    folder = serializers.CharField(max_length=500, help_text="Its whole path, within one that this site may watch.")
    every_s = serializers.IntegerField(min_value=SHORTEST_S, max_value=LONGEST_S, required=False, help_text=EVERY)
    run_after = serializers.BooleanField(required=False, help_text=PROCESS_NEW)


class NoaaScheduleIn(Body):
    """How often the list is read."""

    every_hours = serializers.IntegerField(min_value=0, max_value=MOST_HOURS, help_text="0: only when told to.")


class AcquisitionQuery(Query):
    """Which acquisitions."""

    team = Key(required=False, help_text="Key of a team.")
    state = serializers.ChoiceField(Task.State.choices, required=False)
    harpnum = serializers.IntegerField(min_value=0, max_value=MOST_NUMBER, required=False, help_text="HARP number.")
    watch = Key(required=False, help_text="Key of the watch that asked for them.")
    is_preview = serializers.BooleanField(
        required=False, allow_null=True, help_text="Only those of which nothing was asked for, or only the others."
    )


class RecordQuery(Query):
    """Which records."""

    state = serializers.ChoiceField(
        RECORD_STATES, required=False, help_text="Lost: JSOC could not give them, for the reason they name."
    )


class WatchQuery(Query):
    """Which watches."""

    team = Key(required=False, help_text="Key of a team.")
    kind = serializers.ChoiceField(Watch.Kind.choices, required=False)
    harpnum = serializers.IntegerField(min_value=0, max_value=MOST_NUMBER, required=False, help_text="HARP number.")


class PairQuery(Query):
    """Which pairs; numbers match whole."""

    harpnum = serializers.IntegerField(min_value=0, max_value=MOST_NUMBER, required=False, help_text="HARP number.")
    noaa_ar = serializers.IntegerField(min_value=0, max_value=MOST_NUMBER, required=False, help_text="NOAA region.")


class FindQuery(Query):
    """What somebody typed."""

    q = serializers.CharField(
        max_length=LONGEST_QUESTION, required=False, allow_blank=True,
        help_text="Numbers, such as 11158, AR 11158 or HARP 377.",
    )  # fmt: skip


# -- Acquisitions ------------------------------------------------------------------------------------


class AcquisitionShape(Row):
    """Records of one HARP that a team wants: a preview, and once ordered what brings them in."""

    user = user_name("user", help_text="Who asked for it; null for the site itself.")
    is_provisional = serializers.SerializerMethodField(help_text="Whether it is of the near-real-time series.")
    first_t_rec = serializers.SerializerMethodField(help_text="First T_REC, TAI; null: from its first record.")
    last_t_rec = serializers.SerializerMethodField(help_text="Last T_REC, TAI; null: to its last record.")
    segments = serializers.ListField(child=Text())
    is_preview = serializers.BooleanField(help_text="Whether nothing was asked for yet.")
    goes_on_at = serializers.DateTimeField(
        source="not_before", allow_null=True, help_text="When it goes on by itself, while it waits for that."
    )
    n_all = serializers.IntegerField(help_text="Records that JSOC has of it; 0 before it was asked.")
    n_held = serializers.IntegerField(help_text="Those that are here with all their segments.")

    class Meta:
        model = Acquisition
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "user", "watch", "series", "is_provisional", "harpnum", "noaa_ar", "first_t_rec",
            "last_t_rec", "cadence_s", "segments", "state", "error", "doing", "goes_on_at", "is_preview", "method",
            "run_after", "n_all", "n_held", "estimated_bytes", "fetched_bytes", "patch", "created_at", "planned_at",
            "ordered_at", "finished_at",
        )  # fmt: skip

    def get_is_provisional(self, acquisition: Acquisition) -> bool:
        """Told by its series."""
        return acquisition.series.endswith(PROVISIONAL)

    def get_first_t_rec(self, acquisition: Acquisition) -> str | None:
        """As it was asked for."""
        return None if acquisition.first_s is None else format_t_rec(acquisition.first_s)

    def get_last_t_rec(self, acquisition: Acquisition) -> str | None:
        """As it was asked for."""
        return None if acquisition.last_s is None else format_t_rec(acquisition.last_s)


class MuShape(serializers.Serializer[Any]):
    """Where the patch is at one T_REC: mu is 1 at disk centre and 0 at the limb."""

    t_rec = Text(help_text="T_REC, TAI.")
    mu = Number(help_text="At the middle of the patch.")
    mu_min = Number(help_text="The least at its corners and sides.")
    mu_max = Number(help_text="The greatest there.")


class PreviewShape(serializers.Serializer[Any]):
    """What JSOC has of what is wanted."""

    n_records = serializers.IntegerField()
    n_held = serializers.IntegerField(help_text="Those that were here already when JSOC was asked.")
    first_t_rec = Text(help_text="T_REC of the first, TAI.")
    last_t_rec = Text(help_text="T_REC of the last, TAI.")
    n_missing = serializers.IntegerField(help_text="Slots between them for which JSOC has no record.")
    gaps = GapShape(many=True, help_text="The first hundred.")
    absent = serializers.DictField(child=serializers.IntegerField(), help_text="Records without a segment, by segment.")
    n_online = serializers.IntegerField(help_text="Those that JSOC has on disk; the others come from tape.")
    n_bad_quality = serializers.IntegerField(help_text="Those with a QUALITY that is not 0.")
    noaa_ars = Text(help_text="NOAA regions that their keywords name.")
    ny = serializers.IntegerField(allow_null=True, help_text="Rows of its maps.")
    nx = serializers.IntegerField(allow_null=True, help_text="Columns of its maps.")
    mu = MuShape(many=True, help_text="Some two hundred at most, spread over time.")


class AcquisitionProgressShape(serializers.Serializer[Any]):
    """How far it is."""

    percent = serializers.IntegerField()
    n_held = serializers.IntegerField(help_text="Records that are here.")
    n_lost = serializers.IntegerField(help_text="Records that could not be had.")
    n_all = serializers.IntegerField(help_text="Records in all.")
    left_s = serializers.IntegerField(allow_null=True, help_text="Seconds left; null while it cannot be told.")


class JsocExportShape(Row):
    """One export at JSOC."""

    class Meta:
        model = ExportRequest
        fields: ClassVar[tuple[str, ...]] = (
            "number", "method", "state", "request_id", "status", "record_set", "error", "created_at", "sent_at",
            "ready_at",
        )  # fmt: skip


class RecordShape(Row):
    """One record that is wanted."""

    t_rec = serializers.SerializerMethodField(help_text="T_REC, TAI.")
    absent = serializers.ListField(child=Text(), help_text="Segments that JSOC says it does not have.")

    class Meta:
        model = Record
        fields = ("t_rec", "t_rec_s", "is_held", "absent", "tries", "problem", "estimated_bytes")

    def get_t_rec(self, record: Record) -> str:
        """In words."""
        return format_t_rec(record.t_rec_s)


class AcquisitionLineShape(Row):
    """One line of what happened."""

    class Meta:
        model = AcquisitionLog
        fields = ("id", "at", "text")


class AcquisitionDetailShape(AcquisitionShape):
    """An acquisition, what JSOC has of it, how far it is, and what happened."""

    preview = PreviewShape(source="told_preview", allow_null=True, help_text="Null until JSOC was asked.")
    progress = AcquisitionProgressShape()
    exports = JsocExportShape(many=True)
    lost = RecordShape(many=True, help_text="Records that could not be had: the first fifty.")
    log = AcquisitionLineShape(source="lines", many=True, help_text="The last two hundred lines, oldest first.")

    class Meta(AcquisitionShape.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *AcquisitionShape.Meta.fields, "preview", "progress", "exports", "lost", "log",
        )  # fmt: skip


class RoomShape(serializers.Serializer[Any]):
    """What a team holds and may hold."""

    held_bytes = serializers.IntegerField(help_text="Its raw files.")
    quota_bytes = serializers.IntegerField(allow_null=True, help_text="What it may hold; null: no limit.")
    free_bytes = serializers.IntegerField(help_text="Free on the site's disks, beyond what is always kept free.")


# -- Watches -----------------------------------------------------------------------------------------


class WatchShape(Row):
    """Something that is looked at again and again. It waits between two looks; a paused one is cancelled."""

    user = user_name("user", help_text="Who started it.")
    segments = serializers.ListField(child=Text())
    next_at = serializers.DateTimeField(source="not_before", allow_null=True, help_text="When it looks again.")

    class Meta:
        model = Watch
        fields: ClassVar[tuple[str, ...]] = (
            "id", "team", "user", "kind", "harpnum", "series", "segments", "folder", "every_s", "run_after", "state",
            "error", "next_at", "looked_at", "last_new_at", "n_new", "said", "problem", "created_at",
        )  # fmt: skip


# -- Which HARP is which NOAA region -----------------------------------------------------------------


class HarpChoiceShape(serializers.Serializer[Any]):
    """A HARP that may be meant."""

    harpnum = serializers.IntegerField()
    noaa_ars = serializers.ListField(child=serializers.IntegerField(), help_text="Its NOAA regions in JSOC's list.")
    patches = serializers.ListField(child=Key(), help_text="Keys of your teams' patches of it.")


class ReadingShape(serializers.Serializer[Any]):
    """What a number means if it is that; which of its HARPs is meant you say."""

    number = serializers.IntegerField()
    kind = serializers.ChoiceField(("harp", "noaa"))
    harps = HarpChoiceShape(many=True, help_text="As a HARP that one; as a NOAA region all in which it lies, or none.")


class NoaaPairShape(Row):
    """A HARP and a NOAA region in it."""

    class Meta:
        model = HarpNoaa
        fields = ("harpnum", "noaa_ar")


class NoaaListShape(Row):
    """JSOC's list of HARPs and NOAA regions, which is common to all teams."""

    state = serializers.ChoiceField(Task.State.choices, allow_null=True, help_text="Null while there was never a list.")
    next_at = serializers.DateTimeField(source="not_before", allow_null=True, help_text="When it is read anew.")

    class Meta:
        model = NoaaList
        fields = ("state", "error", "problem", "read_at", "source", "n_pairs", "every_hours", "next_at")
