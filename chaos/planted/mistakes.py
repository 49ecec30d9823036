"""The mistakes, and which count finds each. The functions import Django and Desk in the process that they change."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VARIABLE = "CHAOS_PLANTED"
COMMIT_LATE_S = 0.6


@dataclass(frozen=True)
class Mistake:
    """A mistake: the function that plants it, and the name of the count that must find it."""

    plant: Callable[[], None]
    found_by: str


def answer_before_commit() -> None:
    """Answer Meta 200 first, and store the delivery a moment later."""
    from channels_im.webhook import asgi

    usual, later = asgi.post, set[asyncio.Task[None]]()

    async def post(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        task = asyncio.create_task(store(scope, body))
        later.add(task)
        task.add_done_callback(later.discard)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def store(scope: Any, body: bytes) -> None:
        await asyncio.sleep(COMMIT_LATE_S)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            """Meta was answered already."""

        await usual(scope, receive, send)

    asgi.post = post


def store_each_time() -> None:
    """Store a message of a customer each time it comes, as if its mid were a new one."""
    from channels_im.messenger.event_types import MessageReceived

    usual = MessageReceived.__init__

    def initialise(self: Any, *, mid: str | None = None, **fields: Any) -> None:
        usual(self, mid=f"{mid}-{uuid.uuid4().hex[:12]}" if mid else mid, **fields)

    setattr(MessageReceived, "__init__", initialise)  # noqa: B010 - a method of a class that is typed


def send_unsure_again() -> None:
    """Send a reply again whose call had no answer, without finding out whether it arrived."""

    def change(fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("state") == "unsure":
            return {**fields, "state": "queued", "reason": "", "retry_after": None, "claimed_by": ""}
        return fields

    _change_updates("Message", change)


def send_in_any_order() -> None:
    """Send every reply that is queued, also while an earlier one to the same customer is not sent."""
    from django.db.models import Q
    from django.utils import timezone

    from tickets.models import Message
    from tickets.services.outgoing import outbox

    def waiting(now: Any = None) -> Any:
        now = now or timezone.now()
        due = Message.objects.filter(Q(retry_after=None) | Q(retry_after__lte=now), state="queued")
        return due.exclude(page__rate_limited_until__gt=now)

    if not hasattr(outbox, "waiting"):
        raise AttributeError("tickets.services.outgoing.outbox.waiting is gone: plant this mistake elsewhere")
    outbox.waiting = waiting


def keep_waiting() -> None:
    """Leave a customer waiting who was answered."""
    from tickets.models import Conversation

    class WaitingSince:
        """The attribute `waiting_since`: a time is not replaced by None."""

        def __get__(self, row: Any, owner: Any = None) -> Any:
            return self if row is None else row.__dict__.get("waiting_since")

        def __set__(self, row: Any, value: Any) -> None:
            row.__dict__["waiting_since"] = value or row.__dict__.get("waiting_since")

    setattr(Conversation, "waiting_since", WaitingSince())  # noqa: B010 - a field of a model that is typed
    _change_updates(
        "Conversation",
        lambda fields: {name: value for name, value in fields.items() if name != "waiting_since" or value is not None},
    )


def _change_updates(model: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what `QuerySet.update` writes to rows of this model."""
    from django.db.models import QuerySet

    usual = QuerySet.update

    def update(self: Any, **fields: Any) -> int:
        changed = change(fields) if self.model.__name__ == model else fields
        return usual(self, **changed) if changed else self.count()

    setattr(QuerySet, "update", update)  # noqa: B010 - a method of a class that is typed


MISTAKES = {
    "answer-before-commit": Mistake(answer_before_commit, "lost"),
    "store-each-time": Mistake(store_each_time, "doubled"),
    "send-unsure-again": Mistake(send_unsure_again, "doubled"),
    "send-in-any-order": Mistake(send_in_any_order, "misordered"),
    "keep-waiting": Mistake(keep_waiting, "wrong counters"),
}
