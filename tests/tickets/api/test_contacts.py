"""Contacts through the API: their details, the export of a conversation, and erasure with a receipt."""

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient
from time_machine import Traveller

from desk.models import User
from tests import factories
from tests.factories import NOON
from tests.history import changes
from tests.http import ApiResponse
from tickets import tasks
from tickets.models import Attachment, Contact, Erasure, Message
from tickets.services.inbox import actions

from .conftest import Shop, body_of, client_of

DETAILS = {"email": "maria@example.org", "phone": "+49 151 5550", "about": "Prefers mornings\nspeaks Spanish"}


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as travelled:
        yield travelled


@pytest.fixture
def admin(shop: Shop) -> APIClient:
    return client_of(factories.make_admin())


@pytest.fixture
def clerk(shop: Shop) -> User:
    """Staff who may erase, and sees no conversation."""
    user = factories.make_user("clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    return user


def contact_path(shop: Shop) -> str:
    return f"/api/v1/contacts/{shop.conversation.contact_id}/"


def note(client: APIClient, shop: Shop, **fields: Any) -> ApiResponse:
    return client.patch(contact_path(shop), fields, format="json")


def export(client: APIClient, shop: Shop, **fields: Any) -> ApiResponse:
    return client.post(f"/api/v1/conversations/{shop.conversation.pk}/export/", fields, format="json")


def erase(client: APIClient, shop: Shop, psid: Any = "7001") -> ApiResponse:
    return client.post(f"{contact_path(shop)}erase/", {"psid": psid}, format="json")


# --- What is noted ----------------------------------------------------------------------------------------------------
def test_a_contact_has_what_is_noted_of_them(shop: Shop, alice: APIClient) -> None:
    first_seen = shop.conversation.contact.first_seen_at
    assert alice.get(contact_path(shop)).json() == {
        "id": shop.conversation.contact_id,
        "page_id": shop.channel.page.page_id,
        "psid": "7001",
        "name": "Maria Lopez",
        "blocked": False,
        "first_seen_at": first_seen.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "email": None,
        "phone": None,
        "about": None,
        "external_id": None,
        "external_url": None,
        "same_person": [],
        "origins": [],
        "erased_at": None,
        "fields": {},
    }


def test_a_contact_says_where_they_came_from(shop: Shop, alice: APIClient) -> None:
    ad = {"kind": "ad", "title": "Came from an ad", "text": "Ad 6", "url": None, "message": shop.message.pk}
    Contact.objects.filter(psid="7001").update(origins=[{**ad, "picture": 0, "at": NOON.isoformat()}])
    row = alice.get("/api/v1/contacts/").json()["results"][0]
    assert row["origins"] == [{**ad, "at": "2026-11-20T12:00:00.000Z"}]


def test_what_is_noted_is_kept_and_shown_in_the_details(shop: Shop, alice: APIClient, client: Client) -> None:
    answer = note(alice, shop, **DETAILS)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in DETAILS} == DETAILS
    assert alice.get(contact_path(shop)).json() == answer.json()
    client.force_login(shop.alice)
    page = client.get(f"/inbox/{shop.conversation.pk}/").content.decode()
    assert not [value for value in DETAILS.values() if value not in page]


def test_what_is_not_named_stays_and_null_takes_away(shop: Shop, alice: APIClient) -> None:
    note(alice, shop, **DETAILS)
    row = note(alice, shop, phone=None, email="").json()
    assert (row["email"], row["phone"], row["about"]) == (None, None, DETAILS["about"])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"email": "no address"}, "email"),
        ({"phone": "1" * 41}, "phone"),
        ({"about": "x" * 5001}, "about"),
        ({"about": ["a list"]}, "about"),
        ({}, "non_field_errors"),
        ({"name": "Another", "psid": "1"}, "non_field_errors"),
    ],
)
def test_what_cannot_be_noted_is_refused_by_name_and_nothing_is_kept(
    shop: Shop, alice: APIClient, fields: dict[str, Any], name: str
) -> None:
    Contact.objects.update(about="as before")
    whole = {"phone": "1", **fields} if fields and "psid" not in fields else fields
    answer = note(alice, shop, **whole)
    assert answer.status_code == 400
    [[sentence]] = [answer.json()[name]]
    assert sentence.endswith(".")
    contact = Contact.objects.get()
    assert (contact.name, contact.psid, contact.phone, contact.about) == ("Maria Lopez", "7001", "", "as before")


