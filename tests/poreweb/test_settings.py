"""The environment is read strictly, and what is shipped is safe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site
from django.core.exceptions import ImproperlyConfigured

from poreweb.environment import env_bool, env_int, env_list, secret_key

PRODUCTION = {
    "SECRET_KEY": "k7-" * 20 + "abcdefgh0123456789",
    "HTTPS": "True",
    "ALLOWED_HOSTS": "pores.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://pores.example.org",
}


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VAR_DIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=site.BASE_DIR, env=kept | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("True", True), ("False", False)])
def test_env_bool_reads(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    assert env_bool("X", "False") is value


@pytest.mark.parametrize("text", ["true", "1", "yes", "", " True"])
def test_env_bool_refuses(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match=f"X must be True or False, not {text!r}"):
        env_bool("X", "False")


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("500", 500)])
def test_env_int_reads(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    assert env_int("X", 8, low=1, high=500) == value


@pytest.mark.parametrize("text", ["0", "501", "-1", "8.0", "", "eight", "٣", " 8"])
def test_env_int_refuses(monkeypatch, text):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="X must be a whole number from 1 to 500"):
        env_int("X", 8, low=1, high=500)


def test_defaults_hold_when_nothing_is_set(monkeypatch):
    monkeypatch.delenv("X", raising=False)
    assert (env_bool("X", "True"), env_int("X", 8, low=1, high=9), env_list("X", "a, b,")) == (True, 8, ["a", "b"])


def test_a_secret_key_is_made_once_for_the_owner_alone(monkeypatch, tmp_path):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    key = secret_key(tmp_path / "var")
    assert len(key) >= 50
    assert secret_key(tmp_path / "var") == key
    assert (tmp_path / "var/secret_key").stat().st_mode & 0o777 == 0o600
    assert secret_key(tmp_path / "other") != key


def test_processes_that_start_together_share_one_key(tmp_path):
    """And an empty file, which a machine that went down may leave, is no key."""
    (tmp_path / "secret_key").touch()
    script = (
        "import pathlib, sys; from poreweb.environment import secret_key; print(secret_key(pathlib.Path(sys.argv[1])))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    keys = {process.communicate(timeout=60)[0].strip() for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) == 80


def test_a_given_secret_key_leaves_no_file(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "given")
    assert secret_key(tmp_path) == "given"
    assert not list(tmp_path.iterdir())


def test_the_check_for_deployment_is_clean():
    done = run_python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_a_typing_slip_stops_the_start():
    done = run_python("manage.py", "check", **PRODUCTION | {"HTTPS": "yes"})
    assert done.returncode != 0
    assert "HTTPS must be True or False, not 'yes'" in done.stderr


@pytest.mark.parametrize(("environment", "debug"), [({}, "False"), ({"DEBUG": "True"}, "True")])
def test_debug_is_off_unless_asked_for(environment, debug):
    asked = "import poreweb.settings as site; print(site.DEBUG)"
    assert run_python("-c", asked, **environment).stdout.strip() == debug


def test_pages_carry_a_strict_policy(run, event, as_alice):
    pages = ["/", "/uploads/new/", run.patch.get_absolute_url(), f"{run.patch.get_absolute_url()}viewer/",
             run.get_absolute_url(), event.get_absolute_url(), "/nothing/"]  # fmt: skip
    for page in pages:
        response = as_alice.get(page)
        policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in response["Content-Security-Policy"]
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        # nothing that the policy would block
        assert "<style" not in response.text
        assert " style=" not in response.text
        assert " onclick=" not in response.text
        scripts = response.text.split("<script")[1:]
        assert all(" src=" in tag.partition(">")[0] or "application/json" in tag.partition(">")[0] for tag in scripts)


def test_every_static_file_of_the_pages_is_there(run, event, as_alice):
    root = Path(site.BASE_DIR)
    for page in (run.patch.get_absolute_url(), f"{run.patch.get_absolute_url()}viewer/", event.get_absolute_url()):
        for part in as_alice.get(page).text.split('"/static/')[1:]:
            assert (root / "static" / part.partition('"')[0]).is_file()
