"""Addresses of the NOAA list and of hand-made lists."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
