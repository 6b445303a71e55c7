"""What reviewers send."""

from typing import Any

from django import forms

from poreweb.review.corrections import correction_problem
from poreweb.review.judgement import Judgement
from poreweb.review.models import Choice, Reason
from poreweb.tracks.models import Event


class VerdictForm(forms.Form):
    """A judgement: a choice, why, a note and, for a correction, what it changes."""

    choice = forms.ChoiceField(choices=Choice.choices)
    reason = forms.ChoiceField(choices=[("", "–"), *Reason.choices], required=False)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    correction = forms.JSONField(required=False, widget=forms.HiddenInput)
    joined = forms.JSONField(required=False, widget=forms.HiddenInput)
    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    anyway = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, event: Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.event = event

    def clean(self) -> dict[str, Any]:
        """A correction must be possible, and says something; any other choice has none."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("choice") != Choice.CORRECT:
            return {**cleaned, "correction": {}, "joined": []}
        correction, joined = cleaned.get("correction") or {}, cleaned.get("joined") or []
        if {"correction", "joined"} & set(self.errors):
            return cleaned
        if problem := correction_problem(self.event, correction, joined):
            self.add_error(None, problem)
        return {**cleaned, "correction": correction, "joined": joined}

    @property
    def judgement(self) -> Judgement:
        """What a valid form says."""
        told = self.cleaned_data
        return Judgement(told["choice"], told["reason"], told["note"], told["correction"], tuple(told["joined"]))
