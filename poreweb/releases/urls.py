"""Addresses of published lineages and releases. Those of a release never change."""

from django.urls import path

from poreweb.releases import lineage_pages, release_pages

app_name = "releases"
urlpatterns = [
    path("runs/<int:pk>/lineage/", lineage_pages.lineage, name="lineage"),
    path("runs/<int:pk>/lineage.json", lineage_pages.chart, name="lineage-json"),
    path("runs/<int:pk>/lineage/again/", lineage_pages.build_again, name="build-again"),
    path("runs/<int:pk>/releases/", release_pages.freeze, name="freeze"),
    path("patches/<int:pk>/releases/", release_pages.releases, name="list"),
    path("patches/<int:pk>/releases/<int:number>/", release_pages.release, name="release"),
    path("patches/<int:pk>/releases/<int:number>/again/", release_pages.make_again, name="make-again"),
    path("patches/<int:pk>/releases/<int:number>/<str:name>", release_pages.release_file, name="file"),
]
