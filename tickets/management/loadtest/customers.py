"""The customers of a load test: whom they belong to, how they are recognised, and how they are removed."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min

from channels_im.models import Channel, WebhookDelivery
from desk import audit_log
from desk.demo_guard import DOMAIN
from desk.errors import Refused
from desk.models import User
from tickets.models import Contact, Conversation
from tickets.services.conversation import contacts
from tickets.services.webhooks import events

PREFIX = "loadtest-"  # of their PSIDs: those of Meta have digits only
NAME = "Load test {}"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
BATCH = 100


def is_demo() -> bool:
    """Return whether this is the demo: the sandbox on this machine in place of Meta, and the demo's users."""
    at_sandbox = urlsplit(settings.META_GRAPH_URL).hostname in LOOPBACK
    return at_sandbox and User.objects.filter(email__iendswith=f"@{DOMAIN}").exists()


def channel_for(page_id: str, real_name: str) -> Channel:
    """Return the channel to use: of the Page `page_id`, else the oldest one that receives messages.

    Outside of the demo it must be the one that is called `real_name`. Raises Refused.
    """
    active = Channel.objects.existing().filter(is_active=True, page__connection="connected").select_related("page")
    if not is_demo():
        if not real_name:
            raise Refused(
                "This is not the demo. A load test writes messages of invented customers into a channel, where agents "
                "see them. If you want that, name the channel: --yes-real-data “NAME OF THE CHANNEL”."
            )
        active = active.filter(name=real_name)
    if page_id:
        active = active.filter(page__page_id=page_id)
    channel = active.order_by("pk").first()
    if channel is None:
        raise Refused("There is no such channel that is active and connected.")
    return channel


def create(channel: Channel, number: int) -> list[Conversation]:
    """Return the conversations of `number` customers of load tests with this channel; those missing are created."""
    made = []
    for place in range(1, number + 1):
        with transaction.atomic():  # so that the worker asks Meta nothing about them
            conversation = contacts.conversation_for(channel.page, channel, f"{PREFIX}{place}")
            if conversation.contact.profile_state == Contact.ProfileState.PENDING:
                changes = {"name": NAME.format(place), "profile_state": Contact.ProfileState.FETCHED}
                Contact.objects.filter(pk=conversation.contact_id).update(**changes)
        made.append(conversation)
    return made


def remove() -> tuple[int, int]:
    """Delete all customers of load tests with everything of theirs, and the deliveries that brought their messages.

    Returns how many customers and deliveries. Raises Refused while their messages are being processed.
    """
    rows = Contact.objects.filter(psid__startswith=PREFIX)
    since = rows.aggregate(at=Min("first_seen_at"))["at"]
    if since is None:
        return 0, 0
    deliveries = 0
    for pks in _in_batches(_deliveries_since(since)):
        deliveries += (
            WebhookDelivery.objects.filter(pk__in=pks)
            .exclude(state=State.PROCESSING)
            .delete()[1]
            .get(WebhookDelivery._meta.label, 0)
        )
    if next(_deliveries_since(since), None) is not None:
        raise Refused("Messages of a load test are being processed at this moment. Try again in a few seconds.")
    removed = 0
    for pks in _in_batches(rows.values_list("pk", flat=True).order_by("pk")):
        with transaction.atomic():
            conversations = Conversation.objects.filter(contact__in=pks)
            events.delete_for(list(conversations.values_list("pk", flat=True)))
            Contact.objects.filter(pk__in=pks).delete()
        removed += len(pks)
    audit_log.record(audit_log.SYSTEM, None, audit_log.DELETION, f"{removed} customers of load tests removed.")
    return removed, deliveries


State = WebhookDelivery.State


def _deliveries_since(since: datetime) -> Iterator[int]:
    """Yield the ids of the deliveries with messages of load tests only."""
    found = "position(%s in body) > 0" if connection.vendor == "postgresql" else "instr(body, %s) > 0"
    table = WebhookDelivery._meta.db_table
    rows = WebhookDelivery.objects.raw(
        f"SELECT id, body FROM {table} WHERE received_at >= %s AND {found} ORDER BY id",  # noqa: S608 - our own names
        [since, f'"{PREFIX}'.encode()],
    )
    for row in rows.iterator():
        if _is_ours(bytes(row.body)):
            yield row.pk


def _is_ours(body: bytes) -> bool:
    try:
        entries = json.loads(body)["entry"]
        senders = [item["sender"]["id"] for entry in entries for item in entry["messaging"]]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(senders) and all(str(sender).startswith(PREFIX) for sender in senders)


def _in_batches(pks: Iterable[int]) -> Iterator[list[int]]:
    everything = list(pks)
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]
