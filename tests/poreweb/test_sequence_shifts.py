"""Frames of a sequence are shifted onto each other."""

import numpy as np

from processing.coalign import MIN_SIDE
from tests.poreweb import test_sequences
from tests.poreweb.sequencing import drifting, sun
from tests.poreweb.test_sequences import errors_in, file, maps_of

send, made = test_sequences.send, test_sequences.made


def test_frames_are_shifted_onto_each_other(made, as_alice, queues):
    frames, drift = drifting(5)
    sequence = made(file("cube.fits", frames), coalign="on")
    found = np.array([shift[:2] for shift in sequence.shifts])
    np.testing.assert_allclose(found, -drift, atol=0.1)
    maps = maps_of(sequence)
    inner = (slice(12, -12), slice(12, -12))
    assert np.std(maps[4][inner] / maps[0][inner]) < 0.3 * np.std(frames[4][inner] / frames[0][inner])
    cards = sequence.patch.frames.last().cards
    assert (cards["SHIFTROW"], cards["SHIFTCOL"]) == tuple(sequence.shifts[4][:2])
    page = as_alice.get(sequence.get_absolute_url()).text
    assert "Frames were moved onto the first by up to" in page
    assert 'data-figure="shift-figure"' in page
    # in the page once it is done, and whole, since a script draws it
    assert as_alice.get(sequence.get_absolute_url(), headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_maps_on_the_sun_are_shifted_by_sampling_them_elsewhere(made):
    """The frames of a telescope whose pointing drifts, which its header does not know of."""
    frames, drift = drifting(4, side=130)
    sequence = made(
        file("cube.fits", frames), coordinates="pointing", tx_arcsec="-200", ty_arcsec="250", rotation_deg="",
        cadence_s="60", coalign="on",
    )  # fmt: skip
    spots, places = [], []
    for frame, found in zip(sequence.patch.frames.order_by("t_rec_s"), maps_of(sequence), strict=True):
        row, col = (float(axis.mean()) for axis in np.nonzero(found < 0.5 * np.nanmedian(found)))
        spots.append((row, col))
        places.append(frame.geometry.lon_lat(row, col))
    np.testing.assert_allclose(spots, np.broadcast_to(spots[0], (4, 2)), atol=0.3)
    np.testing.assert_allclose(places, np.broadcast_to(places[0], (4, 2)), atol=0.01)
    assert np.hypot(*sequence.shifts[3][:2]) > 0.7 * np.hypot(*drift[3])


def test_too_many_to_be_compared(send, monkeypatch):
    monkeypatch.setattr("poreweb.sequences.files.MOST_COALIGNED", 10 * 64 * 64)
    said = errors_in(send(file("a.fits", sun(11)), coalign="on").text)
    assert "Of 64 by 64 pixels at most 10 frames" in said["coalign"]


def test_too_small_to_be_compared(send):
    assert f"{MIN_SIDE} × {MIN_SIDE}" in errors_in(send(file("a.fits", sun(2, side=40)), coalign="on").text)["coalign"]
