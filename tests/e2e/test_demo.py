"""The demo data: Desk and the sandbox agree on everything that was said."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.stage import Desk

pytestmark = pytest.mark.processes
BERG_BIKES = "101000000000001"


@pytest.fixture(scope="module")
def messages(demo: Desk) -> dict[str, dict[str, Any]]:
    """The messages of the demo channel as the API shows them to alice, by mid, when all files are fetched."""
    headers = {"Authorization": f"Token {demo.token('alice')}"}

    def fetched() -> list[dict[str, Any]] | None:
        answer = demo.http.get(f"{demo.url}/api/v1/messages/?page_size=200", headers=headers, timeout=10)
        rows = answer.json()["results"]
        return None if any(file["state"] == "pending" for row in rows for file in row["attachments"]) else rows

    rows = demo.wait_for(fetched, "the files of the demo are fetched")
    return {row["mid"]: row for row in rows if row["mid"]}


@pytest.fixture(scope="module")
def told(demo: Desk) -> dict[str, dict[str, Any]]:
    """The same as the sandbox has it, by mid."""
    world = demo.http.get(f"{demo.sandbox_url}/_sandbox/world", timeout=10).json()
    ours = [conversation for conversation in world["conversations"] if conversation["page"] == BERG_BIKES]
    return {line["mid"]: {**line, "psid": one["psid"]} for one in ours for line in one["messages"]}


def test_both_sides_have_the_same_messages_of_the_same_people_at_the_same_time(messages, told):
    assert set(messages) == set(told)
    assert len(messages) > 40
    for mid, line in told.items():
        sent_at = datetime.fromtimestamp(line["ts"] / 1000, UTC).isoformat(timespec="milliseconds")
        seen = messages[mid]
        assert (seen["psid"], seen["text"]) == (line["psid"], line["text"] or "")
        assert seen["sent_at"] == sent_at.replace("+00:00", "Z")


def test_what_agents_said_is_theirs(messages, told):
    authors = {mid: line["author"] for mid, line in told.items() if line["author"]}
    assert set(authors.values()) == {"alice", "bob"}
    assert {mid: messages[mid]["author"] for mid in authors} == authors


def test_there_are_a_picture_a_pdf_a_reaction_and_a_quoted_message(messages):
    files = [file for row in messages.values() for file in row["attachments"]]
    assert {(file["kind"], file["content_type"]) for file in files if file["state"] == "stored"} == {
        ("image", "image/jpeg"),
        ("document", "application/pdf"),
    }
    assert [row for row in messages.values() if row["reactions"]]
    assert [row for row in messages.values() if row["reply_to"] in messages]


def test_a_second_run_adds_nothing(demo, messages):
    demo.manage("demo_data")
    assert "The demo data already exist." in demo.log.getvalue()
    headers = {"Authorization": f"Token {demo.token('alice')}"}
    again = demo.http.get(f"{demo.url}/api/v1/messages/?page_size=200", headers=headers, timeout=10).json()["results"]
    assert {row["mid"] for row in again if row["mid"]} == set(messages)
