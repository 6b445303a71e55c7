"""Sequences of other instruments for tests: files with a known content, and rows."""

import io

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from scipy import ndimage
from sunpy.coordinates import HeliographicCarrington, Helioprojective, get_earth

from poreweb.people.models import Team
from poreweb.sequences import pictures
from poreweb.sequences.models import Sequence

SIDE = 64
SPOT = (30, 34)  # row, column


def sun(n_frames: int, *, side: int = SIDE, seed: int = 1, radius: float = 6.0) -> np.ndarray:
    """Frames of one granulation and one dark pore, in DN, shape (n, side, side), with noise that differs."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (side, side))
    spectrum = np.fft.rfft2(noise)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    granules = np.fft.irfft2(spectrum * np.exp(-((frequency / 0.12) ** 2)), s=(side, side))
    granules *= 0.05 / granules.std()
    row, col = np.mgrid[:side, :side]
    pore = 0.75 / (1 + np.exp((np.hypot(row - SPOT[0], col - SPOT[1]) - radius) / 0.7))
    contrast = (1 + granules) * (1 - pore)
    return 50_000 * (contrast[None] + rng.normal(0, 0.002, (n_frames, side, side)))


def fits_bytes(data: np.ndarray, **cards: object) -> bytes:
    """A FITS file of that array, with those cards (``DATE_OBS`` for DATE-OBS)."""
    hdu = fits.PrimaryHDU(np.asarray(data))
    for name, value in cards.items():
        hdu.header[name.replace("_", "-")] = value
    whole = io.BytesIO()
    hdu.writeto(whole)
    return whole.getvalue()


def make_sequence(team: Team) -> Sequence:
    """One that failed, with a calibration image."""
    sequence = Sequence.objects.create(
        team=team, name="La Palma", coordinates="scale", pixel_scale=0.504, state=Sequence.State.FAILED, error="It did."
    )
    image = np.arange(12.0).reshape(3, 4)
    sequence.pictures = [
        pictures.keep(sequence, "dark1-mean", image, group="Darks", name="mean", unit="DN", n_frames=3)
    ]
    sequence.save()
    return sequence


def drifting(n_frames: int, *, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Frames of one scene that drifts over the detector, and by how much, (n, 2): rows, columns."""
    wide = sun(1, side=side)[0]
    drift = np.array([(0.7, -1.3)]) * np.arange(n_frames)[:, None]
    moved = [ndimage.shift(wide, by, order=3, mode="nearest")[16:-16, 16:-16] for by in drift]
    return np.stack(moved), drift


def helioprojective(n_frames: int) -> tuple[list[bytes], list[tuple[float, float, float]]]:
    """
    A file a frame, an hour apart, of a telescope that stands still while a pore goes by under it.

    And the pore's Carrington longitude and latitude, and its mu in each frame, by sunpy.
    """
    files, places = [], []
    lon, lat = None, None
    scale, tx, ty = 1.0, 150.0, -120.0
    row, col = np.mgrid[:SIDE, :SIDE]
    for k in range(n_frames):
        time = Time("2013-06-01T00:00:00") + k * u.hour
        observer = get_earth(time)
        seen = Helioprojective(observer=observer, obstime=time, rsun=696 * u.Mm)
        carrington = HeliographicCarrington(observer=observer, obstime=time, rsun=696 * u.Mm)
        if lon is None:
            at = SkyCoord((tx - 5) * u.arcsec, (ty + 8) * u.arcsec, frame=seen).transform_to(carrington)
            lon, lat = at.lon, at.lat
        at = SkyCoord(lon, lat, 696 * u.Mm, frame=carrington)
        there = at.transform_to(seen)
        # of a small field: what the gnomonic projection adds is 1e-4 pixels
        x, y = ((there.Tx.to_value(u.arcsec) - tx) / scale, (there.Ty.to_value(u.arcsec) - ty) / scale)
        middle = (SIDE - 1) / 2
        pore = 0.75 / (1 + np.exp((np.hypot(row - middle - y, col - middle - x) - 6) / 0.7))
        cards = {
            "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": scale,
            "CDELT2": scale, "CRPIX1": middle + 1, "CRPIX2": middle + 1, "CRVAL1": tx, "CRVAL2": ty,
            "DATE_OBS": time.isot,
        }  # fmt: skip
        files.append(fits_bytes((50_000 * (1 - pore)).astype(np.float32), **cards))
        outward = at.cartesian.xyz.value
        towards = observer.transform_to(carrington).cartesian.xyz.to_value(u.Mm) - outward
        mu = float(outward @ towards / np.linalg.norm(outward) / np.linalg.norm(towards))
        places.append((float(lon.to_value(u.deg)) % 360, float(lat.to_value(u.deg)), mu))
    return files, places
