"""manage.py ingest: files from this machine's disk."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from poreweb.observations.jobs import ingest_here
from poreweb.people.models import Team


class Command(BaseCommand):
    """Read folders, files and tars of SHARP segments into a team's archive."""

    help = "Read folders, files, .tar and .tar.gz of SHARP segments into a team's archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, for whom."""
        parser.add_argument("paths", nargs="+", type=Path)
        parser.add_argument("--team", required=True, help="name of the team")
        parser.add_argument("--no-run", action="store_true", help="only keep the files, do not process them")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, then say what became of the files."""
        team = Team.objects.filter(name=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']!r}; make it with add_member.")
        for path in options["paths"]:
            if not path.exists():
                raise CommandError(f"{path} does not exist.")
        _, report = ingest_here(team, options["paths"], run_after=not options["no_run"])
        for line in report.lines:
            self.stdout.write(line["text"])
        self.stdout.write(
            f"{report.n_read} read: {report.n_new} new, {report.n_duplicate} held already, "
            f"{report.n_conflict} in conflict, {report.n_refused} refused."
        )
