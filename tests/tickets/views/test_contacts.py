"""The pages of contacts: who sees whom, the list, notes, and contacts that are the same person."""

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from desk.models import AuditEntry, User
from tests.pages import html_of
from tickets.models import Contact, ContactNote, Conversation, Erasure, EventDelivery, EventSubscription, Person
from tickets.services.conversation import persons
from tickets.services.inbox import contact_list
from tickets.services.privacy import erasure

from . import world

As = Callable[[User], Client]


@pytest.fixture
def pair(desk: world.Desk) -> tuple[Conversation, Conversation]:
    """Rosa on alice's Page and on bob's."""
    here = world.make_conversation(desk.shop, "Rosa Diaz")
    there = world.make_conversation(desk.service, "Rosa on Service", at=world.NOON + timedelta(hours=1))
    return here, there


def page(client: Client, conversation: Conversation, path: str = "") -> str:
    answer = client.get(f"/contacts/{conversation.contact_id}/{path}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_only_contacts_of_visible_conversations_are_listed_and_shown(
    alice: Client, pair: tuple[Conversation, Conversation], desk: world.Desk, as_user: As
) -> None:
    here, there = pair
    listed = alice.get("/contacts/").content.decode()
    assert "Rosa Diaz" in listed
    assert "Rosa on Service" not in listed
    assert "Rosa on Service" not in alice.get("/contacts/?q=rosa&sort=name").content.decode()
    own, other = f"/contacts/{here.contact_id}/", f"/contacts/{there.contact_id}/"
    assert alice.get(own).status_code == 200
    for path in ("", "details/", "notes/", "separate/", "export/"):
        ask = alice.post if path else alice.get
        assert ask(other + path).status_code == 404
    assert alice.post(own + "same-person/", {"with": there.contact_id}).status_code == 404
    assert "No customers yet" in as_user(desk.charlie).get("/contacts/").content.decode()


