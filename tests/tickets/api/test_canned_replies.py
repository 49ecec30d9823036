"""Canned replies through the API: the rights of Setup and of the account, and their files."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from desk.models import User
from tests import factories
from tickets.models import CannedReply, CannedReplyFile

from .conftest import Shop, client_of

HELLO = {"shortcut": "hello", "text": "Hello {{first_name}}!"}
URL = "/api/v1/canned-replies/"


@pytest.fixture
def manager(shop: Shop) -> APIClient:
    """Alice, who may also manage canned replies."""
    shop.alice.user_permissions.set(Permission.objects.filter(codename__endswith="_cannedreply"))
    User.objects.filter(pk=shop.alice.pk).update(is_staff=True)
    return client_of(User.objects.get(pk=shop.alice.pk))


def test_a_shared_one_is_created_changed_and_deleted(manager: APIClient) -> None:
    made = manager.post(URL, {**HELLO, "department": "Sales"}, format="json")
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    expected = {"id": pk, "title": "hello", "folder": "", "department": "Sales", "personal": False, "files": []}
    assert made.json() == {**HELLO, **expected}
    taken = manager.post(URL, HELLO, format="json")
    assert (taken.status_code, taken.json()) == (400, {"shortcut": ["There is a canned reply /hello already."]})
    changed = manager.patch(f"{URL}{pk}/", {"folder": "Greetings", "department": None}, format="json").json()
    assert changed == {**made.json(), "folder": "Greetings", "department": None}
    assert manager.delete(f"{URL}{pk}/").status_code == 204
    assert not CannedReply.objects.exists()


def test_who_may_not_in_setup_may_not_by_the_api(alice: APIClient) -> None:
    shared = CannedReply.objects.create(shortcut="all", title="All", text="Hi")
    for answer in (
        alice.post(URL, HELLO, format="json"),
        alice.patch(f"{URL}{shared.pk}/", {"text": "Bye"}, format="json"),
        alice.post(f"{URL}{shared.pk}/files/", {"files": [png()]}, format="multipart"),
        alice.delete(f"{URL}{shared.pk}/"),
    ):
        assert answer.status_code == 403, answer.content
    assert CannedReply.objects.get().text == "Hi"
    assert not CannedReplyFile.objects.exists()


def test_personal_ones_are_their_owners(alice: APIClient, manager: APIClient, charlie: APIClient) -> None:
    made = charlie.post(URL, {**HELLO, "personal": True}, format="json")
    assert (made.status_code, made.json()["personal"]) == (201, True)
    address = f"{URL}{made.json()['id']}/"
    refused = charlie.patch(address, {"department": "Sales"}, format="json")
    assert refused.json() == {"department": ["A personal canned reply has no department."]}
    for method in ("get", "patch", "delete"):
        assert getattr(manager, method)(address).status_code == 404
    assert charlie.patch(address, {"text": "Moin"}, format="json").json()["text"] == "Moin"
    assert charlie.delete(address).status_code == 204


def png(name: str = "map.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, factories.png())


def test_files_are_added_all_or_none_and_removed(charlie: APIClient) -> None:
    address = f"{URL}{charlie.post(URL, {**HELLO, 'personal': True}, format='json').json()['id']}/"

    def add(*files: Any) -> Any:
        return charlie.post(f"{address}files/", {"files": list(files)}, format="multipart")

    answer = add(png(), png("way.png"))
    assert answer.status_code == 200, answer.content
    first, second = answer.json()["files"]
    assert (first["name"], second["name"]) == ("map.png", "way.png")
    for refused in (add(png(), SimpleUploadedFile("virus.exe", b"MZ")), add(*(png() for _ in range(4)))):
        assert (refused.status_code, list(refused.json())) == (400, ["files"])
        assert CannedReplyFile.objects.count() == 2
    left = charlie.patch(address, {"remove_files": [first["id"]]}, format="json").json()["files"]
    assert [file["name"] for file in left] == ["way.png"]


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"shortcut": "a b"}, "shortcut"), ({"text": " "}, "text"), ({"department": "X"}, "department")],
)
def test_an_invalid_field_is_named(manager: APIClient, fields: dict[str, Any], name: str) -> None:
    answer = manager.post(URL, {**HELLO, **fields}, format="json")
    assert (answer.status_code, list(answer.json())) == (400, [name])
