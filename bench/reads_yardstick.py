"""Answer a page with the least statements it needs, rendered by one plain template; lists of the API as plain JSON.

Who asks is read (session and user, or token), and for an agent the channels; then the rows that are shown, in one
statement, and for the inbox the sizes of its views. There are no rights beyond that, no forms, no filters, no live
stream. `bench.reads` times it beside the page.
"""

import json
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.template import Context, Engine

ROWS, ITEMS, LIST, MOST = 30, 40, 50, 100

ROW_COLUMNS = (
    "conversation.id, conversation.preview, conversation.unread_count, conversation.last_message_at, "
    "conversation.waiting_since, contact.name, colleague.username"
)
WITH_CONTACT = "JOIN tickets_contact contact ON contact.id = conversation.contact_id"
ROW_TABLES = (
    f"tickets_conversation conversation {WITH_CONTACT} "
    "LEFT JOIN desk_user colleague ON colleague.id = conversation.assignee_id"
)
VIEWS = {
    "mine": "conversation.is_open AND conversation.assignee_id = {user}",
    "unassigned": "conversation.is_open AND conversation.assignee_id IS NULL",
    "all": "conversation.is_open",
    "waiting": "conversation.waiting_since IS NOT NULL",
    "ended": "NOT conversation.is_open",
    "unread": "conversation.unread_count > 0",
}
PAGE = Engine(autoescape=True).from_string(
    """<!doctype html><html><head><title>Inbox</title></head><body><nav>
    {% for name, size in sizes.items %}<a href="?view={{ name }}">{{ name }} {{ size }}</a>{% endfor %}</nav><ul>
    {% for pk, preview, unread, at, waiting, name, colleague in rows %}
    <li id="row-{{ pk }}"><a href="/inbox/{{ pk }}/"><b>{{ name }}</b> <time>{{ at }}</time> <span>{{ preview }}</span>
    {% if colleague %}<i>{{ colleague }}</i>{% endif %}{% if unread %}<em>{{ unread }}</em>{% endif %}</a></li>
    {% endfor %}</ul>{% if items %}<ol>
    {% for pk, direction, text, at, state, author in items %}
    <li id="message-{{ pk }}" class="{{ direction }}"><p>{{ text }}</p><time>{{ at }}</time> {{ state }}
    {% if author %}<i>{{ author }}</i>{% endif %}</li>{% endfor %}</ol>{% endif %}</body></html>"""
)
LISTS = {
    "conversations": (
        "SELECT conversation.id, conversation.is_open, conversation.unread_count, conversation.message_count, "
        "conversation.last_message_at, conversation.assignee_id, conversation.channel_id, contact.name, contact.psid "
        f"FROM tickets_conversation conversation {WITH_CONTACT} WHERE {{channels}} "
        "ORDER BY conversation.last_message_at DESC, conversation.id DESC"
    ),
    "messages": (
        "SELECT message.id, message.mid, message.direction, message.text, message.state, message.sent_at, "
        "message.ticket_id, conversation.id, contact.name FROM tickets_message message "
        f"JOIN tickets_conversation conversation ON conversation.id = message.conversation_id {WITH_CONTACT} "
        "WHERE {channels} ORDER BY message.id DESC"
    ),
    "tickets": (
        "SELECT ticket.id, ticket.subject, ticket.status, ticket.opened_at, ticket.closed_at, ticket.assignee_id, "
        "conversation.id, conversation.channel_id, contact.name FROM tickets_ticket ticket "
        f"JOIN tickets_conversation conversation ON conversation.id = ticket.conversation_id {WITH_CONTACT} "
        "WHERE {channels} ORDER BY ticket.id DESC"
    ),
}


class Yardstick:
    """The answers to one user. `session` is the key of a session of that user."""

    def __init__(self, user: Any, session: str) -> None:
        self._user, self._session = user, session

    def answer(self, address: str) -> Callable[[], str]:
        """Return what answers an address: the inbox, a conversation, or one of LISTS."""
        parts = address.partition("?")[0].strip("/").split("/")
        if parts[0] == "api":
            return lambda: self._list(parts[-1])
        return lambda: self._page(int(parts[1]) if len(parts) > 1 else None)

    def _page(self, opened: int | None) -> str:
        """Return the inbox, with the newest messages of the conversation that is open."""
        self._read("SELECT session_data FROM django_session WHERE session_key = %s", self._session)
        channels = self._channels()
        sizes = ", ".join(
            f"(SELECT count(*) FROM (SELECT 1 FROM tickets_conversation conversation WHERE {channels} AND "
            f"{view.format(user=self._user.pk)} LIMIT {MOST}) AS {name}_view)"
            for name, view in VIEWS.items()
        )
        context = {
            "sizes": dict(zip(VIEWS, self._read(f"SELECT {sizes}")[0], strict=True)),
            "rows": self._read(
                f"SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE conversation.is_open AND {channels} "
                f"ORDER BY conversation.last_message_at DESC, conversation.id DESC LIMIT {ROWS}"
            ),
        }
        if opened:
            self._read(f"SELECT {ROW_COLUMNS} FROM {ROW_TABLES} WHERE conversation.id = %s AND {channels}", opened)
            context["items"] = self._read(
                "SELECT message.id, message.direction, message.text, message.sent_at, message.state, author.username "
                "FROM tickets_message message LEFT JOIN desk_user author ON author.id = message.author_id "
                f"WHERE message.conversation_id = %s ORDER BY message.sent_at DESC, message.id DESC LIMIT {ITEMS}",
                opened,
            )
        return PAGE.render(Context(context))

    def _list(self, name: str) -> str:
        self._read("SELECT id FROM tickets_apitoken WHERE user_id = %s LIMIT 1", self._user.pk)
        statement = LISTS[name].format(channels=self._channels())
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} LIMIT {LIST}")
            names = [column[0] for column in cursor.description]
            return json.dumps([dict(zip(names, row, strict=True)) for row in cursor.fetchall()], default=str)

    def _channels(self) -> str:
        """Return the condition for the conversations that the user sees, after reading who that is."""
        if self._read("SELECT is_superuser FROM desk_user WHERE id = %s", self._user.pk)[0][0]:
            return "1 = 1"
        rows = self._read(
            "SELECT association.channel_id FROM channels_im_channelagent association "
            "JOIN desk_agent agent ON agent.id = association.agent_id WHERE agent.user_id = %s",
            self._user.pk,
        )
        return f"conversation.channel_id IN ({', '.join(str(pk) for (pk,) in rows)})"

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()
