"""Control API: raw webhooks, faults, and the logs of webhooks and Graph calls."""

import asyncio
import json
from typing import Any

from starlette.requests import Request

from sandbox import actions, callbacks, events, faults, signing, webhooks
from sandbox.control.endpoint import Body
from sandbox.world import World


def post_events(world: World, request: Request, body: Body) -> Any:
    """POST events {page_id, item, slot?, field?, force?, delay_ms?}: send a raw item.

    `slot` is messaging, standby, changes or calls.
    """
    item = body["item"]
    if isinstance(item, str):
        item = json.loads(item)
    if not isinstance(item, dict):
        raise ValueError("item must be a JSON object.")
    slot = str(body.get("slot") or "messaging")
    if slot not in {"messaging", "standby", "changes", "calls"}:
        raise ValueError("slot is messaging, standby, changes or calls.")
    default = {"standby": "standby", "calls": "calls", "changes": str(item.get("field", "feed"))}.get(
        slot
    ) or events.field_of(item)
    key = webhooks.enqueue(
        world,
        str(body["page_id"]),
        slot,
        item,
        str(body.get("field") or default),
        delay_ms=int(body.get("delay_ms") or 0),
        force=str(body.get("force", "")).lower() in {"1", "true", "on"},
    )
    return {"queued": key is not None, "id": key}


async def post_raw_webhook(world: World, request: Request, body: Body) -> Any:
    """POST webhooks/raw {body: text or JSON, signature: valid|none|wrong|sha1}: POST it now, answer {status, error}."""
    content = body["body"]
    raw = content.encode() if isinstance(content, str) else signing.encode_body(content)
    status, error = await asyncio.to_thread(
        webhooks.post_signed,
        webhooks.callback_url(world),
        world.config.app_secret,
        raw,
        world.config.webhook_timeout_s,
        str(body.get("signature") or "valid"),
    )
    return {"status": status, "error": error}


def get_webhooks(world: World, request: Request, body: Body) -> Any:
    """GET webhooks[?page_id][&field]: attempts, oldest first, webhooks still queued, and callbacks."""
    page_id, field = request.query_params.get("page_id"), request.query_params.get("field")
    waiting = [row for row in world.store.deliveries.values() if page_id in (None, row["page"])]
    return {
        "data": [
            row for row in world.webhook_log if page_id in (None, row["page_id"]) and field in (None, row["field"])
        ],
        "queued": [
            {key: row[key] for key in ("id", "page", "field", "slot", "mid", "attempts", "due_at", "last")}
            for row in waiting
        ],
        "callbacks": list(world.store.callbacks.values()),
    }


def retry_now(world: World, request: Request, body: Body) -> Any:
    """POST webhooks/retry: send all queued webhooks now."""
    for row in world.store.deliveries.values():
        row["due_at"] = world.now()
        world.store.put("deliveries", row["id"], row)
    world.wake_webhooks()
    return {"queued": len(world.store.deliveries)}


def get_calls(world: World, request: Request, body: Body) -> Any:
    """GET calls[?endpoint][&page_id]: Graph calls received, oldest first, without secrets."""
    endpoint_name, page_id = request.query_params.get("endpoint"), request.query_params.get("page_id")
    rows = world.calls
    return {
        "data": [row for row in rows if endpoint_name in (None, row["endpoint"]) and page_id in (None, row["page_id"])]
    }


def clear_calls(world: World, request: Request, body: Body) -> Any:
    """DELETE calls: empty the log."""
    world.calls.clear()
    return {"ok": True}


def post_faults(world: World, request: Request, body: Body) -> Any:
    """POST faults: do an action now, or set a fault for the next calls.

    {action: name, person?, page?, …}, or {kind: name, count? (0 or null: until switched off), page?, endpoint?, …}
    """
    return do_fault(world, body)


def do_fault(world: World, body: Body) -> Body:
    """Do an action or set a fault; the form of the faults page calls this too."""
    body = {key: value for key, value in body.items() if value != ""}
    if "action" in body:
        return {"did": actions.run(world, str(body.pop("action")), body)}
    if "kind" in body:
        kind = str(body.pop("kind"))
        page, target = body.pop("page", None) or body.pop("page_id", None), str(body.pop("endpoint", "any"))
        fault = faults.add(world, kind, count=body.pop("count", 1), page=page, endpoint=target, **body)
        world.announce()
        return {"fault": fault, "did": f"Set: {faults.KINDS[kind]}"}
    raise ValueError("Give an action (to do now) or a kind (of fault for the next calls).")


def get_faults(world: World, request: Request, body: Body) -> Any:
    """GET faults: the faults that are set, and all kinds, endpoints and actions."""
    return {
        "data": list(world.store.faults.values()),
        "kinds": faults.KINDS,
        "endpoints": faults.ENDPOINTS,
        "actions": {name: {"target": action.target, "extra": action.extra} for name, action in actions.ACTIONS.items()},
    }


def delete_faults(world: World, request: Request, body: Body) -> Any:
    """DELETE faults[/{id}]: switch off one or all."""
    faults.clear(world, request.path_params.get("fault"))
    return {"ok": True}


def signed_request(world: World, request: Request, body: Body) -> Any:
    """POST signed-request {person, changes?}: make a signed_request as in the callbacks, for a test to send."""
    person = world.store.people[str(body["person"])]
    return {"signed_request": callbacks.signed_request_for(world, person, **(body.get("changes") or {}))}
