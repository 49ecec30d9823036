"""The webhook sender: a durable queue, one task per Page, retries, and the 15-minute and 1-hour rules.

Sources: DOC/webhooks (5 s, "Webhooks Delivery Retry"), GRAPH/webhooks/getting-started (envelope).
"""

import asyncio
import logging
import time
from typing import Any

import requests

from sandbox import events, faults, ids, signing
from sandbox.store import Doc
from sandbox.world import World

log = logging.getLogger("sandbox.webhooks")
MAX_LOGGED_POSTS = 1000


def subscribed_fields(world: World, page_id: str) -> set[str]:
    """Return the fields that are sent for a Page: those to which both the Page and the app are subscribed."""
    subscription = world.store.subscriptions.get(page_id)
    if subscription is None:
        return set()
    app_level = world.store.app_subscriptions.get("page")
    app_fields = app_level["fields"] if app_level else world.config.webhook_fields
    return set(subscription["fields"]) & set(app_fields)


def emit(
    world: World, thread: Doc, item: dict[str, Any], *, delay_ms: int = 0, mid: str | None = None, force: bool = False
) -> str | None:
    """Queue an item of a thread and return its id, or None when it is not sent.

    It is sent on standby while another app holds the thread. It is not sent when the app is not subscribed (except with
    `force`), or is in development mode and the customer has no role in it. `mid` is the message to mark as received
    when the receiver answers 200.
    """
    customer = world.store.customers[thread["customer"]]
    if not world.config.app_live and not customer["app_role"]:
        return None
    slot, field = "messaging", events.field_of(item)
    if thread["owner"] not in (None, world.config.app_id) and events.STANDBY_KEYS & item.keys():
        slot, field = "standby", "standby"
        if "postback" in item:
            item = {**item, "postback": {k: v for k, v in item["postback"].items() if k != "payload"}}
    return enqueue(world, thread["page"], slot, item, field, delay_ms=delay_ms, mid=mid, force=force)


def enqueue(
    world: World,
    page_id: str,
    slot: str,
    item: dict[str, Any],
    field: str,
    *,
    delay_ms: int = 0,
    mid: str | None = None,
    force: bool = False,
) -> str | None:
    """Queue one item and return its id; None when the app is not subscribed to `field`, except with `force`.

    None also while the setting `webhooks_lost` is on. `slot` is the key of the entry that holds it: messaging, standby,
    changes or calls.
    """
    if world.config.webhooks_lost or (not force and field not in subscribed_fields(world, page_id)):
        return None
    delay_ms += faults.webhook_delay_ms(world, page_id)
    copies = 1 + faults.webhook_copies(world, page_id)
    now = world.now()
    key = ""
    for _ in range(copies):
        key = ids.new_number("5")
        world.store.put(
            "deliveries",
            key,
            {
                "id": key,
                "page": page_id,
                "slot": slot,
                "item": item,
                "field": field,
                "mid": mid,
                "created_at": now,
                "due_at": now + delay_ms / 1000,
                "attempts": 0,
                "last": None,
            },
        )
    faults.maybe_reorder(world, page_id)
    world.wake_webhooks()
    return key


