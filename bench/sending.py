"""Measure sending: queued replies of many conversations, a stand-in for Meta that answers after a fixed time.

    DATABASE_URL=… DESK_DATA_DIR=… python -m bench.sending [replies] [milliseconds per call]

Needs a migrated database; adds a Page, conversations and replies to it. One process sends them all; the stand-in is a
process of its own. Printed beside it: the bare calls, by as many threads with kept connections, without a database.
"""

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

LOOPBACK = "127.0.0.1"


def serve(port: int, latency_s: float, address: str = LOOPBACK) -> None:
    """Answer each POST after `latency_s` with a new message id."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                psid = json.loads(await reader.readexactly(length))["recipient"]["id"]
                await asyncio.sleep(latency_s)
                sent += 1
                body = json.dumps({"recipient_id": psid, "message_id": f"m_sent{sent}"}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        async with await asyncio.start_server(talk, address, port, backlog=1000) as server:
            await server.serve_forever()

    asyncio.run(main())


def queue_replies(number: int) -> None:
    """Make a Page with `number` conversations, each with a customer's message and one queued reply."""
    from django.utils import timezone

    from channels_im.models import Channel, Page
    from desk.models import Department, User
    from tickets.models import Contact, Conversation, Message, Ticket

    mark = str(time.time_ns())
    now = timezone.now()
    agent = User.objects.create_superuser(f"bench{mark}", password=None)
    page = Page.objects.create(page_id=mark, name="Bench", connection="connected", page_token="token")  # noqa: S106
    department = Department.objects.create(name=f"Bench {mark}")
    channel = Channel.objects.create(name=f"Bench {mark}", page=page, department=department)
    contacts = Contact.objects.bulk_create(
        [Contact(page=page, psid=f"{mark}{at}", name=f"Customer {at}", profile_state="fetched") for at in range(number)]
    )
    facts: dict[str, Any] = {"last_message_at": now, "last_customer_message_at": now, "message_count": 2}
    conversations = Conversation.objects.bulk_create(
        [Conversation(channel=channel, contact=contact, department=department, **facts) for contact in contacts]
    )
    tickets = Ticket.objects.bulk_create(
        [
            Ticket(conversation=each, department=department, opened_at=now - timedelta(seconds=5), last_message_at=now)
            for each in conversations
        ]
    )
    rows = []
    for conversation, ticket in zip(conversations, tickets, strict=True):
        common = {"conversation": conversation, "ticket": ticket, "page": page}
        question = {"direction": "in", "source": "customer", "state": "received", "mid": f"m_{mark}{conversation.pk}"}
        rows.append(Message(text="A question", sent_at=now - timedelta(seconds=5), **common, **question))
        answer = {"direction": "out", "source": "agent", "state": "queued", "author": agent}
        rows.append(Message(text="An answer", sent_at=now, **common, **answer))
    Message.objects.bulk_create(rows, batch_size=2000)
    Conversation.objects.bulk_update(
        [_with_ticket(each, ticket) for each, ticket in zip(conversations, tickets, strict=True)],
        ["current_ticket"],
        batch_size=500,
    )


def _with_ticket(conversation: Any, ticket: Any) -> Any:
    conversation.current_ticket = ticket
    return conversation


def bare_calls(number: int, threads: int) -> tuple[float, float]:
    """Return how many calls a second so many threads make that do nothing else, and their CPU time (ms for each)."""
    from channels_im.messenger import send_api
    from channels_im.messenger.send_policy import RESPONSE

    def call(at: int) -> None:
        send_api.send_text("token", "1", str(at), "An answer", policy=RESPONSE, metadata="desk")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, range(threads)))  # connects
        began, cpu = time.perf_counter(), time.process_time()
        list(pool.map(call, range(number)))
        return number / (time.perf_counter() - began), (time.process_time() - cpu) / number * 1000


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    latency_s = (float(sys.argv[2]) if len(sys.argv) > 2 else 100) / 1000
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    os.environ |= {"META_GRAPH_URL": f"http://{LOOPBACK}:{port}", "META_APP_ID": "1", "META_APP_SECRET": "secret"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    import django

    django.setup()
    from django.db import connection

    from tickets.models import Message
    from tickets.services.outgoing import outbox

    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, latency_s), daemon=True)
    process.start()
    time.sleep(2)
    statements: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began, name = time.perf_counter(), sql.split(" WHERE ")[0][:90]
        try:
            return execute(sql, params, many, context)
        finally:
            statements[name] += 1
            seconds[name] += time.perf_counter() - began

    queue_replies(number)
    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(count):
        while outbox.waiting().exists():
            outbox.drain_outbox()
    took = time.perf_counter() - began
    cpu_ms = (time.process_time() - cpu) / number * 1000
    unsent = Message.objects.filter(state__in=("queued", "sending", "unsure", "failed", "held")).count()
    bare, bare_ms = bare_calls(number, outbox.POOL_SIZE)
    each = sum(statements.values()) / number
    print(f"{connection.vendor}: {number / took:.0f} replies a second, {unsent} unsent")
    print(f"for each: {cpu_ms:.1f} ms of CPU, {each:.1f} statements")
    print(f"bare calls, {outbox.POOL_SIZE} at a time: {bare:.0f} a second, {bare_ms:.1f} ms of CPU for each")
    print(f"ratio {number / took / bare:.2f}")
    if "-v" in sys.argv:
        print(f"in the database: {sum(seconds.values()):.2f} of {took:.2f} s")
        for sql, total in sorted(seconds.items(), key=lambda item: -item[1])[:25]:
            print(f"{total:7.3f} s {statements[sql]:7} {sql}")
    process.kill()


if __name__ == "__main__":
    main()