def test_nothing_is_noted_of_somebody_who_was_erased(shop: Shop, alice: APIClient, admin: APIClient) -> None:
    erase(admin, shop)
    answer = note(alice, shop, about="difficult")
    assert (answer.status_code, answer.json()["code"]) == (409, "contact_erased")
    assert Contact.objects.get().about == ""


@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_a_stranger_notes_exports_and_erases_nothing(shop: Shop, who: str) -> None:
    stranger = client_of(getattr(shop, who))
    for answer in (note(stranger, shop, **DETAILS), export(stranger, shop), erase(stranger, shop)):
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])
    assert Contact.objects.get().email == ""
    assert not Erasure.objects.exists()
    assert not changes().exists()


# --- The conversation as a file ---------------------------------------------------------------------------------------
def unpacked(answer: ApiResponse) -> zipfile.ZipFile:
    assert answer.status_code == 200
    body = body_of(answer)
    assert answer["Content-Length"] == str(len(body))
    return zipfile.ZipFile(io.BytesIO(body))


def test_a_conversation_is_exported_with_its_files(shop: Shop, alice: APIClient) -> None:
    file = ContentFile(factories.png(), name="x.png")
    Attachment.objects.create(message=shop.message, kind="image", name="cat.png", state="stored", file=file)
    actions.add_note(shop.alice, shop.conversation, "A difficult person")
    answer = export(alice, shop)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="Maria Lopez 2026-11-20.zip"'
    archive = unpacked(answer)
    page = archive.read("conversation.html").decode()
    assert "Where is my order?" in page
    assert "A difficult person" not in page
    [picture] = [name for name in archive.namelist() if name.endswith("-cat.png")]
    assert archive.read(picture) == factories.png()
    with_notes = unpacked(export(alice, shop, notes=True))
    assert "A difficult person" in with_notes.read("conversation.html").decode()
    assert list(changes().order_by("pk").values_list("sentence", flat=True)) == [
        "Exported without internal notes.",
        "Exported with internal notes.",
    ]


@pytest.mark.parametrize("accept", ["application/zip", "text/html", "*/*"])
def test_an_export_comes_whatever_the_program_accepts(shop: Shop, alice: APIClient, accept: str) -> None:
    address = f"/api/v1/conversations/{shop.conversation.pk}/export/"
    assert unpacked(alice.post(address, headers={"Accept": accept})).namelist() == ["conversation.html"]


def test_a_deleted_channels_conversation_is_exported_too(shop: Shop, alice: APIClient) -> None:
    shop.channel.is_active, shop.channel.deleted_at = False, NOON
    shop.channel.save(update_fields=["is_active", "deleted_at"])
    unpacked(export(alice, shop))


def test_an_invalid_parameter_is_refused_in_json(shop: Shop, alice: APIClient) -> None:
    answer = export(alice, shop, notes="perhaps")
    assert (answer.status_code, list(answer.json())) == (400, ["notes"])


# --- Their end --------------------------------------------------------------------------------------------------------
def test_a_person_is_erased_and_the_receipt_is_the_answer(shop: Shop, admin: APIClient) -> None:
    note(admin, shop, **DETAILS)
    answer = erase(admin, shop)
    assert answer.status_code == 200
    receipt = Erasure.objects.get()
    counts = {"conversations": 1, "tickets": 1, "messages": 1, "notes": 0, "files": 0, "bytes": 0, "drafts": 0}
    assert answer.json() == {
        "id": receipt.pk,
        "confirmation_code": receipt.confirmation_code,
        "page_id": shop.channel.page.page_id,
        "contact": shop.conversation.contact_id,
        "fingerprint": receipt.person,
        "erased_by": "admin",
        "erased_at": "2026-11-20T13:00:00.000Z",
        "completed_at": None,
        "blocked_at_facebook": False,
        "counts": {**counts, "deliveries": 0, "events": 0},
    }
    assert not Message.objects.exclude(text="").exists()
    row = admin.get(contact_path(shop)).json()
    assert (row["name"], row["email"], row["about"], row["erased_at"]) == (None, None, None, "2026-11-20T13:00:00.000Z")
    tasks.delete_erased_files()
    again = admin.get(f"/api/v1/erasures/{receipt.pk}/").json()
    assert again == {**answer.json(), "completed_at": "2026-11-20T13:00:00.000Z"}


