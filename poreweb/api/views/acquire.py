"""Data fetched from JSOC and from watched folders: looked up, ordered, followed, and watched."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from poreweb.acquire import actions, noaa, noaa_pages, queries, space, watching
from poreweb.acquire.forms import HarpForm, OrderForm, PreviewForm, WatchFolderForm
from poreweb.acquire.models import Acquisition, HarpNoaa, NoaaList, Record, Watch
from poreweb.acquire.views import LOG_LINES
from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import RefusedError, refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import acquire as shapes
from poreweb.api.views.teams import team_of, writable_team
from poreweb.http import get_visible, must_write
from poreweb.work.tasks import wake
from processing.errors import ParameterError
from processing.fits import DEFINITIVE_SERIES, SEGMENTS
from processing.timekeys import CADENCE_S

MOST_LOST = 50
USUAL_HARP = {"series": DEFINITIVE_SERIES, "segments": list(SEGMENTS)}


def _checked(form: forms.BaseForm, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a form of the pages makes of it; its problems are the API's, with its ``names`` of fields."""
    refuse_form(form, names=names)
    values: dict[str, Any] = form.cleaned_data
    return values


# -- Which HARP is which NOAA region -----------------------------------------------------------------


class Find(Address):
    """What a number means."""

    @operation(lists=shapes.ReadingShape, query=shapes.FindQuery)
    def get(self, request: ApiRequest) -> Response:
        """What numbers may mean, as HARPs and as NOAA regions; they match whole, and nothing is chosen for you."""
        readings, problems = noaa.find(self.asked(shapes.FindQuery).get("q", ""))
        if problems:
            raise ValidationError({"q": problems})
        return self.page(readings, shapes.ReadingShape, make=lambda page: _with_patches(request.user, page))


def _with_patches(user: User, readings: list[noaa.Reading]) -> list[dict[str, Any]]:
    held = noaa_pages.held_patches(user, {row.harpnum for reading in readings for row in reading.harps})
    return [
        {
            "number": reading.number,
            "kind": reading.kind,
            "harps": [
                {
                    "harpnum": row.harpnum,
                    "noaa_ars": row.noaa_ars,
                    "patches": [patch.pk for patch in held.get(row.harpnum, ())],
                }
                for row in reading.harps
            ],
        }
        for reading in readings
    ]


def _listed() -> NoaaList:
    """The list's state; one that is nowhere stored while there is none."""
    return noaa.the_list() or NoaaList(state=None, every_hours=0)  # type: ignore[misc]


class NoaaListState(Address):
    """How old it is."""

    @operation(shapes.NoaaListShape)
    def get(self, request: ApiRequest) -> Response:
        """JSOC's list of HARPs and NOAA regions: when it was read, from where, and what went wrong."""
        return Response(shapes.NoaaListShape(_listed()).data)

    @operation(shapes.NoaaListShape, takes=shapes.NoaaScheduleIn, leads=True)
    def patch(self, request: ApiRequest) -> Response:
        """Have the list read anew every so many hours, for all teams."""
        noaa.must_manage(request.user)
        noaa.schedule(request.user, self.told(shapes.NoaaScheduleIn)["every_hours"])
        return Response(shapes.NoaaListShape(_listed()).data)


class NoaaListRefresh(Address):
    """Read anew."""

    @operation(shapes.NoaaListShape, leads=True)
    def post(self, request: ApiRequest) -> Response:
        """Have the list read anew as soon as a worker is free, for all teams."""
        if not noaa.refresh_now(request.user):
            raise RefusedError("The list is being read already.")
        return Response(shapes.NoaaListShape(_listed()).data)


class NoaaPairs(Address):
    """What it says."""

    @operation(lists=shapes.NoaaPairShape, query=shapes.PairQuery)
    def get(self, request: ApiRequest) -> Response:
        """The pairs of the list: a HARP may have several NOAA regions, and a region may lie in several HARPs."""
        return self.page(HarpNoaa.objects.filter(**self.asked(shapes.PairQuery)), shapes.NoaaPairShape)


# -- Acquisitions ------------------------------------------------------------------------------------


class Acquisitions(Address):
    """What is being fetched, and what was."""

    @operation(lists=shapes.AcquisitionShape, query=shapes.AcquisitionQuery)
    def get(self, request: ApiRequest) -> Response:
        """The acquisitions of your teams, newest first: previews, and what was ordered by people and by watches."""
        asked = self.asked(shapes.AcquisitionQuery)
        is_preview = asked.pop("is_preview", None)
        listed = queries.listed(request.user).filter(**asked)
        if is_preview is not None:
            listed = listed.filter(ordered_at__isnull=is_preview)
        return self.page(listed, shapes.AcquisitionShape)


