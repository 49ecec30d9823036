"""Measure sending: queued replies of many conversations, a stand-in for Meta that answers after a fixed time.

    python -m bench.sending [--replies 2000] [--milliseconds 100] [--only SQLite] [-v]

One process sends them all; the stand-in is a process of its own. Printed beside it: the bare calls, by as many threads
with kept connections, without a database. `-v` prints the statements and their times.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import load

LOOPBACK = "127.0.0.1"
MILLISECONDS = 100
UNSETTLED = ("queued", "sending", "unsure", "failed", "held")
MUCH_LATER = datetime(2100, 1, 1, tzinfo=UTC)


def serve(port: int, latency_s: float, address: str = LOOPBACK) -> None:
    """Answer each POST after `latency_s` with a new message id, and each GET with the name of a customer."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(latency_s)
                if head.startswith(b"GET"):
                    body = b'{"first_name": "Ada", "last_name": "Bench"}'
                else:
                    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    psid = json.loads(await reader.readexactly(length))["recipient"]["id"]
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


@contextmanager
def stand_in(port: int, milliseconds: float = MILLISECONDS) -> Iterator[None]:
    """Keep the stand-in for Meta running on this port."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(port, milliseconds / 1000), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 30
        while not asyncio.run(_answers(port)):
            if time.monotonic() > deadline:
                raise AssertionError("the stand-in for Meta does not answer")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.join()


async def _answers(port: int) -> bool:
    try:
        await (await load.Connection.open(port)).close()
    except OSError:
        return False
    return True


def queue_replies(number: int, *, held_back: bool = False) -> str:
    """Make a Page with `number` conversations, each with a customer's message and one queued reply.

    Return the id of the Page. Replies that are `held_back` are sent after `release`.
    """
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
        answer["retry_after"] = MUCH_LATER if held_back else None
        rows.append(Message(text="An answer", sent_at=now, **common, **answer))
    Message.objects.bulk_create(rows, batch_size=2000)
    Conversation.objects.bulk_update(
        [_with_ticket(each, ticket) for each, ticket in zip(conversations, tickets, strict=True)],
        ["current_ticket"],
        batch_size=500,
    )
    return mark


def release() -> None:
    """Let the worker send the replies that were held back."""
    from tickets.models import Message

    Message.objects.filter(state="queued", retry_after=MUCH_LATER).update(retry_after=None)


def _with_ticket(conversation: Any, ticket: Any) -> Any:
    conversation.current_ticket = ticket
    return conversation


def bare_calls(number: int, threads: int) -> dict[str, float]:
    """Return how many calls a second so many threads make that do nothing else, and the process time of one in ms."""
    from channels_im.messenger import send_api
    from channels_im.messenger.send_policy import RESPONSE

    def call(at: int) -> None:
        send_api.send_text("token", "1", str(at), "An answer", policy=RESPONSE, metadata="desk")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, range(threads)))  # connects
        began, cpu = time.perf_counter(), time.process_time()
        list(pool.map(call, range(number)))
        rate = number / (time.perf_counter() - began)
        return {"rate": rate, "process time": (time.process_time() - cpu) / number * 1000}


def take(number: int) -> dict[str, dict[str, Any]]:
    """Return the figures of the bare calls and of so many replies that this process sends.

    Each has the rate in calls a second and the process time of a call in ms; the replies also `statements` for each,
    `unsent`, and in `seconds` how long the statements took, by their beginning.
    """
    from django.db import connection

    from desk import garbage
    from tickets.models import Message
    from tickets.services.outgoing import outbox

    seconds: dict[str, float] = defaultdict(float)
    statements: Counter[str] = Counter()

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began, name = time.perf_counter(), sql.split(" WHERE ")[0][:90]
        try:
            return execute(sql, params, many, context)
        finally:
            statements[name] += 1
            seconds[name] += time.perf_counter() - began

    garbage.settle()  # as the worker does
    queue_replies(outbox.POOL_SIZE)
    outbox.drain_outbox()  # connects
    page_id = queue_replies(number)
    bare = bare_calls(number, outbox.POOL_SIZE)
    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(count):
        while outbox.waiting().exists():
            outbox.drain_outbox()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    replies = {
        "rate": number / took,
        "process time": cpu / number * 1000,
        "statements": statements.total() / number,
        "unsent": Message.objects.filter(page__page_id=page_id, state__in=UNSETTLED).count(),
        "seconds": seconds,
        "times": statements,
    }
    return {"bare": bare, "replies": replies}


def main() -> None:
    """Measure and print."""
    from bench import desks, sending

    parser = argparse.ArgumentParser(prog="python -m bench.sending", description=__doc__)
    parser.add_argument("--replies", type=int, default=2000)
    parser.add_argument("--milliseconds", type=float, default=MILLISECONDS, help="how long a call takes")
    parser.add_argument("--only", choices=desks.KINDS)
    parser.add_argument("-v", "--verbose", action="store_true", help="print the statements and their times")
    options = parser.parse_args()
    for kind in [options.only] if options.only else desks.KINDS:
        with desks.prepared(kind) as desk, stand_in(desk.sandbox_port, options.milliseconds):
            figures = desk.call(sending.take, options.replies)
        replies, bare = figures["replies"], figures["bare"]
        print(f"{kind}: {replies['rate']:.0f} replies a second, {replies['unsent']} unsent")
        print(f"for each: {replies['process time']:.1f} ms of the process, {replies['statements']:.1f} statements")
        print(f"bare calls: {bare['rate']:.0f} a second, {bare['process time']:.1f} ms of the process for each")
        print(f"ratio {replies['rate'] / bare['rate']:.2f}")
        if options.verbose:
            seconds = replies["seconds"]
            print(f"in the database: {sum(seconds.values()):.2f} of {options.replies / replies['rate']:.2f} s")
            for sql, total in sorted(seconds.items(), key=lambda item: -item[1])[:25]:
                print(f"{total:7.3f} s {replies['times'][sql]:7} {sql}")


if __name__ == "__main__":
    main()
