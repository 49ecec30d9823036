"""No token and no secret leaves the database in clear: not in a page, an answer, a log line, an e-mail or a dump."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from django.apps import apps
from django.contrib import admin
from django.core import mail
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from channels_im import tasks
from channels_im.models import Channel, FacebookAccount, Page, PendingLink
from channels_im.services.facebook import connection, grants, subscriptions
from desk.models import User
from tests.factories import make_agent, make_channel, make_conversation, make_page, make_token, make_user, receive
from tests.http import streamed
from tickets.models import ApiToken, Conversation, EventDelivery, EventSubscription, EventType
from tickets.services.outgoing import outbox, replies
from tickets.services.webhooks import api_tokens
from tickets.services.webhooks.http_call import WebhookCall

pytestmark = pytest.mark.django_db

PAGE_TOKEN, USER_TOKEN, PENDING_TOKEN = "EAAPAGEsecretsecret01", "EAAUSERsecretsecret02", "EAAPENDINGsecretsec03"
APP_SECRET, PREVIOUS_SECRET, VERIFY_TOKEN = "app-secret-0123456789", "old-secret-0123456789", "verify-token-0123456789"
EVENT_SECRET, OLD_EVENT_SECRET = "desk_EVENTsecret0004", "desk_OLDEVENTsecret0005"
SECRETS = (
    *(PAGE_TOKEN, USER_TOKEN, PENDING_TOKEN, APP_SECRET, PREVIOUS_SECRET, VERIFY_TOKEN),
    *(EVENT_SECRET, OLD_EVENT_SECRET),
)

#: Of what the pages show; no sequence of the database comes there.
SAME_PK = 900_001


@pytest.fixture(autouse=True)
def secrets(settings: Settings) -> None:
    settings.META_APP_SECRET, settings.META_APP_SECRET_PREVIOUS = APP_SECRET, PREVIOUS_SECRET
    settings.META_VERIFY_TOKEN = VERIFY_TOKEN


@pytest.fixture
def administrator() -> User:
    return make_user("admin", is_staff=True, is_superuser=True, email="admin@example.org")


@pytest.fixture
def channel(administrator: User) -> Channel:
    """A channel with everything that can hold a token, and a conversation."""
    account = FacebookAccount.objects.create(
        facebook_user_id="218471",
        name="Anna Berg",
        user_token=USER_TOKEN,
        linked_by=administrator,
        expires_at=timezone.now() + timedelta(days=3),
    )
    channel = make_channel(make_page("1001", facebook_account=account, page_token=PAGE_TOKEN), pk=SAME_PK)
    PendingLink.objects.create(
        user=administrator, facebook_user_id="218471", name="Anna Berg", user_token=PENDING_TOKEN
    )
    subscription = EventSubscription.objects.create(
        pk=SAME_PK,
        name="CRM",
        url="https://crm.example.com",
        events=EventType.values,
        secret=EVENT_SECRET,
        previous_secret=OLD_EVENT_SECRET,
        rotated_at=timezone.now(),
    )
    EventDelivery.objects.create(pk=SAME_PK, subscription=subscription, type="test", body="{}")
    return channel


@pytest.fixture
def conversation(channel: Channel) -> Conversation:
    conversation = make_conversation(channel)
    receive(conversation, "Hello", timezone.now())
    return conversation


def leaked(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def addresses(patterns: list[Any], values: dict[str, Any], namespace: str = "") -> Iterator[str]:
    """Yield an address for each named pattern of the project whose parameters `values` knows."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from addresses(pattern.url_patterns, values, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            names = pattern.pattern.converters
            kwargs = {name: values[name] for name in names if name in values}
            with suppress(NoReverseMatch):  # it wants more than we have
                yield reverse(f"{namespace}{pattern.name}", kwargs=kwargs)


def read(client: Client, address: str) -> str:
    response = client.get(address, follow=False)
    body = streamed(response) if response.streaming else response.content
    return f"{response.headers}{body.decode(errors='replace')}"


def crawl(client: Client, values: dict[str, Any]) -> dict[str, str]:
    found = {}
    for address in sorted(set(addresses(get_resolver().url_patterns, values))):
        if "logout" not in address:
            found[address] = read(client, address)
    return found


