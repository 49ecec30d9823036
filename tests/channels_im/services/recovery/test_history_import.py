"""Whole history imports against the sandbox as a real process: what was written before the channel was created."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from channels_im import tasks
from channels_im.models import Channel, HistoryImport, Page, WebhookDelivery
from channels_im.services import channels
from channels_im.services.facebook import history_requests, pace, recovery_requests
from channels_im.services.recovery import history_import
from desk.models import AuditEntry, User
from tests import factories as make
from tests.channels_im.setup.files import upload
from tests.matching import present
from tests.sandbox.process import APP_ID, APP_SECRET, BERG_BIKES, SandboxProcess
from tickets.models import Contact, Conversation, EventDelivery, EventSubscription, EventType, Message, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import notifications
from tickets.services.privacy import erasure

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
State = HistoryImport.State


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    process.reset()
    settings.META_GRAPH_URL = process.url
    settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{process.port}"]
    monkeypatch.setattr(pace, "SPACING", timedelta(0))  # tests of recovery hold the pace
    return process


@pytest.fixture
def page(sandbox: SandboxProcess) -> Page:
    token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
    return make.make_page(BERG_BIKES, page_token=token, tasks=["MESSAGING", "MODERATE"])


@pytest.fixture
def channel(page: Page) -> Channel:
    return make.make_channel(page)


def administrator() -> User:
    return User.objects.filter(username="admin").first() or make.make_admin()


def ms(**ago: float) -> int:
    return int((timezone.now() - timedelta(**ago)).timestamp() * 1000)


def write(sandbox: SandboxProcess, customer: str, text: str, **ago: float) -> dict[str, Any]:
    return sandbox.customer_writes(customer, BERG_BIKES, text, timestamp=ms(**ago), silent=True)


def past(sandbox: SandboxProcess, conversations: int, messages: int, days: int = 5) -> None:
    body = {"conversations": conversations, "messages": messages, "days": days}
    sandbox.control("POST", f"pages/{BERG_BIKES}/history", body)


def work(pieces: int = 200) -> None:
    """Let the worker do so many pieces, and all that follows from them."""
    for _ in range(pieces):
        tasks.drain_journal()
        HistoryImport.objects.update(retry_after=None)
        if not tasks.drain_history_imports():
            break
    tasks.drain_journal()


def run(channel: Channel, days: int = 30) -> HistoryImport:
    """Import the history, all of it."""
    history_requests.start(administrator(), channel, days)
    work()
    return present(history_requests.newest(channel))


def texts(**conditions: Any) -> list[str]:
    rows = Message.objects.filter(kind="message", **conditions).order_by("sent_at", "pk")
    return list(rows.values_list("text", flat=True))


@pytest.mark.slow
def test_the_history_comes_closed_and_read_and_nobody_is_told(sandbox: SandboxProcess, channel: Channel) -> None:
    EventSubscription.objects.create(
        name="Everything", url="https://other.example/", events=EventType.values, secret="s"
    )
    write(sandbox, "lena", "Too old", days=31)
    write(sandbox, "lena", "Is it open?", days=20)
    sandbox.control("POST", f"pages/{BERG_BIKES}/inbox", {"psid": "lena", "text": "Yes", "timestamp": ms(days=19)})
    last = write(sandbox, "lena", "And today?", hours=3)
    write(sandbox, "sara", "Only old", days=60)
    agent = make.make_agent("alice", channels=(channel,))
    done = run(channel)
    assert (done.state, done.error, done.conversation_count, done.total_count) == (State.DONE, "", 1, 1)
    assert (done.inserted_count, done.beyond_reach_count) == (3, 0)
    assert abs(present(done.oldest_at) - (timezone.now() - timedelta(days=20))) < timedelta(minutes=1)
    assert texts() == ["Is it open?", "Yes", "And today?"]
    conversation = Conversation.objects.get()
    assert (conversation.unread_count, conversation.waiting_since, conversation.message_count) == (0, None, 3)
    assert conversation.preview == "And today?"
    # The reply window follows from the true time.
    at = present(conversation.last_customer_message_at)
    assert abs(at.timestamp() * 1000 - last["timestamp"]) < 1000
    first, second = Ticket.objects.order_by("opened_at")
    assert {first.status, second.status} == {"closed"}
    assert (first.closed_at, second.closed_at) == (first.last_message_at, second.last_message_at)
    assert first.last_message_at < second.opened_at
    assert not EventDelivery.objects.exists()
    assert notifications.since(agent, access.facts_for(agent), 0).messages == []
    assert Message.objects.filter(is_imported=True, recovered_at__isnull=False).count() == 3
    assert {row.source for row in WebhookDelivery.objects.all()} == {"imported"}
    sentences = AuditEntry.objects.order_by("pk").values_list("sentence", flat=True)
    assert sentences.filter(sentence__startswith="Started the import").count() == 1
    assert sentences.filter(sentence__contains="was completed. Conversations read: 1. Messages imported: 3.").exists()
    assert history_requests.possible_days(channel) == (90,)
    before = list(Message.objects.order_by("pk").values())
    again = run(channel, 90)
    assert (again.inserted_count, texts()[0]) == (2, "Only old")
    assert list(Message.objects.exclude(sent_at__lt=first.opened_at).order_by("pk").values()) == before


@pytest.mark.slow
def test_lists_are_paged_and_what_is_older_than_twenty_messages_is_counted(
    sandbox: SandboxProcess, channel: Channel
) -> None:
    past(sandbox, conversations=23, messages=2)
    for number in range(26):
        write(sandbox, "lena", f"line {number}", days=6, minutes=-number)
    done = run(channel, 7)
    assert (done.state, done.conversation_count, done.total_count) == (State.DONE, 24, 24)
    assert (done.inserted_count, done.beyond_reach_count) == (23 * 2 + 20, 6)
    assert Message.objects.filter(kind="message").count() == 66
    line = Message.objects.get(card__kind="not_recovered")
    assert present(line.card)["title"] == "6 messages could not be imported"
    assert Conversation.objects.filter(unread_count=0, waiting_since=None).count() == 24
    assert not Ticket.objects.exclude(status="closed").exists()


def test_messages_during_the_import_are_live(sandbox: SandboxProcess, channel: Channel) -> None:
    """Whichever comes first: what is from after the channel is open, unread and waiting."""
    psids = {}
    for customer in ("lena", "sara"):
        write(sandbox, customer, "Before", minutes=20)
        psids[customer] = sandbox.psid(customer, BERG_BIKES)
    later = (channel.created_at + timedelta(seconds=1)).replace(microsecond=0)
    live = sandbox.customer_writes("lena", BERG_BIKES, "Live", timestamp=int(later.timestamp() * 1000), silent=True)
    item = make.text_item(channel.page, psids["lena"], "Live", later, live["mid"])
    make.journal(make.delivery(channel.page, item))
    tasks.drain_journal()
    done = run(channel, 7)
    late = sandbox.customer_writes("sara", BERG_BIKES, "Live", timestamp=int(later.timestamp() * 1000), silent=True)
    item = make.text_item(channel.page, psids["sara"], "Live", later, late["mid"])
    make.journal(make.delivery(channel.page, item))
    tasks.drain_journal()
    assert done.inserted_count == 2
    for conversation in Conversation.objects.all():
        assert texts(conversation=conversation) == ["Before", "Live"]
        assert (conversation.unread_count, conversation.waiting_since) == (1, later)
        assert [ticket.status for ticket in conversation.tickets.all()] == ["open"]
    assert_integrity()


def assert_integrity() -> None:
    call_command("verify_integrity", stdout=StringIO())  # raises when the counters differ from the messages


def test_it_pauses_resumes_and_is_cancelled(sandbox: SandboxProcess, channel: Channel) -> None:
    past(sandbox, conversations=15, messages=1)
    admin = administrator()
    history_requests.start(admin, channel, 7)
    work(pieces=2)
    row = present(history_requests.newest(channel))
    assert (row.total_count, row.conversation_count) == (15, 10)
    assert history_requests.pause(admin, channel)
    assert not history_requests.pause(admin, channel)
    work()
    row.refresh_from_db()
    assert (row.state, row.conversation_count) == (State.PAUSED, 10)
    assert history_requests.possible_days(channel) == ()
    assert history_requests.resume(admin, channel)
    channels.deactivate(admin, channel)
    work()
    row.refresh_from_db()
    assert (row.state, row.conversation_count) == (State.WAITING, 10)
    channels.activate(admin, channel)
    assert not history_import.is_due()  # the recovery of what was written meanwhile goes first
    while tasks.drain_recovery():
        pass
    work()
    row.refresh_from_db()
    assert (row.state, row.conversation_count, Message.objects.count()) == (State.DONE, 15, 15)
    history_requests.start(admin, channel, 30)
    channels.delete(admin, channel)
    assert present(history_requests.newest(channel)).state == State.CANCELLED
    work()
    assert not history_import.is_due()


@pytest.mark.parametrize("interruption", ["kill", "pause"])
def test_an_import_interrupted_in_a_piece_goes_on_where_it_was(
    sandbox: SandboxProcess, channel: Channel, monkeypatch: pytest.MonkeyPatch, interruption: str
) -> None:
    past(sandbox, conversations=6, messages=3)
    admin = administrator()
    row = history_requests.start(admin, channel, 7)
    write_missed, count = history_import.write_missed, [0]

    def interrupted(*arguments: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            if interruption == "kill":
                raise KeyboardInterrupt
            HistoryImport.objects.update(state=State.PAUSED, claimed_by="")
        return write_missed(*arguments)

    monkeypatch.setattr(history_import, "write_missed", interrupted)
    if interruption == "kill":
        with pytest.raises(KeyboardInterrupt):
            work()
        HistoryImport.objects.update(claimed_at=timezone.now() - timedelta(hours=1))
        assert history_import.claims.reclaim_stale() == 1
    else:
        work()
        HistoryImport.objects.update(state=State.WAITING)
    row.refresh_from_db()
    assert (row.inserted_count, WebhookDelivery.objects.count()) == (6, 2)
    work()
    row.refresh_from_db()
    assert (row.state, row.inserted_count, row.conversation_count) == (State.DONE, 18, 6)
    assert Message.objects.count() == 18


def test_an_erased_person_stays_away(sandbox: SandboxProcess, channel: Channel) -> None:
    write(sandbox, "lena", "Forget me", days=2)
    conversation = make.make_conversation(channel, psid=sandbox.psid("lena", BERG_BIKES))
    make.receive(conversation, "Forget this too")
    erasure.erase(administrator(), conversation.contact)
    done = run(channel)
    assert (done.state, done.inserted_count) == (State.DONE, 0)
    assert not Contact.objects.filter(erased_at=None).exists()


def test_a_limit_or_a_lost_login_stops_the_import_only(sandbox: SandboxProcess, channel: Channel) -> None:
    past(sandbox, conversations=3, messages=1)
    sandbox.fault("rate_limit", endpoint="conversations", code=613, minutes=2)
    row = run(channel)
    page = Page.objects.get()
    assert (row.state, row.inserted_count, bool(row.error)) == (State.WAITING, 0, True)
    assert (page.rate_limited_until, bool(page.background_limited_until)) == (None, True)
    Page.objects.update(background_limited_until=None, connection="reauth_required", reauth_reason="token_expired")
    work()
    assert not history_import.is_due()
    Page.objects.update(connection="connected", reauth_reason="")
    work()
    row.refresh_from_db()
    assert (row.state, row.inserted_count, row.error) == (State.DONE, 3, "")


def test_conversations_that_move_while_it_reads_are_read_in_another_pass(
    sandbox: SandboxProcess, channel: Channel
) -> None:
    past(sandbox, conversations=15, messages=1)
    history_requests.start(administrator(), channel, 7)
    work(pieces=2)
    unread = {row["psid"] for row in sandbox.world()["conversations"]}
    unread -= set(Contact.objects.values_list("psid", flat=True))
    for psid in unread:
        sandbox.customer_writes(psid, BERG_BIKES, "Live", silent=True)
    work()
    row = present(history_requests.newest(channel))
    assert (row.state, row.inserted_count, row.conversation_count) == (State.DONE, 15, 15)
    assert Conversation.objects.count() == 15


def test_queries_of_a_piece_grow_with_its_conversations_only(
    sandbox: SandboxProcess, channel: Channel, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    past(sandbox, conversations=3, messages=18)
    history_requests.start(administrator(), channel, 7)
    work(pieces=1)
    with django_assert_max_num_queries(30 + 3 * 15):
        tasks.drain_history_imports()
    with django_assert_max_num_queries(40 + 3 * 18 * 18):
        tasks.drain_journal()
    assert Message.objects.count() == 54


def test_recovery_leaves_the_time_before_the_channel_to_the_import(sandbox: SandboxProcess, channel: Channel) -> None:
    write(sandbox, "lena", "Before", days=1)
    recovery_requests.request_on_demand(channel.page)
    while tasks.drain_recovery():
        tasks.drain_journal()
    assert not Message.objects.exists()


def test_creating_a_channel_can_start_the_import(page: Page) -> None:
    admin = administrator()
    department = make.make_department()
    channel = channels.create_channel(
        admin, name="Bikes", icon=upload(), page=page, department=department, history_days=30
    )
    row = HistoryImport.objects.get()
    assert (row.channel, row.days) == (channel, 30)
    assert timedelta(0) <= channel.created_at - row.until < timedelta(seconds=1)
    assert row.since == row.until - timedelta(days=30)
