"""What can be wrong with a comment."""


class TalkError(ValueError):
    """Said by somebody who may speak, but not like this; the message is one sentence for them."""
