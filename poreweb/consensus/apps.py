"""How far a team agrees, and who judges what."""

from django.apps import AppConfig


class ConsensusConfig(AppConfig):
    """Agreement of reviewers, gold events, assignments."""

    name = "poreweb.consensus"
