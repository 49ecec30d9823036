"""Fill the database with very many conversations, to measure with: rows only, written by the database itself.

Each conversation has three messages and one ticket. Of ten conversations seven are closed, two are answered and one
waits for a reply. They spread over a year, the newest last. What services keep beside the messages (counters, times,
previews, terms for search) is written as the services would: `manage.py verify_integrity` finds nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.models import Max
from django.utils import timezone

from channels_im.models import Channel
from desk.models import User
from tickets.models import Contact, Conversation, Message, Ticket
from tickets.services.inbox.statistics import refresh_statistics

BATCH = 20_000  # conversations in one transaction
SPREAD = timedelta(days=365)
CLOSED_OF_TEN, ANSWERED_OF_TEN = 7, 9  # the kind of conversation `n` is the place of n / 4 % 10 below these
FIRST_NAMES = ("Anna", "Ben", "Carla", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karin", "Luca")
LAST_NAMES = ("Abel", "Brandt", "Cordes", "Dietz", "Ebert", "Frank", "Graf", "Huber", "Iden", "Jung", "Krause")
THINGS = ("bike", "saddle", "helmet", "basket", "bell", "chain", "pedal", "lamp", "pump", "lock", "tyre", "rack", "bag")
SENTENCES = ("where is my {}", "i would like to return the {}", "is the {} in stock", "the {} is broken please help")
ANSWER, THANKS = "we have ordered the {} for you", "thank you the {} is here"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Ids:
    """The highest id of each table before the filling; row `n` gets the id `highest + n`."""

    contact: int
    conversation: int
    ticket: int
    message: int

    @classmethod
    def read(cls) -> "Ids":
        """Return the present ones."""
        tables = (Contact, Conversation, Ticket, Message)
        return cls(*(table._default_manager.aggregate(at=Max("pk"))["at"] or 0 for table in tables))


def fill(channels: Sequence[Channel], agents: Sequence[User], number: int, progress: Progress | None = None) -> None:
    """Add `number` conversations of new contacts, in turn with each of `channels`, assigned to `agents` or nobody."""
    ids, begins_at = Ids.read(), timezone.now().replace(microsecond=0) - SPREAD
    step = SPREAD.total_seconds() / number
    for first in range(1, number + 1, BATCH):
        last = min(first + BATCH - 1, number)
        with transaction.atomic():
            _Batch(channels, agents, ids, begins_at, step, first, last).write()
        if progress:
            progress(last)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Contact, Conversation, Ticket, Message]):
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
    refresh_statistics()


class _Batch:
    """The rows of the conversations from `first` to `last`."""

    def __init__(
        self,
        channels: Sequence[Channel],
        agents: Sequence[User],
        ids: Ids,
        begins_at: datetime,
        step: float,
        first: int,
        last: int,
    ) -> None:
        self._channels, self._agents, self._ids = channels, agents, ids
        self._begins_at, self._step = begins_at, step
        self._first, self._last = first, last

    def write(self) -> None:
        """Insert all rows, parents first."""
        ids, is_open, waits = self._ids, f"n / 4 %% 10 >= {CLOSED_OF_TEN}", f"n / 4 %% 10 >= {ANSWERED_OF_TEN}"
        thing = _pick("n", THINGS)
        question, answer, thanks = _sentence("n", thing), _with(ANSWER, thing), _with(THANKS, thing)
        channel, assignee = _pick("n", [each.pk for each in self._channels]), self._assignee()
        department = _pick("n", [each.department_id for each in self._channels])
        page = _pick("n", [each.page_id for each in self._channels])
        self._insert(
            Contact,
            id=f"{ids.contact} + n",
            page_id=page,
            psid=_join("'9'", f"{10**14 + ids.contact} + n"),
            name=_join(_pick("n", FIRST_NAMES), "' '", _pick("n / 3", LAST_NAMES), "' '", "n"),
            profile_state="'fetched'",
            first_seen_at=self._time(-600),
        )
        self._insert(
            Conversation,
            id=f"{ids.conversation} + n",
            contact_id=f"{ids.contact} + n",
            channel_id=channel,
            department_id=department,
            assignee_id=assignee,
            current_ticket_id=f"{ids.ticket} + n",
            is_open=is_open,
            unread_count=f"CASE WHEN {waits} THEN 1 ELSE 0 END",
            message_count="3",
            last_message_at=self._time(0),
            last_customer_message_at=f"CASE WHEN {self._ends_with_answer} THEN {self._time(-600)} "
            f"ELSE {self._time(0)} END",
            waiting_since=f"CASE WHEN {waits} THEN {self._time(0)} END",
            preview=f"CASE WHEN {self._ends_with_answer} THEN {answer} ELSE {thanks} END",
            preview_is_ours=self._ends_with_answer,
            created_at=self._time(-600),
        )
        self._insert(
            Ticket,
            id=f"{ids.ticket} + n",
            conversation_id=f"{ids.conversation} + n",
            subject=question,
            status=f"CASE WHEN {is_open} THEN 'open' ELSE 'closed' END",
            department_id=department,
            assignee_id=assignee,
            opened_at=self._time(-600),
            last_message_at=self._time(0),
            closed_at=f"CASE WHEN NOT ({is_open}) THEN {self._time(60)} END",
        )
        self._insert_messages(page, question, answer, thanks)

    _ends_with_answer = f"n / 4 %% 10 >= {CLOSED_OF_TEN} AND n / 4 %% 10 < {ANSWERED_OF_TEN}"

    def _insert_messages(self, page: str, question: str, answer: str, thanks: str) -> None:
        """Insert a question, an answer, and either another answer or the customer's thanks."""
        ids = self._ids
        for place in range(3):
            ours = "1 = 1" if place == 1 else "1 = 0" if place == 0 else self._ends_with_answer
            at = self._time((place - 2) * 300)
            self._insert(
                Message,
                id=f"{ids.message} + 3 * (n - 1) + {place + 1}",
                conversation_id=f"{ids.conversation} + n",
                ticket_id=f"{ids.ticket} + n",
                page_id=page,
                mid=_join("'m_many_'", f"{ids.message} + 3 * (n - 1) + {place + 1}"),
                direction=f"CASE WHEN {ours} THEN 'out' ELSE 'in' END",
                source=f"CASE WHEN {ours} THEN 'page_inbox' ELSE 'customer' END",
                state=f"CASE WHEN {ours} THEN 'sent' ELSE 'received' END",
                text=question if place == 0 else f"CASE WHEN {ours} THEN {answer} ELSE {thanks} END",
                sent_at=at,
                received_at=at,
            )
        self._index(Message, "text", ids.message + 3 * (self._first - 1), ids.message + 3 * self._last)
        self._index(Contact, "name", ids.contact + self._first - 1, ids.contact + self._last)

    def _insert(self, model: type[models.Model], **columns: str) -> None:
        """Insert a row of `model` for each number, from SQL expressions of `n`; other columns get their defaults."""
        parameters: list[Any] = []
        for field in model._meta.concrete_fields:
            column = str(field.column)
            value = None if column in columns else field.get_default()
            if value is not None:
                columns[column] = "%s"
                parameters.append(field.get_db_prep_save(value, connection))
        names, values = ", ".join(columns), ", ".join(columns.values())
        numbers = "WITH RECURSIVE numbers(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names}) {numbers} SELECT {values} FROM numbers",  # noqa: S608 - our own
                [self._first, self._last, *parameters],
            )

    def _index(self, model: type[models.Model], column: str, after: int, last: int) -> None:
        """Fill in the terms for search: the texts here are words in which nothing is folded but the case."""
        table = model._meta.db_table
        words = f"lower({table}.{column})"
        if connection.vendor == "postgresql":
            words = f"array_to_tsvector(string_to_array({words}, ' '))"
        key = f"{model._meta.model_name}_id"
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table}terms SET terms = {words} FROM {table} "  # noqa: S608 - our own
                f"WHERE {table}.id = {key} AND {key} > %s AND {key} <= %s",
                [after, last],
            )

    def _time(self, seconds: int) -> str:
        """Return the expression for this many seconds after the newest message of conversation n."""
        offset = f"{int(self._begins_at.timestamp()) + seconds} + CAST(n * {self._step:.6f} AS integer)"
        if connection.vendor == "postgresql":
            return f"to_timestamp({offset})"
        return f"strftime('%%Y-%%m-%%d %%H:%%M:%%S', {offset}, 'unixepoch')"

    def _assignee(self) -> str:
        if not self._agents:
            return "CAST(NULL AS integer)"
        return f"CASE WHEN n / 40 %% 3 > 0 THEN {_pick('n / 120', [user.pk for user in self._agents])} END"


def _pick(number: str, values: Sequence[str | int]) -> str:
    """Return the expression that takes one of `values` in turn."""
    cases = " ".join(
        f"WHEN {at} THEN {value if isinstance(value, int) else _quoted(value)}" for at, value in enumerate(values)
    )
    return f"(CASE ({number}) %% {len(values)} {cases} END)"


def _sentence(number: str, thing: str) -> str:
    cases = " ".join(f"WHEN {at} THEN {_with(sentence, thing)}" for at, sentence in enumerate(SENTENCES))
    return f"(CASE ({number}) %% {len(SENTENCES)} {cases} END)"


def _with(sentence: str, thing: str) -> str:
    before, after = sentence.split("{}")
    return _join(_quoted(before), thing, _quoted(after))


def _join(*texts: str) -> str:
    return "(" + " || ".join(f"CAST({text} AS text)" for text in texts) + ")"


def _quoted(text: str) -> str:
    return f"'{text}'"
