"""Erasing a person finds every delivery that names them, by the index, and reads no others."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels_im import tasks as channel_tasks
from channels_im.models import Channel, DeliveryMention, WebhookDelivery
from channels_im.services.journal import mentions, redaction, store
from channels_im.services.journal.progress import pack
from desk import sweeper
from desk.models import User
from tests import factories as make
from tests.channels_im.messenger.deliveries import EVERY_KIND
from tests.factories import body_of, item, journal, text_item
from tests.tickets.services.privacy.erased_contact import OTHER, PSID
from tickets.models import Contact
from tickets.services.privacy import erasure

PAGE_ID = "1010101010"
WAITING_STATES = ("pending", "failed", "parked")
pytestmark = pytest.mark.django_db


@pytest.fixture
def channel() -> Channel:
    return make.make_channel(make.make_page(PAGE_ID))


@pytest.fixture
def contact(channel: Channel) -> Contact:
    return make.make_contact(channel.page, PSID)


def entry(**content: Any) -> dict[str, Any]:
    return {"id": PAGE_ID, "time": 1_790_000_000_000, **content}


def of_person(content: dict[str, Any]) -> dict[str, Any]:
    """Return the item about PSID instead of the customer for whom it was written."""
    found: dict[str, Any] = json.loads(json.dumps(content).replace('"7001"', f'"{PSID}"'))
    if not found.get("sender"):
        found["target"] = {"id": PSID}  # items of the Page itself name nobody; these do
    return found


def shapes() -> Iterator[tuple[str, Any]]:
    """Yield deliveries that name PSID, each with a name."""
    for number, content in enumerate(map(of_person, EVERY_KIND)):
        yield f"kind {number}", {"object": "page", "entry": [entry(messaging=[content])]}
        yield f"standby {number}", {"object": "page", "entry": [entry(standby=[content])]}
        number_id = json.loads(json.dumps(content).replace(f'"{PSID}"', PSID))
        yield f"number {number}", {"object": "page", "entry": [entry(messaging=[number_id])]}
    people = {"sender": {"id": PSID}, "recipient": {"id": PAGE_ID}, "timestamp": 1_790_000_000_000}
    story = {"story": {"id": "180001", "url": "https://lookaside.fbsbx.com/x?asset_id=1"}}
    reel = {"type": "ig_reel", "payload": {"url": "/reel/998877665544/", "reel_video_id": 998877665544}}
    others: dict[str, dict[str, Any]] = {
        "story": {"message": {"mid": "m_s", "text": "?", "reply_to": story}},
        "reel": {"message": {"mid": "m_r", "attachments": [reel]}},
        "handover": {"take_thread_control": {"previous_owner_app_id": "1", "metadata": "bye"}},
        "two kinds": {"read": {"watermark": 1_790_000_000_000}, "referral": {"ref": "x", "source": "ADS"}},
        "unknown": {"something_new": {"a": 1}},
        "nothing": {},
        "deep": {"sender": {"id": OTHER}, "something_new": json.loads("[" * 70 + PSID + "]" * 70)},
    }
    for name, content in others.items():
        yield name, {"object": "page", "entry": [entry(messaging=[{**people, **content}])]}
    yield "user_ref", {"entry": [entry(messaging=[{"optin": {"user_ref": f"u-{PSID}-1"}, "timestamp": 1}])]}
    yield "recipient only", {"entry": [entry(messaging=[{"recipient": {"id": PSID}, "account_update": {}}])]}
    feed = {"field": "feed", "value": {"from": {"id": PSID, "name": "A"}, "message": "hi", "item": "comment"}}
    yield "feed", {"object": "page", "entry": [entry(changes=[feed])]}
    yield "feed, not a list", {"object": "page", "entry": [entry(changes=feed)]}
    yield "messaging, not a list", {"entry": [entry(messaging={**people, "message": {"mid": "m_d", "text": "x"}})]}
    yield "entry without items", {"entry": [entry(profile={"id": PSID})]}
    yield "no page", {"entry": [{"messaging": [{"sender": {"id": PSID}, "message": {"mid": "m_np", "text": "x"}}]}]}
    yield "entry is a text", {"entry": [f"for {PSID}"]}
    yield "not JSON", f'{{"entry": [{{"sender": "{PSID}"'.encode()
    yield "not an object", [PSID]
    yield "too deep", ("[" * 70 + PSID + "]" * 70).encode()
    item = f'{{"sender": {{"id": "{OTHER}"}}, "read": {{"watermark": 1}}, "a": {"[" * 5000}"{PSID}"{"]" * 5000}}}'
    yield "too deep for Python", f'{{"entry": [{{"id": "{PAGE_ID}", "messaging": [{item}]}}]}}'.encode()
    yield "not UTF-8", b'\xff\xfe {"sender": {"id": "' + PSID.encode() + b'"}'


SHAPES = dict(shapes())


def mixed(shape: Any) -> bytes:
    """Return the delivery with an entry of a neighbour, where it has entries."""
    if not isinstance(shape, dict):
        return shape if isinstance(shape, bytes) else body_of(shape)
    people = {"sender": {"id": OTHER}, "recipient": {"id": PAGE_ID}, "timestamp": 1_790_000_000_000}
    neighbour = entry(messaging=[{**people, "message": {"mid": "m_n", "text": "A neighbour writes"}}])
    return body_of({**shape, "entry": [neighbour, *shape["entry"]]})


def bodies() -> bytes:
    return b"\n".join(bytes(row.body) for row in WebhookDelivery.objects.all())


def fill(state: str) -> None:
    for shape in SHAPES.values():
        journal(shape if isinstance(shape, bytes) else body_of(shape), state=state)
        journal(mixed(shape), state=state)


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "older than the index"])
@pytest.mark.parametrize("state", [*WAITING_STATES, "done", "ignored"])
def test_no_body_names_the_person_afterwards(contact: Contact, state: str, indexed: bool) -> None:
    fill(state)
    if indexed:
        mentions.record([(row, None) for row in WebhookDelivery.objects.all()])
    assert bodies().count(PSID.encode()) >= 2 * len(SHAPES)
    erasure.erase(make.make_admin(), contact)
    left = [bytes(row.body) for row in WebhookDelivery.objects.order_by("pk")]
    assert [body for body in left if PSID.encode() in body] == []
    assert sum(b"A neighbour writes" in body for body in left) == sum(isinstance(s, dict) for s in SHAPES.values())
    assert not mentions.deliveries_that_name(PSID).exists()


def test_each_shape_is_found_by_the_index_alone() -> None:
    rows = {name: journal(mixed(shape), state="done") for name, shape in SHAPES.items()}
    mentions.record([(row, None) for row in rows.values()])
    found = redaction.search(PAGE_ID, PSID).ids
    assert [name for name, row in rows.items() if row.pk not in found] == []


def test_the_drain_writes_the_index_and_a_second_try_does_not_double_it(channel: Channel, client: Client) -> None:
    page = channel.page
    make.deliver(client, make.delivery(page, text_item(page, PSID), text_item(page, OTHER)))
    row = WebhookDelivery.objects.get()
    assert row.indexed_at is not None
    digests = set(DeliveryMention.objects.values_list("digest", flat=True))
    assert digests >= {mentions.digest_of(PSID), mentions.digest_of(OTHER)}
    count = DeliveryMention.objects.count()
    store.replay([row.pk])
    channel_tasks.drain_journal()
    assert DeliveryMention.objects.count() == count


def test_a_delivery_that_is_tried_again_alone_is_indexed(channel: Channel) -> None:
    page = channel.page
    row = journal(make.delivery(page, text_item(page, PSID)), attempts=1)
    channel_tasks.drain_journal()
    assert mentions.deliveries_that_name(PSID).filter(delivery=row).exists()


def test_the_webhook_itself_writes_no_index(channel: Channel, client: Client) -> None:
    page = channel.page
    with CaptureQueriesContext(
        connection,
    ) as queries:
        make.post_webhook(client, make.delivery(page, text_item(page, PSID)))
    assert not [query for query in queries if "deliverymention" in query["sql"]]


def test_bodies_that_are_indexed_are_not_read(channel: Channel) -> None:
    """The body names the person and the index does not: only a search that reads all bodies would find it."""
    page = channel.page
    row = journal(make.delivery(page, text_item(page, PSID)), state="done")
    WebhookDelivery.objects.update(indexed_at=row.received_at, received_at=row.received_at.replace(year=2020))
    assert redaction.search(PAGE_ID, PSID).ids == ()


def test_an_id_with_the_same_digest_loses_nothing(
    contact: Contact, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "digest_of", lambda account_id: 7)
    page = channel.page
    row = journal(make.delivery(page, text_item(page, OTHER, "A neighbour writes")), state="done")
    before = bytes(row.body)
    mentions.record([(row, None)])
    erasure.erase(make.make_admin(), contact)
    assert bytes(WebhookDelivery.objects.get().body) == before


def test_the_same_id_at_another_page_is_another_person(contact: Contact, channel: Channel) -> None:
    other_page = make.make_page()
    data = make.delivery(channel.page, text_item(channel.page, PSID))
    data["entry"] += make.delivery(other_page, text_item(other_page, PSID, "Somebody else"))["entry"]
    mentions.record([(journal(data, state="done"), None)])
    erasure.erase(make.make_admin(), contact)
    emptied, left = json.loads(bytes(WebhookDelivery.objects.get().body))["entry"]
    assert emptied["messaging"] == []
    assert left["messaging"][0]["message"]["text"] == "Somebody else"
    assert redaction.search(other_page.page_id, PSID).ids  # so that this person can be erased too


def test_an_item_of_another_customer_keeps_everything_but_the_id(contact: Contact, channel: Channel) -> None:
    page = channel.page
    content = item(page, OTHER, message={"mid": "m_1", "text": "Look", "forwarded_from": {"id": PSID}})
    progress = pack({0: {"state": "done"}})
    row = journal(make.delivery(page, content), state="done", progress=progress)
    mentions.record([(row, None)])
    erasure.erase(make.make_admin(), contact)
    row.refresh_from_db()
    (left,) = json.loads(bytes(row.body))["entry"]
    assert left["messaging"][0]["message"] == {"mid": "m_1", "text": "Look", "forwarded_from": {"id": "erased"}}
    assert row.progress == progress


def test_a_delivery_that_is_processed_now_is_waited_for(contact: Contact, channel: Channel) -> None:
    row = journal(make.delivery(channel.page, text_item(channel.page, PSID)), state="processing", claimed_by="w")
    mentions.record([(row, None)])
    with pytest.raises(erasure.Refused):
        erasure.erase(make.make_admin(), contact)


def test_a_worker_that_lost_its_claim_writes_no_index(channel: Channel) -> None:
    row = journal(make.delivery(channel.page, text_item(channel.page, PSID)), state="processing", claimed_by="w")
    WebhookDelivery.objects.update(state="pending", claimed_by="")
    assert mentions.record([(row, None)]) == 0
    assert not DeliveryMention.objects.exists()


def test_old_deliveries_are_indexed_in_the_background(
    channel: Channel, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "BATCH_SIZE", 2)
    rows = [journal(make.delivery(channel.page, text_item(channel.page, PSID)), state="done") for _ in range(5)]
    waiting = journal(make.delivery(channel.page, text_item(channel.page, PSID)), state="pending")
    assert sweeper.reclaim() >= 1
    assert channel_tasks.index_journal() == 5
    assert set(mentions.deliveries_that_name(PSID).values_list("delivery", flat=True)) == {row.pk for row in rows}
    assert list(mentions.not_indexed()) == [waiting]
    assert mentions.request_indexing() == 0


def test_one_run_of_the_background_task_is_short_and_asks_for_the_next(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "BATCH_SIZE", 1)
    monkeypatch.setattr(mentions, "MAX_BATCHES", 2)
    asked: list[str] = []
    monkeypatch.setattr(mentions, "enqueue", asked.append)
    for _number in range(3):
        journal(make.delivery(channel.page, text_item(channel.page, PSID)), state="done")
    assert channel_tasks.index_journal() == 2
    assert asked == [mentions.TASK]
    with transaction.atomic():
        assert channel_tasks.index_journal() == 1


def test_a_fault_of_the_parser_does_not_stop_the_index(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_body: bytes) -> None:
        raise TypeError("a fault of ours")

    monkeypatch.setattr(mentions, "parse_delivery", fail)
    row = journal(make.delivery(channel.page, text_item(channel.page, PSID)))
    assert mentions.record([(row, None)]) == 1
    assert mentions.deliveries_that_name(PSID).exists()


def test_many_deliveries_take_as_many_statements_as_few(channel: Channel) -> None:
    def statements(number: int) -> int:
        people = {"sender": {"id": PSID}, "recipient": {"id": PAGE_ID}, "timestamp": 1_790_000_000_000}
        own = {"object": "page", "entry": [entry(messaging=[{**people, "message": {"mid": "m_1", "text": "x"}}])]}
        rows = [journal(body_of(own), state="done") for _ in range(number)]
        changed = [journal(mixed(own), state="done") for _ in range(number)]
        mentions.record([(row, None) for row in (*rows, *changed)])
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            result = redaction.redact(redaction.search(PAGE_ID, PSID))
        assert result.deliveries == 2 * number
        assert WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows]).count() == 0
        return len(queries)

    assert statements(2) == statements(40)
