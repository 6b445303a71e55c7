"""App configuration."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """The review app."""

    name = "poreweb.review"
