"""A list asks the database as often for many rows as for few."""

import pytest
from django.core.files.base import ContentFile
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from tests import factories
from tests.matching import present
from tickets.models import Attachment, Label

from .conftest import Shop

QUERIES = {"channels": 8, "conversations": 9, "tickets": 9, "messages": 8}


def add_rows(shop: Shop) -> None:
    """Add a channel Alice sees, with a conversation, a ticket, messages both ways and files of each."""
    channel = factories.make_channel()
    channel.associations.create(agent=shop.alice.agent)
    conversation = factories.make_conversation(channel)
    conversation.assignee = shop.alice
    conversation.save(update_fields=["assignee"])
    received = factories.receive(conversation)
    present(received.ticket).labels.add(Label.objects.create(name=f"Label {received.pk}", key=f"label {received.pk}"))
    for message in (received, factories.answer(conversation, author=shop.alice)):
        for position in range(3):
            Attachment.objects.create(
                message=message, position=position, kind="image", state="stored", file=ContentFile(b"x", name="x.png")
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERIES)
def test_the_number_of_queries_does_not_grow_with_the_rows(
    shop: Shop, alice: APIClient, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for rows in (1, 5, 20):
        for _ in range(rows):
            add_rows(shop)
        with django_assert_max_num_queries(QUERIES[name]):
            answer = alice.get(f"/api/v1/{name}/", {"page_size": 200})
        assert len(answer.json()["results"]) > rows
