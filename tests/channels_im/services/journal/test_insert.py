"""Deliveries are inserted past the ORM: each row must be as the ORM would make it."""

from typing import Any

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import WebhookDelivery
from channels_im.services.journal import store
from channels_im.services.journal.insert import MAX_BODIES

pytestmark = pytest.mark.django_db

BODIES = [b"{}", b"", b"\x00\xff", b"\\x41{},\"NULL'%s", "ä".encode() * 1000]


def kept(row: WebhookDelivery) -> dict[str, Any]:
    """Return what differs between any two deliveries."""
    return {name: value for name, value in model_to_dict(row).items() if name in ("id", "body")}


def test_the_rows_are_as_the_orm_would_make_them() -> None:
    began = timezone.now()
    store.record(BODIES)
    expected = model_to_dict(WebhookDelivery.objects.create(body=b""))
    rows = list(WebhookDelivery.objects.order_by("pk"))[:-1]
    assert [bytes(row.body) for row in rows] == BODIES
    for row in rows:
        assert model_to_dict(row) == expected | {"received_at": row.received_at} | kept(row)
        assert began <= row.received_at <= timezone.now()


@pytest.mark.parametrize("wake", [True, False])
def test_many_bodies_are_one_statement(wake: bool) -> None:
    with CaptureQueriesContext(connection) as captured:
        store.record(BODIES * 10, wake=wake)
    others = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    assert len([query for query in captured if not query["sql"].startswith(others)]) == 1
    assert WebhookDelivery.objects.count() == len(BODIES) * 10


def test_more_bodies_than_a_statement_takes_are_all_stored() -> None:
    store.record([str(number).encode() for number in range(MAX_BODIES * 2 + 1)])
    stored = [bytes(body) for body in WebhookDelivery.objects.order_by("pk").values_list("body", flat=True)]
    assert stored == [str(number).encode() for number in range(MAX_BODIES * 2 + 1)]
