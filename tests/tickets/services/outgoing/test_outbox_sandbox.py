"""The outbox against the sandbox as a real process: what customers have in the end, whatever Meta does meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Channel
from channels_im.tasks import drain_journal
from desk.models import User
from tests.factories import (
    delivery,
    journal,
    make_agent,
    make_channel,
    make_conversation,
    make_page,
    png,
    receive,
    text_item,
)
from tests.matching import present
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tickets.models import Conversation, Message
from tickets.services.outgoing import delivery_status, outbox, replies, send_call, stickers, undelivered
from tickets.services.page_actions import reactions, sender_actions

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings) -> SandboxProcess:
    process.reset()
    settings.META_GRAPH_URL = process.url
    settings.META_TIMEOUT_SECONDS = 0.7
    settings.DESK_RETRY_BASE_SECONDS = 0.05
    return process


@pytest.fixture
def channel(sandbox: SandboxProcess) -> Channel:
    granted = sandbox.grant("anna", [BERG_BIKES])
    sandbox.subscribe(BERG_BIKES)
    return make_channel(make_page(BERG_BIKES, page_token=granted["pages"][0]["access_token"]))


@pytest.fixture
def conversation(sandbox: SandboxProcess, channel: Channel) -> Conversation:
    written = sandbox.customer_writes("lena", BERG_BIKES, "Is it open?")
    conversation = make_conversation(channel, written["psid"])
    receive(conversation, "Is it open?", timezone.now(), mid=written["mid"])
    return conversation


@pytest.fixture
def queue(channel: Channel, conversation: Conversation) -> Callable[..., list[Message]]:
    alice = make_agent("alice", channels=(channel,))
    return lambda text="Yes", **reply: replies.queue_reply(alice, conversation, text=text, **reply)


def drain_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Drain as the worker does, again and again, until `condition()`."""
    deadline = time.monotonic() + seconds
    while True:
        outbox.drain_outbox()
        if condition():
            return
        assert time.monotonic() < deadline, list(Message.objects.values("text", "state", "reason"))
        time.sleep(0.05)


def all_sent() -> bool:
    return set(Message.objects.filter(direction="out").values_list("state", flat=True)) == {"sent"}


def texts(sandbox: SandboxProcess) -> list[str]:
    return [row["text"] for row in sandbox.sent(BERG_BIKES) if row["text"]]


@pytest.mark.slow
def test_text_and_picture_arrive_in_order(sandbox: SandboxProcess, queue: Callable[..., list[Message]]) -> None:
    queue("Look", files=[SimpleUploadedFile("bike.png", png())])
    drain_until(all_sent)

    text, picture = sandbox.sent(BERG_BIKES)
    assert text["text"] == "Look"
    assert picture["attachments"]


def test_a_reply_names_what_it_answers(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], conversation: Conversation
) -> None:
    queue("Yes", reply_to_mid=conversation.messages.get().mid)
    drain_until(all_sent)

    assert texts(sandbox) == ["Yes"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_after_a_time_out_the_customer_has_the_reply_exactly_once(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], fault: str
) -> None:
    sandbox.fault(fault, endpoint="messages", hold_s=3)
    queue("First")
    queue("Second")
    drain_until(all_sent)

    assert texts(sandbox) == ["First", "Second"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_after_a_time_out_the_customer_has_the_file_exactly_once(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], fault: str
) -> None:
    sandbox.fault(fault, endpoint="messages", hold_s=5)
    queue("", files=[SimpleUploadedFile("bike.png", png())])
    drain_until(all_sent)

    assert len(sandbox.sent(BERG_BIKES)) == 1


@pytest.mark.slow
def test_after_a_server_error_the_reply_arrives_once(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]]
) -> None:
    sandbox.fault("http_500", endpoint="messages")
    queue("Yes")
    drain_until(all_sent)

    assert texts(sandbox) == ["Yes"]


