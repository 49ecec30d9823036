"""Web and worker stopped for an hour while customers write: what Facebook could not deliver is recovered."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from channels_im.models import Page, PageRecovery, RecoveryRun
from desk.models import Heartbeat
from tests.e2e import data
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES
from tickets.models import Conversation, Message

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def age_heartbeats() -> None:
    """Make the last heartbeats an hour old, and the last webhook too."""
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    Page.objects.filter(page_id=BERG_BIKES).update(last_event_at=timezone.now() - timedelta(hours=1))


def is_subscribed() -> bool:
    """Return whether Meta sends the Page's messages."""
    return Page.objects.filter(page_id=BERG_BIKES, subscription=Page.Subscription.SUBSCRIBED).exists()


def runs() -> list[dict[str, Any]]:
    """Return the runs, newest first."""
    names = ("reason", "state", "read_count", "inserted_count", "beyond_reach_count", "error")
    return list(RecoveryRun.objects.values(*names))


def threads() -> dict[str, list[list[str]]]:
    """Return side and text of what Desk has, by PSID."""
    found: dict[str, list[list[str]]] = {}
    rows = Message.objects.filter(kind="message", withdrawn_at=None).order_by("sent_at", "pk")
    for psid, direction, text in rows.values_list("conversation__contact__psid", "direction", "text"):
        found.setdefault(psid, []).append([direction, text])
    return found


def facts_of(psid: str) -> dict[str, Any]:
    """Return what the list shows of a conversation, and the titles of what could not be recovered."""
    conversation = Conversation.objects.get(contact__psid=psid)
    lines = Message.objects.filter(conversation=conversation, card__kind="not_recovered")
    return {
        "unread": conversation.unread_count,
        "waits": conversation.waiting_since is not None,
        "preview": conversation.preview,
        "lines": [(line.card or {})["title"] for line in lines],
    }


def complete() -> bool:
    """Return whether the Page is complete up to some moments ago."""
    until = PageRecovery.objects.get(page__page_id=BERG_BIKES).complete_until
    return until is not None and timezone.now() - until < timedelta(minutes=5)


def test_an_hour_without_web_and_worker_leaves_no_gap(new_desk: Callable[..., RunningDesk]) -> None:
    desk = new_desk(DESK_CLAIM_SECONDS="2", DESK_SWEEP_SECONDS="0.5", DESK_RETRY_BASE_SECONDS="0.1")
    desk.start_all(demo_data=True)
    sandbox, url = desk.sandbox, f"pages/{BERG_BIKES}/inbox"
    regular, busy = (sandbox.add_customer(name)["id"] for name in ("Rita", "Bea"))
    desk.wait_for(lambda: desk.call(is_subscribed), "the Page is subscribed")
    before = [sandbox.customer_writes(each, BERG_BIKES, "Before") for each in (regular, busy)]
    rita, bea = (written["psid"] for written in before)
    desk.wait_for(lambda: all(desk.call(data.has_message, row["mid"]) for row in before), "both are stored")
    desk.processes.kill("web")
    desk.processes.kill("worker")
    desk.call(age_heartbeats)

    sandbox.configure(webhooks_lost=True)
    gone = sandbox.customer_writes(regular, BERG_BIKES, "Unsent")
    sandbox.control("POST", f"customers/{regular}/unsend", {"mid": gone["mid"]})
    sandbox.control("POST", url, {"psid": rita, "text": "From the Page inbox"})
    sandbox.customer_sends_file(
        regular, BERG_BIKES, "a.pdf", b"%PDF-1.7\n" + b"x" * 500 + b"\n%%EOF\n", "application/pdf"
    )
    for number in range(25):
        sandbox.customer_writes(busy, BERG_BIKES, f"Line {number}")
    new = [sandbox.add_customer(f"New {number}")["id"] for number in range(12)]
    for each in new:
        sandbox.customer_writes(each, BERG_BIKES, "I am new")
    sandbox.configure(webhooks_lost=False)

    desk.start("web", "worker")
    desk.wait_for(lambda: desk.call(runs), "a recovery is requested")
    desk.processes.kill("worker")  # wherever it is
    desk.start("worker")
    desk.wait_for(lambda: all(run["state"] == "done" for run in desk.call(runs)), "the recovery is done")
    desk.wait_until_drained()

    run = desk.call(runs)[0]
    assert (run["reason"], run["beyond_reach_count"], run["error"]) == ("outage", 5, "")
    ours = desk.call(threads)
    for thread in sandbox.world()["conversations"]:
        said = [row for row in thread["messages"] if not row["deleted"]]
        expected = [["in" if row["from"] == "customer" else "out", row["text"] or ""] for row in said]
        if thread["psid"] == bea:
            expected = [expected[0], *expected[-20:]]
        assert ours[thread["psid"]] == expected
    assert desk.call(facts_of, rita) == {"unread": 2, "waits": True, "preview": "📄 Document", "lines": []}
    assert desk.call(facts_of, bea)["lines"] == ["5 messages could not be recovered"]
    assert desk.call(facts_of, bea)["unread"] == 21
    assert desk.call(complete)