class TeamPreviews(Address):
    """A new one."""

    @operation(shapes.AcquisitionShape, takes=shapes.PreviewIn, status=201)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """
        Ask what JSOC has of a HARP; nothing is fetched until it is ordered.

        It is asked in the background: the preview is there when the state is done.
        """
        team = writable_team(request.user, team_id)
        told = {**USUAL_HARP, "cadence_s": CADENCE_S, **self.told(shapes.PreviewIn)}
        times = {"first": told.get("first_t_rec"), "last": told.get("last_t_rec")}
        form = PreviewForm({"team": team.pk, **told, **times}, user=request.user)
        values = _checked(form, {name: f"{name}_t_rec" for name in ("first", "last")})
        made = actions.start_preview(
            team, request.user, form.wanted, series=values["series"], cadence_s=values["cadence_s"],
            segments=values["segments"],
        )  # fmt: skip
        return Response(shapes.AcquisitionShape(_acquisition(request.user, made.pk)).data, status=201)


def _acquisition(user: User, acquisition_id: int) -> Any:
    return get_object_or_404(queries.listed(user), pk=acquisition_id)


class OneAcquisition(Address):
    """One of them."""

    @operation(shapes.AcquisitionDetailShape)
    def get(self, request: ApiRequest, acquisition_id: int) -> Response:
        """One acquisition: what JSOC has, how far it is, what it does or waits for, and what happened."""
        acquisition = _acquisition(request.user, acquisition_id)
        acquisition.told_preview = _preview(acquisition.preview)
        acquisition.progress = queries.progress_of(acquisition)
        acquisition.lines = list(reversed(acquisition.log.order_by("-pk")[:LOG_LINES]))
        acquisition.lost = _records(acquisition, "lost")[:MOST_LOST]
        return Response(shapes.AcquisitionDetailShape(acquisition).data)

    @operation(status=204)
    def delete(self, request: ApiRequest, acquisition_id: int) -> Response:
        """Delete a preview of which nothing was asked for."""
        if not actions.forget_preview(_writable(request.user, acquisition_id)):
            raise RefusedError("Records have been asked for, so this stays as a record of what happened.")
        return Response(status=204)


def _preview(preview: Mapping[str, Any]) -> dict[str, Any] | None:
    """With names in the place of tuples; None before JSOC was asked."""
    if not preview:
        return None
    ny, nx = preview["shape"] or (None, None)
    return {
        **preview,
        "first_t_rec": preview["first"],
        "last_t_rec": preview["last"],
        "gaps": [dict(zip(("first_t_rec", "last_t_rec", "n_slots"), gap, strict=True)) for gap in preview["gaps"]],
        "mu": [dict(zip(("t_rec", "mu", "mu_min", "mu_max"), point, strict=True)) for point in preview["mu"]],
        "ny": ny,
        "nx": nx,
    }


def _records(acquisition: Acquisition, state: str | None) -> Any:
    """Its records by T_REC, without their keywords, which are long."""
    chosen: dict[str | None, dict[str, Any]] = {
        "held": {"is_held": True},
        "awaited": {"is_held": False, "problem": ""},
        "lost": {"is_held": False, "problem__gt": ""},
        None: {},
    }
    return Record.objects.filter(acquisition=acquisition, **chosen[state]).defer("keywords").order_by("t_rec_s")


class AcquisitionRecords(Address):
    """Its records."""

    @operation(lists=shapes.RecordShape, query=shapes.RecordQuery)
    def get(self, request: ApiRequest, acquisition_id: int) -> Response:
        """The records of an acquisition, by T_REC."""
        acquisition = get_visible(Acquisition.objects.all(), request.user, acquisition_id)
        return self.page(_records(acquisition, self.asked(shapes.RecordQuery).get("state")), shapes.RecordShape)


def _writable(user: User, acquisition_id: int) -> Acquisition:
    acquisition = get_visible(Acquisition.objects.select_related("team"), user, acquisition_id)
    must_write(user, acquisition.team)
    return acquisition


def _change(address: Address, acquisition_id: int, act: Callable[[Acquisition], bool], refusal: str) -> Response:
    """Do something to an acquisition; a False of it is the refusal."""
    user = address.request.user
    if not act(_writable(user, acquisition_id)):
        raise RefusedError(refusal)
    return Response(shapes.AcquisitionShape(_acquisition(user, acquisition_id)).data)


class AcquisitionOrder(Address):
    """All of it."""

    @operation(shapes.AcquisitionShape, takes=shapes.OrderIn)
    def post(self, request: ApiRequest, acquisition_id: int) -> Response:
        """Get the records of a preview that is done, if there is room; from then on it runs by itself."""

        def ordered(acquisition: Acquisition) -> bool:
            usual = {"method": acquisition.method, "run_after": acquisition.run_after}
            values = _checked(OrderForm({**usual, **self.told(shapes.OrderIn)}))
            return actions.order(acquisition, user=request.user, **values)

        return _change(self, acquisition_id, ordered, "Its records were asked for before.")


class AcquisitionCancel(Address):
    """No more of it."""

    @operation(shapes.AcquisitionShape)
    def post(self, request: ApiRequest, acquisition_id: int) -> Response:
        """Stop an acquisition; what came is kept."""
        return _change(self, acquisition_id, actions.cancel, "It had ended before.")