@pytest.mark.slow
def test_while_the_page_is_limited_nothing_is_called_and_then_all_of_it_goes_out(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], channel: Channel
) -> None:
    sandbox.fault("rate_limit", endpoint="messages", code=80006, minutes=5)
    queue("One")
    queue("Two")
    for _ in range(5):
        outbox.drain_outbox()
    assert list(Message.objects.filter(direction="out").order_by("id").values_list("attempts", flat=True)) == [1, 0]
    type(channel.page).objects.update(rate_limited_until=timezone.now())
    drain_until(all_sent)

    assert texts(sandbox) == ["One", "Two"]


@pytest.mark.slow
def test_a_transient_error_is_tried_again(sandbox: SandboxProcess, queue: Callable[..., list[Message]]) -> None:
    sandbox.fault("error", count=3, endpoint="messages", code=2)
    queue("Yes")
    drain_until(all_sent)

    assert texts(sandbox) == ["Yes"]


def test_a_changed_password_stops_the_page_and_a_new_login_lets_held_replies_go(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], channel: Channel, conversation: Conversation
) -> None:
    sandbox.act("change_password", person="anna")
    (message,) = queue("Yes")
    outbox.drain_outbox()
    message.refresh_from_db()
    channel.page.refresh_from_db()
    assert (message.state, channel.page.reauth_reason) == ("held", "password_changed")

    granted = sandbox.grant("anna", [BERG_BIKES])
    page = channel.page
    page.page_token, page.connection, page.reauth_reason = granted["pages"][0]["access_token"], "connected", ""
    page.save()
    undelivered.release(present(message.author), message)
    drain_until(all_sent)
    assert texts(sandbox) == ["Yes"]


def test_a_page_that_fails_does_not_keep_another_from_sending(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], channel: Channel
) -> None:
    other = make_conversation(channel, sandbox.customer_writes("tom", BERG_BIKES, "Hello?")["psid"])
    receive(other, "Hello?", timezone.now())
    sandbox.fault("error", endpoint="messages", code=551)
    (refused,) = queue("Not taken")
    outbox.drain_outbox()
    replies.queue_reply(refused.author, other, text="Hello Tom")
    outbox.drain_outbox()

    refused.refresh_from_db()
    assert refused.state == "failed"
    assert texts(sandbox) == ["Hello Tom"]


@pytest.mark.slow
def test_a_slow_call_keeps_its_claim(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], settings: Settings
) -> None:
    settings.META_TIMEOUT_SECONDS = 10
    settings.DESK_CLAIM_SECONDS = 0.6
    sandbox.fault("slow", endpoint="messages", ms=2000)
    queue("Yes")
    worker = threading.Thread(target=drain_elsewhere)
    worker.start()
    taken_back = 0
    while worker.is_alive():
        taken_back += delivery_status.reclaim_stale()
        time.sleep(0.05)
    worker.join()

    assert taken_back == 0
    assert all_sent()


def drain_elsewhere() -> None:
    try:
        outbox.drain_outbox()
    finally:
        connection.close()


@pytest.mark.slow
def test_reactions_typing_and_seen_reach_the_customer(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], conversation: Conversation
) -> None:
    def shown() -> tuple[dict[str, str], bool, bool]:
        (thread,) = (row for row in sandbox.world()["conversations"] if row["psid"] == conversation.contact.psid)
        (message,) = (row for row in thread["messages"] if row["mid"] == customers.mid)
        given = {side: reaction["emoji"] for side, reaction in message["reactions"].items()}
        return given, bool(thread["typing"]), thread["page_seen_at"] >= message["ts"]

    alice, customers = User.objects.get(username="alice"), conversation.messages.get()
    Channel.objects.update(shows_typing=True, shows_seen=True)
    conversation.channel.refresh_from_db()
    assert shown() == ({}, False, False)
    reactions.react(alice, customers, "🎉")
    sender_actions.typing(alice, conversation)
    sender_actions.seen(alice, conversation)
    assert reactions.send_reactions() == 1
    assert sender_actions.send_due() == 2
    assert shown() == ({"page": "🎉"}, True, True)
    reactions.react(alice, customers, "")
    sender_actions.typing(alice, conversation, is_on=False)
    reactions.send_reactions()
    sender_actions.send_due()
    assert shown() == ({}, False, True)


