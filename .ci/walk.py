"""Walk through docs/installation.md on this machine, as root: walk.py PART, in the order of PARTS.

The commands are those of the document; only what the document asks the reader to fill in is filled in here. Uses only
the standard library. Exits with code 1 and a sentence.
"""

import hashlib
import hmac
import http.client
import json
import lzma
import os
import pty
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from check_proxy import Browser, demand, multipart, token
from commands_of import commands_of

ORIGIN, CODE, DATA = Path("/srv/origin"), Path("/opt/desk"), Path("/var/lib/desk")
SETTINGS, CERTIFICATE = Path("/etc/desk/desk.env"), "/etc/desk/tls/fullchain.pem"
BACKUPS = Path("/var/backups/desk")
STATE = Path("/srv/walk.json")  # what a later part needs of an earlier one
HOST, DATABASE_PASSWORD, APP_SECRET = "desk.example.com", "the-password", "the-app-secret"
ADMIN, AGENT, PASSWORD = "ruth", "alice", "desk-demo-of-the-walk"
RELEASE = "1.0.0"
RELEASE_KEY = "the-secret-key-of-stored-databases-0123456789-abcdefghijklmnopqrstuvwxyz"
FILLED_IN = {"<this repository>": str(ORIGIN), "YOUR.HOST.NAME": HOST}
ANSWERS = {"Username": ADMIN, "Email": "ruth@example.com", "Password": PASSWORD}


# --- Commands ---------------------------------------------------------------------------------------------------------
def follow(start: str, block: int = 0, *, replaced: dict[str, str] | None = None, without: str = "") -> None:
    """Run the commands of one block of the document in a terminal, and answer what they ask.

    `replaced` has more that a reader fills in. Commands from the line that begins with `without` on are left out.
    """
    text = commands_of((ORIGIN / "docs/installation.md").read_text(), start)[block]
    for old, new in (FILLED_IN | (replaced or {})).items():
        text = text.replace(old, new)
    if without:
        text = text[: text.index(without)]
    run_in_terminal(text)


def run_in_terminal(commands: str) -> None:
    """Run commands as somebody types them; exit when one fails."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(CODE if CODE.exists() else "/root")
        os.execvp("bash", ["bash", "-euxc", commands])  # noqa: S606 - the document's commands
    output = b""
    asked = 0
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the child has closed its side
            piece = b""
        if not piece:
            break
        sys.stdout.write(piece.decode(errors="replace"))
        output += piece
        question = re.search(r"([^\n]*): $", output[asked:].decode(errors="replace"))
        answer = next((a for word, a in ANSWERS.items() if question and word in question[1]), None)
        if answer is not None:
            asked = len(output)
            os.write(terminal, f"{answer}\n".encode())
    sys.stdout.flush()
    _pid, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"NOT TRUE: these commands succeed:\n{commands}\n{journal()}")


def output_of(*command: str, settings: dict[str, str] | None = None, text: str = "", may_fail: bool = False) -> str:
    """Return what a command prints; exit when it fails."""
    done = subprocess.run(
        command, env=os.environ | (settings or {}), input=text, capture_output=True, text=True, check=False
    )
    if done.returncode and not may_fail:
        sys.exit(f"NOT TRUE: {shlex.join(command)} succeeds\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def fill_in_settings(**values: str) -> None:
    """Set values in the settings file, whether its line is empty or commented out."""
    text = SETTINGS.read_text()
    for name, value in values.items():
        line = re.compile(rf"^#?{name}=.*$", re.MULTILINE)
        demand(line.search(text), f"the example of the settings names {name}")
        text = line.sub(f"{name}={value}", text, count=1)
    SETTINGS.write_text(text)


def remember(**values: object) -> None:
    """Keep values for a later part."""
    STATE.write_text(json.dumps(recalled() | values))


def recalled() -> dict[str, Any]:
    """Return what earlier parts kept."""
    return json.loads(STATE.read_text()) if STATE.exists() else {}


def journal() -> str:
    """Return the end of Desk's log."""
    return output_of("journalctl", "--no-pager", "--lines=80", "--unit=desk-*", may_fail=True)


