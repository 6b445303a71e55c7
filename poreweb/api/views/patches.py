"""Patches and their frames."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, OuterRef, Subquery
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.schema import operation
from poreweb.api.shapes import patches as shapes
from poreweb.http import get_visible
from poreweb.observations.models import Frame, Patch
from poreweb.tracks.models import Run
from processing.timekeys import format_t_rec

MOST_GAPS = 100


def _patches() -> Any:
    """With what their shape tells but T_REC in words."""
    runs = Run.objects.filter(patch=OuterRef("pk")).order_by("-pk").values("pk")
    return Patch.objects.annotate(
        n_frames=Count("frames"),
        first_s=Min("frames__t_rec_s"),
        last_s=Max("frames__t_rec_s"),
        newest_run=Subquery(runs[:1]),
        newest_done_run=Subquery(runs.filter(state=Run.State.DONE)[:1]),
    )


def _in_words(patches: list[Any]) -> list[Any]:
    for patch in patches:
        patch.first_t_rec = None if patch.first_s is None else format_t_rec(patch.first_s)
        patch.last_t_rec = None if patch.last_s is None else format_t_rec(patch.last_s)
    return patches


def patch_of(user: User, patch_id: int) -> Patch:
    """A patch; 404 for another team's."""
    return get_visible(Patch.objects.select_related("team"), user, patch_id)


class Patches(Address):
    """What is held."""

    @operation(lists=shapes.PatchShape, query=shapes.PatchQuery)
    def get(self, request: ApiRequest) -> Response:
        """The patches of your teams, newest first."""
        asked = self.asked(shapes.PatchQuery)
        listed = _patches().visible_to(request.user).filter(**asked).order_by("-pk")
        return self.page(listed, shapes.PatchShape, make=_in_words)


class OnePatch(Address):
    """One of them."""

    @operation(shapes.PatchDetailShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """One patch, with the gaps in its series."""
        (patch,) = _in_words([get_visible(_patches(), request.user, patch_id)])
        gaps = patch.gaps()
        patch.n_missing = sum(map(len, gaps))
        patch.gaps = [
            {
                "first_t_rec": format_t_rec(missing[0]),
                "last_t_rec": format_t_rec(missing[-1]),
                "n_slots": len(missing),
            }
            for missing in gaps[:MOST_GAPS]
        ]
        return Response(shapes.PatchDetailShape(patch).data)


class PatchFrames(Address):
    """Its frames."""

    @operation(lists=shapes.FrameShape)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """The frames of a patch, by T_REC."""
        patch = patch_of(request.user, patch_id)
        return self.page(Frame.objects.filter(patch=patch).defer("cards").order_by("t_rec_s"), shapes.FrameShape)
