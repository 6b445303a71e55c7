"""The reading of JSOC's list."""

from poreweb.acquire.models import NoaaList


def refresh(task: NoaaList) -> None:
    """Read the list anew."""
