"""What all addresses of the API share."""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest
from rest_framework.exceptions import NotAuthenticated, ParseError, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from poreweb.api.paging import Pages
from poreweb.api.wire import MOST_KEY, FormParser, unfit


class ApiRequest(Request):
    """A request of somebody who is signed in; the permission classes see to that."""

    user: User


class Address(APIView):
    """One address: a method for each HTTP method, told of by `schema.operation`."""

    request: ApiRequest
    pagination_class = Pages

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what no column can hold."""
        super().initial(request, *args, **kwargs)
        if any(isinstance(key, int) and key > MOST_KEY for key in kwargs.values()):
            raise Http404("there is nothing with such a number")
        if words := unfit({name: request.query_params.getlist(name) for name in request.query_params}):
            raise ParseError(words)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        """Say how to sign in."""
        if not request.successful_authenticator:
            raise NotAuthenticated("Sign in: send a token in the header Authorization: Token …")
        raise PermissionDenied(message)

    def asked(self, shape: type[Any]) -> dict[str, Any]:
        """What the address asks for."""
        return self._valid(shape(data=self.request.query_params))

    def told(self, shape: type[Any]) -> dict[str, Any]:
        """What was sent."""
        return self._valid(shape(data=self.request.data))

    def told_with_files(self, shape: type[Any]) -> dict[str, Any]:
        """What was sent by a form: lists of files, and all else once."""
        data = {name: values[-1] for name, values in self.request.POST.lists()}
        return self._valid(shape(data={**data, **dict(self.request.FILES.lists())}))

    @staticmethod
    def _valid(serializer: Any) -> dict[str, Any]:
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def page(
        self, rows: Any, shape: type[Any], *, make: Callable[[list[Any]], Iterable[Any]] = list, **context: Any
    ) -> Response:
        """A page of rows; ``make`` may add to those of the page what their shape needs."""
        paginator = self.pagination_class()
        listed: list[Any] | None = paginator.paginate_queryset(rows, self.request, view=self)
        return paginator.get_paginated_response(shape(list(make(listed or [])), many=True).data)

    def as_page(self, view: Callable[..., Any], *keys: Any) -> Any:
        """What a view of the pages answers to whoever asks here: for files, which are the same for all."""
        request: HttpRequest = self.request._request
        request.user = self.request.user
        return view(request, *keys)


class FilesAddress(Address):
    """One to which files are sent."""

    parser_classes = (FormParser,)
