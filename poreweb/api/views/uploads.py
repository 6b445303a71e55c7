"""Files of HARPs that are sent, and what became of them."""

from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest, FilesAddress
from poreweb.api.problems import refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import uploads as shapes
from poreweb.api.views.teams import writable_team
from poreweb.observations import actions
from poreweb.observations.forms import UploadForm
from poreweb.observations.models import Ingest
from poreweb.people.models import Team


def _seen(user: User) -> Any:
    return Ingest.objects.filter(team__in=Team.objects.of(user)).select_related("user")


class TeamIngests(FilesAddress):
    """A new one."""

    @operation(shapes.IngestShape, takes=shapes.IngestIn, status=201)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """Send files of HARPs; they are read in the background, and a bad one keeps no other from coming in."""
        team = writable_team(request.user, team_id)
        told = {"run_after": True, **self.told_with_files(shapes.IngestIn)}
        form = UploadForm({"team": team.pk, "run_after": told["run_after"]}, request.FILES, user=request.user)
        refuse_form(form)
        given: dict[str, Any] = form.cleaned_data
        made = actions.receive_upload(given["records"], team=team, user=request.user, run_after=given["run_after"])
        return Response(shapes.IngestShape(made).data, status=201)


class Ingests(Address):
    """What came in."""

    @operation(lists=shapes.IngestShape, query=shapes.IngestQuery)
    def get(self, request: ApiRequest) -> Response:
        """The deliveries of your teams, newest first: uploads, and what was fetched or made here once it is whole."""
        listed = _seen(request.user).filter(**self.asked(shapes.IngestQuery))
        # until it is whole, one that is fetched or made is told of by what brings it in
        listed = listed.exclude(state=Ingest.State.CANCELLED)
        return self.page(listed.prefetch_related("patches"), shapes.IngestShape)


class OneIngest(Address):
    """One of them."""

    @operation(shapes.IngestDetailShape)
    def get(self, request: ApiRequest, ingest_id: int) -> Response:
        """One delivery, with a sentence about each file that is not plainly new."""
        ingest = get_object_or_404(_seen(request.user), pk=ingest_id)
        return Response(shapes.IngestDetailShape(ingest).data)
