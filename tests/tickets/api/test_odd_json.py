"""Half a character in JSON, which no answer could repeat, is refused wherever it stands."""

import pytest
from rest_framework.test import APIClient

from tests import factories
from tickets.services.inbox import saved_views

from .conftest import Shop, client_of

HALF = r'"\ud800"'


@pytest.fixture
def admin(shop: Shop) -> APIClient:
    client = client_of(factories.make_admin())
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("views", '{"name": "One", "base": HALF}'),
        ("views", '{"name": "One", "order": HALF}'),
        ("views", '{"name": "One", "audience": HALF}'),
        ("views", '{"name": "One", "filter": {HALF: 1}}'),
        ("views", '{"name": "One", "filter": {"assignee": [HALF]}}'),
        ("macros", '{"name": "One", "actions": [{"do": HALF}]}'),
        ("macros", '{"name": "One", "actions": [{"do": "assign", "to": "agent", "agent": HALF}]}'),
        ("labels", '{"name": "One", "color": HALF}'),
        ("notes", '{"conversation": HALF, "text": "One"}'),
        ("scheduled-replies", '{"conversation": 1, "send_at": HALF}'),
    ],
)
def test_half_a_character_is_refused_with_a_sentence(admin: APIClient, address: str, body: str) -> None:
    for half in (HALF, HALF.upper().replace("\\U", "\\u"), r'"\udfff\ud83d"'):
        answer = admin.post(f"/api/v1/{address}/", body.replace("HALF", half), content_type="application/json")
        assert answer.status_code == 400
        assert "half a character" in answer.json()["detail"]


def test_a_whole_character_in_two_halves_is_text(admin: APIClient) -> None:
    body = r'{"name": "Urgent \ud83d\ude00"}'
    answer = admin.post("/api/v1/views/", body, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json()["name"] == "Urgent 😀"


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("views", {"name": "One", "audience": "department", "department": "a\0b"}),
        ("macros", {"name": "One", "department": "a\0b", "actions": [{"do": "close"}]}),
        ("macros", {"name": "One", "actions": [{"do": "assign", "to": "agent", "agent": "a\0b"}]}),
        ("labels", {"name": "One", "department": "a\0b"}),
        ("conversations/{pk}/assign", {"assignee": "a\0b"}),
        ("conversations/{pk}/transfer", {"department": "a\0b"}),
        ("notes", {"conversation": 1, "text": "One", "mention_departments": [2**63]}),
    ],
)
def test_a_name_that_no_row_can_have_is_refused(
    admin: APIClient, shop: Shop, address: str, body: dict[str, object]
) -> None:
    answer = admin.post(f"/api/v1/{address.format(pk=shop.conversation.pk)}/", body, format="json")
    assert answer.status_code == 400


def test_a_key_that_no_field_can_have_is_refused(admin: APIClient, shop: Shop) -> None:
    address = f"/api/v1/contacts/{shop.conversation.contact_id}/"
    answer = admin.patch(address, {"fields": {"a\0b": "One"}}, format="json")
    assert answer.status_code in (400, 409)
    assert "There is no field" in str(answer.json())


@pytest.mark.parametrize("body", [b'{"name": "\xff\xfe"}', '{"name": "One"}'.encode("utf-16")])
def test_another_encoding_is_refused_with_a_sentence(admin: APIClient, body: bytes) -> None:
    answer = admin.post("/api/v1/views/", body, content_type="application/json")
    assert (answer.status_code, answer.json()) == (400, {"detail": "The JSON is not text in UTF-8."})


def test_a_value_that_no_check_has_refused_is_no_error_of_the_server(
    admin: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflow(*_given: object, **_named: object) -> None:
        raise OverflowError("Python int too large to convert to SQLite INTEGER")

    monkeypatch.setattr(saved_views, "save", overflow)
    answer = admin.post("/api/v1/views/", {"name": "One"}, format="json")
    assert answer.status_code == 400
    assert "cannot be stored" in answer.json()["detail"]
