"""Comments as pages show them."""

from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString

from poreweb.discussion.about import url_about, words_about
from poreweb.discussion.listing import address_of
from poreweb.discussion.models import Comment
from poreweb.discussion.text import to_html

register = template.Library()
register.filter(words_about)
register.filter(url_about)
register.filter(address_of)


@register.simple_tag(takes_context=True)
def comment_text(context: Any, comment: Comment) -> SafeString:
    """The text, escaped; whom it names and addresses of this site are links."""
    threads = reverse("discussion:threads", args=[comment.patch_id])
    return to_html(
        comment.text,
        names=[mention.user.username for mention in comment.mentions.all()],
        host=context["request"].get_host().lower(),
        url_of=lambda name: f"{threads}?{urlencode({'by': name, 'state': 'all'})}",
    )


@register.simple_tag
def opening_query(listing: Any, thread: Comment) -> str:
    """The query that shows one thread of a listing in full."""
    return str(listing.but(thread=thread.pk).query)
