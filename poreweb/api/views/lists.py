"""Lists of regions written by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from poreweb.acquire import lists, queries
from poreweb.acquire.actions import MAX_PREVIEWS, start_previews
from poreweb.acquire.noaa_forms import RegionListForm
from poreweb.acquire.noaa_pages import held_patches
from poreweb.api.base import Address, ApiRequest
from poreweb.api.problems import refuse_form, sentence
from poreweb.api.schema import operation
from poreweb.api.shapes import lists as shapes
from poreweb.api.views.teams import writable_team
from processing.list_times import t_rec_range
from processing.region_lists import parse_region_list
from processing.timekeys import format_t_rec


class TeamLists(Address):
    """Many at once."""

    @operation(shapes.ReadListShape, takes=shapes.RegionListIn)
    def post(self, request: ApiRequest, team_id: int) -> Response:
        """
        Ask what JSOC has of the regions of a list; nothing is fetched until it is ordered.

        Asked for is what there is no doubt about, two hundred HARPs at most, or what is chosen; of
        a line that was not understood the answer says why.
        """
        team = writable_team(request.user, team_id)
        told = self.told(shapes.RegionListIn)
        form = RegionListForm({"text": told["text"], "alone": told.get("alone", "")})
        refuse_form(form)
        lines, problems = parse_region_list(form.cleaned_data["read"])
        offers = lists.offers_of(lines, alone=form.cleaned_data["alone"], most_ticked=MAX_PREVIEWS)
        offers = _chosen(offers, told.get("chosen", ()))
        wanted = [] if told.get("look_only") else lists.wanted_of(offers)
        made = [acquisition.pk for acquisition in start_previews(team, request.user, wanted)]
        answer = {
            "lines": _lines(request.user, offers),
            "problems": [{**vars(problem), "reason": sentence(problem.reason)} for problem in problems],
            "acquisitions": queries.listed(request.user).filter(pk__in=made).order_by("pk"),
        }
        return Response(shapes.ReadListShape(answer).data)


def _chosen(offers: Sequence[lists.Offer], told: Sequence[Mapping[str, Any]]) -> list[lists.Offer]:
    """The offers with what is chosen; of lines of which nothing is told that is what there is no doubt about."""
    by_line = {offer.line.line: offer for offer in offers}
    sent = {offer.field: [choice.value for choice in offer.choices if choice.is_ticked] for offer in offers}
    for one in told:
        offer = by_line.get(one["line"])
        if offer is None:
            raise ValidationError({"chosen": [f"Line {one['line']} was not understood, or is not there."]})
        value_of = {choice.harpnum: choice.value for choice in offer.choices}
        for harpnum in one["harpnums"]:
            if harpnum not in value_of:
                others = f"but {' or '.join(map(str, value_of))}" if value_of else "nor any other"
                raise ValidationError({"chosen": [f"Line {offer.line.line} may not mean HARP {harpnum}, {others}."]})
        sent[offer.field] = [value_of[harpnum] for harpnum in one["harpnums"]]
    return lists.chosen_of(offers, sent)


def _lines(user: User, offers: Sequence[lists.Offer]) -> list[dict[str, Any]]:
    held = held_patches(user, {choice.harpnum for offer in offers for choice in offer.choices})
    return [
        {
            **vars(offer.line),
            **_slots(offer),
            "remark": " ".join(filter(None, (offer.line.remark, offer.remark))),
            "is_at_odds": offer.is_at_odds,
            "harps": [
                {
                    **vars(choice),
                    "is_chosen": choice.is_ticked,
                    "patches": [patch.pk for patch in held.get(choice.harpnum, ())],
                }
                for choice in offer.choices
            ],
        }
        for offer in offers
    ]


def _slots(offer: lists.Offer) -> dict[str, str | None]:
    slots = zip(("first_t_rec", "last_t_rec"), t_rec_range(offer.line.first, offer.line.last), strict=True)
    return {name: None if t_rec_s is None else format_t_rec(t_rec_s) for name, t_rec_s in slots}
