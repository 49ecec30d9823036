"""The control API, the state on disk, and the secrets that the sandbox never shows."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.graph import Person, call, exchange, message
from tests.sandbox.process import APP_SECRET, BERG_BIKES, ROOT, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes
DAY_MS = 24 * 3600 * 1000


def test_the_first_world_has_three_people_many_pages_and_a_week_of_history(sandbox: SandboxProcess) -> None:
    sandbox.reset(history=True)
    world = sandbox.world()
    assert [(row["id"], row["password"]) for row in world["people"]] == [
        ("anna", "anna"),
        ("omar", "omar"),
        ("mia", "mia"),
    ]
    assert sum("mia" in page["roles"] for page in world["pages"]) == 30
    assert len(world["customers"]) >= 8
    conversations = world["conversations"]
    assert 8 <= len(conversations) <= 12
    messages = [row for conversation in conversations for row in conversation["messages"]]
    kinds = {item["type"] for row in messages for item in row["attachments"]}
    assert kinds == {"image", "file"}
    assert {row["author"] for row in messages} == {None, "alice", "bob"}
    assert any(row["reply_to"] for row in messages)
    assert any(row["reactions"] for row in messages)
    assert all(row["author"] is None for row in messages if row["from"] == "customer")


def test_the_history_spans_all_three_windows(sandbox: SandboxProcess) -> None:
    sandbox.reset(history=True)
    now = time.time() * 1000
    ages = [now - row["last_action_at"] for row in sandbox.world()["conversations"]]
    assert sum(age < DAY_MS for age in ages) >= 2
    assert sum(DAY_MS <= age < 7 * DAY_MS for age in ages) >= 2
    assert sum(age >= 7 * DAY_MS for age in ages) >= 2


def test_ids_are_the_same_after_each_reset(sandbox: SandboxProcess) -> None:
    def names() -> list[tuple[str, str, list[str]]]:
        sandbox.reset(history=True)
        return [
            (row["id"], row["psid"], [m["mid"] for m in row["messages"]]) for row in sandbox.world()["conversations"]
        ]

    assert names() == names()


def test_the_history_sends_no_webhooks(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    sandbox.reset(history=True)
    assert sandbox.deliveries()["data"] == []


def test_a_new_customer_needs_one_call(sandbox: SandboxProcess) -> None:
    first = sandbox.control("POST", "customers")
    second = sandbox.control("POST", "customers")
    assert first["name"] != second["name"]
    sandbox.customer_writes(first["id"], BERG_BIKES, "Hello")


def test_a_customer_is_known_by_each_psid(sandbox: SandboxProcess) -> None:
    written = sandbox.customer_writes("lena", BERG_BIKES, "Hi")
    assert sandbox.customer_writes(written["psid"], BERG_BIKES, "again")["psid"] == written["psid"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("customers/nobody/messages", {"page_id": BERG_BIKES, "text": "x"}),
        ("customers/lena/messages", {"page_id": "1", "text": "x"}),
        ("customers/lena/messages", {"page_id": BERG_BIKES}),
        ("customers/lena/messages", {"text": "x"}),
        ("customers/lena/edits", {"mid": "m_none", "text": "x"}),
        ("customers/lena/reads", {"page_id": BERG_BIKES}),
        ("grants", {"person": "nobody"}),
        ("grants", {"person": "anna", "pages": ["101000000000003"]}),
        ("grants", {"person": "anna", "scopes": ["everything"]}),
        ("events", {"page_id": BERG_BIKES, "item": "[]"}),
    ],
)
def test_a_wrong_request_is_a_sentence_and_changes_nothing(
    sandbox: SandboxProcess, path: str, body: dict[str, Any]
) -> None:
    before = sandbox.world()
    answer = requests.post(f"{sandbox.url}/_sandbox/{path}", json=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sandbox.world()["conversations"] == before["conversations"]


def test_a_setting_that_does_not_exist_changes_nothing(sandbox: SandboxProcess) -> None:
    answer = requests.patch(f"{sandbox.url}/_sandbox/config", json={"auto_read": True, "speed": 9}, timeout=10)
    assert answer.status_code == 400
    assert sandbox.control("GET", "config")["auto_read"] is False


def test_the_logs_hold_no_token_and_no_secret(sandbox: SandboxProcess, token: str, psid: str) -> None:
    code = Person(sandbox.url).link("anna", [BERG_BIKES])
    user = exchange(sandbox.url, code).json()["access_token"]
    call(sandbox.url, "GET", "me/accounts", user)
    call(sandbox.url, "POST", f"{BERG_BIKES}/messages", token, json=message(psid))
    for path in ("calls", "webhooks", "config", "world"):
        text = requests.get(f"{sandbox.url}/_sandbox/{path}", timeout=10).text
        for secret in (user, token, code, APP_SECRET):
            assert secret not in text
    for path in ("/", "/faults/", "/traffic/"):
        text = requests.get(sandbox.url + path, timeout=10).text
        assert token not in text
        assert APP_SECRET not in text


def test_another_web_site_cannot_press_the_buttons(sandbox: SandboxProcess) -> None:
    answer = requests.post(
        f"{sandbox.url}/_sandbox/reset", json={}, headers={"Origin": "https://evil.example"}, timeout=10
    )
    assert answer.status_code == 403


@pytest.mark.slow
def test_what_was_there_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    env = {"SANDBOX_STATE_DIR": str(tmp_path)}
    first = SandboxProcess(env=env).start()
    granted = first.grant("anna", [BERG_BIKES])
    psid = first.customer_writes("lena", BERG_BIKES, "before")["psid"]
    first.customer_sends_file("lena", BERG_BIKES, "a.pdf", b"%PDF-1.4 kept", "application/pdf")
    first.configure(auto_read=True)
    before = first.world()
    first.stop(kill=True)

    with SandboxProcess(first.port, env=env) as second:
        after = second.world()
        assert after["people"] == before["people"]
        assert history(after) == history(before)
        token = granted["pages"][0]["access_token"]
        assert call(second.url, "POST", "me/messages", token, json=message(psid, "after")).ok
        assert second.control("GET", "config")["auto_read"] is True
        rows = next(row for row in after["conversations"] if row["psid"] == psid)["messages"]
        assert requests.get(rows[-1]["attachments"][0]["url"], timeout=10).content == b"%PDF-1.4 kept"


def history(world: dict[str, Any]) -> list[list[tuple[str, int, str | None]]]:
    """Return what was said, without the links, which are made anew."""
    return [[(row["mid"], row["ts"], row["text"]) for row in talk["messages"]] for talk in world["conversations"]]


def test_a_busy_port_is_one_sentence(sandbox: SandboxProcess) -> None:
    env = {"SANDBOX_PORT": str(sandbox.port), "SANDBOX_STATE_DIR": "", "PATH": ""}
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, env=env, capture_output=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count(b"\n") == 1
    assert b"Set SANDBOX_PORT" in ended.stderr


def test_stopping_does_not_wait_for_open_windows() -> None:
    sandbox = SandboxProcess().start()
    with requests.get(f"{sandbox.url}/messenger/stream", stream=True, timeout=10) as stream:
        next(stream.iter_content(10))
        started = time.monotonic()
        assert sandbox.stop() == ""
        assert time.monotonic() - started < 9  # after 10 s it would have been killed
