"""What reviewers send."""

from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from poreweb.review.corrections import correction_problem
from poreweb.review.judgement import Judgement
from poreweb.review.models import Choice, Reason
from poreweb.tracks.models import Event
from processing.edits import Correction

MOST_JSON = 20_000  # characters; a correction of `processing.edits.MAX_ITEMS` items has a fifth of that


class JsonField(forms.JSONField):
    """JSON that somebody may have made to do harm: too long, too deep, or with numbers of a million digits."""

    def to_python(self, value: Any) -> Any:
        """As the parent; what cannot be read is no valid JSON, whatever the reason."""
        if isinstance(value, str) and len(value) > MOST_JSON:
            raise forms.ValidationError(f"This is {len(value)} characters long; at most {MOST_JSON} are read.")
        try:
            return super().to_python(value)
        except (RecursionError, ValueError) as problem:
            raise forms.ValidationError(self.error_messages["invalid"], params={"value": "it"}) from problem

    def bound_data(self, data: Any, initial: Any) -> Any:
        """As the parent, for showing it again."""
        try:
            return super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return InvalidJSONInput(data)


class NoteForm(forms.Form):
    """A note that goes with a verdict on many events."""

    note = forms.CharField(required=False, max_length=2000)


class VerdictForm(forms.Form):
    """
    A judgement: a choice, why, a note and, for a correction, what it changes.

    A settlement (``settles``) says what holds, so it cannot be unsure.
    """

    choice = forms.ChoiceField(choices=Choice.choices)
    reason = forms.ChoiceField(choices=[("", "–"), *Reason.choices], required=False)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    correction = JsonField(required=False, widget=forms.HiddenInput)
    joined = JsonField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    anyway = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, event: Event, settles: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.event, self.settles = event, settles

    def clean(self) -> dict[str, Any]:
        """A correction must be possible, and says something; any other choice has none."""
        cleaned = super().clean() or self.cleaned_data
        if self.settles and cleaned.get("choice") == Choice.UNSURE:
            self.add_error("choice", "A settlement says what holds; unsure is a verdict.")
        if cleaned.get("choice") != Choice.CORRECT:
            return {**cleaned, "correction": {}, "joined": []}
        correction, joined = cleaned.get("correction") or {}, cleaned.get("joined") or []
        if {"correction", "joined"} & set(self.errors):
            return cleaned
        if problem := correction_problem(self.event, correction, joined):
            self.add_error(None, problem)
            return cleaned
        # as it is compared: in one form, nothing twice
        return {**cleaned, "correction": Correction.from_dict(correction).as_dict(), "joined": sorted(set(joined))}

    @property
    def judgement(self) -> Judgement:
        """What a valid form says."""
        told = self.cleaned_data
        return Judgement(told["choice"], told["reason"], told["note"], told["correction"], tuple(told["joined"]))
