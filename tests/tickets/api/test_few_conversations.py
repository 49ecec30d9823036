"""A list of a channel, Page or department has what the user sees of it, whichever way its rows are found."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from bench.reads import rows_read
from tests import factories
from tickets.api import few_conversations
from tickets.demo import many
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import search

from .conftest import Shop, client_of

LISTS = ("conversations", "tickets", "messages", "contacts")
LIMITS = {"by ids": 1000, "in order": -1}


@pytest.fixture
def theirs(shop: Shop) -> list[Conversation]:
    """Conversations of two channels of others: some that Alice sees, because they are hers or her department's."""
    support, sales = factories.make_department("Support"), shop.channel.department
    now, found = timezone.now(), []
    kinds: list[dict[str, Any]] = [{}, {"assignee": shop.alice}]
    kinds += [{"department": one, "transferred_at": now} for one in (sales, support)]
    for channel in (factories.make_channel(department=support), factories.make_channel(department=support)):
        for number, facts in enumerate(kinds):
            conversation = factories.make_conversation(channel, f"9{channel.pk}{number}", name="Maria Other")
            factories.receive(conversation)
            Conversation.objects.filter(pk=conversation.pk).update(**facts)
            found.append(conversation)
    return found


def ids(client: APIClient, name: str, query: dict[str, Any]) -> list[int]:
    """Return the ids of all pages of a list."""
    found: list[int] = []
    address: str | None = f"/api/v1/{name}/"
    query = {**query, "page_size": 2}
    while address:
        answer = client.get(address, query).json()
        found += [row["id"] for row in answer["results"]]
        address, query = answer["next"], {}
    return found


@pytest.mark.parametrize("very_few", [0, access.VERY_FEW])
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_what_the_user_sees_of_what_it_names(
    shop: Shop,
    alice: APIClient,
    theirs: list[Conversation],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    limit: str,
    very_few: int,
) -> None:
    monkeypatch.setattr(access, "VERY_FEW", very_few)
    monkeypatch.setattr(few_conversations, "MOST", LIMITS[limit])
    monkeypatch.setattr(access, "FEW", LIMITS[limit])
    monkeypatch.setattr(search, "RARE", LIMITS[limit])
    admin, visible = client_of(factories.make_admin()), ids(alice, name, {})
    assert 0 < len(visible) < len(ids(admin, name, {}))
    pages = [each.channel.page.page_id for each in (shop.conversation, theirs[0])]
    queries: list[dict[str, Any]] = [{"page_id": page} for page in pages]  # a list of tickets has no such filter
    if name == "contacts":
        queries += [{"name": "Maria"}, {"name": "Maria Other"}, {"name": "nobody"}]
    else:
        queries += [{"channel": each.channel_id} for each in (shop.conversation, theirs[0], theirs[-1])]
    if name in ("conversations", "tickets"):
        queries += [{"department": "Sales"}, {"department": "Support"}, {"assignee": "alice"}, {"assignee": "bob"}]
    if name == "conversations":
        queries += [{"opened_since": "1d"}, {"opened_until": "2001-01-01"}, {"department": "Support", "channel": 0}]
    for query in queries:
        wanted = [pk for pk in ids(admin, name, query) if pk in visible]
        assert ids(alice, name, query) == wanted, query


def test_what_no_channel_can_have_is_refused_as_before(alice: APIClient) -> None:
    for query in ({"channel": "x"}, {"channel": "-1"}, {"channel": "9" * 30}, {"page_id": "\0"}):
        assert alice.get("/api/v1/messages/", query).status_code == 400, query


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", LISTS)
def test_the_channel_of_others_is_not_read_through(shop: Shop, alice: APIClient, name: str) -> None:
    other = factories.make_channel()
    many.fill([other], [shop.bob], 3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        query = {"page_id": other.page.page_id} if name == "contacts" else {"channel": other.pk}
        assert alice.get(f"/api/v1/{name}/", query).json()["results"] == []
    sizes = {each["sql"]: rows_read(each["sql"]) for each in captured.captured_queries if each["sql"].startswith("SEL")}
    assert max(sizes.values()) < 300, sizes
