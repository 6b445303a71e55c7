"""Addresses of the search by number, of JSOC's list, and of lists written by hand."""

from django.urls import URLPattern, path

from poreweb.acquire import list_pages, noaa_pages

urlpatterns: list[URLPattern] = [
    path("find/", noaa_pages.find, name="find"),
    path("find/noaa/", noaa_pages.noaa_list, name="noaa-list"),
    path("find/noaa/refresh/", noaa_pages.refresh, name="refresh-noaa-list"),
    path("find/noaa/schedule/", noaa_pages.schedule, name="schedule-noaa-list"),
    path("find/noaa/import/", noaa_pages.import_list, name="import-noaa-list"),
    path("find/list/", list_pages.region_list, name="region-list"),
    path("find/list/previews/", list_pages.preview_list, name="preview-list"),
]
