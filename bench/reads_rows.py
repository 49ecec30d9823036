"""Rows that the newer lists read, in a database filled by `bench.reads`: an even share of the conversations has each.

The database itself writes them. Shares are of prime numbers, so that they depend neither on each other nor on what
`tickets.demo.many` gives in turn: channel, state and assignee.
"""

from typing import Any

from django.db import connection, models, transaction

OFTEN, SELDOM = 7, 997  # one of so many
SMALL = 100  # conversations of the channel that has equally many in every database
FEW = ("few", "small")  # departments with one channel and one agent each
MOST_OF_ONE = 300  # tickets, notes and internal notes of the contact with a long timeline
LONG = "Bea"
VIEWS: dict[str, dict[str, Any]] = {
    "label": {"label": "seldom"},
    "priority": {"priority": ["urgent"]},
    "channel": {"channel": "any"},
    "assignee": {"assignee": ["nobody"]},
    "department": {"department": "any"},
    "waiting": {"waiting": ["4h"]},
    "window": {"window": ["soon"]},
    "snoozed": {"snoozed": ["yes"]},
    "closed": {"status": ["closed"], "since": ["30d"]},
    "opened": {"opened_since": ["2d"]},
    "unread": {"unread": ["yes"]},
}


def fill() -> None:
    """Add the rows, once."""
    from tickets.models import Label
    from tickets.services.inbox import indexing

    if Label.objects.filter(key="seldom").exists():
        return
    with transaction.atomic():
        _add_small_channel()
        _settings()
        _change_conversations()
        _add_rows()
        _add_long_timeline()
    indexing.index_everything()  # as the worker does: else every search indexes a part
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE tickets_fieldvalue")


