"""Darks and flats of a sequence of another instrument: taken off, shown, and refused where they do not fit."""

import io
import re

import numpy as np
import pytest
from astropy.io import fits
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from poreweb.sequences.models import Sequence
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import sun
from tests.poreweb.test_sequences import errors_in, file, maps_of

send, made = test_sequences.send, test_sequences.made


@pytest.fixture
def camera():
    """Images of the Sun as a detector sees it, its darks and flats, and what is bad in it."""
    rng = np.random.default_rng(3)
    scene = sun(3, side=96) / 5
    row, col = np.mgrid[:96, :96]
    response = 1 - 0.3 * np.hypot(row - 48, col - 48) / 68 + rng.normal(0, 0.01, (96, 96))
    response[20, 30] = 0.01  # dead
    dark = 300 + 20 * np.sin(col / 9)
    dark[70, 12] = 6000  # hot
    noise = lambda *shape: rng.normal(0, 3, shape)  # noqa: E731
    return {
        "scene": scene,
        "images": scene * response + dark + noise(3, 96, 96),
        "darks": dark + noise(10, 96, 96),
        "flats": 9000 * response + dark + noise(8, 96, 96),
    }


def test_darks_and_flats_are_taken_off_and_shown(made, camera, as_alice):
    sequence = made(
        file("images.fits", camera["images"], EXPTIME=0.05), darks=[file("darks.fits", camera["darks"], EXPTIME=0.05)],
        flats=[file("flats.fits", camera["flats"], EXPTIME=0.05)],
    )  # fmt: skip
    for found, scene in zip(maps_of(sequence), camera["scene"], strict=True):
        assert np.isnan(found[20, 30])
        assert np.isnan(found[70, 12])
        ratio = found / scene
        assert np.nanstd(ratio) < 0.005  # vignetting was 30 %
        assert np.isnan(found).sum() < 5
    cards = sequence.patch.frames.first().cards
    assert (cards["NDARKS"], cards["NFLATS"]) == (10, 8)
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "The dark is from 10 frames of 0.05 s" in page
    for words in ("Darks of 0.05 s, 10 frames", "Flats of 0.05 s, 8 frames", "Standard error", "Normalised flat"):
        assert words in page

    addresses = re.findall(r'src="(/sequences/\d+/pictures/[\w-]+\.png)" width="(\d+)" height="(\d+)"', page)
    assert len(addresses) == 5 + 5 + 2
    for address, width, height in addresses:
        png = as_alice.get(address)
        assert png["Content-Type"] == "image/png"
        assert Image.open(io.BytesIO(png.content)).size == (int(width), int(height)) == (192, 192)  # twice
    mean = as_alice.get(addresses[0][0].replace(".png", ".fits"))
    with fits.open(io.BytesIO(mean.content)) as hdus:
        np.testing.assert_allclose(hdus[0].data, camera["darks"].mean(axis=0), rtol=1e-6)
        assert (hdus[0].header["BUNIT"], hdus[0].header["NCOMBINE"]) == ("DN", 10)
    full = as_alice.get(f"{addresses[0][0]}?full")
    picture = np.asarray(Image.open(io.BytesIO(full.content)))
    assert picture.shape == (96, 96, 2)
    assert picture[95 - 70, 12, 0] == 255  # the hot pixel, the first row at the bottom
    assert as_alice.get(addresses[0][0].replace("dark1-mean", "nothing")).status_code == 404


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("darks", {"darks": ("EXPTIME", 0.1)}, "images.fits has an exposure time of 0.05 s, and no dark has that"),
        ("darks", {"darks": ("EXPTIME", None)}, "the darks have no exposure time in the header"),
        ("darks", {"darks": "crop"}, "darks.fits has 90 by 96 pixels, the images have 96 by 96"),
        ("flats", {"flats": "crop"}, "flats.fits has 90 by 96 pixels"),
        ("flats", {"flats": "two"}, "Flats need one exposure time, but"),
        ("darks", {"flats": ("EXPTIME", 0.2)}, "flats.fits has an exposure time of 0.2 s, and no dark has that"),
    ],
    ids=["another exposure", "no exposure", "darks of another shape", "flats of another shape", "two flats", "no dark"],
)  # fmt: skip
def test_darks_and_flats_that_do_not_fit(send, camera, field, change, words):
    def of(kind: str) -> list[SimpleUploadedFile]:
        how, data = change.get(kind), camera[kind]
        if how == "crop":
            return [file(f"{kind}.fits", data[:, :, :90], EXPTIME=0.05)]
        if how == "two":
            return [file(f"{kind}{k}.fits", data + k, EXPTIME=0.05 + k) for k in range(2)]
        exposure = 0.05 if how is None else how[1]
        return [file(f"{kind}.fits", data, **({} if exposure is None else {"EXPTIME": exposure}))]

    response = send(*of("images"), darks=of("darks"), flats=of("flats"))
    assert words in errors_in(response.text)[field]
    assert not Sequence.objects.exists()
