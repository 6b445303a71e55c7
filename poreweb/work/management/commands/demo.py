"""manage.py demo: the site with something to look at."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from poreweb.exports.models import Export
from poreweb.observations.jobs import ingest_here
from poreweb.observations.models import Patch
from poreweb.people.actions import DEMO_PASSWORD, DEMO_USER, make_demo_people
from poreweb.people.models import Team
from poreweb.storage import local_path
from poreweb.tracks.accuracy import is_scored, keep_truth, store_accuracy
from poreweb.tracks.actions import start_run
from poreweb.tracks.models import Run
from poreweb.tracks.progress import progress_of
from poreweb.work.management.commands.serve import Command as Serve
from poreweb.work.models import Task
from poreweb.work.services import Supervisor
from processing.errors import FrameError
from processing.parameters import ChainParameters
from processing.synthetic import SimulationParameters, write_simulation


class Command(Serve):
    """Serve, with a simulated HARP (or a folder of one's own) processed from end to end."""

    help = "Start the site and run the whole chain on a simulated HARP, or on a folder of SHARP files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As for serve, and whose files."""
        super().add_arguments(parser)
        parser.add_argument("--fits", default="", help="folder, tar or file with SHARP segments")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the folder before anything is started."""
        if options["host"] not in ("127.0.0.1", "localhost", "::1"):
            raise CommandError("The demo's password is public, so it listens on this machine only; use serve.")
        if options["fits"] and not Path(options["fits"]).exists():
            raise CommandError(f"{options['fits']} does not exist.")
        super().handle(*args, **options)

    def when_running(self, supervisor: Supervisor, options: dict[str, Any]) -> None:
        """Bring the data in, wait for its runs, and say where everything is."""
        team = make_demo_people()
        folder = Path(options["fits"]) if options["fits"] else self.simulated_folder()
        runs = self.ingest(team, folder)
        for run in runs:
            self.follow(run, supervisor)
            self.score(run)
        self.summarise(runs, supervisor)

    def simulated_folder(self) -> Path:
        """The demo patch's files, made on the first start."""
        folder = settings.VAR_DIR / "demo" / "fits"
        if not (folder / "truth.json").exists():
            write_simulation(SimulationParameters(), folder, progress=self.counter("Simulating the demo patch"))
            self.end_line()
        return folder

    def ingest(self, team: Team, folder: Path) -> list[Run]:
        """Read the folder, unless it is already held, and start a run on each patch that has none on its frames."""
        self.say_progress(f"Reading {folder}")
        ingest, report = ingest_here(team, [folder], run_after=False)
        self.end_line()
        for line in report.lines:
            if line["kind"] != "duplicate":
                self.stdout.write(line["text"])
        if not report.patch_ids:
            raise CommandError(f"{folder} holds no SHARP segment that can be used.")
        runs = []
        for patch in ingest.patches.all():
            self.keep_truth(patch, folder / "truth.json")
            latest = patch.runs.exclude(state=Run.State.CANCELLED).first()
            if latest is None or latest.segmentations.count() != patch.frames.count():
                latest = start_run(patch, ChainParameters())
            runs.append(latest)
        if report.n_new == 0:
            ingest.delete()  # a later start that brought nothing is not worth a row
        return runs

    def keep_truth(self, patch: Patch, path: Path) -> None:
        """Keep the truth of a simulation, if the folder has one, so that the runs can be scored."""
        if path.is_file():
            try:
                keep_truth(patch, path)
            except FrameError as problem:
                self.stdout.write(f"{problem}.")

    def score(self, run: Run) -> None:
        """Compare a run with the truth that ended before there was one; the others have done so themselves."""
        run.refresh_from_db()
        if run.state == Run.State.DONE and not is_scored(run):
            store_accuracy(run)

    def follow(self, run: Run, supervisor: Supervisor) -> None:
        """Show a run's progress until it and its files are done."""
        while True:
            supervisor.keep()
            progress = progress_of(run)
            exports = run.exports.filter(state__in=Task.OPEN)
            if not progress.is_running:
                waiting = ", ".join(str(export.get_kind_display()) for export in exports)
                if not waiting:
                    break
                self.say_progress(f"{run}: making {waiting}")
            else:
                self.say_progress(f"{run}: {progress.sentence}")
            time.sleep(0.5)
        self.end_line()

    def summarise(self, runs: list[Run], supervisor: Supervisor) -> None:
        """The last lines: what there is, where it lies, and the address."""
        for run in runs:
            run.refresh_from_db()
            self.stdout.write(f"{run}: {run.state}. {run.error}".rstrip(" ."))
            for kind in Export.Kind:
                export = run.exports.filter(kind=kind, state=Task.State.DONE).first()
                if export:
                    self.stdout.write(f"  {kind.label}: {local_path(export.path) or export.path}")
        self.stdout.write(f"Sign in as {DEMO_USER} with password {DEMO_PASSWORD}. Ctrl-C stops everything.")
        super().when_running(supervisor, {})

    def counter(self, what: str) -> Any:
        """A progress callback that writes ``what`` and how far it is."""
        return lambda n_done, n_all: self.say_progress(f"{what}: {n_done} of {n_all} frames")

    def say_progress(self, text: str) -> None:
        """Write over the line in a terminal; elsewhere a new line when the text has changed much."""
        if sys.stdout.isatty():
            self.stdout.write(f"\r\x1b[K{text}", ending="")
        elif text.split(":")[0] != getattr(self, "_said", None):
            self._said = text.split(":")[0]
            self.stdout.write(text)
        self.stdout.flush()

    def end_line(self) -> None:
        """Leave the progress line."""
        if sys.stdout.isatty():
            self.stdout.write("")
