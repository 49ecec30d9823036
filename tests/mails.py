"""Every e-mail that Desk sends, made by what causes it, with names that would break a careless message."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from allauth.core.context import request_context
from django.test import RequestFactory
from django.utils import timezone

from channels_im.models import Channel, WebhookDelivery
from channels_im.services.facebook import connection, expiry_warnings
from desk import failure_digest, mail
from desk.accounts import invitations, mails
from desk.accounts.adapter import AccountAdapter
from desk.models import User
from tests import factories
from tests.desk.accounts.queue import run_queued_tasks
from tickets.models import EventDelivery, EventSubscription, Message
from tickets.services.notifications import choices, recipients, reminders
from tickets.services.webhooks import mails as webhook_mails

#: Markup, a quotation mark, a line break, and a character that turns the direction of the text after it.
EVIL = "Berg <b>\"&'</b>\n\u202ebikes"
SEEN = "Berg <b>\"&'</b> bikes"


def _channel(**page: Any) -> Channel:
    return factories.make_channel(factories.make_page(**{"name": EVIL, **page}), name=EVIL)


def lost_page(_admin: User) -> None:
    connection.require_reauth(_channel().page, "password_changed", "send")
    connection.mail_administrators()


def lost_pages(_admin: User) -> None:
    for name in (EVIL, "Berg Bakery", "بيرغ"):
        connection.require_reauth(_channel(name=name).page, "token_expired", "send")
    connection.mail_administrators()


def ending_login(days: int) -> Callable[[User], None]:
    def send(_admin: User) -> None:
        account = _channel().page.facebook_account
        assert account
        account.name, account.expires_at = EVIL, timezone.now() + timedelta(days=days)
        account.save()
        expiry_warnings.warn()

    return send


def disabled_webhook(_admin: User) -> None:
    EventSubscription.objects.create(
        name=EVIL,
        url="https://crm.example/hook?a=1&b=2",
        is_active=False,
        disabled_reason="Disabled: every delivery failed for 3 days. The address answered 404.",
        mail_after=timezone.now(),
    )
    webhook_mails.send_due()


def fail(count: int = 1, *, minutes: int = 10, reason: str = "Facebook did not accept <b>this</b> message.") -> None:
    """Let replies of one Page have failed some minutes ago."""
    at = timezone.now() - timedelta(minutes=minutes)
    conversation = factories.make_conversation(_channel())
    for _ in range(count):
        message = factories.answer(conversation, at=at, state="failed", reason=reason)
        Message.objects.filter(pk=message.pk).update(claimed_at=at)


def failures(_admin: User) -> None:
    fail(3)
    at = timezone.now() - timedelta(minutes=5)
    WebhookDelivery.objects.create(
        body=b"{}", state="failed", processed_at=at, error="1 of 2 events could not be processed.\n\nTraceback …"
    )
    webhook = EventSubscription.objects.create(name=EVIL, url="https://crm.example/hook")
    EventDelivery.objects.create(
        subscription=webhook, type="message.created", state="failed", settled_at=at, reason="The address answered 500."
    )
    failure_digest.send_due()


def waiting(count: int) -> Callable[[User], None]:
    """Let customers wait for the administrator, who wants to be told."""

    def send(admin: User) -> None:
        wanted = replace(choices.of(admin), mail=frozenset({"mine"}), mail_minutes=1)
        choices.save(admin, wanted)
        channel = _channel()
        for _ in range(count):
            conversation = factories.make_conversation(channel, name=EVIL)
            conversation.assignee = admin
            conversation.save()
            factories.receive(conversation, EVIL, at=timezone.now() - timedelta(minutes=3))
        recipients.take_notices()
        reminders.send_due()

    return send


def test_message(admin: User) -> None:
    assert mail.send_test(admin) == ""


def password_reset(admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(username=EVIL)
    mails.send_password_reset(admin.email)


def invitation(admin: User) -> None:
    """Invite somebody with the address of the administrator, who gets the mails of these tests."""
    invited = factories.make_user(email=admin.email, first_name="Mia", is_active=False)
    User.objects.filter(pk=admin.pk).update(first_name=EVIL)
    admin.refresh_from_db()
    invitations.send(admin, invited)
    run_queued_tasks()


def account(prefix: str, **context: Any) -> Callable[[User], None]:
    """Return a function that lets allauth send the message of these templates."""

    def send(admin: User) -> None:
        request = RequestFactory().get("/", HTTP_USER_AGENT=EVIL, REMOTE_ADDR="192.0.2.7")
        with request_context(request):
            AccountAdapter(request).send_notification_mail(prefix, admin, context, email=admin.email)
        run_queued_tasks()

    return send


def confirmation(admin: User) -> None:
    url = AccountAdapter().get_email_confirmation_url(RequestFactory().get("/"), type("Key", (), {"key": "a:b:c"}))
    AccountAdapter().send_mail(
        "account/email/email_confirmation", admin.email, {"user": EVIL, "activate_url": url, "key": "a:b:c"}
    )
    run_queued_tasks()


MAILS: dict[str, Callable[[User], None]] = {
    "lost-page": lost_page,
    "lost-pages": lost_pages,
    "ending-login-14": ending_login(14),
    "ending-login-7": ending_login(7),
    "ending-login-1": ending_login(1),
    "ended-login": ending_login(-1),
    "disabled-webhook": disabled_webhook,
    "failures": failures,
    "waiting-customer": waiting(1),
    "waiting-customers": waiting(3),
    "test-message": test_message,
    "password-reset": password_reset,
    "invitation": invitation,
    "confirmation": confirmation,
    "password-changed": account("account/email/password_changed"),
    "password-set": account("account/email/password_set"),
    "password-reset-done": account("account/email/password_reset"),
    "email-changed": account("account/email/email_changed", from_email="a@shop.example", to_email="b@shop.example"),
    "email-confirmed": account("account/email/email_confirm"),
    "email-deleted": account("account/email/email_deleted", deleted_email="a@shop.example"),
    "unknown-account": account("account/email/unknown_account", signup_url="http://example.com/"),
    "app-on": account("mfa/email/totp_activated"),
    "app-off": account("mfa/email/totp_deactivated"),
    "recovery-codes": account("mfa/email/recovery_codes_generated"),
    "passkey-added": account("mfa/email/webauthn_added"),
    "passkey-removed": account("mfa/email/webauthn_removed"),
    "facebook-linked": account("socialaccount/email/account_connected", provider="Facebook"),
    "facebook-unlinked": account("socialaccount/email/account_disconnected", provider="Facebook"),
    "other": account("account/email/login_code", code="ABC-123"),
}
