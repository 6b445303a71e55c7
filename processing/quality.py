"""The QUALITY word of HMI's 720 s series in names and in words."""

from enum import IntFlag

from processing.errors import FrameError

_ALL_BITS = 2**32 - 1


class Quality(IntFlag):
    """
    The bits of QUALITY in `hmi.sharp_cea_720s`, under JSOC's names without their ``QUAL_``.

    A SHARP takes its QUALITY from the line-of-sight magnetogram of its T_REC [3]_, so the bits are those of the
    line-of-sight observables [1]_ [2]_. (QUAL_S, of the vector field's Stokes images, is another list.) The bits
    from ``MISSINGLEV1P`` up, ``NOCOEFFKEYWORD`` and ``NOCOEFFPRECORD`` say why an observable was not made, the
    others that it was made in conditions that are not the best.

    References
    ----------
    .. [1] http://jsoc.stanford.edu/doc/data/hmi/Quality_Bits/QUALITY.txt of 24 May 2013; jsocwiki/Lev1qualBits
    .. [2] JSOC's program HMI_observables.c, definitions of QUAL_*
    .. [3] JSOC's program sharp.c: QUALITY "copied from los records"
    """

    NODATA = 0x80000000
    TARGETFILTERGRAMMISSING = 0x40000000
    NOINTERPOLATEDKEYWORDS = 0x20000000
    NOFRAMELISTINFO = 0x10000000
    WRONGCADENCE = 0x08000000
    WRONGTARGET = 0x04000000
    MISSINGLEV1D = 0x02000000
    MISSINGKEYWORDLEV1D = 0x01000000
    WRONGWAVELENGTHNUM = 0x00800000
    MISSINGKEYWORDLEV1P = 0x00400000
    NOLOOKUPRECORD = 0x00200000
    NOLOOKUPKEYWORD = 0x00100000
    NOTENOUGHINTERPOLANTS = 0x00080000
    INTERPOLATIONFAILED = 0x00040000
    MISSINGLEV1P = 0x00020000
    LOWINTERPNUM = 0x00010000
    LOWKEYWORDNUM = 0x00008000
    ISSTARGET = 0x00004000
    NOTEMP = 0x00002000
    NOGAPFILL = 0x00001000
    LIMBFITISSUE = 0x00000800
    NOCOSMICRAY = 0x00000400
    NOCOEFFKEYWORD = 0x00000200
    ECLIPSE = 0x00000100
    NOCOEFFPRECORD = 0x00000080
    LARGEFTSID = 0x00000040
    POORQUALITY = 0x00000020


_WORDS = {
    Quality.NODATA: "no image was made",
    Quality.TARGETFILTERGRAMMISSING: "no filtergram near the nominal time",
    Quality.NOINTERPOLATEDKEYWORDS: "pointing could not be interpolated to the nominal time",
    Quality.NOFRAMELISTINFO: "observing sequence unknown or not for these data",
    Quality.WRONGCADENCE: "observing sequence of another cadence",
    Quality.WRONGTARGET: "target filtergram not of the observing sequence",
    Quality.MISSINGLEV1D: "too few filtergrams",
    Quality.MISSINGKEYWORDLEV1D: "keywords of filtergrams missing",
    Quality.WRONGWAVELENGTHNUM: "wrong number of wavelengths",
    Quality.MISSINGKEYWORDLEV1P: "keywords of polarization images missing",
    Quality.NOLOOKUPRECORD: "no look-up table for the line-of-sight field",
    Quality.NOLOOKUPKEYWORD: "look-up table for the line-of-sight field not readable",
    Quality.NOTENOUGHINTERPOLANTS: "too few filtergrams to interpolate in time",
    Quality.INTERPOLATIONFAILED: "interpolation in time failed",
    Quality.MISSINGLEV1P: "too few polarization images",
    Quality.LOWINTERPNUM: "fewer filtergrams than usual, or too far apart in time",
    Quality.LOWKEYWORDNUM: "pointing taken from the nearest filtergram",
    Quality.ISSTARGET: "image stabilization off in some filtergrams",
    Quality.NOTEMP: "temperatures unknown, polarization calibrated for the default one",
    Quality.NOGAPFILL: "missing pixels of filtergrams not properly filled",
    Quality.LIMBFITISSUE: "filtergrams of odd solar radius or centre left out",
    Quality.NOCOSMICRAY: "cosmic-ray lists of some filtergrams missing",
    Quality.NOCOEFFKEYWORD: "polynomial correction of the line-of-sight field not readable",
    Quality.ECLIPSE: "eclipse in some filtergrams",
    Quality.NOCOEFFPRECORD: "no polynomial correction for the line-of-sight field",
    Quality.LARGEFTSID: "noisier tuning sequence (HFTSACID above 4000)",
    Quality.POORQUALITY: "poor: eclipse, lunar transit, thermal recovery, stabilization off or other trouble",
}


def read_quality(word: int | str) -> Quality:
    """
    The bits of a QUALITY word as a header, a keyword table or a database has it.

    Parameters
    ----------
    word : int or str
        An unsigned or signed 32-bit number (in FITS it is signed, so that `Quality.NODATA` makes it negative),
        or its text, decimal or hexadecimal as in ``0x00000400``.

    Raises
    ------
    FrameError
        If it is no 32-bit number.
    """
    try:
        number = int(word, 0) if isinstance(word, str) else word
    except ValueError:
        raise FrameError(f"QUALITY is {word!r}, which is no number") from None
    if isinstance(number, bool) or not isinstance(number, int) or not -(2**31) <= number <= _ALL_BITS:
        raise FrameError(f"QUALITY is {word!r}, which is no number of 32 bits")
    return Quality(number & _ALL_BITS)


def describe(word: int | str) -> list[str]:
    """What each set bit of a QUALITY word says, highest first; "bit 3" where no meaning is known. Empty if good."""
    quality = read_quality(word)
    bits = [number for number in reversed(range(32)) if quality >> number & 1]
    return [_WORDS.get(Quality(1 << number), f"bit {number}") for number in bits]
