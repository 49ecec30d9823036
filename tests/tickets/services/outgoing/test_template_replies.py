"""Utility messages against the sandbox: templates are created, approved by a webhook, and sent in a shut window."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from channels_im.messenger.template_texts import NewTemplate, filled, guesses
from channels_im.models import Channel, MessageTemplate, Page
from channels_im.services.facebook import message_templates, subscriptions
from channels_im.services.facebook.message_templates import TemplateError
from channels_im.tasks import drain_journal
from desk.models import AuditEntry, User
from tests.factories import journal, make_agent, make_channel, make_conversation, make_page, make_user, receive
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tickets.models import Conversation, Message
from tickets.services.outgoing import outbox, replies, send_call, template_replies, undelivered

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

LINK = ["pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement", "business_management"]
SHIPPED = NewTemplate("order_shipped", "en_US", "Hi {{1}}, order {{2}} is on its way.", ("Maria", "1042"))


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings) -> SandboxProcess:
    process.reset(template_review_s=0)
    settings.META_GRAPH_URL = process.url
    settings.META_APP_ID, settings.META_APP_SECRET = "100000000000001", "sandbox-app-secret"
    return process


@pytest.fixture
def connect(sandbox: SandboxProcess) -> Callable[..., Channel]:
    def make(*scopes: str) -> Channel:
        granted = sandbox.grant("anna", [BERG_BIKES], scopes=[*LINK, *scopes])
        return make_channel(make_page(BERG_BIKES, page_token=granted["pages"][0]["access_token"]))

    return make


@pytest.fixture
def admin(db: None) -> User:
    return make_user("root", is_staff=True, is_superuser=True)


def shut(sandbox: SandboxProcess, channel: Channel) -> Conversation:
    """Return a conversation whose customer wrote a month ago."""
    long_ago = timezone.now() - timedelta(days=30)
    at = round(long_ago.timestamp() * 1000)
    written = sandbox.customer_writes("lena", BERG_BIKES, "Is it open?", timestamp=at, silent=True)
    conversation = make_conversation(channel, written["psid"])
    receive(conversation, "Is it open?", long_ago, mid=written["mid"])
    return conversation


def send(agent: User, conversation: Conversation, *values: str) -> Message:
    part = template_replies.part_of(conversation, SHIPPED.name, SHIPPED.language, values)
    (row,) = replies.queue_reply(agent, conversation, special=part)
    deadline = time.monotonic() + 10
    while Message.objects.filter(pk=row.pk, state__in=("queued", "sending")).exists():
        outbox.drain_outbox()
        assert time.monotonic() < deadline
    row.refresh_from_db()
    return row


@pytest.mark.parametrize("scope", ["pages_utility_messaging", "page_utility_messaging"])
def test_a_template_is_created_and_sent_where_the_window_is_shut(
    sandbox: SandboxProcess, connect: Callable[..., Channel], admin: User, scope: str
) -> None:
    channel = connect(scope)
    row = message_templates.create(admin, channel.page, SHIPPED)
    assert row.state == "pending"
    assert AuditEntry.objects.filter(sentence__contains="order_shipped").count() == 1
    message_templates.refresh(channel.page)
    row.refresh_from_db()
    assert row.is_approved

    conversation = shut(sandbox, channel)
    alice = make_agent("alice", channels=(channel,))
    sent = send(alice, conversation, "Lena", "77")
    assert (sent.state, sent.text) == ("sent", "Hi Lena, order 77 is on its way.")
    assert [one["text"] for one in sandbox.sent(BERG_BIKES)] == [sent.text]

    for values in ((), ("Lena",), ("Lena", " ")):
        with pytest.raises(replies.ReplyError) as refused:
            template_replies.part_of(conversation, SHIPPED.name, SHIPPED.language, values)
        assert refused.value.code == "template_refused"
    message_templates.delete(admin, row)
    assert message_templates.refresh(channel.page) == 0


def test_facebook_tells_by_webhook_what_it_decided(
    sandbox: SandboxProcess, connect: Callable[..., Channel], admin: User
) -> None:
    channel = connect("pages_utility_messaging")
    subscriptions.request_check(channel.page_id)
    subscriptions.drain_subscriptions()
    assert "message_template_status_update" in Page.objects.get().subscribed_fields
    sale = NewTemplate("spring", "en_US", "A big sale for you.")
    row = message_templates.create(admin, channel.page, sale)

    def told(event: str, reason: str, time_ms: int) -> None:
        value = {"event": event, "message_template_id": int(row.template_id), "reason": reason}
        change = {"field": "message_template_status_update", "value": value}
        journal({"object": "page", "entry": [{"id": BERG_BIKES, "time": time_ms, "changes": [change]}]})
        drain_journal()
        row.refresh_from_db()

    now = round(time.time() * 1000)
    told("REJECTED", "PROMOTIONAL", now)
    assert (row.state, row.reason) == ("rejected", "PROMOTIONAL")
    told("APPROVED", "NONE", now - 1000)
    assert row.state == "rejected"
    told("APPROVED", "NONE", now + 1000)
    assert (row.state, row.reason) == ("approved", "")
    told("DISABLED", "", now + 2000)
    assert row.state == "paused"


def test_what_facebook_refuses_is_said_and_leaves_the_page_connected(
    sandbox: SandboxProcess, connect: Callable[..., Channel], admin: User
) -> None:
    channel = connect()
    with pytest.raises(TemplateError, match="pages_utility_messaging"):
        message_templates.create(admin, channel.page, SHIPPED)
    stored = MessageTemplate.objects.create(
        page=channel.page, template_id="1", name=SHIPPED.name, language="en_US", body=SHIPPED.body, state="approved"
    )
    conversation = shut(sandbox, channel)
    alice = make_agent("alice", channels=(channel,))
    without_permission = send(alice, conversation, "Lena", "77")
    assert (without_permission.state, without_permission.reason) == ("failed", message_templates.PERMISSION_MISSING)
    page = Page.objects.get()
    assert page.is_connected

    granted = sandbox.grant("anna", [BERG_BIKES], scopes=[*LINK, "pages_utility_messaging"])
    Page.objects.update(page_token=granted["pages"][0]["access_token"])
    unknown = undelivered.retry(alice, without_permission)
    outbox.drain_outbox()
    unknown.refresh_from_db()
    assert (unknown.state, unknown.reason) == ("failed", send_call.TEMPLATE_REFUSED)
    stored.delete()
    unsent = undelivered.retry(alice, unknown)
    outbox.drain_outbox()
    unsent.refresh_from_db()
    assert (unsent.state, unsent.attempts) == ("failed", 1)


@pytest.mark.slow
def test_a_template_without_an_answer_is_looked_up_and_sent_once(
    sandbox: SandboxProcess, connect: Callable[..., Channel], admin: User, settings: Settings
) -> None:
    channel = connect("pages_utility_messaging")
    message_templates.create(admin, channel.page, SHIPPED)
    message_templates.refresh(channel.page)
    conversation = shut(sandbox, channel)
    settings.META_TIMEOUT_SECONDS, settings.DESK_RETRY_BASE_SECONDS = 0.5, 0.05
    sandbox.fault("timeout_after", endpoint="messages", hold_s=1)
    row = send(make_agent("alice", channels=(channel,)), conversation, "Lena", "77")
    deadline = time.monotonic() + 15
    while row.state != "sent":
        assert row.state in ("unsure", "queued", "sending")
        outbox.drain_outbox()
        row.refresh_from_db()
        assert time.monotonic() < deadline
    assert len(sandbox.sent(BERG_BIKES)) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Order shipped"}, "name"),
        ({"language": "English"}, "language"),
        ({"body": " "}, "body"),
        ({"body": "Hi {{2}}"}, "body"),
        ({"body": "x" * 1025}, "body"),
        ({"examples": ()}, "examples"),
        ({"buttons": ("1", "2", "3", "4")}, "buttons"),
    ],
)
def test_what_facebook_would_refuse_is_said_at_its_field(changes: dict[str, object], field: str) -> None:
    values = {"name": "a", "language": "en", "body": "Hi {{1}}", "examples": ("Maria",), **changes}
    with pytest.raises(TemplateError) as refused:
        message_templates.check(NewTemplate(**values))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_the_name_of_the_customer_is_filled_in_where_the_text_greets_with_it() -> None:
    assert guesses("Hi {{1}}, order {{2}}", "Rosa Diaz") == ["Rosa", ""]
    assert guesses("Order {{1}} for {{first_name}}", "Rosa Diaz") == ["", "Rosa"]
    assert guesses("Hello {{1}}", "") == [""]
    assert filled("Hi {{1}}, {{2}} and {{1}}", ["Rosa", ""]) == "Hi Rosa, {{2}} and Rosa"
