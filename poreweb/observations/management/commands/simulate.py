"""manage.py simulate: SHARP-like files whose answer is known."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processing.errors import PorewebError
from processing.synthetic import SimulationParameters, write_simulation


class Command(BaseCommand):
    """Write a simulated HARP, with the truth beside it."""

    help = "Write a simulated HARP as SHARP-like FITS files, with the truth beside them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many, how large, which seed."""
        default = SimulationParameters()
        parser.add_argument("folder", type=Path)
        parser.add_argument("--frames", type=int, default=default.n_frames)
        parser.add_argument("--shape", type=int, nargs=2, metavar=("NY", "NX"), default=default.shape)
        parser.add_argument("--pores", type=int, default=default.n_pores)
        parser.add_argument("--mergers", type=int, default=default.n_mergers)
        parser.add_argument("--splits", type=int, default=default.n_splits)
        parser.add_argument("--flickers", type=int, default=default.n_flickers)
        parser.add_argument("--harp", type=int, default=default.harpnum)
        parser.add_argument("--seed", type=int, default=default.seed)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the files."""
        try:
            parameters = SimulationParameters(
                harpnum=options["harp"], n_frames=options["frames"], shape=tuple(options["shape"]),
                seed=options["seed"], n_pores=options["pores"], n_mergers=options["mergers"],
                n_splits=options["splits"], n_flickers=options["flickers"],
            )  # fmt: skip
            folder = write_simulation(parameters, options["folder"])
        except PorewebError as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"{parameters.n_frames} frames written to {folder}; the truth is in {folder / 'truth.json'}.")
