"""Start the sandbox as a real process, and talk to its control API."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

ROOT = Path(__file__).resolve().parents[2]
APP_ID = "100000000000001"
APP_SECRET = "sandbox-app-secret"
BERG_BIKES = "101000000000001"
BERG_BAKERY = "101000000000002"
HADDAD_TRAVEL = "101000000000003"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SandboxProcess:
    """One sandbox process on 127.0.0.1:`port` (None: a free one); `env` is added to the environment.

    State is in memory unless `env` sets SANDBOX_STATE_DIR. Usable as a context manager.
    """

    def __init__(self, port: int | None = None, env: dict[str, str] | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "SANDBOX_STATE_DIR": "",
            "SANDBOX_PUBLIC_URL": self.url,
            "SANDBOX_WEBHOOK_URL": "http://127.0.0.1:9/webhooks/messenger/",
            "SANDBOX_DEAUTHORIZE_URL": "http://127.0.0.1:9/meta/deauthorize/",
            "SANDBOX_DATA_DELETION_URL": "http://127.0.0.1:9/meta/data-deletion/",
            **(env or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._http = requests.Session()
        self._http.trust_env = False

    @classmethod
    def running_at(cls, url: str) -> "SandboxProcess":
        """Return the control API of a sandbox that somebody else started and ends."""
        sandbox = cls(port=urlsplit(url).port)
        sandbox.url = url
        return sandbox

    def start(self) -> "SandboxProcess":
        """Start it and wait until it answers. Raise RuntimeError with its output when it does not within 20 s."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"],
            cwd=ROOT,
            env={**os.environ, **self.env, "SANDBOX_PORT": str(self.port), "SANDBOX_HOST": "127.0.0.1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if self._http.get(f"{self.url}/_sandbox/healthz", timeout=2).ok:
                    return self
            except requests.ConnectionError:
                time.sleep(0.05)
        self._process.kill()
        _, errors = self._process.communicate()
        raise RuntimeError(f"The sandbox did not start: {errors.decode(errors='replace')}")

    def stop(self, *, kill: bool = False) -> str:
        """Stop it (with `kill`, by SIGKILL) and return what it wrote to stderr."""
        if self._process is None:
            return ""
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            _, errors = self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, errors = self._process.communicate()
        self._process = None
        self._http.close()
        return errors.decode(errors="replace")

    def __enter__(self) -> "SandboxProcess":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # Control API -----------------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        """Call /_sandbox/`path` and return its JSON. Raise AssertionError with the sentence of an error answer."""
        answer = self._http.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def reset(self, *, history: bool = False, **config: Any) -> None:
        """Restore the state of the first start, by default without the demo history, and set these settings.

        A test that calls the Conversations API itself has no pace, so its limit is off unless `config` sets it.
        """
        config = {"conversations_per_second": 0, **config}
        self.control("POST", "reset", {"history": history, "config": config})

    def configure(self, **changes: Any) -> dict[str, Any]:
        return self.control("PATCH", "config", changes)

    def world(self) -> dict[str, Any]:
        return self.control("GET", "world")

    def grant(self, person: str, pages: list[str] | str | None = None, **options: Any) -> dict[str, Any]:
        """Link a person's Pages without a browser: {user_token, expires_at, asid, pages: [{id, access_token, …}]}."""
        return self.control("POST", "grants", {"person": person, "pages": pages, **options})

    def subscribe(self, page_id: str, fields: list[str] | None = None) -> None:
        """Subscribe the app to a Page, by default with all fields, without the Graph API."""
        self.control("POST", f"pages/{page_id}/subscription", {"fields": fields})

    def add_customer(self, first_name: str, last_name: str = "", **options: Any) -> dict[str, Any]:
        return self.control("POST", "customers", {"first_name": first_name, "last_name": last_name, **options})

    def psid(self, customer: str, page_id: str) -> str:
        """Return the PSID of a customer on a Page."""
        found = next(row for row in self.world()["customers"] if row["id"] == customer)
        return found["psids"][page_id]

    def customer_writes(self, customer: str, page_id: str, text: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a message as the customer: {mid, psid, timestamp}. Options as in POST customers/{id}/messages."""
        return self.control("POST", f"customers/{customer}/messages", {"page_id": page_id, "text": text, **options})

    def customer_sends_file(
        self, customer: str, page_id: str, name: str, data: bytes, content_type: str
    ) -> dict[str, Any]:
        """Send a file as the customer."""
        answer = self._http.post(
            f"{self.url}/_sandbox/customers/{customer}/messages",
            data={"page_id": page_id},
            files={"file": (name, data, content_type)},
            timeout=10,
        )
        assert answer.ok, answer.text
        return answer.json()

    def customer_reads(self, customer: str, page_id: str, **options: Any) -> dict[str, Any]:
        return self.control("POST", f"customers/{customer}/reads", {"page_id": page_id, **options})

    def customer_reacts(self, customer: str, mid: str, reaction: str | None = "love") -> dict[str, Any]:
        return self.control("POST", f"customers/{customer}/reactions", {"mid": mid, "reaction": reaction})

    def event(self, page_id: str, item: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Send a raw webhook item: {queued, id}. Options: slot, field, force, delay_ms."""
        return self.control("POST", "events", {"page_id": page_id, "item": item, **options})

    def act(self, action: str, **params: Any) -> str:
        """Do an action of the faults page, such as act("remove_app", person="anna"); return its sentence."""
        return self.control("POST", "faults", {"action": action, **params})["did"]

    def fault(self, kind: str, count: int | None = 1, **params: Any) -> dict[str, Any]:
        """Set a fault for the next `count` calls (None: until clear_faults): fault("error", code=10, endpoint=…)."""
        return self.control("POST", "faults", {"kind": kind, "count": count, **params})["fault"]

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def sent(self, page_id: str | None = None, psid: str | None = None) -> list[dict[str, Any]]:
        """Return the Page messages that reached customers, oldest first."""
        query = urlencode({key: value for key, value in (("page_id", page_id), ("psid", psid)) if value})
        return self.control("GET", f"sent?{query}")["data"]

    def calls(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the Graph calls received, oldest first."""
        return self.control("GET", f"calls?endpoint={endpoint}" if endpoint else "calls")["data"]

    def deliveries(self) -> dict[str, Any]:
        """Return {"data": attempts, "queued": webhooks not sent yet, "callbacks": deauthorize and deletion}."""
        return self.control("GET", "webhooks")
