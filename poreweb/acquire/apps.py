"""App configuration."""

from django.apps import AppConfig


class AcquireConfig(AppConfig):
    """The acquire app."""

    name = "poreweb.acquire"

    def ready(self) -> None:
        """Clear away now and then."""
        from poreweb.acquire import parts
        from poreweb.work.signals import housekeeping

        housekeeping.connect(parts.sweep, dispatch_uid="acquire.sweep")
