"""A value of a dictionary by a key that is a variable."""

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def lookup(mapping: Mapping[Any, Any], key: Any) -> Any:
    """``mapping[key]``, or an empty string."""
    return mapping.get(key, "")
