"""``python -m processing``: each step of the chain on plain files: FITS, .npz and .npy."""

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from processing.enhance import METHODS
from processing.errors import ParameterError, PorewebError
from processing.files import IMAGE_SUFFIXES, check_output, split_member
from processing.limb_darkening import LIMB_DARKENING
from processing.parameters import OPPOSITE_POLARITY, ChainParameters
from processing.reduce import LEVELS
from processing.segment import SEGMENTATIONS, SPLITS
from processing.timekeys import parse_t_rec

FAILED = 2
EXAMPLE = """\
a frame, step by step:
  python -m processing reduce continuum.fits contrast.fits
  python -m processing enhance contrast.fits enhanced.fits
  python -m processing segment enhanced.fits labels.fits
  python -m processing measure labels.fits features.ecsv --contrast enhanced.fits

any continuum image, without a header:
  python -m processing enhance image.npy sharp.npy

a whole series at once:
  python -m processing run FOLDER_WITH_SHARP_FILES OUT_FOLDER

the features of a cube of label images, linked from frame to frame:
  python -m processing track labels.npz --links links.csv

Images are FITS (any HDU), .npy or .npz (file.npz[name] where it holds several arrays).
python -m processing STEP --help lists the options of a step; docs/command-line.md has examples.
"""
# Of each field of ChainParameters: what it is, and its choices. A new parameter is one line here.
OPTIONS: dict[str, tuple[str, Iterable[Any] | None]] = {
    "limb_darkening": ("law that is divided out", LIMB_DARKENING),
    "quiet_sun": ("how the level of the quiet Sun is found", LEVELS),
    "enhance": ("how the frame is sharpened", METHODS),
    "iterations": ("of Richardson-Lucy", None),
    "segmentation": ("dark by a threshold, or by depth below the surroundings", SEGMENTATIONS),
    "threshold": ("of the quiet Sun", None),
    "stara_depth": ("of the quiet Sun, for --segmentation stara", None),
    "split": ("whether umbrae that touch are told apart", SPLITS),
    "connectivity": ("neighbours of a pixel", (4, 8)),
    "min_pixels": ("smallest feature, in pixels of the frame's own grid", None),
    "umbra_level": ("of the quiet Sun; darker pixels of a feature are its umbra", None),
    "max_gap": ("frames a pore may be lost for", None),
    "reach_mm": ("farthest move in 12 minutes, Mm", None),
    "link_bias": ("added to the log-odds of every link", None),
    "opposite_polarity": ("whether features of opposite polarity are linked", OPPOSITE_POLARITY),
}
SEGMENT_OPTIONS = ("segmentation", "threshold", "stara_depth", "split", "min_pixels", "connectivity")


TRACK_USAGE = """\
%(prog)s [options] OUTPUT.json LABELS [LABELS ...]
       %(prog)s [options] LABELS.npz --links LINKS.csv"""


@dataclass(frozen=True)
class Step:
    """What a step does, how its options are added, and the function behind it, imported only when it is asked for."""

    words: str
    add_options: Callable[[ArgumentParser], None]
    command: str  # module.function of this package


class Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with it on standard error."""
        self.exit(FAILED, f"{message.rstrip('.')}; see {self.prog} --help.\n")


def existing(text: str) -> Path:
    """A path that is there; ``file.npz[name]`` counts by its file."""
    if not split_member(text)[0].exists():
        raise ArgumentTypeError(f"{text} does not exist")
    return Path(text)


def existing_file(text: str) -> Path:
    """A file that is there."""
    path = existing(text)
    if path.is_dir():
        raise ArgumentTypeError(f"{text} is a folder, not a file")
    return path


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    path = existing(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} is not a folder")
    return path


def new_file(*suffixes: str) -> Callable[[str], Path]:
    """A file that can be written, before much work is done for it; without suffixes an image."""

    def checked(text: str) -> Path:
        try:
            check_output(Path(text), suffixes or IMAGE_SUFFIXES)
        except PorewebError as problem:
            raise ArgumentTypeError(str(problem)) from problem
        return Path(text)

    return checked


def weights_place(text: str) -> str:
    """An https address, or a file that is there."""
    return text if text.startswith("https://") else str(existing_file(text))


def size(text: str) -> float:
    """A positive length."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text} is not a positive number")
    return value


def seconds(text: str) -> int:
    """A positive whole number of seconds, as times are kept in such."""
    if not (text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text} is not a positive whole number of seconds")
    return int(text)


def t_rec(text: str) -> int:
    """TAI seconds of a T_REC."""
    try:
        return parse_t_rec(text)
    except PorewebError as problem:
        raise ArgumentTypeError(str(problem)) from problem


