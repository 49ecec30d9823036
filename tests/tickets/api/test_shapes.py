"""The answers have exactly the documented fields, with times in UTC to the millisecond."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.files.base import ContentFile
from pytest_django import Settings
from rest_framework.test import APIClient

from channels_im.models import HistoryImport
from tests import factories
from tests.factories import NOON
from tests.matching import present
from tickets.api.fields import iso_milliseconds
from tickets.models import Attachment, Message, Ticket

from .conftest import Shop


@time_machine.travel(NOON + timedelta(hours=1), tick=False)
def test_a_channel_has_exactly_the_fields_of_the_design(shop: Shop, alice: APIClient) -> None:
    page = shop.channel.page
    assert alice.get(f"/api/v1/channels/{shop.channel.pk}/").json() == {
        "id": shop.channel.pk,
        "name": "Shop",
        "page": {"page_id": page.page_id, "name": page.name},
        "department": "Sales",
        "is_active": True,
        "deleted_at": None,
        "connection": {"state": "connected", "reason": None, "since": None, "expires_at": None},
        "history_import": None,
    }


def test_a_channel_tells_of_its_history_import(shop: Shop, alice: APIClient) -> None:
    times = {"since": NOON - timedelta(days=30), "until": NOON, "oldest_at": NOON - timedelta(days=3)}
    counts = {"conversation_count": 212, "inserted_count": 900, "beyond_reach_count": 31}
    row = HistoryImport.objects.create(channel=shop.channel, page=shop.channel.page, days=30, **times, **counts)
    expected = {
        "state": "waiting",
        "days": 30,
        "conversations": 212,
        "total": None,
        "inserted": 900,
        "beyond_reach": 31,
        "oldest_at": "2026-11-17T12:00:00.000Z",
        "error": None,
        "finished_at": None,
    }
    assert alice.get(f"/api/v1/channels/{shop.channel.pk}/").json()["history_import"] == expected
    HistoryImport.objects.filter(pk=row.pk).update(is_counted=True, total_count=300)
    [channel] = alice.get("/api/v1/channels/").json()["results"]
    assert channel["history_import"] == expected | {"total": 300}


def test_a_conversation_has_exactly_the_fields_of_the_design(shop: Shop, alice: APIClient) -> None:
    shop.conversation.refresh_from_db()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        answer = alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
    assert answer == {
        "id": shop.conversation.pk,
        "channel": shop.channel.pk,
        "page_id": shop.channel.page.page_id,
        "contact": {"psid": "7001", "name": "Maria Lopez", "blocked": False},
        "department": "Sales",
        "assignee": None,
        "status": "open",
        "ticket": {
            "id": shop.conversation.current_ticket_id,
            "number": shop.conversation.current_ticket_id,
            "subject": "Where is my order?",
            "status": "open",
            "priority": "normal",
            "labels": [],
        },
        "waiting_since": "2026-11-20T12:00:00.000Z",
        "preview": "Where is my order?",
        "preview_is_ours": False,
        "unread": 1,
        "snoozed": False,
        "snoozed_until": None,
        "last_message_at": "2026-11-20T12:00:00.000Z",
        "thread_owner": None,
        "window": {"state": "response", "closes_at": "2026-11-27T12:00:00.000Z", "opened_by": "message"},
    }


def test_a_ticket_has_exactly_the_fields_of_the_design(shop: Shop, alice: APIClient) -> None:
    ticket = Ticket.objects.get()
    assert alice.get(f"/api/v1/tickets/{ticket.pk}/").json() == {
        "id": ticket.pk,
        "number": ticket.number,
        "conversation": shop.conversation.pk,
        "subject": ticket.subject,
        "status": "open",
        "priority": "normal",
        "labels": [],
        "department": "Sales",
        "assignee": None,
        "opened_at": "2026-11-20T12:00:00.000Z",
        "closed_at": None,
        "last_message_at": "2026-11-20T12:00:00.000Z",
        "fields": {},
    }


def test_a_message_has_exactly_the_fields_of_the_design(shop: Shop, alice: APIClient) -> None:
    assert alice.get(f"/api/v1/messages/{shop.message.pk}/").json() == {
        "id": shop.message.pk,
        "conversation": shop.conversation.pk,
        "ticket": shop.message.ticket_id,
        "page_id": shop.channel.page.page_id,
        "psid": "7001",
        "mid": "m_first",
        "direction": "in",
        "kind": "message",
        "author": None,
        "text": "Where is my order?",
        "sent_at": "2026-11-20T12:00:00.000Z",
        "state": "received",
        "reason": None,
        "reply_to": None,
        "reactions": [],
        "edited_at": None,
        "withdrawn_at": None,
        "recovered": False,
        "imported": False,
        "card": None,
        "cards": [],
        "attachments": [],
        "sticker_id": None,
        "template": None,
        "mentions": [],
        "macro": None,
    }


def test_what_a_message_may_have_besides_is_given_out(shop: Shop, alice: APIClient) -> None:
    message = factories.answer(
        shop.conversation, "Soon", state="failed", author=shop.alice, reply_to_mid="m_first", reason="It was too late."
    )
    Message.objects.filter(pk=message.pk).update(
        reactions=[{"by": "customer", "emoji": "❤", "at": "2026-11-20T12:00:00Z"}],
        edited_at=NOON,
        withdrawn_at=NOON,
        card={"kind": "postback", "title": "Get started", "url": None, "payload": "of our own"},
    )
    answer = alice.get(f"/api/v1/messages/{message.pk}/").json()
    assert answer["author"] == "alice"
    assert answer["state"] == "failed"
    assert answer["reason"] == "It was too late."
    assert answer["reply_to"] == "m_first"
    assert answer["reactions"] == [{"by": "customer", "emoji": "❤"}]
    assert answer["edited_at"] == answer["withdrawn_at"] == "2026-11-20T12:00:00.000Z"
    assert answer["card"] == {"kind": "postback", "title": "Get started", "text": None, "url": None}


def test_every_card_is_given_out_with_its_choices_and_picture(shop: Shop, alice: APIClient) -> None:
    link = {"kind": "link", "title": "Wheel", "text": "", "url": "https://shop.example/w"}
    choices = [{"title": "Yes", "url": None, "payload": "YES", "of_our_own": 1}]
    card = {**link, "picture": 0, "choices": choices, "more": [{**link, "kind": "ad", "title": "Ad"}]}
    Message.objects.filter(pk=shop.message.pk).update(card=card)
    picture = Attachment.objects.create(message=shop.message, kind="image", position=0)
    answer = alice.get(f"/api/v1/messages/{shop.message.pk}/").json()
    whole: dict[str, Any] = {"choices": [], "payload": None, "picture": None}
    assert answer["card"] == link
    assert answer["cards"] == [
        {**link, **whole, "choices": [{"title": "Yes", "url": None, "payload": "YES"}], "picture": picture.pk},
        {**link, **whole, "kind": "ad", "title": "Ad"},
    ]


def test_attachments_are_given_out_in_order_with_an_address_when_stored(shop: Shop, alice: APIClient) -> None:
    refused = Attachment.objects.create(
        message=shop.message, position=1, kind="video", name="clip.mp4", state="refused", reason="No videos here."
    )
    stored = Attachment.objects.create(
        message=shop.message,
        position=0,
        kind="image",
        name="cat.png",
        content_type="image/png",
        size=3,
        state="stored",
        file=ContentFile(b"cat", name="x.png"),
        source_url="https://scontent.fbcdn.net/expires",
    )
    assert alice.get(f"/api/v1/messages/{shop.message.pk}/").json()["attachments"] == [
        {
            "id": stored.pk,
            "kind": "image",
            "name": "cat.png",
            "content_type": "image/png",
            "size": 3,
            "state": "stored",
            "reason": None,
            "url": f"http://testserver/api/v1/attachments/{stored.pk}/content/",
        },
        {
            "id": refused.pk,
            "kind": "video",
            "name": "clip.mp4",
            "content_type": None,
            "size": None,
            "state": "refused",
            "reason": "No videos here.",
            "url": None,
        },
    ]


def test_people_are_named_by_their_user_names(shop: Shop, alice: APIClient) -> None:
    shop.conversation.assignee = shop.alice
    shop.conversation.save(update_fields=["assignee"])
    Ticket.objects.update(assignee=shop.alice, status="closed", closed_at=NOON)
    assert alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()["assignee"] == "alice"
    ticket = alice.get(f"/api/v1/tickets/{shop.message.ticket_id}/").json()
    assert (ticket["assignee"], ticket["status"], ticket["closed_at"]) == (
        "alice",
        "closed",
        "2026-11-20T12:00:00.000Z",
    )


def test_a_contact_whose_name_is_not_known_has_none(shop: Shop, alice: APIClient) -> None:
    contact = shop.conversation.contact
    contact.name, contact.blocked_at = "", NOON
    contact.save(update_fields=["name", "blocked_at"])
    answer = alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
    assert answer["contact"] == {"psid": "7001", "name": None, "blocked": True}


@pytest.mark.parametrize(
    ("hours", "state"),
    [(0, "response"), (23.99, "response"), (24, "human_agent"), (167.99, "human_agent"), (168, "closed")],
)
def test_the_window_is_that_of_the_pages(shop: Shop, alice: APIClient, hours: float, state: str) -> None:
    with time_machine.travel(NOON + timedelta(hours=hours), tick=False):
        answer = alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
    assert answer["window"] == {"state": state, "closes_at": "2026-11-27T12:00:00.000Z", "opened_by": "message"}


def test_without_the_human_agent_feature_the_window_closes_after_a_day(
    shop: Shop, alice: APIClient, settings: Settings
) -> None:
    settings.META_HUMAN_AGENT = False
    with time_machine.travel(NOON + timedelta(hours=24), tick=False):
        answer = alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()
    assert answer["window"] == {"state": "closed", "closes_at": "2026-11-21T12:00:00.000Z", "opened_by": "message"}


def test_a_conversation_in_which_the_customer_never_wrote_has_a_closed_window(shop: Shop, alice: APIClient) -> None:
    silent = factories.make_conversation(shop.channel)
    answer = alice.get(f"/api/v1/conversations/{silent.pk}/").json()
    assert answer["window"] == {"state": "closed", "closes_at": None, "opened_by": "message"}
    assert answer["last_message_at"] is None


def test_a_page_to_re_authenticate_says_why_and_since_when(shop: Shop, alice: APIClient) -> None:
    page = shop.channel.page
    page.connection, page.reauth_reason, page.reauth_since = "reauth_required", "token_expired", NOON
    page.save(update_fields=["connection", "reauth_reason", "reauth_since"])
    assert alice.get(f"/api/v1/channels/{shop.channel.pk}/").json()["connection"] == {
        "state": "reauth_required",
        "reason": "token_expired",
        "since": "2026-11-20T12:00:00.000Z",
        "expires_at": None,
    }


@pytest.mark.parametrize(
    ("page_days", "account_days", "days"), [(None, 60, 60), (30, None, 30), (30, 60, 30), (90, 60, 60)]
)
def test_a_connection_expires_when_the_first_of_its_tokens_does(
    shop: Shop, alice: APIClient, page_days: int | None, account_days: int | None, days: int
) -> None:
    page, account = shop.channel.page, present(shop.channel.page.facebook_account)
    page.token_expires_at = NOON + timedelta(days=page_days) if page_days else None
    account.expires_at = NOON + timedelta(days=account_days) if account_days else None
    page.save(update_fields=["token_expires_at"])
    account.save(update_fields=["expires_at"])
    connection = alice.get(f"/api/v1/channels/{shop.channel.pk}/").json()["connection"]
    assert connection["expires_at"] == iso_milliseconds(NOON + timedelta(days=days))


def test_a_page_without_a_facebook_account_has_no_expiry(shop: Shop, alice: APIClient) -> None:
    page = shop.channel.page
    page.facebook_account = None
    page.save(update_fields=["facebook_account"])
    assert alice.get(f"/api/v1/channels/{shop.channel.pk}/").json()["connection"]["expires_at"] is None


def test_a_deleted_channel_stays_listed_with_the_time_it_was_deleted(shop: Shop, alice: APIClient) -> None:
    shop.channel.is_active, shop.channel.deleted_at = False, NOON
    shop.channel.save(update_fields=["is_active", "deleted_at"])
    [channel] = alice.get("/api/v1/channels/").json()["results"]
    assert (channel["is_active"], channel["deleted_at"]) == (False, "2026-11-20T12:00:00.000Z")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "2026-03-01T09:30:00.000Z"),
        (datetime(2026, 3, 1, 9, 30, 0, 7999, tzinfo=UTC), "2026-03-01T09:30:00.007Z"),
        (datetime(2026, 3, 1, 9, 30, tzinfo=ZoneInfo("Europe/Berlin")), "2026-03-01T08:30:00.000Z"),
    ],
)
def test_times_are_utc_with_exactly_three_decimals(moment: datetime, text: str) -> None:
    assert iso_milliseconds(moment) == text


@pytest.mark.django_db
def test_times_are_utc_whatever_zone_the_installation_has(shop: Shop, alice: APIClient, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    assert alice.get("/api/v1/messages/").json()["results"][0]["sent_at"] == "2026-11-20T12:00:00.000Z"
