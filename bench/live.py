"""Imitate an open page without a browser: follow the live stream and fetch the fragment when it announces a change."""

import json
import re
import threading
import time

import requests

from bench import bodies, load, tables
from tests.e2e.stage import Desk

TEXT = re.compile(r"bench \d+ \d+")


class OpenPage:
    """An open conversation of an agent. `seen` has the time (perf_counter) at which each text first appeared."""

    def __init__(self, desk: Desk, psid: str, conversation_id: int) -> None:
        self.psid, self.conversation_id = psid, conversation_id
        self.url = desk.url.replace("localhost", "127.0.0.1")
        self.seen: dict[str, float] = {}
        self.session = log_in(desk)
        self._changed, self._closing, self._synced = threading.Event(), threading.Event(), threading.Event()
        self._stream = self.session.get(f"{self.url}/live/", stream=True, timeout=60)
        self._stream.raise_for_status()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._fetch)]
        for thread in self._threads:
            thread.start()
        if not self._synced.wait(20):
            raise AssertionError("the live stream did not start")

    def _listen(self) -> None:
        kind = ""
        try:
            for line in self._stream.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    if kind == "sync":
                        self._synced.set()
                    elif kind == "conversation" and self._is_mine(line.removeprefix("data:")):
                        self._changed.set()
        except (requests.RequestException, AttributeError, ValueError):
            if not self._closing.is_set():
                raise

    def _is_mine(self, data: str) -> bool:
        return json.loads(data).get("conversation") == self.conversation_id

    def _fetch(self) -> None:
        session = log_in_again(self.session)
        address = f"{self.url}/inbox/{self.conversation_id}/messages/"
        while not self._closing.is_set():
            if not self._changed.wait(0.2):
                continue
            self._changed.clear()
            page = session.get(address, headers={"HX-Request": "true"}, timeout=30).text
            now = time.perf_counter()
            for text in TEXT.findall(page):
                self.seen.setdefault(text, now)

    def close(self) -> None:
        """Stop both threads and close the stream."""
        self._closing.set()
        self._threads[1].join(30)
        self._stream.close()


def log_in(desk: Desk, username: str = "alice", password: str = "desk-demo") -> requests.Session:
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


def new_conversations(desk: Desk, database: str, page_id: str, number: int) -> dict[str, int]:
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


def open_pages(desk: Desk, database: str, page_id: str, number: int) -> list[OpenPage]:
    """Open that many pages, each on the conversation of a new customer."""
    conversations = new_conversations(desk, database, page_id, number)
    return [OpenPage(desk, psid, conversation_id) for psid, conversation_id in conversations.items()]
