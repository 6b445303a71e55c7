"""Sequences of other instruments: sent, followed, corrected."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils.datastructures import MultiValueDict
from rest_framework.response import Response
from rest_framework.reverse import reverse

from poreweb.api.base import Address, ApiRequest, FilesAddress
from poreweb.api.problems import RefusedError, refuse_form
from poreweb.api.schema import operation
from poreweb.api.shapes import sequences as shapes
from poreweb.api.views.teams import writable_team
from poreweb.http import get_visible, must_write
from poreweb.sequences import actions, pictures, queries
from poreweb.sequences import views as pages
from poreweb.sequences.files import ROLES, said_of
from poreweb.sequences.forms import AddForm, SequenceForm
from poreweb.sequences.models import Sequence

USUAL = {"coordinates": Sequence.Coordinates.SCALE, "scale_unit": Sequence.Unit.ARCSEC, "run_after": True}
# The form has two pairs of fields for what is one pair of columns
PART = {"tx_arcsec": "part_tx", "ty_arcsec": "part_ty"}
NAMES = {**{own: name for name, own in PART.items()}, "first": "first_t_rec", "time_scale": "first_t_rec"}


def _seen() -> Any:
    return Sequence.objects.select_related("team", "user", "patch")


def _sequence(user: User, sequence_id: int) -> Sequence:
    return get_visible(_seen(), user, sequence_id)


def _writable(user: User, sequence_id: int) -> Sequence:
    sequence = _sequence(user, sequence_id)
    must_write(user, sequence.team)
    return sequence


def _told(request: ApiRequest, sequence_id: int, status: int = 200) -> Response:
    return Response(shapes.SequenceShape(_sequence(request.user, sequence_id)).data, status=status)


def _as_form(told: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was told under the form's names, over what was said before under the same names."""
    given = {**before, **{name: value for name, value in told.items() if name not in (*ROLES, "first_t_rec", *PART)}}
    is_part = given["coordinates"] == Sequence.Coordinates.HEADERS
    given |= {own if is_part else name: told[name] for name, own in PART.items() if name in told}
    if "first_t_rec" in told:
        first, scale = told["first_t_rec"] or (None, given.get("time_scale"))
        given |= {"first": first, "time_scale": scale}
    return given


class Sequences(Address):
    """What was sent."""

    @operation(lists=shapes.SequenceShape, query=shapes.SequenceQuery)
    def get(self, request: ApiRequest) -> Response:
        """The sequences of your teams, newest first."""
        listed = _seen().visible_to(request.user).filter(**self.asked(shapes.SequenceQuery))
        return self.page(listed, shapes.SequenceShape)


class TeamSequences(FilesAddress):
    """A new one."""

    @operation(shapes.SequenceShape, takes=shapes.SequenceIn, status=201)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """Send images of another instrument, and say what they are; a patch is made of them in the background."""
        team = writable_team(request.user, team_id)
        told = self.told_with_files(shapes.SequenceIn)
        given = {"team": team.pk, "time_scale": Sequence.TimeScale.UTC, **_as_form(told, USUAL)}
        form = SequenceForm(given, request.FILES, user=request.user)
        refuse_form(form, names=NAMES)
        made = actions.receive(form.sent, team=team, user=request.user, said=form.said)
        return _told(request, made.pk, status=201)


class OneSequence(Address):
    """One of them."""

    @operation(shapes.SequenceDetailShape)
    def get(self, request: ApiRequest, sequence_id: int) -> Response:
        """One sequence: what was said, how far it is, what was found and assumed, and its calibration images."""
        sequence: Any = _sequence(request.user, sequence_id)
        sequence.told_pictures = [
            {**vars(one), "address": reverse("api:sequence-picture", [sequence.pk, one.key], request=request)}
            for one in pictures.described(sequence)
        ]
        return Response(shapes.SequenceDetailShape(sequence).data)

    @operation(shapes.SequenceShape, takes=shapes.SaidIn)
    def patch(self, request: ApiRequest, sequence_id: int) -> Response:
        """
        Say something else of the same images, of which all frames are made anew.

        Refused while it is at work, and when a run has used it.
        """
        sequence = _writable(request.user, sequence_id)
        if not sequence.can_change:
            raise RefusedError(f"{sequence} cannot be corrected while it is at work or when a run has used it.")
        given = _as_form(self.told(shapes.SaidIn), said_of(sequence))
        form = SequenceForm(given, MultiValueDict(), user=request.user, sequence=sequence)
        refuse_form(form, names=NAMES)
        actions.correct(sequence, form.sent, user=request.user, said=form.said)
        return _told(request, sequence_id)


class SequenceFrames(Address):
    """Its frames."""

    @operation(lists=shapes.SequenceFrameShape)
    def get(self, request: ApiRequest, sequence_id: int) -> Response:
        """The frames of a sequence by time, and by how much each was moved; none until their times are known."""
        return self.page(queries.frames(_sequence(request.user, sequence_id)), shapes.SequenceFrameShape)


class SequenceImages(FilesAddress):
    """More of them."""

    @operation(shapes.SequenceShape, takes=shapes.LaterImagesIn)
    def post(self, request: ApiRequest, sequence_id: int) -> Response:
        """Send later images of a sequence; frames that are there stay as they are, and its run goes on."""
        sequence = _writable(request.user, sequence_id)
        if sequence.is_open:
            raise RefusedError(f"{sequence} is at work; add more when it is done.")
        self.told_with_files(shapes.LaterImagesIn)
        form = AddForm({}, request.FILES, sequence=sequence)
        refuse_form(form)
        actions.add(sequence, form.sent, user=request.user)
        return _told(request, sequence_id)


def _change(address: Address, sequence_id: int, act: Callable[[Sequence], bool], refusal: str) -> Response:
    """Do something to a sequence; a False of it is the refusal."""
    if not act(_writable(address.request.user, sequence_id)):
        raise RefusedError(refusal)
    return _told(address.request, sequence_id)


class SequenceCancel(Address):
    """No more of it."""

    @operation(shapes.SequenceShape)
    def post(self, request: ApiRequest, sequence_id: int) -> Response:
        """Stop making a sequence's frames; those that are stored are kept."""
        return _change(self, sequence_id, actions.cancel, "It had ended before.")


class SequenceRetry(Address):
    """Once more."""

    @operation(shapes.SequenceShape)
    def post(self, request: ApiRequest, sequence_id: int) -> Response:
        """Go on with a sequence that failed or was cancelled; frames that are stored are kept."""
        return _change(self, sequence_id, actions.retry, "It has neither failed nor been cancelled.")


class SequencePicture(Address):
    """Its calibration images."""

    @operation(files=("application/fits",))
    def get(self, request: ApiRequest, sequence_id: int, key: str) -> HttpResponse:
        """A calibration image of a sequence, as FITS."""
        answer: HttpResponse = self.as_page(pages.picture_fits, sequence_id, key)
        return answer
