"""A reply through the API: the same rules and rows as from the composer."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from channels_im.models import MessageTemplate
from tests import factories
from tests.factories import NOON
from tests.http import ApiResponse
from tickets.models import AssignmentSettings, Attachment, Message

from .conftest import Shop, body_of, client_of

ADDRESS = "/api/v1/messages/"


@pytest.fixture(autouse=True)
def _an_hour_later() -> Iterator[None]:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        yield


def send(client: APIClient, shop: Shop, text: str = "On its way", **fields: Any) -> ApiResponse:
    headers = fields.pop("headers", {})
    body = {"conversation": shop.conversation.pk, "text": text, **fields}
    return client.post(ADDRESS, body, format="json", headers=headers)


def picture(name: str = "parcel.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, factories.png(), "image/png")


def sent() -> list[Message]:
    return list(Message.objects.filter(direction="out").order_by("id"))


def test_a_text_is_queued_and_given_back(shop: Shop, alice: APIClient) -> None:
    answer = send(alice, shop, "On its way 🚚")
    assert answer.status_code == 201
    [message] = sent()
    assert answer.json() == {
        "results": [
            {
                "id": message.pk,
                "conversation": shop.conversation.pk,
                "ticket": shop.message.ticket_id,
                "page_id": shop.channel.page.page_id,
                "psid": "7001",
                "mid": None,
                "direction": "out",
                "kind": "message",
                "author": "alice",
                "text": "On its way 🚚",
                "sent_at": "2026-11-20T13:00:00.000Z",
                "state": "queued",
                "reason": None,
                "reply_to": None,
                "reactions": [],
                "edited_at": None,
                "withdrawn_at": None,
                "recovered": False,
                "imported": False,
                "card": None,
                "cards": [],
                "attachments": [],
                "sticker_id": None,
                "template": None,
                "mentions": [],
                "macro": None,
            }
        ]
    }
    assert alice.get(f"{ADDRESS}{message.pk}/").json() == answer.json()["results"][0]


def test_text_and_files_become_one_message_each_in_order(shop: Shop, alice: APIClient) -> None:
    body = {"conversation": shop.conversation.pk, "text": "Look", "files": [picture("a.png"), picture("b.png")]}
    answer = alice.post(ADDRESS, body, format="multipart")
    assert answer.status_code == 201
    results = answer.json()["results"]
    assert [(row["text"], [file["name"] for file in row["attachments"]]) for row in results] == [
        ("Look", []),
        ("", ["a.png"]),
        ("", ["b.png"]),
    ]
    [attachment] = results[1]["attachments"]
    assert (attachment["kind"], attachment["content_type"], attachment["state"]) == ("image", "image/png", "stored")
    assert body_of(alice.get(attachment["url"])) == factories.png()


def test_a_file_needs_no_text(shop: Shop, alice: APIClient) -> None:
    body = {"conversation": shop.conversation.pk, "files": picture()}
    assert len(alice.post(ADDRESS, body, format="multipart").json()["results"]) == 1


def test_a_reply_names_the_message_it_answers(shop: Shop, alice: APIClient) -> None:
    assert send(alice, shop, reply_to="m_first").json()["results"][0]["reply_to"] == "m_first"


def test_a_reply_to_a_message_of_elsewhere_is_refused(shop: Shop, alice: APIClient) -> None:
    factories.receive(factories.make_conversation(shop.channel), mid="m_elsewhere")
    answer = send(alice, shop, reply_to="m_elsewhere")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_possible")
    assert sent() == []


@pytest.mark.parametrize("how", ["header", "field", "both"])
def test_the_same_key_twice_is_one_reply(shop: Shop, alice: APIClient, how: str) -> None:
    key = "order-17-shipped"
    request: dict[str, Any] = {}
    if how != "field":
        request["headers"] = {"Idempotency-Key": key}
    if how != "header":
        request["client_key"] = key
    first, second = send(alice, shop, **request), send(alice, shop, **request)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(sent()) == 1


def test_the_same_key_with_files_is_one_reply(shop: Shop, alice: APIClient) -> None:
    answers = []
    for _ in range(2):
        body = {"conversation": shop.conversation.pk, "text": "Look", "files": [picture()], "client_key": "k"}
        answers.append(alice.post(ADDRESS, body, format="multipart").json())
    assert answers[0] == answers[1]
    assert len(sent()) == 2
    assert Attachment.objects.count() == 1


def test_a_key_in_the_header_that_is_another_than_the_fields_is_refused(shop: Shop, alice: APIClient) -> None:
    answer = send(alice, shop, client_key="a", headers={"Idempotency-Key": "b"})
    assert (answer.status_code, list(answer.json())) == (400, ["client_key"])


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(shop: Shop, alice: APIClient, key: str) -> None:
    assert send(alice, shop, headers={"Idempotency-Key": key}).status_code == 400
    assert send(alice, shop, headers={"Idempotency-Key": "k" * 255}).status_code == 201


def test_without_a_key_the_same_text_twice_is_two_replies(shop: Shop, alice: APIClient) -> None:
    send(alice, shop)
    send(alice, shop)
    assert len(sent()) == 2


def test_1600_characters_are_taken_and_1601_refused_whole(shop: Shop, alice: APIClient) -> None:
    assert send(alice, shop, "🚚" * 1600).status_code == 201
    answer = send(alice, shop, "🚚" * 1601)
    assert (answer.status_code, answer.json()["code"]) == (422, "text_too_long")
    assert "1,600" in answer.json()["detail"]
    assert len(sent()) == 1


@pytest.mark.parametrize("text", ["", "  \n\t", "\u200b"])
def test_nothing_visible_is_refused(shop: Shop, alice: APIClient, text: str) -> None:
    answer = send(alice, shop, text)
    assert (answer.status_code, answer.json()["code"]) == (422, "text_blank")


@pytest.mark.parametrize(
    ("name", "content"), [("page.html", b"<script>"), ("cat.pdf", factories.png()), ("empty.pdf", b"")]
)
def test_a_file_that_may_not_be_sent_refuses_the_whole_reply(
    shop: Shop, alice: APIClient, name: str, content: bytes
) -> None:
    body = {
        "conversation": shop.conversation.pk,
        "text": "Look",
        "files": [picture(), SimpleUploadedFile(name, content)],
    }
    answer = alice.post(ADDRESS, body, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, "file_refused")
    assert name in answer.json()["detail"]
    assert sent() == []


def deactivate(shop: Shop) -> None:
    shop.channel.is_active = False
    shop.channel.save(update_fields=["is_active"])


def delete(shop: Shop) -> None:
    shop.channel.is_active, shop.channel.deleted_at = False, NOON
    shop.channel.save(update_fields=["is_active", "deleted_at"])


def lose_the_permission(shop: Shop) -> None:
    page = shop.channel.page
    page.connection, page.reauth_reason = "reauth_required", "permission_revoked"
    page.save(update_fields=["connection", "reauth_reason"])


def block(shop: Shop) -> None:
    shop.conversation.contact.blocked_at = NOON
    shop.conversation.contact.save(update_fields=["blocked_at"])


def wait_for_a_week(shop: Shop) -> None:
    shop.conversation.last_customer_message_at = NOON - timedelta(days=7)
    shop.conversation.save(update_fields=["last_customer_message_at"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (deactivate, "channel_inactive"),
        (delete, "channel_deleted"),
        (lose_the_permission, "reauth_required"),
        (block, "contact_blocked"),
        (wait_for_a_week, "window_closed"),
    ],
)
def test_what_the_composer_would_refuse_is_refused_with_its_reason(
    shop: Shop, alice: APIClient, change: Callable[[Shop], None], code: str
) -> None:
    change(shop)
    answer = send(alice, shop)
    assert answer.status_code == 409
    assert list(answer.json()) == ["detail", "code"]
    assert answer.json()["code"] == code
    assert answer.json()["detail"].endswith(".")
    assert sent() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "conversation"),
        ({"conversation": None}, "conversation"),
        ({"conversation": "abc"}, "conversation"),
        ({"conversation": -1}, "conversation"),
        ({"conversation": 2**63}, "conversation"),
        ({"conversation": [1]}, "conversation"),
        ({"text": None}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": {"a": 1}}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"reply_to": "m" * 256}, "reply_to"),
        ({"client_key": "k" * 256}, "client_key"),
        ({"files": ["cat.png"]}, "files"),
        ({"files": "cat.png"}, "files"),
        ({"files": {"a": 1}}, "files"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused_with_a_sentence(
    shop: Shop, alice: APIClient, body: dict[str, Any], field: str
) -> None:
    if field != "conversation":
        body = {"conversation": shop.conversation.pk, "text": "Hi"} | body
    answer = alice.post(ADDRESS, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    [sentence] = answer.json()[field]
    assert sentence.endswith(".")
    assert sent() == []


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "5", "null", '"text"', "[" * 5000, b"\xff\xfe", '{"conversation": NaN}']
)
def test_a_body_that_is_no_json_object_is_refused_with_a_sentence(
    shop: Shop, alice: APIClient, body: str | bytes
) -> None:
    answer = alice.post(ADDRESS, body, content_type="application/json")
    assert answer.status_code == 400
    assert all(answer.json().values())


def test_only_json_and_multipart_are_understood(shop: Shop, alice: APIClient) -> None:
    answer = alice.post(ADDRESS, "conversation=1&text=Hi", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert answer.json()["detail"].endswith(".")


def test_a_multipart_body_that_is_cut_off_is_refused(shop: Shop, alice: APIClient) -> None:
    answer = alice.post(ADDRESS, b"--x\r\nConte", content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert alice.post(ADDRESS, b"--x--", content_type="multipart/form-data").status_code == 400


def test_more_files_than_django_takes_are_refused_with_a_sentence(shop: Shop, alice: APIClient) -> None:
    body = {"conversation": shop.conversation.pk, "files": [picture(f"{number}.png") for number in range(101)]}
    answer = alice.post(ADDRESS, body, format="multipart")
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


def test_a_json_body_over_the_limit_is_refused_unread(shop: Shop, alice: APIClient, settings: Settings) -> None:
    answer = send(alice, shop, "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])


def test_a_multipart_text_over_the_limit_is_refused(shop: Shop, alice: APIClient, settings: Settings) -> None:
    body = {"conversation": shop.conversation.pk, "text": "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
    answer = alice.post(ADDRESS, body, format="multipart")
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])


def test_an_administrator_replies_in_any_conversation(shop: Shop) -> None:
    answer = send(client_of(factories.make_admin()), shop)
    assert answer.json()["results"][0]["author"] == "admin"


def test_a_conversation_that_is_not_there_is_not_found(alice: APIClient) -> None:
    answer = alice.post(ADDRESS, {"conversation": 987654, "text": "Hi"}, format="json")
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(".")


def test_a_sticker_is_sent_alone(shop: Shop, alice: APIClient) -> None:
    answer = send(alice, shop, "", sticker_id="369239263222822")
    assert answer.status_code == 201
    [message] = answer.json()["results"]
    assert (message["sticker_id"], message["text"]) == ("369239263222822", "")
    assert send(alice, shop, "with words", sticker_id="369239263222822").status_code == 422
    assert len(sent()) == 1


def test_a_template_is_listed_and_sent_where_the_window_is_shut(shop: Shop, alice: APIClient) -> None:
    page = shop.channel.page
    make = MessageTemplate.objects.create
    stored = make(
        page=page, name="shipped", language="en", body="Hi {{1}}: {{2}}", buttons=["Thanks"], state="approved"
    )
    make(page=page, name="sale", language="en", body="Sale!", state="rejected", reason="PROMOTIONAL")
    make(page=factories.make_page("555"), name="other", language="en", body="Other", state="approved")
    listed = alice.get("/api/v1/templates/", {"state": "approved"}).json()["results"]
    assert listed == [
        {
            "id": stored.pk,
            "page_id": page.page_id,
            "name": "shipped",
            "language": "en",
            "category": "",
            "body": "Hi {{1}}: {{2}}",
            "placeholders": ["1", "2"],
            "buttons": ["Thanks"],
            "state": "approved",
            "reason": None,
        }
    ]
    shop.conversation.last_customer_message_at = NOON - timedelta(days=30)
    shop.conversation.save(update_fields=["last_customer_message_at"])
    assert send(alice, shop).status_code == 409
    use = {"name": "shipped", "language": "en", "values": ["Maria", "it is on its way"]}
    answer = send(alice, shop, "", template=use)
    assert answer.status_code == 201
    [message] = answer.json()["results"]
    assert (message["text"], message["template"], message["state"]) == ("Hi Maria: it is on its way", use, "queued")
    for wrong in (use | {"values": ["Maria"]}, use | {"name": "sale", "values": []}):
        refused = send(alice, shop, "", template=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "template_refused")
    assert send(alice, shop, "words", template=use).status_code == 422


def test_a_reply_assigns_the_conversation_where_its_department_wants_that(shop: Shop, alice: APIClient) -> None:
    def assignee() -> str | None:
        return alice.get(f"/api/v1/conversations/{shop.conversation.pk}/").json()["assignee"]

    assert (send(alice, shop).status_code, assignee()) == (201, None)  # nobody is there to be asked
    AssignmentSettings.objects.create(department=shop.channel.department, on_reply="always")
    assert (send(alice, shop).status_code, assignee()) == (201, "alice")
