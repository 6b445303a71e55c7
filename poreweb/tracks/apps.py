"""App configuration."""

from django.apps import AppConfig


class TracksConfig(AppConfig):
    """The tracks app."""

    name = "poreweb.tracks"

    def ready(self) -> None:
        """Process what comes in."""
        from poreweb.observations.signals import ingest_done
        from poreweb.tracks import actions

        ingest_done.connect(actions.process_ingest, dispatch_uid="tracks.process_ingest")
