"""App configuration."""

from django.apps import AppConfig


class AcquireConfig(AppConfig):
    """The acquire app."""

    name = "poreweb.acquire"

    def ready(self) -> None:
        """Clear away now and then, and tell previews what has come."""
        from poreweb.acquire import actions, parts
        from poreweb.observations.signals import ingest_done
        from poreweb.work.signals import housekeeping

        housekeeping.connect(parts.sweep, dispatch_uid="acquire.sweep")
        ingest_done.connect(actions.look_what_came, dispatch_uid="acquire.look_what_came")