@pytest.mark.parametrize("sort", contact_list.SORTS)
def test_every_contact_comes_once_page_by_page(
    desk: world.Desk, sort: str, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(contact_list, "PAGE_SIZE", 3)
    names = ["Bea", "anna", "Bea", "", "Zoë", "carl.1.2", "", "Dora"]
    made = [
        world.make_conversation(desk.shop, name, at=world.NOON + timedelta(hours=n // 2))
        for n, name in enumerate(names)
    ]
    persons.merge(desk.root, made[0].contact, made[4].contact)
    facts = contact_list.access.facts_for(desk.root)
    seen, after = [], ""
    for _ in range(5):
        with django_assert_max_num_queries(6):
            part = contact_list.page_of(desk.root, facts, sort=sort, after=after)
        seen += [row.contact.name for row in part.rows]
        after = part.after
        if not after:
            break
    assert after == ""
    if sort == contact_list.BY_NAME:
        assert seen == ["anna", "Bea", "Bea", "carl.1.2", "Dora", "", ""]
    else:
        assert seen == ["Dora", "", "carl.1.2", "Zoë", "", "Bea", "anna"]


@pytest.mark.parametrize("after", ["x", "9" * 40 + ".1", "\x00.1", "..", "1.٣", "zz.5"])
def test_a_cursor_that_is_none_is_no_error(alice: Client, conversation: Conversation, after: str) -> None:
    assert alice.get("/contacts/", {"after": after, "sort": "name"}).status_code == 200
    assert alice.get("/contacts/", {"after": after}).status_code == 200
    assert alice.get(f"/contacts/{conversation.contact_id}/", {"before": after}).status_code == 200


def test_search_finds_by_name_email_phone_and_psid(alice: Client, conversation: Conversation) -> None:
    contact = conversation.contact
    saved = alice.post(
        f"/contacts/{contact.pk}/details/", {"email": "rosa@example.org", "phone": "0151 5550", "about": "x"}
    )
    assert saved.status_code == 302
    for query in ("ros", "rosa@example.org", "01515550", contact.psid):
        assert f"/contacts/{contact.pk}/" in alice.get("/contacts/", {"q": query}).content.decode()
    assert "No customer matches" in alice.get("/contacts/", {"q": "<b>nobody"}).content.decode()


def test_a_refused_detail_keeps_what_was_typed(alice: Client, conversation: Conversation) -> None:
    answer = alice.post(
        f"/contacts/{conversation.contact_id}/details/", {"email": "no mail", "phone": "7", "about": "kept"}
    )
    assert answer.status_code == 422
    assert 'value="no mail"' in answer.content.decode()
    assert "kept" in answer.content.decode()


def test_only_the_author_changes_a_note(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: As
) -> None:
    path = f"/contacts/{conversation.contact_id}/notes/"
    assert alice.post(path, {"text": "<b>Likes</b> mornings"}).status_code == 302
    note = ContactNote.objects.get()
    assert "&lt;b&gt;Likes" in page(alice, conversation)
    root = as_user(desk.root)
    for sent in ({"text": "changed"}, {"delete": "yes"}):
        assert root.post(f"{path}{note.pk}/", sent).status_code == 422
    assert ContactNote.objects.get().text == "<b>Likes</b> mornings"
    assert alice.post(f"{path}{note.pk}/", {"text": " "}).status_code == 422
    assert alice.post(f"{path}{note.pk}/", {"text": "Evenings"}).status_code == 302
    assert ContactNote.objects.get().edited_at is not None
    assert alice.post(f"{path}{note.pk}/", {"delete": "yes"}).status_code == 302
    assert not ContactNote.objects.exists()


def test_merging_shows_both_to_who_may_see_both_and_only_one_to_others(
    alice: Client, pair: tuple[Conversation, Conversation], desk: world.Desk, as_user: As
) -> None:
    here, there = pair
    root = as_user(desk.root)
    EventSubscription.objects.create(name="CRM", url="https://crm.example/", secret="s", events=["contact.merged"])
    preview = page(root, here, f"same-person/?with={there.contact_id}")
    assert "Service Page" in preview
    assert "Shop Page" in preview
    assert not Person.objects.exists()
    path = f"/contacts/{here.contact_id}/"
    assert root.post(path + "same-person/", {"with": there.contact_id}).status_code == 302
    assert "Rosa on Service" in page(root, here)
    assert "Conversation with Service Page began" in page(root, here)
    assert "Also on Service Page" in root.get(f"/inbox/{here.pk}/").content.decode()
    assert "Service" not in page(alice, here)
    assert "Also on" not in alice.get(f"/inbox/{here.pk}/").content.decode()
    assert root.get("/contacts/").content.decode().count('class="contact-row"') == 1
    assert EventDelivery.objects.filter(type="contact.merged").count() == 2
    assert AuditEntry.objects.filter(sentence__startswith="Marked as the same person").count() == 2
    # Alice does not see that there is anything to separate.
    assert alice.post(path + "separate/", {"member": here.contact_id}).status_code == 422
    assert root.post(path + "separate/", {"member": there.contact_id}).status_code == 302
    assert not Person.objects.exists()
    assert not Contact.objects.filter(person__isnull=False).exists()


def test_merging_twice_or_with_itself_is_refused(
    desk: world.Desk, pair: tuple[Conversation, Conversation], as_user: As
) -> None:
    here, there = pair
    root, path = as_user(desk.root), f"/contacts/{here.contact_id}/same-person/"
    assert root.post(path, {"with": here.contact_id}).status_code == 422
    assert root.post(path, {"with": there.contact_id}).status_code == 302
    assert root.post(f"/contacts/{there.contact_id}/same-person/", {"with": here.contact_id}).status_code == 422
    assert Person.objects.count() == 1


def test_an_erased_contact_is_not_merged(
    desk: world.Desk, pair: tuple[Conversation, Conversation], as_user: As
) -> None:
    here, there = pair
    erasure.erase(desk.root, there.contact)
    answer = as_user(desk.root).post(f"/contacts/{here.contact_id}/same-person/", {"with": there.contact_id})
    assert answer.status_code == 422
    assert not Person.objects.exists()


def test_erasing_takes_all_contacts_of_the_person_that_were_shown(
    desk: world.Desk, pair: tuple[Conversation, Conversation], as_user: As
) -> None:
    here, there = pair
    third = world.make_conversation(desk.shop, "Third")
    ContactNote.objects.create(contact=there.contact, author=desk.bob, text="Secret note")
    person = persons.merge(desk.root, here.contact, there.contact)
    root = as_user(desk.root)
    root.post(reverse("account_reauthenticate"), {"password": "desk-demo"})
    path = reverse("admin:tickets_contact_erase", args=[here.contact_id])
    shown = root.get(path).content.decode()
    assert "Service Page" in shown
    told = {"typed_name": "Rosa Diaz", "contact": [here.contact_id, there.contact_id]}
    persons.merge(desk.root, third.contact, here.contact)  # after the page was shown
    assert root.post(path, told).status_code == 422
    assert not Erasure.objects.exists()
    persons.separate(desk.root, third.contact)
    assert root.post(path, told).status_code == 302
    assert Erasure.objects.count() == 2
    assert not ContactNote.objects.exists()
    assert not Contact.objects.filter(person=person).exists()
    assert Contact.objects.get(pk=third.contact_id).erased_at is None


def test_the_export_has_what_the_reader_may_see(
    alice: Client, desk: world.Desk, pair: tuple[Conversation, Conversation], as_user: As
) -> None:
    here, there = pair
    persons.merge(desk.root, here.contact, there.contact)
    for client, pages in ((alice, 1), (as_user(desk.root), 2)):
        answer = client.post(f"/contacts/{here.contact_id}/export/", {"notes": "yes"})
        names = zipfile.ZipFile(io.BytesIO(b"".join(answer))).namelist()
        assert sum(name.endswith("/conversation.html") for name in names) == pages
        assert "customer.html" in names


def test_the_timeline_comes_page_by_page(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    for number in range(40):
        world.say(conversation, f"Note {number:02}.", author=desk.alice, kind="note", at=world.NOON)
    first = page(alice, conversation)
    link = first.split("?before=")[-1].split("#")[0]
    second = page(alice, conversation, f"?before={link}")
    shown = (
        [f"Note {number:02}." in first for number in range(40)],
        [f"Note {number:02}." in second for number in range(40)],
    )
    assert all(one != other for one, other in zip(*shown, strict=True))


def test_shared_files_are_those_that_the_customer_has(alice: Client, conversation: Conversation) -> None:
    world.attach(world.say(conversation, "", mid="m_file"), "theirs.png")
    world.attach(world.say(conversation, "For us", kind="note", mid=None), "internal.png")
    shared = page(alice, conversation).partition("Shared files")[2]
    assert "theirs.png" in shared
    assert "internal.png" not in shared


def test_notes_of_a_colleague_who_was_deleted_are_not_those_of_desk(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "For us", kind="note", mid=None)
    ContactNote.objects.create(contact=conversation.contact, text="Calls often")
    timeline = html_of(alice.get(f"/contacts/{conversation.contact_id}/")).partition(">Timeline<")[2]
    assert "Internal note by a former colleague" in timeline
    assert "Note about the customer by a former colleague" in timeline
    exported = b"".join(alice.post(f"/contacts/{conversation.contact_id}/export/", {"notes": "yes"}))
    with zipfile.ZipFile(io.BytesIO(exported)) as file:
        assert "A former colleague" in file.read("customer.html").decode()
