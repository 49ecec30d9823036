"""Imitate an open page without a browser: follow the live stream, and request the thread after a missed event."""

import json
import re
import secrets
import threading
import time

import requests

from bench import bodies, load, tables
from tests.e2e.processes import RunningDesk

TEXT = re.compile(r"bench \d+ \d+")
VERSION = re.compile(r'data-version="(\d+)"')


class OpenPage:
    """An open conversation of an agent, as in `static/desk/js/thread.js`.

    `seen` has the time (perf_counter) at which each text first appeared, `told` those of the announcements, and `read`
    is how many times the page had to request the thread, because it had missed an event.
    """

    def __init__(self, desk: RunningDesk, psid: str, conversation_id: int) -> None:
        self.psid, self.conversation_id = psid, conversation_id
        self.address = f"{desk.url.replace('localhost', '127.0.0.1')}/inbox/{conversation_id}"
        self.seen: dict[str, float] = {}
        self.told: list[float] = []
        self.read = 0
        self._version = 0
        self.session = log_in_again(desk.once("agent of open pages", lambda: log_in(desk)))
        self._closing, self._synced = threading.Event(), threading.Event()
        live = f"{desk.url.replace('localhost', '127.0.0.1')}/live/"
        self._stream = self.session.get(live, stream=True, timeout=60)
        self._stream.raise_for_status()
        self._fetching = log_in_again(self.session)  # for the thread of the stream
        self._key = secrets.token_hex(16)
        self._report(log_in_again(self.session))
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._stay)]
        for thread in self._threads:
            thread.start()
        if not self._synced.wait(20):
            raise AssertionError("the live stream did not start")

    def _listen(self) -> None:
        kind = ""
        try:
            for line in self._stream.iter_lines(chunk_size=None, decode_unicode=True):
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    self._receive(kind, line.removeprefix("data:"))
        except (requests.RequestException, AttributeError, ValueError):
            if not self._closing.is_set():
                raise

    def _receive(self, kind: str, data: str) -> None:
        if kind == "sync":
            self._fetch()
            self._synced.set()
        elif kind in ("conversation", "thread"):
            event = json.loads(data)
            if event["conversation"] != self.conversation_id:
                return
            if kind == "conversation":
                self.told.append(time.perf_counter())
            elif self._version < event["base"]:
                self._fetch()
            elif self._version < event["version"]:
                self._version = event["version"]
                self._show("".join(html or "" for _key, html in event["items"]))

    def _fetch(self) -> None:
        page = self._fetching.get(f"{self.address}/messages/", headers={"HX-Request": "true"}, timeout=30).text
        self.read += 1
        self._version = int(VERSION.findall(page)[0])
        self._show(page)

    def _show(self, html: str) -> None:
        now = time.perf_counter()
        for text in TEXT.findall(html):
            self.seen.setdefault(text, now)

    def _report(self, session: requests.Session) -> None:
        """Say that this page shows the conversation: only then is it sent."""
        form = {"page": self._key, "typing": "no", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        session.post(f"{self.address}/onlookers/", data=form, headers={"Referer": self.address}).raise_for_status()

    def _stay(self) -> None:
        session = log_in_again(self.session)
        while not self._closing.wait(15):
            self._report(session)

    def close(self) -> None:
        """Stop both threads and close the stream."""
        self._closing.set()
        self._threads[1].join(30)
        self._stream.raw.shutdown()  # closing alone waits until the reading thread has got something
        self._threads[0].join(30)
        self._stream.close()


def log_in(desk: RunningDesk, username: str = "alice", password: str = "desk-demo") -> requests.Session:
    """Log in through the login page and return the session."""
    session = requests.Session()
    session.trust_env = False
    # 127.0.0.1, because `localhost` may be tried as ::1 first, and that delay would be measured too.
    address = f"{desk.url.replace('localhost', '127.0.0.1')}/accounts/login/"
    session.get(address, timeout=30).raise_for_status()
    form = {"login": username, "password": password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(address, data=form, headers={"Referer": address}, timeout=30)
    answer.raise_for_status()
    if "sessionid" not in session.cookies:
        raise AssertionError(f"{username} cannot log in")
    return session


def log_in_again(session: requests.Session) -> requests.Session:
    """Return a second session with the same cookies, for another thread."""
    other = requests.Session()
    other.trust_env = False
    other.cookies.update(session.cookies)
    return other


def new_conversations(desk: RunningDesk, database: str, page_id: str, number: int) -> dict[str, int]:
    """Send a message from that many new customers; return the conversation ids by PSID."""
    psids = bodies.customers(number)
    secret, host = desk.environment["META_APP_SECRET"], f"localhost:{desk.port}"
    hello = [bodies.request(bodies.delivery(page_id, psid, "Hello"), secret, host) for psid in psids]
    load.run(load.send_all(desk.port, hello, connections=1))
    marks = ", ".join(f"'{psid}'" for psid in psids)
    query = (
        "SELECT contact.psid, conversation.id FROM tickets_conversation AS conversation "
        f"JOIN tickets_contact AS contact ON contact.id = conversation.contact_id WHERE contact.psid IN ({marks})"
    )

    def found() -> dict[str, int] | None:
        with tables.connect(database) as connection:
            rows = dict(connection.execute(query).fetchall())
        return rows if len(rows) == number else None

    return desk.wait_for(found, "the new customers have conversations")


def open_pages(desk: RunningDesk, database: str, page_id: str, number: int) -> list[OpenPage]:
    """Open that many pages, each on the conversation of a new customer."""
    conversations = new_conversations(desk, database, page_id, number)
    return [OpenPage(desk, psid, conversation_id) for psid, conversation_id in conversations.items()]
