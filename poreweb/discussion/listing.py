"""The threads that an address asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404
from django.urls import reverse

from poreweb.discussion import actions
from poreweb.discussion.about import About
from poreweb.discussion.models import Comment
from poreweb.discussion.queries import in_threads, threads_of
from poreweb.http import whole_number
from poreweb.observations.models import Patch

STATES = {"open": Q(resolved_at=None), "resolved": Q(resolved_at__isnull=False), "all": Q()}
PER_PAGE = 30
MOST_MARKS = 300
SUBJECTS = ("event", "frame", "track", "run", "link")
ROWS = (
    "author", "patch", "run", "frame", "event__run", "resolved_by",
    "earlier__segmentation", "earlier__track", "later__segmentation", "later__track",
)  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """
    Threads of one patch as one reader asks for them.

    Those about one event, frame, track or link, or the one of ``thread``, are shown in full;
    of others one line each, in which they can be opened.
    """

    patch: Patch
    user: User
    subject: Mapping[str, str] = field(default_factory=dict)
    thread: int | None = None
    state: str = ""
    mine: bool = False
    unread: bool = False
    by: str = ""
    place: str = ""
    page: int = 1

    @classmethod
    def of(cls, patch: Patch, user: User, data: Mapping[str, str]) -> "Listing":
        """As the address says; Http404 if it names what is not of this patch."""
        thread, page, state = data.get("thread", ""), data.get("page", ""), data.get("state", "")
        if thread and whole_number(thread) is None:
            raise Http404(f"{thread!r} is no thread")
        return cls(
            patch,
            user,
            subject={name: data[name] for name in SUBJECTS if data.get(name)},
            thread=int(thread) if thread else None,
            state=state if state in STATES else "",
            mine="mine" in data,
            unread="unread" in data,
            by=data.get("by", "").replace("\0", "")[:150],
            place="viewer" if data.get("place") == "viewer" else "",
            page=1 if (number := whole_number(page)) is None else number,
        )

    def but(self, **changes: Any) -> "Listing":
        """The same with other filters, from the first page."""
        return replace(self, **{"page": 1, **changes})

    @property
    def query(self) -> str:
        """What `of` reads, with its question mark; "" if it is nothing."""
        told = {
            **self.subject,
            **{name: value for name in ("thread", "state", "by", "place") if (value := getattr(self, name))},
            **{name: 1 for name in ("mine", "unread") if getattr(self, name)},
            **({"page": self.page} if self.page > 1 else {}),
        }
        return f"?{urlencode(told, safe=',')}" if told else ""

    @property
    def url(self) -> str:
        """Address of the page that shows it."""
        return reverse("discussion:threads", args=[self.patch.pk]) + self.query

    @cached_property
    def about(self) -> About:
        """What the address points at, and a new thread is about."""
        return About.read(self.patch, self.subject)

    @property
    def is_on_something(self) -> bool:
        """Whether it asks for one thread or for those about one thing: they are shown in full."""
        return self.thread is not None or any(name in self.subject for name in SUBJECTS if name != "run")

    def threads(self) -> Any:
        """The threads that it asks for, the one last spoken in first."""
        found = threads_of(self.user, self.patch).select_related(*ROWS).order_by("-last_id")
        if self.thread is not None:
            return found.filter(pk=self.thread)
        about = self.about
        found = found.filter(STATES[self.state or ("all" if self.is_on_something else "open")])
        for name in ("event", "frame", "earlier", "later", "track_number"):
            if (value := getattr(about, name)) is not None:
                found = found.filter(**{name: value})
        if about.track_number is not None:
            found = found.filter(run=about.run)
        if self.mine:
            found = found.filter(_takes_part(self.user))
        if self.by:
            found = found.filter(_wrote(username=self.by))
        return found.filter(Q(n_unread__gt=0) | Q(names_me=True)) if self.unread else found

    def shown(self, *, opened: int | None = None) -> dict[str, Any]:
        """
        What the templates show: the page of threads, and which of them with all they hold.

        Those are read by that; what was new in them before still says so.
        """
        page = Paginator(self.threads(), PER_PAGE).get_page(self.page)
        threads = list(page.object_list)
        if self.thread is not None and not threads:
            raise Http404(f"there is no thread {self.thread} here")
        in_full = [thread for thread in threads if self.is_on_something or thread.pk == opened]
        open_threads(self.user, in_full)
        return {
            "threads": threads,
            "listing": self,
            "before": self.but(page=page.number - 1).query or "?" if page.has_previous() else "",
            "after": self.but(page=page.number + 1).query if page.has_next() else "",
            "marks": self._marks() if self.place else None,
        }

    def _marks(self) -> list[dict[str, Any]]:
        """What the viewer draws: the marks of open threads, and that of the thread that is asked for."""
        marked = threads_of(self.user, self.patch).filter(mark__isnull=False)
        asked = marked.filter(Q(resolved_at=None) | Q(pk=self.thread)).order_by("-pk")
        rows = asked.values_list("pk", "mark", "resolved_at", "n_unread")[:MOST_MARKS]
        return [
            {"thread": pk, **mark, "resolved": resolved_at is not None, "unread": n_unread}
            for pk, mark, resolved_at, n_unread in reversed(rows)
        ]


def open_threads(user: User, threads: list[Any]) -> None:
    """Give the threads (of `threads_of`) what was said in them as ``comments``, and mark them read."""
    new = [thread for thread in threads if thread.n_unread or thread.names_me]
    if new:  # before they are loaded: what is said meanwhile stays new
        actions.mark_read(user, *new)
    said = in_threads(user, threads).select_related("author").prefetch_related("mentions__user")
    by_thread: dict[int, list[Comment]] = {thread.pk: [] for thread in threads}
    for comment in said:
        by_thread[comment.thread_id or comment.pk].append(comment)
    for thread in threads:
        thread.comments = by_thread[thread.pk]


def _takes_part(user: User) -> Q:
    """Threads in which the user wrote or is named."""
    named = Comment.objects.filter(mentions__user=user)
    return _wrote(pk=user.pk) | Q(pk__in=named.values("pk")) | Q(pk__in=named.values("thread"))


def _wrote(**who: Any) -> Q:
    theirs = Comment.objects.filter(author__in=User.objects.filter(**who))
    return Q(pk__in=theirs.values("pk")) | Q(pk__in=theirs.exclude(thread=None).values("thread"))


def address_of(comment: Comment) -> str:
    """Where a comment stays to be found, whatever becomes of its thread."""
    thread = comment.thread_id or comment.pk
    return f"{reverse('discussion:threads', args=[comment.patch_id])}?thread={thread}#comment-{comment.pk}"
