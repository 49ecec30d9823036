"""Look at what `make run` serves, over HTTP: check_demo.py PORT SANDBOX_PORT; or stop it as Ctrl-C does: --stop.

Uses only the standard library: it runs where nothing but Python is installed. Exits with code 1 and a sentence.
"""

import http.cookiejar
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

START_SECONDS = 420  # the first start installs the packages
PASSWORD = "desk-demo"  # noqa: S105 - README names it


def client() -> urllib.request.OpenerDirector:
    """Return a client with cookies of its own that uses no proxy."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)


def read(browser: urllib.request.OpenerDirector, url: str, form: dict[str, str] | None = None) -> str:
    """Return the text at `url`; with `form`, POST it."""
    data = urllib.parse.urlencode(form).encode() if form else None
    with browser.open(urllib.request.Request(url, data, {"Referer": url}), timeout=30) as response:  # noqa: S310
        return response.read().decode()


def expect(text: str, *wanted: str, at: str) -> None:
    """Exit unless every wanted text is there."""
    for part in wanted:
        if part not in text:
            sys.exit(f"{at}: {part!r} is missing in:\n{text[:2000]}")
    print("answers:", at, flush=True)


def log_in(desk: str, user: str) -> urllib.request.OpenerDirector:
    """Return a client in which the user is logged in."""
    browser = client()
    page = read(browser, f"{desk}/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    if token is None:
        sys.exit(f"The login page has no form:\n{page[:2000]}")
    form = {"csrfmiddlewaretoken": token[1], "login": user, "password": PASSWORD}
    expect(read(browser, f"{desk}/accounts/login/", form), "logout", at=f"login as {user}")
    return browser


def wait_until_ready(desk: str) -> None:
    """Wait until web and worker run."""
    deadline = time.monotonic() + START_SECONDS
    answer = "nothing answers"
    while time.monotonic() < deadline:
        try:
            answer = read(client(), f"{desk}/readyz")
            if json.loads(answer)["status"] == "ok":
                return
        except (OSError, ValueError) as error:
            answer = str(error)
        time.sleep(0.5)
    sys.exit(f"make run did not get ready in {START_SECONDS} s: {answer}")


def check(port: int, sandbox_port: int) -> None:
    """Look at the pages that the README names."""
    desk, sandbox = f"http://localhost:{port}", f"http://localhost:{sandbox_port}"
    wait_until_ready(desk)
    print("answers: /readyz", flush=True)
    alice = log_in(desk, "alice")
    inbox = read(alice, f"{desk}/inbox/")
    expect(inbox, "data-inbox", "/static/", at="inbox")
    for path in set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', inbox)):
        expect(read(alice, desk + path), "", at=path)
    conversation = re.search(r"/inbox/(\d+)/", inbox)
    if conversation is None:
        sys.exit("The inbox lists no conversation.")
    expect(read(alice, f"{desk}/inbox/{conversation[1]}/"), 'name="text"', at="a conversation")
    admin = log_in(desk, "admin")
    expect(read(admin, f"{desk}/admin/"), "Instant Messaging", at="Setup")
    expect(read(admin, f"{desk}/admin/instant-messaging/"), "Messenger", at="Setup → Instant Messaging")
    expect(read(client(), f"{sandbox}/"), "anna@example.com", at="sandbox")
    expect(read(client(), f"{sandbox}/messenger/"), "Berg Bikes", at="Messenger window")


def stop() -> None:
    """Send SIGINT to the launcher, and wait until it has ended. In the namespace of .ci/fresh there is only one."""
    launchers = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"-m", b"launcher", b"run"]:
                launchers.append(int(process.name))
        except OSError:
            continue
    if len(launchers) != 1:
        sys.exit(f"There are {len(launchers)} launchers to stop.")
    os.kill(launchers[0], signal.SIGINT)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{launchers[0]}").exists():
        if time.monotonic() > deadline:
            sys.exit("make run did not stop within a minute of Ctrl-C.")
        time.sleep(0.2)


if __name__ == "__main__":
    stop() if sys.argv[1] == "--stop" else check(int(sys.argv[1]), int(sys.argv[2]))
