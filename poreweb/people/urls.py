"""Addresses of signing in and out."""

from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.urls import path

app_name = "people"
urlpatterns = [
    path("login/", login_not_required(views.LoginView.as_view(template_name="people/login.html")), name="login"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        views.PasswordChangeView.as_view(template_name="people/password.html", success_url="/"),
        name="password",
    ),
]
