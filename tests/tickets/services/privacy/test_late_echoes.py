"""Echoes that Meta delivers after a contact was erased do not bring them back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from pytest_django import Settings
from time_machine import Traveller

from channels_im.models import Channel, Page, WebhookDelivery
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item
from tests.matching import present
from tests.tickets.services.privacy.erased_contact import MINUTE, OTHER, PSID, SECRET, erase, everything
from tickets.models import Contact, Conversation, Message

pytestmark = pytest.mark.django_db

INBOX = 263902037430900  # Meta's own app of the Page inbox
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    """The person is erased an hour after what they said."""
    with time_machine.travel(NOON + HOUR, tick=False) as traveller:
        yield traveller


@pytest.fixture
def unsure(conversation: Conversation) -> Message:
    """A reply whose call ended without an answer."""
    alice = present(conversation.messages.exclude(author=None).first()).author
    at = NOON + 10 * MINUTE
    return make.answer(conversation, f"Perhaps, {SECRET}", at, "unsure", author=alice)


def echo(
    page: Page,
    psid: str,
    *,
    at: datetime = NOON + 11 * MINUTE,
    mid: str = "m_late",
    app_id: int | None = None,
    **fields: Any,
) -> dict[str, Any]:
    message = {"is_echo": True, "mid": mid, "text": f"Perhaps, {SECRET}", "app_id": app_id or settings.META_APP_ID}
    return item(page, psid, at, from_page=True, message={**message, **fields})


def people() -> tuple[list[str], int, int]:
    """Who is known, how many conversations there are, and how many messages."""
    known = Contact.objects.order_by("pk").values_list("psid", flat=True)
    return list(known), Conversation.objects.count(), Message.objects.count()


def come(client: Client, page: Page, echoed: dict[str, Any]) -> None:
    """Let Meta deliver it twice, and forget the journal: what it says is not asked here."""
    deliver(client, delivery(page, echoed))
    deliver(client, delivery(page, echoed))
    assert not WebhookDelivery.objects.exclude(state="done").exists()
    WebhookDelivery.objects.all().delete()


def test_the_echo_of_an_unsure_reply_settles_its_shell_and_no_more(
    setup: Client, unsure: Message, channel: Channel
) -> None:
    erase(setup, unsure.conversation)
    before = people()
    come(setup, channel.page, echo(channel.page, PSID, metadata=f"desk:{unsure.pk}"))
    assert people() == before
    unsure.refresh_from_db()
    assert (unsure.state, unsure.mid, unsure.text) == ("sent", "m_late", "")
    assert not [word for word in (PSID, SECRET) if word in everything()]


def test_neither_does_it_when_they_have_written_again(setup: Client, unsure: Message, channel: Channel) -> None:
    erase(setup, unsure.conversation)
    deliver(setup, delivery(channel.page, make.text_item(channel.page, PSID, "Hello again", NOON + HOUR)))
    before = people()
    come(setup, channel.page, echo(channel.page, PSID, metadata=f"desk:{unsure.pk}"))
    assert people() == before
    assert Message.objects.get(mid="m_late").pk == unsure.pk
    assert SECRET not in everything()


@pytest.mark.parametrize("fields", [{"metadata": "desk:{sent}"}, {}, {"app_id": INBOX}])
def test_the_echo_of_a_reply_that_was_known_as_sent_is_known(
    setup: Client, conversation: Conversation, channel: Channel, fields: dict[str, Any]
) -> None:
    sent = conversation.messages.get(state="sent", kind="message")
    erase(setup, conversation)
    before = people()
    fields = {name: value.format(sent=sent.pk) if name == "metadata" else value for name, value in fields.items()}
    come(setup, channel.page, echo(channel.page, PSID, mid=present(sent.mid), at=NOON + 3 * HOUR, **fields))
    assert people() == before
    assert SECRET not in everything()


def test_so_is_what_was_sent_from_the_page_inbox(setup: Client, conversation: Conversation, channel: Channel) -> None:
    outside = echo(channel.page, PSID, app_id=INBOX)
    deliver(setup, delivery(channel.page, outside))
    erase(setup, conversation)
    before = people()
    come(setup, channel.page, outside)
    assert people() == before
    assert Message.objects.get(mid="m_late").text == ""


@pytest.mark.parametrize("fields", [{"metadata": "desk:{failed}"}, {}, {"app_id": INBOX}])
def test_the_echo_of_an_earlier_reply_is_ignored_even_when_its_row_is_gone(
    setup: Client, conversation: Conversation, channel: Channel, fields: dict[str, Any]
) -> None:
    failed = conversation.messages.get(state="failed")
    erase(setup, conversation)
    assert not Message.objects.filter(pk=failed.pk).exists()
    before = people()
    fields = {name: value.format(failed=failed.pk) if name == "metadata" else value for name, value in fields.items()}
    come(setup, channel.page, echo(channel.page, PSID, **fields))
    assert people() == before
    assert SECRET not in everything()


def test_a_key_that_was_replaced_since_still_tells_who_was_erased(
    setup: Client, conversation: Conversation, channel: Channel, settings: Settings
) -> None:
    erase(setup, conversation)
    before = people()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [settings.SECRET_KEY]
    come(setup, channel.page, echo(channel.page, PSID))
    assert people() == before


def test_what_the_page_writes_to_them_afterwards_is_a_new_conversation(
    setup: Client, unsure: Message, channel: Channel, clock: Traveller
) -> None:
    erase(setup, unsure.conversation)
    clock.shift(HOUR)
    come(setup, channel.page, echo(channel.page, PSID, at=NOON + 2 * HOUR, app_id=INBOX))
    assert Message.objects.get(mid="m_late").conversation.contact == Contact.objects.get(psid=PSID)


def test_an_echo_to_somebody_else_is_theirs_whatever_row_it_names(
    setup: Client, unsure: Message, channel: Channel
) -> None:
    erase(setup, unsure.conversation)
    stranger = "5550009999999"
    for number, psid in enumerate((OTHER, stranger)):
        named = echo(channel.page, psid, mid=f"m_theirs_{number}", metadata=f"desk:{unsure.pk}")
        deliver(setup, delivery(channel.page, named))
        assert Message.objects.get(mid=f"m_theirs_{number}").conversation.contact.psid == psid
    unsure.refresh_from_db()
    assert (unsure.state, unsure.mid) == ("unsure", None)
