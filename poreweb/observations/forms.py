"""What people send about observations."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from poreweb.acquire.space import NoRoomError, must_have_room
from poreweb.observations.unpack import FITS_SUFFIXES, TAR_SUFFIXES
from poreweb.people.models import Team


class ManyFilesInput(forms.ClearableFileInput):
    """A file input that takes several files."""

    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """A list of uploaded files."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Clean each file by itself."""
        files = data if isinstance(data, list | tuple) else [data]
        return [super(ManyFilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.Form):
    """Files for a team."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None)
    records = ManyFilesField(
        label="FITS files, .tar or .tar.gz",
        help_text="Segments continuum, Br, Bt, Bp and bitmap of hmi.sharp_cea_720s; several patches may be mixed.",
        widget=ManyFilesInput(attrs={"accept": ",".join((*FITS_SUFFIXES, *TAR_SUFFIXES, ".gz"))}),
    )
    run_after = forms.BooleanField(label="Process them as soon as they are in", required=False, initial=True)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer only the teams that the user may write to."""
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = Team.objects.writable_by(user)  # type: ignore[attr-defined]

    def clean_records(self) -> list[UploadedFile]:
        """Refuse what is larger than this site takes in one go."""
        files: list[UploadedFile] = self.cleaned_data["records"]
        size = sum(file.size or 0 for file in files)
        if size > settings.MAX_UPLOAD_BYTES:
            allowed = filesizeformat(settings.MAX_UPLOAD_BYTES)
            raise forms.ValidationError(f"These files are {filesizeformat(size)}; one upload may have {allowed}.")
        return files

    def clean(self) -> dict[str, Any]:
        """Refuse what the team or the disk has no room for."""
        cleaned = super().clean() or self.cleaned_data
        team, files = cleaned.get("team"), cleaned.get("records")
        if team and files:
            try:
                must_have_room(team, sum(file.size or 0 for file in files))
            except NoRoomError as problem:
                words = str(problem)
                self.add_error("records", f"{words[:1].upper()}{words[1:]}.")
        return cleaned
