"""Addresses of acquisitions, watches and lists."""

from django.urls import path

from poreweb.acquire import noaa_urls, views, watch_pages

app_name = "acquire"
urlpatterns = [
    path("acquire/", views.acquisitions, name="acquisitions"),
    path("acquire/new/", views.new, name="new"),
    path("acquire/<int:pk>/", views.acquisition_page, name="acquisition"),
    path("acquire/<int:pk>/order/", views.order, name="order"),
    path("acquire/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("acquire/<int:pk>/retry/", views.retry, name="retry"),
    path("acquire/<int:pk>/forget/", views.forget, name="forget-preview"),
    path("acquire/<int:pk>/go-on/", views.go_on, name="go-on"),
    path("acquire/email/<int:team_id>/", views.email, name="email"),
    path("acquire/schedule/", watch_pages.schedule, name="schedule"),
    path("acquire/schedule/harp/", watch_pages.watch_harp, name="watch-harp"),
    path("acquire/schedule/folder/", watch_pages.watch_folder, name="watch-folder"),
    path("acquire/schedule/<int:pk>/pause/", watch_pages.pause, name="pause"),
    path("acquire/schedule/<int:pk>/resume/", watch_pages.resume, name="resume"),
    path("acquire/schedule/<int:pk>/forget/", watch_pages.forget, name="forget"),
    *noaa_urls.urlpatterns,
]
