"""What leads send, and what the page of agreement is asked for."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet

from poreweb.consensus.actions import NOT_SETTLED
from poreweb.http import whole_number
from poreweb.observations.models import Patch
from poreweb.people.models import Membership, Team
from poreweb.review.forms import VerdictForm
from poreweb.review.models import Choice, Verdict
from poreweb.review.queries import REVIEW_KINDS
from poreweb.tracks.models import Event, Run

MOST_EVENTS = 20_000
RIGHT_ANSWERS = [(choice.value, choice.value) for choice in (Choice.ACCEPT, Choice.REJECT, Choice.CORRECT)]


def writers_of(team: Team) -> "QuerySet[User]":
    """Who can judge in a team, by name."""
    return User.objects.filter(
        memberships__team=team, memberships__role__in=Membership.WRITERS, is_active=True
    ).order_by("username")


class AgreementForm(forms.Form):
    """Which events the agreement is of, and which two reviewers are compared."""

    patch = forms.ModelChoiceField(Patch.objects.none(), required=False, empty_label="all")
    run = forms.ModelChoiceField(Run.objects.none(), required=False, empty_label="all")
    kind = forms.ChoiceField(choices=[("", "all"), *Event.Kind.choices], required=False, label="Kind of event")

    def __init__(self, team: Team, *args: Any, **kwargs: Any) -> None:
        """Offer what the team has."""
        super().__init__(*args, **kwargs)
        runs = Run.objects.filter(pk__in=Verdict.objects.filter(event__run__patch__team=team).values("event__run"))
        for name, found in (("patch", team.patches.order_by("harpnum")), ("run", runs.select_related("patch"))):
            self.fields[name].queryset = found  # type: ignore[attr-defined]


class GoldForm(VerdictForm):
    """The right answer, as the desk sends a verdict; a correction need not say what it changes."""

    choice = forms.ChoiceField(choices=RIGHT_ANSWERS, label="Right answer")

    def clean(self) -> dict[str, Any]:
        """What is corrected must be possible in the event's run."""
        given = self.cleaned_data
        correction = given.get("correction") or {}
        says_what = given.get("joined") or not isinstance(correction, dict) or any(correction.values())
        if self.errors or says_what or given["choice"] != Choice.CORRECT:
            return super().clean()
        return {**given, "correction": {}, "joined": []}


class KeysField(forms.ModelMultipleChoiceField):
    """Rows by their keys, which somebody may have made longer than a column holds."""

    def clean(self, value: Any) -> "QuerySet[Any]":
        """As the parent, with one sentence for what is no key at all."""
        for key in value if isinstance(value, list | tuple) else ():
            if whole_number(str(key)) is None:
                words, told = self.error_messages["invalid_pk_value"], {"pk": str(key)[:20]}
                raise forms.ValidationError(words, code="invalid_pk_value", params=told)
        found: QuerySet[Any] = super().clean(value)
        return found


class HandForm(forms.Form):
    """These events to that member."""

    events = KeysField(
        Event.objects.none(),
        error_messages={
            "required": "Tick at least one event.",
            "invalid_choice": "An event that was ticked is no longer there.",
            "invalid_pk_value": "An event is named by its number.",
        },
    )
    member = forms.ModelChoiceField(
        User.objects.none(), empty_label=None, error_messages={"invalid_choice": "Choose someone who can judge."}
    )

    def __init__(self, run: Run, *args: Any, **kwargs: Any) -> None:
        """Offer the run's events, and those who can judge."""
        super().__init__(*args, **kwargs)
        self.fields["events"].queryset = run.events.all()  # type: ignore[attr-defined]
        self.fields["member"].queryset = writers_of(run.patch.team)  # type: ignore[attr-defined]


class TakeBackForm(HandForm):
    """These events, or with ``all`` those of the whole run, back from a member, whether or not still one."""

    def __init__(self, run: Run, *args: Any, **kwargs: Any) -> None:
        """Offer those who have been given events."""
        super().__init__(run, *args, **kwargs)
        holders = User.objects.filter(assignments__event__run=run)
        found = User.objects.filter(Q(pk__in=holders) | Q(pk__in=writers_of(run.patch.team))).order_by("username")
        self.fields["member"].queryset = found  # type: ignore[attr-defined]
        self.fields["events"].required = "all" not in self.data


class SharesForm(forms.Form):
    """Which events, to whom, and how many people each."""

    kinds = forms.MultipleChoiceField(
        choices=Event.Kind.choices, initial=REVIEW_KINDS, widget=forms.CheckboxSelectMultiple, label="Kinds of event",
        error_messages={"required": "Tick at least one kind of event."},
    )  # fmt: skip
    below = forms.FloatField(
        required=False, min_value=0, max_value=1, label="Only events less sure than",
        help_text="probability; empty for all", widget=forms.NumberInput(attrs={"step": "0.001"}),
    )  # fmt: skip
    most = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_EVENTS, label="At most",
        help_text="events, the most doubtful ones; empty for all",
    )  # fmt: skip
    members = KeysField(
        User.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick at least one member."},
    )
    k = forms.IntegerField(min_value=1, max_value=Team.MOST_QUORUM, label="People for each event")

    def __init__(self, run: Run, *args: Any, **kwargs: Any) -> None:
        """Offer those who can judge, all ticked; as many people an event as settle it."""
        self.run, members = run, writers_of(run.patch.team)
        kwargs["initial"] = {"k": run.patch.team.quorum, "members": members, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        self.fields["members"].queryset = members  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """It takes as many members as people for each event."""
        given = super().clean() or self.cleaned_data
        if "members" in given and "k" in given and len(given["members"]) < given["k"]:
            n = len(given["members"])
            self.add_error("k", f"{n} member{'s' if n > 1 else ''} cannot make {given['k']} people for each event.")
        return given

    @property
    def numbers(self) -> list[forms.BoundField]:
        """The fields that are no boxes to tick."""
        return [self[name] for name in ("k", "below", "most")]

    def events(self) -> "QuerySet[Event]":
        """The events that it asks for, once it is valid; settled ones are none of them."""
        given = self.cleaned_data
        events = self.run.events.filter(NOT_SETTLED, kind__in=given["kinds"])
        if given["below"] is not None:
            events = events.filter(Q(probability__lt=given["below"]) | Q(probability=None))
        return events.order_by(F("doubt").desc(nulls_last=True), "index", "pk")[: given["most"]]
