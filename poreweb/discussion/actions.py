"""Every change to what people say to each other. Who may do it at all is asked by the views."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from poreweb.discussion.about import About
from poreweb.discussion.models import Comment, Mention, ThreadRead
from poreweb.discussion.problems import TalkError
from poreweb.discussion.queries import ROOT, in_threads, mentions_of, unread_comments
from poreweb.discussion.text import clean_text, members_named
from poreweb.observations.models import Patch


@transaction.atomic
def say(author: User, patch: Patch, text: str, *, about: About | None = None, thread: Comment | None = None) -> Comment:
    """
    Begin a thread about something of the patch, or add a reply to ``thread``.

    Raises
    ------
    TalkError
        If the text is empty or too long, the mark is none, or the thread or subject is not of this patch.
    """
    text = clean_text(text)
    if thread is not None and (thread.thread_id is not None or thread.patch_id != patch.pk):
        raise TalkError(f"A reply belongs to a thread about {patch}.")
    told = (about or About()).complete(patch).as_columns() if thread is None else {}
    comment = Comment.objects.create(patch=patch, author=author, text=text, thread=thread, **told)
    _mention(comment)
    return comment


@transaction.atomic
def edit(comment: Comment, author: User, text: str) -> Comment:
    """Change what one has written oneself; who is named newly is told, who is named no longer is not."""
    if comment.author_id != author.pk:
        raise PermissionDenied(f"Only {comment.author} may change what {comment.author} wrote.")
    text = clean_text(text)
    if text != comment.text:
        comment.text, comment.edited_at = text, timezone.now()
        comment.save(update_fields=["text", "edited_at"])
        _mention(comment)
    return comment


def _mention(comment: Comment) -> None:
    """Keep exactly the members that the comment names, other than its author."""
    members, _ = members_named(comment.text, comment.patch.team)
    named = [member for member in members if member.pk != comment.author_id]
    comment.mentions.exclude(user__in=named).delete()
    Mention.objects.bulk_create([Mention(comment=comment, user=user) for user in named], ignore_conflicts=True)


def resolve(thread: Comment, user: User) -> Comment:
    """Say that a thread is settled; who said so first stays on record."""
    open_threads = Comment.objects.filter(pk=_first(thread).pk, resolved_at=None)
    open_threads.update(resolved_by=user, resolved_at=timezone.now())
    thread.refresh_from_db(fields=["resolved_by", "resolved_at"])
    return thread


def reopen(thread: Comment) -> Comment:
    """Say that there is more to be said."""
    _first(thread)
    thread.resolved_by = thread.resolved_at = None
    thread.save(update_fields=["resolved_by", "resolved_at"])
    return thread


def _first(thread: Comment) -> Comment:
    if thread.thread_id is not None:
        raise TalkError("A thread is resolved as a whole, not one of its replies.")
    return thread


@transaction.atomic
def mark_read(user: User, *threads: Comment) -> None:
    """All that is in the threads now, as far as the user may read it, is seen; mentions there are too."""
    seen = in_threads(user, threads)
    lasts = seen.annotate(root=ROOT).order_by().values_list("root").annotate(last=Max("pk"))
    _bookmark(user, dict(lasts))
    Mention.objects.filter(user=user, read_at=None, comment__in=seen.values("pk")).update(read_at=timezone.now())


@transaction.atomic
def mark_all_read(user: User, *, comments: bool = False) -> None:
    """Whatever names the user is seen; with ``comments`` every other comment of the user's teams is too."""
    if comments:
        _bookmark(user, dict(unread_comments(user).order_by().values_list("root").annotate(last=Max("pk"))))
    unread = mentions_of(user).filter(read_at=None).values_list("pk", flat=True)
    Mention.objects.filter(pk__in=list(unread)).update(read_at=timezone.now())


def _bookmark(user: User, lasts: dict[int, int]) -> None:
    """Keep how far each thread is read: the last comment's key by the thread's."""
    ThreadRead.objects.bulk_create(
        [ThreadRead(thread_id=thread, user=user, last_id=last) for thread, last in lasts.items()],
        update_conflicts=True,
        update_fields=["last"],
        unique_fields=["thread", "user"],
    )
