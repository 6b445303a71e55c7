"""Addresses of what else is known of a patch."""

from django.urls import path

from poreweb.context import views

app_name = "context"
urlpatterns = [
    path("patches/<int:pk>/locator.json", views.locator, name="locator"),
    path("patches/<int:pk>/keywords/", views.keywords, name="keywords"),
    path("patches/<int:pk>/solar-events/", views.solar_events, name="solar-events"),
    path("patches/<int:pk>/solar-events/search/", views.search, name="search"),
]
