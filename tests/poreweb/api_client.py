"""Clients of the API for tests, and what its refusals say."""

from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from tests.poreweb.sequencing import fits_bytes


def client_of(name: str) -> APIClient:
    """A client of that member's own, or of nobody."""
    client = APIClient()
    if name != "nobody":
        client.force_login(User.objects.get(username=name))
    return client


def with_token(text: str) -> APIClient:
    """A script's, which sends a token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {text}")
    return client


def refused(response: Any, status: int) -> str:
    """The sentence of a refusal."""
    assert response.status_code == status, response.text
    detail: str = response.json()["detail"]
    return detail


def cube(data: np.ndarray, name: str = "cube.fits", **cards: object) -> SimpleUploadedFile:
    """A FITS file to send, with those cards."""
    return SimpleUploadedFile(name, fits_bytes(data, **cards))


def sent(client: Any, url: str, **given: Any) -> Any:
    """The answer to a form with files, as curl sends it; a value of None leaves its field out."""
    return client.post(url, {name: value for name, value in given.items() if value is not None}, format="multipart")
