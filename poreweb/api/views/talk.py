"""Comments: threads about patches, frames, events, tracks and links."""

import json
from typing import Any

from django.contrib.auth.models import User
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.schema import operation
from poreweb.api.shapes import talk as shapes
from poreweb.api.views.patches import patch_of
from poreweb.discussion import actions
from poreweb.discussion.about import About
from poreweb.discussion.listing import ROWS, Listing
from poreweb.discussion.models import Comment
from poreweb.discussion.queries import in_threads, mentions_of, readable_by, threads_of
from poreweb.discussion.text import members_named
from poreweb.http import get_visible, must_write


def _with_comments(user: User, threads: list[Any]) -> list[Any]:
    """All that was said in each, in one query; asking for it here does not make it read."""
    by_thread: dict[int, list[Comment]] = {thread.pk: [] for thread in threads}
    for comment in in_threads(user, threads).select_related("author"):
        by_thread[comment.thread_id or comment.pk].append(comment)
    for thread in threads:
        thread.told_comments = by_thread[thread.pk]
    return threads


def _told(user: User, thread: Comment) -> Any:
    (found,) = _with_comments(user, [threads_of(user, thread.patch).select_related(*ROWS).get(pk=thread.pk)])
    return shapes.ThreadShape(found).data


def _thread(user: User, thread_id: int) -> Comment:
    firsts = readable_by(user).filter(thread=None).select_related("patch__team")
    return get_visible(firsts, user, thread_id)


def _spoken(comment: Comment) -> Any:
    _, strangers = members_named(comment.text, comment.patch.team)
    return shapes.SpokenShape({"comment": comment, "not_told": strangers}).data


class PatchThreads(Address):
    """What is said about a patch."""

    @operation(lists=shapes.ThreadShape, query=shapes.ThreadQuery)
    def get(self, request: ApiRequest, patch_id: int) -> Response:
        """The threads of a patch with all that was said in them, the one last spoken in first."""
        patch = patch_of(request.user, patch_id)
        asked = {name: str(value) for name, value in self.asked(shapes.ThreadQuery).items()}
        threads = Listing.of(patch, request.user, asked).threads()
        return self.page(threads, shapes.ThreadShape, make=lambda page: _with_comments(request.user, page))

    @operation(shapes.SpokenShape, takes=shapes.ThreadIn, status=201)
    def post(self, request: ApiRequest, patch_id: int) -> Response:
        """Begin a thread about a patch or about something of it."""
        patch = patch_of(request.user, patch_id)
        must_write(request.user, patch.team)
        told = self.told(shapes.ThreadIn)
        about = About.read(patch, _as_fields(told))
        return Response(_spoken(actions.say(request.user, patch, told["text"], about=about)), status=201)


def _as_fields(told: dict[str, Any]) -> dict[str, str]:
    """As a form of the pages sends it."""
    fields: dict[str, str] = {name: str(told[name]) for name in ("event", "frame", "run", "track") if name in told}
    if "link" in told:
        fields["link"] = ",".join(map(str, told["link"]))
    if "mark" in told:
        fields["mark"] = json.dumps(told["mark"])
    return fields


class OneThread(Address):
    """One thread."""

    @operation(shapes.ThreadShape)
    def get(self, request: ApiRequest, thread_id: int) -> Response:
        """One thread with all that was said in it."""
        return Response(_told(request.user, _thread(request.user, thread_id)))


class ThreadComments(Address):
    """What is said in it."""

    @operation(shapes.SpokenShape, takes=shapes.CommentIn, status=201)
    def post(self, request: ApiRequest, thread_id: int) -> Response:
        """Say something in a thread."""
        thread = _thread(request.user, thread_id)
        must_write(request.user, thread.patch.team)
        text = self.told(shapes.CommentIn)["text"]
        return Response(_spoken(actions.say(request.user, thread.patch, text, thread=thread)), status=201)


class ThreadResolution(Address):
    """Whether it is settled."""

    @operation(shapes.ThreadShape, takes=shapes.ResolutionIn)
    def put(self, request: ApiRequest, thread_id: int) -> Response:
        """Resolve a thread, or open it again."""
        thread = _thread(request.user, thread_id)
        must_write(request.user, thread.patch.team)
        if self.told(shapes.ResolutionIn)["resolved"]:
            actions.resolve(thread, request.user)
        else:
            actions.reopen(thread)
        return Response(_told(request.user, thread))


class ThreadRead(Address):
    """What is seen of it."""

    @operation(status=204)
    def post(self, request: ApiRequest, thread_id: int) -> Response:
        """Say that you have read a thread."""
        actions.mark_read(request.user, _thread(request.user, thread_id))
        return Response(status=204)


class OneComment(Address):
    """One comment."""

    @operation(shapes.SpokenShape, takes=shapes.CommentIn)
    def patch(self, request: ApiRequest, comment_id: int) -> Response:
        """Change what you have written."""
        comments = readable_by(request.user).select_related("patch__team", "author")
        comment = get_visible(comments, request.user, comment_id)
        must_write(request.user, comment.patch.team)
        return Response(_spoken(actions.edit(comment, request.user, self.told(shapes.CommentIn)["text"])))


class Mentions(Address):
    """What names you."""

    @operation(lists=shapes.MentionShape)
    def get(self, request: ApiRequest) -> Response:
        """Where comments name you, what is new first."""
        return self.page(mentions_of(request.user).select_related("comment__author"), shapes.MentionShape)


class MentionsRead(Address):
    """What is seen."""

    @operation(status=204, takes=shapes.ReadIn)
    def post(self, request: ApiRequest) -> Response:
        """Say that you have seen all that names you."""
        actions.mark_all_read(request.user, comments=self.told(shapes.ReadIn).get("comments", False))
        return Response(status=204)
