"""Troubles of this site's own database, disk and queue: which of them pass, and a sentence for each."""

import errno

from django.db import InterfaceError, OperationalError, connection
from rq.timeouts import JobTimeoutException

# Of the database: a deadlock, SQLite's "locked", a server that restarts; InterfaceError of a connection that broke
DATABASE = (OperationalError, InterfaceError)
OF_THIS_SITE = (*DATABASE, OSError, JobTimeoutException)
# A disk that is looked for in vain now, mostly one on another machine
PASSING = (
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENOTCONN, errno.ECONNRESET,
)  # fmt: skip
# How SQLite, which calls them operational as well, begins what is wrong with a query: bugs
_BUGS = ("no such ", "near ")


def close_broken_connection() -> None:
    """Close the database's connection where it does not answer any more, so that another one is opened."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def passing(problem: Exception) -> str:
    """What goes wrong here for a while, for a sentence; empty where another try would not mend it."""
    if isinstance(problem, JobTimeoutException):
        return "it took longer than its queue allows"
    if isinstance(problem, DATABASE):
        said = str(problem).split("\n")[0].rstrip(".")
        return "" if said.startswith(_BUGS) else f"the database has a trouble: {said}"
    if isinstance(problem, OSError) and problem.errno in PASSING:
        return f"the disk has a trouble: {problem.strerror}"
    return ""
