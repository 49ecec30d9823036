"""Whole recoveries against the sandbox as a real process: webhooks are lost, then every gap is closed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from channels_im import tasks
from channels_im.models import Channel, Page, PageRecovery, RecoveryRun
from channels_im.services import channels
from channels_im.services.facebook import pace, recovery_requests
from channels_im.services.recovery import runs
from tests import factories as make
from tests.matching import present
from tests.sandbox.process import APP_ID, APP_SECRET, BERG_BIKES, SandboxProcess
from tickets.models import Conversation, Message

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
Reason, State = RecoveryRun.Reason, RecoveryRun.State


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox with Meta's limit of calls, whose webhooks are lost."""
    process.reset(conversations_per_second=2, webhooks_lost=True)
    settings.META_GRAPH_URL = process.url
    settings.META_APP_ID, settings.META_APP_SECRET = APP_ID, APP_SECRET
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{process.port}"]
    return process


@pytest.fixture
def channel(sandbox: SandboxProcess) -> Channel:
    token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
    sandbox.subscribe(BERG_BIKES)
    old = timezone.now() - timedelta(days=100)
    return make.make_channel(make.make_page(BERG_BIKES, page_token=token), created_at=old)


def ms(minutes_ago: float) -> int:
    return int((timezone.now() - timedelta(minutes=minutes_ago)).timestamp() * 1000)


def recover(page: Page, minutes: int = 60, reason: RecoveryRun.Reason = Reason.REQUEST) -> RecoveryRun:
    """Request a recovery and let the worker do all of it."""
    run = recovery_requests.request(page.pk, reason, timezone.now() - timedelta(minutes=minutes))
    for _ in range(100):
        if not tasks.drain_recovery():
            break
        tasks.drain_journal()
    run.refresh_from_db()
    return run


def facts(sandbox: SandboxProcess) -> dict[str, list[tuple[str, str]]]:
    """Return what Meta has by PSID: side and text of each message that is not unsent, in Meta's order."""
    found: dict[str, list[tuple[str, str]]] = {}
    world = sandbox.world()
    for thread in world["conversations"]:
        rows = [row for row in thread["messages"] if not row["deleted"]]
        found[thread["psid"]] = [("in" if row["from"] == "customer" else "out", row["text"] or "") for row in rows]
    return found


