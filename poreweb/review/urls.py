"""Addresses of events and verdicts."""

from django.urls import path

from poreweb.review import carry_pages, desk_pages, queue_pages, track_pages

app_name = "review"
urlpatterns = [
    path("queue/", queue_pages.queue, name="queue"),
    path("runs/<int:run_id>/events/", queue_pages.events, name="events"),
    path("runs/<int:run_id>/events/judge/", queue_pages.judge_all, name="judge-all"),
    path("runs/<int:pk>/carry/", carry_pages.carry_page, name="carry"),
    path("runs/<int:run_id>/undo/", desk_pages.undo, name="undo"),
    path("runs/<int:run_id>/redo/", desk_pages.redo, name="redo"),
    path("runs/<int:run_id>/tracks/<int:number>/", track_pages.track_page, name="track"),
    path("runs/<int:run_id>/tracks/<int:number>/judge/", track_pages.judge_track, name="judge-track"),
    path("events/<int:pk>/", desk_pages.event_page, name="event"),
    path("events/<int:pk>/verdict/", desk_pages.give_verdict, name="give-verdict"),
    path("events/<int:pk>/settle/", desk_pages.settle, name="settle"),
    path("events/<int:pk>/live/", desk_pages.live, name="live"),
    path("events/<int:pk>/strip.png", queue_pages.strip_image, name="strip"),
]
