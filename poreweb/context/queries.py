"""Questions about what else is known of a patch."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC

from django.db.models import Max, Min

from poreweb.acquire.models import HarpNoaa
from poreweb.context.models import SolarEvent
from poreweb.observations.models import Patch
from processing.errors import FrameError
from processing.geometry import CeaGeometry, geometry_of
from processing.solar_events import PatchMoment
from processing.timekeys import utcs_of

Cards = dict[str, object]


def frames_of(patch: Patch) -> list[tuple[int, Cards, tuple[int, int]]]:
    """(T_REC in seconds, header cards, (ny, nx)) of each frame, by time."""
    rows = patch.frames.order_by("t_rec_s").values_list("t_rec_s", "cards", "ny", "nx")
    return [(t_rec_s, cards, (ny, nx)) for t_rec_s, cards, ny, nx in rows]


def place_of(cards: Cards) -> CeaGeometry | None:
    """Where a frame's pixels lie on the Sun; None when its header does not tell."""
    try:
        geometry = geometry_of(cards)
    except FrameError:
        return None
    return geometry if geometry.knows_places else None


def moments_of(patch: Patch) -> list[PatchMoment]:
    """Where the patch was at each frame whose header tells."""
    frames = frames_of(patch)
    utcs = utcs_of(t_rec_s for t_rec_s, _, _ in frames)
    placed = ((utc, place_of(cards), shape) for utc, (_, cards, shape) in zip(utcs, frames, strict=True))
    return [PatchMoment(utc, geometry, shape) for utc, geometry, shape in placed if geometry is not None]


def placed_span(patch: Patch) -> tuple[int, int] | None:
    """T_REC of the first and the last frame whose place is known; None when there is none."""
    span = patch.frames.filter(mu_max__isnull=False).aggregate(first=Min("t_rec_s"), last=Max("t_rec_s"))
    return None if span["first"] is None else (span["first"], span["last"])


def noaa_of(patch: Patch) -> list[int]:
    """The NOAA regions of a patch: those of its headers, and those that JSOC's list has of its HARP."""
    named = {int(word) for word in patch.noaa_ars.replace(",", " ").split() if word.isdecimal()}
    if patch.harpnum is not None and not patch.is_provisional:  # the list numbers the definitive HARPs
        named |= set(HarpNoaa.objects.filter(harpnum=patch.harpnum).values_list("noaa_ar", flat=True))
    return sorted(named - {0})


def noaa_words(patches: Iterable[Patch]) -> dict[int, str]:
    """Key of each patch -> its NOAA regions as a page shows them: as its headers have them, then those of the list."""
    patches = list(patches)
    numbers = {patch.harpnum for patch in patches if patch.harpnum is not None and not patch.is_provisional}
    listed: dict[int, list[int]] = defaultdict(list)
    for harpnum, noaa_ar in HarpNoaa.objects.filter(harpnum__in=numbers).values_list("harpnum", "noaa_ar"):
        listed[harpnum].append(noaa_ar)
    found = {}
    for patch in patches:
        more = [] if patch.harpnum is None or patch.is_provisional else sorted(listed[patch.harpnum])
        words = [*patch.noaa_ars.replace(",", " ").split(), *map(str, more)]
        found[patch.pk] = ", ".join(dict.fromkeys(words))
    return found


def events_between(patch: Patch, first_s: int, last_s: int) -> list[SolarEvent]:
    """The patch's events that touch the time from one T_REC to another, by time."""
    begin, end = (moment.replace(tzinfo=UTC) for moment in utcs_of([first_s, last_s]))
    return list(patch.solar_events.filter(end__gte=begin, start__lte=end))
