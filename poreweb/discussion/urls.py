"""Addresses of comments."""

from django.urls import path

from poreweb.discussion import views

app_name = "discussion"
urlpatterns = [
    path("patches/<int:pk>/threads/", views.threads, name="threads"),
    path("patches/<int:pk>/comments/", views.say, name="say"),
    path("comments/<int:pk>/reply/", views.reply, name="reply"),
    path("comments/<int:pk>/resolve/", views.resolve, name="resolve"),
    path("comments/<int:pk>/edit/", views.edit, name="edit"),
    path("mentions/", views.inbox, name="inbox"),
    path("mentions/count/", views.counts, name="counts"),
]
