"""What people send about themselves and their team."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from poreweb.observations.models import Patch
from poreweb.people import throttle
from poreweb.people.invitations import LEAST_DAYS, MOST_DAYS, USUAL_DAYS
from poreweb.people.keys import KEYS, WORDS, KeyRefusedError, clashes, read_key, shown
from poreweb.people.models import Invitation, Membership, Team
from poreweb.tracks.models import Run

MOST_TOKEN_DAYS, USUAL_TOKEN_DAYS = 365, 90


class Throttled(AuthenticationForm):
    """Signing in, which has to wait after too many wrong tries."""

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Count the try; only then look at the password."""
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not name or not password or self.request is None:
            return super().clean()
        address = throttle.address_of(self.request)
        if seconds := throttle.take_try(name, address):
            minutes = -(-seconds // 60)
            words = f"There were too many wrong tries: wait {minutes} minute{'s' * (minutes > 1)}, then try again."
            raise ValidationError(words, code="throttled")
        cleaned = super().clean()
        throttle.give_back(name, address)
        return cleaned


class SignInForm(Throttled):
    """The site's own."""


class StaffSignInForm(Throttled, AdminAuthenticationForm):
    """That of the staff pages."""


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(choices=Membership.Role.choices)


class RulesForm(forms.ModelForm):
    """How the team settles events."""

    class Meta:
        model = Team
        fields = ("quorum", "is_blind")
        help_texts = {
            "quorum": "An event is settled once so many reviewers say the same of it.",
            "is_blind": "A reviewer judges each event without knowing what others say.",
        }


class InviteForm(forms.ModelForm):
    """A new invitation."""

    days = forms.IntegerField(label="Days until it ends", min_value=LEAST_DAYS, max_value=MOST_DAYS, initial=USUAL_DAYS)

    class Meta:
        model = Invitation
        fields = ("note", "role")


class HistoryForm(forms.Form):
    """Which acts of the team's history are asked for."""

    member = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="everybody", label="Who")
    patch = forms.ModelChoiceField(Patch.objects.none(), required=False, empty_label="any", label="Patch")
    run = forms.ModelChoiceField(Run.objects.none(), required=False, empty_label="any", label="Run")
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        """Offer what the team has, and whoever has ever acted in it."""
        super().__init__(*args, **kwargs)
        runs = Run.objects.filter(patch__team=team)
        here = Q(memberships__team=team) | Q(pk__in=runs.values("acts__by"))
        querysets = {
            "member": User.objects.filter(here).distinct().order_by("username"),
            "patch": team.patches.order_by("harpnum"),
            "run": runs.select_related("patch").order_by("patch__harpnum", "number"),
        }
        for name, queryset in querysets.items():
            self.fields[name].queryset = queryset  # type: ignore[attr-defined]


class KeyField(forms.CharField):
    """A key as `read_key` keeps it; with scripts it is pressed, not typed."""

    def __init__(self, **kwargs: Any) -> None:
        """A text input that no browser fills in or corrects."""
        attrs = {"data-press": "", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> str:
        """Refuse what no act can have."""
        try:
            return read_key(super().clean(value))
        except KeyRefusedError as refused:
            raise ValidationError(str(refused)) from refused


class KeysForm(forms.Form):
    """A key for each act of the desk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """One field an act, named after it."""
        super().__init__(*args, **kwargs)
        for act in KEYS:
            self.fields[act] = KeyField(label=WORDS[act])

    def clean(self) -> dict[str, Any]:
        """Refuse two acts on one key, at each of them."""
        for key, acts in clashes(self.cleaned_data).items():
            for act in acts:
                others = " and ".join(f"“{WORDS[other]}”" for other in acts if other != act)
                self.add_error(act, f"{shown(key)} is asked for by {others} too; a key does one thing.")
        return self.cleaned_data


class TokenForm(forms.Form):
    """A new token for the API."""

    days = forms.IntegerField(
        label="Days until it ends", min_value=1, max_value=MOST_TOKEN_DAYS, initial=USUAL_TOKEN_DAYS
    )
