"""App configuration."""

from django.apps import AppConfig


class ContextConfig(AppConfig):
    """The context app."""

    name = "poreweb.context"

    def ready(self) -> None:
        """Look for the events of what comes in."""
        from poreweb.context import actions
        from poreweb.observations.signals import ingest_done

        ingest_done.connect(actions.search_what_came, dispatch_uid="context.search_what_came")
