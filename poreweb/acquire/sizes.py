"""About how large the files of a record are, before any of them is asked for."""

from collections.abc import Sequence

BYTES_PER_PIXEL = {"continuum": 1.6, "bitmap": 2.1}
"""Of a file with full header; measured on HARP 377, 2875 and 7115, and a tenth more. The field's segments have 2.1."""
FIELD_BYTES_PER_PIXEL = 2.1
OVERHEAD_BYTES = 25_000  # two headers of some 190 cards


def estimated_bytes(shape: tuple[int, int] | None, segments: Sequence[str]) -> int:
    """About what a record's files have; a shape that is not known counts as 400 by 700."""
    ny, nx = shape or (400, 700)
    return sum(round(ny * nx * BYTES_PER_PIXEL.get(name, FIELD_BYTES_PER_PIXEL)) + OVERHEAD_BYTES for name in segments)
