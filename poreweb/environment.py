"""Settings from the environment, read strictly: a typing slip stops the start and says so."""

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
    file = var_dir / "secret_key"
    var_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as out:
        key = secrets.token_urlsafe(60)
        out.write(key)
    return key
