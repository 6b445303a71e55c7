"""Bits that travel with rows."""

from enum import IntFlag


class FeatureFlag(IntFlag):
    """What a user of a feature's numbers must know."""

    ON_EDGE = 1  # touches the patch's border or a pixel without data: area and flux are lower limits
    NO_FIELD = 2  # Br, Bt or Bp is missing, as a map or in a pixel: what needs it is NaN
