"""HTTP in, HTTP out: what users set for themselves, keys and tokens."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from knox.models import AuthToken

from poreweb.http import Request
from poreweb.people import actions
from poreweb.people.forms import KeysForm, TokenForm
from poreweb.people.keys import FIXED, KEYS, NAMED_WORDS, keys_of, shown


@require_http_methods(["GET", "POST"])
def keys(request: Request) -> HttpResponse:
    """The keys of the desk, each of which the user may change."""
    if request.method == "POST" and "reset" in request.POST:
        actions.choose_keys(request.user, {})
        messages.success(request, "The usual keys are back.")
        return redirect("people:keys")
    held = keys_of(request.user)
    form = KeysForm(request.POST if request.method == "POST" else None, initial=held)
    if form.is_valid():
        actions.choose_keys(request.user, form.cleaned_data)
        messages.success(request, "The keys are saved; the desk has them from the next event on.")
        return redirect("people:keys")
    context = {
        "form": form,
        "rows": [(form[act], key, shown(key), held[act] != key) for act, key in KEYS.items()],
        "fixed": sorted(FIXED),
        "named": NAMED_WORDS,
    }
    return render(request, "people/keys.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: Request) -> HttpResponse:
    """The user's tokens for the API; a new one is shown this one time."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    made, text = None, ""
    if form.is_valid():
        try:
            made, text = actions.make_token(request.user, **form.cleaned_data)
        except actions.TooManyTokensError as refused:
            form.add_error(None, str(refused))
    now = timezone.now()
    listed = AuthToken.objects.filter(user=request.user).order_by("-created")
    context = {
        "form": TokenForm() if made else form,
        "made": made,
        "text": text,
        "tokens": [(token, _has_ended(token, now)) for token in listed],
    }
    return render(request, "people/tokens.html", context)


def _has_ended(token: AuthToken, now: datetime) -> bool:
    return token.expiry is not None and token.expiry <= now


@require_POST
def revoke_token(request: Request, digest: str) -> HttpResponse:
    """Take back a token of one's own."""
    get_object_or_404(AuthToken, user=request.user, digest=digest).delete()
    messages.success(request, "The token is revoked; whatever uses it is refused from now on.")
    return redirect("people:tokens")
