"""The files that a form takes, and whether they can be used: looked into before anything is kept."""

from contextlib import ExitStack
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from poreweb.acquire import space
from poreweb.http import whole_number
from poreweb.observations.forms import ManyFilesField, ManyFilesInput
from poreweb.observations.unpack import TAR_SUFFIXES, refusal_by_name
from poreweb.people.models import Team
from poreweb.sequences import archives, developing, reading
from poreweb.sequences.actions import MAX_FRAMES
from poreweb.sequences.models import Sequence, SourceFile
from poreweb.words import sentence
from processing.coalign import MIN_SIDE
from processing.errors import FitsError, FrameError, ParameterError
from processing.sequence_files import SequenceFile, TimedFrame, in_name_order, times_of
from processing.timekeys import tai_of, utc_of

# Pixels in all: measuring the shifts takes 2 to 3 s for a million on a busy core, so these keep a worker for 1.5 h
MOST_COALIGNED = 2_000_000_000
MOST_SAID = 5  # sentences about single files next to a field
ROLES = {"images": SourceFile.Role.IMAGE, "darks": SourceFile.Role.DARK, "flats": SourceFile.Role.FLAT}
SAID = (
    "name", "instrument", "coordinates", "scale_unit", "time_scale", "cadence_s", "coalign", "scale_darks", "run_after",
)  # fmt: skip


# A gzipped file is unpacked anew up to each frame that is read
MOST_GZIPPED = 50


