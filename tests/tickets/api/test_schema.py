"""The OpenAPI description is whole, and the answers are as it says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from desk import __version__
from tests import factories
from tickets.api.schema_page import SchemaView

from .conftest import Shop, client_of
from .test_actions import ACTIONS, CHOICES


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    answer = Client().get("/api/schema/?format=json")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.slow
def test_the_description_is_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yml"))


def test_the_description_has_the_version_of_desk(schema: dict[str, Any]) -> None:
    assert schema["info"]["version"] == __version__


@pytest.mark.slow
def test_the_description_is_public_and_valid(schema: dict[str, Any]) -> None:
    validate_schema(schema)


@pytest.mark.slow
def test_the_description_is_generated_once_for_each_format(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = SchemaView.generator_class
    made: list[str] = []

    class Counted(generator):  # type: ignore[misc, valid-type]
        def get_schema(self, *args: Any, **kwargs: Any) -> Any:
            made.append("one")
            return super().get_schema(*args, **kwargs)

    monkeypatch.setattr(SchemaView, "generator_class", Counted)
    monkeypatch.setattr(SchemaView, "_generated", {})
    answers = [Client().get(f"/api/schema/?lang=de&n={number}") for number in range(3)]
    as_json = [Client().get("/api/schema/?format=json") for _ in range(2)]
    assert len(made) == 2
    assert {answer.content for answer in answers} == {answers[0].content}
    assert as_json[1].json()["paths"].keys() == yaml.safe_load(answers[0].content)["paths"].keys()
    unchanged = Client().get("/api/schema/", headers={"If-None-Match": answers[0].headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_every_route_is_described(schema: dict[str, Any]) -> None:
    operations = {f"{method} {path}" for path, methods in schema["paths"].items() for method in methods}
    lists = ["channels", "conversations", "tickets", "messages", "contacts", "erasures", "departments", "agents"]
    lists += ["canned-replies", "contact-notes", "fields", "labels", "macros", "mentions", "scheduled-replies"]
    lists += ["templates", "views", "webhooks"]
    assert operations == {
        "get /api/v1/attachments/{id}/content/",
        "get /api/v1/canned-reply-files/{id}/content/",
        *(f"get /api/v1/{name}/" for name in lists),
        *(f"get /api/v1/{name}/{{id}}/" for name in lists),
        *(f"post /api/v1/conversations/{{id}}/{action}/" for action in ACTIONS),
        *(f"post /api/v1/messages/{{id}}/{choice}/" for choice in CHOICES),
        "patch /api/v1/contacts/{id}/",
        "patch /api/v1/tickets/{id}/",
        "get /api/v1/tickets/{id}/related/",
        *(
            f"post /api/v1/tickets/{{id}}/{action}/"
            for action in ("close", "reopen", "split", "merge", "undo", "related", "unrelate")
        ),
        "get /api/v1/scheduled-reply-files/{id}/content/",
        "post /api/v1/scheduled-replies/",
        "patch /api/v1/scheduled-replies/{id}/",
        "delete /api/v1/scheduled-replies/{id}/",
        "post /api/v1/scheduled-replies/{id}/send/",
        "post /api/v1/labels/",
        "post /api/v1/contact-notes/",
        "patch /api/v1/contact-notes/{id}/",
        "delete /api/v1/contact-notes/{id}/",
        "post /api/v1/contacts/{id}/merge/",
        "post /api/v1/contacts/{id}/separate/",
        "patch /api/v1/labels/{id}/",
        "delete /api/v1/labels/{id}/",
        "post /api/v1/canned-replies/",
        "post /api/v1/canned-replies/{id}/files/",
        "patch /api/v1/canned-replies/{id}/",
        "delete /api/v1/canned-replies/{id}/",
        "post /api/v1/webhooks/",
        "patch /api/v1/webhooks/{id}/",
        "delete /api/v1/webhooks/{id}/",
        "post /api/v1/webhooks/{id}/rotate/",
        "post /api/v1/webhooks/{id}/test/",
        "post /api/v1/views/",
        "patch /api/v1/views/{id}/",
        "delete /api/v1/views/{id}/",
        "post /api/v1/macros/",
        "patch /api/v1/macros/{id}/",
        "delete /api/v1/macros/{id}/",
        "patch /api/v1/notes/{id}/",
        "delete /api/v1/notes/{id}/",
        "post /api/v1/contacts/{id}/erase/",
        "post /api/v1/contacts/{id}/export/",
        "patch /api/v1/departments/{id}/",
        "patch /api/v1/agents/{id}/",
        "post /api/v1/messages/",
        "post /api/v1/notes/",
    }


@pytest.mark.parametrize("name", ["channel", "conversation", "ticket", "message"])
def test_an_answer_has_the_fields_the_description_promises(
    schema: dict[str, Any], shop: Shop, alice: APIClient, name: str
) -> None:
    factories.answer(shop.conversation, state="failed", reason="It failed.")
    promised = schema["components"]["schemas"][name.capitalize()]
    for row in alice.get(f"/api/v1/{name}s/").json()["results"]:
        assert set(row) == set(promised["properties"]) == set(promised["required"])
        for field, value in row.items():
            assert value is not None or promised["properties"][field].get("nullable"), field


def test_every_operation_has_a_readable_name_a_description_and_its_errors(schema: dict[str, Any]) -> None:
    operations = [(f"{method} {path}", one) for path, ways in schema["paths"].items() for method, one in ways.items()]
    names = [one["operationId"] for _, one in operations]
    assert len(set(names)) == len(names)
    for place, one in operations:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", one["operationId"]), place
        assert one["summary"], place
        assert one["description"].split("\n\nNeeds a token")[0].strip(" ."), place
        wanted = {"401", "403", "429", "503"}
        if "{id}" in place:
            wanted.add("404")
        if "requestBody" in one or any(p["name"] == "cursor" for p in one.get("parameters", ())):
            wanted.add("400")
        if any(p["name"] == "If-Match" for p in one.get("parameters", ())):
            wanted.add("412")
        assert wanted <= one["responses"].keys(), (place, wanted - one["responses"].keys())
        assert all("Retry-After" in one["responses"][code]["headers"] for code in ("429", "503")), place
        if place.startswith("post /api/v1/conversations/") and "/export/" not in place:
            assert "409" in one["responses"], place


def test_what_a_reader_by_mention_and_an_erasure_are_answered_is_described(schema: dict[str, Any], shop: Shop) -> None:
    note = {"conversation": shop.conversation.pk, "text": "?", "mention_agents": [shop.charlie.agent.pk]}
    client_of(shop.alice).post("/api/v1/notes/", {**note, "give_access": note["mention_agents"]}, format="json")
    reader = client_of(shop.charlie)
    ticket = shop.conversation.current_ticket_id
    asked = [
        ("/api/v1/conversations/{id}/export/", shop.conversation.pk, {}),
        ("/api/v1/tickets/{id}/related/", ticket, {"ticket": 2**40}),
    ]
    answers = [(path, reader.post(path.format(id=pk), fields, format="json")) for path, pk, fields in asked]
    shop.conversation.contact.erased_at = timezone.now()
    shop.conversation.contact.save()
    answers.append(("/api/v1/notes/", client_of(shop.alice).post("/api/v1/notes/", note, format="json")))
    for path, answer in answers:
        assert answer.status_code == 409, path
        assert "409" in schema["paths"][path]["post"]["responses"], path
        assert answer.json()["code"] in schema["components"]["schemas"]["RefusalCode"]["enum"], path


def test_only_operations_with_files_offer_another_body_than_json(schema: dict[str, Any]) -> None:
    offered = {
        one["operationId"]: set(one["requestBody"]["content"])
        for ways in schema["paths"].values()
        for one in ways.values()
        if "requestBody" in one
    }
    with_files = {name for name, kinds in offered.items() if kinds != {"application/json"}}
    assert with_files == {
        "messages_create",
        "notes_create",
        "scheduled_replies_create",
        "canned_replies_files",
    }
    assert offered.pop("canned_replies_files") == {"multipart/form-data"}
    assert all(offered[name] == {"application/json", "multipart/form-data"} for name in with_files & offered.keys())


def test_an_action_takes_the_body_that_the_description_offers(shop: Shop, alice: APIClient) -> None:
    answer = alice.post(f"/api/v1/messages/{shop.message.pk}/react/", {"emoji": "👍"}, format="multipart")
    assert answer.status_code == 415


def test_every_list_of_choices_has_a_name_of_its_own(schema: dict[str, Any]) -> None:
    assert not [name for name in schema["components"]["schemas"] if name.endswith("Enum")]


@pytest.mark.parametrize(("is_set", "url"), [(True, "https://desk.example.com"), (False, "/")])
def test_the_description_names_the_address_of_the_installation(
    monkeypatch: pytest.MonkeyPatch, settings: Any, is_set: bool, url: str
) -> None:
    monkeypatch.setattr(SchemaView, "_generated", {})
    settings.PUBLIC_URL, settings.PUBLIC_URL_IS_SET = "https://desk.example.com", is_set
    assert Client().get("/api/schema/?format=json").json()["servers"] == [{"url": url}]


def test_what_may_be_chosen_is_listed(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]
    assert schemas["WindowState"]["enum"] == ["response", "human_agent", "closed"]
    assert schemas["MessageState"]["enum"] == [
        "received",
        "queued",
        "sending",
        "sent",
        "delivered",
        "read",
        "failed",
        "unsure",
        "held",
    ]
    assert "window_closed" in schemas["RefusalCode"]["enum"]


def test_a_token_made_by_the_command_lets_a_program_in(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_token", "alice")
    token = capsys.readouterr().out.strip()
    answer = Client().get("/api/v1/conversations/", headers={"Authorization": f"Token {token}"})
    assert len(answer.json()["results"]) == 1
    assert answer["Content-Type"] == "application/json"
