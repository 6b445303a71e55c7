"""Numbers in the units of a column."""

from django import template

register = template.Library()


@register.filter
def in_1e20(value: float | None) -> str:
    """A flux in Mx as a number of 1e20 Mx; why there is none, when there is none."""
    return "Br missing" if value is None else f"{value / 1e20:.2f}"
