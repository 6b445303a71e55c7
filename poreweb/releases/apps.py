"""App configuration."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """The releases app."""

    name = "poreweb.releases"

    def ready(self) -> None:
        """Build the published lineage anew when the machine or people have said something new."""
        from poreweb.releases import actions
        from poreweb.review.signals import settlement_changed
        from poreweb.tracks.signals import run_done

        for signal in (settlement_changed, run_done):
            signal.connect(actions.want_publication, dispatch_uid="releases.want_publication")
