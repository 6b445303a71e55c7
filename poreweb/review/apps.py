"""App configuration."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """The review app."""

    name = "poreweb.review"

    def ready(self) -> None:
        """Carry verdicts over to a run that follows another one."""
        from poreweb.review import carry
        from poreweb.tracks.signals import run_done

        run_done.connect(carry.carry_when_done, dispatch_uid="review.carry_when_done")
