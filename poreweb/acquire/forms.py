"""What people ask for."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from poreweb.acquire.actions import check_email
from poreweb.acquire.jsoc import FAR_FUTURE, HMI_BEGINS, SERIES
from poreweb.acquire.models import Acquisition
from poreweb.acquire.wanted import Wanted
from poreweb.acquire.watching import LONGEST_S, SHORTEST_S
from poreweb.people.models import Team
from processing.errors import FrameError
from processing.fits import DEFINITIVE_SERIES, PROVISIONAL, SEGMENTS
from processing.timekeys import CADENCE_S, EPOCH, parse_t_rec

SERIES_WORDS = (
    (DEFINITIVE_SERIES, "definitive"),
    (DEFINITIVE_SERIES + PROVISIONAL, "near-real-time: provisional, with HARP numbers of its own"),
)
CADENCES = ((720, "12 minutes (all)"), (1440, "24 minutes"), (3600, "1 hour"), (7200, "2 hours"), (21600, "6 hours"))
MINUTES = tuple((minutes * 60, words) for minutes, words in ((12, "12 minutes"), (60, "1 hour"), (1440, "1 day")))


class TaiField(forms.CharField):
    """
    A moment in TAI as people and JSOC write it, to seconds since 1993-01-01; a day alone is its begin or its end.

    It becomes the first slot of the 12-minute grid that is not before it, or the last one not
    after it, as JSOC itself takes the nearest, which may be a record too many.
    """

    FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        """With ``is_end`` it is the end of a range, and a day alone is meant to its end."""
        self.is_end = is_end
        attrs = {"spellcheck": "false", "autocomplete": "off"}
        super().__init__(max_length=30, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> int | None:
        """The slot's seconds, or None for an empty one."""
        text = super().clean(value).strip()
        if not text:
            return None
        moment = self._moment(text)
        return moment // CADENCE_S * CADENCE_S if self.is_end else -(-moment // CADENCE_S) * CADENCE_S

    def _moment(self, text: str) -> int:
        for form in (*self.FORMATS, "%Y-%m-%d"):
            try:
                moment = datetime.strptime(text, form)
            except ValueError:
                continue
            if form == "%Y-%m-%d" and self.is_end:
                moment += timedelta(days=1, seconds=-1)
            return int((moment - EPOCH).total_seconds())
        try:
            return parse_t_rec(text)
        except FrameError:
            raise forms.ValidationError(
                f"“{text}” is no moment such as 2011-02-15 02:00, 2011-02-15 or 2011.02.15_02:00:00_TAI."
            ) from None


class TeamForm(forms.Form):
    """Anything that is asked for on behalf of a team."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer only the teams that the user may write to."""
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = Team.objects.writable_by(user)  # type: ignore[attr-defined]


class HarpForm(TeamForm):
    """A HARP of a series, and its segments."""

    harpnum = forms.IntegerField(label="HARP number", min_value=1, max_value=2**31 - 1)
    series = forms.ChoiceField(choices=SERIES_WORDS, initial=DEFINITIVE_SERIES, widget=forms.RadioSelect)
    provisional = forms.BooleanField(
        label="I want near-real-time data, and know that they are made again under another HARP number", required=False
    )
    segments = forms.MultipleChoiceField(
        choices=[(name, name) for name in SEGMENTS], initial=list(SEGMENTS), widget=forms.CheckboxSelectMultiple
    )

    def clean_segments(self) -> list[str]:
        """Pores are found in the continuum."""
        chosen: list[str] = self.cleaned_data["segments"]
        if "continuum" not in chosen:
            raise forms.ValidationError("Pores are found in the continuum, so it must be among the segments.")
        return chosen

    def clean(self) -> dict[str, Any]:
        """Near-real-time data are had by saying so twice."""
        cleaned = super().clean() or self.cleaned_data
        series = cleaned.get("series", "")
        if series in SERIES and series.endswith(PROVISIONAL) and not cleaned.get("provisional"):
            self.add_error("provisional", "Say that near-real-time data are meant, or choose the definitive ones.")
        return cleaned


class PreviewForm(HarpForm):
    """Records of a HARP."""

    field_order = ("team", "harpnum", "first", "last", "cadence_s", "segments", "series", "provisional", "noaa_ar")
    first = TaiField(
        label="First T_REC (TAI)", required=False, help_text="As 2011-02-15 02:00; empty: from its first record."
    )
    last = TaiField(
        label="Last T_REC (TAI)", required=False, is_end=True,
        help_text="As 2011-02-16, that day included; empty: to its last record.",
    )  # fmt: skip
    cadence_s = forms.TypedChoiceField(label="A record every", choices=CADENCES, coerce=int, initial=CADENCE_S)
    noaa_ar = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """The end is not before the beginning, and both are in HMI's time."""
        cleaned = super().clean()
        first, last = cleaned.get("first"), cleaned.get("last")
        for name, moment in (("first", first), ("last", last)):
            if moment is not None and not HMI_BEGINS <= moment <= FAR_FUTURE:
                self.add_error(name, "HMI has records from April 2010 on, and none beyond 2039.")
        if first is not None and last is not None and last < first:
            self.add_error("last", "The last record must not be before the first one; there is one every 12 minutes.")
        if cleaned.get("series", "").endswith(PROVISIONAL):
            cleaned["noaa_ar"] = None  # it was found for the definitive HARP of that number, which is another one
        return cleaned

    @property
    def wanted(self) -> Wanted:
        """What was asked for, as the actions take it."""
        given = self.cleaned_data
        return Wanted(given["harpnum"], given["noaa_ar"], given["first"], given["last"])


class OrderForm(forms.Form):
    """How the records of a preview are to be had."""

    method = forms.ChoiceField(
        label="From JSOC as", choices=Acquisition.Method.choices, initial=Acquisition.Method.TAR,
        help_text="Bare headers get their keywords from the query, in a file beside the one received.",
    )  # fmt: skip
    run_after = forms.BooleanField(label="Process them as soon as they are in", required=False, initial=True)


class WatchHarpForm(HarpForm):
    """A HARP to keep up to date."""

    field_order = ("team", "harpnum", "every_s", "segments", "series", "provisional", "run_after")
    every_s = forms.TypedChoiceField(label="Look every", choices=MINUTES, coerce=int, initial=CADENCE_S)
    run_after = forms.BooleanField(label="Process new records", required=False, initial=True)


class WatchFolderForm(TeamForm):
    """A folder of this machine to read from."""

    folder = forms.CharField(max_length=500, widget=forms.TextInput(attrs={"spellcheck": "false"}))
    every_s = forms.IntegerField(
        label="Look every so many seconds", min_value=SHORTEST_S, max_value=LONGEST_S, initial=CADENCE_S
    )
    run_after = forms.BooleanField(label="Process new records", required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say which folders are allowed."""
        super().__init__(*args, **kwargs)
        self.fields["folder"].help_text = f"In {' or '.join(settings.WATCH_FOLDERS)}."


class EmailForm(forms.ModelForm):
    """The team's e-mail at JSOC."""

    class Meta:
        model = Team
        fields = ("jsoc_email",)
        help_texts = {"jsoc_email": "Empty: the site's own, where it has one. JSOC must know it."}

    def clean_jsoc_email(self) -> str:
        """Asks JSOC; ``is_known`` is None when it does not answer, which keeps nobody from saving."""
        email: str = self.cleaned_data["jsoc_email"]
        self.is_known = check_email(email) if email else None
        if self.is_known is False:
            raise ValidationError("JSOC does not know this e-mail. Register it at JSOC first, then save it here.")
        return email
