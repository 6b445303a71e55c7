"""Addresses of agreement, gold events and assignments."""

from django.urls import path

from poreweb.consensus import views

app_name = "consensus"
urlpatterns = [
    path("teams/<int:pk>/agreement/", views.agreement, name="agreement"),
    path("teams/<int:pk>/gold/", views.gold, name="gold"),
    path("events/<int:pk>/gold/", views.set_gold, name="set-gold"),
    path("events/<int:pk>/gold/remove/", views.remove_gold, name="remove-gold"),
    path("runs/<int:pk>/gold/", views.gold_from_truth, name="gold-from-truth"),
    path("runs/<int:pk>/assignments/", views.assignments, name="assignments"),
    path("runs/<int:pk>/assign/", views.assign, name="assign"),
    path("runs/<int:pk>/unassign/", views.unassign, name="unassign"),
]
