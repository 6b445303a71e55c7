"""What else is known of a patch: solar events, and the SHARP keywords of its headers."""

from typing import Any

from django.conf import settings
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError
from poreweb.api.schema import operation
from poreweb.api.shapes import context as shapes
from poreweb.api.views.patches import patch_of
from poreweb.context import actions
from poreweb.context.models import EventSearch
from poreweb.http import must_write
from poreweb.observations.models import Frame, Patch
from processing.sharp_keywords import SHARP_KEYWORDS, number_in
from processing.timekeys import format_t_rec

HEADER_NUMBERS = tuple(
    name for keyword in SHARP_KEYWORDS.values() for name in (keyword.name, keyword.error) if name
)  # each beside its error


class PatchSolarEvents(Address):
    """What happened there."""

    @operation(lists=shapes.SolarEventShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """The flares, emergences of flux and sunspots that HEK lists in a patch's time and place, by time."""
        return self.page(patch_of(request.user, patch_id).solar_events.all(), shapes.SolarEventShape)


class PatchEventSearch(Address):
    """How that is known."""

    @operation(shapes.EventSearchShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """How the search for a patch's solar events stands."""
        return Response(_search(patch_of(request.user, patch_id)))

    @operation(shapes.EventSearchShape)
    def post(self, request: ApiRequest, patch_id: int) -> Response:
        """Look for a patch's solar events again."""
        patch = patch_of(request.user, patch_id)
        must_write(request.user, patch.team)
        if actions.look_again(patch) is None:
            raise RefusedError(
                "There is nothing to look for: the search is switched off, or no header tells where the patch was."
            )
        return Response(_search(patch))


def _search(patch: Patch) -> Any:
    search: Any = EventSearch.objects.filter(patch=patch).first() or EventSearch(patch=patch, state=None)  # type: ignore[misc]
    search.is_on = settings.EVENT_SEARCH
    search.first_t_rec = None if search.first_s is None else format_t_rec(search.first_s)
    search.last_t_rec = None if search.last_s is None else format_t_rec(search.last_s)
    return shapes.EventSearchShape(search).data


class PatchSharpKeywords(Address):
    """What its headers say."""

    @operation(lists=shapes.SharpKeywordsShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """The SHARP keywords of a patch's frames with their errors, by T_REC, as the headers have them."""
        frames = Frame.objects.filter(patch=patch_of(request.user, patch_id)).only("t_rec_s", "cards")
        return self.page(frames.order_by("t_rec_s"), shapes.SharpKeywordsShape, make=_numbers)


def _numbers(frames: list[Frame]) -> list[dict[str, Any]]:
    return [
        {
            "frame": frame.pk,
            "t_rec": frame.t_rec,
            **{name: number_in(frame.cards, name) for name in HEADER_NUMBERS},
        }
        for frame in frames
    ]