def _add_small_channel() -> None:
    """Give SMALL conversations, spread over all, to a channel and an agent of their own."""
    from channels_im.models import Channel, ChannelAgent, Page
    from desk.models import Agent, Department, User
    from tickets.models import Conversation

    department = Department.objects.create(name="Bench small")
    page = Page.objects.create(page_id="90008", name="Bench small")
    channel = Channel.objects.create(name="Bench small", page=page, department=department)
    agent = Agent.objects.create(user=User.objects.create_user("bench-small", "bench-small@example.com"))
    agent.departments.add(department)
    ChannelAgent.objects.create(channel=channel, agent=agent)
    every = max(Conversation.objects.count() // SMALL, 1)
    chosen = f"SELECT id FROM tickets_conversation WHERE message_count = 3 AND id % {every} = {every // 2}"
    contacts = f"SELECT contact_id FROM tickets_conversation WHERE id IN ({chosen})"
    for statement in (
        f"UPDATE tickets_contact SET page_id = {page.pk} WHERE id IN ({contacts})",
        f"UPDATE tickets_message SET page_id = {page.pk} WHERE conversation_id IN ({chosen})",
        f"UPDATE tickets_ticket SET department_id = {department.pk} WHERE conversation_id IN ({chosen})",
        f"UPDATE tickets_conversation SET department_id = {department.pk}, channel_id = {channel.pk} "
        f"WHERE id IN ({chosen})",
    ):
        _run(statement)


def _settings() -> None:
    """Add labels, fields, saved views, macros and automatic assignment."""
    from channels_im.models import Channel
    from desk.models import Agent, Department, User
    from tickets.models import AssignmentSettings, CustomField, Label, Macro, SavedView

    seldom = Label.objects.create(name="Seldom", key="seldom")
    for name in ("Often", "Never"):
        Label.objects.create(name=name, key=name.lower())
    for at, (of, key) in enumerate((("contact", "plan"), ("contact", "code"), ("ticket", "order"), ("ticket", "kind"))):
        CustomField.objects.create(of=of, kind="text", name=key.capitalize(), key=key, position=at)
    Agent.objects.update(presence=Agent.Presence.ONLINE)
    for user in User.objects.filter(username__startswith="bench-"):
        channel = Channel.objects.filter(associations__agent__user=user).order_by("pk").first()
        channel = channel or Channel.objects.order_by("pk")[0]
        for position, (name, filter_) in enumerate(VIEWS.items()):
            ids = {"label": [str(seldom.pk)], "channel": [str(channel.pk)], "department": [str(channel.department_id)]}
            values = {field: ids[field] if isinstance(value, str) else value for field, value in filter_.items()}
            SavedView.objects.create(
                name=name, owner=user, base="all", filter=values, order="newest", position=position
            )
        Macro.objects.create(
            name=f"Label {user}", key=f"label {user}", owner=user, actions=[{"do": "priority", "priority": "high"}]
        )
    for department in Department.objects.filter(name__startswith="Bench"):
        AssignmentSettings.objects.create(department=department, mode="least_loaded", hand_back_minutes=30)


def _change_conversations() -> None:
    """Give the two small departments their own agents, and snooze, transfer, block, label and name some."""
    later = "now() + interval '1 day'" if connection.vendor == "postgresql" else "datetime('now', '+1 day')"
    email = "lower(replace(name, ' ', '.')) || '@example.com'"
    for name in FEW:
        agent, of_channel = _agent(name), _conversations_of(name)
        _run(f"UPDATE tickets_conversation SET assignee_id = {agent} WHERE id IN ({of_channel}) AND assignee_id > 0")
        of_tickets = f"conversation_id IN ({of_channel}) AND assignee_id > 0"
        _run(f"UPDATE tickets_ticket SET assignee_id = {agent} WHERE {of_tickets}")
    for statement in (
        "UPDATE tickets_conversation SET is_snoozed = true, has_scheduled = true, "
        f"snoozed_until = CASE WHEN id % 2 = 0 THEN {later} END WHERE is_open AND id % 11 = 0",
        "UPDATE tickets_conversation SET transferred_at = last_message_at WHERE id % 97 = 0",
        f"UPDATE tickets_contact SET blocked_at = first_seen_at WHERE id % {SELDOM} = 0",
        "UPDATE tickets_ticket SET priority = CASE WHEN id % 211 = 0 THEN 'urgent' ELSE 'high' END "
        "WHERE id % 13 = 0 OR id % 211 = 0",
        f"UPDATE tickets_contact SET email = {email}, phone = '+49 30 ' || id WHERE id % 3 = 0",
    ):
        _run(statement)
    # As the services would index them, one after the other.
    words = "lower(replace(replace(name || ' ' || email, '@', ' '), '.', ' ')) || ' ' || '4930' || id"
    terms = f"array_to_tsvector(string_to_array({words}, ' '))" if connection.vendor == "postgresql" else words
    _run(
        f"UPDATE tickets_contactterms SET terms = (SELECT {terms} FROM tickets_contact WHERE id = contact_id) "
        "WHERE contact_id % 3 = 0"
    )


def _add_rows() -> None:
    from desk.models import AuditEntry
    from tickets import models as our
    from tickets.models import FieldValue, Message

    admin, agent = _agent("admin"), _agent("agent")
    label = {row.key: row.pk for row in our.Label.objects.all()}
    field = {row.key: row.pk for row in our.CustomField.objects.all()}
    through: Any = our.Ticket.labels.through
    for key, share in (("often", OFTEN), ("seldom", SELDOM)):
        _insert(through, f"tickets_ticket WHERE id % {share} = 0", ticket_id="id", label_id=str(label[key]))
    contact, ticket = "tickets_contact WHERE id % {} = 0", "tickets_ticket WHERE id % {} = 0"
    for key, source, text in (
        ("plan", contact.format(OFTEN), "CASE WHEN id % 21 = 0 THEN 'gold' ELSE 'silver' END"),
        ("code", contact.format(SELDOM), "'seldom'"),
        ("order", ticket.format(3), "'order ' || id"),
        ("kind", ticket.format(OFTEN), "'question'"),
    ):
        owner = "contact_id" if source.startswith("tickets_contact") else "ticket_id"
        _insert(FieldValue, source, field_id=str(field[key]), text=text, lookup=text, **{owner: "id"})
    _insert(
        Message,
        "tickets_conversation WHERE id % 17 = 0 AND last_message_at IS NOT NULL",
        conversation_id="id",
        ticket_id="current_ticket_id",
        page_id="(SELECT page_id FROM tickets_contact c WHERE c.id = contact_id)",
        direction="'out'",
        source="'agent'",
        kind="'note'",
        state="'sent'",
        text="'please look at this'",
        author_id=str(agent),
        sent_at="last_message_at",
        received_at="last_message_at",
    )
    for share, reader in ((19, agent), (23, admin)):
        note = f"tickets_message WHERE kind = 'note' AND id % {share} = 0"
        _insert(our.Mention, note, message_id="id", conversation_id="conversation_id", reader_id=str(reader))
    for name in FEW:
        small = f"tickets_message m WHERE kind = 'note' AND conversation_id IN ({_conversations_of(name)})"
        _insert(our.Mention, small, message_id="id", conversation_id="conversation_id", reader_id=str(_agent(name)))
    opened = "tickets_conversation WHERE is_open AND id % {} = 0"
    due = "now() + interval '1 day'" if connection.vendor == "postgresql" else "datetime('now', '+1 day')"
    reply = {"conversation_id": "id", "author_id": str(agent), "text": "'we call you'"}
    _insert(our.ScheduledReply, opened.format(29), send_at=due, due_at=due, client_key="'due ' || id", **reply)
    _insert(
        our.ScheduledReply,
        opened.format(31),
        send_at="last_message_at",
        state="'not_sent'",
        client_key="'not sent ' || id",
        **reply,
    )
    run = {"name": "'Label'", "conversation_id": "id", "user_id": str(agent), "created_at": "last_message_at"}
    _insert(our.MacroRun, "tickets_conversation WHERE id % 53 = 0", **run)
    _insert(our.ContactNote, contact.format(11), contact_id="id", author_id=str(agent), text="'prefers the phone'")
    _insert(our.Person, contact.format(101), id="id")
    _run("UPDATE tickets_contact SET person_id = id WHERE id % 101 = 0")
    _run(
        "UPDATE tickets_contact SET person_id = id - 100 WHERE id % 101 = 100 AND id > 100 "
        "AND EXISTS (SELECT 1 FROM tickets_person p WHERE p.id = tickets_contact.id - 100)"
    )
    _insert(
        AuditEntry, "tickets_conversation WHERE id % 2 = 0", at="created_at", action="'contact'", actor_id=str(agent)
    )
    reminder = {"kind": "'waiting'", "conversation_id": "id", "user_id": str(agent), "since": "created_at"}
    _insert(our.MailReminder, "tickets_conversation WHERE id % 59 = 0", sent_at="created_at", **reminder)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(_style(), [our.Person]):
            cursor.execute(statement)


def _agent(name: str) -> int:
    from desk.models import User

    return User.objects.get(username=f"bench-{name}").pk


def _conversations_of(name: str) -> str:
    return (
        "SELECT c.id FROM tickets_conversation c JOIN channels_im_channel k ON k.id = c.channel_id "
        f"WHERE k.name = 'Bench {name}'"
    )


def _style() -> Any:
    from django.core.management.color import no_style

    return no_style()


def _add_long_timeline() -> None:
    """Add a contact with MOST_OF_ONE tickets, internal notes and notes, two days old, in the agent's channel."""
    from django.utils import timezone

    from channels_im.models import Channel
    from desk.models import User
    from tickets.models import Contact, Conversation, Message, Ticket

    admin = User.objects.get(username="bench-admin").pk
    for name in ("bench-agent", *(f"bench-{name}" for name in FEW)):
        channel = Channel.objects.filter(associations__agent__user__username=name).order_by("pk")[0]
        seen = {"page": channel.page, "psid": f"7{channel.pk:015}", "name": LONG, "profile_state": "fetched"}
        now = timezone.now().replace(microsecond=0)
        contact = Contact.objects.create(**seen)
        conversation = Conversation.objects.create(
            contact=contact, channel=channel, department=channel.department, last_message_at=now
        )
        place = f"tickets_message ORDER BY id LIMIT {MOST_OF_ONE}"
        at = "sent_at"
        common = {"conversation_id": str(conversation.pk)}
        _insert(
            Ticket,
            place,
            subject="'again'",
            status="'closed'",
            department_id=str(channel.department_id),
            opened_at=at,
            last_message_at=at,
            closed_at=at,
            **common,
        )
        _insert(
            Message,
            place,
            page_id=str(channel.page_id),
            direction="'out'",
            source="'agent'",
            kind="'note'",
            state="'sent'",
            text="'as before'",
            author_id=str(admin),
            sent_at=at,
            received_at=at,
            **common,
        )
        notes: Any = contact.notes.model
        _insert(notes, place, contact_id=str(contact.pk), author_id=str(admin), text="'a regular'", created_at=at)


def _insert(model: type[models.Model], found_in: str, **columns: str) -> None:
    """Insert a row for each of `found_in`, from SQL expressions of its columns; other columns get their defaults."""
    parameters: list[Any] = []
    for field in model._meta.concrete_fields:
        column = str(field.column)
        value = None if column in columns or field.primary_key else field.get_default()
        if value is not None:
            columns[column] = "%s"
            parameters.append(field.get_db_prep_save(value, connection))
    names, values = ", ".join(columns), ", ".join(columns.values()).replace("% ", "%% ")
    _run(
        f"INSERT INTO {model._meta.db_table} ({names}) SELECT {values} FROM {found_in.replace('% ', '%% ')}",
        parameters,
    )


def _run(statement: str, parameters: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
