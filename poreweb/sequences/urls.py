"""Addresses of sequences."""

from django.urls import path

from poreweb.sequences import views

app_name = "sequences"
urlpatterns = [
    path("sequences/", views.sequences, name="list"),
    path("sequences/new/", views.new, name="new"),
    path("sequences/<int:pk>/", views.sequence_page, name="sequence"),
    path("sequences/<int:pk>/correct/", views.correct, name="correct"),
    path("sequences/<int:pk>/add/", views.add, name="add"),
    path("sequences/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("sequences/<int:pk>/retry/", views.retry, name="retry"),
    path("sequences/<int:pk>/pictures/<slug:key>.png", views.picture, name="picture"),
    path("sequences/<int:pk>/pictures/<slug:key>.fits", views.picture_fits, name="picture-fits"),
]
