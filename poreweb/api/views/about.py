"""The API about itself: its schema, the page that lists what it can do, and what it says where it has nothing."""

from typing import Any, NoReturn

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import resolve
from django.views.decorators.http import require_GET
from rest_framework.response import Response

from poreweb.api.base import Address, ApiRequest
from poreweb.api.guide import chapters, shapes
from poreweb.api.schema import described, operation


class Schema(Address):
    """What a client can be made from."""

    @operation({"type": "object"})
    def get(self, request: ApiRequest) -> Response:
        """The description of this API: OpenAPI 3, as JSON."""
        return Response(described())


class Nothing(Address):
    """Whatever is no address of the API."""

    http_method_names = ()

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Say so, as JSON, whatever the method; where a slash is missing, say that."""
        if not request.path.endswith("/") and resolve(f"{request.path}/").url_name != "nothing":
            raise Http404(f"Addresses of the API end with a slash: {request.path}/")
        raise Http404("The API has no such address; /api/docs/ lists those that it has.")


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """All that the API can do, made from its own description."""
    host = request.build_absolute_uri("/").rstrip("/")
    return render(request, "api/docs.html", {"chapters": chapters(host), "shapes": shapes()})