class AcquisitionRetry(Address):
    """Once more."""

    @operation(shapes.AcquisitionShape)
    def post(self, request: ApiRequest, acquisition_id: int) -> Response:
        """Try again what failed or was cancelled; what came is not fetched again."""
        return _change(self, acquisition_id, actions.retry, "It has neither failed nor been cancelled.")


class AcquisitionGoOn(Address):
    """Now."""

    @operation(shapes.AcquisitionShape)
    def post(self, request: ApiRequest, acquisition_id: int) -> Response:
        """Do not wait for the time at which it would go on by itself."""
        return _change(self, acquisition_id, wake, "It does not wait for a time to go on.")


class TeamRoom(Address):
    """Where it goes."""

    @operation(shapes.RoomShape)
    def get(self, request: ApiRequest, team_id: int) -> Response:
        """What a team holds and may hold, and what the disks have room for."""
        team = team_of(request.user, team_id)
        room = {
            "held_bytes": space.held_bytes(team),
            "quota_bytes": space.quota_bytes(team),
            "free_bytes": space.free_bytes(),
        }
        return Response(shapes.RoomShape(room).data)


# -- Watches -----------------------------------------------------------------------------------------


class Watches(Address):
    """What is looked at."""

    @operation(lists=shapes.WatchShape, query=shapes.WatchQuery)
    def get(self, request: ApiRequest) -> Response:
        """The watches of your teams: HARPs that still get records, and folders in which files appear."""
        listed = Watch.objects.visible_to(request.user).filter(**self.asked(shapes.WatchQuery))
        return self.page(listed.select_related("user"), shapes.WatchShape)


class TeamWatchHarp(Address):
    """A new one of a HARP."""

    @operation(shapes.WatchShape, takes=shapes.WatchHarpIn)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """Keep a HARP up to date from now on; a watch of it that there is goes on so instead of a second one."""
        team = writable_team(request.user, team_id)
        told = {**USUAL_HARP, "every_s": CADENCE_S, "run_after": True, **self.told(shapes.WatchHarpIn)}
        values = _checked(HarpForm({"team": team.pk, **told}, user=request.user))
        watch = watching.watch_harp(
            team, request.user, values["harpnum"], series=values["series"], segments=values["segments"],
            every_s=told["every_s"], run_after=told["run_after"],
        )  # fmt: skip
        return Response(shapes.WatchShape(_watch(request.user, watch.pk)).data)


class TeamWatchFolder(Address):
    """A new one of a folder."""

    @operation(shapes.WatchShape, takes=shapes.WatchFolderIn)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """Read what appears in a folder of the site's machine; a watch of it that there is goes on so."""
        team = writable_team(request.user, team_id)
        told = {"every_s": CADENCE_S, "run_after": True, **self.told(shapes.WatchFolderIn)}
        values = _checked(WatchFolderForm({"team": team.pk, **told}, user=request.user))
        try:
            watch = watching.watch_folder(
                team, request.user, values["folder"], every_s=values["every_s"], run_after=values["run_after"]
            )
        except ParameterError as problem:
            raise ValidationError({"folder": [f"{problem}."]}) from problem
        return Response(shapes.WatchShape(_watch(request.user, watch.pk)).data)


def _watch(user: User, watch_id: int) -> Watch:
    return get_visible(Watch.objects.select_related("team", "user"), user, watch_id)


def _writable_watch(user: User, watch_id: int) -> Watch:
    watch = _watch(user, watch_id)
    must_write(user, watch.team)
    return watch


class OneWatch(Address):
    """One of them."""

    @operation(shapes.WatchShape)
    def get(self, request: ApiRequest, watch_id: int) -> Response:
        """One watch: when it looked, what it found, and what went wrong."""
        return Response(shapes.WatchShape(_watch(request.user, watch_id)).data)

    @operation(status=204)
    def delete(self, request: ApiRequest, watch_id: int) -> Response:
        """Delete a watch; what it brought is kept."""
        _writable_watch(request.user, watch_id).delete()
        return Response(status=204)


class WatchPause(Address):
    """Not now."""

    @operation(shapes.WatchShape)
    def post(self, request: ApiRequest, watch_id: int) -> Response:
        """Stop looking."""
        if not watching.pause(_writable_watch(request.user, watch_id)):
            raise RefusedError("It does not look as it is.")
        return Response(shapes.WatchShape(_watch(request.user, watch_id)).data)


class WatchResume(Address):
    """Again."""

    @operation(shapes.WatchShape)
    def post(self, request: ApiRequest, watch_id: int) -> Response:
        """Look now, and go on looking."""
        if not watching.resume(_writable_watch(request.user, watch_id)):
            raise RefusedError("It is looking, or about to.")
        return Response(shapes.WatchShape(_watch(request.user, watch_id)).data)
