"""The world: one object for all state of the sandbox and what its parts share.

It holds people, Pages, customers, messages and tokens (`store`), settings, the clock, the logs of calls and webhooks,
and the windows that wait for changes.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import ids
from sandbox.config import Config
from sandbox.store import Doc, Store

INBOX_APP_ID = "263902037430900"  # Meta's own Page inbox (DOC/conversation-routing)
THUMBS_UP_STICKER = "369239263222822"


class World:
    """The state (`store`), settings (`config`), clock, logs and watchers of one sandbox.

    Without a `directory`, everything stays in memory. `env` replaces the process environment.
    """

    def __init__(self, directory: Path | None = None, env: dict[str, str] | None = None):
        self.store = Store(directory)
        self.env = env
        self.config = Config(self.store.config.setdefault("overrides", {}), env)
        self.calls: list[dict[str, Any]] = []
        self.reads: dict[str, deque[float]] = defaultdict(deque)  # of conversations by Page, within the last second
        self.webhook_log: list[dict[str, Any]] = []
        self.revision = 0
        self.closing = False
        self.posts_under_way = 0
        self._watchers: set[asyncio.Event] = set()
        self._by_thread: dict[str, list[str]] = {}
        self.wake_webhooks: Callable[[], None] = lambda: None  # replaced by the webhook sender
        self.reindex()

    # Clock -----------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the sandbox's time in Unix seconds (clock_offset_s ahead of the real time)."""
        return time.time() + self.config.clock_offset_s

    def now_ms(self) -> int:
        """Return the sandbox's time in milliseconds."""
        return int(self.now() * 1000)

    # Settings --------------------------------------------------------------------------------------------------

    def configure(self, changes: dict[str, Any]) -> None:
        """Change settings at run time. Raise ValueError with a sentence, and change nothing, when one is invalid."""
        changes = self.config.check(changes)
        self.config.overrides.update(changes)
        self.store.put("config", "overrides", self.config.overrides)

    # Messages of a thread --------------------------------------------------------------------------------------

    def reindex(self) -> None:
        """Rebuild the list of messages of each thread from the store."""
        self._by_thread = {}
        for mid, message in self.store.messages.items():
            self._by_thread.setdefault(message["thread"], []).append(mid)
        for mids in self._by_thread.values():
            mids.sort(key=lambda mid: self.store.messages[mid]["ts"])

    def thread_messages(self, key: str) -> list[Doc]:
        """Return the messages of a thread, oldest first."""
        return [self.store.messages[mid] for mid in self._by_thread.get(key, [])]

    def newest_mids(self, key: str, count: int = 20) -> set[str]:
        """Return the ids of the newest `count` messages of a thread."""
        return set(self._by_thread.get(key, [])[-count:])

    def add_message(self, message: Doc) -> Doc:
        """Store a new message, which has its `thread` and its `ts` in ms, and wake the watchers."""
        mids = self._by_thread.setdefault(message["thread"], [])
        messages = self.store.messages
        out_of_order = bool(mids) and messages[mids[-1]]["ts"] > message["ts"]
        self.store.put("messages", message["mid"], message)
        mids.append(message["mid"])
        if out_of_order:
            mids.sort(key=lambda mid: messages[mid]["ts"])
        thread = self.store.threads[message["thread"]]
        thread["updated_at"] = max(thread["updated_at"], message["ts"])
        self.save_thread(thread)
        return message

    def save_message(self, message: Doc) -> None:
        """Store a message that was changed in place, and wake the watchers."""
        self.store.put("messages", message["mid"], message)
        self.announce()

    def save_thread(self, thread: Doc) -> None:
        """Store a thread that was changed in place, and wake the watchers."""
        self.store.put("threads", thread["key"], thread)
        self.announce()

    # Look-ups --------------------------------------------------------------------------------------------------

    def psid(self, customer_id: str, page_id: str) -> str:
        """Return the customer's PSID on the Page, and store it, so that the Graph API knows it from now on."""
        psid = ids.psid_for(customer_id, page_id)
        if psid not in self.store.psids:
            self.store.put("psids", psid, {"customer": customer_id, "page": page_id})
        return psid

    def open_thread(self, page_id: str, customer_id: str) -> Doc:
        """Return the thread of a customer and a Page; make it when there is none."""
        psid = self.psid(customer_id, page_id)
        key = f"{page_id}:{psid}"
        thread = self.store.threads.get(key)
        if thread is None:
            thread = {
                "key": key,
                "id": ids.thread_id(page_id, psid),
                "page": page_id,
                "psid": psid,
                "customer": customer_id,
                "last_action_at": 0,
                "updated_at": 0,
                "owner": None,
                "owner_until": 0,
                "blocked": False,
                "spam": False,
                "typing": False,
                "page_seen_at": 0,
                "read_watermark": 0,
                "delivered_watermark": 0,
            }
            self.save_thread(thread)
        return thread

    def find_customer(self, key: str) -> Doc | None:
        """Return a customer by its id or by one of its PSIDs."""
        if key in self.store.customers:
            return self.store.customers[key]
        known = self.store.psids.get(key)
        return self.store.customers.get(known["customer"]) if known else None

    def find_thread(self, page_id: str, customer_or_psid: str) -> Doc | None:
        """Return the thread of a Page and a customer (id or PSID), or None."""
        customer = self.find_customer(customer_or_psid)
        if customer is None:
            return None
        return self.store.threads.get(f"{page_id}:{ids.psid_for(customer['id'], page_id)}")

    def person_by_asid(self, asid: str) -> Doc | None:
        """Return the person whose app-scoped id is `asid`."""
        return next((person for person in self.store.people.values() if person["asid"] == asid), None)

    # Live updates ----------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Wake the watchers: something has changed."""
        self.revision += 1
        for event in self._watchers:
            event.set()

    def watch(self) -> asyncio.Event:
        """Return an event that is set at each change, until `unwatch`."""
        event = asyncio.Event()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        """Stop setting the event of `watch`."""
        self._watchers.discard(event)
