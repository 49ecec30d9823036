"""The thread shows between its messages when the Page's connection was lost and restored."""

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from channels_im.models import Page, PageOutage
from channels_im.services.facebook import connection
from tests.pages import html_of
from tickets.models import Message

from . import world

HOUR = timedelta(hours=1)
LOST = "must be re-authenticated:"  # the composer says it too, without the colon
BACK = "was re-authenticated"


def lose(page: Page, at: datetime, reason: str = "permission_revoked") -> None:
    with time_machine.travel(at, tick=False):
        connection.require_reauth(page, reason, "send")


def heal(page: Page, at: datetime) -> None:
    with time_machine.travel(at, tick=False):
        connection.mark_connected(page)


def said(html: str) -> list[str]:
    """What stands in the thread, in order: texts of bubbles, and what the lines are about."""
    return re.findall(rf"m\d+(?=</)|{LOST}|{BACK}", html)


def test_the_thread_says_when_the_page_was_lost_and_came_back(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    page = conversation.channel.page
    for number in range(3):
        world.say(conversation, f"m{number}", at=world.NOON + number * HOUR)
    lose(page, world.NOON + HOUR / 2)
    heal(page, world.NOON + 3 * HOUR / 2)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/messages/", headers={"HX-Request": "true"}))
    assert said(html) == ["m0", LOST, "m1", BACK, "m2"]
    assert "a Page permission was revoked. Replies are held" in html
    lose(page, world.NOON + 30 * HOUR, "app_removed")
    assert said(html_of(alice.get(f"/inbox/{conversation.pk}/")))[-2:] == ["m2", LOST]


def test_a_reason_that_says_more_is_the_same_outage(desk: world.Desk) -> None:
    page = desk.shop.page
    lose(page, world.NOON)
    lose(page, world.NOON + HOUR, "app_removed")
    lose(page, world.NOON + HOUR)
    outage = PageOutage.objects.get()
    assert (outage.reason, outage.began_at, outage.ended_at) == ("app_removed", world.NOON, None)
    heal(page, world.NOON + 2 * HOUR)
    heal(page, world.NOON + 3 * HOUR)
    outage.refresh_from_db()
    assert outage.ended_at == world.NOON + 2 * HOUR
    lose(page, world.NOON + 4 * HOUR)
    assert PageOutage.objects.count() == 2


@pytest.mark.slow
def test_each_line_stands_once_however_the_thread_is_read(alice: Client, desk: world.Desk) -> None:
    """Read upward page by page, nothing is missing and nothing comes twice."""
    conversation = world.make_conversation(desk.shop)
    page = conversation.channel.page
    lose(page, world.NOON - 9 * HOUR)
    heal(page, world.NOON - 8 * HOUR)
    for number in range(100):
        world.say(conversation, f"m{number}", at=world.NOON + number * HOUR)
        if number % 7 == 0:
            (lose if number % 2 else heal)(page, world.NOON + number * HOUR + HOUR / 2)
    address, headers = f"/inbox/{conversation.pk}/messages/", {"HX-Request": "true"}
    html = html_of(alice.get(address, headers=headers))
    found = said(html)
    while older := re.search(r"before=([^&\"]+)", html):
        html = html_of(alice.get(f"{address}?before={older[1]}", headers=headers))
        found = said(html) + found
    assert [text for text in found if text.startswith("m") and text[1:].isdigit()] == [f"m{n}" for n in range(100)]
    assert found.count(LOST) == PageOutage.objects.filter(began_at__gte=world.NOON).count() == 7
    assert found.count(BACK) == PageOutage.objects.filter(ended_at__gte=world.NOON).count() == 7
    assert found[found.index(LOST) - 1] == "m7"


def test_what_happened_before_the_conversation_or_to_another_page_is_not_shown(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    world.say(conversation, "m0")
    lose(conversation.channel.page, world.NOON - 2 * HOUR)
    heal(conversation.channel.page, world.NOON - HOUR)
    lose(desk.service.page, world.NOON + HOUR)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/messages/", headers={"HX-Request": "true"}))
    assert said(html) == ["m0"]


def test_a_line_on_another_day_has_its_day_above_it(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    world.say(conversation, "m0")
    lose(conversation.channel.page, world.NOON + 24 * HOUR)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/messages/", headers={"HX-Request": "true"}))
    day = timezone.localtime(world.NOON + 24 * HOUR).date().isoformat()
    assert html.index("m0</") < html.index(f'data-key="day-{day}"') < html.index(LOST)


def test_nothing_is_shown_of_an_erased_contact(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    world.say(conversation, "", kind="event", card={"kind": "erased", "title": "Erased"})
    conversation.contact.erased_at = world.NOON
    conversation.contact.save()
    lose(conversation.channel.page, world.NOON + HOUR)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/messages/", headers={"HX-Request": "true"}))
    assert LOST not in html
    assert Message.objects.count() == 1