@pytest.mark.slow
def test_no_page_shows_one(channel: Channel, conversation: Conversation, administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    key = make_token(administrator)
    values = {"pk": channel.pk, "channel": channel.pk, "conversation": conversation.pk, "ticket": 1}
    pages = crawl(client, values)

    assert len(pages) > 40
    assert "crm.example.com" in pages[f"/admin/programs/events/{channel.pk}/"]
    assert {address: leaked(page) for address, page in pages.items() if leaked(page)} == {}
    assert [address for address, page in pages.items() if key in page or api_tokens.digest_of(key) in page] == []


def test_no_form_of_the_admin_shows_one(channel: Channel, conversation: Conversation, administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        rows = [reverse(f"{name}_change", args=[row.pk]) for row in model._default_manager.all()[:3]]
        for address in [reverse(f"{name}_changelist"), *rows]:
            assert leaked(read(client, address)) == [], address


def test_no_model_with_a_token_is_in_the_admin() -> None:
    ours = (FacebookAccount, Page, PendingLink, EventSubscription)
    for model in (*ours, *apps.get_app_config("socialaccount").get_models(), ApiToken):
        assert model not in admin.site._registry


def test_no_answer_of_the_api_shows_one(channel: Channel, conversation: Conversation, administrator: User) -> None:
    client = Client(headers={"Authorization": f"Token {make_token(administrator)}"})
    values = {"pk": channel.pk, "id": conversation.pk, "conversation_pk": conversation.pk}
    answers = {a: body for a, body in crawl(client, values).items() if a.startswith("/api/")}

    assert len(answers) > 5
    assert {address: leaked(body) for address, body in answers.items() if leaked(body)} == {}


def test_a_dump_holds_them_encrypted_and_loads_again(channel: Channel, tmp_path: Path) -> None:
    dump = io.StringIO()
    call_command("dumpdata", "channels_im", "desk", "socialaccount", "tickets.eventsubscription", stdout=dump)
    assert leaked(dump.getvalue()) == []

    file = tmp_path / "dump.json"
    file.write_text(dump.getvalue())
    Page.objects.update(page_token=None)
    call_command("loaddata", str(file), verbosity=0)
    assert Page.objects.get().page_token == PAGE_TOKEN
    assert FacebookAccount.objects.get().user_token == USER_TOKEN
    assert EventSubscription.objects.get().secret == EVENT_SECRET


def test_the_database_holds_them_encrypted(channel: Channel) -> None:
    with database.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')  # noqa: S608 - our own tables
                assert leaked(repr(cursor.fetchall())) == [], model


def test_no_log_line_and_no_e_mail_shows_one_whatever_meta_answers(
    channel: Channel, conversation: Conversation, administrator: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    alice = make_agent("alice", channels=(channel,))
    quoting = {
        "error": {"code": 190, "error_subcode": 460, "message": f"Bad token {PAGE_TOKEN} {USER_TOKEN} {APP_SECRET}"}
    }
    answers: list[dict[str, Any]] = [
        {"json": quoting, "status": 400},
        {"json": quoting | {"error": quoting["error"] | {"code": 2}}, "status": 500},
        {"body": f"<html>{PAGE_TOKEN}</html>", "status": 502},
        {"body": requests.ConnectionError(f"https://graph.facebook.com/?input_token={USER_TOKEN}")},
    ]
    for answer in answers:
        connection.mark_connected(channel.page)
        with responses.RequestsMock(assert_all_requests_are_fired=False) as meta:
            for method in ("GET", "POST", "DELETE"):
                meta.add(method, re.compile("https://graph.facebook.com/.*"), **answer)
            tasks.check_all()
            subscriptions.drain_subscriptions()
            tasks.check_account(FacebookAccount.objects.get(facebook_user_id="218471").pk)
            replies.queue_reply(alice, conversation, text="Hello")
            outbox.drain_outbox()
            with pytest.raises(grants.LinkError) as refusal:
                grants.read(USER_TOKEN)
            assert leaked(str(refusal.value)) == []
        connection.require_reauth(channel.page, Page.Reason.PASSWORD_CHANGED, Page.DetectedBy.CHECK)
        connection.mail_administrators()
    connection.mark_connected(channel.page)
    tasks.warn_of_ending_logins()

    assert caplog.records
    lines = [logging.Formatter("%(message)s %(args)s").format(record) for record in caplog.records]
    assert leaked("\n".join(lines)) == []
    assert mail.outbox
    assert leaked("\n".join(f"{message.subject} {message.body}" for message in mail.outbox)) == []
    assert leaked(repr(list(Page.objects.values("trouble", "subscription_error", "reauth_reason")))) == []


def test_neither_repr_nor_a_debug_page_shows_one(channel: Channel, administrator: User) -> None:
    page = Page.objects.get()
    assert leaked(repr(vars(page))) == []
    assert leaked(repr(vars(FacebookAccount.objects.get()))) == []
    assert leaked(repr(vars(EventSubscription.objects.get()))) == []
    assert leaked(repr(WebhookCall("https://crm.example.com", "id", "test", b"{}", (EVENT_SECRET,)))) == []
