"""HTTP in, HTTP out: the form for a sequence, its page, and its calibration images."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.people.models import Team
from poreweb.sequences import actions, charts, pictures, queries
from poreweb.sequences.forms import AddForm, SequenceForm
from poreweb.sequences.models import Sequence
from poreweb.words import sentence
from processing.errors import ParameterError

REFUSAL = "You may look at what your team does, not add to it; a lead can make you a reviewer."


@require_GET
def sequences(request: Request) -> HttpResponse:
    """All sequences of the user's teams, newest first."""
    listed = queries.listed(request.user)
    context = {
        "sequences": listed,
        "is_busy": any(sequence.is_open for sequence in listed),
        "can_write": Team.objects.writable_by(request.user).exists(),
    }
    template = "sequences/_sequences.html" if request.htmx else "sequences/sequences.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    """Send images, and say what they are."""
    can_write = Team.objects.writable_by(request.user).exists()
    if request.method == "POST" and not can_write:
        raise PermissionDenied(REFUSAL)
    return _form_page(request, can_write=can_write)


@require_http_methods(["GET", "POST"])
def correct(request: Request, pk: int) -> HttpResponse:
    """Say something else of the same images."""
    sequence = get_visible(Sequence.objects.select_related("team", "patch"), request.user, pk)
    if request.method == "POST":
        must_write(request.user, sequence.team)
    if not sequence.can_change:
        messages.info(request, f"{sequence} cannot be corrected while it is at work or when a run has used it.")
        return redirect(sequence)
    return _form_page(request, sequence, can_write=may_write(request.user, sequence.team))


@require_http_methods(["GET", "POST"])
def add(request: Request, pk: int) -> HttpResponse:
    """Send later images of a sequence."""
    sequence = get_visible(Sequence.objects.select_related("team", "patch"), request.user, pk)
    if request.method == "POST":
        must_write(request.user, sequence.team)
    if sequence.is_open:
        messages.info(request, f"{sequence} is at work; add more when it is done.")
        return redirect(sequence)
    form = AddForm(*_sent(request), sequence=sequence)
    if form.is_bound and form.is_valid():
        if form.is_check:
            return HttpResponse(status=204)
        try:
            return redirect(actions.add(sequence, form.sent, user=request.user))
        except ParameterError as problem:
            form.add_error("images", sentence(problem))
    can_write = may_write(request.user, sequence.team)
    return render(request, "sequences/add.html", {"form": form, "sequence": sequence, "can_write": can_write})


def _sent(request: Request) -> tuple[Any, Any]:
    """What a form is bound with: nothing where the page is only asked for."""
    return (request.POST, request.FILES) if request.method == "POST" else (None, None)


def _form_page(request: Request, sequence: Sequence | None = None, *, can_write: bool = True) -> HttpResponse:
    """
    The form, or where it leads when all is well.

    With ``check`` nothing is made: 204 says that all but the files is well, so that no
    gigabytes are sent in vain.
    """
    form = SequenceForm(*_sent(request), user=request.user, sequence=sequence)
    if form.is_bound and form.is_valid():
        if form.is_check:
            return HttpResponse(status=204)
        try:
            return redirect(_made(request, form, sequence))
        except ParameterError as problem:
            form.add_error("name", sentence(problem))
    held = queries.held_files(sequence) if sequence is not None else {}
    context = {"form": form, "sequence": sequence, "can_write": can_write, **held}
    return render(request, "sequences/new.html", context)


def _made(request: Request, form: SequenceForm, sequence: Sequence | None) -> Sequence:
    if sequence is not None:
        return actions.correct(sequence, form.sent, user=request.user, said=form.said)
    return actions.receive(form.sent, team=form.cleaned_data["team"], user=request.user, said=form.said)


@require_GET
def sequence_page(request: Request, pk: int) -> HttpResponse:
    """One sequence: how far it is and what was found; asks for itself again until it is done."""
    sequence = get_visible(Sequence.objects.select_related("team", "user", "patch"), request.user, pk)
    context = {
        "sequence": sequence,
        "can_write": may_write(request.user, sequence.team),
        "run": sequence.patch.runs.first() if sequence.patch else None,
        "roles": queries.files_by_role(sequence),
        "said": queries.said(sequence),
        "frames": queries.frames(sequence),
        "figure": None if sequence.is_open else charts.shift_figure(sequence),
        "groups": pictures.groups(sequence),
    }
    template = "sequences/_sequence.html" if request.htmx else "sequences/sequence.html"
    # the chart is drawn by a script that runs once, with the whole page
    response = render(request, template, context)
    if request.htmx and context["figure"]:
        response["HX-Refresh"] = "true"
    return response


def _writable(request: Request, pk: int) -> Sequence:
    sequence = get_visible(Sequence.objects.select_related("team", "patch"), request.user, pk)
    must_write(request.user, sequence.team)
    return sequence


@require_POST
def cancel(request: Request, pk: int) -> HttpResponse:
    """Stop it; what is stored is kept."""
    sequence = _writable(request, pk)
    if not actions.cancel(sequence):
        messages.info(request, f"{sequence} had ended before.")
    return redirect(sequence)


@require_POST
def retry(request: Request, pk: int) -> HttpResponse:
    """Go on with what failed or was stopped."""
    sequence = _writable(request, pk)
    actions.retry(sequence)
    return redirect(sequence)


@require_GET
def picture(request: Request, pk: int, key: str) -> HttpResponse:
    """A calibration image in grey, north of the detector up, as PNG; ``full`` in the address: pixel by pixel."""
    described = _described(request, pk, key)
    png = pictures.png_of(pk, described, full="full" in request.GET)
    return HttpResponse(png, content_type="image/png", headers={"Cache-Control": "private, no-cache"})


@require_GET
def picture_fits(request: Request, pk: int, key: str) -> HttpResponse:
    """The same as FITS."""
    described = _described(request, pk, key)
    response = HttpResponse(pictures.fits_of(pk, described), content_type="application/fits")
    response["Content-Disposition"] = f'attachment; filename="{pictures.file_name(pk, described)}"'
    return response


def _described(request: Request, pk: int, key: str) -> pictures.Described:
    sequence = get_visible(Sequence.objects.all(), request.user, pk)
    for described in pictures.described(sequence):
        if described.key == key:
            return described
    raise Http404("There is no such image.")
