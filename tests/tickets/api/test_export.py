"""Serve the bytes of a file to those who may see the conversation, never as a page of ours."""

import io
import zipfile

import pytest
from django.core.files.base import ContentFile
from rest_framework.test import APIClient

from desk.models import AuditEntry
from tests import factories
from tests.matching import present
from tickets.models import Attachment
from tickets.services.conversation import persons
from tickets.services.inbox import notes

from .conftest import Shop, body_of, client_of

HTML = b"<script>alert(1)</script>"


def attach(shop: Shop, content: bytes = b"cat", **fields: object) -> str:
    defaults = {"kind": "image", "name": "cat.png", "content_type": "image/png", "state": "stored"}
    attachment = Attachment.objects.create(
        message=shop.message, file=ContentFile(content, name="x.bin"), **(defaults | fields)
    )
    return f"/api/v1/attachments/{attachment.pk}/content/"


def test_a_file_is_given_out_as_it_is(shop: Shop, alice: APIClient) -> None:
    answer = alice.get(attach(shop, factories.png()))
    assert body_of(answer) == factories.png()
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Length"] == str(len(factories.png()))
    assert answer["Content-Disposition"] == 'attachment; filename="cat.png"'


def test_a_file_runs_nothing_in_a_browser(shop: Shop, alice: APIClient) -> None:
    answer = alice.get(attach(shop, HTML, kind="document", name="x.html", content_type="text/html"))
    body_of(answer)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "private" in answer["Cache-Control"]


def test_a_name_cannot_add_headers(shop: Shop, alice: APIClient) -> None:
    answer = alice.get(attach(shop, name='a"\r\nX-Evil: 1.png'))
    body_of(answer)
    assert "X-Evil" not in answer


@pytest.mark.parametrize("state", ["pending", "refused", "failed"])
def test_a_file_that_is_not_stored_is_not_found(shop: Shop, alice: APIClient, state: str) -> None:
    assert alice.get(attach(shop, state=state)).status_code == 404


def test_a_file_that_is_gone_from_the_store_is_not_found(shop: Shop, alice: APIClient) -> None:
    address = attach(shop)
    file = Attachment.objects.get().file
    file.storage.delete(present(file.name))
    answer = alice.get(address)
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("accept", ["image/*", "text/html", "*/*"])
def test_a_file_comes_whatever_the_program_accepts(shop: Shop, alice: APIClient, accept: str) -> None:
    answer = alice.get(attach(shop), headers={"Accept": accept})
    body_of(answer)
    assert answer.status_code == 200


@pytest.mark.parametrize("pk", ["0", str(2**63), "9" * 40, "9" * 5000])
def test_an_id_beyond_every_file_is_not_found(alice: APIClient, pk: str) -> None:
    assert alice.get(f"/api/v1/attachments/{pk}/content/").status_code == 404


def test_a_part_of_a_file_may_be_asked_for(shop: Shop, alice: APIClient) -> None:
    answer = alice.get(attach(shop, b"0123456789"), headers={"Range": "bytes=2-4"})
    assert (answer.status_code, body_of(answer)) == (206, b"234")


def test_a_whole_person_is_exported(shop: Shop, alice: APIClient, bob: APIClient) -> None:
    second = factories.make_channel(name="Second")
    there = factories.make_conversation(second, "7002", name="Maria L.")
    factories.receive(there, "On the other Page", mid="m_there")
    persons.merge(shop.alice, shop.conversation.contact, there.contact)
    notes.add_note(shop.alice, shop.conversation, "A regular")
    address = f"/api/v1/contacts/{shop.conversation.contact_id}/export/"
    for user, numbers in (
        (shop.alice, {shop.conversation.pk}),
        (factories.make_admin(), {shop.conversation.pk, there.pk}),
    ):
        answer = client_of(user).post(address, {"notes": True}, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(body_of(answer))) as archive:
            pages = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")}
        assert {int(name.split("-")[0]) for name in pages if "/" in name} == numbers
        assert any("A regular" in page for page in pages.values())
        assert any("On the other Page" in page for page in pages.values()) is (there.pk in numbers)
    without = body_of(alice.post(address, {}, format="json"))
    with zipfile.ZipFile(io.BytesIO(without)) as archive:
        assert not any(b"A regular" in archive.read(name) for name in archive.namelist())
    assert AuditEntry.objects.filter(sentence__startswith="Exported with").count() == 4
    assert bob.post(address, {}, format="json").status_code == 404
    assert alice.post(address, {"notes": "perhaps"}, format="json").status_code == 400
    assert alice.post("/api/v1/contacts/99999999999999999999/export/").status_code == 404
