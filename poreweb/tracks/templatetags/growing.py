"""What can be added to a run."""

from django import template

from poreweb.tracks.extension import arrival
from poreweb.tracks.models import Run

register = template.Library()


@register.filter
def n_addable(run: Run) -> int:
    """How many frames have come in since that can be added to the run."""
    return arrival(run).n_addable