@pytest.mark.parametrize("psid", ["", "7002", "Maria Lopez", None, 70, ["7001"], "erased-1"])
def test_the_page_scoped_id_must_be_named_and_right(shop: Shop, admin: APIClient, psid: Any) -> None:
    answer = erase(admin, shop, psid)
    assert (answer.status_code, list(answer.json())) == (400, ["psid"])
    assert not Erasure.objects.exists()
    assert Contact.objects.get().psid == "7001"


def test_asking_twice_gives_the_same_receipt_to_who_names_the_same_person(shop: Shop, admin: APIClient) -> None:
    first = erase(admin, shop)
    assert erase(admin, shop).json() == first.json()
    for psid in ("7002", f"erased-{shop.conversation.contact_id}"):
        assert erase(admin, shop, psid).status_code == 400
    assert Erasure.objects.count() == 1


def test_only_administrators_with_the_permission_erase(shop: Shop, alice: APIClient, clerk: User) -> None:
    seen = Permission.objects.get(codename="view_conversation")
    no_staff = factories.make_user("manager")
    no_staff.user_permissions.add(seen, Permission.objects.get(codename="erase_contact"))
    no_permission = factories.make_user("watcher", is_staff=True)
    no_permission.user_permissions.add(seen)
    for client in (alice, client_of(no_staff), client_of(no_permission)):
        answer = erase(client, shop)
        assert (answer.status_code, list(answer.json())) == (403, ["detail"])
    assert not Erasure.objects.exists()
    assert client_of(clerk).get(contact_path(shop)).status_code == 404
    answer = erase(client_of(clerk), shop)  # as in Setup, where they need to see no conversation either
    assert (answer.status_code, answer.json()["erased_by"]) == (200, "clerk")


def test_what_is_under_way_is_waited_for(shop: Shop, admin: APIClient) -> None:
    factories.answer(shop.conversation, "Soon", state="sending", author=shop.alice)
    answer = erase(admin, shop)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")
    assert "is being sent at this moment" in answer.json()["detail"]
    assert not Erasure.objects.exists()


# --- The receipts -----------------------------------------------------------------------------------------------------
def test_receipts_are_found_by_who_was_erased_and_when(shop: Shop, admin: APIClient) -> None:
    receipt = erase(admin, shop).json()

    def found(**query: str) -> list[dict[str, Any]]:
        return admin.get("/api/v1/erasures/", query).json()["results"]

    assert found() == [receipt]
    assert found(psid="7001") == found(confirmation_code=receipt["confirmation_code"]) == [receipt]
    assert found(page_id=receipt["page_id"]) == found(since="2026-11-20T13:00:00Z") == [receipt]
    assert found(psid="7002") == found(confirmation_code="x") == found(until="2026-11-20T13:00:00Z") == []


def test_receipts_are_for_administrators(shop: Shop, admin: APIClient, alice: APIClient, clerk: User) -> None:
    receipt = erase(admin, shop).json()
    viewer, nobody = (factories.make_user(name, is_staff=True) for name in ("viewer", "nobody"))
    viewer.user_permissions.add(Permission.objects.get(codename="view_erasure"))
    for client, status in ((client_of(clerk), 200), (client_of(viewer), 200), (client_of(nobody), 404), (alice, 404)):
        assert client.get(f"/api/v1/erasures/{receipt['id']}/").status_code == status
        assert len(client.get("/api/v1/erasures/").json()["results"]) == (status == 200)


def test_who_erased_reads_the_receipt_in_setup_too(shop: Shop, clerk: User, client: Client) -> None:
    client.force_login(clerk)
    pressed = client.post(
        f"/admin/tickets/contact/{shop.conversation.contact_id}/erase/",
        {"typed_name": Contact.objects.get(pk=shop.conversation.contact_id).display_name},
    )
    assert client.get(pressed["Location"]).status_code == 200


