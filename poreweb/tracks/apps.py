"""App configuration."""

from django.apps import AppConfig


class TracksConfig(AppConfig):
    """The tracks app."""

    name = "poreweb.tracks"

    def ready(self) -> None:
        """Process what comes in."""
        from poreweb.observations.signals import ingest_done
        from poreweb.tracks import incoming
        from poreweb.tracks.signals import run_done, run_stopped
        from poreweb.work.signals import housekeeping

        ingest_done.connect(incoming.process_ingest, dispatch_uid="tracks.process_ingest")
        for signal in (run_done, run_stopped):
            signal.connect(incoming.look_when_committed, dispatch_uid="tracks.look_when_committed")
        housekeeping.connect(incoming.go_on_where_left, dispatch_uid="tracks.go_on_where_left")
