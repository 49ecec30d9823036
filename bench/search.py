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
from datetime import UTC, datetime, timedelta
from itertools import accumulate

RUNS = 20
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


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    import django

    django.setup()
    from django.db import connection

    from tickets.models import Conversation, Message
    from tickets.services.inbox import indexing, search

    began = time.monotonic()
    if not Message.objects.exists():
        fill(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    if indexing.is_due():
        while indexing.index_all():
            pass
        print(f"indexed in {time.monotonic() - began:.0f} s", flush=True)
        with connection.cursor() as cursor:  # as autovacuum does, or the worker once a day
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    print(f"{connection.vendor}, {Message.objects.count():,} messages")
    for name, question in QUESTIONS.items():
        times = []
        for _ in range(RUNS):
            started = time.perf_counter()
            hits = search.find(Conversation.objects.all(), question)
            times.append((time.perf_counter() - started) * 1000)
        p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
        print(f"{name:32} {statistics.median(times):7.1f} ms, p95 {p95:7.1f} ms, {len(hits.conversation_ids()):,} hits")


if __name__ == "__main__":
    main()
