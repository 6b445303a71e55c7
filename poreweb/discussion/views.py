"""HTTP in, HTTP out: threads, comments, mentions."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from poreweb.discussion import actions
from poreweb.discussion.about import About
from poreweb.discussion.listing import ROWS, Listing, address_of, open_threads
from poreweb.discussion.models import Comment
from poreweb.discussion.problems import TalkError
from poreweb.discussion.queries import mentions_of, n_unread_mentions, readable_by, threads_of, unread_by_patch
from poreweb.discussion.text import members_named
from poreweb.http import Request, get_visible, may_write, must_write
from poreweb.observations.models import Patch
from poreweb.people.keys import keys_of
from poreweb.review.queries import is_hidden_from

MENTIONS_PER_PAGE = 50
NAMES_SHOWN = 12


@require_GET
def threads(request: Request, pk: int) -> HttpResponse:
    """The threads of a patch, or those about something of it; those shown in full are read by that."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    return _render_listing(request, Listing.of(patch, request.user, request.GET))


@require_POST
def say(request: Request, pk: int) -> HttpResponse:
    """Begin a thread; the address says from which listing, which is shown again with it."""
    patch = get_visible(Patch.objects.select_related("team"), request.user, pk)
    must_write(request.user, patch.team)
    listing = Listing.of(patch, request.user, request.GET)
    text = request.POST.get("text", "")
    try:
        thread = actions.say(request.user, patch, text, about=About.read(patch, request.POST))
    except TalkError as problem:
        return _render_listing(request, listing, failed={"text": text, "error": problem, "fields": request.POST})
    if not request.htmx:
        _tell_strangers(request, thread)
        return redirect(address_of(thread))
    listing = listing.but(thread=None, state="", mine=False, unread=False, by="")
    return _render_listing(request, listing, opened=thread.pk, done="Comment sent.", notice=_strangers(thread))


@require_POST
def reply(request: Request, pk: int) -> HttpResponse:
    """Say something in a thread."""
    thread = _thread(request, pk)
    text = request.POST.get("text", "")
    try:
        comment = actions.say(request.user, thread.patch, text, thread=thread)
    except TalkError as problem:
        return _render_thread(request, thread, reply={"text": text, "error": problem})
    return _answer(request, thread, comment, done="Reply sent.")


@require_POST
def resolve(request: Request, pk: int) -> HttpResponse:
    """Settle a thread, or open it again."""
    thread = _thread(request, pk)
    if request.POST.get("resolved") == "0":
        actions.reopen(thread)
    else:
        actions.resolve(thread, request.user)
    if not request.htmx:
        return redirect(address_of(thread))
    return _render_thread(request, thread, done="Thread resolved." if thread.resolved_at else "Thread opened again.")


@require_POST
def edit(request: Request, pk: int) -> HttpResponse:
    """Change what one has written."""
    comments = readable_by(request.user).select_related("patch__team", "thread__patch__team", "author")
    comment = get_visible(comments, request.user, pk)
    must_write(request.user, comment.patch.team)
    thread = comment.thread or comment
    text = request.POST.get("text", "")
    try:
        actions.edit(comment, request.user, text)
    except TalkError as problem:
        return _render_thread(request, thread, edited={"pk": pk, "text": text, "error": problem})
    return _answer(request, thread, comment, done="Comment changed.")


