"""How sure something is, as a number and a bar."""

from typing import Any

from django import template

from processing import certainty

register = template.Library()

# What a kind of event is called in a heading; the others are nouns.
NOUNS = {"appear": "appearance", "disappear": "disappearance"}


@register.filter
def noun(kind: str) -> str:
    """A kind of event as a noun."""
    return NOUNS.get(kind, kind)


@register.filter
def digits(probability: float | None) -> str:
    """As `processing.certainty.digits`; "not known" for None."""
    return "not known" if probability is None else certainty.digits(probability)


@register.filter
def minus(value: float, n_digits: int) -> str:
    """A number with so many digits and, where it is negative, a minus sign that is no hyphen."""
    return f"{value:.{n_digits}f}".replace("-", "−")


@register.filter
def signed(value: float | None) -> str:
    """A difference of costs: "+1.42"; a dash where there is none."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


@register.inclusion_tag("review/_probability.html")
def probability(value: float | None) -> dict[str, Any]:
    """The number, and a bar that is 40 wide at 1."""
    return {"value": value, "width": None if value is None else f"{40 * min(max(value, 0), 1):.1f}"}
