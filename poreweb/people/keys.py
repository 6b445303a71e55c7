"""The keys of the desk. A member may choose others (`Preferences.keys`)."""

from collections.abc import Mapping

from django.contrib.auth.models import User

from poreweb.people.models import Preferences

# act -> key, as KeyboardEvent.key gives it in lower case, after "shift+" where Shift is held
KEYS = {
    "accept": "a",
    "reject": "r",
    "correct": "c",
    "unsure": "s",
    "next": "j",
    "previous": "k",
    "undo": "u",
    "redo": "shift+u",
    "note": "n",
    "follow": "f",
    "less_onion": ",",
    "more_onion": ".",
    "viewer": "v",
    "link": "l",
    "spurious": "x",
    "join": "m",
    "settle": "e",
    "comment": "t",
    "help": "?",
}
WORDS = {
    "accept": "Accept",
    "reject": "Reject",
    "correct": "Correct",
    "unsure": "Unsure",
    "next": "Next event",
    "previous": "Event before",
    "undo": "Undo",
    "redo": "Redo",
    "note": "Write a note",
    "follow": "Follow the tracks",
    "less_onion": "Fewer frames in the onion skin",
    "more_onion": "More frames in the onion skin",
    "viewer": "Viewer at this frame",
    "link": "Draw or remove a link",
    "spurious": "Mark a pore as spurious",
    "join": "Join with another event",
    "settle": "Settle for the team (leads)",
    "comment": "Write a comment",
    "help": "Show the keys",
}
# What the desk needs for itself, whatever a member chooses.
FIXED = {
    **{str(number): f"alternative {number}" for number in range(1, 10)},
    "0": "zoom",
    "+": "zoom",
    "-": "zoom",
}
NAMED = ("escape", "esc", "tab", "enter", "space", "arrowleft", "arrowright", "arrowup", "arrowdown")
NAMED_WORDS = "Esc, Tab, Enter, Space and the arrows stay what they are"
SHIFT = "shift+"


class KeyRefusedError(ValueError):
    """A key that no act can have; the message is one sentence."""


def keys_of(user: User) -> dict[str, str]:
    """Every act with the key that this user has for it."""
    preferences = Preferences.objects.filter(user=user).first()
    return {**KEYS, **(preferences.keys if preferences else {})}


def read_key(typed: str) -> str:
    """
    A key as it is kept, from what somebody pressed or typed: "Shift + U" is "shift+u".

    Raises
    ------
    KeyRefusedError
        If it is no single character, or one that the desk needs for itself.
    """
    key = "".join(typed.lower().split())
    if key in FIXED:
        raise KeyRefusedError(f"{key} stays what it is ({FIXED[key]}); choose another key.")
    if key.removeprefix(SHIFT) in NAMED:
        raise KeyRefusedError(f"{NAMED_WORDS}; choose another key.")
    character = key.removeprefix(SHIFT) or key
    if len(character) != 1 or not character.isprintable():
        raise KeyRefusedError(f"A key is one character, or Shift and a letter, not “{typed.strip()[:20]}”.")
    if key != character and character.upper() == character:
        raise KeyRefusedError(f"Shift goes with letters alone, not with “{character}”; type the character it makes.")
    return key


def clashes(keys: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys that more than one act has, each with its acts."""
    acts: dict[str, list[str]] = {}
    for act, key in keys.items():
        acts.setdefault(key, []).append(act)
    return {key: named for key, named in acts.items() if len(named) > 1}


def shown(key: str) -> str:
    """A key as pages show it: "Shift+U"."""
    return f"Shift+{key.removeprefix(SHIFT).upper()}" if key.startswith(SHIFT) else key.upper()
