"""Features of a series of frames to links: candidates, their probability, one optimum over the whole series."""

from processing.track.extend import extend_links, window_start
from processing.track.link import link_series
from processing.track.series import DetectedFrame, Link, Linked, series_breaks

__all__ = ["DetectedFrame", "Link", "Linked", "extend_links", "link_series", "series_breaks", "window_start"]
