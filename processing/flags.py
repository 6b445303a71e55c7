"""Bits that travel with rows."""

from enum import IntFlag


class FeatureFlag(IntFlag):
    """What a user of a feature's numbers must know."""

    ON_EDGE = 1  # touches the patch's border or a pixel without data: area and flux are lower limits
    NO_FIELD = 2  # Br, Bt or Bp is missing, as a map or in a pixel: what needs it is NaN
    BAD_QUALITY = 4  # the frame's QUALITY word is not 0: HMI's pipeline had something to report
    NEAR_LIMB = 8  # mu below 0.5 or unknown: foreshortened to less than half, see `processing.measure`
