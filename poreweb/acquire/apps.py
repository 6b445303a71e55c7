"""App configuration."""

from django.apps import AppConfig


class AcquireConfig(AppConfig):
    """The acquire app."""

    name = "poreweb.acquire"
