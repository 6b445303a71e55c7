"""Comments as one reader has them: what may be read, and what of it is new."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import BigIntegerField, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from poreweb.discussion.models import Comment, Mention, ThreadRead
from poreweb.observations.models import Patch
from poreweb.review.queries import hidden_from
from poreweb.tracks.models import Event

KEY = BigIntegerField()
ROOT = Coalesce("thread_id", "pk", output_field=KEY)  # of any comment: the first one of its thread


def readable_by(user: User) -> "QuerySet[Comment]":
    """
    Comments of the user's teams.

    In a team that reviews blind, what others say about an event is told once one's own verdict is in.
    """
    comments = Comment.objects.visible_to(user)
    hidden = hidden_from(user)
    if hidden is None:
        return comments
    events = Event.objects.filter(hidden).values("pk")
    return comments.filter(Q(author=user) | ~(Q(event__in=events) | Q(thread__event__in=events)))


def threads_of(user: User, patch: Patch) -> Any:
    """
    First comments of the patch's threads, each with what the reader is told of the whole thread.

    That is ``n_comments``, ``last_id``, ``last_at``, ``n_unread``, ``read_to`` and ``names_me`` (anew). Typed
    loosely, as annotations are not part of a model's type. Nothing here is asked once a thread.
    """
    in_thread = readable_by(user).filter(thread=OuterRef("pk")).order_by()
    newest = in_thread.order_by("-pk")
    read_to = ThreadRead.objects.filter(thread=OuterRef("pk"), user=user).values("last_id")
    new = in_thread.exclude(author=user).filter(pk__gt=OuterRef("read_to"))
    threads = readable_by(user).filter(patch=patch, thread=None)
    return threads.annotate(
        read_to=Coalesce(Subquery(read_to), Value(0), output_field=KEY),
        n_comments=_number(in_thread) + 1,
        last_id=Coalesce(Subquery(newest.values("pk")[:1]), F("pk"), output_field=KEY),
        last_at=Coalesce(Subquery(newest.values("at")[:1]), F("at")),
        n_unread=_number(new) + _number(_itself(user)),
        names_me=Exists(mentions_of(user).filter(_of_thread("comment"), read_at=None)),
    )


def in_threads(user: User, threads: Iterable[Comment]) -> "QuerySet[Comment]":
    """All that was said in these threads, oldest first, as far as the user may read it."""
    keys = [thread.pk for thread in threads]
    return readable_by(user).filter(Q(pk__in=keys) | Q(thread__in=keys)).order_by("pk")


def _of_thread(comment: str) -> Q:
    """That a related comment is the thread's first or one of its replies."""
    return Q(**{comment: OuterRef("pk")}) | Q(**{f"{comment}__thread": OuterRef("pk")})


def _itself(user: User) -> "QuerySet[Comment]":
    """The first comment of a thread, if it is another's and new."""
    return Comment.objects.filter(pk=OuterRef("pk"), pk__gt=OuterRef("read_to")).exclude(author=user).order_by()


def _number(comments: "QuerySet[Comment]") -> Any:
    """How many comments a subquery has; ``thread`` and ``pk`` alone would count one group a row."""
    counted = comments.annotate(everything=Value(1)).values("everything").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def unread_comments(user: User) -> Any:
    """Others' comments that the user has not seen yet."""
    read_to = ThreadRead.objects.filter(thread=OuterRef("root"), user=user).values("last_id")[:1]
    comments = readable_by(user).exclude(author=user).annotate(root=ROOT)
    return comments.annotate(read_to=Coalesce(Subquery(read_to), Value(0), output_field=KEY)).filter(
        pk__gt=F("read_to")
    )


def unread_by_patch(user: User) -> dict[int, int]:
    """How many comments are new to the user, by key of the patch; a patch without any is not in it."""
    return dict(unread_comments(user).order_by().values_list("patch").annotate(n=Count("pk")))


def mentions_of(user: User) -> "QuerySet[Mention]":
    """Where the user is named, in comments that the user may still read; unread first, newest first."""
    mentions = Mention.objects.filter(user=user, comment__in=readable_by(user))
    return mentions.order_by(F("read_at").desc(nulls_first=True), "-pk")


def n_unread_mentions(user: User) -> int:
    """How many of them are new."""
    return mentions_of(user).filter(read_at=None).count()
