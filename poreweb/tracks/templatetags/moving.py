"""Whether a page has reason to ask again."""

from collections.abc import Iterable

from django import template

from poreweb.exports.models import Export
from poreweb.tracks.models import Run

register = template.Library()


@register.filter
def is_moving(run: Run, exports: Iterable[Export]) -> bool:
    """Whether the run, or a file being made of it, is still going on."""
    return run.state == Run.State.RUNNING or any(export.is_open for export in exports)
