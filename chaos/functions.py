"""Read and prepare the data of the Desk that is being broken. `RunningDesk.call` runs these with Desk's settings.

Each function imports what it needs: chaos itself runs without Django.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

MILLISECOND = timedelta(milliseconds=1)


def connect_pages(page_ids: Sequence[str], person: str) -> None:
    """Link the person's Pages and create a channel, in a department of its own, for each of these without one."""
    from django.core.files.base import ContentFile

    from channels_im.models import Channel, ChannelAgent, Page
    from channels_im.services.channels import create_channel
    from channels_im.services.facebook.linking import link_with_long_token
    from desk.models import Agent, Department, User
    from tickets.demo.channel import draw_icon
    from tickets.demo.sandbox import Sandbox

    admin, agent = User.objects.get(username="admin"), Agent.objects.get(user__username="alice")
    link_with_long_token(admin, Sandbox().user_token(person))
    for page_id in page_ids:
        if Channel.objects.filter(page__page_id=page_id).exists():
            continue
        page = Page.objects.get(page_id=page_id)
        department = Department.objects.create(name=f"Chaos at {page.name}")
        icon = ContentFile(draw_icon(), name="icon.png")
        channel = create_channel(admin, name=page.name, icon=icon, page=page, department=department)
        agent.departments.add(department)
        ChannelAgent.objects.create(channel=channel, agent=agent)


def api_token(username: str) -> str:
    """Create an API token of the user and return its key."""
    from desk.models import User
    from tickets.services.webhooks import api_tokens

    user = User.objects.get(username=username)
    return api_tokens.create(user, user, name="Chaos")[1]


def answerable(since_ms: int) -> dict[str, int]:
    """Return the conversations in which a message of the customer from `since_ms` on is stored: {PSID: id}."""
    from tickets.models import Conversation

    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    rows = Conversation.objects.filter(last_customer_message_at__gte=since)
    return dict(rows.values_list("contact__psid", "pk"))


def stored(psids: Sequence[str]) -> list[dict[str, Any]]:
    """Return all messages of these customers, as chaos.record.Stored with the PSID and without the token."""
    from tickets.models import Message

    wanted = set(psids)
    names = ("conversation__contact__psid", "id", "mid", "sent_at", "text", "direction", "state", "ticket_id", "reason")
    rows = Message.objects.filter(kind=Message.Kind.MESSAGE).values_list(*names).iterator(chunk_size=2000)
    return [
        {
            **{"psid": psid, "id": pk, "mid": mid, "at": _ms(at), "text": text},
            **{"direction": direction, "state": state, "ticket": ticket, "reason": reason},
        }
        for psid, pk, mid, at, text, direction, state, ticket, reason in rows
        if psid in wanted
    ]


def waiting(psids: Sequence[str]) -> dict[str, bool]:
    """Return of each of these customers whether they wait for a reply."""
    from tickets.models import Conversation

    wanted = set(psids)
    rows = Conversation.objects.values_list("contact__psid", "waiting_since")
    return {psid: since is not None for psid, since in rows if psid in wanted}


def texts_in_journal() -> list[str]:
    """Return the bodies of the deliveries that wait to be processed."""
    from channels_im.models import WebhookDelivery

    states = (WebhookDelivery.State.PENDING, WebhookDelivery.State.PROCESSING)
    bodies = WebhookDelivery.objects.filter(state__in=states).values_list("body", flat=True)
    return [bytes(body).decode(errors="replace") for body in bodies]


def left_over() -> list[str]:
    """Return a sentence for each kind of work in the database that has not ended."""
    from channels_im.models import RecoveryRun, WebhookDelivery
    from tickets.models import Message

    states = WebhookDelivery.State
    counts = {
        "deliveries wait": WebhookDelivery.objects.filter(state__in=(states.PENDING, states.PROCESSING)),
        "deliveries failed": WebhookDelivery.objects.filter(state=states.FAILED),
        "deliveries were ignored or parked": WebhookDelivery.objects.filter(state__in=(states.IGNORED, states.PARKED)),
        "replies wait": Message.objects.filter(state__in=("queued", "sending", "unsure")),
        "recoveries run": RecoveryRun.objects.filter(state__in=("waiting", "running")),
    }
    numbers = {words: rows.count() for words, rows in counts.items()}
    return [f"{number} {words}" for words, number in numbers.items() if number]


def sent() -> int:
    """Return how many replies Meta took."""
    from tickets.models import Message

    return Message.objects.filter(direction="out", source="agent", state__in=("sent", "delivered", "read")).count()


def unsent() -> int:
    """Return how many replies wait or are being sent."""
    from tickets.models import Message

    return Message.objects.filter(direction="out", state__in=("queued", "sending", "unsure")).count()


def _ms(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // MILLISECOND
