"""What reviewers send."""

from django import forms

from poreweb.review.models import Verdict


class VerdictForm(forms.Form):
    """A choice and a note."""

    choice = forms.ChoiceField(choices=Verdict.Choice.choices)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
