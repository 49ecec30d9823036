"""Faults of the Graph API, the webhooks and the CDN, for the next calls or until switched off."""

import asyncio
import json
from collections.abc import Collection
from typing import Any

from sandbox import ids
from sandbox.errors import GraphError
from sandbox.store import Doc
from sandbox.world import World

GRAPH_KINDS = {
    "http_500": "The call answers HTTP 500 with an HTML page; nothing is done.",
    "timeout_before": "The call is not accepted and not answered (for hold_s seconds, default 30).",
    "timeout_after": "The call IS accepted (the message is sent) but not answered.",
    "rate_limit": "Refused with a rate-limit code (613, 4, 32, 80001 or 80006) and the minutes to wait in the header.",
    "error": "Refused with the code and subcode you choose.",
    "slow": "Answered correctly, but late (ms).",
}
WEBHOOK_KINDS = {
    "webhook_duplicate": "Each event is delivered `copies` more times.",
    "webhook_reorder": "Events are held until there are `size` of them (or 3 s pass), then delivered in reverse.",
    "webhook_delay": "Each event is delivered `ms` late.",
}
CDN_KINDS = {
    "cdn_expired": "Links answer 403 URL signature expired.",
    "cdn_wrong_type": "Files are served with the wrong Content-Type (`content_type`).",
    "cdn_error": "Links answer HTTP 500.",
    "cdn_no_length": "Files are served without Content-Length.",
    "cdn_slow": "Files are served late (ms).",
    "cdn_redirect": "Links redirect to `location`.",
}
KINDS = {**GRAPH_KINDS, **WEBHOOK_KINDS, **CDN_KINDS}
ENDPOINTS = [
    "any",
    "messages",
    "message_attachments",
    "message_templates",
    "profile",
    "conversations",
    "subscribed_apps",
    "accounts",
    "permissions",
    "debug_token",
    "oauth",
    "page",
    "app",
    "moderate_conversations",
    "thread_control",
]
RATE_CODES = {4, 17, 32, 341, 613, 80001, 80006}


