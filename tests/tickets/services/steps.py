"""What tests of the outbox do: let the worker drain, let it die, let an echo come."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from channels_im.messenger import events
from tests.factories import ms
from tickets.models import Message
from tickets.services.incoming import receipts
from tickets.services.outgoing import outbox


def drained(message: Message) -> Message:
    """Drain the outbox once and return `message` as it is then."""
    outbox.drain_outbox()
    message.refresh_from_db()
    return message


def kill_worker_while_sending(message: Message, **fields: Any) -> None:
    """Leave the row as a worker leaves it that was killed during the call."""
    Message.objects.filter(pk=message.pk).update(
        state="sending", claimed_at=timezone.now(), claimed_by="a dead worker", attempts=1, **fields
    )


def echo_of(message: Message, sent: dict[str, Any], **fields: Any) -> events.Echo:
    """Return Meta's echo of `sent`, an accepted message of the fake Graph, by this app."""
    contact = message.conversation.contact
    return events.Echo(
        page_id=message.page.page_id,
        psid=contact.psid,
        timestamp_ms=ms(sent["at"]),
        key=f"message:{sent['mid']}",
        mid=sent["mid"],
        text=sent["message"].get("text"),
        app_id=settings.META_APP_ID,
        **{"metadata": sent["message"]["metadata"], **fields},
    )


def handle_echo(message: Message, sent: dict[str, Any], **fields: Any) -> Message | None:
    """Let the echo of `sent` come in."""
    channel = message.conversation.channel
    return receipts.handle_echo(channel.page, channel, echo_of(message, sent, **fields))
