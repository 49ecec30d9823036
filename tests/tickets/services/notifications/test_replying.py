"""A reply from a notification: sent once, by the person it was for, and never lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from desk.models import User
from tests import factories
from tests.http import Response
from tests.push_service import PushService
from tickets.models import Conversation, Draft, Message
from tickets.services.inbox import drafts
from tickets.services.notifications import push

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(browser: Client, service: PushService, conversation: Conversation) -> str:
    factories.receive(conversation, "Where is my parcel?", at=timezone.now())
    push.work()
    return str(service.got[0][1]["reply"]["token"])


@pytest.fixture
def reply(browser: Client, token: str) -> Callable[..., Response]:
    """Answer as the service worker does: without a CSRF token, with the session's cookie."""
    browser.handler.enforce_csrf_checks = True

    def reply(text: str = "On its way", *, client: Client = browser, token: str = token) -> Response:
        headers = {"HX-Request": "true", "X-Desk-Activity": "yes"}
        answer: Any = client.post("/inbox/push-reply/", {"token": token, "text": text}, headers=headers)
        return answer

    return reply


def sent() -> list[str]:
    return list(Message.objects.filter(direction="out", kind="message").values_list("text", flat=True))


def draft() -> str:
    return Draft.objects.get().text


def test_it_is_queued_once_however_often_it_is_sent(reply: Callable[..., Response], alice: User) -> None:
    assert [reply().status_code for _try in range(3)] == [204, 204, 204]
    assert sent() == ["On its way"]
    assert Message.objects.get(direction="out").author == alice


def test_a_second_text_is_not_sent_and_not_lost(reply: Callable[..., Response]) -> None:
    reply()
    answer = reply("And another thing")
    assert answer.status_code == 409
    assert answer.json()["kept"] is True
    assert sent() == ["On its way"]
    assert draft() == "And another thing"


def test_after_an_hour_the_text_becomes_a_draft_behind_what_is_there(
    reply: Callable[..., Response], clock: time_machine.Traveller, conversation: Conversation, alice: User
) -> None:
    Draft.objects.create(user=alice, conversation=conversation, text="Dear Maria,")
    clock.shift(timedelta(minutes=61))
    for _try in range(2):
        assert reply().status_code == 409
    assert draft() == "Dear Maria,\nOn its way"
    assert not sent()


def test_what_a_page_saves_at_that_moment_is_not_lost_either(
    reply: Callable[..., Response], clock: time_machine.Traveller, conversation: Conversation, alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    clock.shift(timedelta(minutes=61))
    read = drafts.read

    def read_and_type(user: User, read_in: Conversation) -> str:
        before = read(user, read_in)
        drafts.save(alice, conversation, "Dear Maria,", known=[before])
        return before

    monkeypatch.setattr(drafts, "read", read_and_type)
    assert reply().status_code == 409
    assert draft() == "Dear Maria,\nOn its way"


def test_somebody_who_answered_meanwhile_comes_first(
    reply: Callable[..., Response], conversation: Conversation, bob: User
) -> None:
    factories.answer(conversation, "I have it", at=timezone.now(), author=bob)
    answer = reply()
    assert answer.status_code == 409
    assert "bob has answered meanwhile." in answer.json()["reason"]
    assert draft() == "On its way"
    assert sent() == ["I have it"]


def test_a_reply_that_may_not_be_sent_is_kept_with_the_reason(
    reply: Callable[..., Response], conversation: Conversation
) -> None:
    conversation.channel.is_active = False
    conversation.channel.save()
    answer = reply()
    assert answer.status_code == 409
    assert answer.json()["reason"]
    assert draft() == "On its way"
    assert not sent()


def test_a_token_is_of_no_use_to_anybody_else(
    reply: Callable[..., Response], token: str, bob: User, conversation: Conversation
) -> None:
    other = Client()
    other.force_login(bob)
    assert reply(client=other).status_code == 409
    assert reply(client=Client()).status_code == 401
    assert reply(token=token[:-2]).status_code == 409
    assert reply(token="").status_code == 409
    Conversation.objects.update(assignee=None)
    conversation.channel.associations.all().delete()
    assert reply().json()["kept"] is False
    assert not sent()
    assert not Draft.objects.exists()


def test_it_needs_a_post(browser: Client, token: str) -> None:
    assert browser.get(f"/inbox/push-reply/?token={token}&text=x").status_code == 405
