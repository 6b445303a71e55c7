"""Addresses of patches, frames and uploads."""

from django.urls import path

from poreweb.observations import views

app_name = "observations"
urlpatterns = [
    path("", views.home, name="home"),
    path("patches/<int:pk>/", views.patch_page, name="patch"),
    path("patches/<int:pk>/viewer/", views.viewer, name="viewer"),
    path("patches/<int:pk>/frames/<int:frame_id>/features.json", views.features, name="features"),
    path("patches/<int:pk>/frames/<int:frame_id>/thumbnail.png", views.thumbnail, name="thumbnail"),
    path("patches/<int:pk>/frames/<int:frame_id>/<slug:key>.bin", views.layer, name="layer"),
    path("uploads/new/", views.upload, name="upload"),
    path("uploads/<int:pk>/", views.ingest_page, name="ingest"),
]