class FilesField(ManyFilesField):
    """FITS files and archives of them, none of them empty; none at all where they are not required."""

    widget = ManyFilesInput

    def __init__(self, **kwargs: Any) -> None:
        """Offer what is read in the browser's dialogue."""
        accepted = (*archives.SUFFIXES, *TAR_SUFFIXES, ".gz")  # browsers know the last part of a name alone
        super().__init__(widget=ManyFilesInput(attrs={"accept": ",".join(accepted)}), **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Each file by itself, by its name."""
        files = [file for file in super().clean(data, initial) if file]
        for file in files:
            name = file.name or "a file"
            if refusal := refusal_by_name(name, name, archives.SUFFIXES):
                raise forms.ValidationError(refusal.reason)
        return files


class FilesForm(forms.Form):
    """Images that become a sequence, or more of one."""

    images = FilesField(
        label="Images", required=False,
        help_text="FITS: a cube (time, y, x), several cubes, or a file a frame; continuum intensity in any unit."
        " Hundreds of files are best sent as one .tar or .tar.gz.",
    )  # fmt: skip

    def __init__(self, *args: Any, sequence: Sequence | None = None, **kwargs: Any) -> None:
        """``sequence`` is one that has files already."""
        self.sequence = sequence
        self.sent: list[tuple[str, UploadedFile, SequenceFile]] = []
        self.timed: list[TimedFrame] = []  # of all images, when they are well
        self._folder: archives.Folder | None = None
        super().__init__(*args, **kwargs)

    def full_clean(self) -> None:
        """As all forms do; what was taken out of archives is not needed when anything is wrong."""
        super().full_clean()
        if self._folder is not None and self.errors:
            self._folder.remove()

    @property
    def is_check(self) -> bool:
        """Whether the page only asks if all but the files is well."""
        return "check" in self.data

    def _say(self, field: str, text: str) -> None:
        """Next to the field that can mend it, where the form has that."""
        self.add_error(field if field in self.fields else "images", text)

    def check_room(self, team: Team) -> None:
        """Before anything is kept; of a mere check the page tells how large the files are."""
        size = sum(file.size or 0 for field in ROLES for file in self.cleaned_data.get(field) or ())
        if self.is_check:
            size = sum(whole_number(self.data.get(f"{field}_bytes", "")) or 0 for field in ROLES)
        if size > settings.MAX_UPLOAD_BYTES:
            allowed = filesizeformat(settings.MAX_UPLOAD_BYTES)
            self._say("images", f"These files are {filesizeformat(size)}; one upload may have {allowed}.")
        else:
            try:
                space.must_have_room(team, size)
            except space.NoRoomError as problem:
                self._say("images", sentence(problem))

    # -- What is in the files ----------------------------------------------------------------------------

    def check_files(self, given: dict[str, Any]) -> None:
        """Look into each, and at all of them together; what is wrong is said next to the field that can mend it."""
        if self.is_check:
            return
        with ExitStack() as stack:
            sources: dict[str, list[SequenceFile]] = {role: [] for role in SourceFile.Role.values}
            if self.sequence is not None:
                try:
                    held = stack.enter_context(reading.opened(self.sequence))
                except FitsError as problem:
                    self._say("images", sentence(problem))
                    return
                sources = {role: list(of_role) for role, of_role in held.items()}
            for field, role in ROLES.items():
                for file in self._taken_apart(field, given):
                    try:
                        source = reading.open_upload(file)
                        _must_be_read_quickly(source)
                    except FitsError as problem:
                        self._say(field, sentence(problem))
                        continue
                    self.sent.append((role, file, source))
                    sources[role].append(source)
            if not self.errors:
                self._check_images(given, sources[SourceFile.Role.IMAGE])
            if not self.errors:
                self._check_calibration(given, sources)

    def _taken_apart(self, field: str, given: dict[str, Any]) -> list[UploadedFile]:
        """The files of a field, those in archives one by one; what cannot be taken is said."""
        files: list[UploadedFile] = given.get(field) or []
        if not any(archives.is_archive(file) for file in files):
            return files
        self._folder = self._folder or archives.Folder()
        team = given.get("team") if self.sequence is None else self.sequence.team
        try:
            members, refused = archives.taken_apart(files, self._folder.path, team=team)
        except space.NoRoomError as problem:
            self._say(field, sentence(problem))
            return []
        for reason in refused[:MOST_SAID]:
            self._say(field, reason)
        if n_more := len(refused[MOST_SAID:]):
            self._say(field, f"{n_more} more cannot be taken.")
        return members

    def _check_images(self, given: dict[str, Any], images: list[SequenceFile]) -> None:
        if not images:
            self._say("images", "Choose the FITS files of the images.")
            return
        n_frames = reading.n_frames(images)
        if n_frames > MAX_FRAMES:
            self._say("images", f"These are {n_frames:,} frames; a sequence may have {MAX_FRAMES:,}.")
            return
        if given["coordinates"] == Sequence.Coordinates.HEADERS:
            for source in images:
                if not source.helioprojective:
                    axes = source.cards.get("CTYPE1") or "not told"
                    self._say("coordinates", f"{source.name} is no helioprojective map: CTYPE1 is {axes}.")
                    return
        ny, nx = images[0].shape
        for source in images:
            if source.shape != (ny, nx):
                shape = f"{source.shape[1]} by {source.shape[0]}"
                self._say("images", f"{source.name} has {shape} pixels, {images[0].name} has {nx} by {ny}.")
                return
        if given["coalign"] and min(ny, nx) < MIN_SIDE:
            self._say("coalign", f"Images need at least {MIN_SIDE} × {MIN_SIDE} pixels to be compared.")
        elif given["coalign"] and n_frames * ny * nx > MOST_COALIGNED:
            allowed = f"{MOST_COALIGNED // (ny * nx):,}"
            self._say(
                "coalign", f"Of {nx} by {ny} pixels at most {allowed} frames can be shifted onto each other here."
            )
        self._check_times(given, images)

    def _check_calibration(self, given: dict[str, Any], sources: dict[str, list[SequenceFile]]) -> None:
        for field, must_fit in (
            ("flats", lambda: developing.flats_must_fit(sources)),
            ("darks", lambda: developing.darks_must_fit(sources, scale_darks=given["scale_darks"])),
        ):
            try:
                must_fit()
            except FrameError as problem:
                self._say(field, sentence(problem))

    def _check_times(self, given: dict[str, Any], images: list[SequenceFile]) -> None:
        first, cadence_s = given["first"], given["cadence_s"]
        try:
            self.timed = times_of(in_name_order(images), first=first, cadence_s=cadence_s, scale=given["time_scale"])
        except (FrameError, ParameterError) as problem:
            is_untold = any(source.time_s is None for source in images)
            mends = "first" if is_untold and first is None else "cadence_s" if cadence_s is None else "images"
            self._say(mends, sentence(problem))
            if mends == "first" and cadence_s is None:
                self._say("cadence_s", "Give the seconds between two frames too.")


def _must_be_read_quickly(source: SequenceFile) -> None:
    if source.n_frames > MOST_GZIPPED and source.name.lower().endswith(".gz"):
        raise FitsError(f"{source.name} has {source.n_frames} frames; gunzip a cube of more than {MOST_GZIPPED}")


def said_of(sequence: Sequence) -> dict[str, Any]:
    """The form's values of a sequence that is to be corrected."""
    own = ("pixel_scale", "tx_arcsec", "ty_arcsec", "rotation_deg", "width_deg", "height_deg")
    said = {"first": None, **{name: getattr(sequence, name) for name in (*SAID, *own)}}
    if sequence.coordinates == Sequence.Coordinates.HEADERS:
        said |= {"part_tx": said.pop("tx_arcsec"), "part_ty": said.pop("ty_arcsec")}
    if sequence.first_s is not None:
        of = utc_of if sequence.time_scale == Sequence.TimeScale.UTC else tai_of
        said["first"] = of(sequence.first_s)
    return {"team": sequence.team_id, **said}
