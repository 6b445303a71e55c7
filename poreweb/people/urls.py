"""Addresses of signing in and out, of what users set for themselves, and of teams."""

from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.urls import include, path

from poreweb.people import account_views, views
from poreweb.people.forms import SignInForm

app_name = "people"
sign_in = auth.LoginView.as_view(
    authentication_form=SignInForm,
    template_name="people/login.html",
    extra_context={"has_users": User.objects.exists},  # asked when the page is drawn
)
accounts = [
    path("login/", login_not_required(sign_in), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(template_name="people/password.html", success_url="/"),
        name="password",
    ),
    path("keys/", account_views.keys, name="keys"),
    path("tokens/", account_views.tokens, name="tokens"),
    path("tokens/<str:digest>/revoke/", account_views.revoke_token, name="revoke-token"),
]
teams = [
    path("teams/", views.teams, name="teams"),
    path("teams/<int:pk>/", views.team, name="team"),
    path("teams/<int:pk>/history/", views.history, name="history"),
    path("teams/<int:pk>/rules/", views.set_rules, name="set-rules"),
    path("teams/<int:pk>/invite/", views.invite, name="invite"),
    path("members/<int:pk>/role/", views.set_role, name="set-role"),
    path("members/<int:pk>/remove/", views.remove_member, name="remove-member"),
    path("invitations/<int:pk>/revoke/", views.revoke, name="revoke"),
    path("invitations/<str:secret>/", views.invitation, name="invitation"),
]
urlpatterns = [path("accounts/", include(accounts)), *teams]
