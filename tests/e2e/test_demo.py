"""The demo data: Desk and the sandbox have the same messages."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.seed_history import HISTORY
from tests.e2e import data
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = pytest.mark.processes
Rows = dict[str, dict[str, Any]]  # messages by mid


def all_messages(demo: RunningDesk, psids: set[str]) -> list[dict[str, Any]]:
    """Return the messages of these customers as the API shows them to alice."""
    headers = {"Authorization": f"Token {demo.call(data.api_token, 'alice')}"}
    rows, url = [], f"{demo.url}/api/v1/messages/?page_size=200"
    while url:
        answer = demo.http.get(url, headers=headers, timeout=10).json()
        rows += answer["results"]
        url = answer["next"]
    return [row for row in rows if row["psid"] in psids]


@pytest.fixture
def in_sandbox(demo: RunningDesk) -> Rows:
    """Return the sandbox's messages between the demo's customers and the demo's Page, by mid."""
    conversations = [
        each
        for each in demo.sandbox.world()["conversations"]
        if each["page"] == BERG_BIKES and each["customer"] in HISTORY
    ]
    return {line["mid"]: {**line, "psid": one["psid"]} for one in conversations for line in one["messages"]}


@pytest.fixture
def messages(demo: RunningDesk, in_sandbox: Rows) -> Rows:
    """Wait until all files are fetched, then return Desk's messages of the same customers, by mid."""
    psids = {line["psid"] for line in in_sandbox.values()}

    def fetched() -> list[dict[str, Any]] | None:
        rows = all_messages(demo, psids)
        return None if any(file["state"] == "pending" for row in rows for file in row["attachments"]) else rows

    rows = demo.wait_for(fetched, "the files of the demo are fetched")
    return {row["mid"]: row for row in rows if row["mid"]}


def test_both_sides_have_the_same_messages_of_the_same_people_at_the_same_time(
    messages: Rows, in_sandbox: Rows
) -> None:
    assert set(messages) == set(in_sandbox)
    assert len(messages) > 40
    for mid, line in in_sandbox.items():
        sent_at = datetime.fromtimestamp(line["ts"] / 1000, UTC).isoformat(timespec="milliseconds")
        seen = messages[mid]
        assert (seen["psid"], seen["text"]) == (line["psid"], line["text"] or "")
        assert seen["sent_at"] == sent_at.replace("+00:00", "Z")


def test_replies_have_the_same_authors(messages: Rows, in_sandbox: Rows) -> None:
    authors = {mid: line["author"] for mid, line in in_sandbox.items() if line["author"]}
    assert set(authors.values()) == {"alice", "bob"}
    assert {mid: messages[mid]["author"] for mid in authors} == authors


def test_there_are_a_picture_a_pdf_a_reaction_and_a_quoted_message(messages: Rows) -> None:
    files = [file for row in messages.values() for file in row["attachments"]]
    assert {(file["kind"], file["content_type"]) for file in files if file["state"] == "stored"} == {
        ("image", "image/jpeg"),
        ("document", "application/pdf"),
    }
    assert [row for row in messages.values() if row["reactions"]]
    assert [row for row in messages.values() if row["reply_to"] in messages]


def test_a_second_run_adds_nothing(demo: RunningDesk, messages: Rows) -> None:
    demo.manage("demo_data")
    assert "The demo data already exist." in demo.log.getvalue()
    again = all_messages(demo, {row["psid"] for row in messages.values()})
    assert {row["mid"] for row in again if row["mid"]} == set(messages)
