"""App configuration."""

from django.apps import AppConfig


class ObservationsConfig(AppConfig):
    """The observations app."""

    name = "poreweb.observations"
