"""``python -m processing``: each step of the chain on plain files."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from processing import commands
from processing.enhance import METHODS
from processing.errors import PorewebError
from processing.parameters import ChainParameters

DEFAULT = ChainParameters()
EXAMPLE = """\
a frame, step by step:
  python -m processing reduce continuum.fits contrast.fits
  python -m processing enhance contrast.fits enhanced.fits
  python -m processing segment enhanced.fits labels.fits
  python -m processing measure labels.fits features.ecsv --contrast enhanced.fits

a whole series at once:
  python -m processing run FOLDER_WITH_SHARP_FILES OUT_FOLDER
"""


def existing(text: str) -> Path:
    """A path that is there."""
    path = Path(text)
    if not path.exists():
        raise ArgumentTypeError(f"{text} does not exist")
    return path


def build_parser() -> ArgumentParser:
    """All steps and their options."""
    parser = ArgumentParser(
        prog="python -m processing", description=__doc__, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")

    def step(name: str, command: Callable[..., str], words: str) -> ArgumentParser:
        one = steps.add_parser(name, help=words, description=words)
        one.set_defaults(command=command)
        return one

    reduce = step("reduce", commands.reduce, "continuum to contrast: limb darkening out, quiet Sun to 1.0")
    _in_and_out(reduce, "SHARP continuum segment")
    reduce.add_argument("--sibling", type=existing, help="segment of the same record with the full header")

    enhance = step("enhance", commands.enhance, "sharpen a contrast frame and double its sampling")
    _in_and_out(enhance, "contrast frame, as reduce writes it")
    _enhance_options(enhance)

    upscale = step("upscale", commands.upscale, "double the sampling of a field map by cubic spline")
    _in_and_out(upscale, "SHARP Br, Bt, Bp or bitmap segment")

    segment = step("segment", commands.segment, "contrast to labels: every dark patch that is large enough")
    _in_and_out(segment, "contrast frame, enhanced or not")
    _segment_options(segment)

    measure = step("measure", commands.measure, "labels to a table with one row per feature")
    measure.add_argument("labels", type=existing)
    measure.add_argument("output", type=Path, help="table; .ecsv keeps the units")
    measure.add_argument("--contrast", type=existing, required=True, help="frame that the labels were made from")
    for name in ("br", "bt", "bp"):
        measure.add_argument(f"--{name}", type=existing, help="on the labels' grid or the native one")

    track = step("track", commands.track, "labels of a series to tracks and events")
    track.add_argument("output", type=Path, help="JSON with tracks, links and events")
    track.add_argument("labels", type=existing, nargs="+", help="label files, in any order; T_REC is in their headers")
    track.add_argument("--features", type=existing, nargs="*", default=[], help="tables that measure wrote, for edges")
    _track_options(track)

    movie = step("movie", commands.movie, "a series to a movie with outlines, T_REC and a scale bar")
    movie.add_argument("output", type=Path, help=".mp4")
    movie.add_argument("--contrast", type=existing, nargs="+", required=True, help="frames of the series, in any order")
    movie.add_argument("--labels", type=existing, nargs="*", default=[], help="their labels")
    movie.add_argument("--tracks", type=existing, help="JSON that track wrote, for numbers and colours")
    movie.add_argument("--title", default="Poreweb")

    run = step("run", commands.run, "the whole chain on a folder of SHARP files")
    run.add_argument("input", type=existing, help="folder with the segments of one HARP")
    run.add_argument("output", type=Path, help="folder for contrast, labels, features, tracks and the movie")
    _enhance_options(run)
    _segment_options(run)
    _track_options(run)
    return parser


def _in_and_out(parser: ArgumentParser, words: str) -> None:
    parser.add_argument("input", type=existing, help=words)
    parser.add_argument("output", type=Path, help="FITS file to write")


def _enhance_options(parser: ArgumentParser) -> None:
    parser.add_argument("--enhance", choices=list(METHODS), default=DEFAULT.enhance)
    parser.add_argument("--iterations", type=int, default=DEFAULT.iterations, help="of Richardson-Lucy")


def _segment_options(parser: ArgumentParser) -> None:
    parser.add_argument("--threshold", type=float, default=DEFAULT.threshold, help="of the quiet Sun")
    parser.add_argument("--min-pixels", type=int, default=DEFAULT.min_pixels, help="of the frame's own grid")
    parser.add_argument("--connectivity", type=int, choices=(4, 8), default=DEFAULT.connectivity)


def _track_options(parser: ArgumentParser) -> None:
    parser.add_argument("--max-gap", type=int, default=DEFAULT.max_gap, help="frames a pore may be lost for")
    parser.add_argument("--reach-mm", type=float, default=DEFAULT.reach_mm, help="farthest move in 12 minutes")


def main(arguments: list[str] | None = None) -> int:
    """Run one step; 1 and a sentence on standard error when it cannot be done."""
    options = vars(build_parser().parse_args(arguments))
    command, _ = options.pop("command"), options.pop("step")
    try:
        print(command(**options))
    except (PorewebError, OSError) as problem:
        print(f"{str(problem).rstrip('.')}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
