"""Measure search over many messages: fill an empty, migrated database, index it, and time questions.

    DATABASE_URL=… DESK_DATA_DIR=… python -m bench.search [messages]

`find` is timed alone, as a superuser's search of the whole inbox, and the p95 of RUNS is printed for each question. The
database is left as it is, so that a second run measures without filling it.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate

RUNS = 20
MOST_HITS = 1000
MESSAGES_EACH = 20  # in a conversation
BATCH = 5000
QUESTIONS = {
    "a rare word": "zebrastreifen",
    "an unfinished rare word": "zebrastr",
    "a word in nearly all messages": "wort1",
    "a word in 1 of 3 messages": "wort12",
    "a word in 1 of 6 messages": "wort25",
    "a word in 1 of 22 messages": "wort80",
    "a word in 1 of 65 messages": "wort250",
    "a word in 1 of 940 messages": "wort2500",
    "two common words": "wort3 wort5",
    "two less common words": "wort77 wort99",
    "a rare and a common word": "zebrastreifen wort1",
    "two words that meet nowhere": "zebrastreifen zahnrad",
    "no hit": "zahnrad",
    "a part without spaces": "充電器",
    "a name": "Kunde4711",
    "a name that all have": "Zoë",
    "a name and a common word": "Kunde4711 wort1",
    "a common name and a common word": "Zoë wort12",
    "a common name and a rare word": "Zoë zebrastreifen",
    "a phone number": "0170 4711",
    "a ticket number": "4711",
}


def fill(number: int) -> None:
    """Make so many messages, in conversations of one channel."""
    from channels_im.models import Channel, Page
    from desk.models import Department
    from tickets.models import Contact, Conversation, Message, Ticket

    draw = random.Random(7)
    words = [f"wort{rank}" for rank in range(30_000)]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    page = Page.objects.create(page_id="1", name="Bench")
    department = Department.objects.create(name="Bench")
    channel = Channel.objects.create(name="Bench", page=page, department=department)
    count = number // MESSAGES_EACH
    contacts = Contact.objects.bulk_create(
        [
            Contact(page=page, psid=str(at), name=f"Kunde{at} Zoë", phone=f"+49 170 {at:06}", profile_state="fetched")
            for at in range(count)
        ],
        batch_size=BATCH,
    )
    conversations = Conversation.objects.bulk_create(
        [
            Conversation(channel=channel, contact=contact, department=department, last_message_at=began)
            for contact in contacts
        ],
        batch_size=BATCH,
    )
    tickets = Ticket.objects.bulk_create(
        [
            Ticket(conversation=each, department=department, opened_at=began, last_message_at=began)
            for each in conversations
        ],
        batch_size=BATCH,
    )
    for start in range(0, number, BATCH):
        rows = []
        for at in range(start, min(start + BATCH, number)):
            text = draw.choices(words, cum_weights=weights, k=draw.randint(4, 20))
            text += ["Zebrastreifen"] * (at % 50_000 == 7) + ["充電器"] * (at % 5000 == 9)
            place = at % count
            rows.append(
                Message(
                    conversation=conversations[place],
                    ticket=tickets[place],
                    page=page,
                    mid=f"m_{at}",
                    direction="in",
                    source="customer",
                    state="received",
                    text=" ".join(text),
                    sent_at=began + timedelta(seconds=at),
                )
            )
        Message.objects.bulk_create(rows)


def prepare(number: int) -> None:
    """Make so many messages, unless there are any, and index what is not indexed."""
    from django.db import connection

    from tickets.models import Message
    from tickets.services.inbox import indexing

    began = time.monotonic()
    if not Message.objects.exists():
        fill(number)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    if indexing.is_due():
        while indexing.index_all():
            pass
        print(f"indexed in {time.monotonic() - began:.0f} s", flush=True)
        with connection.cursor() as cursor:  # as autovacuum does, or the worker once a day
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def take(names: Sequence[str], runs: int = RUNS) -> dict[str, dict[str, float]]:
    """Return for each of these QUESTIONS the median, the p95 and the p95 of `look_up` in ms, and the number of hits."""
    return {name: _figures(QUESTIONS[name], runs) for name in names}


def _figures(question: str, runs: int) -> dict[str, float]:
    from tickets.models import Conversation
    from tickets.services.inbox import search

    find = partial(search.find, Conversation.objects.all(), question)
    times, bare = _timed(find, runs), _timed(partial(look_up, question), runs)
    hits = len(find().conversation_ids())
    return {"median": statistics.median(times), "p95": _p95(times), "bare": _p95(bare), "hits": hits}


def _timed(work: Callable[[], object], runs: int) -> list[float]:
    times = []
    for _ in range(max(runs, 2)):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return times


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def look_up(question: str) -> int:
    """Ask the full-text index once for the conversations with these whole words; return how many.

    This is the yardstick. It looks where the answer is: a name is looked for among the contacts, other words among the
    messages.
    """
    from django.db import connection

    is_name = question.startswith("Kunde")
    kind, column = ("contact", "conversation.contact_id") if is_name else ("message", "conversation.id")
    terms, own = f"tickets_{kind}terms", "terms.contact_id" if is_name else "terms.conversation_id"
    words = [f"'{word}'" for word in question.lower().split()]
    if connection.vendor == "postgresql":
        condition, asked = "terms.terms @@ %s::tsquery", " & ".join(words)
    else:
        condition = f"terms.{kind}_id IN (SELECT rowid FROM {terms}_search WHERE {terms}_search MATCH %s)"
        asked = " AND ".join(word.replace("'", '"') for word in words)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT conversation.id FROM {terms} terms "
            f"JOIN tickets_conversation conversation ON {column} = {own} WHERE {condition} LIMIT {MOST_HITS}",
            [asked],
        )
        return len(cursor.fetchall())


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    import django

    django.setup()
    from django.db import connection

    from tickets.models import Message

    prepare(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    print(f"{connection.vendor}, {Message.objects.count():,} messages")
    for name in QUESTIONS:
        for each in take([name]).values():
            print(f"{name:32} {each['median']:7.1f} ms, p95 {each['p95']:7.1f} ms, {each['hits']:,} hits")


if __name__ == "__main__":
    main()
