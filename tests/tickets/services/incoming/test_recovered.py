"""What Desk has missed, written to the journal as webhooks are and taken in by the drain."""

import io
import zipfile
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from channels_im import tasks
from channels_im.messenger.graph_messages import GraphMessage, parse_messages
from channels_im.models import Channel, Page, WebhookDelivery
from channels_im.services.journal import store
from channels_im.services.recovery.writer import write_missed
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, text_item
from tests.http import streamed
from tests.matching import present
from tests.pages import html_of
from tickets.models import Contact, Conversation, Message, MessageChange, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import notifications
from tickets.services.integrity import conversations as integrity
from tickets.services.outgoing import delivery_status, replies
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db
PSID = "7001"


@pytest.fixture
def channel() -> Channel:
    return make.make_channel()


@pytest.fixture
def page(channel: Channel) -> Page:
    return channel.page


def shown(page: Page, *rows: tuple[str, int, str], **more: Any) -> Sequence[GraphMessage]:
    """Return what Meta shows of (mid, seconds after noon, text), given oldest first; texts with ">" are the Page's."""
    found = []
    for mid, second, text in reversed(rows):
        sender = page.page_id if text.startswith(">") else PSID
        at = (NOON + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S+0000")
        found.append({"id": mid, "created_time": at, "from": {"id": sender}, "message": text.lstrip(">"), **more})
    return parse_messages({"data": found}, page.page_id)


def recover(page: Page, *rows: tuple[str, int, str], **more: Any) -> int:
    """Write what is missing of these rows and drain the journal; return how many were written."""
    written = write_missed(page, PSID, shown(page, *rows, **more))
    tasks.drain_journal()
    return written.inserted


def thread() -> list[tuple[str | None, str, str]]:
    rows = Message.objects.filter(kind="message").order_by("sent_at", "pk")
    return list(rows.values_list("mid", "direction", "text"))


def test_a_missed_message_comes_as_if_its_webhook_had(channel: Channel, page: Page, client: Client) -> None:
    assert recover(page, ("m_1", 0, "Hello"), ("m_2", 0, ">Hi!"), ("m_3", 0, "Open?")) == 3
    assert thread() == [("m_1", "in", "Hello"), ("m_2", "out", "Hi!"), ("m_3", "in", "Open?")]
    conversation = Conversation.objects.get()
    assert (conversation.unread_count, conversation.message_count, conversation.preview) == (2, 3, "Open?")
    assert conversation.waiting_since == NOON + timedelta(milliseconds=2)
    assert Ticket.objects.get().subject == "Hello"
    assert not Message.objects.filter(recovered_at=None).exists()
    assert WebhookDelivery.objects.get().source == WebhookDelivery.Source.RECOVERED
    page.refresh_from_db()
    assert page.last_event_at is None  # Meta has sent nothing


def test_a_late_webhook_with_another_id_is_the_recovered_message(channel: Channel, page: Page, client: Client) -> None:
    """Nobody knows whether the Conversations API and webhooks always have the same ids."""
    recover(page, ("g_1", 0, "ok"), ("g_2", 0, "ok"), ("g_3", 1, ">Hi!"))
    at = NOON + timedelta(milliseconds=300)
    deliver(client, delivery(page, text_item(page, PSID, "ok", at, "m_1"), text_item(page, PSID, "ok", at, "m_2")))
    echo = {"mid": "m_3", "text": "Hi!", "is_echo": True, "app_id": 263902037430900}
    deliver(client, delivery(page, item(page, PSID, NOON + timedelta(seconds=1.5), from_page=True, message=echo)))
    deliver(client, delivery(page, text_item(page, PSID, "ok", at, "m_4")))  # a third one is another message
    assert [(mid, text) for mid, _side, text in thread()] == [
        ("m_1", "ok"),
        ("m_2", "ok"),
        ("m_4", "ok"),
        ("m_3", "Hi!"),
    ]
    assert not Message.objects.filter(recovered_at__isnull=False).exists()
    assert recover(page, ("g_1", 0, "ok"), ("g_2", 0, "ok"), ("g_3", 1, ">Hi!")) == 0


def test_webhooks_that_come_after_a_recovery_correct_the_times_and_keep_the_order(
    channel: Channel, page: Page, client: Client
) -> None:
    """The Conversations API tells the second alone; a reply's echo has told its exact time meanwhile."""
    said = [
        ("m_0", 100, "First"),
        ("m_1", 300, "Second"),
        ("m_2", 703, ">Hi!"),
        ("m_3", 773, "Third"),
        ("m_4", 980, "!"),
    ]
    recover(page, *((mid, 0, text) for mid, _ms, text in said))
    order = [mid for mid, _ms, _text in said]
    for mid, ms, text in sorted(said, key=lambda each: "20314".index(each[0][-1])):
        at = NOON + timedelta(milliseconds=ms)
        content: dict[str, Any] = {"message": {"mid": mid, "text": text.lstrip(">")}}
        if text.startswith(">"):
            content["message"] |= {"is_echo": True, "app_id": 263902037430900}
        deliver(client, delivery(page, item(page, PSID, at, from_page=text.startswith(">"), **content)))
        assert Message.objects.get(mid=mid).sent_at == at
        assert [mid for mid, *_ in thread()] == order
        conversation = Conversation.objects.get()
        assert conversation.last_message_at == Message.objects.get(mid="m_4").sent_at
        assert not list(integrity.problems(Conversation.objects.all()))
    assert Message.objects.filter(sent_at=NOON + timedelta(milliseconds=773)).get().text == "Third"


def test_what_desk_has_is_not_recovered_and_a_webhook_that_comes_later_changes_the_time_alone(
    channel: Channel, page: Page, client: Client
) -> None:
    deliver(client, delivery(page, text_item(page, PSID, "Hello", NOON + timedelta(milliseconds=400), "m_1")))
    rows = ("m_0", 0, "First"), ("m_1", 0, "Hello"), ("m_2", 0, "Again")
    assert recover(page, *rows) == 2
    assert [mid for mid, *_ in thread()] == ["m_0", "m_1", "m_2"]
    assert recover(page, *rows) == 0
    before = list(Message.objects.order_by("pk").values())
    at = NOON + timedelta(milliseconds=900)
    deliver(client, delivery(page, text_item(page, PSID, "Again", at, "m_2")))
    store.replay(WebhookDelivery.objects.values_list("pk", flat=True))
    tasks.drain_journal()
    assert list(Message.objects.order_by("pk").values()) == [*before[:-1], before[-1] | {"sent_at": at}]
    assert Conversation.objects.get().unread_count == 3


def test_the_same_message_under_another_id_is_known_by_second_side_and_text(page: Page, client: Client) -> None:
    deliver(client, delivery(page, text_item(page, PSID, "Hello", NOON + timedelta(milliseconds=400), "webhook-1")))
    assert recover(page, ("m_1", 0, "Hello"), ("m_2", 1, "Hello")) == 1
    assert [mid for mid, *_ in thread()] == ["webhook-1", "m_2"]


def test_what_was_unsent_stays_unsent(channel: Channel, page: Page, client: Client) -> None:
    unsend = item(page, PSID, message={"mid": "m_1", "is_deleted": True})
    deliver(client, delivery(page, text_item(page, PSID, "Hello", NOON, "m_1")), delivery(page, unsend))
    gone = item(page, PSID, message={"mid": "m_2", "is_deleted": True})
    deliver(client, delivery(page, gone))
    assert MessageChange.objects.filter(mid="m_2").exists()
    assert recover(page, ("m_1", 0, "Hello"), ("m_2", 5, "Secret")) == 1
    assert not Message.objects.filter(withdrawn_at=None).exists()


def test_an_erased_person_does_not_come_back(channel: Channel, page: Page, client: Client) -> None:
    deliver(client, delivery(page, text_item(page, PSID, "Hello", NOON, "m_1")))
    erasure.erase(make.make_admin(), Contact.objects.get())
    assert recover(page, ("m_0", -60, "Before"), ("m_1", 0, "Hello")) == 0
    assert Contact.objects.filter(erased_at=None).count() == 0


def test_what_meta_gives_no_details_of_is_named_once(channel: Channel, page: Page) -> None:
    bare = [{"id": f"m_{n}", "created_time": f"2026-11-20T11:0{n}:00+0000"} for n in (3, 2, 1)]
    older = parse_messages({"data": bare}, page.page_id)
    everything = (*shown(page, ("m_9", 0, "Newest")), *older)
    assert write_missed(page, PSID, everything).beyond_reach == 3
    tasks.drain_journal()
    line, newest = Message.objects.order_by("sent_at")
    assert (line.kind, present(line.card)["kind"], present(line.card)["title"]) == (
        "event",
        "not_recovered",
        "3 messages could not be recovered",
    )
    assert "20 November 2026 11:01 UTC and 20 November 2026 11:03 UTC" in present(line.card)["text"]
    assert newest.mid == "m_9"
    assert write_missed(page, PSID, everything).beyond_reach == 0
    assert Conversation.objects.get().unread_count == 1


@time_machine.travel(NOON, tick=False)
def test_a_reply_whose_outcome_is_unknown_is_settled_and_not_shown_twice(channel: Channel, page: Page) -> None:
    conversation = make.make_conversation(channel, psid=PSID)
    make.receive(conversation, "Open?", NOON - timedelta(minutes=1))
    agent = make.make_agent("alice", channels=(channel,))
    [reply] = replies.queue_reply(agent, conversation, text="Yes, until six")
    called = {"claimed_at": NOON, "sent_at": NOON, "claimed_by": "x"}
    Message.objects.filter(pk=reply.pk).update(state="unsure", retry_after=NOON, **called)
    recover(page, ("m_reply", 1, ">Yes, until six"))
    reply.refresh_from_db()
    assert (reply.state, reply.mid, reply.recovered_at) == ("sent", "m_reply", None)
    assert Message.objects.filter(direction="out").count() == 1


@time_machine.travel(NOON, tick=False)
def test_a_reply_that_meta_changed_is_merged_when_its_echo_names_it(
    channel: Channel, page: Page, client: Client
) -> None:
    conversation = make.make_conversation(channel, psid=PSID)
    make.receive(conversation, "Open?", NOON - timedelta(minutes=1))
    agent = make.make_agent("alice", channels=(channel,))
    [reply] = replies.queue_reply(agent, conversation, text="Yes")
    Message.objects.filter(pk=reply.pk).update(state="unsure", retry_after=NOON, claimed_at=NOON, claimed_by="x")
    recover(page, ("m_reply", 1, ">Yes!"))
    reply.refresh_from_db()
    assert reply.state == "unsure"  # what was recovered may be this reply: it does not prove that it was not sent
    delivery_status.apply_lookup(reply, list(shown(page, ("m_reply", 1, ">Yes!"))))
    reply.refresh_from_db()
    assert reply.state == "unsure"
    content = {"mid": "m_reply", "text": "Yes!", "is_echo": True, "metadata": f"desk:{reply.pk}"}
    echo = item(page, PSID, NOON + timedelta(seconds=1), message=content)
    echo["sender"], echo["recipient"] = echo["recipient"], echo["sender"]
    deliver(client, delivery(page, echo))
    reply.refresh_from_db()
    assert (reply.state, reply.mid) == ("sent", "m_reply")
    assert Message.objects.filter(direction="out").count() == 1


def test_an_echo_says_later_who_had_sent_what_was_recovered(channel: Channel, page: Page, client: Client) -> None:
    recover(page, ("m_1", 0, ">From a bot"))
    assert Message.objects.get().source == "page_inbox"
    echo = item(page, PSID, NOON, message={"mid": "m_1", "text": "From a bot", "is_echo": True, "app_id": "42"})
    echo["sender"], echo["recipient"] = echo["recipient"], echo["sender"]
    deliver(client, delivery(page, echo))
    assert Message.objects.get().source == "other_app"


def test_recovered_messages_cause_no_notification(channel: Channel, page: Page) -> None:
    agent = make.make_agent("alice", channels=(channel,))
    make.receive(make.make_conversation(channel), "Live")
    recover(page, ("m_1", 0, "Missed"))
    found = notifications.since(agent, access.facts_for(agent), 0)
    assert [one["text"] for one in found.messages] == ["Live"]
    assert not notifications.newest_in([Conversation.objects.get(contact__psid=PSID).pk])


FILES: list[tuple[dict[str, Any], str, str]] = [
    ({"mime_type": "image/jpeg", "image_data": {"url": "https://x.fbcdn.net/a.jpg"}}, "image", ""),
    ({"image_data": {"url": "https://x.fbcdn.net/a.png", "render_as_sticker": True}}, "sticker", ""),
    ({"mime_type": "application/pdf", "file_url": "https://cdn.fbsbx.com/a.pdf"}, "document", ""),
    ({"mime_type": "audio/mpeg", "file_url": "https://cdn.fbsbx.com/a.mp3"}, "audio", ""),
    ({"video_data": {"url": "https://video.xx.fbcdn.net/a.mp4"}}, "video", ""),
    ({"id": "1", "name": "Something"}, "", "unsupported"),
    ({"generic_template": {"title": "Mug", "cta": [{"title": "Buy", "url": "https://shop.example"}]}}, "", "template"),
]


@pytest.mark.parametrize(("attachment", "kind", "card"), FILES)
def test_files_become_what_the_webhook_would_have_made_of_them(
    channel: Channel, page: Page, attachment: dict[str, Any], kind: str, card: str
) -> None:
    recover(page, ("m_1", 0, ""), attachments={"data": [attachment]})
    message = Message.objects.get()
    assert [row.kind for row in message.attachments.all()] == ([kind] if kind else [])
    assert (message.card or {}).get("kind", "") == card


def test_stickers_and_shares(channel: Channel, page: Page) -> None:
    shares = {"data": [{"link": "https://shop.example/mug", "name": "The mug"}]}
    sticker = {"data": [{"image_data": {"url": "https://x.fbcdn.net/s.png", "render_as_sticker": True}}]}
    recover(page, ("m_1", 0, "Look"), shares=shares)
    recover(page, ("m_1", 0, "Look"), ("m_2", 1, ""), attachments=sticker, sticker="https://x.fbcdn.net/s.png")
    first, second = Message.objects.order_by("sent_at")
    assert (present(first.card)["kind"], present(first.card)["title"], present(first.card)["url"]) == (
        "link",
        "The mug",
        "https://shop.example/mug",
    )
    assert [row.kind for row in second.attachments.all()] == ["sticker"]


def test_thread_export_and_api_mark_what_was_recovered(channel: Channel, page: Page, client: Client) -> None:
    agent = make.make_agent("alice", channels=(channel,))
    client.force_login(agent)
    deliver(client, delivery(page, text_item(page, PSID, "Live", NOON, "m_1")))
    bare = parse_messages({"data": [{"id": "m_0", "created_time": "2026-11-20T11:58:00+0000"}]}, page.page_id)
    write_missed(page, PSID, (*shown(page, ("m_1", 0, "Live"), ("m_2", 5, "Missed")), *bare))
    tasks.drain_journal()
    conversation = Conversation.objects.get()
    html = " ".join(html_of(client.get(f"/inbox/{conversation.pk}/")).split())
    assert html.count(">· Recovered</span>") == 1
    assert "1 message could not be recovered" in html
    with zipfile.ZipFile(io.BytesIO(streamed(client.post(f"/inbox/{conversation.pk}/export/")))) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")]
    assert "".join(pages).count("Recovered from Facebook") == 1
    headers = {"Authorization": f"Token {make.make_token(agent)}"}
    rows = client.get("/api/v1/messages/?kind=message", headers=headers).json()["results"]
    assert {row["text"]: row["recovered"] for row in rows} == {"Live": False, "Missed": True}
