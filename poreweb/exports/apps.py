"""App configuration."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """The exports app."""

    name = "poreweb.exports"

    def ready(self) -> None:
        """Make the usual files of every finished run."""
        from poreweb.exports import actions
        from poreweb.tracks.signals import run_done

        run_done.connect(actions.export_finished_run, dispatch_uid="exports.export_finished_run")
