"""manage.py noaa_list: the list of which HARP is which NOAA region."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from poreweb.acquire import noaa, noaa_jobs
from processing.errors import PorewebError
from processing.region_lists import parse_harp_noaa, text_of


class Command(BaseCommand):
    """Import the list from a file, or read it from JSOC; with neither, say what is held."""

    help = "Import JSOC's list of HARPs and NOAA regions from a file, or read it from JSOC; else say what is held."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where."""
        parser.add_argument("file", nargs="?", type=Path, help="a list in JSOC's format (HARPNUM NOAA_ARS)")
        parser.add_argument("--refresh", action="store_true", help="read it from NOAA_LIST_URL now")
        parser.add_argument("--force", action="store_true", help="even if it has less than half of what is held")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, then say what came and what went."""
        file: Path | None = options["file"]
        if file and options["refresh"]:
            raise CommandError("Give a file or --refresh, not both.")
        try:
            if file:
                self._import(file, force=options["force"])
            elif options["refresh"]:
                self.stdout.write(str(noaa_jobs.read_now(force=options["force"])))
            else:
                self._say()
        except PorewebError as problem:
            raise CommandError(f"{problem}.") from problem

    def _import(self, file: Path, *, force: bool) -> None:
        try:
            text = text_of(file.read_bytes())
        except OSError as problem:
            raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
        for line in parse_harp_noaa(text)[1]:
            self.stdout.write(f"Line {line.line}: {line.reason}.")
        self.stdout.write(str(noaa.import_text(text, f"the file {file.name}", force=force)[0]))

    def _say(self) -> None:
        listed = noaa.the_list()
        if listed is None or listed.read_at is None:
            self.stdout.write("There is no list yet; import one or read it with --refresh.")
            return
        self.stdout.write(f"{listed.n_pairs:,} pairs, from {listed.source}, read {listed.read_at:%Y-%m-%d %H:%M} UTC.")
        if listed.problem:
            self.stdout.write(listed.problem)
