"""Setup → Go live → Send yourself a test: who is offered, what is sent, which stages are shown, who may."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Page
from desk.models import AuditEntry, User
from tests.pages import html_of
from tickets.models import Conversation, Message
from tickets.services.outgoing import going_live

from . import world

URL = "/admin/instant-messaging/messenger/go-live/test/"
GO_LIVE = "/admin/instant-messaging/messenger/go-live/"
FRAGMENT = {"X-Requested-With": "fetch"}


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(world.NOON, tick=False):
        yield


@pytest.fixture
def root(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    return as_user(desk.root)


@pytest.fixture
def recent(desk: world.Desk) -> Conversation:
    """A conversation with somebody who wrote five minutes ago."""
    conversation = world.make_conversation(desk.shop, "Rosa Diaz", at=world.NOON - timedelta(minutes=5))
    world.say(conversation, at=world.NOON - timedelta(minutes=5))
    return conversation


def send(client: Client, conversation: Conversation, key: str = "key-1") -> str:
    response = client.post(URL, {"conversation": conversation.pk, "client_key": key})
    assert response.status_code == 302
    return str(response["Location"])


# --- Who is offered
def test_only_those_of_the_last_24_hours_are_offered(root: Client, desk: world.Desk, recent: Conversation) -> None:
    world.make_conversation(desk.shop, "Just Inside", at=world.NOON - timedelta(hours=24) + timedelta(seconds=1))
    world.make_conversation(desk.shop, "At The End", at=world.NOON - timedelta(hours=24))
    world.make_conversation(desk.service, "Other Channel", at=world.NOON)
    page = html_of(root.get(f"{URL}?channel={desk.shop.pk}"))
    assert "Rosa Diaz" in page
    assert "Just Inside" in page
    assert "At The End" not in page
    assert "Other Channel" not in page
    assert "Other Channel" in html_of(root.get(f"{URL}?channel={desk.service.pk}"))
    for nonsense in ("x", "999999", "", "-1"):
        assert root.get(f"{URL}?channel={nonsense}").status_code == 200


def test_the_page_waits_for_the_message_and_notices_it(root: Client, desk: world.Desk) -> None:
    url = f"{URL}?channel={desk.shop.pk}"
    page = html_of(root.get(url))
    assert "Nobody has written to Shop Page" in page
    assert f'data-refresh="{url}"' in page
    assert f"https://m.me/{desk.shop.page.page_id}" in page
    part = html_of(root.get(url, headers=FRAGMENT))
    assert part.lstrip().startswith("<section")
    world.make_conversation(desk.shop, "Rosa Diaz")
    part = html_of(root.get(url, headers=FRAGMENT))
    assert "Rosa Diaz" in part
    assert "data-refresh" not in part


def test_channels_that_cannot_send_are_not_offered(root: Client, desk: world.Desk) -> None:
    desk.shop.is_active = False
    desk.shop.save()
    Page.objects.filter(pk=desk.service.page_id).update(connection="reauth_required", reauth_reason="token_expired")
    assert "No channel can send yet" in html_of(root.get(URL))


def test_names_are_shown_as_text(root: Client, desk: world.Desk) -> None:
    world.make_conversation(desk.shop, "<script>alert(1)</script>")
    page = html_of(root.get(f"{URL}?channel={desk.shop.pk}"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


# --- Who may
def test_an_administrator_of_channels_sees_only_the_conversations_they_may_see(
    desk: world.Desk, recent: Conversation, as_user: Callable[[User], Client]
) -> None:
    desk.bob.is_staff = True
    desk.bob.save()
    desk.bob.user_permissions.add(Permission.objects.get(codename="change_channel"))
    bob = as_user(desk.bob)
    page = html_of(bob.get(f"{URL}?channel={desk.shop.pk}"))
    assert "Rosa Diaz" not in page
    assert bob.post(URL, {"conversation": recent.pk, "client_key": "k"}).status_code == 404
    assert not Message.objects.filter(text=going_live.TEXT).exists()
    own = world.make_conversation(desk.service, "Mia")
    path = send(bob, own)
    assert bob.get(path).status_code == 200
    message = world.say(recent, "private", author=desk.alice)
    assert bob.get(f"{URL}{message.pk}/").status_code == 404


def test_agents_and_strangers_are_refused(
    desk: world.Desk, recent: Conversation, as_user: Callable[[User], Client]
) -> None:
    alice = as_user(desk.alice)
    for response in (alice.get(URL), alice.post(URL, {"conversation": recent.pk}), alice.get(f"{URL}1/")):
        assert response.status_code == 403
    assert "/login/" in Client().post(URL, {"conversation": recent.pk})["Location"]
    assert not Message.objects.filter(text=going_live.TEXT).exists()


# --- What is sent
def test_the_test_is_an_ordinary_reply_in_the_outbox(root: Client, desk: world.Desk, recent: Conversation) -> None:
    path = send(root, recent)
    message = Message.objects.get(text=going_live.TEXT)
    assert path == f"{URL}{message.pk}/"
    assert (message.state, message.source, message.author) == ("queued", "agent", desk.root)
    assert message.conversation == recent
    assert AuditEntry.objects.filter(sentence="Going live: a test message was sent.", actor=desk.root).count() == 1


def test_the_same_form_sent_twice_sends_one_message(root: Client, recent: Conversation) -> None:
    assert send(root, recent) == send(root, recent)
    assert Message.objects.filter(text=going_live.TEXT).count() == 1
    assert AuditEntry.objects.filter(sentence="Going live: a test message was sent.").count() == 1
    assert send(root, recent, "key-2")
    assert Message.objects.filter(text=going_live.TEXT).count() == 2


def test_a_stale_page_sends_nothing_after_24_hours(root: Client, recent: Conversation) -> None:
    Conversation.objects.filter(pk=recent.pk).update(last_customer_message_at=world.NOON - timedelta(hours=24))
    response = root.post(URL, {"conversation": recent.pk, "client_key": "k"}, follow=True)
    assert "did not write within the last 24 hours" in html_of(response)
    assert not Message.objects.filter(text=going_live.TEXT).exists()


def test_what_may_not_be_sent_is_refused_with_the_reason(root: Client, desk: world.Desk, recent: Conversation) -> None:
    recent.contact.blocked_at = timezone.now()
    recent.contact.save()
    response = root.post(URL, {"conversation": recent.pk, "client_key": "k"}, follow=True)
    assert "This customer is blocked" in html_of(response)
    assert not Message.objects.filter(text=going_live.TEXT).exists()


@pytest.mark.parametrize("conversation", ["", "x", "-1", "²", "9" * 30, "999999"])
def test_a_conversation_that_does_not_exist(root: Client, conversation: str) -> None:
    assert root.post(URL, {"conversation": conversation, "client_key": "k"}).status_code == 404


# --- What becomes of it
def states_on(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('class="tick tick--')[1:]]


@pytest.mark.parametrize(
    ("state", "stages", "is_followed", "word"),
    [
        ("queued", ["ok", "waiting", "waiting", "waiting"], True, "on its way"),
        ("sending", ["ok", "waiting", "waiting", "waiting"], True, "on its way"),
        ("sent", ["ok", "ok", "waiting", "waiting"], True, "on its way"),
        ("delivered", ["ok", "ok", "ok", "waiting"], True, "was delivered"),
        ("read", ["ok", "ok", "ok", "ok"], False, "was delivered"),
        ("failed", ["ok", "wrong", "waiting", "waiting"], False, "Because of it."),
        ("held", ["ok", "wrong", "waiting", "waiting"], False, "Because of it."),
        ("unsure", ["ok", "waiting", "waiting", "waiting"], False, "may or may not have been sent. Because of it."),
    ],
)
def test_each_state_shows_its_stages_and_the_step_of_go_live(
    root: Client, recent: Conversation, state: str, stages: list[str], is_followed: bool, word: str
) -> None:
    path = send(root, recent)
    reason = "Because of it." if state in ("failed", "held", "unsure") else ""
    Message.objects.filter(text=going_live.TEXT).update(state=state, reason=reason)
    page = html_of(root.get(path))
    assert states_on(page) == stages
    assert (f'data-refresh="{path}"' in page) is is_followed
    assert reason in page
    assert states_on(html_of(root.get(path, headers=FRAGMENT))) == stages
    step = html_of(root.get(GO_LIVE)).split('id="step-test"')[1].split("</li>")[0]
    assert word in step
    assert (">Done</span>" in step) is (state in ("delivered", "read"))


def test_while_desk_finds_out_whether_it_was_sent_the_page_follows(root: Client, recent: Conversation) -> None:
    path = send(root, recent)
    Message.objects.filter(text=going_live.TEXT).update(state="unsure", reason="No answer.", retry_after=world.NOON)
    page = html_of(root.get(path))
    assert f'data-refresh="{path}"' in page
    assert "No answer." in page
    assert "was not sent" not in html_of(root.get(GO_LIVE))


def test_dates_are_those_of_the_time_zone_of_the_installation(
    root: Client, recent: Conversation, settings: Settings
) -> None:
    path = send(root, recent)
    Message.objects.filter(text=going_live.TEXT).update(state="delivered")
    settings.TIME_ZONE = "Pacific/Auckland"  # it is 1:00 of the next day there
    assert "5 March 2026, 01:00:00" in html_of(root.get(path))
    assert "The test of 5 March 2026 was delivered." in html_of(root.get(GO_LIVE))


def test_a_message_that_is_read_late_is_no_longer_followed(root: Client, recent: Conversation) -> None:
    path = send(root, recent)
    Message.objects.filter(text=going_live.TEXT).update(state="delivered")
    with time_machine.travel(world.NOON + timedelta(minutes=11), tick=False):
        assert "data-refresh" not in html_of(root.get(path))


def test_a_test_message_that_is_gone_was_not_sent(root: Client, recent: Conversation) -> None:
    send(root, recent)
    Message.objects.filter(text=going_live.TEXT).delete()
    step = html_of(root.get(GO_LIVE)).split('id="step-test"')[1].split("</li>")[0]
    assert "No test message was sent yet." in step
