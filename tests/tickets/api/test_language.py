"""The API answers in English, whatever language its user and the client speak."""

import pytest
from django.utils import translation
from rest_framework.test import APIClient

from tests import factories
from tests.factories import NOON
from tests.tickets.german import CONTEXT, german
from tickets.api.schema_page import SchemaView

from .conftest import Shop

TEXTS = {
    "This channel was deleted: its conversations can be read, but not assigned.": "Dieser Kanal wurde gelöscht.",
    "Nothing was changed.": "Nichts wurde geändert.",
    "Enter a valid email address.": "Das ist keine E-Mail-Adresse.",
    "The e-mail was not saved: %(error_text)s": "Die E-Mail-Adresse wurde nicht gesichert: %(error_text)s",
    f"conversations{CONTEXT}Mine": "Meine",
    f"a ticket is{CONTEXT}Open": "Offen",
}


@pytest.fixture
def german_alice(shop: Shop, alice: APIClient) -> APIClient:
    shop.alice.language = "de"
    shop.alice.save(update_fields=["language"])
    alice.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    return alice


def test_a_refusal_is_english(shop: Shop, german_alice: APIClient) -> None:
    shop.channel.is_active, shop.channel.deleted_at = False, NOON
    shop.channel.save(update_fields=["is_active", "deleted_at"])
    with german(TEXTS), translation.override("de"):
        answer = german_alice.post(f"/api/v1/conversations/{shop.conversation.pk}/take/")
    assert answer.json()["detail"] == (
        "This channel was deleted: its conversations can be read, but not assigned. Nothing was changed."
    )


def test_what_django_says_inside_a_sentence_is_english(shop: Shop, german_alice: APIClient) -> None:
    address = f"/api/v1/contacts/{shop.conversation.contact_id}/"
    with german(TEXTS), translation.override("de"):
        answer = german_alice.patch(address, {"email": "nobody"}, format="json")
    assert "The e-mail was not saved: Enter a valid email address." in answer.content.decode()


def test_the_description_of_the_api_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    described = []
    for language in ("en", "de"):
        monkeypatch.setattr(SchemaView, "_generated", {})
        with german(TEXTS), translation.override(language):
            described.append(APIClient().get("/api/schema/", headers={"accept-language": language}).content)
    assert described[0] == described[1]
    assert b"Messages, internal notes" in described[1]


def test_names_that_desk_gives_are_english(shop: Shop, german_alice: APIClient) -> None:
    factories.make_contact(shop.channel.page, "70041234", name="")
    with german({"Messenger user %(digits)s": "Person %(digits)s"}), translation.override("de"):
        assert "Person 1234" not in german_alice.get("/api/v1/contacts/").content.decode()
