"""*Send yourself a test*: who can get one, the message, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, pgettext

from channels_im.models import Channel
from channels_im.services.go_live import progress
from channels_im.services.go_live.progress import ReportOnTest, State
from desk import audit_log, letters
from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, Message
from tickets.rules.window import RESPONSE_WINDOW
from tickets.services.conversation import access
from tickets.services.outgoing import replies

TEXT = (  # English only: it is sent to Messenger
    "This is a test message from Desk. If you can read it, our replies reach you in Messenger."
)
MAX_PEOPLE = 20
FOLLOWED_FOR = timedelta(minutes=10)

_ARRIVED = (Message.State.DELIVERED, Message.State.READ)
_ACCEPTED = (Message.State.SENT, *_ARRIVED)
_UNDER_WAY = (Message.State.QUEUED, Message.State.SENDING)


@dataclass(frozen=True)
class Stage:
    """A stage of the message: `state` is ok, wrong or waiting; `at` is when it was reached, if that is known."""

    title: str
    state: str
    at: datetime | None = None
    detail: str = ""


def channels() -> list[Channel]:
    """Return the channels in which a test can be sent."""
    active = Channel.objects.existing().filter(is_active=True).select_related("page").order_by("name")
    return [channel for channel in active if channel.page.is_connected]


def people(user: User, channel: Channel) -> list[Conversation]:
    """Return the conversations of those who wrote to the channel within 24 hours, the last one first.

    Only those that `user` may see, at most MAX_PEOPLE, with their contacts.
    """
    since = timezone.now() - RESPONSE_WINDOW
    recent = access.conversations_for(user).filter(channel=channel, last_customer_message_at__gt=since)
    return list(recent.select_related("contact").order_by("-last_customer_message_at", "-pk")[:MAX_PEOPLE])


def send(user: User, conversation_id: int, client_key: str) -> Message:
    """Queue the test message in a conversation that `user` may see, as their reply, and return it.

    Raises Refused when the customer did not write within 24 hours or the reply may not be sent, and Http404.
    """
    conversation = access.get_conversation(user, conversation_id)
    last = conversation.last_customer_message_at
    if last is None or last <= timezone.now() - RESPONSE_WINDOW:
        raise Refused(
            sentence("They did not write within the last 24 hours. Write to the Page again, then send the test.")
        )
    with transaction.atomic():
        message = replies.queue_reply(user, conversation, text=TEXT, client_key=client_key)[0]
        if progress.row().test_message_id == message.pk:  # the same form, sent twice
            return message
        progress.note_test(message.pk)
        audit_log.record(user, conversation.channel, audit_log.CHANGE, sentence("Going live: a test message was sent."))
    return message


def stages(message: Message) -> list[Stage]:
    """Return the stages of a sent message, in order and in the active language."""
    accepted, arrived = message.state in _ACCEPTED, message.state in _ARRIVED
    is_read = message.state == Message.State.READ
    is_unsure = message.state == Message.State.UNSURE
    is_stuck = not accepted and not is_unsure and message.state not in _UNDER_WAY
    return [
        Stage(pgettext("a message is", "Queued"), "ok", message.received_at),
        Stage(
            gettext("Accepted by Facebook"),
            "ok" if accepted else "wrong" if is_stuck else "waiting",
            message.sent_at if accepted else None,
            message.reason if is_stuck or is_unsure else "",
        ),
        Stage(
            pgettext("a message is", "Delivered"),
            "ok" if arrived else "waiting",
            message.delivered_at if arrived else None,
        ),
        Stage(
            pgettext("a message is", "Read"),
            "ok" if is_read else "waiting",
            message.read_at if is_read else None,
        ),
    ]


def may_change(message: Message) -> bool:
    """Return whether another stage is likely to come soon, so that it is worth looking again."""
    is_on_its_way = message.state in (*_UNDER_WAY, Message.State.SENT, Message.State.DELIVERED)
    is_on_its_way |= message.state == Message.State.UNSURE and message.retry_after is not None  # Desk still finds out
    return is_on_its_way and message.received_at > timezone.now() - FOLLOWED_FOR


def report(message_id: int) -> ReportOnTest | None:
    """Return for the *Go live* page what became of the test message; None when it no longer exists."""
    message = Message.objects.filter(pk=message_id).first()
    if message is None:
        return None
    if message.state in _ARRIVED:
        day = letters.day(message.received_at)
        return ReportOnTest(State.DONE, sentence("The test of %(day)s was delivered.", day=day))
    if message.state in (*_UNDER_WAY, Message.State.SENT):
        return ReportOnTest(State.TO_DO, sentence("The last test is on its way."))
    if message.state == Message.State.UNSURE:
        told = sentence("The last test may or may not have been sent.")
    else:
        told = sentence("The last test was not sent.")
    return ReportOnTest(State.TO_DO, f"{told} {message.reason}".strip())
