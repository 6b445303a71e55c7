"""Who is asking: a token in the Authorization header, or the session of the pages."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox import auth
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class TokenAuthentication(auth.TokenAuthentication):
    """``Authorization: Token …``, as made on the page of tokens."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        """Refuse what no token can be, before it is looked up."""
        header = get_authorization_header(request)
        if not header.isascii() or b"\x00" in header:
            raise AuthenticationFailed("The token has characters that no token has.")
        found: tuple[User, Any] | None = super().authenticate(request)
        return found


class TokenScheme(KnoxTokenScheme):
    """The same for the schema."""

    target_class = "poreweb.api.auth.TokenAuthentication"
    name = "token"
