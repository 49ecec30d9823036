"""Lists and counts are read off an index in its order: the database sorts no conversations and scans no whole table."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from bench.reads import rows_read
from channels_im.models import Channel
from desk.models import Department, User
from tests import factories as make
from tests.pages import html_of
from tickets.demo import many
from tickets.models import Contact, Conversation, CustomField, FieldValue, Label, Mention, Person, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import field_filters, filtering, indexing, labels, notes

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


@pytest.fixture(autouse=True)
def agents_see_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the agents saw thousands of the conversations."""
    monkeypatch.setattr(access, "VERY_FEW", 5)


@pytest.fixture
def fields(admin: User) -> User:
    """The administrator, beside a value of a field that most contacts and tickets have, and one that few have."""
    for of, model in (("contact", Contact), ("ticket", Ticket)):
        field = CustomField.objects.create(of=of, kind="text", name=of, key=of)
        texts = [("gold" if pk % 97 else "rare", pk) for pk in model._default_manager.values_list("pk", flat=True)]
        FieldValue.objects.bulk_create(
            FieldValue(field=field, text=text, lookup=text, **{f"{of}_id": pk}) for text, pk in texts
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tickets_fieldvalue")
    return admin


def ids_of(model: type[Channel] | type[Department]) -> str:
    return ",".join(str(pk) for pk in model._default_manager.values_list("pk", flat=True)[:2])


def asks_for_few(sql: str) -> bool:
    """Return whether a statement asks whether the user sees few conversations: it stops when they are more."""
    return sql.endswith(f"LIMIT 1 OFFSET {access.VERY_FEW}")


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
            # The few channels may be sorted.
            if not is_limited or asks_for_few(sql) or 'FROM "channels_im_channel"' in sql:
                continue
            cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            if SORTS_OR_SCANS.search(plan):
                found.append(f"{sql}\n{plan}")
        if connection.vendor == "postgresql":
            cursor.execute("RESET ALL")
    return found


def long_reads(client: Client, address: str, most: int = 300) -> list[str]:
    """Return the statements of a request, also those without a limit, that read all rows of a large table."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    found = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET enable_{way} = off")
        for query in captured.captured_queries:
            sql = query["sql"]
            if not sql.startswith("SELECT") or asks_for_few(sql) or not re.search(rf'FROM "{LARGE}"', sql):
                continue
            if connection.vendor == "postgresql":
                read = rows_read(sql)
                if read > most:
                    found.append(f"{read} rows: {sql}")
                continue
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            if "LIMIT" not in sql and re.search(rf"^SCAN {LARGE}\b", plan, re.MULTILINE):
                found.append(f"{sql}\n{plan}")
        if connection.vendor == "postgresql":
            cursor.execute("RESET ALL")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        *("view=mine", "view=unassigned", "view=waiting", "view=snoozed", "view=ended", "view=waiting&sort=waiting"),
        *("", "sort=oldest", "view=all", "view=open&sort=waiting"),
        *("unread=yes", "assignee=me,nobody", "view=all&assignee=2,3", "channel=1,2", "view=all&department=1,2"),
        *("status=closed", "view=all&snoozed=yes", "waiting=4h", "window=open", "window=closed"),
        *("view=all&label=1,2", "priority=high,urgent", "opened_since=30d", "view=all&since=30d&until=1d"),
    ],
)
def test_a_list_of_the_inbox_is_read_in_the_order_of_an_index(
    admin: User, client: Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(filtering, "RARE", -1)  # as if thousands had each label
    client.force_login(admin)
    query = query.replace("channel=1,2", f"channel={ids_of(Channel)}").replace("=1,2", f"={ids_of(Department)}")
    assert bad_plans(client, f"/inbox/list/?{query}") == []


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "sort=newest", "sort=oldest", "sort=closed", "status=open", "assignee=none"])
def test_the_list_of_tickets_is_read_in_the_order_of_an_index(admin: User, client: Client, query: str) -> None:
    client.force_login(admin)
    assert bad_plans(client, f"/tickets/?{query}") == []
    client.force_login(User.objects.filter(agent__isnull=False)[0])
    assert bad_plans(client, f"/tickets/?{query}") == []


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "sort=name", "after=1735689600000000.300", "sort=name&after=ben.7"])
@pytest.mark.parametrize("who", ["admin", "agent"])
def test_the_list_of_contacts_is_read_in_the_order_of_an_index(
    admin: User, client: Client, monkeypatch: pytest.MonkeyPatch, query: str, who: str
) -> None:
    monkeypatch.setattr(access, "FEW", 5)
    pair = Contact.objects.order_by("-pk")[:8]
    Contact.objects.filter(pk__in=[pair[0].pk, pair[4].pk]).update(person=Person.objects.create())
    client.force_login(admin if who == "admin" else User.objects.filter(agent__isnull=False)[0])
    # What has no order stops by itself.
    assert [each for each in bad_plans(client, f"/contacts/?{query}") if "ORDER BY" in each] == []
    assert long_reads(client, f"/contacts/?{query}", 1000 if query else 300) == []


def test_a_ticket_is_shown_without_reading_those_of_other_customers(admin: User, client: Client) -> None:
    client.force_login(admin)
    oldest = Ticket.objects.order_by("pk")[0]
    assert long_reads(client, f"/tickets/{oldest.pk}/", 50) == []


def test_an_agents_list_is_read_in_the_order_of_an_index(admin: User, client: Client) -> None:
    client.force_login(User.objects.filter(agent__isnull=False)[0])
    assert bad_plans(client, "/inbox/list/") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    [
        *("/inbox/", "/inbox/list/?view=waiting&sort=waiting", "/inbox/list/?view=all&priority=urgent"),
        *("/inbox/list/?view=all&sort=closing", "/tickets/", "/contacts/", "/contacts/?sort=name"),
        *("/api/v1/conversations/", "/api/v1/messages/", "/api/v1/messages/?ordering=-id", "/api/v1/tickets/"),
        *("/api/v1/contacts/", "/api/v1/scheduled-replies/", "/api/v1/conversations/?view=waiting"),
    ],
)
def test_who_sees_few_conversations_is_shown_them_without_reading_those_of_others(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """They are the oldest, and there are 400 of others: looked for from the newest on, all would be read."""
    monkeypatch.setattr(access, "VERY_FEW", 20)
    own, other = make.make_channel(), make.make_channel()
    agent = make.make_agent(channels=(own,))
    client = APIClient()
    if address.startswith("/api/"):
        client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(agent)}")
    else:
        client.force_login(agent)
    for hour in range(3):
        make.receive(make.make_conversation(own), at=make.NOON - timedelta(days=900, hours=hour))
    many.fill([other], [make.make_agent(channels=(other,))], 400)
    assert long_reads(client, address, 200) == []


def test_pages_take_few_statements(
    admin: User, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    agent = User.objects.filter(agent__isnull=False)[0]
    opened = Conversation.objects.filter(channel__agents=agent.agent)[0]
    client.force_login(agent)
    with django_assert_max_num_queries(15):
        assert client.get("/inbox/").status_code == 200
    # PostgreSQL asks its clock besides. Mentions, fields and views ask once each.
    with django_assert_max_num_queries(30):
        assert client.get(f"/inbox/{opened.pk}/").status_code == 200
    with django_assert_max_num_queries(18):
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
        "tickets/?ordering=-last_message_at",
        "messages/",
        "messages/?ordering=sent_at",
        "contacts/",
    ],
)
def test_a_list_of_the_api_is_read_in_the_order_of_an_index(admin: User, path: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(admin)}")
    assert bad_plans(client, f"/api/v1/{path}") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        *("contacts/?field_contact=gold", "contacts/?field_contact=rare", "contacts/?field_contact=none"),
        *("tickets/?field_ticket=gold", "tickets/?field_contact=gold", "tickets/?field_ticket=none"),
        *("conversations/?field_contact=gold", "conversations/?field_ticket=gold", "conversations/?field_ticket=rare"),
    ],
)
def test_lists_of_the_api_by_a_field_are_read_in_the_order_of_an_index(
    fields: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(field_filters, "RARE", 20)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(fields)}")
    if "gold" in path:
        assert bad_plans(client, f"/api/v1/{path}") == []
    assert long_reads(client, f"/api/v1/{path}", 350) == []


@pytest.mark.parametrize("path", ["scheduled-replies/", "mentions/", "contact-notes/", "messages/?kind=note"])
def test_newer_lists_of_the_api_look_up_the_conversation_of_each_row(admin: User, path: str) -> None:
    agent = User.objects.filter(agent__isnull=False)[0]
    seen = Conversation.objects.filter(channel__agents=agent.agent)[0]
    note = notes.add_note(agent, seen, "Look at this")
    Mention.objects.create(message=note, conversation=seen, reader=agent)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(agent)}")
    assert long_reads(client, f"/api/v1/{path}", 1300 if "messages" in path else 50) == []


def test_a_contact_is_found_by_its_page_scoped_id_with_an_index(admin: User, client: Client) -> None:
    client.force_login(admin)
    psid = Contact.objects.order_by("pk")[7].psid
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/contacts/?q={psid}").status_code == 200
    asked = [query["sql"] for query in captured.captured_queries if 'external_id" = ' in query["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + asked[0])
        assert "contact_psid" in "\n".join(str(row[-1]) for row in cursor.fetchall())
        if connection.vendor == "postgresql":
            cursor.execute("RESET ALL")


def test_the_list_of_customers_in_setup_is_read_in_the_order_of_an_index(admin: User, client: Client) -> None:
    client.force_login(admin)
    assert bad_plans(client, "/admin/tickets/contact/") == []


@pytest.mark.parametrize("ordering", ["id", "-id"])
def test_contacts_of_the_api_by_name_are_read_page_by_page(admin: User, ordering: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {make.make_token(admin)}")
    named = set(Contact.objects.filter(name__startswith="Anna ").values_list("pk", flat=True))
    others = Contact.objects.exclude(pk__in=named)
    Contact.objects.filter(pk__in=named).update(email="somebody@example.com")
    others.update(email="anna@example.com")  # the index has it, and it is no name
    indexing.index_everything()
    address, found = f"/api/v1/contacts/?name=anna&page_size=7&ordering={ordering}", []
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    read = [query["sql"] for query in captured if query["sql"].startswith('SELECT "tickets_contact"."id"')]
    # No statement takes all contacts with the word: each has a limit, or the ids that were read for this page.
    whole = [sql for sql in read if "LIMIT" not in sql and not re.search(r'"tickets_contact"."id" IN \(\d', sql)]
    assert [sql for sql in whole if "tickets_contactterms" in sql] == []
    while address:
        answer = client.get(address).json()
        found += [row["id"] for row in answer["results"]]
        address = answer["next"]
    assert found == sorted(named, reverse=ordering == "-id")


def test_labels_are_counted_one_after_the_other_up_to_a_limit(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    used = Label.objects.create(name="Used", key="used")
    Label.objects.create(name="Unused", key="unused")
    Ticket.labels.through.objects.bulk_create(
        Ticket.labels.through(ticket=ticket, label=used) for ticket in Ticket.objects.all()[:50]
    )
    rows = labels.with_counts(Label.objects.order_by("pk"))
    assert [row.ticket_count for row in rows] == [50, 0]  # type: ignore[attr-defined]
    assert "JOIN" not in str(rows.query)
    monkeypatch.setattr(labels, "COUNT_LIMIT", 20)  # a limit, lowered
    assert labels.with_counts(Label.objects.filter(pk=used.pk)).get().ticket_count == 21  # type: ignore[attr-defined]
    client = Client()
    client.force_login(admin)
    page = html_of(client.get("/admin/labels/"))
    assert ">20+<" in page
