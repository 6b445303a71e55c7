"""Settings: safe by default, all differences by environment variables (docs/deploy.md lists them)."""

import os
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from poreweb.environment import env_bool, env_int, env_list, secret_key
from poreweb.work.redis_address import default_redis_url

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.getenv("VAR_DIR", str(BASE_DIR / "var"))).resolve()

DEBUG = env_bool("DEBUG", "False")
SECRET_KEY = secret_key(VAR_DIR)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", "")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "django_rq",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "poreweb.work",
    "poreweb.people",
    "poreweb.observations",
    "poreweb.acquire",
    "poreweb.sequences",
    "poreweb.context",
    "poreweb.tracks",
    "poreweb.review",
    "poreweb.consensus",
    "poreweb.exports",
    "poreweb.releases",
    "poreweb.discussion",
    "poreweb.api",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "poreweb.urls"
WSGI_APPLICATION = "poreweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# -- Rows ------------------------------------------------------------------------------------------
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{VAR_DIR / 'poreweb.sqlite3'}", conn_max_age=60)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for a writer (WAL); a writer takes its lock at BEGIN, so that two workers
    # queue up for 30 s instead of failing at COMMIT.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Bytes: a folder on this machine, or any address that fsspec knows -------------------------------
STORAGE_URL = os.getenv("STORAGE_URL", f"file://{VAR_DIR / 'storage'}")

# -- Queues by cost: a page's small chores never wait behind an hour of reduction --------------------
REDIS_URL = os.getenv("REDIS_URL") or default_redis_url(VAR_DIR)
EMBEDDED_REDIS = not os.getenv("REDIS_URL")
RQ_QUEUES = {
    "quick": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 120},
    "science": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 2 * 3600},
    # waits for other people's servers, and takes turns of a minute
    "network": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 1800},
}
RQ = {"WORKER_CLASS": "poreweb.work.worker.PorewebWorker"}
# What several web processes count together: tries to sign in.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "poreweb",
    }
}
BATCH_FRAMES = env_int("BATCH_FRAMES", 24, low=1, high=500)
# At least so long from one building of a published lineage to the next, however fast people judge.
LINEAGE_PAUSE_S = env_int("LINEAGE_PAUSE_S", 3, low=0, high=3600)
# Threads of a worker's arithmetic. A machine that runs `serve` has two workers.
WORKER_THREADS = env_int("WORKER_THREADS", max(1, (os.cpu_count() or 2) // 2), low=1, high=256)
# File or https address of the published sharpening network's weights; without it that one is not offered.
PUBLISHED_WEIGHTS = os.getenv("PUBLISHED_WEIGHTS", "")

# -- Other people's servers: nothing is fetched but from these ---------------------------------------------
JSOC_URL = os.getenv("JSOC_URL", "http://jsoc.stanford.edu/").rstrip("/") + "/"
HEK_URL = os.getenv("HEK_URL", "https://www.lmsal.com/hek/her?")
EVENT_SEARCH = env_bool("EVENT_SEARCH", "True")  # ask HEK for the flares and so on of each patch
NOAA_LIST_URL = os.getenv("NOAA_LIST_URL", f"{JSOC_URL}doc/data/hmi/harpnum_to_noaa/all_harps_with_noaa_ars.txt")
# host or host:port beside those of the addresses above, for a JSOC that hands its files out elsewhere
FETCH_HOSTS = env_list("FETCH_HOSTS", "")
FETCH_TIMEOUT_S = env_int("FETCH_TIMEOUT_S", 60, low=1, high=3600)
# Registered at JSOC; a team may have its own
JSOC_EMAIL = os.getenv("JSOC_EMAIL", "")
JSOC_MAX_RECORDS = env_int("JSOC_MAX_RECORDS", 240, low=1, high=10_000)
JSOC_PENDING_LIMIT_S = env_int("JSOC_PENDING_LIMIT_S", 6 * 3600, low=1, high=30 * 86400)
# Seconds between two looks at an export; what goes wrong is tried again after so many, then twice that, and so on
JSOC_PACE_S = env_int("JSOC_PACE_S", 10, low=1, high=3600)

# -- Room on the disk ------------------------------------------------------------------------------------
MIN_FREE_MB = env_int("MIN_FREE_MB", 2000, low=0, high=10**9)  # never taken by what is fetched
TEAM_QUOTA_MB = env_int("TEAM_QUOTA_MB", 0, low=0, high=10**9)  # 0: as much as there is; a team may have its own
# Folders whose files may be watched, with all that is below them
WATCH_FOLDERS = env_list("WATCH_FOLDERS", "")

# -- People ----------------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "people:login"
LOGIN_REDIRECT_URL = "observations:home"
LOGOUT_REDIRECT_URL = "people:login"
REST_KNOX = {"TOKEN_PREFIX": "poreweb_"}  # so that one that lies about is known for what it is

# -- The API: JSON alone, for a token or the session of the pages --------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "poreweb.api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["poreweb.api.wire.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["poreweb.api.wire.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "poreweb.api.wire.JsonAlways",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "poreweb.api.schema.Operations",
    "EXCEPTION_HANDLER": "poreweb.api.problems.answer",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Poreweb",
    "DESCRIPTION": "Solar pores followed through SDO/HMI patches, and what people say of their mergers and splits.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["poreweb.api.schema.add_problems"],
}

# -- Uploads go to disk, never to memory, beyond 2.5 MB ---------------------------------------------
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_NUMBER_FILES = 10_000
MAX_UPLOAD_BYTES = env_int("MAX_UPLOAD_MB", 20_000, low=1, high=1_000_000) * 1_000_000

# -- Safety ----------------------------------------------------------------------------------------
HTTPS = env_bool("HTTPS", "False")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env_bool("BEHIND_PROXY", "False"):  # only then may a header say that the outer connection was HTTPS
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    # django-rq's and the admin's own pages carry inline scripts; they are for staff only
    "EXCLUDE_URL_PREFIXES": ["/staff/"],
    "DIRECTIVES": {
        "default-src": [SELF],
        # plotly fills one empty <style> through the object model; this is the hash of nothing
        "style-src": [SELF, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# -- Language and time: pages show UTC and TAI, never local time -------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# -- Static files: served by the web process itself, straight from the source tree --------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.getenv("LOG_LEVEL", "WARNING")},
}
