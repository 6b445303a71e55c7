"""App configuration."""

from django.apps import AppConfig


class TracksConfig(AppConfig):
    """The tracks app."""

    name = "poreweb.tracks"

    def ready(self) -> None:
        """Process what comes in."""
        from poreweb.observations.signals import ingest_done
        from poreweb.tracks import actions
        from poreweb.tracks.signals import run_done

        ingest_done.connect(actions.process_ingest, dispatch_uid="tracks.process_ingest")
        run_done.connect(actions.look_when_committed, dispatch_uid="tracks.look_when_committed")
