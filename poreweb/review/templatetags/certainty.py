"""How sure something is, as a number and a bar."""

from typing import Any

from django import template

register = template.Library()

# Beyond this a second digit says nothing: 0.96 and 0.99 are four times apart.
FINE = 0.9


@register.filter
def digits(probability: float | None) -> str:
    """Two digits, three where it comes near 0 or 1, and never 0 or 1 itself; "not known" for None."""
    if probability is None:
        return "not known"
    if probability < 0.0005:
        return "< 0.001"
    if probability >= 0.9995:
        return "> 0.999"
    return f"{probability:.3f}" if probability > FINE or probability < 1 - FINE else f"{probability:.2f}"


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
