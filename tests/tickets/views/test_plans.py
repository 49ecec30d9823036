"""Lists and counts are read off an index in its order: the database sorts no conversations and scans no whole table."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from desk.models import User
from tests import factories as make
from tickets.demo import many
from tickets.models import Conversation

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = "tickets_(?:conversation|ticket|message|contact)"
# PostgreSQL reads all rows to sort them, or because no index fits. SQLite scans in the order of the id, or sorts; a
# temporary B-tree for less than the whole order sorts a few rows of one time.
SORTS_OR_SCANS = re.compile(rf"^ *(?:->  )?Sort |Seq Scan on {LARGE}\b|USE TEMP B-TREE FOR ORDER BY", re.MULTILINE)


@pytest.fixture
def admin() -> User:
    """An administrator, beside some hundred conversations."""
    channels = [make.make_channel(), make.make_channel()]
    admin = make.make_admin()
    many.fill(channels, [make.make_agent(channels=(channel,)) for channel in channels], 400)
    return admin


def bad_plans(client: Client, address: str) -> list[str]:
    """Return the statements of a request, with their plans, that sort or scan a large table."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    found = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # a table this small it would rather read through and sort
            cursor.execute("SET enable_seqscan = off")
            cursor.execute("SET enable_bitmapscan = off")
            cursor.execute("SET enable_sort = off")
        for query in captured.captured_queries:
            sql = query["sql"]
            is_limited = "LIMIT" in sql and re.search(rf'FROM "{LARGE}"', sql)
            if not is_limited or 'FROM "channels_im_channel"' in sql:  # the few channels may be sorted
                continue
            cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            if SORTS_OR_SCANS.search(plan):
                found.append(f"{sql}\n{plan}")
        if connection.vendor == "postgresql":
            cursor.execute("RESET ALL")
    return found


@pytest.mark.parametrize(
    "query",
    ["view=mine", "view=unassigned", "view=waiting", "view=ended", "view=waiting&sort=waiting", "", "sort=oldest"],
)
def test_a_list_of_the_inbox_is_read_in_the_order_of_an_index(admin: User, client: Client, query: str) -> None:
    client.force_login(admin)
    assert bad_plans(client, f"/inbox/list/?{query}") == []


def test_an_agents_list_is_read_in_the_order_of_an_index(admin: User, client: Client) -> None:
    client.force_login(User.objects.filter(agent__isnull=False)[0])
    assert bad_plans(client, "/inbox/list/") == []


def test_pages_take_few_statements(
    admin: User, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    agent = User.objects.filter(agent__isnull=False)[0]
    opened = Conversation.objects.filter(channel__agents=agent.agent)[0]
    client.force_login(agent)
    with django_assert_max_num_queries(12):
        assert client.get("/inbox/").status_code == 200
    with django_assert_max_num_queries(24):
        assert client.get(f"/inbox/{opened.pk}/").status_code == 200
    with django_assert_max_num_queries(16):
        assert client.get(f"/inbox/{opened.pk}/", headers={"HX-Request": "true"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "conversations/",
        "conversations/?ordering=last_message_at",
        "conversations/?unread=true",
        "conversations/?waiting=true",
        "conversations/?status=closed",
        "tickets/",
        "tickets/?ordering=-opened_at",
        "tickets/?ordering=opened_at",
        "messages/",
        "messages/?ordering=sent_at",
        "contacts/",
    ],
)
def test_a_list_of_the_api_is_read_in_the_order_of_an_index(admin: User, path: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(admin)}")
    assert bad_plans(client, f"/api/v1/{path}") == []


def test_the_list_of_customers_in_setup_is_read_in_the_order_of_an_index(admin: User, client: Client) -> None:
    client.force_login(admin)
    assert bad_plans(client, "/admin/tickets/contact/") == []
