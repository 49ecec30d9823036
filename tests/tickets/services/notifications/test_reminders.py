"""*Mine, waiting for n minutes*: one e-mail for each waiting, several in one, and none that is no longer true."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from desk.models import User
from tests import factories
from tests.mail_backends import Slow
from tickets.models import Conversation, MailReminder
from tickets.services.inbox import actions
from tickets.services.notifications import recipients, reminders

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _wants_mail(choose: Callable[..., None], settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    choose(mail={"mine"}, mail_minutes=15)


def write(conversation: Conversation, text: str = "Where is my parcel?", **fields: Any) -> None:
    factories.receive(conversation, text, at=timezone.now(), **fields)
    recipients.take_notices()


def due() -> int:
    return reminders.send_due() if reminders.is_due() else 0


@pytest.fixture
def later(clock: time_machine.Traveller) -> Callable[..., int]:
    """Let minutes pass, and the worker look."""

    def later(minutes: float) -> int:
        clock.shift(timedelta(minutes=minutes))
        return due()

    return later


def test_one_mail_comes_when_the_customer_has_waited_for_so_many_minutes(
    conversation: Conversation, alice: User, later: Callable[..., int], mailoutbox: list[EmailMultiAlternatives]
) -> None:
    write(conversation, "Where is my <b>parcel</b>?")
    assert later(14.9) == 0
    write(conversation, "Hello?")
    assert later(0.2) == 1
    assert later(60) == 0
    write(conversation, "Still waiting")
    assert later(60) == 0
    [mail] = mailoutbox
    assert mail.to == ["alice@example.org"]
    assert mail.subject == "Maria Lopez waits for a reply"
    [(html, _type)] = mail.alternatives
    for body in (str(mail.body), str(html)):
        assert f"/inbox/{conversation.pk}/" in body
        assert "/accounts/notifications/" in body
    assert "Where is my <b>parcel</b>?" in str(mail.body)
    assert "Where is my &lt;b&gt;parcel&lt;/b&gt;?" in str(html)
    assert mail.extra_headers["List-Unsubscribe"].endswith("/accounts/notifications/>")


def test_there_is_another_mail_once_they_were_answered_and_wait_again(
    conversation: Conversation, alice: User, later: Callable[..., int]
) -> None:
    write(conversation)
    assert later(16) == 1
    factories.answer(conversation, "On its way", at=timezone.now(), author=alice)
    assert later(20) == 0
    write(conversation, "When?")
    assert later(14) == 0
    assert later(2) == 1


def test_who_was_answered_in_time_causes_none(
    conversation: Conversation, alice: User, later: Callable[..., int], mailoutbox: list[EmailMessage]
) -> None:
    write(conversation)
    later(10)
    factories.answer(conversation, "On its way", at=timezone.now(), author=alice)
    assert later(10) == 0
    assert not mailoutbox
    assert not reminders.is_due()


def test_several_come_in_one_mail_and_the_next_not_at_once(
    conversation: Conversation, alice: User, later: Callable[..., int], mailoutbox: list[EmailMessage]
) -> None:
    for number in range(3):
        other = factories.make_conversation(conversation.channel, name=f"Customer {number}")
        other.assignee = alice
        other.save()
        write(other)
    later(1)
    write(conversation)
    assert later(14) == 1
    assert mailoutbox[0].subject == "3 customers wait for a reply"
    assert later(1) == 0  # the fourth: five minutes after the first e-mail
    assert later(4.1) == 1
    assert mailoutbox[1].subject == "Maria Lopez waits for a reply"


def _lose_access(alice: User, conversation: Conversation) -> None:
    alice.agent.associations.all().delete()
    Conversation.objects.update(assignee=None)


def _deactivate(alice: User, _conversation: Conversation) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)


def _close(alice: User, conversation: Conversation) -> None:
    actions.close(alice, conversation)


def _delete_conversation(_alice: User, conversation: Conversation) -> None:
    conversation.delete()


@pytest.mark.parametrize("change", [_lose_access, _deactivate, _close, _delete_conversation])
def test_it_is_asked_again_when_the_mail_is_sent(
    conversation: Conversation,
    alice: User,
    later: Callable[..., int],
    mailoutbox: list[EmailMessage],
    change: Callable[[User, Conversation], None],
) -> None:
    write(conversation)
    change(alice, conversation)
    later(20)
    assert not mailoutbox
    assert not MailReminder.objects.filter(due_at__isnull=False).exists()


def test_in_quiet_hours_it_waits_for_their_end(
    conversation: Conversation, later: Callable[..., int], choose: Callable[..., None]
) -> None:
    choose(has_quiet_hours=True, quiet_from=time(12), quiet_to=time(14))
    write(conversation)  # at 12:05
    assert later(60) == 0
    assert later(54) == 0
    assert later(1.1) == 1


def test_a_new_number_of_minutes_counts_for_who_waits_already(
    conversation: Conversation, later: Callable[..., int], choose: Callable[..., None]
) -> None:
    write(conversation)
    choose(mail_minutes=60)
    assert later(30) == 0
    choose(mail_minutes=20)
    assert later(0) == 1


def test_settings_that_are_saved_while_the_mail_is_sent_send_no_second_one(
    conversation: Conversation,
    later: Callable[..., int],
    choose: Callable[..., None],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    mailoutbox: list[EmailMessage],
) -> None:
    settings.EMAIL_BACKEND = "tests.mail_backends.Slow"
    monkeypatch.setattr(Slow, "meanwhile", [lambda: choose(mail_minutes=10), due])
    write(conversation)
    assert later(16) == 1
    monkeypatch.setattr(Slow, "meanwhile", [])
    assert later(10) == later(60) == 0
    assert len(mailoutbox) == 1


def test_turning_it_on_counts_who_waits_already(
    conversation: Conversation, later: Callable[..., int], choose: Callable[..., None]
) -> None:
    choose(mail=())
    write(conversation)
    assert later(20) == 0
    choose(mail={"mine"})
    assert later(0) == 1


def test_who_gets_the_conversation_while_the_customer_waits_is_told_too(
    conversation: Conversation, alice: User, bob: User, later: Callable[..., int], choose: Callable[..., None],
    mailoutbox: list[EmailMessage],
) -> None:  # fmt: skip
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    choose(bob, mail={"assigned"})
    write(conversation)
    assert later(16) == 1
    actions.assign(alice, conversation, bob)
    recipients.take_notices()
    assert later(2) == 1
    assert mailoutbox[1].to == ["bob@example.org"]
    assert mailoutbox[1].subject == "Assigned to you: Maria Lopez"


def test_an_assigned_conversation_counts_from_when_the_customer_began_to_wait(
    conversation: Conversation, alice: User, bob: User, later: Callable[..., int], choose: Callable[..., None]
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    choose(bob, mail={"mine"}, mail_minutes=30)
    write(conversation)
    assert later(16) == 1
    actions.assign(alice, conversation, bob)
    recipients.take_notices()
    assert later(10) == 0
    assert later(5) == 1


def test_what_happens_while_the_mail_about_the_same_is_sent_comes_in_another(
    conversation: Conversation, alice: User, bob: User, later: Callable[..., int], choose: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage],
) -> None:  # fmt: skip
    choose(mail={"assigned"})
    send = EmailMultiAlternatives.send

    def give() -> None:
        actions.assign(bob, conversation, None)
        actions.assign(bob, conversation, alice)
        recipients.take_notices()

    def send_slowly(message: EmailMultiAlternatives, fail_silently: bool = False) -> int:
        give()
        return send(message, fail_silently)

    give()
    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", send_slowly)
        assert later(2) == 1
    assert later(6) == 1
    assert later(60) == 0
    assert [mail.subject for mail in mailoutbox] == ["Assigned to you: Maria Lopez"] * 2


def test_hidden_texts_are_in_no_mail(
    conversation: Conversation, later: Callable[..., int], choose: Callable[..., None],
    mailoutbox: list[EmailMultiAlternatives],
) -> None:  # fmt: skip
    choose(shows_text=False)
    write(conversation)
    later(16)
    [mail] = mailoutbox
    whole = f"{mail.subject} {mail.body} {mail.alternatives}"
    assert "Maria" not in whole
    assert "parcel" not in whole


def test_a_mail_that_the_server_refuses_is_sent_later(
    conversation: Conversation, later: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conversation)
    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", _refused)
        assert later(16) == 0
    assert later(4) == 0
    assert later(1.1) == 1


def _refused(*_args: object) -> int:
    raise SMTPException


def test_a_worker_that_dies_while_it_sends_loses_none(
    conversation: Conversation, later: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conversation)
    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", _killed)
        with pytest.raises(KeyboardInterrupt):
            later(16)
    assert later(6) == 1
    assert later(60) == 0


def _killed(*_args: object) -> int:
    raise KeyboardInterrupt


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_mail(
    conversation: Conversation, clock: time_machine.Traveller, mailoutbox: list[EmailMessage]
) -> None:
    write(conversation)
    clock.shift(timedelta(minutes=16))

    def worker(_number: int) -> int:
        try:
            return reminders.send_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(worker, range(2))) == 1
    assert len(mailoutbox) == 1
