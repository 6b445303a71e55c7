"""Small pictures of frames."""

import io

import numpy as np
from PIL import Image

from poreweb import storage
from poreweb.observations.archive import read_frame
from poreweb.observations.models import Frame
from processing.reduce import flatten

LIMITS = (0.2, 1.2)
WIDTH = 320


def thumbnail_png(frame: Frame) -> bytes:
    """
    The frame's contrast in grey, north up, as PNG bytes; kept once made.

    Raises
    ------
    FrameError
        If there is no continuum, or its geometry is not known.
    """
    continuum = frame.raw_files.filter(segment="continuum", conflict=False).first()
    key = f"thumbnails/{continuum.sha256}.png" if continuum else ""
    if key and storage.exists(key):
        return storage.read_bytes(key)
    patch_frame = read_frame(frame, ("continuum",))
    contrast = flatten(patch_frame.need("continuum"), patch_frame.geometry).contrast
    low, high = LIMITS
    grey = np.clip((np.nan_to_num(contrast, nan=low) - low) / (high - low), 0, 1) * 255
    image = Image.fromarray(grey[::-1].astype(np.uint8), "L")
    image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    storage.write_bytes(key, out.getvalue())
    return out.getvalue()
