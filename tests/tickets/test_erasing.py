"""Erasing a person: nothing of them is left anywhere, nothing of anybody else is gone, and a receipt says so."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction

from channels_im import tasks as channel_tasks
from channels_im.models import WebhookDelivery
from desk import history
from desk.models import User
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, post_webhook, text_item
from tickets import tasks
from tickets.models import (
    Attachment,
    Contact,
    Conversation,
    Draft,
    Erasure,
    EventDelivery,
    EventSubscription,
    Message,
    MessageChange,
    Ticket,
)
from tickets.services import changes, drafts, erasing, handling, replies

pytestmark = pytest.mark.django_db

PSID, OTHER = "5550001234567", "5550007654321"
NAME, SECRET = "Zwetschge Quetsche", "Mirabelle"  # words that stand nowhere else
MINUTE = timedelta(minutes=1)


@pytest.fixture
def admin():
    return make.make_admin()


@pytest.fixture
def channel():
    return make.make_channel()


@pytest.fixture
def setup(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def conversation(client, channel):
    """Everything that can be known of a person, and a neighbour in the same deliveries."""
    page = channel.page
    EventSubscription.objects.create(name="CRM", url="https://crm.example/", events=["message.created"])
    picture = {"type": "image", "payload": {"url": f"https://scontent.xx.fbcdn.net/v/{SECRET}.png"}}
    deliver(
        client,
        delivery(
            page,
            text_item(page, PSID, f"My word is {SECRET}", mid="m_1"),
            text_item(page, OTHER, "A neighbour writes", mid="m_n"),
        ),
        delivery(page, item(page, PSID, NOON + MINUTE, message={"mid": "m_2", "attachments": [picture]})),
        delivery(page, item(page, PSID, referral={"ref": SECRET, "source": "SHORTLINK", "type": "OPEN_THREAD"})),
        delivery(page, item(page, PSID, message_edit={"mid": "m_never", "text": SECRET, "num_edit": 1})),
        delivery(page, item(page, PSID, reaction={"mid": "m_1", "action": "react", "emoji": "😡"})),
    )
    conversation = Conversation.objects.get(contact__psid=PSID)
    contact = conversation.contact
    contact.name, contact.email, contact.phone, contact.about = NAME, f"{SECRET}@example.org", "0151-5550", SECRET
    contact.picture.save("face.png", ContentFile(make.png()))
    alice = make.make_agent("alice", channels=(channel,))
    attachment = Attachment.objects.get(message__mid="m_2")
    attachment.file.save("kept.png", ContentFile(make.png()), save=False)
    attachment.state, attachment.size = "stored", 70
    attachment.save()
    make.answer(conversation, f"Dear {SECRET}", NOON + 2 * MINUTE, author=alice)
    make.answer(conversation, f"Again {SECRET}", NOON + 3 * MINUTE, "failed", author=alice, reason=SECRET)
    handling.add_note(alice, conversation, f"{SECRET} is difficult")
    handling.block(alice, conversation)
    drafts.save(alice, conversation, f"Dear {SECRET}, no.")
    history.record(alice, contact, history.CHANGE, f"Changed {NAME}.")
    return conversation


def everything() -> str:
    """All rows of all tables as text, the full-text index and the queue with them."""
    found = []
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            try:
                with transaction.atomic():
                    cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names of our own tables
                    rows = cursor.fetchall()
            except DatabaseError:
                continue  # what an index keeps inside is not to be read
            for row in rows:
                values = (bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                found.append(f"{table}: {tuple(values)!r}")
    return "\n".join(found)


def erase(setup, conversation, **fields):
    url = f"/admin/tickets/contact/{conversation.contact_id}/erase/"
    return setup.post(url, {"understood": "yes", **fields})


def test_nothing_of_the_person_is_left_in_any_table(setup, conversation, django_capture_on_commit_callbacks):
    before = everything()
    for word in (PSID, NAME, SECRET):
        assert word in before
    with django_capture_on_commit_callbacks(execute=True):
        assert erase(setup, conversation).status_code == 302
    tasks.delete_erased_files()
    left = everything()
    for word in (PSID, NAME, SECRET, "0151-5550"):
        assert [line for line in left.splitlines() if word in line] == []


@pytest.mark.parametrize("word", [SECRET, NAME.split()[0], PSID])
def test_a_search_does_not_find_the_person_any_more(setup, conversation, word):
    path = f"/inbox/list/?q={word}"
    assert f"/inbox/{conversation.pk}/" in setup.get(path).content.decode()
    erase(setup, conversation)
    assert f"/inbox/{conversation.pk}/" not in setup.get(path).content.decode()


def test_the_files_go_from_the_disk_and_the_receipt_says_when(setup, conversation):
    names = [Attachment.objects.get().file.name, Contact.objects.get(psid=PSID).picture.name]
    erase(setup, conversation)
    receipt = Erasure.objects.get()
    assert sorted(receipt.files_left) == sorted(names)
    assert receipt.completed_at is None
    assert all(map(default_storage.exists, names))
    tasks.delete_erased_files()
    receipt.refresh_from_db()
    assert not any(map(default_storage.exists, names))
    assert (receipt.files_left, receipt.completed_at is None) == ([], False)


def test_an_erasure_that_is_rolled_back_takes_nothing_with_it(conversation, admin, monkeypatch):
    names = [Attachment.objects.get().file.name, Contact.objects.get(psid=PSID).picture.name]
    before = everything()

    def stumble(*_args, **_kwargs):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(history, "record", stumble)
    with pytest.raises(DatabaseError):
        erasing.erase(admin, conversation.contact)
    tasks.delete_erased_files()
    assert everything() == before
    assert all(map(default_storage.exists, names))


def test_a_file_that_cannot_be_deleted_stays_listed_and_goes_the_next_time(setup, conversation, monkeypatch):
    erase(setup, conversation)
    with monkeypatch.context() as broken:
        broken.setattr(type(default_storage._wrapped), "delete", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        assert tasks.delete_erased_files() == 0
    assert len(Erasure.objects.get().files_left) == 2
    assert tasks.delete_erased_files() == 2
    assert Erasure.objects.get().completed_at


def test_the_neighbour_in_the_same_delivery_loses_nothing(setup, conversation):
    erase(setup, conversation)
    neighbour = Conversation.objects.get(contact__psid=OTHER)
    assert neighbour.messages.get().text == "A neighbour writes"
    kept = WebhookDelivery.objects.get()  # all the others were about the person alone
    body = json.loads(bytes(kept.body))
    assert "A neighbour writes" in json.dumps(body)
    assert body["desk_redacted_events"] == 1


def test_what_was_redacted_can_be_taken_in_again_and_brings_nothing_back(setup, conversation, admin):
    erase(setup, conversation)
    setup.post(f"/admin/instant-messaging/journal/{WebhookDelivery.objects.get().pk}/replay/")
    channel_tasks.drain_journal()
    assert WebhookDelivery.objects.get().state == "done"
    assert Message.objects.filter(text="A neighbour writes").count() == 1
    assert SECRET not in everything()


def test_a_delivery_that_waits_keeps_how_far_its_other_events_are(channel, client):
    page = channel.page
    body = delivery(page, text_item(page, PSID, SECRET), text_item(page, OTHER, "two"), text_item(page, OTHER, "three"))
    waiting = {"kind": "MessageReceived", "state": "waiting", "tries": 2, "error": "Traceback: two"}
    done = {"kind": "MessageReceived", "state": "done", "tries": 1, "error": ""}
    make.journal(body, progress={"0": {**waiting, "error": SECRET}, "1": waiting, "2": done}, error=SECRET)
    contact = make.make_contact(page, PSID)
    erasing.erase(make.make_admin("root"), contact)
    kept = WebhookDelivery.objects.get()
    assert kept.progress == {"0": waiting, "1": done}
    assert SECRET not in kept.error


def test_what_a_worker_holds_at_this_moment_is_waited_for(setup, conversation):
    WebhookDelivery.objects.update(state="processing", claimed_by="a worker")
    response = erase(setup, conversation)
    assert response.status_code == 422
    assert "Try again in a few seconds" in response.content.decode()
    assert not Erasure.objects.exists()
    assert Message.objects.get(mid="m_1").text == f"My word is {SECRET}"


def test_a_reply_that_is_being_sent_is_waited_for(setup, conversation):
    Message.objects.filter(direction="out", kind="message", state="sent").update(state="sending")
    assert erase(setup, conversation).status_code == 422
    assert not Erasure.objects.exists()


def test_what_comes_after_does_not_come_back_and_a_new_message_starts_fresh(setup, conversation, channel):
    erase(setup, conversation)
    page = channel.page
    post_webhook(setup, delivery(page, text_item(page, PSID, f"My word is {SECRET}", mid="m_1")))
    post_webhook(setup, delivery(page, item(page, PSID, message_edit={"mid": "m_1", "text": SECRET, "num_edit": 3})))
    channel_tasks.drain_journal()
    WebhookDelivery.objects.all().delete()
    assert not Message.objects.filter(text__contains=SECRET).exists()
    assert not MessageChange.objects.exists()
    deliver(setup, delivery(page, text_item(page, PSID, "Hello again", NOON + timedelta(days=1), mid="m_9")))
    fresh = Contact.objects.get(psid=PSID)
    assert fresh.pk != conversation.contact_id
    assert (fresh.erased_at, fresh.is_blocked) == (None, False)
    assert [message.text for message in Message.objects.filter(conversation__contact=fresh)] == ["Hello again"]


def test_the_shell_keeps_numbers_and_times_and_is_closed(setup, conversation, admin):
    ticket, mids = Ticket.objects.get(conversation=conversation), {"m_1", "m_2"}
    erase(setup, conversation)
    ticket.refresh_from_db()
    conversation.refresh_from_db()
    assert (ticket.subject, ticket.status, ticket.opened_at) == ("", "closed", NOON)
    assert (conversation.unread_count, conversation.waiting_since) == (0, None)
    assert set(conversation.messages.filter(direction="in", kind="message").values_list("mid", flat=True)) == mids
    assert not conversation.messages.filter(state="failed").exists()
    marked = conversation.messages.get(card__kind="erased")
    assert str(admin) in marked.card["title"]


def test_an_open_page_of_an_agent_writes_nothing_about_them_any_more(setup, conversation):
    erase(setup, conversation)
    alice = User.objects.get(username="alice")
    setup.force_login(alice)
    path = f"/inbox/{conversation.pk}/"
    html = setup.get(path).content.decode()
    assert "Erased person" in html
    assert SECRET not in html
    setup.post(f"{path}draft/", {"text": SECRET})
    for fields in ({"text": SECRET}, {"text": SECRET, "kind": "note"}):
        assert setup.post(f"{path}reply/", fields, headers={"HX-Request": "true"}).status_code == 422
    assert setup.post(f"{path}person/", {"about": SECRET}, headers={"HX-Request": "true"}).status_code == 422
    setup.post(f"{path}block/")
    assert not Draft.objects.exists()
    assert not Contact.objects.get(pk=conversation.contact_id).is_blocked
    with pytest.raises(replies.ReplyRefused):
        replies.queue_reply(alice, conversation, text="x")
    assert SECRET not in everything()


# --- Who may, and how it is asked -------------------------------------------------------------------------------------
def test_only_an_administrator_with_the_permission_can_erase(client, conversation):
    may_not = make.make_user("clerk", is_staff=True)
    may_not.user_permissions.add(Permission.objects.get(codename="view_contact"))
    not_staff = make.make_user("agent")
    not_staff.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    for user in (may_not, not_staff, User.objects.get(username="alice")):
        client.force_login(user)
        assert erase(client, conversation).status_code == 403
        assert client.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/").status_code == 403
        with pytest.raises(erasing.Refused):
            erasing.erase(user, conversation.contact)
    client.logout()
    assert erase(client, conversation).status_code == 302
    assert not Erasure.objects.exists()
    may_not.user_permissions.add(Permission.objects.get(codename="erase_contact"))
    client.force_login(User.objects.get(pk=may_not.pk))
    assert erase(client, conversation).status_code == 302
    assert Erasure.objects.get().erased_by == may_not


def test_the_dialog_says_what_goes_and_wants_a_tick(setup, conversation):
    page = setup.get(f"/admin/tickets/contact/{conversation.contact_id}/erase/").content.decode()
    assert NAME in page
    assert "The text of 4 messages and 1 internal note" in page
    assert "2 files" in page
    response = erase(setup, conversation, understood="")
    assert response.status_code == 422
    assert not Erasure.objects.exists()


def test_a_second_press_gives_the_same_receipt(setup, conversation, admin):
    first = erase(setup, conversation)
    assert erase(setup, conversation).url == first.url
    assert erasing.erase(admin, Contact.objects.get(pk=conversation.contact_id)) == Erasure.objects.get()


# --- The receipt ------------------------------------------------------------------------------------------------------
def test_the_receipt_can_be_read_kept_and_found_by_who_knows_the_id(setup, conversation, settings):
    response = erase(setup, conversation)
    receipt = Erasure.objects.get()
    assert receipt.counts["messages"] == 4
    assert receipt.counts["files"] == 2
    page = setup.get(response.url).content.decode()
    assert receipt.confirmation_code in page
    kept = setup.get(f"{response.url}?download")
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


def test_receipts_and_people_are_for_administrators(client, setup, conversation):
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


def test_the_list_of_people_leads_to_their_history(setup, conversation, django_assert_max_num_queries):
    for _ in range(3):
        make.make_conversation(conversation.channel)
    with django_assert_max_num_queries(12):
        page = setup.get("/admin/tickets/contact/").content.decode()
    assert f"/inbox/{conversation.pk}/" in page
    assert f"/admin/tickets/contact/{conversation.contact_id}/erase/" in page
    found = setup.get(f"/admin/tickets/contact/?q={PSID}").content.decode()
    assert NAME in found
    assert "Customer " not in found


def test_the_history_of_setup_says_who_erased_but_not_whom(setup, conversation, admin):
    erase(setup, conversation)
    line = LogEntry.objects.get(user=admin)
    assert Erasure.objects.get().confirmation_code in line.change_message
    assert not LogEntry.objects.filter(object_repr__contains="Zwetschge").exists()


def test_what_programs_were_to_be_told_is_forgotten(setup, conversation):
    assert EventDelivery.objects.filter(conversation_id=conversation.pk).exists()
    erase(setup, conversation)
    told = EventDelivery.objects.filter(conversation_id=conversation.pk)
    assert not [row for row in told if SECRET in repr(row.__dict__)]


def test_changes_of_an_erased_message_are_dropped(setup, conversation, channel):
    erase(setup, conversation)
    changes.take(channel.page, "m_1", key="e:1", kind="edit", at=NOON + MINUTE, text=SECRET, number=9)
    assert Message.objects.get(mid="m_1").text == ""


def test_no_model_was_forgotten():
    """Whoever adds a model that hangs on a person decides what erasing does with it, then names it here."""
    known = {
        "tickets.Attachment",
        "tickets.Conversation",
        "tickets.Draft",
        "tickets.Erasure",
        "tickets.EventDelivery",
        "tickets.Looking",
        "tickets.Message",
        "tickets.Moderation",
        "tickets.PageReaction",
        "tickets.PageSignal",
        "tickets.Ticket",
    }
    roots = {Contact, Conversation, Message, Ticket}
    hanging = {
        model._meta.label
        for model in apps.get_models()
        if any(
            field.related_model in roots
            for field in model._meta.get_fields()
            if field.many_to_one or (field.one_to_one and field.concrete)
        )
    }
    assert hanging <= known
