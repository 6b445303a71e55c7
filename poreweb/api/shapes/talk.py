"""Comments: threads about patches, frames, events, tracks and links."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from poreweb.api.shapes.base import Body, Key, Number, Query, Row, Text, user_name
from poreweb.discussion.about import words_about
from poreweb.discussion.listing import STATES
from poreweb.discussion.marks import N_POINTS
from poreweb.discussion.models import Comment, Mention
from poreweb.discussion.text import MOST_CHARACTERS


class MarkShape(serializers.Serializer[Any]):
    """What is drawn on the image, in solar coordinates."""

    shape = serializers.ChoiceField(list(N_POINTS))
    points = serializers.ListField(
        child=serializers.ListField(child=Number()), help_text="Carrington longitude and latitude of each, in degrees."
    )


class CommentShape(Row):
    """One comment."""

    author = user_name("author")

    class Meta:
        model = Comment
        fields = ("id", "thread", "author", "at", "edited_at", "text")


class ThreadShape(Row):
    """A thread: its first comment says what it is about."""

    about = serializers.SerializerMethodField(help_text="What it is about, in words.")
    author = user_name("author")
    mark = MarkShape(allow_null=True)
    resolved_by = user_name("resolved_by")
    n_unread = serializers.IntegerField(help_text="Comments of others that are new to you.")
    comments = CommentShape(many=True, source="told_comments", help_text="All of them, the first one first.")

    class Meta:
        model = Comment
        fields = (
            "id", "patch", "about", "run", "frame", "event", "track_number", "earlier", "later", "mark", "author",
            "at", "resolved_by", "resolved_at", "n_unread", "comments",
        )  # fmt: skip

    @extend_schema_field(str)
    def get_about(self, thread: Comment) -> str:
        """In words."""
        return words_about(thread)


class SpokenShape(serializers.Serializer[Any]):
    """A comment as it was stored."""

    comment = CommentShape()
    not_told = serializers.ListField(child=Text(), help_text="Names in it that are no members' of the team.")


class ThreadQuery(Query):
    """Which threads of a patch."""

    state = serializers.ChoiceField(list(STATES), required=False, help_text="Open ones unless told; all of a subject.")
    mine = serializers.ChoiceField(["1"], required=False, help_text="Only where you wrote or are named.")
    unread = serializers.ChoiceField(["1"], required=False, help_text="Only where something is new to you.")
    event = Key(required=False, help_text="Only about this event.")
    frame = Key(required=False, help_text="Only about this frame.")
    run = Key(required=False, help_text="With 'track': the run that it is of.")
    track = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="Only about the track of this number."
    )
    by = serializers.CharField(max_length=150, required=False, help_text="Only where this user wrote.")


class MarkIn(Body):
    """What is drawn on the image, in solar coordinates."""

    shape = serializers.ChoiceField(list(N_POINTS))
    points = serializers.ListField(
        child=serializers.ListField(child=Number(), min_length=2, max_length=2), min_length=1, max_length=2,
        help_text="One of a point; two corners; centre and rim; tail and head: longitude and latitude, in degrees.",
    )  # fmt: skip


class ThreadIn(Body):
    """What to begin a thread with; about the patch as a whole unless told."""

    text = serializers.CharField(max_length=MOST_CHARACTERS, trim_whitespace=False)
    event = Key(required=False)
    frame = Key(required=False)
    run = Key(required=False)
    track = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, help_text="Needs 'run'.")
    link = serializers.ListField(
        child=Key(), min_length=2, max_length=2, required=False, help_text="Keys of an earlier and a later feature."
    )
    mark = MarkIn(required=False)


class CommentIn(Body):
    """What to say."""

    text = serializers.CharField(max_length=MOST_CHARACTERS, trim_whitespace=False)


class ResolutionIn(Body):
    """Whether a thread is settled."""

    resolved = serializers.BooleanField()


class ReadIn(Body):
    """What is seen."""

    comments = serializers.BooleanField(
        required=False, help_text="Every comment of your teams too, not only what names you."
    )


class MentionShape(Row):
    """Where a comment names you."""

    comment = CommentShape()
    patch = serializers.IntegerField(source="comment.patch_id", help_text="Key of the patch.")

    class Meta:
        model = Mention
        fields = ("id", "patch", "comment", "read_at")
