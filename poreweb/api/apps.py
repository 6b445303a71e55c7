"""App configuration."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API app; it has no tables of its own."""

    name = "poreweb.api"
