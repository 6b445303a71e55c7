"""Settings from the environment, read strictly: a typing slip stops the start and says so."""

import fcntl
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def env_bool(name: str, default: str) -> bool:
    """Read True or False, and nothing else, so that a typing slip is not read as True."""
    value = os.getenv(name, default)
    if value not in ("True", "False"):
        raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}")
    return value == "True"


def env_list(name: str, default: str) -> list[str]:
    """Read a comma-separated list."""
    return [item.strip() for item in os.getenv(name, default).split(",") if item.strip()]


def env_int(name: str, default: int, *, low: int, high: int) -> int:
    """Read a whole number within limits."""
    text = os.getenv(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def secret_key(var_dir: Path) -> str:
    """SECRET_KEY from the environment, or one made on the first run and kept for this machine's user alone."""
    if key := os.getenv("SECRET_KEY"):
        return key
    var_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(var_dir / "secret_key", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # processes that start together share the key of the first
        key = file.read().strip()
        if not key:
            key = secrets.token_urlsafe(60)
            file.write(key)
    return key
