"""What every page tells the browser: content security policy, framing, and under https HSTS and secure cookies."""

import asyncio
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connections
from django.test import Client

from desk.asgi import application
from tests.factories import make_admin, make_agent
from tests.http import streamed
from tests.test_url_values import GROUP, ROUTES

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
SAME_EVERYWHERE = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
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


@pytest.mark.slow
def test_every_answer_has_the_headers_that_protect_it(browser: Client) -> None:
    """Whatever the address, the method and who asks: pages, errors, files, JSON, scripts."""
    browser.raise_request_exception = False
    stranger, missing = Client(raise_request_exception=False), set()
    for route in ROUTES:
        path = f"/{GROUP.sub('1', route)}"
        for client, method in ((browser, "GET"), (stranger, "PUT")):
            if "logout" in path and client is browser:
                continue
            answer = client.generic(method, path)
            lacks = [name for name, value in SAME_EVERYWHERE.items() if answer.headers.get(name) != value]
            policy = answer.headers.get("Content-Security-Policy", "")
            if lacks or "frame-ancestors 'none'" not in policy or "default-src" not in policy:
                missing.add((method, path, answer.status_code, *lacks))
            if "private" not in answer.headers["Cache-Control"] and "no-store" not in answer.headers["Cache-Control"]:
                missing.add((method, path, answer.status_code, "Cache-Control"))  # unless it is the same for everybody
            if answer.streaming:
                streamed(answer)
    public = {"/api/schema/", "/manifest.webmanifest", "/service-worker.js"}
    assert not {found for found in missing if found[1] not in public or found[3:] != ("Cache-Control",)}


@pytest.mark.parametrize(
    ("method", "path", "size", "status"),
    [
        ("POST", "/inbox/5/draft/", 2**30, 413),
        ("POST", "/api/v1/labels/", 2**30, 401),
        ("POST", "/inbox/5/reply/", 2**26, 401),
        ("POST", "/webhooks/messenger/", 5, 403),
        ("GET", "/live/", 0, 403),
        ("PUT", "/live/", 0, 405),
    ],
)
def test_so_have_answers_beside_django(method: str, path: str, size: int, status: int) -> None:
    async def headers() -> dict[bytes, bytes]:
        sent = [(b"host", b"localhost"), (b"content-length", str(size).encode()), (b"sec-fetch-mode", b"navigate")]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": sent, "scheme": "http", "http_version": "1.1"}  # fmt: skip
        asked = ApplicationCommunicator(application, scope)
        await asked.send_input({"type": "http.request", "body": b"x" * min(size, 5), "more_body": False})
        start = await asked.receive_output(10)
        await asked.wait(10)
        await sync_to_async(connections.close_all)()
        assert start["status"] == status
        return dict(start["headers"])

    answered = asyncio.run(headers())
    for name, value in SAME_EVERYWHERE.items():
        assert answered[name.lower().encode()] == value.encode()
    assert b"frame-ancestors 'none'" in answered[b"content-security-policy"]
    assert b"no-store" in answered[b"cache-control"]


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


@pytest.mark.slow
def test_under_https_browsers_keep_to_https_and_cookies_are_secure() -> None:
    answer = answers("https://desk.example", DESK_SSL_REDIRECT="true", DESK_BEHIND_PROXY="true")
    assert answer["headers"]["Strict-Transport-Security"] == "max-age=31536000"
    assert (answer["session"], answer["csrf"], answer["http_only"]) == (True, True, True)
    assert answer["redirect"] == 301


@pytest.mark.slow
def test_under_https_only_the_public_host_is_answered_but_probes_always() -> None:
    answer = answers("https://desk.example")["hosts"]
    assert answer["/nothing-here/"] == {
        "desk.example": 404, "localhost": 400, "127.0.0.1": 400, "evil.example": 400
    }  # fmt: skip
    assert set(answer["/healthz"].values()) == {200}


@pytest.mark.slow
def test_a_host_that_is_named_is_answered_under_https_too() -> None:
    answer = answers("https://desk.example", DESK_ALLOWED_HOSTS="desk.example,localhost")["hosts"]
    assert answer["/nothing-here/"]["localhost"] == 404


@pytest.mark.slow
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
