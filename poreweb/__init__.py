"""The website. Knows people, permissions, state and time; the science is in `processing`."""

__version__ = "0.1.0"
