"""What is written in a comment: plain text, in which names and addresses of this site are found."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from poreweb.discussion.problems import TalkError
from poreweb.people.models import Team

MOST_CHARACTERS = 4000
# An @ after a letter is that of a mail address. What a name may hold is what Django lets it hold.
NAME = r"(?<![\w.@+-])@(?P<name>[\w.@+-]+)"
# No quotation marks, brackets or backslashes: those never are part of an address of this site.
ADDRESS = r"(?P<url>https?://[^\s<>\"'\\]+)"
SPECIAL = re.compile(f"{ADDRESS}|{NAME}")
AFTER_A_NAME = ".@+-"
AFTER_AN_ADDRESS = ".,;:!?)"


def clean_text(text: str) -> str:
    """The text as it is kept: lines end in one character, nothing around it; TalkError if it cannot be kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise TalkError("The comment is empty; write something.")
    if len(text) > MOST_CHARACTERS:
        raise TalkError(f"A comment has at most {MOST_CHARACTERS} characters, and this one has {len(text)}.")
    if re.search(r"[\x00\ud800-\udfff]", text):
        raise TalkError("A comment is plain text, and this one holds characters that are none.")
    return text


def members_named(text: str, team: Team) -> tuple[list[User], list[str]]:
    """The members of the team that a text names as @name, and the names in it that are not theirs."""
    written = list(dict.fromkeys(names_in(text)))
    if not written:
        return [], []
    members = {member.username: member for member in User.objects.filter(memberships__team=team)}
    found, strangers = dict[str, User](), []
    for name in written:
        known, _ = known_name(name, members)
        if known:
            found[known] = members[known]
        else:
            strangers.append(name.rstrip(AFTER_A_NAME) or name)
    return list(found.values()), strangers


def names_in(text: str) -> Iterator[str]:
    """Every name after an @, with the full stop of a sentence where it stands at its end."""
    return (match["name"] for match in SPECIAL.finditer(text) if match["name"])


def known_name(written: str, names: Iterable[str]) -> tuple[str, str]:
    """
    Which of the names is meant, and the part of what is written that means it; two "" if none.

    As written, or without what may end a sentence; then in whatever case, if that leaves one.
    """
    for tried in (written, written.rstrip(AFTER_A_NAME)):
        if tried in names:
            return tried, tried
        alike = [name for name in names if name.casefold() == tried.casefold()]
        if len(alike) == 1:
            return alike[0], tried
    return "", ""


def to_html(text: str, *, names: Iterable[str], host: str, url_of: Callable[[str], str]) -> SafeString:
    """
    The text escaped, with links where it has addresses at ``host`` or one of ``names`` after an @.

    ``url_of`` gives the address behind a name. Line breaks stay as they are, for a style that keeps them.
    """
    pieces, end = [], 0
    for match in SPECIAL.finditer(text):
        pieces += [format_html("{}", text[end : match.start()]), _linked(match, names, host, url_of)]
        end = match.end()
    pieces.append(format_html("{}", text[end:]))
    return mark_safe("".join(pieces))


def _linked(match: re.Match[str], names: Iterable[str], host: str, url_of: Callable[[str], str]) -> SafeString:
    if match["url"]:
        url = match["url"].rstrip(AFTER_AN_ADDRESS)
        if _host_of(url) != host:
            return format_html("{}", match[0])
        return format_html('<a href="{}">{}</a>{}', url, url, match["url"][len(url) :])
    known, part = known_name(match["name"], names)
    if not known:
        return format_html("{}", match[0])
    rest = match["name"][len(part) :]
    return format_html('<a class="mention" href="{}">@{}</a>{}', url_of(known), part, rest)


def _host_of(url: str) -> str:
    """Host and port; "" where there is none to be trusted."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # such as brackets that hold no IPv6 address
        return ""
