"""Calls of the Graph API, and a person who uses the login dialog, both over plain HTTP."""

import hashlib
import hmac
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.sandbox.process import APP_ID, APP_SECRET

APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
REDIRECT = "http://localhost:8000/accounts/facebook/login/callback/"
SCOPE = "email,pages_show_list,pages_messaging,pages_manage_metadata,pages_read_engagement,business_management"


def proof(token: str) -> str:
    """Return appsecret_proof for a token."""
    return hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


def call(url: str, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
    """Call the Graph API of the sandbox at `url` with token and proof; `options` go to requests."""
    params = dict(options.pop("params", {}))
    if token is not None:
        params = {"access_token": token, "appsecret_proof": proof(token), **params}
    return requests.request(method, f"{url}/v27.0/{path}", params=params, timeout=options.pop("timeout", 10), **options)


def refusal(answer: requests.Response) -> tuple[int, int | None]:
    """Return (code, subcode) of an error answer."""
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    return error["code"], error.get("error_subcode")


def message(psid: str, text: str = "Hello", **more: Any) -> dict[str, Any]:
    """Return the body of a plain reply."""
    return {"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": {"text": text}, **more}


class Person:
    """A person with a browser who logs in at the sandbox and goes through the dialog."""

    def __init__(self, url: str):
        self.url = url
        self.browser = requests.Session()

    def ask_url(self, **changes: Any) -> str:
        """Return the dialog's address; a change to None leaves the parameter out."""
        query = {"client_id": APP_ID, "redirect_uri": REDIRECT, "state": "nonce-1", "scope": SCOPE, **changes}
        return f"{self.url}/v27.0/dialog/oauth?{urlencode({k: v for k, v in query.items() if v is not None})}"

    def open(self, **changes: Any) -> requests.Response:
        self.address = self.ask_url(**changes)
        return self.browser.get(self.address, timeout=10)

    def log_in(self, name: str, password: str | None = None) -> requests.Response:
        """Fill the login form that `open` showed."""
        parts = urlsplit(self.address)
        fields = {"email": f"{name}@example.com", "pass": password or name, "next": f"{parts.path}?{parts.query}"}
        return self.browser.post(f"{self.url}/login", data=fields, timeout=10)

    def step(self, step: str, pages: list[str] | None = None, scopes: list[str] | None = None) -> requests.Response:
        """Press a button of the dialog; redirects out of it are not followed."""
        fields = [
            ("step", step),
            *[("pages", page) for page in pages or []],
            *[("scopes", name) for name in scopes or []],
        ]
        return self.browser.post(self.address, data=fields, allow_redirects=False, timeout=10)

    def link(self, name: str, pages: list[str], scopes: str = SCOPE, **changes: Any) -> str:
        """Do the whole dialog and return the code."""
        self.open(**changes)
        self.log_in(name)
        return answer_of(self.step("done", pages, scopes.split(",")))["code"]


def answer_of(response: requests.Response) -> dict[str, str]:
    """Return the parameters Facebook sends the browser back with."""
    assert response.status_code == 302, response.text
    assert response.headers["Location"].startswith(REDIRECT)
    return {key: values[0] for key, values in parse_qs(urlsplit(response.headers["Location"]).query).items()}


def ticked(page: requests.Response) -> list[str]:
    """Return the Pages whose box is ticked in a step of the dialog."""
    return re.findall(r'name="pages"\s+value="(\d+)"\s+checked', html.unescape(page.text))


def exchange(url: str, code: str, **changes: Any) -> requests.Response:
    """Turn a code into a short-lived user token."""
    params = {"client_id": APP_ID, "client_secret": APP_SECRET, "redirect_uri": REDIRECT, "code": code, **changes}
    return requests.get(f"{url}/v27.0/oauth/access_token", params=params, timeout=10)


def lengthen(url: str, token: str) -> requests.Response:
    """Turn a short-lived user token into one of about 60 days."""
    params = {
        "grant_type": "fb_exchange_token",
        "client_id": APP_ID,
        "client_secret": APP_SECRET,
        "fb_exchange_token": token,
    }
    return requests.get(f"{url}/v27.0/oauth/access_token", params=params, timeout=10)
