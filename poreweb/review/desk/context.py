"""What the desk shows of one event: the machine's words, the frames around it, its links, curves and lineage."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import prefetch_related_objects

from poreweb.review.desk.curves import balance_words, curves_of
from poreweb.review.desk.frames import strip_json, strip_of
from poreweb.review.desk.lineage import lineage_of
from poreweb.review.desk.links import choices_of, event_alternatives, event_links, nearby_events, number_of
from poreweb.review.desk.window import REACH, window_of
from poreweb.tracks.models import Event, Feature, Link

FRAMES_BEFORE = FRAMES_AFTER = 3


def desk_context(
    event: Event, *, before: int = FRAMES_BEFORE, after: int = FRAMES_AFTER, viewer: User | None = None
) -> dict[str, Any]:
    """
    All that the desk's template needs of the machine's rows.

    ``before`` and ``after`` count the frames of the filmstrip, the event's own being the first
    after; both are held between 1 and `REACH`. Only rows around the event are read. States of
    other events are told to the ``viewer`` as far as he may know them, to nobody without one.
    """
    before, after = (min(max(number, 1), REACH) for number in (before, after))
    prefetch_related_objects([event], "parents__track", "children__track")
    window = window_of(event)
    links, alternatives = event_links(event), event_alternatives(event)
    strip = strip_of(event, window, before=before, after=after)
    lineage = lineage_of(event, window, viewer)
    choices = choices_of(alternatives, links, window)
    nearby = nearby_events(event, window, viewer)
    ends = {pk for link in (*links, *alternatives) for pk in (link.earlier_id, link.later_id)}
    return {
        "words": event_words(event),
        "consequence": rejection_words(event, links),
        "balance": balance_words(event),
        "strip": strip,
        "links": links,
        "alternatives": alternatives,
        "choices": choices,
        "nearby": nearby,
        "curves": curves_of(event, window),
        "lineage": lineage,
        "desk_json": {
            **strip_json(event, window, strip, ends),
            "event_links": [[link.earlier_id, link.later_id] for link in links],
            "choices": [choice.as_dict() for choice in choices],
            "nearby": {
                item.event.pk: f"{item.event.get_kind_display()} in frame {item.event.index + 1}: {item.words}"
                for item in nearby
            },
            "lineage": {"x": lineage.x_of, "step": lineage.step},
        },
    }


def event_words(event: Event) -> str:
    """One sentence: what the machine says has happened, with the balance of area and flux."""
    parents, children = list(event.parents.all()), list(event.children.all())
    before, after = _names(parents), _names(children)
    sentence = {
        "merge": f"{before} become {after}",
        "split": f"{before} parts into {after}",
        "gap": f"{before} is lost and found again as {after}"
        if before != after
        else f"{before} is lost and found again",
        "appear": f"{after} appears",
        "disappear": f"{before} disappears",
    }[event.kind]
    if parents and children:
        sentence += f": area {_sum(parents, 'area_mm2', 1)} Mm² before, {_sum(children, 'area_mm2', 1)} Mm² after"
        if all(feature.flux_mx is not None for feature in (*parents, *children)):
            sentence += (
                f"; flux {_sum(parents, 'flux_mx', 1e18)}·10¹⁸ Mx before,"
                f" {_sum(children, 'flux_mx', 1e18)}·10¹⁸ Mx after"
            )
    return f"{sentence[0].upper()}{sentence[1:]}."


def rejection_words(event: Event, links: list[Link]) -> str:
    """What rejecting the event, whose links these are (`event_links`), does to the reviewed lineage."""
    if event.kind in ("merge", "split"):
        if len(links) < 2:  # a settled link may have gone since
            return "Rejecting cuts nothing: no more than one link is left."
        kept, *cut = (f"{number_of(link.earlier)} → {number_of(link.later)}" for link in links)
        return f"Rejecting keeps {kept}, the cheapest link, and cuts {', '.join(cut)}."
    if event.kind == "gap":
        return "Rejecting cuts the link: what comes after the gap is then another track."
    return "Rejecting says that a link is missing; it changes no track yet."


def _sum(features: list[Feature], name: str, unit: float) -> str:
    return f"{sum(getattr(feature, name) for feature in features) / unit:.1f}".replace("-", "−")


def _names(features: list[Feature]) -> str:
    *others, last = [f"{feature.track.number}" for feature in features if feature.track] or ["?"]
    return f"tracks {', '.join(others)} and {last}" if others else f"track {last}"
