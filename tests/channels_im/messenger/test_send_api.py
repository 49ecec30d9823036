import io
import json
from typing import Any

import pytest
import requests
import responses
from pytest_django import Settings
from responses import matchers

from channels_im.messenger.errors import ErrorKind, GraphError, GraphOutcomeUnknown
from channels_im.messenger.send_api import send_file, send_text, sender_action
from channels_im.messenger.send_policy import HUMAN_AGENT, RESPONSE, SendPolicy
from tests.calls import options_of

URL = "https://graph.facebook.com/v27.0/1010/messages"
ANSWER = {"recipient_id": "7001", "message_id": "m_xyz"}


def sent(graph: responses.RequestsMock) -> dict[str, Any]:
    return json.loads(graph.calls[0].request.body or b"")


def test_a_text_is_sent_as_the_page(graph: responses.RequestsMock) -> None:
    graph.post(URL, json=ANSWER)
    result = send_text("tok", "1010", "7001", "Grüße 👋", policy=RESPONSE, metadata="desk:5", reply_to_mid="m_1")
    assert (result.mid, result.recipient_id) == ("m_xyz", "7001")
    assert sent(graph) == {
        "recipient": {"id": "7001"},
        "messaging_type": "RESPONSE",
        "message": {"text": "Grüße 👋", "metadata": "desk:5"},
        "reply_to": {"mid": "m_1"},
    }


def test_a_late_answer_carries_the_tag_and_no_quote(graph: responses.RequestsMock) -> None:
    graph.post(URL, json=ANSWER)
    send_text("tok", "1010", "7001", "hi", policy=HUMAN_AGENT, metadata="desk:5", reply_to_mid="m_1")
    assert (sent(graph)["messaging_type"], sent(graph)["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
    assert "reply_to" not in sent(graph)


def test_without_a_tag_none_is_sent(graph: responses.RequestsMock) -> None:
    graph.post(URL, json=ANSWER)
    send_text("tok", "1010", "7001", "hi", policy=SendPolicy("UPDATE"), metadata="desk:5")
    assert "tag" not in sent(graph)


def test_a_file_is_uploaded_with_the_message_in_one_call(graph: responses.RequestsMock) -> None:
    message = {"attachment": {"type": "image", "payload": {}}, "metadata": "desk:6"}
    graph.post(
        URL,
        json=ANSWER,
        match=[
            matchers.multipart_matcher(
                {"filedata": ("Foto 1.png", b"\x89PNG bytes", "image/png")},
                {
                    "recipient": '{"id": "7001"}',
                    "messaging_type": "RESPONSE",
                    "reply_to": '{"mid": "m_1"}',
                    "message": json.dumps(message),
                },
            )
        ],
    )
    file = io.BytesIO(b"\x89PNG bytes")
    file.read()
    result = send_file(
        "tok",
        "1010",
        "7001",
        file=file,
        filename="Foto 1.png",
        content_type="image/png",
        attachment_type="image",
        policy=RESPONSE,
        metadata="desk:6",
        reply_to_mid="m_1",
    )
    assert result.mid == "m_xyz"


def test_a_file_name_cannot_break_out_of_its_part(graph: responses.RequestsMock) -> None:
    graph.post(URL, json=ANSWER)
    send_file(
        "tok",
        "1010",
        "7001",
        file=io.BytesIO(b"x"),
        filename='a"\r\nX-Evil: 1.pdf',
        content_type="application/pdf",
        attachment_type="file",
        policy=RESPONSE,
        metadata="desk:6",
    )
    body = graph.calls[0].request.body
    assert isinstance(body, bytes)
    assert b"\r\nX-Evil" not in body


def test_an_upload_is_given_more_time(graph: responses.RequestsMock, settings: Settings) -> None:
    settings.META_TIMEOUT_SECONDS = 3
    waits = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        waits.append(options_of(request)["timeout"])
        return 200, {}, json.dumps(ANSWER)

    graph.add_callback("POST", URL, answer)
    common: dict[str, Any] = {"policy": RESPONSE, "metadata": "desk:6"}
    send_text("tok", "1010", "7001", "hi", **common)
    upload: dict[str, Any] = {
        "file": io.BytesIO(b"x"),
        "filename": "a",
        "content_type": "a/b",
        "attachment_type": "file",
    }
    send_file("tok", "1010", "7001", **upload, **common)
    assert waits == [(3, 3), (12, 12)]


@pytest.mark.parametrize("answer", [{}, {"recipient_id": "7001"}, {"message_id": None}, {"message_id": {}}])
def test_an_answer_without_a_message_id_is_of_unknown_outcome(graph: responses.RequestsMock, answer: Any) -> None:
    graph.post(URL, json=answer)
    with pytest.raises(GraphOutcomeUnknown):
        send_text("tok", "1010", "7001", "hi", policy=RESPONSE, metadata="desk:5")


def test_the_recipient_may_be_missing_from_the_answer(graph: responses.RequestsMock) -> None:
    graph.post(URL, json={"message_id": "m_1"})
    assert send_text("tok", "1010", "7001", "hi", policy=RESPONSE, metadata="desk:5").recipient_id is None


def test_a_refusal_is_raised_with_its_verdict(graph: responses.RequestsMock) -> None:
    graph.post(URL, json={"error": {"code": 10, "error_subcode": 2018278, "type": "OAuthException"}}, status=400)
    with pytest.raises(GraphError) as caught:
        send_text("tok", "1010", "7001", "hi", policy=RESPONSE, metadata="desk:5")
    assert caught.value.verdict.kind is ErrorKind.WINDOW_CLOSED


def test_a_sender_action_goes_alone_with_the_recipient(graph: responses.RequestsMock) -> None:
    graph.post(URL, json={"recipient_id": "7001"})
    sender_action("tok", "1010", "7001", "mark_seen")
    assert sent(graph) == {"recipient": {"id": "7001"}, "sender_action": "mark_seen"}


def test_a_reaction_names_its_message(graph: responses.RequestsMock) -> None:
    graph.post(URL, json={"recipient_id": "7001"})
    sender_action("tok", "1010", "7001", "react", {"message_id": "m_1", "reaction": "love"})
    assert sent(graph)["payload"] == {"message_id": "m_1", "reaction": "love"}