def test_a_held_reply_goes_out_when_the_customer_writes_again(
    sandbox: SandboxProcess, queue: Callable[..., list[Message]], conversation: Conversation
) -> None:
    long_ago = timezone.now() - timedelta(days=8)
    Conversation.objects.filter(pk=conversation.pk).update(last_customer_message_at=long_ago)
    queue("Are you still there?", hold=True)
    outbox.drain_outbox()
    assert texts(sandbox) == []
    written = sandbox.customer_writes("lena", BERG_BIKES, "I am")
    page, psid = conversation.channel.page, conversation.contact.psid
    journal(delivery(page, text_item(page, psid, "I am", timezone.now(), written["mid"])))
    drain_journal()
    drain_until(all_sent)
    assert texts(sandbox) == ["Are you still there?"]


@pytest.mark.slow
@pytest.mark.parametrize("human_agent", [True, False])
def test_a_reply_goes_out_in_the_window_of_an_ad_and_is_kept_when_facebook_closes_it(
    sandbox: SandboxProcess, channel: Channel, settings: Settings, human_agent: bool
) -> None:
    settings.META_HUMAN_AGENT = human_agent
    days_ago = round((timezone.now() - timedelta(days=3)).timestamp() * 1000)
    ad = {"source": "ADS", "type": "OPEN_THREAD", "ad_id": "77"}
    sandbox.customer_writes("lena", BERG_BIKES, "From the ad", timestamp=days_ago, extra={"referral": ad}, silent=True)
    psid = sandbox.psid("lena", BERG_BIKES)
    item = text_item(channel.page, psid, "From the ad", timezone.now() - timedelta(days=3), "m_ad")
    item["message"]["referral"] = ad
    journal(delivery(channel.page, item))
    drain_journal()
    conversation = Conversation.objects.get()
    alice = make_agent("alice", channels=(channel,))
    replies.queue_reply(alice, conversation, text="Still there")
    drain_until(all_sent)
    assert texts(sandbox) == ["Still there"]

    sandbox.configure(ad_window=False)
    conversation.refresh_from_db()
    reply = replies.queue_reply(alice, conversation, text="And now")[0]
    drain_until(lambda: Message.objects.get(pk=reply.pk).state in ("sent", "held"))
    reply.refresh_from_db()
    conversation.refresh_from_db()
    assert conversation.opened_by_ad_at is None
    if human_agent:
        assert (reply.state, texts(sandbox)) == ("sent", ["Still there", "And now"])
    else:
        assert (reply.state, reply.text) == ("held", "And now")
        assert "after an ad has closed" in reply.reason


def test_a_sticker_reaches_the_customer_and_a_refused_one_says_why(
    sandbox: SandboxProcess, channel: Channel, conversation: Conversation
) -> None:
    alice = make_agent("alice", channels=(channel,))

    def send(sticker_id: str) -> Message:
        special = stickers.part_of(alice, sticker_id)
        (row,) = replies.queue_reply(alice, conversation, special=special)
        drain_until(lambda: Message.objects.filter(pk=row.pk, state__in=("sent", "failed")).exists())
        row.refresh_from_db()
        return row

    assert send("369239343222814").state == "sent"
    (shown,) = sandbox.sent(BERG_BIKES)
    assert shown["attachments"][0]["sticker_id"] == "369239343222814"
    sandbox.configure(stickers=False)
    refused = send("144885145683738")
    assert (refused.state, refused.reason) == ("failed", send_call.STICKER_REFUSED)