def ours() -> dict[str, list[tuple[str, str]]]:
    """Return what Desk has, in the same form."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = Message.objects.filter(kind="message", withdrawn_at=None).order_by("sent_at", "pk")
    for psid, direction, text in rows.values_list("conversation__contact__psid", "direction", "text"):
        found.setdefault(psid, []).append((direction, text))
    return found


@pytest.mark.slow
def test_every_gap_of_an_outage_is_closed(sandbox: SandboxProcess, channel: Channel) -> None:
    sandbox.customer_writes("lena", BERG_BIKES, "Is it open?", timestamp=ms(50))
    lena = sandbox.psid("lena", BERG_BIKES)
    sandbox.control("POST", f"pages/{BERG_BIKES}/inbox", {"psid": lena, "text": "From the Page inbox"})
    secret = sandbox.customer_writes("sara", BERG_BIKES, "Unsent again", timestamp=ms(40))
    sandbox.customer_writes("sara", BERG_BIKES, "Kept", timestamp=ms(39))
    sandbox.control("POST", "customers/sara/unsend", {"mid": secret["mid"]})
    sandbox.customer_sends_file(
        "sara", BERG_BIKES, "bill.pdf", b"%PDF-1.7\n" + b"x" * 500 + b"\n%%EOF\n", "application/pdf"
    )
    new = sandbox.add_customer("Nils", "New")["id"]
    first = sandbox.customer_writes(new, BERG_BIKES, "Hello", timestamp=ms(30))
    sandbox.customer_writes(new, BERG_BIKES, "Again", timestamp=ms(30), reply_to=first["mid"])
    sandbox.control("POST", f"customers/{new}/samples", {"page_id": BERG_BIKES, "name": "ad"})
    run = recover(channel.page)
    assert (run.state, run.error, run.beyond_reach_count) == (State.DONE, "", 0)
    assert ours() == facts(sandbox)
    assert run.inserted_count == run.read_count == Message.objects.count() == 7
    conversations = {row.contact.psid: row for row in Conversation.objects.select_related("contact")}
    assert conversations[lena].waiting_since is None
    assert sorted(row.unread_count for row in conversations.values() if row.contact.psid != lena) == [2, 3]
    again = Message.objects.get(text="Again")
    assert again.reply_to_mid == first["mid"]
    assert present(Message.objects.get(text="Is this still available?").card)["url"] == "https://shop.example/w"
    assert Message.objects.get(attachments__kind="document").text == ""
    before = list(Message.objects.order_by("pk").values())
    assert recover(channel.page).inserted_count == 0
    assert list(Message.objects.order_by("pk").values()) == before
    assert present(PageRecovery.objects.get().complete_until) > present(run.until)


@pytest.mark.slow
def test_more_than_twenty_messages_are_recovered_as_far_as_meta_shows_them(
    sandbox: SandboxProcess, channel: Channel
) -> None:
    for number in range(45):
        sandbox.customer_writes("lena", BERG_BIKES, f"line {number}", timestamp=ms(50) + number * 1000)
    run = recover(channel.page)
    assert (run.read_count, run.inserted_count, run.beyond_reach_count) == (45, 20, 25)
    line, *rest = Message.objects.order_by("sent_at", "pk")
    assert present(line.card)["title"] == "25 messages could not be recovered"
    assert [row.text for row in rest] == [f"line {number}" for number in range(25, 45)]
    again = recover(channel.page, 70)
    assert (again.inserted_count, again.beyond_reach_count) == (0, 0)
    assert Message.objects.count() == 21


@pytest.mark.slow
def test_calls_keep_to_two_a_second_and_a_limit_stops_the_run_only(sandbox: SandboxProcess, channel: Channel) -> None:
    for number in range(12):
        customer = sandbox.add_customer(f"C{number}")["id"]
        sandbox.customer_writes(customer, BERG_BIKES, f"Hello {number}", timestamp=ms(20))
    sandbox.fault("rate_limit", endpoint="conversations", code=613, minutes=2)
    run = recover(channel.page)
    page = Page.objects.get()
    assert (run.state, run.inserted_count) == (State.WAITING, 0)
    assert page.rate_limited_until is None
    assert page.background_limited_until is not None
    assert not runs.is_due()
    Page.objects.update(background_limited_until=None)
    run = recover(channel.page)
    assert (run.state, run.inserted_count) == (State.DONE, 12)
    assert ours() == facts(sandbox)


def test_a_run_that_is_killed_goes_on_where_it_was(
    sandbox: SandboxProcess, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        customer = sandbox.add_customer(f"C{number}")["id"]
        sandbox.customer_writes(customer, BERG_BIKES, f"Hello {number}", timestamp=ms(20))
    run = recovery_requests.request(channel.page_id, Reason.OUTAGE, timezone.now() - timedelta(hours=1))
    write, count = runs.write_missed, [0]

    def dying(*arguments: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        return write(*arguments)

    monkeypatch.setattr(runs, "write_missed", dying)
    with pytest.raises(KeyboardInterrupt):
        tasks.drain_recovery()
    run.refresh_from_db()
    assert (run.state, run.inserted_count, len(run.handled)) == (State.RUNNING, 2, 2)
    RecoveryRun.objects.update(claimed_at=timezone.now() - timedelta(hours=1))
    assert runs.claims.reclaim_stale() == 1
    RecoveryRun.objects.update(retry_after=None)
    while tasks.drain_recovery():
        tasks.drain_journal()
    run.refresh_from_db()
    assert (run.state, run.inserted_count) == (State.DONE, 4)
    assert ours() == facts(sandbox)


def test_what_was_written_while_the_channel_was_off_comes_with_the_activation(
    sandbox: SandboxProcess, channel: Channel
) -> None:
    admin = make.make_admin()
    channels.deactivate(admin, channel)
    tasks.drain_subscriptions()
    sandbox.customer_writes("lena", BERG_BIKES, "While it was off")
    channels.activate(admin, channel)
    tasks.drain_subscriptions()
    assert RecoveryRun.objects.get().reason == Reason.ACTIVATION
    while tasks.drain_recovery():
        tasks.drain_journal()
    assert Message.objects.get().text == "While it was off"


def test_places_are_reserved_one_after_the_other(channel: Channel) -> None:
    first, second, third = (pace.reserve(channel.page_id) for _ in range(3))
    assert second - first == third - second == pace.SPACING
    assert timedelta(seconds=1) < third - first
