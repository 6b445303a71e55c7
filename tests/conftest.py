"""Tests work in a folder and a database of their own, never in those of a running site."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from poreweb.work.redis_address import default_redis_url

VAR_DIR = Path(tempfile.mkdtemp(prefix="poreweb-tests-"))
os.environ["VAR_DIR"] = str(VAR_DIR)  # of child processes; pytest-django has loaded our own settings by now
os.environ["EVENT_SEARCH"] = "False"
settings.VAR_DIR = VAR_DIR
settings.EVENT_SEARCH = False  # nobody asks HEK unless a test brings its own
settings.LINEAGE_PAUSE_S = 0  # built as soon as a test asks for it
settings.STORAGE_URL = f"file://{VAR_DIR / 'storage'}"
settings.REDIS_URL = default_redis_url(VAR_DIR)
for queue in settings.RQ_QUEUES.values():  # in place: django-rq holds the same dictionaries
    queue["URL"] = settings.REDIS_URL
settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
settings.WHITENOISE_AUTOREFRESH = True  # or each test client looks at every static file before its first request


def pytest_collection_finish() -> None:
    """Half a million objects of imported modules stay to the end: looking through them again and again took a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 20)


def pytest_unconfigure() -> None:
    shutil.rmtree(VAR_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A file, so that threads and forked workers see the rows too."""
    database = connections["default"].settings_dict
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(VAR_DIR / "test.sqlite3")
