"""Addresses of runs."""

from django.urls import path

from poreweb.tracks import views

app_name = "tracks"
urlpatterns = [
    path("patches/<int:patch_id>/runs/", views.start, name="start"),
    path("runs/<int:pk>/", views.run_page, name="run"),
    path("runs/<int:pk>/tracks/", views.tracks_page, name="tracks"),
    path("runs/<int:pk>/accuracy/", views.accuracy_page, name="accuracy"),
    path("runs/<int:pk>/extend/", views.extend, name="extend"),
    path("runs/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("runs/<int:pk>/retry/", views.retry, name="retry"),
]