def test_the_number_of_queries_does_not_grow(
    shop: Shop, admin: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        contact = factories.make_contact(shop.channel.page, f"80{number:02}")
        path = f"/api/v1/contacts/{contact.pk}/erase/"
        assert admin.post(path, {"psid": contact.psid}, format="json").status_code == 200
    with django_assert_max_num_queries(7):
        assert len(admin.get("/api/v1/erasures/").json()["results"]) == 12


# --- Records elsewhere, the same person, notes -----------------------------------------------------------------------
def test_a_contact_is_found_by_the_id_of_its_record(alice: APIClient, bob: APIClient, shop: Shop) -> None:
    link = {"external_id": "crm-17", "external_url": "https://crm.example/17"}
    assert note(alice, shop, **link).json()["external_url"] == link["external_url"]
    found = alice.get("/api/v1/contacts/?external_id=crm-17").json()["results"]
    assert [row["id"] for row in found] == [shop.conversation.contact_id]
    assert bob.get("/api/v1/contacts/?external_id=crm-17").json()["results"] == []
    page = Client()
    page.force_login(shop.alice)
    shown = page.get(f"/inbox/{shop.conversation.pk}/").content.decode()
    assert 'href="https://crm.example/17"' in shown
    assert note(alice, shop, external_id=None, external_url="").json()["external_id"] is None


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/",
        "javascript:alert(1)",
        "https://",
        "https://a@crm.example/",
        "https://crm.example/ x",
        "//x",
    ],
)
def test_the_address_of_a_record_is_https(alice: APIClient, shop: Shop, url: str) -> None:
    answer = note(alice, shop, external_url=url)
    assert answer.status_code == 400
    assert list(answer.json()) == ["external_url"]


def test_an_external_id_is_of_one_contact(shop: Shop, admin: APIClient, alice: APIClient) -> None:
    other = factories.make_conversation(shop.channel, "7002", name="Maria again").contact
    assert note(alice, shop, external_id="crm-17").status_code == 200
    answer = alice.patch(f"/api/v1/contacts/{other.pk}/", {"external_id": "crm-17"}, format="json")
    assert (answer.status_code, list(answer.json())) == (400, ["external_id"])


def test_contacts_are_merged_and_separated_by_who_sees_both(admin: APIClient, alice: APIClient, shop: Shop) -> None:
    elsewhere = factories.make_conversation(factories.make_channel(name="Third"), "7009", name="Maria L.").contact
    path = contact_path(shop)
    assert alice.post(path + "merge/", {"contact": elsewhere.pk}, format="json").status_code == 400
    assert admin.post(path + "merge/", {"contact": elsewhere.pk}, format="json").json()["same_person"] == [elsewhere.pk]
    assert admin.post(path + "merge/", {"contact": elsewhere.pk}, format="json").status_code == 409
    assert alice.get(path).json()["same_person"] == []
    assert alice.post(path + "separate/").status_code == 409
    erased = admin.post(path + "erase/", {"psid": "7001", "contacts": [shop.conversation.contact_id]}, format="json")
    assert erased.status_code == 409
    assert admin.post(path + "separate/").json()["same_person"] == []
    assert admin.post(path + "separate/").status_code == 409


def test_notes_are_changed_by_their_author(admin: APIClient, alice: APIClient, bob: APIClient, shop: Shop) -> None:
    sent = {"contact": shop.conversation.contact_id, "text": "Prefers mornings"}
    made = alice.post("/api/v1/contact-notes/", sent, format="json")
    assert (made.status_code, made.json()["author"]) == (201, "alice")
    path = f"/api/v1/contact-notes/{made.json()['id']}/"
    assert bob.post("/api/v1/contact-notes/", sent, format="json").status_code == 400
    assert bob.get(path).status_code == 404
    assert admin.patch(path, {"text": "No"}, format="json").status_code == 409
    assert admin.delete(path).status_code == 409
    assert alice.patch(path, {"text": "Evenings"}, format="json").json()["text"] == "Evenings"
    assert alice.delete(path).status_code == 204