def add(
    world: World, kind: str, *, count: Any = 1, page: str | None = None, endpoint: str = "any", **params: Any
) -> Doc:
    """Set a fault for `count` calls (None, "" or 0: until switched off), on one Page or all, on one endpoint or any.

    Raise ValueError with a sentence for an unknown kind, endpoint or Page, or an invalid number.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no fault called {kind}. Known: {', '.join(KINDS)}.")
    if endpoint not in ENDPOINTS:
        raise ValueError(f"There is no endpoint called {endpoint}. Known: {', '.join(ENDPOINTS)}.")
    if page and page not in world.store.pages:
        raise ValueError(f"There is no Page {page}.")
    clean: dict[str, Any] = {}
    for name, value in params.items():
        if value in (None, ""):
            continue
        if name in {"message", "content_type", "location"}:
            clean[name] = str(value)
        elif name == "transient":
            clean[name] = str(value).lower() in {"1", "true", "yes", "on"}
        else:
            clean[name] = _number(name, value)
    if kind == "rate_limit" and clean.setdefault("code", 613) not in RATE_CODES:
        raise ValueError(f"{clean['code']} is no rate-limit code. Known: {', '.join(map(str, sorted(RATE_CODES)))}.")
    if kind == "error" and "code" not in clean:
        raise ValueError("Give the code of the error.")
    remaining = None if count in (None, "", 0, "0") else int(_number("count", count))
    key = ids.new_number("6")
    return world.store.put(
        "faults",
        key,
        {"id": key, "kind": kind, "page": page or None, "endpoint": endpoint, "remaining": remaining, "params": clean},
    )


def _number(name: str, value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {value!r}.") from None
    return int(number) if number.is_integer() else number


def clear(world: World, key: str | None = None) -> None:
    """Switch off one fault, or all."""
    for known in [key] if key else list(world.store.faults):
        world.store.drop("faults", known)


def _use_first(world: World, kinds: Collection[str], page_id: str | None, endpoint: str | None = None) -> Doc | None:
    """Return the first fault of these kinds that is set for the Page and endpoint, and count it as used once."""
    for fault in list(world.store.faults.values()):
        if fault["kind"] not in kinds or (fault["page"] and fault["page"] != page_id):
            continue
        if endpoint is not None and fault["endpoint"] not in ("any", endpoint):
            continue
        _use(world, fault)
        return fault
    return None


def _use(world: World, fault: Doc) -> None:
    if fault["remaining"] is None:
        return
    fault["remaining"] -= 1
    if fault["remaining"] <= 0:
        world.store.drop("faults", fault["id"])
    else:
        world.store.put("faults", fault["id"], fault)


# Graph API -----------------------------------------------------------------------------------------------------


def graph_fault(world: World, endpoint: str, page_id: str | None) -> Doc | None:
    """Return the fault for this call, and count it as used once; None when there is none."""
    return _use_first(world, GRAPH_KINDS, page_id, endpoint)


def graph_error(fault: Doc, page_id: str | None) -> GraphError:
    """Return the answer of an `error` or `rate_limit` fault."""
    params = fault["params"]
    code = params["code"]
    headers = {}
    message = params.get("message")
    if fault["kind"] == "rate_limit":
        minutes = params.get("minutes", 1)
        message = message or {
            4: "(#4) Application request limit reached",
            32: "(#32) Page request limit reached",
            613: "(#613) Calls to this api have exceeded the rate limit.",
        }.get(code, f"(#{code}) There have been too many calls to this Page account. Wait a bit and try again.")
        kind = "pages" if code in (32, 80001) else "messenger"
        usage = {
            "type": kind,
            "call_count": 100,
            "total_cputime": 25,
            "total_time": 25,
            "estimated_time_to_regain_access": minutes,
        }
        headers["X-Business-Use-Case-Usage"] = json.dumps({page_id or "0": [usage]})
        headers["X-App-Usage"] = json.dumps({"call_count": 100, "total_time": 25, "total_cputime": 25})
    return GraphError(
        code,
        message or f"(#{code}) An error set on the sandbox's faults page",
        params.get("subcode"),
        status=int(params.get("status", 400)),
        transient=params.get("transient"),
        headers=headers,
    )


async def hold(world: World, fault: Doc) -> None:
    """Wait for the seconds the fault sets (`hold_s`), by default longer than any client waits."""
    await asyncio.sleep(float(fault["params"].get("hold_s", world.config.hold_s)))


# Webhooks ------------------------------------------------------------------------------------------------------


def webhook_delay_ms(world: World, page_id: str) -> int:
    """Return the delay of the next event, in ms."""
    fault = _use_first(world, {"webhook_delay"}, page_id)
    return int(fault["params"].get("ms", 2000)) if fault else 0


def webhook_copies(world: World, page_id: str) -> int:
    """Return the number of additional copies of the next event."""
    fault = _use_first(world, {"webhook_duplicate"}, page_id)
    return int(fault["params"].get("copies", 1)) if fault else 0


def maybe_reorder(world: World, page_id: str) -> None:
    """With a reorder fault, hold the newest queued event of the Page; release all in reverse when there are `size`."""
    for fault in list(world.store.faults.values()):
        if fault["kind"] != "webhook_reorder" or (fault["page"] and fault["page"] != page_id):
            continue
        deliveries = world.store.deliveries.values()
        rows = [row for row in deliveries if row["page"] == page_id and row["attempts"] == 0]
        held = [row for row in rows if row.get("held")]
        newest = rows[-1]
        newest["held"] = True
        newest["due_at"] = world.now() + 3
        held.append(newest)
        if len(held) >= int(fault["params"].get("size", 2)):
            now = world.now()
            for age, row in enumerate(held):  # all are due now, the newest first; an event queued later is due later
                row["held"] = False
                row["due_at"] = now - age * 0.001
            _use(world, fault)
        for row in held:
            world.store.put("deliveries", row["id"], row)
        return


# CDN -----------------------------------------------------------------------------------------------------------


def cdn_fault(world: World) -> Doc | None:
    """Return the fault for this download, and count it as used once; None when there is none."""
    return _use_first(world, CDN_KINDS, None)
