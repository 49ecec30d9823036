"""Meta's side of sending, faked at the HTTP edge: what was called, what customers have, and faults to come."""

import itertools
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import responses
from django.db import connection
from django.utils import timezone

from tests.matching import present, search

MESSAGES = re.compile(r"https://graph\.facebook\.com/v[\d.]+/(\d+)/messages")
CONVERSATIONS = re.compile(r"https://graph\.facebook\.com/v[\d.]+/(\d+)/conversations")


class FakeGraph:
    """`plan` holds what happens to the next sends: see `fail`. Without a plan a send is accepted and answered."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.plan: deque[Any] = deque()
        self.look_plan: deque[Any] = deque()
        self.calls: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []  # typing, seen, reactions
        self.accepted: list[dict[str, Any]] = []
        self.looks = 0
        self.waits: dict[str, str] = {}  # by text: is answered when this other text has arrived
        self.refused: dict[str, Any] = {}  # answers by text
        self._numbers = itertools.count(1)
        mock.add_callback(responses.POST, MESSAGES, self._send)
        mock.add_callback(responses.GET, CONVERSATIONS, self._look)

    def fail(
        self, code: int, subcode: int | None = None, *, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        """Let the next send be refused with this error of Meta's."""
        self.plan.append(error_answer(code, subcode, status, headers))

    def never_answer(self, *, accepted: bool) -> None:
        """Let the next send time out, before or after Meta took the message."""
        self.plan.append("lost_after" if accepted else "lost_before")

    def be_unreachable(self) -> None:
        """Let no connection be made for the next send."""
        self.plan.append(requests.ConnectTimeout("no route"))

    def meanwhile(self, act: Callable[[], object]) -> None:
        """Let somebody do `act` in the database while the next send is under way, before its own plan."""
        self.plan.append(act)

    def texts(self) -> list[str]:
        """Return what customers have, in order."""
        return [message["message"].get("text", "") for message in self.accepted]

    def accept(self, page_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Deliver a message to the customer, as an accepted call does."""
        message = {**body, "page_id": page_id, "mid": f"m_graph_{next(self._numbers)}", "at": timezone.now()}
        self.accepted.append(message)
        return message

    def _send(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        page_id = search(MESSAGES.pattern, present(request.url))[1]
        body = body_of(request)
        if "sender_action" in body:
            return self._act(body)
        self.calls.append(body)
        self._wait_for(self.waits.get(body["message"].get("text", "")))
        step = self.refused.get(body["message"].get("text", "")) or (self.plan.popleft() if self.plan else "ok")
        while callable(step):
            try:
                done = step()
            finally:
                connection.close()
            step = done if done == "ok" else self.plan.popleft() if self.plan else "ok"
        if isinstance(step, Exception):
            raise step
        if isinstance(step, tuple):
            return step
        if step == "lost_before":
            raise requests.ReadTimeout("no answer")
        message = self.accept(page_id, body)
        if step == "lost_after":
            raise requests.ReadTimeout("no answer")
        answer = {"recipient_id": body["recipient"]["id"], "message_id": message["mid"]}
        return 200, {}, json.dumps(answer)

    def _act(self, body: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        self.actions.append(body)
        step = self.plan.popleft() if self.plan else "ok"
        while callable(step):
            try:
                step()
            finally:
                connection.close()
            step = self.plan.popleft() if self.plan else "ok"
        if isinstance(step, Exception):
            raise step
        if isinstance(step, tuple):
            return step
        if str(step).startswith("lost"):
            raise requests.ReadTimeout("no answer")
        return 200, {}, json.dumps({"recipient_id": body["recipient"]["id"]})

    def _wait_for(self, text: str | None) -> None:
        deadline = time.monotonic() + 20
        while text is not None and text not in self.texts() and time.monotonic() < deadline:
            threading.Event().wait(0.01)

    def _look(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.looks += 1
        step = self.look_plan.popleft() if self.look_plan else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            return step
        page_id = search(CONVERSATIONS.pattern, present(request.url))[1]
        psid = parse_qs(urlsplit(present(request.url)).query)["user_id"][0]
        there = [m for m in self.accepted if m["page_id"] == page_id and m["recipient"]["id"] == psid]
        rows = [conversation_row(page_id, message) for message in reversed(there)]
        return 200, {}, json.dumps({"data": [{"id": "t_1", "messages": {"data": rows[:20]}}] if rows else []})


def error_answer(
    code: int, subcode: int | None = None, status: int = 400, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    """Return an answer of Meta's that is an error."""
    error = {"message": "(#1) No.", "type": "OAuthException", "code": code, "fbtrace_id": "Atrace"}
    if subcode is not None:
        error["error_subcode"] = subcode
    return status, headers or {}, json.dumps({"error": error})


def conversation_row(page_id: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as the Conversations API shows it."""
    at: datetime = message["at"].astimezone(UTC)
    row = {
        "id": message["mid"],
        "created_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "from": {"id": message.get("from_id", page_id)},
        "message": message["message"].get("text", ""),
    }
    if "attachment" in message["message"]:
        url = "https://cdn.fbsbx.com/v/file"
        row["attachments"] = {"data": [{"id": "1", "mime_type": "image/png", "name": "a.png", "file_url": url}]}
    return row


def body_of(request: requests.PreparedRequest) -> dict[str, Any]:
    """Return the parameters of a send, from JSON or from a form with a file (its bytes are under `filedata`)."""
    if request.headers["Content-Type"].startswith("application/json"):
        return json.loads(request.body or b"")
    raw: Any = request.body  # a file's stream, whatever the types of requests say
    raw = raw if isinstance(raw, bytes) else raw.read()
    form = message_from_bytes(b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n" + raw)
    body: dict[str, Any] = {}
    for part in form.walk():
        if part.is_multipart():
            continue
        name = str(part.get_param("name", header="Content-Disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "filedata":
            body[name] = (part.get_filename(), part.get_content_type(), content)
        else:
            text = content.decode()
            body[name] = json.loads(text) if text.startswith("{") else text
    return body
