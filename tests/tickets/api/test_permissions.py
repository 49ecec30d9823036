"""The API shows what the pages would, to nobody else, and changes nothing but through its actions."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from pytest_django import Settings
from rest_framework.test import APIClient

from channels_im.models import MessageTemplate
from tests import factories
from tests.factories import NOON
from tests.matching import present
from tickets.api.authentication import CHALLENGE
from tickets.models import (
    ApiToken,
    Attachment,
    CannedReply,
    CannedReplyFile,
    ContactNote,
    EventSubscription,
    Macro,
    Mention,
    Message,
    SavedView,
    ScheduledReply,
    ScheduledReplyFile,
)
from tickets.services.privacy import erasure

from .conftest import Shop, body_of, client_of

LISTS = ["channels", "conversations", "tickets", "messages"]


@pytest.fixture
def addresses(shop: Shop) -> list[str]:
    """One row of each kind, and a file."""
    attachment = Attachment.objects.create(
        message=shop.message, kind="image", name="cat.png", state="stored", file=ContentFile(b"cat", name="x.png")
    )
    return [
        f"/api/v1/channels/{shop.channel.pk}/",
        f"/api/v1/conversations/{shop.conversation.pk}/",
        f"/api/v1/tickets/{shop.message.ticket_id}/",
        f"/api/v1/messages/{shop.message.pk}/",
        f"/api/v1/attachments/{attachment.pk}/content/",
    ]


def found(client: APIClient, addresses: list[str]) -> list[int]:
    answers = [client.get(address) for address in addresses]
    for answer in answers:
        body_of(answer)
    return [answer.status_code for answer in answers]


def rows_of(client: APIClient, name: str) -> int:
    return len(client.get(f"/api/v1/{name}/").json()["results"])


def listed(client: APIClient) -> list[int]:
    return [rows_of(client, name) for name in LISTS]


def reply(client: APIClient, shop: Shop) -> int:
    return client.post("/api/v1/messages/", {"conversation": shop.conversation.pk, "text": "Hi"}).status_code


def test_an_agent_of_the_channel_sees_its_rows(alice: APIClient, addresses: list[str]) -> None:
    assert found(alice, addresses) == [200] * 5
    assert listed(alice) == [1, 1, 1, 1]


def test_an_agent_of_another_channel_finds_none_of_them(bob: APIClient, addresses: list[str], shop: Shop) -> None:
    assert found(bob, addresses) == [404] * 5
    assert listed(bob) == [1, 0, 0, 0]  # the channel is their own
    assert reply(bob, shop) == 404


def test_an_agent_of_no_channel_finds_nothing(charlie: APIClient, addresses: list[str], shop: Shop) -> None:
    assert found(charlie, addresses) == [404] * 5
    assert listed(charlie) == [0, 0, 0, 0]
    assert reply(charlie, shop) == 404


def test_a_row_one_may_not_see_and_one_that_is_not_there_answer_alike(bob: APIClient, addresses: list[str]) -> None:
    for address in addresses:
        before, _id, after = re.split(r"(?<=/)(\d+)(?=/)", address)
        hidden, missing = bob.get(address), bob.get(f"{before}987654{after}")
        assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())


def test_a_conversation_assigned_to_an_agent_is_shown_with_its_channel(
    charlie: APIClient, addresses: list[str], shop: Shop
) -> None:
    shop.conversation.assignee = shop.charlie
    shop.conversation.save(update_fields=["assignee"])
    assert found(charlie, addresses) == [200] * 5
    assert listed(charlie) == [1, 1, 1, 1]


def test_a_conversation_transferred_to_an_agents_department_is_shown(
    charlie: APIClient, addresses: list[str], shop: Shop
) -> None:
    department = factories.make_department("Returns")
    department.agents.add(shop.charlie.agent)
    shop.conversation.department, shop.conversation.transferred_at = department, NOON
    shop.conversation.save(update_fields=["department", "transferred_at"])
    assert found(charlie, addresses) == [200] * 5


def test_an_agent_who_is_taken_off_the_channel_sees_it_no_more(
    alice: APIClient, addresses: list[str], shop: Shop
) -> None:
    shop.alice.agent.associations.all().delete()
    assert found(alice, addresses) == [404] * 5
    assert listed(alice) == [0, 0, 0, 0]


def test_administrators_see_everything(addresses: list[str]) -> None:
    admin = client_of(factories.make_admin())
    assert found(admin, addresses) == [200] * 5
    assert listed(admin) == [2, 1, 1, 1]


def test_staff_without_a_permission_see_nothing(addresses: list[str], shop: Shop) -> None:
    factories.make_admin()
    CannedReply.objects.create(shortcut="hello", title="Hello", text="Hi")
    staff = client_of(factories.make_user("staff", is_staff=True))
    assert found(staff, addresses) == [404] * 5
    names = [*LISTS, "contacts", "departments", "agents", "canned-replies", "labels", "erasures"]
    assert {name: rows_of(staff, name) for name in names} == dict.fromkeys(names, 0)


@pytest.mark.parametrize(
    ("codename", "name"),
    [
        ("view_channel", "channels"),
        ("view_department", "departments"),
        ("change_department", "departments"),
        ("view_agent", "agents"),
        ("view_cannedreply", "canned-replies"),
    ],
)
def test_staff_see_the_lists_that_they_see_in_setup(shop: Shop, codename: str, name: str) -> None:
    CannedReply.objects.create(shortcut="hello", title="Hello", text="Hi")
    user = factories.make_user("staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    names = ("channels", "departments", "agents", "canned-replies")
    shown = {other: rows_of(client_of(user), other) for other in names}
    assert [other for other, count in shown.items() if count] == [name]
    assert found(client_of(user), [f"/api/v1/conversations/{shop.conversation.pk}/"]) == [404]


def test_the_permission_to_view_conversations_shows_all_of_them(addresses: list[str]) -> None:
    user = factories.make_user("auditor")
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    assert found(client_of(user), addresses) == [200] * 5


@pytest.mark.parametrize("header", [None, "Token", "Token wrong", "Token a b", "Bearer x", "Token \xff"])
def test_without_a_valid_token_every_route_answers_401(addresses: list[str], shop: Shop, header: str | None) -> None:
    stranger = APIClient()
    if header:
        stranger.credentials(HTTP_AUTHORIZATION=header)
    for address in [*addresses, *(f"/api/v1/{name}/" for name in LISTS), "/api/v1/"]:
        answer = stranger.get(address)
        assert answer.status_code == 401, address
        assert answer["WWW-Authenticate"] == CHALLENGE
        assert answer.json()["detail"].endswith(".")
    assert reply(stranger, shop) == 401


def test_a_deactivated_user_answers_401(alice: APIClient, addresses: list[str], shop: Shop) -> None:
    shop.alice.is_active = False
    shop.alice.save(update_fields=["is_active"])
    assert found(alice, addresses) == [401] * 5
    assert reply(alice, shop) == 401
    assert not Message.objects.filter(direction="out").exists()


def test_a_session_is_no_token(client: APIClient, shop: Shop, addresses: list[str]) -> None:
    client.force_login(shop.alice)
    assert client.get(addresses[1]).status_code == 401


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_nothing_can_be_changed(alice: APIClient, addresses: list[str], method: str) -> None:
    for address in addresses:
        if method == "patch" and "/tickets/" in address:
            continue  # test_labels.py
        answer = getattr(alice, method)(address, {"name": "x"}, format="json")
        assert answer.status_code == 405
        assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("name", ["channels", "conversations", "tickets"])
def test_only_messages_can_be_made(alice: APIClient, name: str) -> None:
    assert alice.post(f"/api/v1/{name}/", {"name": "x"}, format="json").status_code == 405


def test_no_token_or_secret_is_in_any_answer(
    alice: APIClient, addresses: list[str], shop: Shop, settings: Settings
) -> None:
    page = shop.channel.page
    secrets = [
        page.page_token,
        present(page.facebook_account).user_token,
        ApiToken.objects.get(user=shop.alice).digest,
        shop.alice.password,
        settings.META_APP_SECRET,
        settings.META_VERIFY_TOKEN,
        settings.SECRET_KEY,
    ]
    answers = [*addresses[:4], *(f"/api/v1/{name}/" for name in LISTS), "/api/v1/", "/api/schema/"]
    for address in answers:
        body = alice.get(address).content.decode()
        for secret in secrets:
            assert str(secret) not in body
        assert "page_token" not in body
        assert "user_token" not in body


@pytest.mark.parametrize("address", ["/api/v1/secrets/", "/api/v1/attachments/", "/api/v1/messages/1/2/3/"])
def test_any_other_address_is_not_found_in_json(alice: APIClient, address: str) -> None:
    assert APIClient().get(address).status_code == 401
    for answer in (alice.get(address), alice.post(address, {}, format="json"), alice.options(address)):
        assert answer.status_code == 404
        assert answer.json()["detail"].endswith(".")


def test_an_address_without_its_slash_leads_to_the_one_with_it(alice: APIClient) -> None:
    assert alice.get("/api/v1/channels")["Location"] == "/api/v1/channels/"


def test_the_root_names_the_resources(alice: APIClient) -> None:
    names = [*LISTS, "contacts", "erasures", "departments", "agents", "canned-replies", "labels", "templates"]
    names += ["contact-notes", "fields", "macros", "mentions", "scheduled-replies", "views", "webhooks"]
    assert alice.get("/api/v1/").json() == {name: f"http://testserver/api/v1/{name}/" for name in names}


def test_options_answer_without_telling_of_rows(bob: APIClient, addresses: list[str]) -> None:
    assert bob.options("/api/v1/messages/").status_code == 200
    assert "Maria" not in bob.options(addresses[1]).content.decode()


@pytest.mark.slow
def test_every_address_of_a_row_is_hidden_from_strangers(addresses: list[str], shop: Shop) -> None:
    """Whatever the description lists: a route that is added later is asked here too."""
    erased = factories.make_conversation(shop.channel).contact
    receipt = erasure.erase(factories.make_admin(), erased)
    rows = {resource: pk for resource, pk in (address.split("/")[3:5] for address in addresses)}
    rows |= {"contacts": str(shop.conversation.contact_id), "erasures": str(receipt.pk)}
    template = MessageTemplate.objects.create(page=shop.channel.page, name="shipped", language="en", body="Hi")
    rows["templates"] = str(template.pk)
    canned = CannedReply.objects.create(shortcut="mine", title="Mine", text="Hi", owner=shop.alice)
    content = ContentFile(b"%PDF-1.4\n", name="mine.pdf")
    file = CannedReplyFile.objects.create(reply=canned, kind="document", name="mine.pdf", file=content, size=9)
    rows["canned-reply-files"] = str(file.pk)
    later = ScheduledReply.objects.create(
        conversation=shop.conversation, author=shop.alice, text="Later", send_at=NOON, due_at=NOON, client_key="k"
    )
    rows["scheduled-replies"] = str(later.pk)
    file_later = ScheduledReplyFile.objects.create(reply=later, name="later.pdf", file=content, size=9)
    rows["scheduled-reply-files"] = str(file_later.pk)
    about = ContactNote.objects.create(contact=shop.conversation.contact, author=shop.alice, text="Note")
    rows["contact-notes"] = str(about.pk)
    rows["webhooks"] = str(EventSubscription.objects.create(name="CRM", url="https://crm.example.com", events=[]).pk)
    rows["macros"] = str(Macro.objects.create(name="Mine", owner=shop.alice, actions=[]).pk)
    rows["views"] = str(SavedView.objects.create(name="Mine", owner=shop.alice, base="all", order="newest").pk)
    note = factories.answer(shop.conversation, "Look", kind="note")
    rows["notes"] = str(note.pk)
    mention = Mention.objects.create(message=note, conversation=shop.conversation, reader=shop.alice)
    rows["mentions"] = str(mention.pk)
    shown_to_all = {"departments", "agents", "canned-replies", "fields", "labels"}
    tried = set()
    for path, methods in APIClient().get("/api/schema/?format=json").json()["paths"].items():
        resource = path.split("/")[3]
        if "{id}" not in path or resource in shown_to_all:
            continue
        tried.add(resource)
        for method in methods:
            address = path.replace("{id}", str(rows[resource]))
            assert getattr(APIClient(), method)(address).status_code == 401, address
            for user in (shop.bob, shop.charlie):
                answer = getattr(client_of(user), method)(address, {"emoji": "❤", "text": "Hi"}, format="json")
                assert (answer.status_code, list(answer.json())) == (404, ["detail"]), (method, address)
    assert tried == set(rows)
    assert set(Message.objects.values_list("text", flat=True)) >= {"Where is my order?"}
