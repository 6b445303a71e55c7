"""
Marks that are drawn on the image, in solar coordinates.

A mark is ``{"shape": ..., "points": [[Carrington longitude, latitude], ...]}`` in degrees. A
point has one place; a rectangle two opposite corners, a circle its centre and a place on its
rim, an arrow its tail and its head. The places are fixed to the Sun; between them the shape is
drawn along the rows and columns of the map that shows it.
"""

import math
from typing import Any

from poreweb.discussion.problems import TalkError

N_POINTS = {"point": 1, "rectangle": 2, "circle": 2, "arrow": 2}
DIGITS = 5  # 0.00001 degrees are 120 m on the Sun, a 3000th of a pixel
# A patch seldom spans more; what does is a slip of the pen. Below the least the two places are one.
MOST_DEGREES = 90
LEAST_DEGREES = 0.001


def clean_mark(value: Any) -> dict[str, Any]:
    """
    The mark with longitudes from 0 to below 360, or TalkError.

    ``value`` is what came from outside: anything that JSON can hold.
    """
    if not isinstance(value, dict) or set(value) != {"shape", "points"}:
        raise TalkError("A mark has a shape and points, nothing else.")
    shape, points = value["shape"], value["points"]
    if not isinstance(shape, str) or shape not in N_POINTS:
        raise TalkError("A mark is a point, a rectangle, a circle or an arrow.")
    if not isinstance(points, list) or len(points) != N_POINTS[shape]:
        raise TalkError(f"A mark of shape {shape} has {N_POINTS[shape]} point{'s' * (N_POINTS[shape] > 1)}.")
    placed = [_clean_point(point) for point in points]
    if len(placed) > 1:
        _check_size(shape, placed)
    return {"shape": shape, "points": placed}


def _clean_point(point: Any) -> list[float]:
    if not isinstance(point, list) or len(point) != 2 or not all(_is_number(angle) for angle in point):
        raise TalkError("Each point of a mark is a Carrington longitude and a latitude, two numbers in degrees.")
    lon, lat = point
    if abs(lat) > 90:
        raise TalkError(f"The latitude of a mark lies from -90 to 90 degrees, not at {lat:g}.")
    if abs(lon) > 360:
        raise TalkError(f"The Carrington longitude of a mark lies from 0 to 360 degrees, not at {lon:g}.")
    # the second % 360 is for what is rounded up to it; + 0.0 makes 0 of -0
    return [round(lon % 360, DIGITS) % 360, round(lat, DIGITS) + 0.0]


def _is_number(angle: Any) -> bool:
    """Whether it is finite; True and False are no numbers here, and huge integers are no floats."""
    return isinstance(angle, int | float) and not isinstance(angle, bool) and abs(angle) < 1e6


def _check_size(shape: str, points: list[list[float]]) -> None:
    size = separation(*points)
    if size < LEAST_DEGREES:
        raise TalkError(f"The two points of the {shape} are one; draw it larger, or mark a point.")
    if size > MOST_DEGREES:
        raise TalkError(f"The two points of the {shape} are {size:.0f} degrees apart; {MOST_DEGREES} are the most.")


def separation(one: list[float], other: list[float]) -> float:
    """Angle between two places on the Sun, in degrees; exact for small ones too."""
    (lon1, lat1), (lon2, lat2) = ([math.radians(angle) for angle in point] for point in (one, other))
    across = math.sin((lat2 - lat1) / 2) ** 2
    along = math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1, math.sqrt(across + along))))


def mark_words(mark: dict[str, Any]) -> str:
    """Such as "circle at 253.720°, +10.890°": where its first point lies."""
    lon, lat = mark["points"][0]
    return f"{mark['shape']} at {lon:.3f}°, {lat:+.3f}°"
