"""The details strip: the contact, their tickets and files, where they came from, and the agents' notes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from desk.models import User
from tests.matching import search
from tests.pages import html_of
from tickets.models import Contact, Conversation, Message, Ticket

from . import world
from .world import NOON

HX = {"HX-Request": "true"}
HOUR = timedelta(hours=1)


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    return world.make_conversation(desk.shop, "Rosa Diaz")


def details(client: Client, conversation: Conversation) -> str:
    html = html_of(client.get(f"/inbox/{conversation.pk}/"))
    return html[html.index('<aside class="details"') : html.index("</aside>")]


def add_ticket(conversation: Conversation, at: datetime, subject: str = "") -> Ticket:
    return Ticket.objects.create(
        conversation=conversation,
        department=conversation.department,
        subject=subject,
        opened_at=at,
        last_message_at=at,
        status="closed",
        closed_at=at + HOUR,
    )


def test_who_the_person_is(alice: Client, conversation: Conversation) -> None:
    shown = details(alice, conversation)
    for words in ("Rosa Diaz", conversation.contact.psid, "Shop Page", "Shop", "Sales", "Customer since"):
        assert words in shown
    assert f'data-copy-text="{conversation.contact.psid}"' in shown


def test_an_earlier_ticket_opens_at_its_own_messages_without_scripts_too(
    alice: Client, conversation: Conversation
) -> None:
    for number in range(60):
        world.say(conversation, f"new {number}", at=NOON + timedelta(seconds=number))
    old = add_ticket(conversation, NOON - 48 * HOUR, "The old story")
    world.say(conversation, "long ago", at=NOON - 48 * HOUR, ticket=old)
    shown = details(alice, conversation)
    assert "The old story" in shown
    link = search(rf'<a href="([^"]+)" data-jump="ticket-{old.pk}"', shown)[1]
    page = html_of(alice.get(unescape(link)))
    assert "long ago" in page
    assert "new 59<" not in page
    assert f'id="ticket-{old.pk}"' in page


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"kind": "ad", "title": "Came from an ad: Spring sale", "text": "Ad 120", "url": None}, "Spring sale"),
        ({"kind": "referral", "title": "Came through a link", "text": "Reference: spring", "url": None}, "spring"),
    ],
)
def test_where_they_came_from(
    alice: Client, conversation: Conversation, card: dict[str, str | None], words: str
) -> None:
    assert "Where they came from" not in details(alice, conversation)
    world.say(conversation, "", kind="event", ticket=None, card=card)
    shown = details(alice, conversation)
    assert "Where they came from" in shown
    assert words in shown


def test_a_shared_link_is_not_where_they_came_from(alice: Client, conversation: Conversation) -> None:
    world.say(
        conversation, "look", card={"kind": "link", "title": "Shared link", "text": "", "url": "https://x.example"}
    )
    assert "Where they came from" not in details(alice, conversation)


def test_agents_note_what_they_know_of_a_person(alice: Client, conversation: Conversation) -> None:
    about = "Prefers <b>mornings</b>\nspeaks Spanish"
    fields = {"email": " rosa@example.org ", "phone": "+49 151 5550", "about": about}
    response = alice.post(f"/inbox/{conversation.pk}/person/", fields, headers=HX)
    assert response.status_code == 200
    contact = Contact.objects.get()
    assert (contact.email, contact.phone, contact.about) == ("rosa@example.org", "+49 151 5550", about)
    for shown in (html_of(response), details(alice, conversation)):
        assert "mailto:rosa@example.org" in shown
        assert "Prefers &lt;b&gt;mornings" in shown
    assert alice.post(f"/inbox/{conversation.pk}/person/", {}).status_code == 302
    contact.refresh_from_db()
    assert (contact.email, contact.phone, contact.about) == ("", "", "")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"email": "no address"}, "e-mail"),
        ({"phone": "1" * 41}, "phone"),
        ({"about": "x" * 5001}, "5,001 characters"),
    ],
)
def test_what_cannot_be_noted_is_refused_and_nothing_is_kept(
    alice: Client, conversation: Conversation, fields: dict[str, str], word: str
) -> None:
    Contact.objects.update(about="as before")
    whole = {"email": "rosa@example.org", "phone": "1", "about": "new", **fields}
    response = alice.post(f"/inbox/{conversation.pk}/person/", whole, headers=HX)
    assert response.status_code == 422
    assert word in html_of(response)
    contact = Contact.objects.get()
    assert (contact.email, contact.about) == ("", "as before")


def test_erasing_is_offered_to_who_may_erase(
    desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    address = f"/admin/tickets/contact/{conversation.contact_id}/erase/"
    assert address in details(as_user(desk.root), conversation)
    assert address not in details(as_user(desk.alice), conversation)
    desk.alice.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    assert address not in details(as_user(desk.alice), conversation)  # no administrator


def test_exporting_stays_when_the_channel_is_deleted_and_transferring_goes(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    assert "Transfer with a note" in details(alice, conversation)
    desk.shop.is_active, desk.shop.deleted_at = False, timezone.now()
    desk.shop.save()
    shown = details(alice, conversation)
    assert f"/inbox/{conversation.pk}/export/" in shown
    assert "Transfer with a note" not in shown


def test_the_queries_do_not_grow_with_tickets_and_files(
    alice: Client, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def fill(count: int) -> None:
        for number in range(count):
            at = NOON - (1 + number) * 2 * HOUR
            message = world.say(conversation, "x", at=at, ticket=add_ticket(conversation, at))
            world.attach(message, f"{number}.png")

    fill(2)
    with django_assert_max_num_queries(200) as few:
        details(alice, conversation)
    fill(15)
    assert Message.objects.count() == 17
    with django_assert_max_num_queries(len(few.captured_queries)):
        details(alice, conversation)
