"""Lists of regions written by hand."""

from typing import Any

from rest_framework import serializers

from poreweb.acquire.lists import BOTH, JSOCS, YOURS
from poreweb.acquire.noaa_forms import ALONE, MOST_BYTES
from poreweb.api.shapes.acquire import MOST_NUMBER, AcquisitionShape
from poreweb.api.shapes.base import Body, Key, Text
from processing.region_lists import MOST_LINES


class ChosenIn(Body):
    """The HARPs that a line means."""

    line = serializers.IntegerField(min_value=1, max_value=MOST_LINES, help_text="Counted from 1.")
    harpnums = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MOST_NUMBER),
        help_text="Of those that it may mean; empty: nothing of this line.",
    )


class RegionListIn(Body):
    """A list."""

    text = serializers.CharField(max_length=MOST_BYTES, trim_whitespace=False, help_text="A region a line.")
    alone = serializers.ChoiceField(
        ALONE, required=False, help_text="What a number is that stands alone on its line; empty: not said."
    )
    chosen = ChosenIn(
        many=True, required=False, help_text="HARPs of single lines, in place of those that are beyond doubt."
    )
    look_only = serializers.BooleanField(required=False, help_text="Only say what is understood; ask JSOC nothing.")


class ListedHarpShape(serializers.Serializer[Any]):
    """A HARP that a line may mean."""

    harpnum = serializers.IntegerField()
    noaa_ar = serializers.IntegerField(allow_null=True, help_text="NOAA region by which it was asked for.")
    noaa_ars = serializers.ListField(child=serializers.IntegerField(), help_text="Its NOAA regions in JSOC's list.")
    said_by = serializers.ChoiceField((YOURS, JSOCS, BOTH), help_text="Who says that the line means it.")
    is_chosen = serializers.BooleanField(help_text="By you, or as there is no doubt about it.")
    patches = serializers.ListField(child=Key(), help_text="Keys of your teams' patches of it.")


class ListedLineShape(serializers.Serializer[Any]):
    """A line that was understood."""

    line = serializers.IntegerField(help_text="Counted from 1.")
    noaa_ar = serializers.IntegerField(allow_null=True, help_text="NOAA region that it names.")
    harpnums = serializers.ListField(child=serializers.IntegerField(), help_text="HARPs that it names.")
    number = serializers.IntegerField(allow_null=True, help_text="A number of which it does not say what it is.")
    first_t_rec = Text(allow_null=True, help_text="First slot, TAI; null: from the first record.")
    last_t_rec = Text(allow_null=True, help_text="Last slot, TAI; null: to the last record.")
    jsoc_id = Text(help_text="JSOC's id of an export that it names.")
    remark = Text(help_text="Why the choice is yours, and what else is to be said; empty for nothing.")
    is_at_odds = serializers.BooleanField(help_text="Whether it says something else than JSOC's list.")
    harps = ListedHarpShape(many=True, help_text="What it may mean.")


class BadLineShape(serializers.Serializer[Any]):
    """A line that was not understood."""

    line = serializers.IntegerField(help_text="Counted from 1.")
    reason = Text()
    text = Text(help_text="What stands there.")


class ReadListShape(serializers.Serializer[Any]):
    """What was understood of a list, and what is being asked for."""

    lines = ListedLineShape(many=True)
    problems = BadLineShape(many=True, help_text="Lines that were not understood; nothing is asked for by them.")
    acquisitions = AcquisitionShape(many=True, help_text="The previews that were started, the same records once.")
