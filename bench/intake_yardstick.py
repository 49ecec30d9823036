"""Take a journal of text messages in with bare SQL: the necessary rows of the same tables, and nothing else.

It knows one channel and text messages of customers that come in order within the intermission: no routing, no other
kinds, no rules, no retries. Nothing that does more can be faster.
"""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from channels_im.models import Channel

BATCH = 100

CONTACT = (
    "INSERT INTO tickets_contact (page_id, psid, name, picture, profile_state, profile_attempts, first_seen_at, email, "
    "phone, about) VALUES {} RETURNING id"
)
CONVERSATION = (
    "INSERT INTO tickets_conversation (contact_id, channel_id, department_id, is_open, is_snoozed, unread_count, "
    "message_count, preview, preview_is_ours, holds_reply, has_scheduled, thread_owner_app_id, created_at) "
    "VALUES {} RETURNING id"
)
TICKET = (
    "INSERT INTO tickets_ticket (conversation_id, subject, subject_is_own, status, priority, department_id, opened_at, "
    "last_message_at) "
    "VALUES {} RETURNING id"
)
MESSAGE = (
    "INSERT INTO tickets_message (conversation_id, ticket_id, page_id, mid, direction, kind, source, text, "
    "reply_to_mid, reactions, edit_number, is_standby, sent_at, received_at, original_timestamp, state, reason, "
    "waits_for_customer, fbtrace_id, attempts, claimed_by) VALUES {}"
)


def drain(channel: Channel) -> None:
    """Store all waiting deliveries."""
    while _take(channel):
        pass


def _take(channel: Channel) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, body, received_at FROM channels_im_webhookdelivery WHERE state = 'pending' "
            "ORDER BY id LIMIT %s",
            [BATCH],
        )
        deliveries = cursor.fetchall()
        if not deliveries:
            return False
        items = []
        for _pk, body, received_at in deliveries:
            for entry in json.loads(bytes(body))["entry"]:
                for item in entry["messaging"]:
                    at = datetime.fromtimestamp(item["timestamp"] / 1000, UTC)
                    items.append((at, received_at, item["sender"]["id"], item["message"]))
        conversations = _conversations(cursor, channel, items)
        rows, changes, tickets = [], [], []
        for at, received_at, psid, message in items:
            pk, ticket = conversations[psid]
            constant = ("", "[]", 0, False, at, received_at, "", "received", "", False, "", 0, "")
            own = (pk, ticket, channel.page_id, message["mid"], "in", "message", "customer", message["text"])
            rows.append((*own, *constant))
            changes.append((at, at, at, message["text"][:200], ticket, pk))
            tickets.append((at, ticket))
        _insert(cursor, MESSAGE, rows)
        cursor.executemany(
            "UPDATE tickets_conversation SET message_count = message_count + 1, unread_count = unread_count + 1, "
            "last_message_at = %s, last_customer_message_at = %s, waiting_since = COALESCE(waiting_since, %s), "
            "preview = %s, current_ticket_id = %s WHERE id = %s",
            changes,
        )
        cursor.executemany("UPDATE tickets_ticket SET last_message_at = %s WHERE id = %s", tickets)
        _announce(cursor, {pk for pk, _ticket in conversations.values()})
        pks = [pk for pk, _body, _at in deliveries]
        cursor.execute(
            f"UPDATE channels_im_webhookdelivery SET state = 'done' WHERE id IN ({_marks(pks)})",
            pks,
        )
    return True


def _conversations(cursor: Any, channel: Channel, items: list[Any]) -> dict[str, tuple[int, int]]:
    """Return conversation and ticket of each customer, new ones where there are none."""
    first: dict[str, tuple[datetime, str]] = {}
    for at, _received_at, psid, message in items:
        first.setdefault(psid, (at, message["text"]))
    cursor.execute(
        "SELECT contact.psid, conversation.id, conversation.current_ticket_id FROM tickets_conversation conversation "
        "JOIN tickets_contact contact ON contact.id = conversation.contact_id "
        f"WHERE conversation.channel_id = %s AND contact.page_id = %s AND contact.psid IN ({_marks(first)})",
        [channel.pk, channel.page_id, *first],
    )
    known = {psid: (pk, ticket) for psid, pk, ticket in cursor.fetchall()}
    new = [psid for psid in first if psid not in known]
    if new:
        own, page, department = channel.pk, channel.page_id, channel.department_id
        contacts = _insert(
            cursor, CONTACT, [(page, psid, "", "", "pending", 0, first[psid][0], "", "", "") for psid in new], ids=True
        )
        new_rows: list[Any] = [
            (pk, own, department, True, False, 0, 0, "", False, False, False, "", first[psid][0])
            for pk, psid in zip(contacts, new, strict=True)
        ]
        pks = _insert(cursor, CONVERSATION, new_rows, ids=True)
        new_rows = [
            (pk, first[psid][1][:80], False, "open", "normal", department, first[psid][0], first[psid][0])
            for pk, psid in zip(pks, new, strict=True)
        ]
        tickets = _insert(cursor, TICKET, new_rows, ids=True)
        known |= dict(zip(new, zip(pks, tickets, strict=True), strict=True))
    return known


def _insert(cursor: Any, statement: str, rows: list[Any], *, ids: bool = False) -> list[int]:
    row = f"({_marks(rows[0])})"
    cursor.execute(statement.format(", ".join([row] * len(rows))), [value for values in rows for value in values])
    return [pk for (pk,) in cursor.fetchall()] if ids else []


def _marks(values: Any) -> str:
    return ", ".join(["%s"] * len(values))


def _announce(cursor: Any, pks: set[int]) -> None:
    payloads = [json.dumps({"kind": "conversation", "conversation": pk}) for pk in pks]
    if connection.vendor == "postgresql":
        cursor.execute("SELECT pg_notify('desk_live', payload) FROM unnest(%s::text[]) AS payload", [payloads])
    else:
        now = datetime.now(UTC)
        _insert(
            cursor,
            "INSERT INTO desk_liveevent (payload, created_at) VALUES {}",
            [(payload, now) for payload in payloads],
        )
