"""What people send about JSOC's list, and the lists of their own."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MaxLengthValidator
from django.template.defaultfilters import filesizeformat

from poreweb.acquire.noaa import MOST_HOURS
from poreweb.people.models import Team
from processing.region_lists import text_of

MOST_BYTES = 1_000_000
BIG_BOX = {"rows": 14, "spellcheck": "false", "autocomplete": "off", "wrap": "off"}
ALONE = (("", "asked for line by line"), ("harp", "a HARP"), ("noaa", "a NOAA region"))


class TextOrFileForm(forms.Form):
    """A list, pasted or as a file; of both the file counts."""

    text = forms.CharField(
        label="The list", required=False, strip=False, widget=forms.Textarea(attrs=BIG_BOX),
        validators=[MaxLengthValidator(MOST_BYTES)],
    )  # fmt: skip
    file = forms.FileField(label="or a file with it", required=False, allow_empty_file=True)

    def clean_file(self) -> UploadedFile | None:
        """Refuse what no list can be."""
        file: UploadedFile | None = self.cleaned_data["file"]
        if file and (file.size or 0) > MOST_BYTES:
            allowed = filesizeformat(MOST_BYTES)
            raise forms.ValidationError(f"This file is {filesizeformat(file.size or 0)}; a list may have {allowed}.")
        return file

    def clean(self) -> dict[str, Any]:
        """One of the two must have something in it; ``read`` is its text and ``source`` what it is."""
        given = super().clean() or self.cleaned_data
        file = given.get("file")
        given["read"] = text_of(file.read()) if file else given.get("text", "")
        given["source"] = f"the file {file.name}" if file else "a pasted text"
        if not self.errors and not given["read"].strip():
            raise forms.ValidationError("Paste a list, or choose a file with one.")
        return given


class ImportForm(TextOrFileForm):
    """A list of HARPs and NOAA regions in the place of JSOC's."""

    force = forms.BooleanField(label="Take it even if it has less than half of what is held", required=False)


class ScheduleForm(forms.Form):
    """How often the list is read."""

    every_hours = forms.IntegerField(
        label="Read anew every so many hours", min_value=0, max_value=MOST_HOURS, help_text="0: only when told to."
    )


class RegionListForm(TextOrFileForm):
    """A list of regions written by hand."""

    alone = forms.ChoiceField(
        label="A number without HARP or NOAA, alone on its line, is", choices=ALONE, required=False
    )


class PreviewListForm(forms.Form):
    """What was read once more, and for which team; the boxes that are ticked come beside it."""

    text = forms.CharField(required=False, strip=False, max_length=MOST_BYTES, widget=forms.HiddenInput)
    alone = forms.ChoiceField(choices=ALONE, required=False, widget=forms.HiddenInput)
    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None, label="For")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer only the teams that the user may write to."""
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = Team.objects.writable_by(user)  # type: ignore[attr-defined]
