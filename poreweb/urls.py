"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("poreweb.people.urls")),
    path("", include("poreweb.observations.urls")),
    path("", include("poreweb.acquire.urls")),
    path("", include("poreweb.sequences.urls")),
    path("", include("poreweb.context.urls")),
    path("", include("poreweb.tracks.urls")),
    path("", include("poreweb.review.urls")),
    path("", include("poreweb.consensus.urls")),
    path("", include("poreweb.exports.urls")),
    path("", include("poreweb.releases.urls")),
    path("", include("poreweb.discussion.urls")),
    path("api/", include("poreweb.api.urls")),
    path("staff/queues/", include("django_rq.urls")),
    path("staff/", admin.site.urls),
]
