"""A track keeps one colour in the movie and in the browser."""

import re

from processing.palette import TRACK_COLOURS
from tests.real_data import REPOSITORY


def test_the_style_sheet_has_the_same_colours():
    tokens = (REPOSITORY / "static" / "css" / "tokens.css").read_text()
    colours = re.findall(r"--track-\d: #(..)(..)(..);", tokens)
    assert [tuple(int(part, 16) for part in colour) for colour in colours] == list(TRACK_COLOURS)
