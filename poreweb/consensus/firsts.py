"""What counts for a measure: what each reviewer has said first of an event."""

from django.db.models import Exists, OuterRef, QuerySet

from poreweb.review.models import Act, ReviewEntry

# The acts by which somebody judges; a step back or forth is none.
OWN = (Act.Kind.VERDICT, Act.Kind.BULK, Act.Kind.TRACK)


def first_judgements() -> "QuerySet[ReviewEntry]":
    """
    Each reviewer's first judgement of each event, by the history, if it was given on that event.

    A later one may know what others have said, which one's own verdict uncovers in a blind
    team. So neither taking the first back nor judging again changes what counts. Where the
    first was carried over from another run, it counts there and nothing here.
    """
    given = ReviewEntry.objects.filter(what=ReviewEntry.What.VERDICT, act__kind__in=(*OWN, Act.Kind.CARRY))
    before = given.filter(event=OuterRef("event"), act__by=OuterRef("act__by"), pk__lt=OuterRef("pk"))
    return given.filter(~Exists(before.order_by()), act__kind__in=OWN)
