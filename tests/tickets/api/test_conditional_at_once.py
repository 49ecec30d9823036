"""Two clients that change the same state at the same moment: one does, the other is told."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from desk.models import Agent, Department, User
from tests import factories
from tickets.models import CannedReply, EventType, Label, Macro, SavedView, Ticket
from tickets.services.outgoing import scheduled_replies
from tickets.services.webhooks import subscriptions

from .conftest import Shop, client_of

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

Case = tuple[Model, list[dict[str, Any]]]


def scheduled(shop: Shop, admin: User) -> Model:
    factories.receive(shop.conversation, "Hello", timezone.now())
    when = timezone.now() + timedelta(hours=2)
    return scheduled_replies.schedule(shop.alice, shop.conversation, when, text="Later")


def cases(shop: Shop, admin: User) -> dict[str, Callable[[], Case]]:
    """Return, by the name of the list, a row and what two clients change in it."""
    texts = [{"text": "One"}, {"text": "Two"}]
    names = [{"name": "One"}, {"name": "Two"}]
    close = [{"do": "close"}]
    crm: dict[str, Any] = {"name": "CRM", "url": "https://crm.example.com/desk", "events": EventType.values}
    return {
        "tickets": lambda: (Ticket.objects.get(), [{"priority": "high"}, {"priority": "low"}]),
        "contacts": lambda: (shop.conversation.contact, [{"about": "One"}, {"about": "Two"}]),
        "labels": lambda: (Label.objects.create(name="Late", key="late"), names),
        "canned-replies": lambda: (CannedReply.objects.create(shortcut="hi", title="Hi", text="Hi"), texts),
        "macros": lambda: (Macro.objects.create(name="Done", key="done", actions=close), names),
        "views": lambda: (SavedView.objects.create(name="Mine", owner=admin, base="open"), names),
        "webhooks": lambda: (subscriptions.create(admin, **crm), names),
        "scheduled-replies": lambda: (scheduled(shop, admin), texts),
        "departments": lambda: (
            Department.objects.get(name="Sales"),
            [{"assignment": {"capacity": number}} for number in (3, 4)],
        ),
        "agents": lambda: (Agent.objects.get(user=shop.alice), [{"capacity": 3}, {"capacity": 4}]),
    }


def waiting() -> int:
    """Return how many connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        # A transaction sees the connections of its first look at pg_stat_activity until it clears them.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def test_every_change_with_an_etag_is_tried(shop: Shop) -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    conditional = {
        path.split("/")[3]
        for path, operations in paths.items()
        for operation in operations.values()
        if any(one["name"] == "If-Match" for one in operation.get("parameters", []))
    }
    assert conditional == cases(shop, shop.alice).keys()


@pytest.mark.parametrize("name", sorted(cases(None, None)))  # type: ignore[arg-type]  # only the names
def test_of_two_with_the_same_etag_exactly_one_changes_the_row(shop: Shop, name: str) -> None:
    admin = factories.make_admin()
    row, changes = cases(shop, admin)[name]()
    address = f"/api/v1/{name}/{row.pk}/"
    clients = [client_of(admin) for _ in changes]
    etag = clients[0].get(address)["ETag"]
    answers: dict[int, Any] = {}

    def change(number: int) -> None:
        try:
            answers[number] = clients[number].patch(address, changes[number], format="json", headers={"If-Match": etag})
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(len(changes))]
    locked: Model = getattr(row, "conversation", row)
    with transaction.atomic():  # both have compared nothing yet when they wait here
        type(locked)._default_manager.select_for_update().get(pk=locked.pk)
        for thread in threads:
            thread.start()
        ends = time.monotonic() + 30
        while waiting() < len(threads):
            assert time.monotonic() < ends
            assert all(thread.is_alive() for thread in threads)
            time.sleep(0.01)
    for thread in threads:
        thread.join(30)
    codes = {number: answer.status_code for number, answer in answers.items()}
    assert sorted(codes.values()) == [200, 412], [answer.content for answer in answers.values()]
    [winner] = [number for number, code in codes.items() if code == 200]
    assert clients[0].get(address).json() == answers[winner].json()
