"""Addresses of downloads."""

from django.urls import path

from poreweb.exports import views

app_name = "exports"
urlpatterns = [
    path("exports/<int:pk>/download/", views.download, name="download"),
    path("runs/<int:run_id>/exports/", views.request_export, name="request"),
]
