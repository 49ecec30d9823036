"""Customers who write and agents who answer, whatever is broken meanwhile: each repeats until it hears that it worked.

Customers act through the control API of the sandbox, agents through the API of Desk.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from chaos import functions
from chaos.plan import MOST_PER_CUSTOMER, Plan
from chaos.record import Asked
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import SandboxProcess

AGENTS = 4
CUSTOMERS = 4  # threads that write for all customers
MOST_IN_A_ROW = 4  # replies to one customer
REPEAT_AFTER_S = 0.15
LOOK_EVERY_S = 0.5
GIVE_UP_S = 180  # without an answer
PAST_TICKETS_MS = 3 * 60 * 60 * 1000  # between what belongs to different tickets
PAST_SPREAD_MS = 20 * 60 * 1000  # within one
CUSTOMERS_WITH_PAST = 0.4
OTHER_ACTS = 12  # there is one edit, read receipt or reply from the Page inbox for so many messages
ANSWER_TIMEOUT_S = 10
WORDS = ("bike", "order", "broken", "thanks", "wheel", "invoice", "late", "blue", "size", "brake", "tomorrow")


class TrafficError(Exception):
    """Desk or the sandbox answered what it must not; the text says what."""


@dataclass
class Customer:
    """A customer of a Page: their id at the sandbox, and what is known of their conversation.

    `number` counts the replies that Desk took, `said` the messages since the round began, `mids` are those that the
    customer wrote. `is_here`: one of them is not dated back. Only then the Page answers: an answer hours later belongs
    to the older ticket, and whether the customer's next message does too would depend on which of both comes first.
    """

    key: str
    psid: str
    page_id: str
    number: int = 0
    said: int = 0
    is_here: bool = False
    mids: dict[str, str] = field(default_factory=dict)  # by token
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Task:
    """A message to write: `ago_ms` is how long it is dated back, 0: it is written now."""

    customer: Customer
    ago_ms: int = 0


class Pace:
    """Give out numbers at an even pace: `total` of them within `seconds`. Used by several threads."""

    def __init__(self, total: int, seconds: float) -> None:
        self.total, self.every = total, seconds / max(total, 1)
        self._lock, self._given, self._began = threading.Lock(), 0, time.monotonic()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                if self._given >= self.total:
                    return
                number = self._given
                self._given += 1
            time.sleep(max(0.0, self._began + number * self.every - time.monotonic()))
            yield number


class Traffic:
    """All that is said in one round."""

    def __init__(self, desk: RunningDesk, plan: Plan, draw: random.Random, page_ids: list[str], token: str) -> None:
        self.desk, self.plan, self.draw, self.page_ids = desk, plan, draw, page_ids
        self.asked: list[Asked] = []
        self.read_until: dict[str, int] = {}
        self.customers: list[Customer] = []
        self.written = 0
        self._headers = {"Authorization": f"Token {token}"}
        self._lock = threading.Lock()
        self._answerable: dict[str, int] = {}
        self._failures: list[BaseException] = []
        self._done = threading.Event()
        self.began_ms = 0

    @property
    def psids(self) -> list[str]:
        return [customer.psid for customer in self.customers]

    def prepare(self) -> None:
        """Create the customers at the sandbox."""
        sandbox = self._sandbox()
        for number in range(self.plan.customers):
            page_id = self.page_ids[number % len(self.page_ids)]
            made = sandbox.add_customer("Chaos", f"Customer {number}", id=f"77{number:06}")
            self.customers.append(Customer(made["id"], made["psids"][page_id], page_id))

    def run(self) -> None:
        """Say everything, and return when all was taken. Raises TrafficError."""
        self.began_ms = _now_ms()
        plan, tasks = self.plan, self._tasks()
        messages, replies = Pace(plan.messages, plan.seconds), Pace(plan.replies, plan.seconds)
        others = Pace(plan.messages // OTHER_ACTS, plan.seconds)
        work: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(self._write, (messages, tasks))] * CUSTOMERS
        work += [(self._answer, (replies, random.Random(self.draw.random()))) for _ in range(AGENTS)]
        work += [(self._act, (others, random.Random(self.draw.random()))), (self._look, ())]
        threads = [threading.Thread(target=self._guarded, args=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads[:-1]:
            thread.join()
        self._done.set()
        threads[-1].join()
        if self._failures:
            raise self._failures[0]

    def _guarded(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            self._failures.append(error)
            self._done.set()

    def _tasks(self) -> list[Task]:
        """Return all messages to write: some customers wrote hours ago, which makes tickets of their own."""
        past = [
            Task(customer, ticket * PAST_TICKETS_MS - self.draw.randrange(PAST_SPREAD_MS))
            for customer in self.customers
            if self.draw.random() < CUSTOMERS_WITH_PAST
            for ticket in range(1, self.draw.randint(2, 3))
            for _ in range(self.draw.randint(1, 2))
        ][: self.plan.messages // 3]
        present = [Task(customer) for customer in self.customers][: self.plan.messages - len(past)]
        room = {customer.psid: MOST_PER_CUSTOMER * 2 // 3 for customer in self.customers}
        rest: list[Task] = []
        while len(rest) < self.plan.messages - len(past) - len(present):
            customer = self.draw.choice(self.customers)
            if room[customer.psid] > 1:
                room[customer.psid] -= 1
                rest.append(Task(customer))
        tasks = [*past, *present, *rest]
        self.draw.shuffle(tasks)
        return tasks

    # --- Customers ----------------------------------------------------------------------------------------------------
    def _write(self, pace: Pace, tasks: list[Task]) -> None:
        sandbox = self._sandbox()
        for number in pace:
            task, token = tasks[number], f"msg-{number}"
            mid = f"m_chaos_{number}"
            body: dict[str, Any] = {"text": self._text(token), "mid": mid}
            if task.ago_ms:
                body["timestamp"] = _now_ms() - task.ago_ms
            customer = task.customer
            path = f"customers/{customer.key}/messages"
            self._tell(sandbox, path, {"page_id": customer.page_id, **body}, unless=f"There is a message {mid} already")
            with self._lock:
                self.written += 1
                customer.mids[token] = mid
                customer.said += not task.ago_ms
                customer.is_here |= not task.ago_ms

    def _act(self, pace: Pace, draw: random.Random) -> None:
        """Read, edit, and answer from the Page inbox."""
        sandbox = self._sandbox()
        for number in pace:
            with self._lock:
                known = [customer for customer in self.customers if customer.mids]
            if not known:
                continue
            customer, kind = draw.choice(known), draw.random()
            if kind < 0.6:
                until = _now_ms()
                read = {"page_id": customer.page_id, "watermark": until, "force": True}
                self._tell(sandbox, f"customers/{customer.key}/reads", read)
                self.read_until[customer.psid] = until
            elif kind < 0.85:
                token, mid = draw.choice(list(customer.mids.items()))
                edit = {"mid": mid, "text": f"{self._text(token)} (edited)"}
                self._tell(sandbox, f"customers/{customer.key}/edits", edit, unless="can be edited")
            elif customer.is_here and customer.said < MOST_PER_CUSTOMER:
                customer.said += 1
                words = {"psid": customer.psid, "text": self._text(f"inbox-{number}")}
                self._tell(sandbox, f"pages/{customer.page_id}/inbox", words, once=True)

    def _tell(
        self, sandbox: SandboxProcess, path: str, body: dict[str, Any], *, unless: str = "", once: bool = False
    ) -> None:
        """POST to the sandbox until it answers, or `once`; what it refuses with the words `unless` was done before."""

        def call() -> bool:
            try:
                sandbox.control("POST", path, body)
            except AssertionError as error:
                if not (unless and unless in str(error)):
                    raise TrafficError(str(error)) from None
            return True

        self._repeat(call, once=once)

    # --- Agents -------------------------------------------------------------------------------------------------------
    def _answer(self, pace: Pace, draw: random.Random) -> None:
        http = requests.Session()
        http.trust_env = False
        http.headers.update(self._headers)
        customer, left = None, 0
        try:
            for number in pace:
                if customer is None or not left:
                    if customer is not None:
                        customer.busy.release()
                    customer, left = self._choose(draw), draw.randint(1, MOST_IN_A_ROW)
                self._reply(http, customer, f"reply-{number}")
                left -= 1
        finally:
            if customer is not None:
                customer.busy.release()

    def _choose(self, draw: random.Random) -> Customer:
        """Return a customer who has written, whom no other agent answers now. The caller releases `busy`."""
        while not self._failures:
            able = [each for each in self.customers if each.psid in self._answerable]
            able = [each for each in able if each.said + MOST_IN_A_ROW <= MOST_PER_CUSTOMER]
            if able and (customer := draw.choice(able)).busy.acquire(blocking=False):
                return customer
            time.sleep(0.05)
        raise self._failures[0]

    def _reply(self, http: requests.Session, customer: Customer, token: str) -> None:
        body = {"conversation": self._answerable[customer.psid], "text": self._text(token), "client_key": token}
        url = f"http://127.0.0.1:{self.desk.port}/api/v1/messages/"
        began = _now_ms()

        def call() -> bool:
            answer = http.post(url, json=body, timeout=ANSWER_TIMEOUT_S)
            if answer.status_code >= 500:
                return False
            if answer.status_code != 201:
                raise TrafficError(f"Desk answered {answer.status_code} to a reply: {answer.text[:300]}")
            return True

        self._repeat(call)
        with self._lock:
            customer.number += 1
            customer.said += 1
            self.asked.append(Asked(customer.psid, token, customer.number, began, _now_ms()))

    def _look(self) -> None:
        """Look again and again in which conversations an agent can answer."""
        while not self._done.wait(LOOK_EVERY_S):
            try:
                self._answerable = self.desk.call(functions.answerable, self.began_ms)
            except AssertionError:
                continue  # its connection to the database was cut off

    # --- Both ---------------------------------------------------------------------------------------------------------
    def _repeat(self, call: Callable[[], bool], *, once: bool = False) -> None:
        deadline = time.monotonic() + GIVE_UP_S
        while not self._failures:
            try:
                if call():
                    return
            except requests.RequestException:
                if once:
                    return
            if time.monotonic() > deadline:
                raise TrafficError(f"Nobody answered for {GIVE_UP_S} s")
            time.sleep(REPEAT_AFTER_S)

    def _text(self, token: str) -> str:
        return f"[{token}] {' '.join(random.choices(WORDS, k=4))}"

    def _sandbox(self) -> SandboxProcess:
        return SandboxProcess.running_at(self.desk.sandbox_url.replace("localhost", "127.0.0.1"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
