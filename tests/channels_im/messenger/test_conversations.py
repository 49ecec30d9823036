from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import matchers

from channels_im.messenger.conversations import read_message, recent_messages
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.messenger.graph_messages import GraphAttachment
from tests.calls import params_of

BASE = "https://graph.facebook.com/v27.0"


def row(mid: str, at: str = "2026-07-12T19:11:07+0000", sender: str = "7001", **more: Any) -> dict[str, Any]:
    return {"id": mid, "created_time": at, "from": {"id": sender, "name": "N"}, "message": "hi", **more}


def answering(graph: responses.RequestsMock, *rows: Any) -> None:
    graph.get(f"{BASE}/1010/conversations", json={"data": [{"id": "t_1", "messages": {"data": list(rows)}}]})


def test_the_thread_of_one_person_is_asked_for_in_one_call(graph: responses.RequestsMock) -> None:
    match = matchers.query_param_matcher({"platform": "messenger", "user_id": "7001"}, strict_match=False)
    graph.get(f"{BASE}/1010/conversations", json={"data": []}, match=[match])
    assert recent_messages("1010", "7001", "tok") == []
    assert "messages.limit(20){id,created_time" in params_of(graph.calls[0].request)["fields"]


def test_messages_come_newest_first_with_time_side_and_text(graph: responses.RequestsMock) -> None:
    answering(graph, row("m_1"), row("m_2", "2026-07-12T21:11:08+0200", sender="1010", message=""))
    newest, oldest = recent_messages("1010", "7001", "tok")
    assert (newest.mid, newest.from_page, newest.text) == ("m_2", True, "")
    assert newest.created_at == datetime(2026, 7, 12, 19, 11, 8, tzinfo=UTC)
    assert (oldest.mid, oldest.from_page, oldest.text) == ("m_1", False, "hi")


def test_files_come_with_a_fresh_address(graph: responses.RequestsMock) -> None:
    files = [
        {"id": "1", "mime_type": "application/pdf", "name": "a.pdf", "size": 5, "file_url": "https://cdn.fbsbx.com/a"},
        {"id": "2", "mime_type": "image/jpeg", "image_data": {"url": "https://scontent.xx.fbcdn.net/b"}},
        {"id": "3", "video_data": {"url": "https://video.xx.fbcdn.net/c"}},
        {"id": "4"},
        5,
    ]
    answering(graph, row("m_1", attachments={"data": files}, sticker="https://scontent.xx.fbcdn.net/s"))
    (message,) = recent_messages("1010", "7001", "tok")
    assert message.attachments == (
        GraphAttachment("https://cdn.fbsbx.com/a", "a.pdf", "application/pdf", 5),
        GraphAttachment("https://scontent.xx.fbcdn.net/b", None, "image/jpeg"),
        GraphAttachment("https://video.xx.fbcdn.net/c"),
        GraphAttachment("https://scontent.xx.fbcdn.net/s"),
    )


@pytest.mark.parametrize("junk", [None, 5, {}, {"id": "m"}, row("m", at="yesterday"), row("", sender="1")])
def test_a_message_that_makes_no_sense_does_not_hide_its_neighbours(graph: responses.RequestsMock, junk: Any) -> None:
    answering(graph, row("m_1"), junk, row("m_2"))
    assert {message.mid for message in recent_messages("1010", "7001", "tok")} == {"m_1", "m_2"}


@pytest.mark.parametrize("data", [None, 5, [5], [{"messages": 5}], [{"messages": {"data": 5}}]])
def test_a_thread_that_makes_no_sense_is_empty(graph: responses.RequestsMock, data: Any) -> None:
    graph.get(f"{BASE}/1010/conversations", json={"data": data})
    assert recent_messages("1010", "7001", "tok") == []


def test_one_message_is_read_again_by_its_id(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/m_1%3D", json=row("m_1="))
    message = read_message("m_1=", "1010", "tok")
    assert message is not None
    assert message.mid == "m_1="


def test_a_message_older_than_the_newest_20_is_refused_for_good(graph: responses.RequestsMock) -> None:
    graph.get(f"{BASE}/m_1", json={"error": {"code": 100, "error_subcode": 9000001}}, status=400)
    with pytest.raises(GraphError) as caught:
        read_message("m_1", "1010", "tok")
    assert caught.value.verdict.kind is ErrorKind.PERMANENT
