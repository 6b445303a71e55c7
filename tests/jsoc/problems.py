"""What the stand-in refuses."""


class QueryError(Exception):
    """A question that JSOC would answer with an error; the text is that error."""
