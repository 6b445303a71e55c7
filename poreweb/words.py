"""Numbers and errors as people read them."""


def counted(number: int, noun: str) -> str:
    """A number and what is counted, as "1 frame" or "1,200 frames"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sentence(problem: object) -> str:
    """What an expected error says, as a sentence by itself; a file's name stays as it is."""
    text = str(problem).rstrip(".")
    begins_with_word = text.partition(" ")[0].isalpha()
    return f"{text[:1].upper()}{text[1:]}." if begins_with_word else f"{text}."
