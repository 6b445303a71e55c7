"""What the pages show of sequences."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet, Sum

from poreweb.sequences.models import Sequence, SourceFile
from processing.timekeys import format_t_rec, utcs_of

SHOWN = 100
NO_SHIFT = (None, None, None, True)


@dataclass(frozen=True)
class FrameRow:
    """One frame: its number from 1, its time, and how it was shifted (None where nothing was)."""

    number: int
    t_rec: str
    utc: datetime
    rows: float | None
    columns: float | None
    correlation: float | None
    is_trusted: bool


def listed(user: User) -> "QuerySet[Sequence]":
    """The sequences of the user's teams, newest first."""
    return Sequence.objects.visible_to(user).select_related("team", "user", "patch")[:SHOWN]


def files_by_role(sequence: Sequence) -> list[tuple[str, list[SourceFile]]]:
    """("Images", its files) and so on, of the roles that have any."""
    words = {SourceFile.Role.IMAGE: "Images", SourceFile.Role.DARK: "Darks", SourceFile.Role.FLAT: "Flats"}
    held = list(sequence.files.all())
    found = [(word, [file for file in held if file.role == role]) for role, word in words.items()]
    return [(word, files) for word, files in found if files]


def held_files(sequence: Sequence) -> dict[str, str]:
    """What is here already, in words, for the form that adds to it."""
    counted = {
        role: f"{n} {'file' if n == 1 else 'files'} of {n_frames} {'frame' if n_frames == 1 else 'frames'}"
        for role, n, n_frames in sequence.files.order_by("role")
        .values_list("role")
        .annotate(n=Count("pk"), n_frames=Sum("n_frames"))
    }
    calibration = [f"{counted[role]} as {role}s" for role in ("dark", "flat") if role in counted]
    return {"held": counted.get("image", "none"), "held_calibration": " and ".join(calibration)}


def frames(sequence: Sequence) -> list[FrameRow]:
    """All its frames, once their times are known."""
    unmeasured = [None] * (len(sequence.times) - len(sequence.shifts))
    shifts = [shift or NO_SHIFT for shift in [*sequence.shifts, *unmeasured]]
    return [
        FrameRow(number, format_t_rec(t_rec_s), utc, *shift)
        for number, (t_rec_s, utc, shift) in enumerate(
            zip(sequence.times, utcs_of(sequence.times), shifts, strict=True), start=1
        )
    ]


def said(sequence: Sequence) -> list[tuple[str, str]]:
    """(what, how) for each thing that was said of it."""
    facts = [("Instrument", sequence.instrument or "not told"), ("Coordinates", sequence.get_coordinates_display())]
    if sequence.pixel_scale is not None and sequence.side_mm is not None:
        scale = f"{sequence.pixel_scale:g} {sequence.get_scale_unit_display()}"
        is_angle = sequence.scale_unit == Sequence.Unit.ARCSEC
        km = f"; {1000 * sequence.side_mm:.4g} km at disk centre, from 1 au (assumed)" if is_angle else ""
        facts.append(("Pixel", scale + km))
    if sequence.tx_arcsec is not None:
        whose = "Pointing" if sequence.coordinates == Sequence.Coordinates.POINTING else "Middle of the patch"
        facts.append((whose, f"Tx {sequence.tx_arcsec:g}, Ty {sequence.ty_arcsec:g} arcsec in the first frame"))
    if sequence.coordinates == Sequence.Coordinates.POINTING:
        facts.append(("Rotation", f"{sequence.rotation_deg:g}°"))
    if sequence.width_deg or sequence.height_deg:
        sides = [f"{side:g}°" if side else "all" for side in (sequence.width_deg, sequence.height_deg)]
        facts.append(("Width and height", " by ".join(sides)))
    facts.append(("Times", _times(sequence)))
    facts.append(("Coaligned", "yes" if sequence.coalign else "no, taken as they are"))
    return facts


def _times(sequence: Sequence) -> str:
    given = ""
    if sequence.first_s is not None:
        given = f"from {sequence.first} on (given in {sequence.get_time_scale_display()})"
        given += f", every {sequence.cadence_s:g} s" if sequence.cadence_s else ""
    if sequence.times_from_headers is None:
        return given or "by the headers"
    if not sequence.times_from_headers:
        return given
    return "by the headers" + (f", a cube’s frames every {sequence.cadence_s:g} s" if sequence.cadence_s else "")
