"""The end of a snooze: at its time, when the customer writes, or with what an agent does. Begun in inbox/snoozes.py.

Whoever ends it holds the conversation's lock and looks at `is_snoozed` again: of all who do it at once one does.
"""

import logging
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, EventType, Message
from tickets.services import by_macro
from tickets.services.conversation import messages
from tickets.services.conversation.messages import SNOOZE_ENDED
from tickets.services.conversation.new_message import NewMessage
from tickets.services.conversation.times import now_after
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.wake_snoozed"
AT_A_TIME = 200
WOKEN = "woken"


def end(conversation: Conversation, why: str, user: User | None = None) -> bool:
    """End the snooze of a locked conversation; return whether it had one. `why`: time, reply, or agent, who is `user`.

    The conversation is saved. The line in the thread is the caller's: closing, say, has a line of its own.
    """
    if not conversation.is_snoozed:
        return False
    conversation.is_snoozed, conversation.snoozed_until = False, None
    conversation.save(update_fields=["is_snoozed", "snoozed_until"])
    events.publish(EventType.CONVERSATION_WOKEN, conversation, by=user, reason=why)
    return True


def customer_wrote(conversation: Conversation) -> None:
    """End the snooze of a locked conversation, because a message of the customer was stored."""
    if end(conversation, "reply"):
        add_line(conversation, WOKEN, sentence("The snooze ended, because the customer wrote"))


def is_due() -> bool:
    """Return whether a snooze is over."""
    return _due().exists()


def wake_due() -> int:
    """Wake the conversations whose time has come; return how many. One that fails does not stop the others."""
    return sum(_wake(pk) for pk in list(_due().order_by("snoozed_until").values_list("pk", flat=True)[:AT_A_TIME]))


def _due() -> QuerySet[Conversation, Conversation]:
    return Conversation.objects.filter(snoozed_until__isnull=False, snoozed_until__lte=timezone.now())


def _wake(pk: int) -> bool:
    try:
        with transaction.atomic():
            conversation = _due().select_for_update().filter(pk=pk).first()
            if conversation is None or not end(conversation, "time"):
                return False  # somebody else was faster, or has snoozed it again
            add_line(conversation, SNOOZE_ENDED, sentence("Snooze ended"))
    except Exception:
        logger.exception("Conversation %s could not be woken", pk)
        return False
    return True


def add_line(
    conversation: Conversation, kind: str, title: str, user: User | None = None, text: str = "", **facts: Any
) -> None:
    """Add a line, as about a snooze, to the thread of a locked conversation, and announce it to open pages."""
    line = NewMessage(
        direction=Message.Direction.OUT,
        kind=Message.Kind.EVENT,
        source=Message.Source.SYSTEM,
        author=user,
        card={
            "kind": kind,
            "title": title,
            "text": by_macro.with_origin(text),
            "url": "",
            **facts,
            **by_macro.facts(),
        },
        sent_at=now_after(conversation.last_message_at),
        state=Message.State.SENT,
    )
    messages.add_to_locked(conversation, line, savepoint=False)  # an event has no key that could exist already
