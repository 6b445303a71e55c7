"""App configuration."""

from django.apps import AppConfig


class SequencesConfig(AppConfig):
    """The sequences app."""

    name = "poreweb.sequences"
