"""The thread of a conversation, as whole pages and as parts."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.matching import search
from tests.pages import html_of
from tickets.models import Conversation, Message, Ticket

from . import world

HX = {"HX-Request": "true"}


def page(client: Client, conversation: Conversation, **query: Any) -> str:
    response = client.get(f"/inbox/{conversation.pk}/", query)
    assert response.status_code == 200
    return html_of(response)


def keys(html: str) -> list[str]:
    return re.findall(r'data-key="([^"]+)"', html)


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    return world.make_conversation(desk.shop)


def test_messages_stand_in_the_order_of_metas_time(alice: Client, conversation: Conversation) -> None:
    late = world.say(conversation, "second", at=world.NOON + timedelta(minutes=1))
    early = world.say(conversation, "first", at=world.NOON)
    found = [key for key in keys(page(alice, conversation)) if key.startswith("message-")]
    assert found == [f"message-{early.pk}", f"message-{late.pk}"]


def test_a_day_and_a_ticket_begin_with_a_line(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    world.say(conversation, "old")
    second = Ticket.objects.create(
        conversation=conversation, department=desk.sales, opened_at=world.NOON, last_message_at=world.NOON
    )
    world.say(conversation, "new", at=world.NOON + timedelta(hours=16), ticket=second)
    html = page(alice, conversation)
    assert {"day-2026-03-04", "day-2026-03-05", f"ticket-{second.pk}"} <= set(keys(html))
    assert f"Ticket #{second.pk} opened — 16 h after the last message" in html


def test_a_ticket_that_goes_on_from_an_older_page_does_not_begin_again(
    alice: Client, conversation: Conversation
) -> None:
    for n in range(60):
        world.say(conversation, str(n), at=world.NOON + timedelta(minutes=n))
    html = page(alice, conversation)
    assert f"ticket-{conversation.current_ticket_id}" not in keys(html)
    older = search(r'data-older="([^"]+)"', html).group(1)
    response = alice.get(f"/inbox/{conversation.pk}/messages/", {"before": older}, headers=HX)
    assert f"ticket-{conversation.current_ticket_id}" in keys(html_of(response))


def test_older_messages_come_page_by_page_without_a_gap_or_a_double(alice: Client, conversation: Conversation) -> None:
    for n in range(95):  # many share a time: the id decides
        world.say(conversation, str(n), at=world.NOON + timedelta(minutes=n // 10))
    html = page(alice, conversation)
    found = [key for key in keys(html) if key.startswith("message-")]
    while older := re.search(r'data-older="([^"]+)"', html):
        response = alice.get(f"/inbox/{conversation.pk}/messages/", {"before": older.group(1)}, headers=HX)
        html = html_of(response)
        found = [key for key in keys(html) if key.startswith("message-")] + found
    assert found == [f"message-{pk}" for pk in Message.objects.order_by("sent_at", "pk").values_list("pk", flat=True)]


@pytest.mark.parametrize("cursor", ["", "nonsense", "2026-01-01_x", "2026-13-45T00:00:00+00:00_1", "_", "x" * 5000])
def test_a_cursor_that_is_none_gives_the_end_of_the_thread(
    alice: Client, conversation: Conversation, cursor: str
) -> None:
    message = world.say(conversation)
    response = alice.get(f"/inbox/{conversation.pk}/messages/", {"before": cursor}, headers=HX)
    assert f"message-{message.pk}" in keys(html_of(response))


def test_it_opens_with_a_line_above_the_first_unread_message(alice: Client, conversation: Conversation) -> None:
    for n in range(70):
        world.say(conversation, str(n), at=world.NOON + timedelta(minutes=n))
    conversation.unread_count = 55
    conversation.save()
    html = page(alice, conversation)
    first_unread = conversation.messages.order_by("sent_at")[70 - 55]
    found = keys(html)
    assert found[found.index("unread") + 1] == f"message-{first_unread.pk}"


def test_bubbles_of_one_sender_within_three_minutes_are_one_group(alice: Client, conversation: Conversation) -> None:
    for minutes in (0, 3, 7):
        world.say(conversation, "hi", at=world.NOON + timedelta(minutes=minutes))
    classes = [
        found.split() for found in re.findall(r'class="( message message--in [^"]*)"', page(alice, conversation))
    ]
    ends = [("message--first" in names, "message--last" in names) for names in classes]
    assert ends == [(True, False), (False, True), (True, True)]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", "Queued"),
        ("sending", "Being sent"),
        ("sent", "Sent"),
        ("delivered", "Delivered"),
        ("read", "receipt--read"),
        ("failed", "Not sent"),
        ("held", "Held, not sent"),
        ("unsure", "Unsure whether it arrived"),
    ],
)
def test_each_state_of_a_reply_is_said(
    alice: Client, conversation: Conversation, desk: world.Desk, state: str, words: str
) -> None:
    world.say(conversation, "Answer", author=desk.alice, state=state, reason="Because of the weather.")
    html = page(alice, conversation)
    assert words in html
    assert ("Because of the weather." in html) == (state in {"failed", "held", "unsure", "queued"})


@pytest.mark.parametrize(
    ("state", "choices"),
    [
        ("failed", {"retry", "edit"}),
        ("held", {"wait", "edit"}),
        ("unsure", {"arrived", "resend"}),
        ("sent", set()),
    ],
)
def test_a_reply_in_trouble_offers_what_can_be_done(
    alice: Client, conversation: Conversation, desk: world.Desk, state: str, choices: set[str]
) -> None:
    message = world.say(conversation, "Answer", author=desk.alice, state=state)
    html = page(alice, conversation)
    assert set(re.findall(rf"/messages/{message.pk}/([a-z-]+)/", html)) == choices


@pytest.mark.parametrize(("state", "choices"), [("failed", {"cancel"}), ("held", {"cancel"}), ("unsure", {"arrived"})])
def test_in_a_deleted_channel_nothing_offers_to_send(
    alice: Client, conversation: Conversation, desk: world.Desk, state: str, choices: set[str]
) -> None:
    message = world.say(conversation, "Answer", author=desk.alice, state=state)
    type(desk.shop).objects.filter(pk=desk.shop.pk).update(deleted_at=timezone.now(), is_active=False)
    html = page(alice, conversation)
    assert set(re.findall(rf"/messages/{message.pk}/([a-z-]+)/", html)) == choices


def test_an_answered_message_is_quoted_even_from_far_above(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    first = world.say(conversation, "The very first question")
    for n in range(60):
        world.say(conversation, str(n), at=world.NOON + timedelta(minutes=n + 1))
    world.say(conversation, "Yes", at=world.NOON + timedelta(hours=2), author=desk.alice, reply_to_mid=first.mid)
    html = page(alice, conversation)
    assert f'data-jump="message-{first.pk}"' in html
    assert "The very first question" in html


def test_a_quote_never_shows_a_message_of_another_conversation(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    other = world.make_conversation(desk.shop, "Somebody else")
    secret = world.say(other, "a secret of somebody else")
    world.say(conversation, "hi", reply_to_mid=secret.mid)
    html = page(alice, conversation)
    assert "a secret of somebody else" not in html
    assert "Replies to a message that Desk does not have" in html


def test_reactions_edits_and_withdrawals_are_shown(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "Nice", reactions=[{"by": "customer", "emoji": "❤", "at": None}])
    world.say(conversation, "Edited text", edited_at=world.NOON)
    world.say(conversation, "Gone", withdrawn_at=world.NOON)
    html = page(alice, conversation)
    assert "❤" in html
    assert 'class="edited"' in html
    assert "unsent this message" in html


@pytest.mark.parametrize("reactions", [[None], ["x"], [{}], [{"emoji": ""}], {"emoji": "x"}])
def test_reactions_of_an_odd_shape_break_nothing(
    alice: Client, conversation: Conversation, reactions: dict[str, str] | list[Any]
) -> None:
    world.say(conversation, "Nice", reactions=reactions)
    page(alice, conversation)


def test_a_reply_from_elsewhere_is_marked(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "From the Page", direction="out", source="page_inbox", state="read")
    assert "Answered in Page inbox" in page(alice, conversation)


def test_a_card_with_a_dangerous_address_gets_no_link(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "", card={"kind": "x", "title": "Look", "text": "", "url": "javascript:alert(1)"})
    html = page(alice, conversation)
    assert "Look" in html
    assert "javascript:" not in html


def test_a_card_of_an_unknown_kind_is_a_card(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "", card={"kind": "hologram", "title": "", "text": "", "url": ""})
    assert "A message that Desk cannot display" in page(alice, conversation)


@pytest.mark.parametrize("state", ["refused", "failed"])
def test_a_file_that_could_not_be_taken_is_a_card_with_name_type_size_and_reason(
    alice: Client, conversation: Conversation, state: str
) -> None:
    message = world.say(conversation, "")
    world.attach(message, "film.mp4", state=state, kind="video", size=3_145_728, reason="Too long a film.")
    html = page(alice, conversation)
    for words in ("film.mp4", "Video", "3.0\xa0MB", "Too long a film."):
        assert words in html


def test_an_image_keeps_its_place_before_it_is_loaded(alice: Client, conversation: Conversation) -> None:
    world.attach(world.say(conversation, ""), width=1200, height=900)
    world.attach(world.say(conversation, ""), width=16, height=4000)
    world.attach(world.say(conversation, ""))
    sizes = re.findall(r'class="picture".*?width="(\d+)" height="(\d+)"', page(alice, conversation), re.DOTALL)
    assert sizes == [("260", "195"), ("24", "320"), ("260", "195")]


def test_addresses_in_texts_are_links_that_tell_nothing_of_us(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "See https://example.com/a?b=1&c=2, please")
    html = page(alice, conversation)
    assert (
        '<a href="https://example.com/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer nofollow">'
        "https://example.com/a?b=1&amp;c=2</a>, please"
    ) in html


EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


def test_nothing_a_customer_writes_is_html(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, EVIL, preview=EVIL)
    quoted = world.say(conversation, EVIL)
    answer = world.say(conversation, EVIL, reply_to_mid=quoted.mid, edited_at=world.NOON, withdrawn_at=world.NOON)
    world.say(conversation, "", card={"kind": EVIL, "title": EVIL, "text": EVIL, "url": EVIL}, kind="event")
    world.say(conversation, "", card={"kind": EVIL, "title": EVIL, "text": EVIL, "url": "https://x.example/" + EVIL})
    world.say(conversation, "hi", reactions=[{"by": EVIL, "emoji": EVIL}])
    world.attach(answer, EVIL, kind="document", content_type="application/pdf")
    world.attach(answer, EVIL, kind="document", state="refused", reason=EVIL, position=1)
    world.attach(world.say(conversation, ""), EVIL)
    Ticket.objects.update(subject=EVIL)
    for html in (page(alice, conversation), html_of(alice.get("/inbox/", {"q": EVIL}))):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert 'onerror=alert(1)>"' not in html


def test_a_long_text_is_folded_and_a_short_one_is_not(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "short")
    assert "text--folded" not in page(alice, conversation)
    world.say(conversation, "long " * 300)
    assert "text--folded" in page(alice, conversation)


def test_times_are_in_the_zone_of_the_browser(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "hi")  # 12:00 UTC
    alice.cookies["desk_zone"] = "Asia/Tokyo"
    assert ">21:00</time>" in page(alice, conversation)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Nowhere/Town", "\x00", "x" * 4000, "Europe"])
def test_a_zone_that_is_none_is_ignored(alice: Client, conversation: Conversation, zone: str) -> None:
    """The header is written here: newer versions of http.cookies refuse to write what a browser may send."""
    world.say(conversation, "hi")
    cookies = f"sessionid={alice.cookies['sessionid'].value}; desk_zone={zone}"
    response = alice.get(f"/inbox/{conversation.pk}/", headers={"Cookie": cookies})
    assert response.status_code == 200
    assert ">12:00</time>" in html_of(response)


def test_a_page_that_was_away_gets_everything_since_its_oldest_message(
    alice: Client, conversation: Conversation
) -> None:
    messages = [world.say(conversation, str(n), at=world.NOON + timedelta(minutes=n)) for n in range(90)]
    since = f"{messages[20].sent_at.isoformat()}_{messages[20].pk}"
    response = alice.get(f"/inbox/{conversation.pk}/messages/", {"since": since}, headers=HX)
    found = [key for key in keys(html_of(response)) if key.startswith("message-")]
    assert found == [f"message-{message.pk}" for message in messages[20:]]


def test_a_thread_needs_as_many_queries_with_300_messages_as_with_3(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    def fill(target: Conversation, amount: int) -> None:
        for n in range(amount):
            quoted = world.say(target, str(n), at=world.NOON + timedelta(minutes=n))
            message = world.say(
                target,
                "answer",
                at=world.NOON + timedelta(minutes=n),
                author=[desk.alice, desk.bob][n % 2],
                reply_to_mid=quoted.mid,
            )
            world.attach(message)

    def count(target: Conversation) -> int:
        with CaptureQueriesContext(connection) as captured:
            page(alice, target)
        return len(captured)

    big = world.make_conversation(desk.shop)
    fill(conversation, 3)
    fill(big, 150)
    count(conversation)  # what is cached once per process
    assert count(conversation) == count(big)


@override_settings(META_HUMAN_AGENT=True)
def test_the_composer_says_how_long_one_may_still_answer(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, at=timezone.now() - timedelta(days=6, hours=18, minutes=48))
    assert re.search(r"Reply as Shop Page · 5 h 1[12] m left", page(alice, conversation))


def test_when_nobody_may_reply_the_composer_says_why_and_since_when(alice: Client, desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, at=timezone.now() - timedelta(days=8))
    html = page(alice, conversation)
    assert "The messaging window closed on" in html
    assert "data-gated" in html


@pytest.mark.parametrize(("kind", "is_card"), [("ad", True), ("referral", True), ("policy", True), ("assigned", False)])
def test_an_ad_or_link_is_a_card_and_what_colleagues_do_a_line(
    alice: Client, conversation: Conversation, kind: str, is_card: bool
) -> None:
    world.say(conversation, "", kind="event", card={"kind": kind, "title": "Spring sale", "text": "<b>Ad 120</b>"})
    event = search(r'<div class="event".*?</time>', page(alice, conversation), re.DOTALL)[0]
    assert ('<div class="card card--' in event) == is_card
    assert "Spring sale" in event
    assert "&lt;b&gt;Ad 120&lt;/b&gt;" in event


@pytest.mark.parametrize("kind", ["message", "note"])
def test_nothing_is_added_to_what_was_written(
    alice: Client, desk: world.Desk, conversation: Conversation, kind: str
) -> None:
    """Blanks and line breaks of a text are shown as they are: a template must not put its own around it."""
    world.say(conversation, "  two lines\n\n  indented", author=desk.alice, kind=kind)
    html = alice.get(f"/inbox/{conversation.pk}/").content.decode()
    assert search(r'<div class="text" dir="auto">(.*?)</div>', html, re.DOTALL)[1] == "  two lines\n\n  indented"
