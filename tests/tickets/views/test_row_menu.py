"""The context menu of a row: what it offers, to whom, and that its actions are those of the conversation."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel
from desk.models import User
from tests.http import Response
from tests.pages import html_of
from tickets.models import Contact, Conversation, Label

from . import world
from .test_bulk import do, sentence


def menu(client: Client, conversation: Conversation) -> Response:
    return client.get(f"/inbox/{conversation.pk}/menu/", headers={"HX-Request": "true"})


def actions(response: Response) -> set[str]:
    return set(re.findall(r'data-do="([a-z-]+)"', html_of(response)))


def test_the_menu_offers_what_is_possible_now(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    bug = Label.objects.create(name="Bug", key="bug")
    Label.objects.create(name="Foreign", key="foreign", department=desk.support)
    shown = menu(alice, conversation)
    expected = {"unread", "take", "priority", "add-label", "snooze", "close", "block"}
    assert actions(shown) == expected
    assert 'role="menu"' in html_of(shown)
    assert "Foreign" not in html_of(shown)

    do(alice, "take", conversation)
    do(alice, "add-label", conversation, label=bug.pk)
    do(alice, "snooze", conversation, until="reply")
    assert actions(menu(alice, conversation)) == (expected | {"assign", "remove-label", "wake"}) - {
        "take",
        "add-label",
        "snooze",
    }
    do(alice, "close", conversation)
    Conversation.objects.update(unread_count=1)
    Contact.objects.update(blocked_at=timezone.now())
    assert {"reopen", "read", "unblock"} <= actions(menu(alice, conversation))


def test_the_menu_of_a_deleted_channel_offers_neither_block_nor_assign(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    Channel.objects.filter(pk=desk.shop.pk).update(deleted_at=timezone.now(), is_active=False)
    assert not actions(menu(alice, conversation)) & {"block", "take", "assign", "snooze"}


def test_a_stranger_gets_no_menu(
    desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    assert menu(as_user(desk.bob), conversation).status_code == 404
    assert menu(Client(), conversation).status_code == 401
    assert as_user(desk.alice).post(f"/inbox/{conversation.pk}/menu/").status_code == 405


def test_a_row_is_blocked_by_its_menu_and_a_stranger_blocks_nobody(
    alice: Client, desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    do(as_user(desk.bob), "block", conversation)
    assert not Contact.objects.get(pk=conversation.contact_id).blocked_at
    assert sentence(do(alice, "block", conversation)) == "1 conversation: blocked."
    assert Contact.objects.get(pk=conversation.contact_id).blocked_at
    assert sentence(do(alice, "unblock", conversation)) == "1 conversation: unblocked."
    assert not Contact.objects.get(pk=conversation.contact_id).blocked_at


@pytest.mark.parametrize(("hours", "shown"), [(0.5, ""), (3.5, "3 h"), (49, "2 d 1 h")])
def test_a_row_says_how_long_the_customer_waits(
    alice: Client, conversation: Conversation, hours: float, shown: str
) -> None:
    Conversation.objects.update(waiting_since=world.ago(hours=hours))
    found = re.findall(r"data-waited>([^<]*)<", html_of(alice.get("/inbox/")))
    assert found == ([shown] if shown else [])
