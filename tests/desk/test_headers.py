"""What every page tells the browser: content security policy, framing, and under https HSTS and secure cookies."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_admin, make_agent

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
PAGES = ["/accounts/login/", "/inbox/", "/admin/", "/admin/instant-messaging/messenger/", "/nothing-here/"]
ANSWERS = """
import django, json, sys
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
client = Client()
page = client.get("/healthz", secure=True)
from django.conf import settings
settings.ALLOWED_HOSTS = [host for host in settings.ALLOWED_HOSTS if host != "testserver"]  # added for tests
names = ("desk.example", "localhost", "127.0.0.1", "evil.example")
hosts = {path: {name: client.get(path, secure=True, HTTP_HOST=name).status_code for name in names}
    for path in ("/healthz", "/nothing-here/")}
settings.ALLOWED_HOSTS.append("testserver")
print(json.dumps({"headers": dict(page.headers), "redirect": client.get("/nothing-here/").status_code,
    "session": settings.SESSION_COOKIE_SECURE, "csrf": settings.CSRF_COOKIE_SECURE,
    "http_only": settings.SESSION_COOKIE_HTTPONLY, "hosts": hosts,
    "cookies": [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.DEVICE_COOKIE_NAME,
        settings.FORM_COOKIE_NAME],
    "cookie_rules": [settings.SESSION_COOKIE_DOMAIN, settings.CSRF_COOKIE_DOMAIN, settings.SESSION_COOKIE_PATH,
        settings.CSRF_COOKIE_PATH]}))
"""


@pytest.fixture
def browser() -> Client:
    user = make_admin()
    client = Client()
    client.force_login(user)
    return client


def directives(policy: str) -> dict[str, set[str]]:
    return {name: set(values) for name, *values in (part.split() for part in policy.split(";"))}


@pytest.mark.parametrize("path", PAGES)
def test_no_page_runs_a_script_or_style_that_is_not_ours(browser: Client, path: str) -> None:
    policy = directives(browser.get(path).headers["Content-Security-Policy"])
    assert policy["default-src"] == {"'self'"}
    assert not {"script-src", "style-src", "connect-src", "frame-src"} & policy.keys()  # none is wider than the default
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}
    assert policy["form-action"] == {"'self'", "https://www.facebook.com"}
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("path", PAGES)
def test_no_site_puts_a_page_into_a_frame(browser: Client, path: str) -> None:
    assert browser.get(path).headers["X-Frame-Options"] == "DENY"


def test_an_agent_gets_the_same_headers(client: Client) -> None:
    client.force_login(make_agent("alice"))
    page = client.get("/inbox/")
    assert {"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options"} <= page.headers.keys()


PRIVATE = ["/accounts/login/", "/accounts/sessions/", "/inbox/", "/inbox/rows/", "/admin/", "/nothing-here/"]


@pytest.mark.parametrize("path", [*PRIVATE, "/api/v1/channels/", "/accounts/2fa/"])
def test_no_cache_keeps_a_page(browser: Client, path: str) -> None:
    assert "no-store" in browser.get(path).headers["Cache-Control"]


@functools.cache
def answers(public_url: str, **settings: str) -> dict[str, Any]:
    """Return what Desk answers with these settings, in a process of its own: the settings are read at the start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "META_"))}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "desk.settings",
        "DESK_SECRET_KEY": "x" * 60,
        "DESK_DATA_DIR": tempfile.mkdtemp(prefix="desk-headers-"),
        "DESK_PUBLIC_URL": public_url,
        **settings,
    }
    script = [sys.executable, "-c", ANSWERS]
    done = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_under_https_browsers_keep_to_https_and_cookies_are_secure() -> None:
    answer = answers("https://desk.example", DESK_SSL_REDIRECT="true", DESK_BEHIND_PROXY="true")
    assert answer["headers"]["Strict-Transport-Security"] == "max-age=31536000"
    assert (answer["session"], answer["csrf"], answer["http_only"]) == (True, True, True)
    assert answer["redirect"] == 301


def test_under_https_only_the_public_host_is_answered_but_probes_always() -> None:
    answer = answers("https://desk.example")["hosts"]
    assert answer["/nothing-here/"] == {
        "desk.example": 404, "localhost": 400, "127.0.0.1": 400, "evil.example": 400
    }  # fmt: skip
    assert set(answer["/healthz"].values()) == {200}


def test_a_host_that_is_named_is_answered_under_https_too() -> None:
    answer = answers("https://desk.example", DESK_ALLOWED_HOSTS="desk.example,localhost")["hosts"]
    assert answer["/nothing-here/"]["localhost"] == 404


def test_no_other_subdomain_can_set_our_cookies() -> None:
    """Browsers take the prefix only from a cookie for this host alone, with Secure and the path /."""
    answer = answers("https://desk.example")
    assert [name.startswith("__Host-") for name in answer["cookies"]] == [True] * 4
    assert answer["cookie_rules"] == [None, None, "/", "/"]
    assert not [name for name in answers("http://localhost:8000")["cookies"] if "__" in name]


def test_without_https_nothing_promises_it() -> None:
    answer = answers("http://localhost:8000")
    assert "Strict-Transport-Security" not in answer["headers"]
    assert (answer["session"], answer["csrf"], answer["http_only"]) == (False, False, True)
