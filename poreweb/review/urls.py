"""Addresses of events."""

from django.urls import path

from poreweb.review import views

app_name = "review"
urlpatterns = [
    path("runs/<int:run_id>/events/", views.events, name="events"),
    path("events/<int:pk>/", views.event_page, name="event"),
    path("events/<int:pk>/verdict/", views.give_verdict, name="give-verdict"),
]