def build_parser(asked: Collection[str] | None = None) -> ArgumentParser:
    """All steps and their options; only those steps' options whose names are among ``asked``, where it is given."""
    parser = Parser(
        prog="python -m processing", description=__doc__, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, step in STEPS.items():
        one = steps.add_parser(name, help=step.words, description=f"{step.words[0].upper()}{step.words[1:]}.")
        if asked is None or name in asked:
            step.add_options(one)
    return parser


def _reduce(reduce: ArgumentParser) -> None:
    _in_and_out(reduce, "continuum image")
    reduce.add_argument("--sibling", type=existing_file, help="segment of the same record with the full header")
    _parameters(reduce, "limb_darkening", "quiet_sun")


def _enhance(enhance: ArgumentParser) -> None:
    _in_and_out(enhance, "continuum image in any unit; limb darkening should be removed")
    _method(enhance, [method for method in METHODS if method != "none"])
    _parameters(enhance, "iterations", "quiet_sun")
    _weights(enhance)


def _upscale(upscale: ArgumentParser) -> None:
    _in_and_out(upscale, "Br, Bt, Bp, bitmap or any other image")
    upscale.add_argument(
        "--interpolation", choices=("cubic", "nearest"), help="(default: nearest for whole numbers, cubic otherwise)"
    )


def _segment(segment: ArgumentParser) -> None:
    _in_and_out(segment, "contrast, enhanced or not")
    _parameters(segment, *SEGMENT_OPTIONS)
    _pixel_mm(segment, "(default: half of HMI's)")
    segment.add_argument(
        "--margin", dest="output_margin", type=new_file(), metavar="OUTPUT",
        help="image to write too: contrast above the limit, from which measure has the error of the area",
    )  # fmt: skip


def _measure(measure: ArgumentParser) -> None:
    from processing.commands import TABLE_FORMATS
    from processing.measure import ERROR_SEGMENTS, FIELD_SEGMENTS

    measure.add_argument("labels", type=existing_file)
    measure.add_argument("output", type=new_file(*TABLE_FORMATS), help=f"table, {' '.join(TABLE_FORMATS)}")
    measure.add_argument("--contrast", type=existing_file, required=True, help="what the labels were made from")
    for name in (*FIELD_SEGMENTS, *ERROR_SEGMENTS):
        words = "standard deviation of it" if name in ERROR_SEGMENTS else "field map"
        flag = f"--{name.lower().replace('_', '-')}"
        measure.add_argument(flag, type=existing_file, help=f"{words}, on the labels' grid or the native one")
    measure.add_argument("--margin", type=existing_file, help="what segment --margin wrote, for the error of the area")
    measure.add_argument("--quality", help="QUALITY word of the frame (default: that of the header)")
    _parameters(measure, "umbra_level")
    _pixel_mm(measure, "positions are unknown then")


def _track(track: ArgumentParser) -> None:
    track.usage = TRACK_USAGE
    track.add_argument(
        "files", nargs="+", metavar="FILE",
        help="tracks, links and events to write, .json, and label images in any order (T_REC is in headers or names); "
        "or a cube of label images alone, .npz",
    )  # fmt: skip
    track.add_argument(
        "--links", dest="output_links", type=new_file(".csv"), metavar="LINKS.csv",
        help="table of the links to write, by frames from 0 and labels; needed for a cube",
    )  # fmt: skip
    track.add_argument(
        "--geff", dest="output_geff", type=Path, metavar="OUTPUT.geff", help="graph of features and links to write"
    )
    track.add_argument(
        "--features", type=existing_file, nargs="*", default=[], help="tables that measure wrote, for edges"
    )
    _parameters(track, "max_gap", "link_bias", "opposite_polarity")
    reach = track.add_mutually_exclusive_group()
    reach.add_argument(
        "--reach-mm", type=float,
        help=f"{OPTIONS['reach_mm'][0]} (default: {ChainParameters.reach_mm}, of a cube none)",
    )  # fmt: skip
    reach.add_argument("--reach", type=size, metavar="PIXELS", help="farthest move from one frame to the next, pixels")
    _times(track)


def _movie(movie: ArgumentParser) -> None:
    movie.add_argument("output", type=new_file(".mp4"), help=".mp4; what it was made of goes into .json beside it")
    movie.add_argument("--contrast", type=existing_file, nargs="+", required=True, help="frames, in any order")
    movie.add_argument("--labels", type=existing_file, nargs="*", default=[], help="their labels")
    movie.add_argument("--tracks", type=existing_file, help="JSON that track wrote, for numbers and colours")
    movie.add_argument("--title", default="Poreweb")
    _times(movie)


def _run(run: ArgumentParser) -> None:
    run.add_argument("input", type=existing_folder, help="folder with the segments of one HARP")
    run.add_argument("output", type=Path, help="folder for contrast, labels, features, tracks and the movie")
    _method(run, METHODS, "--enhance")
    _parameters(run, *(item.name for item in fields(ChainParameters) if item.name != "enhance"))
    _weights(run)
    _cadence(run, "(default: as T_REC suggests)")


STEPS = {
    "reduce": Step("continuum to contrast: limb darkening out, quiet Sun to 1.0", _reduce, "commands.reduce"),
    "enhance": Step("sharpen any continuum image and double its sampling", _enhance, "commands.enhance"),
    "upscale": Step("double the sampling of a field map or bitmap, without sharpening", _upscale, "commands.upscale"),
    "segment": Step("contrast to labels: every dark patch that is large enough", _segment, "commands.segment"),
    "measure": Step("labels to a table with one row per feature", _measure, "commands.measure"),
    "track": Step("labels of a series to tracks and events, or to a table of links", _track, "series.track"),
    "movie": Step("a series to a movie with outlines, T_REC and a scale bar", _movie, "series.movie"),
    "run": Step("the whole chain on a folder of SHARP files", _run, "series.run"),
}
CUBE_COMMAND = "label_cube.track_cube"


def _in_and_out(parser: ArgumentParser, words: str) -> None:
    parser.add_argument("input", type=existing_file, help=words)
    parser.add_argument("output", type=new_file(), help="image to write, .fits .fits.gz .npz .npy")


def _parameters(parser: ArgumentParser, *names: str) -> None:
    """Options of those fields of `ChainParameters`, with its defaults."""
    for name in names:
        default = getattr(ChainParameters, name)
        words, choices = OPTIONS.get(name, ("", None))
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, choices=choices and list(choices),
            help=f"{words} (default: {default})",
        )  # fmt: skip