@require_http_methods(["GET", "POST"])
def inbox(request: Request) -> HttpResponse:
    """What names the user, unread first. A post marks it all as read, or every comment there is."""
    if request.method == "POST":
        actions.mark_all_read(request.user, comments="comments" in request.POST)
        return redirect("discussion:inbox")
    patches = Patch.objects.visible_to(request.user).select_related("team").in_bulk()
    named = mentions_of(request.user).select_related(
        *(f"comment__{name}" for name in ("author", "patch")),
        *(f"comment__{name}__author" for name in ("thread",)),
    )
    context = {
        "page": Paginator(named.prefetch_related("comment__mentions__user"), MENTIONS_PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "n_unread": n_unread_mentions(request.user),
        "unread_patches": [(patches[pk], n) for pk, n in unread_by_patch(request.user).items()],
    }
    return render(request, "discussion/inbox.html", context)


@require_GET
def counts(request: Request) -> HttpResponse:
    """How many mentions the user has not seen: JSON, or the piece of the page's head that shows it."""
    unread = n_unread_mentions(request.user)
    if request.htmx:
        return render(request, "discussion/_count.html", {"unread": unread})
    return JsonResponse({"unread": unread})


def _thread(request: Request, pk: int) -> Comment:
    """The thread, for somebody who may write in it."""
    firsts = readable_by(request.user).filter(thread=None).select_related("patch__team")
    thread = get_visible(firsts, request.user, pk)
    must_write(request.user, thread.patch.team)
    return thread


def _answer(request: Request, thread: Comment, comment: Comment, *, done: str) -> HttpResponse:
    """After something was said: the thread as it is now, or the way to the comment."""
    if request.htmx:
        return _render_thread(request, thread, done=done, notice=_strangers(comment))
    _tell_strangers(request, comment)
    return redirect(address_of(comment))


def _strangers(comment: Comment) -> str:
    """A sentence about names that are no members'; "" if there are none."""
    _, strangers = members_named(comment.text, comment.patch.team)
    names = ", ".join(f"@{name}" for name in strangers)
    is_one = len(strangers) == 1
    told = f"{names} {'is not a member' if is_one else 'are no members'} of {comment.patch.team} and"
    return f"{told} {'was' if is_one else 'were'} not told." if strangers else ""


def _tell_strangers(request: Request, comment: Comment) -> None:
    if words := _strangers(comment):
        messages.warning(request, words)


def _render_thread(request: Request, thread: Comment, **context: Any) -> HttpResponse:
    """One thread in full; without htmx on its page."""
    if not request.htmx:
        listing = Listing(thread.patch, request.user, thread=thread.pk)
        return _render_listing(request, listing, **context)
    shown = threads_of(request.user, thread.patch).select_related(*ROWS).get(pk=thread.pk)
    open_threads(request.user, [shown])
    context = {"thread": shown, "is_swapped": True, **_writing(request, thread.patch), **context}
    return render(request, "discussion/_thread.html", context)


def _render_listing(
    request: Request, listing: Listing, *, opened: int | None = None, failed: dict[str, Any] | None = None, **more: Any
) -> HttpResponse:
    event = listing.about.event
    context = {
        "patch": listing.patch,
        "chips": _chips(listing),
        "without_by": listing.but(by="").query,
        "all_query": listing.but(thread=None).query,
        "fields": {**listing.about.as_fields(), **_own_fields(failed)},
        "failed": failed,
        "is_hidden": event is not None and is_hidden_from(event, request.user),
        "key": keys_of(request.user)["comment"] if event else "",
        **listing.shown(opened=opened),
        **_writing(request, listing.patch),
        **more,
    }
    return render(request, "discussion/_threads.html" if request.htmx else "discussion/threads.html", context)


def _own_fields(failed: dict[str, Any] | None) -> dict[str, str]:
    """What a refused form was about; its mark too, unless that is what is wrong."""
    names = ("event", "frame", "track", "run", "link", "mark")
    return {name: failed["fields"][name] for name in names if failed["fields"].get(name)} if failed else {}


def _writing(request: Request, patch: Patch) -> dict[str, Any]:
    """Whether the reader may write here, and whom they can name."""
    names = patch.team.memberships.exclude(user=request.user).values_list("user__username", flat=True)
    return {"can_write": may_write(request.user, patch.team), "names": list(names[:NAMES_SHOWN])}


def _chips(listing: Listing) -> list[tuple[str, str, bool]]:
    """Filters of the page: words, address, whether chosen."""
    state = listing.state or "open"
    return [
        *((words, listing.but(state=words).query, words == state) for words in ("open", "resolved", "all")),
        ("mine", listing.but(mine=not listing.mine).query or "?", listing.mine),
        ("unread", listing.but(unread=not listing.unread).query or "?", listing.unread),
    ]
