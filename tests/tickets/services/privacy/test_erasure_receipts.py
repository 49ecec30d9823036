"""Who may erase a contact, the confirmation page, and the receipt that stays."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from desk import setup_lists
from desk.errors import Refused
from desk.models import User
from tests import factories as make
from tests.history import changes
from tests.pages import html_of
from tests.tickets.services.privacy.erased_contact import NAME, OTHER, PSID, SECRET, erase
from tickets.models import (
    Contact,
    Conversation,
    Erasure,
)
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db


# --- Who may, and how it is asked -------------------------------------------------------------------------------------
def test_only_an_administrator_with_the_permission_can_erase(client: Client, conversation: Conversation) -> None:
    may_not = make.make_user("clerk", is_staff=True)
    may_not.user_permissions.add(Permission.objects.get(codename="view_contact"))
    not_staff = make.make_user("agent")
    not_staff.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    for user in (may_not, not_staff, User.objects.get(username="alice")):
        client.force_login(user)
        assert erase(client, conversation).status_code == 403
        assert client.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/").status_code == 403
        with pytest.raises(Refused):
            erasure.erase(user, conversation.contact)
    client.logout()
    assert erase(client, conversation).status_code == 302
    assert not Erasure.objects.exists()
    may_not.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    client.force_login(User.objects.get(pk=may_not.pk))
    assert erase(client, conversation).status_code == 302
    assert Erasure.objects.get().erased_by == may_not


def test_the_dialog_says_what_goes_and_wants_the_name(setup: Client, conversation: Conversation) -> None:
    page = html_of(setup.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/"))
    assert NAME in page
    assert "All texts, including replies and internal notes (1 conversation, 4 messages, 1 internal note)" in page
    assert "2 files" in page
    for wrong in ("", "yes", NAME[:-1]):
        assert erase(setup, conversation, typed_name=wrong).status_code == 422
    assert not Erasure.objects.exists()


def test_a_second_press_gives_the_same_receipt(setup: Client, conversation: Conversation, admin: User) -> None:
    first = erase(setup, conversation)
    assert erase(setup, conversation)["Location"] == first["Location"]
    assert erasure.erase(admin, Contact.objects.get(pk=conversation.contact_id)) == Erasure.objects.get()


# --- The receipt ------------------------------------------------------------------------------------------------------
def test_the_receipt_can_be_read_kept_and_found_by_who_knows_the_id(
    setup: Client, conversation: Conversation, settings: Settings
) -> None:
    response = erase(setup, conversation)
    receipt = Erasure.objects.get()
    assert receipt.counts["messages"] == 4
    assert receipt.counts["files"] == 2
    page = html_of(setup.get(response["Location"]))
    assert receipt.confirmation_code in page
    kept = setup.get(f"{response['Location']}?download")
    assert receipt.confirmation_code in kept.content.decode()
    assert kept.headers["Content-Disposition"].startswith("attachment")
    for text in (page, kept.content.decode(), str(receipt.__dict__)):
        assert not [word for word in (PSID, NAME, SECRET) if word in text]
    listed = "/admin/tickets/erasure/?q="
    assert receipt.confirmation_code in setup.get(listed + PSID).content.decode()
    assert receipt.confirmation_code not in setup.get(listed + OTHER).content.decode()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [settings.SECRET_KEY]
    setup.force_login(User.objects.get(username="admin"))
    assert receipt.confirmation_code in setup.get(listed + PSID).content.decode()


def test_receipts_and_people_are_for_administrators(client: Client, setup: Client, conversation: Conversation) -> None:
    erase(setup, conversation)
    paths = ["/admin/tickets/contact/", "/admin/tickets/erasure/", "/admin/channels_im/datarequest/"]
    paths += [f"/admin/tickets/erasure/{Erasure.objects.get().pk}/change/"]
    for path in paths:
        assert setup.get(path).status_code == 200, path
        assert setup.post(path, {"_save": "x"}).status_code in (200, 403, 405), path
    client.force_login(User.objects.get(username="alice"))
    for path in paths:
        assert client.get(path).status_code == 403, path
    clerk = make.make_user("clerk", is_staff=True)
    client.force_login(clerk)
    for path in paths:
        assert client.get(path).status_code == 403, path


def test_the_list_of_people_leads_to_their_history(
    setup: Client, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        make.make_conversation(conversation.channel)
    with django_assert_max_num_queries(12):
        page = setup.get("/admin/tickets/contact/").content.decode()
    assert f"/inbox/{conversation.pk}/" in page
    assert f"/admin/tickets/contact/{conversation.contact_id}/erase/" in page
    found = setup.get(f"/admin/tickets/contact/?q={PSID}").content.decode()
    assert NAME in found
    assert "Customer " not in found


def test_the_history_of_setup_says_who_erased_but_not_whom(
    setup: Client, conversation: Conversation, admin: User
) -> None:
    erase(setup, conversation)
    line = changes(admin).get()
    assert Erasure.objects.get().confirmation_code in line.sentence
    assert not changes().filter(object_name__contains="Zwetschge").exists()


def test_the_list_of_customers_goes_on_by_keys(
    setup: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_lists.Asked.newest_of, "__defaults__", (2, ""))
    names = [make.make_conversation(conversation.channel).contact.display_name for _ in range(3)]
    first = html_of(setup.get("/admin/tickets/contact/"))
    assert [name in first for name in names] == [False, True, True]
    [older] = re.findall(r'href="([?]before=[0-9]+)">Older', first)
    second = html_of(setup.get(f"/admin/tickets/contact/{older}"))
    assert [name in second for name in names] == [True, False, False]
    assert NAME in second
    assert ">Newer</a>" in second