def _method(parser: ArgumentParser, choices: Iterable[str], *flags: str) -> None:
    default = ChainParameters.enhance
    parser.add_argument(
        "--method", *flags, dest="enhance", choices=list(choices), default=default,
        help=f"{OPTIONS['enhance'][0]} (default: {default})",
    )  # fmt: skip


def _weights(parser: ArgumentParser) -> None:
    parser.add_argument("--weights", type=weights_place, help="of the published network: its file, or an https address")


def _pixel_mm(parser: ArgumentParser, words: str) -> None:
    parser.add_argument(
        "--pixel-mm", type=size, metavar="SIDE",
        help=f"side of a pixel on the Sun, Mm, where the header does not tell; {words}",
    )  # fmt: skip


def _times(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--begin", type=t_rec, metavar="T_REC",
        help="of the first file; the others follow in the order given, by --cadence, whatever their headers say",
    )  # fmt: skip
    _cadence(parser, "(default: 720 with --begin, else as T_REC suggests)")
    _pixel_mm(parser, "needed for distances then")


def _cadence(parser: ArgumentParser, words: str) -> None:
    parser.add_argument(
        "--cadence", type=seconds, metavar="SECONDS", help=f"from a frame to the next where none is missing {words}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one step; 2 and a sentence on standard error when it cannot be done."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = build_parser(asked=arguments)
    parsed, rest = parser.parse_known_args(arguments)
    options = vars(parsed)
    step = options.pop("step")
    if step == "track":  # argparse leaves files behind an option unread
        options["files"] += [text for text in rest if not text.startswith("-")]
        rest = [text for text in rest if text.startswith("-")]
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        command = _track_form(options) if step == "track" else STEPS[step].command
        _keep_inputs(options)
        print(_function(command)(**options))
    except (PorewebError, OSError) as problem:
        print(f"{_sentence(problem).rstrip('.')}.", file=sys.stderr)
        return FAILED
    return 0


def _function(command: str) -> Callable[..., str]:
    """What a step calls, by the name of its module."""
    module, _, name = command.partition(".")
    found: Callable[..., str] = getattr(import_module(f"processing.{module}"), name)
    return found


def _track_form(options: dict[str, Any]) -> str:
    """The command that the first file of ``track`` asks for; the files go where it takes them."""
    first, *others = options.pop("files")
    try:
        if first.endswith(".npz"):
            _for_cube(options, first, others)
            return CUBE_COMMAND
        options["output"] = new_file(".json")(first)
        options["labels"] = [existing_file(text) for text in others]
    except ArgumentTypeError as problem:
        raise ParameterError(str(problem)) from problem
    if not others:
        raise ParameterError(f"{first} is what to write: name the label images behind it")
    return STEPS["track"].command


def _for_cube(options: dict[str, Any], cube: str, others: list[str]) -> None:
    """Options of a series of files have no meaning for a cube."""
    if others:
        raise ParameterError(f"{cube} is a cube, tracked alone: what is {others[0]}?")
    if options["output_links"] is None:
        raise ParameterError(f"{cube} is a cube: name the table to write with --links")
    if options.pop("features") or options.pop("begin") is not None:
        raise ParameterError("--features and --begin are for label images one by one, not for a cube")
    options["labels"] = existing_file(cube)


def _keep_inputs(options: dict[str, Any]) -> None:
    """Refuse to write over what is read."""
    paths = [
        (name.startswith("output"), path)
        for name, value in options.items()
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path)
    ]
    inputs = {split_member(path)[0].resolve() for is_output, path in paths if not is_output}
    outputs = [path for is_output, path in paths if is_output]
    for path in outputs:
        if path.resolve() in inputs:
            raise ParameterError(f"{path} is an input; name another file to write")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ParameterError(f"{outputs[0]} cannot be written twice")


def _sentence(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror and problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    return str(problem).replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
