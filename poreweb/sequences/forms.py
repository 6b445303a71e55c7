"""What people say of a sequence: its files, where its pixels lie, when its frames were taken."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone

from poreweb.observations.models import Patch
from poreweb.people.models import Team
from poreweb.sequences.files import SAID, FilesField, FilesForm, said_of
from poreweb.sequences.models import Sequence
from processing.enhance.optics import MM_PER_ARCSEC
from processing.heliographic import MOST_DEGREES
from processing.timekeys import EPOCH, format_t_rec, t_rec_s_of

# A pore is 1 to 6 Mm across: on the largest pixel it is one pixel, on the smallest it is a thousand across.
SIDE_MM = (0.005, 5.0)
LONGEST_CADENCE_S = 7 * 86_400
# Since then TAI and UTC differ by whole seconds
EARLIEST = datetime(1972, 1, 1)
LEAST_DEGREES = 0.1
LIMB_ARCSEC = 1000  # the solar radius is at most 976 arcsec
MOST_ROTATION_DEG = 360
_LIKE_A_HARP = re.compile(r"\s*(hmi|s?harp)\b", re.IGNORECASE)


def _within(what: str, least: float, most: float, unit: str) -> dict[str, Any]:
    """Limits of a field, and what is said when a number is beyond them."""
    words = f"{what} must be from {least:,g} to {most:,g} {unit}.".replace("-", "−")
    return {"min_value": least, "max_value": most, "error_messages": {"min_value": words, "max_value": words}}


class SequenceForm(FilesForm):
    """All that is needed to make a patch of somebody's images."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None)
    name = forms.CharField(
        label="Name of the sequence", max_length=60,
        help_text="As lists, files and exports call it, such as AR 11757 2013-06-01.",
    )  # fmt: skip
    instrument = forms.CharField(required=False, max_length=60, help_text="Goes into the frames’ headers.")
    darks = FilesField(required=False, help_text="Cubes or single frames; exposure times come from their headers.")
    flats = FilesField(required=False, help_text="Cubes or single frames.")
    scale_darks = forms.BooleanField(
        label="Scale a dark by exposure time where there is none of the same", required=False,
        help_text="Right for a detector whose dark signal grows evenly and whose bias is taken off already.",
    )  # fmt: skip
    coordinates = forms.ChoiceField(
        label="Where its pixels lie", initial=Sequence.Coordinates.SCALE, widget=forms.RadioSelect,
        choices=(
            (Sequence.Coordinates.SCALE, "Only the pixel scale is known"),
            (Sequence.Coordinates.POINTING, "Pixel scale and pointing are known, and given here"),
            (Sequence.Coordinates.HEADERS, "The headers tell it: a helioprojective map"),
        ),
    )  # fmt: skip
    pixel_scale = forms.FloatField(
        label="Side of a pixel", required=False, min_value=0,
        error_messages={"min_value": "The side of a pixel cannot be negative: pores are found on pixels of"
                        f" {1000 * SIDE_MM[0]:g} to {1000 * SIDE_MM[1]:g} km."},
    )  # fmt: skip
    scale_unit = forms.ChoiceField(label="Unit", choices=Sequence.Unit.choices)
    tx_arcsec = forms.FloatField(label="Tx of its middle, arcsec", required=False, help_text="West is positive.")
    ty_arcsec = forms.FloatField(label="Ty of its middle, arcsec", required=False, help_text="North is positive.")
    rotation_deg = forms.FloatField(
        label="Rotation, degrees", required=False,
        **_within("The rotation", -MOST_ROTATION_DEG, MOST_ROTATION_DEG, "degrees"),
        help_text="Position angle of the image’s upward direction, from solar north towards east; empty: 0.",
    )  # fmt: skip
    part_tx = forms.FloatField(label="Tx of the patch’s middle, arcsec", required=False)
    part_ty = forms.FloatField(label="Ty of the patch’s middle, arcsec", required=False)
    width_deg = forms.FloatField(
        label="Its width on the Sun, degrees",
        required=False,
        **_within("The patch’s width on the Sun", LEAST_DEGREES, MOST_DEGREES, "degrees"),
    )
    height_deg = forms.FloatField(
        label="Its height on the Sun, degrees",
        required=False,
        **_within("The patch’s height on the Sun", LEAST_DEGREES, MOST_DEGREES, "degrees"),
    )
    first = forms.DateTimeField(
        label="Time of the first frame", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )  # fmt: skip
    time_scale = forms.ChoiceField(label="Time scale", choices=Sequence.TimeScale.choices)
    cadence_s = forms.FloatField(
        label="Seconds between two frames", required=False, max_value=LONGEST_CADENCE_S,
        error_messages={"max_value": f"Two frames may be at most {LONGEST_CADENCE_S:,} s ("
                        f"{LONGEST_CADENCE_S // 86_400} days) apart."},
    )  # fmt: skip
    coalign = forms.BooleanField(
        label="Shift the frames onto each other", required=False,
        help_text="Rigidly, by fractions of a pixel. Not for frames that are aligned already.",
    )  # fmt: skip
    run_after = forms.BooleanField(label="Process the frames as soon as they are in", required=False, initial=True)

    def __init__(self, *args: Any, user: User, sequence: Sequence | None = None, **kwargs: Any) -> None:
        """``sequence`` is one that is corrected: it has files already, and keeps its team."""
        if sequence is not None:
            kwargs.setdefault("initial", said_of(sequence))
        super().__init__(*args, sequence=sequence, **kwargs)
        teams = Team.objects.writable_by(user)
        if sequence is not None:
            teams = teams.filter(pk=sequence.team_id)
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]

    # -- One field at a time ---------------------------------------------------------------------------

    def clean_name(self) -> str:
        """One line that says what it is, and is no HARP's."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name.isprintable() or not any(letter.isalnum() for letter in name):
            raise forms.ValidationError("A name needs a letter or a digit, and nothing that cannot be printed.")
        if _LIKE_A_HARP.match(name):
            raise forms.ValidationError("That reads like a HARP of HMI; choose a name that does not.")
        return name

    def clean_instrument(self) -> str:
        """One line."""
        instrument = " ".join(str(self.cleaned_data["instrument"]).split())
        if not instrument.isprintable():
            raise forms.ValidationError("It holds something that cannot be printed.")
        return instrument

    def clean_first(self) -> datetime | None:
        """Neither before whole leap seconds nor in the future; as typed, of the time scale that is chosen."""
        first: datetime | None = self.cleaned_data["first"]
        if first is None:
            return None
        # Django takes what was typed without a zone for UTC, which it may not be
        first = first.astimezone(UTC).replace(tzinfo=None)
        if first < EARLIEST:
            raise forms.ValidationError(f"Times before {EARLIEST:%Y-%m-%d} are not read.")
        if first > timezone.now().replace(tzinfo=None) + timedelta(days=1):
            raise forms.ValidationError("This moment is still to come.")
        return first.replace(microsecond=0)

    def clean_cadence_s(self) -> float | None:
        """Times are kept in whole seconds."""
        cadence_s: float | None = self.cleaned_data["cadence_s"]
        if cadence_s is not None and cadence_s < 1:
            raise forms.ValidationError("Two frames must not fall into one second: give 1 s or more.")
        return cadence_s

    # -- What belongs together -------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        """Whether all that the choices need is there, and the name is free."""
        given = super().clean() or self.cleaned_data
        self._check_name(given)
        self._check_place(given)
        if team := given.get("team"):
            self.check_room(team)
        self.check_files(given)
        return given

    def _check_name(self, given: dict[str, Any]) -> None:
        team, name = given.get("team"), given.get("name")
        if team is None or not name:
            return
        others = Sequence.objects.filter(team=team, name=name)
        patches = Patch.objects.filter(team=team, harpnum=None, name=name)
        if self.sequence is not None:
            others, patches = others.exclude(pk=self.sequence.pk), patches.exclude(sequences=self.sequence)
        if others.exists() or patches.exists():
            self.add_error("name", f"{team} has a sequence of that name; choose another name.")

    def _check_place(self, given: dict[str, Any]) -> None:
        how = given.get("coordinates")
        if how is None:
            return
        if how == Sequence.Coordinates.HEADERS:
            self._check_pointing(given, "part_tx", "part_ty")
            return
        scale = given.get("pixel_scale")
        if scale is None:
            if "pixel_scale" not in self.errors:
                self.add_error("pixel_scale", "Without the side of a pixel nothing can be measured; give it.")
        elif given.get("scale_unit"):
            self._check_scale(scale, given["scale_unit"])
        if how == Sequence.Coordinates.POINTING:
            for name in ("tx_arcsec", "ty_arcsec"):
                if all(given.get(other) is None for other in ("tx_arcsec", "ty_arcsec")) and name not in self.errors:
                    self.add_error(name, "The pointing needs it; 0 is the centre of the disk.")
            self._check_pointing(given, "tx_arcsec", "ty_arcsec")

    def _check_pointing(self, given: dict[str, Any], *names: str) -> None:
        """Both coordinates or none, and on the disk."""
        values = [given.get(name) for name in names]
        known = [value for value in values if value is not None]
        if len(known) == 1:
            name = names[values.index(None)]
            if name not in self.errors:
                self.add_error(name, "Give both coordinates.")
        elif known and not math.hypot(*known) <= LIMB_ARCSEC:
            self.add_error(names[0], f"({known[0]:g}, {known[1]:g}) arcsec is beyond the limb.")

    def _check_scale(self, scale: float, unit: str) -> None:
        side_mm = scale * (MM_PER_ARCSEC if unit == Sequence.Unit.ARCSEC else 1e-3)
        smallest, largest = SIDE_MM
        if not (math.isfinite(side_mm) and smallest <= side_mm <= largest):
            self.add_error(
                "pixel_scale",
                f"That is {1000 * side_mm:g} km on the Sun; pores, 1 to 6 Mm across, are found on pixels of"
                f" {1000 * smallest:g} to {1000 * largest:g} km.",
            )

    # -- What comes out of it ----------------------------------------------------------------------------

    @property
    def said(self) -> dict[str, Any]:
        """What was said, by the names of the columns of `Sequence`; what the choice does not use is left out."""
        given = self.cleaned_data
        how = given["coordinates"]
        by_headers, has_pointing = how == Sequence.Coordinates.HEADERS, how == Sequence.Coordinates.POINTING
        place = ("tx_arcsec", "ty_arcsec") if has_pointing else ("part_tx", "part_ty") if by_headers else (None, None)
        tx, ty = (given[name] if name else None for name in place)
        return {
            **{name: given[name] for name in SAID},
            "pixel_scale": None if by_headers else given["pixel_scale"],
            "tx_arcsec": tx,
            "ty_arcsec": ty,
            "rotation_deg": (given["rotation_deg"] or 0.0) if has_pointing else 0.0,
            "width_deg": given["width_deg"] if by_headers else None,
            "height_deg": given["height_deg"] if by_headers else None,
            "first_s": _t_rec_s(given["first"], given["time_scale"]),
        }


def _t_rec_s(moment: datetime | None, time_scale: str) -> int | None:
    """TAI seconds since 1993-01-01 of what was typed."""
    if moment is None:
        return None
    if time_scale == Sequence.TimeScale.UTC:
        return t_rec_s_of(moment)
    return int((moment - EPOCH).total_seconds())


class AddForm(FilesForm):
    """Later images of a sequence, of which all else is as it was said."""

    def clean(self) -> dict[str, Any]:
        """Whether they fit those that are here, and come after them."""
        given = super().clean() or self.cleaned_data
        sequence = self.sequence
        assert sequence is not None
        if not given.get("images") and not self.is_check and not self.errors:
            self.add_error("images", "Choose the FITS files of the images.")
        self.check_room(sequence.team)
        self.check_files({**said_of(sequence), **given})
        if not self.errors and not self.is_check:
            self._check_later(sequence)
        return given

    def _check_later(self, sequence: Sequence) -> None:
        """What the frames that are here were made with must not change: their times, and the first of them."""
        new = {source.sha256 for _, _, source in self.sent}
        before = [frame.t_s for frame in self.timed[: len(sequence.times)] if frame.source.sha256 not in new]
        if before != sequence.times:
            self.add_error(
                "images",
                f"These images do not all come after the last one that is here, {format_t_rec(sequence.times[-1])};"
                " times go by the headers, or else by the order of the files’ names.",
            )
