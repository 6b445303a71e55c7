"""Every expected error, with its sentence. Anything else that is raised is a bug."""


class PorewebError(Exception):
    """An expected trouble; its text is one sentence that a user can act on."""


class FitsError(PorewebError):
    """A file that is not readable as a FITS image of one HARP segment."""


class FrameError(PorewebError):
    """A frame that the chain cannot process: wrong shape, no finite pixel, no geometry."""


class ParameterError(PorewebError):
    """A parameter outside the range in which it has a meaning."""


def first_line(problem: Exception) -> str:
    """What went wrong in somebody else's code, short enough for a sentence."""
    return str(problem).split("\n")[0] or type(problem).__name__
