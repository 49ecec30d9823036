"""Deliveries taken in together, in sets of any size, and one by one: the same state in the end.

SETS=1000 compares that many histories, in two equal parts, instead of a few.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from channels_im.models import Channel, DeliveryMention, WebhookDelivery
from channels_im.services.journal import drain, store
from desk.live import publish
from desk.models import User
from tests import factories as make
from tests.factories import NOON, delivery, item, text_item
from tickets.models import (
    Attachment,
    Contact,
    Conversation,
    EventDelivery,
    EventSubscription,
    EventType,
    Message,
    MessageChange,
    MessageTerms,
    Ticket,
)
from tickets.services.inbox import actions
from tickets.services.incoming import sets

EFFORT = hypothesis_settings(
    max_examples=int(os.environ.get("SETS", "40")) // 2,
    # Each history is rolled back, so that the channel may serve all of them.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
INBOX = 263902037430900
PICTURE = {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/v/photo.jpg?x=1"}}
PRODUCT = {"type": "template", "payload": {"product": {"elements": [{"id": "1", "title": "Bell", "subtitle": "9 €"}]}}}
AD = {"source": "ADS", "type": "OPEN_THREAD", "ad_id": "77", "ref": "spring"}
#: Mostly usual messages, as in life; everything else between them.
KINDS = [
    *["text"] * 8,
    *["picture", "postback", "postback without id", "standby", "no time", "far ahead"],
    *["doubled", "stolen", "echo", "reaction", "edit", "withdrawal", "read", "delivered"],
    *["ad", "referral", "pass", "unknown", "recovered", "product"],
]
#: Those whose place does not depend on what is taken in with them: a time of their own, later than all before.
IN_ORDER = [kind for kind in KINDS if kind not in ("no time", "far ahead", "stolen")]
GAPS_S = [0, 0, 0.001, 1, 4, 30, 1800, 3600, 3600.001, 5000, 7201]


@dataclass(frozen=True)
class Told:
    """One delivery: who, what, and how long after the one before it."""

    customer: int
    kind: str
    gap_s: float


@dataclass(frozen=True)
class Step:
    """What is delivered, in batches of these sizes, and what an agent does afterwards."""

    told: list[Told]
    shuffled: list[int]
    sizes: list[int]
    action: str
    customer: int


def steps_of(kinds: list[str], gaps_s: list[float], shuffles: int) -> st.SearchStrategy[list[Step]]:
    told = st.builds(Told, st.integers(1, 4), st.sampled_from(kinds), st.sampled_from(gaps_s))
    step = st.builds(
        Step,
        st.lists(told, min_size=1, max_size=14),
        st.lists(st.integers(0, 13), max_size=shuffles),
        st.lists(st.integers(1, 14), min_size=1, max_size=3),
        st.sampled_from(["", "", "reply", "close", "assign", "note", "hold"]),
        st.integers(1, 4),
    )
    return st.lists(step, min_size=1, max_size=3)


@dataclass
class World:
    """One run of a history in a database that is rolled back; what it announces is kept."""

    channel: Channel
    alice: User
    clock: time_machine.Traveller
    number: int = 0
    at: datetime = NOON
    announced: list[set[str]] = field(default_factory=list)
    in_sets: int = 0
    mids: dict[int, list[str]] = field(default_factory=dict)

    def body(self, told: Told) -> tuple[dict[str, Any], str | None]:
        """Return the delivery, and its source."""
        self.number += 1
        self.at += timedelta(seconds=told.gap_s)
        psid, page, kind = f"700{told.customer}", self.channel.page, told.kind
        mid = f"m_{self.number:03}"
        own = self.mids.setdefault(told.customer, [])
        other = own[-1] if own else f"m_early_{told.customer}"  # the order between customers is free
        own.append(mid)
        at: datetime = self.at + timedelta(days=1) if kind == "far ahead" else self.at
        content: dict[str, Any] = {"message": {"mid": mid, "text": f"{kind} {self.number}"}}
        match kind:
            case "picture":
                content["message"]["attachments"] = [PICTURE]
            case "product":
                content["message"]["attachments"] = [PRODUCT]
            case "postback":
                content = {"postback": {"mid": mid, "title": "Start", "payload": "GO"}}
            case "postback without id":
                content = {"postback": {"title": "Start", "payload": str(self.number)}}
            case "doubled":
                content["message"]["mid"] = other
            case "stolen":  # of somebody else, perhaps in the same set
                content["message"]["mid"] = f"m_{max(self.number - 2, 1):03}"
            case "echo":
                content["message"] |= {"is_echo": True, "app_id": INBOX}
            case "reaction":
                content = {"reaction": {"mid": other, "action": "react", "emoji": "❤", "reaction": "love"}}
            case "edit":
                content = {"message_edit": {"mid": other, "text": "changed", "num_edit": 1}}
            case "withdrawal":
                content = {"message": {"mid": other, "is_deleted": True}}
            case "read":
                content = {"read": {"watermark": make.ms(at)}}
            case "delivered":
                content = {"delivery": {"watermark": make.ms(at), "mids": [other]}}
            case "ad":
                content["message"]["referral"] = AD
            case "referral":
                content = {"referral": AD}
            case "pass":
                content = {"pass_thread_control": {"new_owner_app_id": "99"}}
            case "unknown":
                content = {"something_new": {"number": self.number}}
        line = item(page, psid, at, from_page=kind == "echo", **content)
        if kind == "no time":
            del line["timestamp"]
        source = WebhookDelivery.Source.RECOVERED if kind == "recovered" else None
        return delivery(page, line, standby=kind == "standby"), source

    def learn(self, step: Step, sizes: list[int]) -> None:
        """Put the deliveries into the journal and drain it in batches of these sizes, the last one again and again."""
        waiting = [self.body(told) for told in step.told]
        for place in step.shuffled:
            waiting.append(waiting.pop(place % len(waiting)))
        self.clock.move_to(self.at + timedelta(seconds=1))
        for data, source in waiting:
            make.journal(data, source=source)
        rest = list(sizes)
        while batch := store.claim_new(rest.pop(0) if len(rest) > 1 else rest[0]):
            drain.process_batch(batch)

    def act(self, step: Step) -> None:
        row = Conversation.objects.filter(contact__psid=f"700{step.customer}").first()
        if row is None or not row.message_count:
            return
        match step.action:
            case "reply":
                make.answer(row, at=self.at + timedelta(seconds=1), mid=f"m_answer_{self.number}")
            case "note":
                make.answer(row, at=self.at + timedelta(seconds=1), kind="note", state="sent", mid=None)
            case "hold":
                make.answer(row, at=self.at, state="held", waits_for_customer=True)
                Conversation.objects.filter(pk=row.pk).update(holds_reply=True)
            case "close":
                actions.close(self.alice, row)
            case "assign":
                actions.assign(self.alice, row, self.alice)


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def run(world: World, steps: list[Step], *, together: bool, one_by_one: bool = False) -> dict[str, Any]:
    """Return the state after a history."""
    with rolled_back(), pytest.MonkeyPatch.context() as patch:
        world.clock.move_to(NOON)
        registered = store.receiver()
        announced: list[dict[str, Any]] = []
        write = publish._write

        def write_and_keep(payloads: list[dict[str, Any]]) -> None:
            announced.extend(
                {name: value for name, value in row.items() if name != publish.ARRIVED} for row in payloads
            )
            write(payloads)

        def take(groups: Any) -> Any:
            taken = sets.take(groups)
            world.in_sets += len(taken)
            return taken

        patch.setattr(publish, "_write", write_and_keep)
        patch.setattr(store, "_registered", [])
        parts = (take,) if together else ()
        store.register_receiver(registered.receive, *parts, after_batch=registered.after_batch)
        for step in steps:
            announced.clear()
            world.learn(step, [1] if one_by_one else step.sizes)
            psids = dict(Conversation.objects.values_list("pk", "contact__psid"))
            world.announced.append(
                {json.dumps(each | {"conversation": psids.get(each.get("conversation", 0), "")}) for each in announced}
            )
            world.act(step)
        return state() | {"announced": world.announced}


def state() -> dict[str, Any]:
    """Return everything that is stored, with names in the place of ids."""
    people = {pk: psid for pk, psid in Conversation.objects.values_list("pk", "contact__psid")}
    tickets: dict[int | None, str] = {None: ""}
    for psid in people.values():
        own = Ticket.objects.filter(conversation__contact__psid=psid).order_by("opened_at", "pk")
        tickets |= {row.pk: f"{psid} ticket {number}" for number, row in enumerate(own)}
    messages: dict[int | None, str] = {None: ""}
    for psid in people.values():
        lines = Message.objects.filter(conversation__contact__psid=psid).order_by("sent_at", "pk")
        messages |= {row.pk: f"{psid} line {number}" for number, row in enumerate(lines)}
    names: dict[str, Any] = {
        "conversation_id": people,
        "ticket_id": tickets,
        "current_ticket_id": tickets,
        "message_id": messages,
    }

    def fields(row: Any) -> dict[str, Any]:
        values = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
        for name in {"id", "event_id", "contact_id", "delivery_id"} & values.keys():
            del values[name]
        for name in values.keys() & names.keys():
            values[name] = names[name][values[name]]
        # Which of two customers gets the lower number of a ticket depends on who is locked first.
        return {name: re.sub(r"#\d+", "#", str(value)) for name, value in values.items()}

    contacts = []
    for contact in Contact.objects.order_by("psid"):
        origins: Any = contact.origins or []
        contact.origins = [origin | {"message": messages[origin["message"]]} for origin in origins]
        contacts.append(fields(contact))
    return {
        "contacts": contacts,
        "conversations": sorted(map(fields, Conversation.objects.all()), key=str),
        "tickets": sorted(({"name": tickets[row.pk]} | fields(row) for row in Ticket.objects.all()), key=str),
        "messages": sorted(({"name": messages[row.pk]} | fields(row) for row in Message.objects.all()), key=str),
        "files": sorted(map(fields, Attachment.objects.all()), key=str),
        "changes": sorted(map(fields, MessageChange.objects.all()), key=str),
        "found": sorted(messages[pk] for pk in MessageTerms.objects.values_list("message_id", flat=True)),
        "events": events_of(people, fields),
        "deliveries": Counter(WebhookDelivery.objects.values_list("state", "error", "attempts")),
        "mentions": DeliveryMention.objects.count(),
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[Any]:
    """Return what differs between two states, in short."""
    found: list[Any] = []
    for name in one:
        for mine, its in (
            zip_longest(one[name], other[name]) if isinstance(one[name], list) else [(one[name], other[name])]
        ):
            if mine == its:
                continue
            if isinstance(mine, dict) and isinstance(its, dict):
                keys = [key for key in mine | its if mine.get(key) != its.get(key)]
                mine, its = ({key: each.get(key) for key in keys} for each in (mine, its))
            found.append((name, mine, its))
    return found


def events_of(people: dict[int, str], fields: Any) -> dict[str, list[dict[str, str]]]:
    """Return the webhook events of each customer in their order."""
    found: dict[str, list[dict[str, str]]] = {psid: [] for psid in people.values()}
    for row in EventDelivery.objects.order_by("pk"):
        found[people[row.conversation_id or 0]].append(fields(row))
    return found


@pytest.fixture
def alice(channel: Channel) -> User:
    EventSubscription.objects.create(
        name="All", url="https://example.com/hook", events=[str(value) for value in EventType.values], secret="s" * 32
    )
    return make.make_agent("alice", channels=(channel,))


@pytest.mark.slow
@pytest.mark.django_db
@EFFORT
@given(steps_of(KINDS, GAPS_S, shuffles=3))
def test_what_is_taken_in_together_is_stored_as_if_each_event_was_taken_alone(
    channel: Channel, alice: User, steps: list[Step]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        world = World(channel, alice, clock)
        together = run(world, steps, together=True)
        alone = run(World(channel, alice, clock), steps, together=False)
    event(f"customers taken together: {min(world.in_sets, 10)}")
    assert differences(together, alone) == []


@pytest.mark.slow
@pytest.mark.django_db
@EFFORT
@given(steps_of(IN_ORDER, [gap for gap in GAPS_S if gap], shuffles=0))
def test_deliveries_taken_in_sets_of_any_size_are_stored_as_if_each_came_alone(
    channel: Channel, alice: User, steps: list[Step]
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        together = run(World(channel, alice, clock), steps, together=True)
        alone = run(World(channel, alice, clock), steps, together=False, one_by_one=True)
    assert differences(together, alone) == []


@pytest.mark.django_db
def test_a_set_needs_as_many_statements_as_any_other(channel: Channel) -> None:
    """The second message of each customer, in sets of five and of forty."""

    def statements(count: int, text: str) -> int:
        for number in range(count):
            make.journal(delivery(channel.page, text_item(channel.page, f"{count}{number:04}", text, NOON)))
        batch = store.claim_new(count)
        with CaptureQueriesContext(connection) as captured:
            drain.process_batch(batch)
        # Jobs are woken at most every few hundred milliseconds.
        others = ("SAVEPOINT", "RELEASE", "SELECT pg_notify('desk_wake'")
        return len([query for query in captured if not query["sql"].startswith(others)])

    first_five, first_forty = statements(5, "First"), statements(40, "First")
    five, forty = statements(5, "Second"), statements(40, "Second")
    assert Message.objects.count() == 90
    # SQLite takes a limited number of values in one statement.
    if connection.vendor == "postgresql":
        assert first_forty <= first_five
        assert forty <= five
    assert max(first_five, five) < 40
    assert max(first_forty, forty) < 60