def wait_for(what: Callable[[], object], sentence: str, seconds: int = 60) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            sys.exit(f"NOT TRUE: {sentence}\n{journal()}")
        time.sleep(0.5)
    print("true:", sentence, flush=True)


# --- Requests ---------------------------------------------------------------------------------------------------------
def log_in(name: str) -> Browser:
    """Return a browser in which the user is logged in."""
    browser = Browser(CERTIFICATE)
    form = {"csrfmiddlewaretoken": token(browser.read("GET", "/accounts/login/")[1]), "login": name}
    body = urllib.parse.urlencode(form | {"password": PASSWORD}).encode()
    status, _text = browser.read("POST", "/accounts/login/", body, Content_Type="application/x-www-form-urlencoded")
    demand(status == 302, f"{name} logs in over TLS")
    return browser


def is_ready() -> bool:
    """Return whether /readyz answers 200 through nginx."""
    try:
        return Browser(CERTIFICATE).read("GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException, ssl.SSLError):
        return False


def version() -> str:
    """Return the version that runs."""
    return json.loads(Browser(CERTIFICATE).read("GET", "/healthz")[1])["version"]


def deliver(text: str, mid: str) -> int:
    """Send a signed delivery as Meta does; return the status of the answer."""
    now = int(time.time() * 1000)
    item = {"sender": {"id": "7"}, "recipient": {"id": "1"}, "timestamp": now, "message": {"mid": mid, "text": text}}
    body = json.dumps({"object": "page", "entry": [{"id": "1", "time": now, "messaging": [item]}]}).encode()
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content_Type": "application/json", "X_Hub_Signature_256": f"sha256={signature}"}
    return Browser(CERTIFICATE).read("POST", "/webhooks/messenger/", body, **headers)[0]


# --- The parts --------------------------------------------------------------------------------------------------------
def install() -> None:
    """Follow steps 2 to 7."""
    follow("**2. Database**")
    follow("**3. Desk.**")
    follow("**4. Settings.**")
    fill_in_settings(
        DESK_SECRET_KEY=output_of(sys.executable, "-c", "import secrets; print(secrets.token_urlsafe(50))").strip(),
        META_APP_ID="1",
        META_APP_SECRET=APP_SECRET,
        META_VERIFY_TOKEN="any text, with spaces",  # noqa: S106 - not a secret of anybody
        EMAIL_URL="none",
        DATABASE_URL=f"postgres://desk:{DATABASE_PASSWORD}@127.0.0.1:5432/desk",
        REDIS_URL="redis://127.0.0.1:6379",
    )
    follow("**5. Certificate.**")
    follow("**6. nginx.**")
    follow("**7. Start**")
    wait_for(is_ready, "/readyz answers 200 through nginx")
    for unit in ("desk-migrate", "desk-web", "desk-worker"):
        demand(output_of("systemctl", "is-active", unit).strip() == "active", f"{unit} is active")
    found = output_of("desk-manage", "check", "--deploy", "--fail-level", "WARNING")
    demand("no issues" in found, "check --deploy finds nothing")
    log_in(ADMIN)
    owners = {path.owner() for path in DATA.rglob("*")}
    demand(owners == {"desk"}, "Desk owns what is in its data folder")


def use() -> None:
    """Let a customer write and an agent reply with a file."""
    output_of("desk-manage", "shell", "-v", "0", "-c", MAKE_CHANNEL)
    demand(deliver("Is my bike ready?", "m_1") == 200, "a signed delivery is answered 200")
    alice = log_in(AGENT)
    conversation = ""

    def is_shown() -> bool:
        nonlocal conversation
        found = re.search(r"/inbox/(\d+)/", alice.read("GET", "/inbox/")[1])
        conversation = found[1] if found else ""
        return bool(conversation) and "Is my bike ready?" in alice.read("GET", f"/inbox/{conversation}/")[1]

    wait_for(is_shown, "the agent sees the customer's message")
    page = alice.read("GET", f"/inbox/{conversation}/")[1]
    pdf = b"%PDF-1.4\n" + os.urandom(1_500_000).hex().encode()  # nothing in it looks like the boundary of the form
    fields = {"csrfmiddlewaretoken": token(page), "text": "Yes, see the bill.", "client_key": "walk-1"}
    body, content_type = multipart(fields, [("bill.pdf", pdf)])
    status, text = alice.read("POST", f"/inbox/{conversation}/reply/", body, Content_Type=content_type)
    demand(status == 302, f"the agent replies with a file of 3 MB ({status} {text[:200]})")
    remember(conversation=conversation, digest=hashlib.sha256(pdf).hexdigest())
    demand_conversation()


def demand_conversation() -> None:
    """Demand that the conversation is shown with its file, byte for byte."""
    kept = recalled()
    alice = log_in(AGENT)
    page = alice.read("GET", f"/inbox/{kept['conversation']}/")[1]
    demand("Is my bike ready?" in page and "Yes, see the bill." in page, "the conversation is shown")
    link = re.search(rf"/inbox/{kept['conversation']}/files/\d+/", page)
    demand(link, "the conversation links its file")
    answer, connection = alice.open("GET", link[0] if link else "")
    content = answer.read()
    connection.close()
    demand(hashlib.sha256(content).hexdigest() == kept["digest"], "the file has the bytes that were sent")


def demand_integrity(**settings: str) -> None:
    """Demand that verify_integrity finds nothing."""
    report = output_of("desk-manage", "verify_integrity", settings=settings)
    demand(not re.search(r": \d+ findings?", report), "verify_integrity finds nothing")


def digests(report: str) -> list[str]:
    """Return the lines with rows and SHA-256 of what backup or restore printed."""
    return [" ".join(line.split()) for line in report.splitlines() if "sha256" in line]


def newest_archive() -> str:
    """Return the path of the newest archive."""
    return str(max(BACKUPS.glob("*.zip"), key=lambda path: path.stat().st_mtime))


def back_up() -> None:
    """Back up while Desk runs, as the document says, and check the archive."""
    demand_integrity()
    follow("**Back up**")
    archive = newest_archive()
    demand(oct(Path(archive).stat().st_mode)[-3:] == "600", "only its owner can read the archive")
    checked = output_of("desk-manage", "restore", "--check", archive)
    demand(len(digests(checked)) > 20, "the archive is complete")
    # The last one is made while nothing runs, so that what comes back can be compared with what was there.
    output_of("systemctl", "stop", "desk.target", "desk-web", "desk-worker")  # waits for each that it names
    last = str(BACKUPS / "last.zip")
    remember(archive=last, printed=digests(output_of("desk-manage", "backup", last)))
    demand(not is_ready(), "Desk is stopped")


def elsewhere() -> None:
    """Restore into SQLite in another folder, from there into an empty PostgreSQL, and let Desk run on that."""
    kept = recalled()
    other = Path("/srv/other")
    output_of("install", "-d", "-o", "desk", "-g", "desk", "-m", "750", str(other))
    sqlite = {"DESK_DATA_DIR": str(other), "DATABASE_URL": f"sqlite:///{other}/desk.sqlite3"}
    restored = output_of("desk-manage", "restore", "--moved", kept["archive"], settings=sqlite)
    demand(digests(restored) == kept["printed"], "a restore into SQLite has equal rows and digests")
    demand_integrity(**sqlite)
    second = str(BACKUPS / "of-sqlite.zip")
    printed = digests(output_of("desk-manage", "backup", second, settings=sqlite))
    # Another machine: nothing in the database, nothing in the data folder.
    DATA.rename("/srv/old-machine")
    output_of("install", "-d", "-o", "desk", "-g", "desk", "-m", "750", str(DATA))
    output_of("runuser", "-u", "postgres", "--", "dropdb", "desk")
    follow("**2. Database**", replaced={"CREATE ROLE desk LOGIN": "ALTER ROLE desk"})
    output_of("redis-cli", "flushall")
    output_of("systemctl", "disable", "desk.target")
    follow("**Restore on another machine.**", replaced={"/var/backups/desk/desk-2026-11-26-020000.zip": second})
    wait_for(is_ready, "/readyz answers 200 on the restored Desk")
    stopped = digests(output_of("desk-manage", "restore", "--check", second))
    demand(stopped == printed, "the archive of SQLite has the digests that its backup printed")
    same = [line for line in printed if line.split()[0] in UNCHANGED]
    demand(same == [line for line in kept["printed"] if line.split()[0] in UNCHANGED], "what people wrote is the same")
    demand_conversation()
    demand_integrity()
    demand(deliver("Thank you!", "m_2") == 200, "the restored Desk takes deliveries")


def update() -> None:
    """Update from the database of an older release, to a newer commit, as the document says."""
    output_of("systemctl", "stop", "desk.target", "desk-web", "desk-worker")  # waits for each that it names
    output_of("runuser", "-u", "postgres", "--", "dropdb", "desk")
    follow("**2. Database**", replaced={"CREATE ROLE desk LOGIN": "ALTER ROLE desk"})
    dump = lzma.decompress((ORIGIN / f"tests/releases/{RELEASE}/postgresql.xz").read_bytes()).decode()
    url = f"postgres://desk:{DATABASE_PASSWORD}@127.0.0.1:5432/desk"
    lines = "\n".join(line for line in dump.splitlines() if not line.startswith("\\"))
    output_of("psql", "--quiet", "--set=ON_ERROR_STOP=1", url, text=lines)
    shutil.rmtree(DATA / "media")
    fill_in_settings(DESK_SECRET_KEY=RELEASE_KEY)
    new = "9.9.9"
    file = ORIGIN / "desk/__init__.py"
    file.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{new}"', file.read_text()))
    git = ("git", "-C", str(ORIGIN), "-c", "user.name=ci", "-c", "user.email=ci@localhost")
    output_of(*git, "commit", "-q", "-a", "-m", "Another version")
    # The stored database is of the demo, whose password everybody knows.
    follow("**Update.**", without="systemctl restart")
    refusal = output_of("systemctl", "restart", "desk.target", may_fail=True)
    demand(refusal, "a database of the demo is refused")
    demand("disable_demo_users" in journal(), "the log says what to do")
    output_of("desk-manage", "disable_demo_users")
    run_in_terminal("systemctl restart desk.target\ndesk-manage createsuperuser")
    wait_for(is_ready, "/readyz answers 200 after the update")
    demand(version() == new, "the new version runs")
    log_in(ADMIN)
    demand(deliver("Hello after the update", "m_3") == 200, "a signed delivery is answered 200")
    output_of("desk-manage", "verify_integrity", "--mend", may_fail=True)
    report = output_of("desk-manage", "verify_integrity", may_fail=True)
    others = [line for line in report.splitlines() if re.search(r": \d+ findings?$", line) and "files" not in line]
    demand(not others, f"verify_integrity misses nothing but the files that were not stored {others}")
    output_of("systemctl", "stop", "desk.target", "desk-web", "desk-worker")  # waits for each that it names
    archive, other = str(BACKUPS / "updated.zip"), Path("/srv/updated")
    printed = digests(output_of("desk-manage", "backup", archive, may_fail=True))
    output_of("install", "-d", "-o", "desk", "-g", "desk", "-m", "750", str(other))
    sqlite = {"DESK_DATA_DIR": str(other), "DATABASE_URL": f"sqlite:///{other}/desk.sqlite3"}
    restored = digests(output_of("desk-manage", "restore", "--moved", archive, settings=sqlite))
    demand(restored == printed and len(printed) > 20, "the updated database is restored elsewhere with equal digests")


#: Tables that neither a restore nor a running Desk changes.
UNCHANGED = (
    "tickets_message",
    "tickets_conversation",
    "tickets_contact",
    "tickets_ticket",
    "tickets_attachment",
    "files",
)
MAKE_CHANNEL = f"""
from channels_im.models import Channel, ChannelAgent, Page
from desk.models import Agent, Department, User
department = Department.objects.create(name="Sales")
agent = Agent.objects.create(user=User.objects.create_user("{AGENT}", password="{PASSWORD}"))
agent.departments.add(department)
page = Page.objects.create(page_id="1", name="Page", page_token="token")
channel = Channel.objects.create(name="Channel", page=page, department=department, icon="")
ChannelAgent.objects.create(channel=channel, agent=agent)
"""
PARTS = {function.__name__: function for function in (install, use, back_up, elsewhere, update)}

if __name__ == "__main__":
    PARTS[sys.argv[1]]()
