"""Deauthorize and data-deletion callbacks (LOGIN/guides/advanced/manual-flow#deauth-callback)."""

import asyncio
import logging
from typing import Any

import requests

from sandbox import ids, signing
from sandbox.store import Doc
from sandbox.world import World

log = logging.getLogger("sandbox.callbacks")


def signed_request_for(world: World, person: Doc, **changes: Any) -> str:
    """Return a signed_request with the person's app-scoped id; `changes` replace keys of the payload."""
    now = int(world.now())
    payload = {
        "algorithm": "HMAC-SHA256",
        "expires": now + 3600,
        "issued_at": now,
        "user_id": person["asid"],
        **changes,
    }
    return signing.signed_request(world.config.app_secret, payload)


def call_back(world: World, kind: str, person: Doc) -> Doc:
    """POST a signed_request in the background and return its record; `kind` is deauthorize or deletion."""
    key = ids.new_number("3")
    record = world.store.put(
        "callbacks",
        key,
        {"id": key, "kind": kind, "person": person["id"], "at": world.now(), "status": None, "answer": None},
    )
    url = world.config.deauthorize_url if kind == "deauthorize" else world.config.data_deletion_url
    task = asyncio.get_running_loop().create_task(_send(world, record, url, signed_request_for(world, person)))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return record


_running: set[asyncio.Task[None]] = set()


async def _send(world: World, record: Doc, url: str, signed: str) -> None:
    status, answer = await asyncio.to_thread(_post, url, signed)
    record["status"], record["answer"] = status, answer
    world.store.put("callbacks", record["id"], record)
    world.store.commit()
    world.announce()


def _post(url: str, signed: str) -> tuple[int | None, str]:
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, data={"signed_request": signed}, timeout=10, allow_redirects=False)
            return answer.status_code, answer.text[:2000]
    except requests.RequestException as error:
        return None, type(error).__name__