class Sender:
    """Send what is queued. One task per Page keeps the order; a failed item is retried later and lets others pass."""

    def __init__(self, world: World):
        self.world = world
        self._wake = asyncio.Event()
        self._page_tasks: dict[str, asyncio.Task[None]] = {}
        self._main: asyncio.Task[None] | None = None
        world.wake_webhooks = self._wake.set

    async def start(self) -> None:
        self._main = asyncio.create_task(self._run())
        self._wake.set()

    async def stop(self) -> None:
        tasks = [*self._page_tasks.values(), *([self._main] if self._main else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now = self.world.now()
            next_due = None
            for row in self.world.store.deliveries.values():
                if row["due_at"] <= now:
                    task = self._page_tasks.get(row["page"])
                    if task is None or task.done():
                        self._page_tasks[row["page"]] = asyncio.create_task(self._send_for_page(row["page"]))
                else:
                    next_due = min(next_due or row["due_at"], row["due_at"])
            wait = 1.0 if next_due is None else min(1.0, max(0.005, next_due - now))
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _due(self, page_id: str) -> list[Doc]:
        now = self.world.now()
        rows = [row for row in self.world.store.deliveries.values() if row["page"] == page_id and row["due_at"] <= now]
        rows.sort(key=lambda row: row["due_at"])
        return rows[: max(1, self.world.config.webhook_batch)]

    async def _send_for_page(self, page_id: str) -> None:
        while rows := self._due(page_id):
            try:
                await self._deliver(page_id, rows)
            except Exception:
                log.exception("Webhooks of Page %s could not be sent", page_id)
                await asyncio.sleep(1)

    async def _deliver(self, page_id: str, rows: list[Doc]) -> None:
        world = self.world
        # Save the items before sending them: after a crash they are sent again, never lost.
        world.store.commit()
        entries = [{"id": page_id, "time": world.now_ms(), row["slot"]: [row["item"]]} for row in rows]
        raw = signing.encode_body({"object": "page", "entry": entries})
        started = time.monotonic()
        world.posts_under_way += 1
        status, error = await asyncio.to_thread(
            post_signed, callback_url(world), world.config.app_secret, raw, world.config.webhook_timeout_s
        )
        world.posts_under_way -= 1
        took_ms = round((time.monotonic() - started) * 1000)
        # Rows that a reset or an unsubscription has removed meanwhile must not come back.
        rows = [row for row in rows if row["id"] in world.store.deliveries]
        for row in rows:
            row["attempts"] += 1
            row["last"] = status or error
            self._record(row, status, error, took_ms)
        if status == 200:
            self._acknowledged(page_id, rows)
        else:
            self._failed(page_id, rows)
        world.store.commit()
        world.announce()

    def _record(self, row: Doc, status: int | None, error: str | None, took_ms: int) -> None:
        self.world.webhook_log.append(
            {
                "id": row["id"],
                "page_id": row["page"],
                "field": row["field"],
                "slot": row["slot"],
                "mid": row["mid"],
                "at": self.world.now(),
                "attempt": row["attempts"],
                "status": status,
                "error": error,
                "ms": took_ms,
                "item": row["item"],
            }
        )
        del self.world.webhook_log[:-MAX_LOGGED_POSTS]

    def _acknowledged(self, page_id: str, rows: list[Doc]) -> None:
        world = self.world
        for row in rows:
            world.store.drop("deliveries", row["id"])
            message = world.store.messages.get(row["mid"] or "")
            if message is not None and not message.get("acked_at"):
                message["acked_at"] = world.now_ms()
                world.save_message(message)
        page = world.store.pages.get(page_id)
        if page and page["webhook"].get("failing_since"):
            page["webhook"] = {"failing_since": None, "alert": None}
            world.store.put("pages", page_id, page)

    def _failed(self, page_id: str, rows: list[Doc]) -> None:
        world, config = self.world, self.world.config
        now = world.now()
        page = world.store.pages.get(page_id)
        state = page["webhook"] if page else {}
        state["failing_since"] = state.get("failing_since") or now
        failing_for = now - state["failing_since"]
        if failing_for >= config.webhook_disable_after_s:
            state["alert"] = "Webhooks Disabled: the app was unsubscribed from this Page after an hour of failures."
            world.store.drop("subscriptions", page_id)
            for row in list(world.store.deliveries.values()):
                if row["page"] == page_id:
                    world.store.drop("deliveries", row["id"])
            state["failing_since"] = None
        else:
            if failing_for >= config.webhook_alert_after_s:
                state["alert"] = "Webhooks are failing: the app will be unsubscribed from this Page after an hour."
            for row in rows:
                if row["attempts"] <= config.webhook_immediate_retries:
                    wait = config.webhook_immediate_delay_s
                else:
                    step = min(row["attempts"] - config.webhook_immediate_retries - 1, 20)
                    wait = min(config.webhook_backoff_base_s * 2**step, config.webhook_backoff_max_s)
                row["due_at"] = now + wait
                world.store.put("deliveries", row["id"], row)
        if page:
            world.store.put("pages", page_id, page)
        world.wake_webhooks()


def callback_url(world: World) -> str:
    """Return the callback URL of the app's subscription, else the configured one."""
    app_level = world.store.app_subscriptions.get("page")
    return app_level["callback_url"] if app_level else world.config.webhook_url


def post_signed(
    url: str, secret: str, raw: bytes, timeout_s: float, signature: str = "valid"
) -> tuple[int | None, str | None]:
    """POST the raw bytes with signature headers; return (status, None) or (None, name of the error). Blocking.

    `signature` is valid, none, wrong, or sha1 (only the legacy header).
    """
    headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
    signed = signing.signature_headers(secret if signature != "wrong" else secret + "-wrong", raw)
    if signature == "sha1":
        signed.pop("X-Hub-Signature-256")
    if signature != "none":
        headers.update(signed)
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, data=raw, headers=headers, timeout=timeout_s, allow_redirects=False)
            return answer.status_code, None
    except requests.RequestException as error:
        return None, type(error).__name__
