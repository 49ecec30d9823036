"""A client for the sandbox: check that it runs, log in one of its people, and read its conversations."""

from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from channels_im.messenger.scopes import SCOPES, UTILITY_SCOPES

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
TIMEOUT_SECONDS = 20


class NoSandboxError(Exception):
    """META_GRAPH_URL is not a sandbox on this machine; the text is a sentence."""


class SandboxError(Exception):
    """The sandbox runs but cannot give what was asked; the text is a sentence."""


class Sandbox:
    """The control API of the sandbox at META_GRAPH_URL. Raises NoSandboxError when something else is there."""

    def __init__(self) -> None:
        self.url = settings.META_GRAPH_URL
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy could not reach the loopback
        if urlsplit(self.url).hostname not in LOOPBACK:
            raise NoSandboxError(
                f"Demo data are for the sandbox on this machine only, but META_GRAPH_URL is {self.url}."
            )
        if self._call("GET", "healthz").get("status") != "ok":
            raise NoSandboxError(f"The server at {self.url} is not the sandbox. Start it with: make run")

    def user_token(self, person: str) -> str:
        """Grant all Pages of the person to the app and return a long-lived user token. Raises SandboxError."""
        try:
            scopes = ["public_profile", *SCOPES, UTILITY_SCOPES[0]]
            return self._call("POST", "grants", {"person": person, "scopes": scopes})["user_token"]
        except KeyError:
            raise SandboxError("The sandbox gave no access token.") from None

    def has_logged_in(self, person: str) -> bool:
        """Return whether the person ever logged in to the app: not when the sandbox was started afresh."""
        people = self._call("GET", "world?history=0").get("people", [])
        return any(each.get("id") == person and each.get("has_logged_in") for each in people)

    def conversations(self, page_id: str) -> list[dict[str, Any]]:
        """Return the conversations of the Page with all their messages, oldest first. Raises SandboxError."""
        world = self._call("GET", "world")
        return [one for one in world.get("conversations", []) if one.get("page") == page_id]

    def _call(self, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self.session.request(method, f"{self.url}/_sandbox/{name}", json=body, timeout=TIMEOUT_SECONDS)
            if answer.status_code >= requests.codes.bad_request and name != "healthz":
                raise SandboxError(f"The sandbox answered {answer.status_code} to {name}: {answer.text[:200]}")
            answer.raise_for_status()
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            raise NoSandboxError(
                f"The sandbox at {self.url} does not answer: {error}. Start it with: make run"
            ) from error
