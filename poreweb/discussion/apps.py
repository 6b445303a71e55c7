"""App configuration."""

from django.apps import AppConfig


class DiscussionConfig(AppConfig):
    """The discussion app."""

    name = "poreweb.discussion"
