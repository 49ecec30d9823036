"""Erase a contact: nothing of them is left anywhere, and nothing of anybody else is gone."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from channels_im import tasks as channel_tasks
from channels_im.models import Channel, WebhookDelivery
from desk.models import AuditEntry, User
from tests import database_faults
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, post_webhook, text_item
from tests.matching import present
from tests.tickets.services.privacy.erased_contact import MINUTE, NAME, OTHER, PSID, SECRET, erase, everything
from tickets import tasks
from tickets.models import (
    Attachment,
    Contact,
    ContactNote,
    Conversation,
    Draft,
    Erasure,
    EventDelivery,
    MailReminder,
    Message,
    MessageChange,
    Notice,
    PushDelivery,
    PushSubscription,
    ScheduledReplyFile,
    Ticket,
)
from tickets.services.conversation import message_changes
from tickets.services.outgoing import replies
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db


def test_nothing_of_the_person_is_left_in_any_table(
    setup: Client, conversation: Conversation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    contact = conversation.contact
    ContactNote.objects.create(contact=contact, text=f"A note about {SECRET}")
    Contact.objects.filter(pk=contact.pk).update(
        external_id=f"{SECRET}-1", external_url=f"https://crm.example/{SECRET}"
    )
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
def test_a_search_does_not_find_the_person_any_more(setup: Client, conversation: Conversation, word: str) -> None:
    path = f"/inbox/list/?q={word}"
    assert f"/inbox/{conversation.pk}/" in setup.get(path).content.decode()
    erase(setup, conversation)
    assert f"/inbox/{conversation.pk}/" not in setup.get(path).content.decode()


def test_the_files_go_from_the_disk_and_the_receipt_says_when(setup: Client, conversation: Conversation) -> None:
    names = [present(ScheduledReplyFile.objects.get().file.name)]
    names += [present(Attachment.objects.get().file.name), present(Contact.objects.get(psid=PSID).picture.name)]
    erase(setup, conversation)
    receipt = Erasure.objects.get()
    assert sorted(receipt.files_left) == sorted(names)
    assert receipt.completed_at is None
    assert all(map(default_storage.exists, names))
    tasks.delete_erased_files()
    receipt.refresh_from_db()
    assert not any(map(default_storage.exists, names))
    assert (receipt.files_left, receipt.completed_at is None) == ([], False)


def test_an_erasure_that_is_rolled_back_takes_nothing_with_it(conversation: Conversation, admin: User) -> None:
    names = [present(Attachment.objects.get().file.name), present(Contact.objects.get(psid=PSID).picture.name)]
    before = everything()
    with database_faults.failing(f'INSERT INTO "{AuditEntry._meta.db_table}"'), pytest.raises(DatabaseError):
        erasure.erase(admin, conversation.contact)
    tasks.delete_erased_files()
    assert everything() == before
    assert all(map(default_storage.exists, names))


def test_a_file_that_cannot_be_deleted_stays_listed_and_goes_the_next_time(
    setup: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase(setup, conversation)
    with monkeypatch.context() as broken:  # the edge: Django's storage of files
        broken.setattr(storages["default"].__class__, "delete", lambda *_: (_ for _ in ()).throw(OSError("busy")))
        assert tasks.delete_erased_files() == 0
    assert len(Erasure.objects.get().files_left) == 3
    assert tasks.delete_erased_files() == 3
    assert Erasure.objects.get().completed_at


def test_the_neighbour_in_the_same_delivery_loses_nothing(setup: Client, conversation: Conversation) -> None:
    erase(setup, conversation)
    neighbour = Conversation.objects.get(contact__psid=OTHER)
    assert neighbour.messages.get().text == "A neighbour writes"
    kept = WebhookDelivery.objects.get()  # all the others were about the person alone
    body = json.loads(bytes(kept.body))
    assert "A neighbour writes" in json.dumps(body)
    assert body["desk_redacted_events"] == 1


def test_a_call_of_the_person_goes_and_that_of_a_neighbour_in_the_same_delivery_stays(
    setup: Client, client: Client, conversation: Conversation
) -> None:
    page = conversation.contact.page
    calls = [{"id": f"call-{psid}", "from": psid, "to": page.page_id, "event": "terminate"} for psid in (PSID, OTHER)]
    deliver(client, {"object": "page", "entry": [{"id": page.page_id, "time": 1, "calls": calls}]})
    assert erase(setup, conversation).status_code == 302
    assert not any(PSID.encode() in bytes(row.body) for row in WebhookDelivery.objects.all())
    (kept,) = (row for row in WebhookDelivery.objects.all() if b'"calls"' in bytes(row.body))
    assert [call["from"] for call in json.loads(bytes(kept.body))["entry"][0]["calls"]] == [OTHER]


def test_a_redacted_delivery_can_be_replayed_and_brings_nothing_back(
    setup: Client, conversation: Conversation, admin: User
) -> None:
    erase(setup, conversation)
    setup.post(f"/admin/instant-messaging/journal/{WebhookDelivery.objects.get().pk}/replay/")
    channel_tasks.drain_journal()
    assert WebhookDelivery.objects.get().state == "done"
    assert Message.objects.filter(text="A neighbour writes").count() == 1
    assert SECRET not in everything()


def test_a_delivery_that_waits_keeps_how_far_its_other_events_are(channel: Channel, client: Client) -> None:
    page = channel.page
    body = delivery(page, text_item(page, PSID, SECRET), text_item(page, OTHER, "two"), text_item(page, OTHER, "three"))
    waiting = {"kind": "MessageReceived", "state": "waiting", "tries": 2, "error": "Traceback: two"}
    make.journal(body, progress={"0": {**waiting, "error": SECRET}, "1": waiting, "done": "4"}, error=SECRET)
    contact = make.make_contact(page, PSID)
    erasure.erase(make.make_admin("root"), contact)
    kept = WebhookDelivery.objects.get()
    assert kept.progress == {"0": waiting, "done": "2"}  # the bit of event 1
    assert SECRET not in kept.error


def test_what_a_worker_holds_at_this_moment_is_waited_for(setup: Client, conversation: Conversation) -> None:
    WebhookDelivery.objects.update(state="processing", claimed_by="a worker")
    response = erase(setup, conversation)
    assert response.status_code == 422
    assert "Try again in a few seconds" in response.content.decode()
    assert not Erasure.objects.exists()
    assert Message.objects.get(mid="m_1").text == f"My word is {SECRET}"


def test_a_reply_that_is_being_sent_is_waited_for(setup: Client, conversation: Conversation) -> None:
    Message.objects.filter(direction="out", kind="message", state="sent").update(state="sending")
    assert erase(setup, conversation).status_code == 422
    assert not Erasure.objects.exists()


def test_what_comes_after_does_not_come_back_and_a_new_message_starts_fresh(
    setup: Client, conversation: Conversation, channel: Channel
) -> None:
    erase(setup, conversation)
    page = channel.page
    post_webhook(setup, delivery(page, text_item(page, PSID, f"My word is {SECRET}", mid="m_1")))
    post_webhook(setup, delivery(page, item(page, PSID, message_edit={"mid": "m_1", "text": SECRET, "num_edit": 3})))
    channel_tasks.drain_journal()
    WebhookDelivery.objects.all().delete()
    assert not Message.objects.filter(text__contains=SECRET).exists()
    assert not MessageChange.objects.exists()
    assert not Contact.objects.filter(psid=PSID).exists()
    deliver(setup, delivery(page, text_item(page, PSID, "Hello again", NOON + timedelta(days=1), mid="m_9")))
    fresh = Contact.objects.get(psid=PSID)
    assert fresh.pk != conversation.contact_id
    assert (fresh.erased_at, fresh.is_blocked) == (None, False)
    assert [message.text for message in Message.objects.filter(conversation__contact=fresh)] == ["Hello again"]


def test_the_shell_keeps_numbers_and_times_and_is_closed(
    setup: Client, conversation: Conversation, admin: User
) -> None:
    ticket, mids = Ticket.objects.get(conversation=conversation), {"m_1", "m_2"}
    erase(setup, conversation)
    ticket.refresh_from_db()
    conversation.refresh_from_db()
    assert (ticket.subject, ticket.status, ticket.opened_at) == ("", "closed", NOON)
    assert (conversation.unread_count, conversation.waiting_since) == (0, None)
    assert set(conversation.messages.filter(direction="in", kind="message").values_list("mid", flat=True)) == mids
    assert not conversation.messages.filter(state="failed").exists()
    marked = conversation.messages.get(card__kind="erased")
    assert str(admin) in present(marked.card)["title"]


def test_an_open_page_of_an_agent_writes_nothing_about_them_any_more(setup: Client, conversation: Conversation) -> None:
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
    with pytest.raises(replies.ReplyError):
        replies.queue_reply(alice, conversation, text="x")
    assert SECRET not in everything()


def test_a_reply_that_is_written_at_the_same_moment_is_refused_too(admin: User, channel: Channel) -> None:
    conversation = make.make_conversation(channel, PSID, name=NAME)
    make.receive(conversation, at=timezone.now())

    class Meanwhile(ContentFile):  # type: ignore[type-arg]  # it takes no parameter at runtime
        """A file that takes so long to be stored that the person is erased before it is."""

        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            erasure.erase(admin, conversation.contact)
            return super().chunks(chunk_size)

    file = Meanwhile(make.png(), name="a.png")
    with pytest.raises(replies.ReplyError) as refused:
        replies.queue_reply(admin, conversation, text=SECRET, files=[file])
    assert refused.value.verdict.code == "contact_erased"
    assert Erasure.objects.exists()
    assert SECRET not in everything()
    assert not Attachment.objects.exists()


def test_waiting_webhook_events_are_deleted(setup: Client, conversation: Conversation) -> None:
    assert EventDelivery.objects.filter(conversation_id=conversation.pk).exists()
    erase(setup, conversation)
    told = EventDelivery.objects.filter(conversation_id=conversation.pk)
    assert not [row for row in told if SECRET in repr(row.__dict__)]


def test_what_waits_to_be_notified_is_deleted(setup: Client, conversation: Conversation) -> None:
    agent = make.make_agent()
    browser = PushSubscription.objects.create(user=agent, session_key="s", endpoint="e", endpoint_digest="d", auth="a")
    PushDelivery.objects.create(subscription=browser, kind="mine", conversation_id=conversation.pk)
    Notice.objects.create(kind="mine", conversation_id=conversation.pk)
    MailReminder.objects.create(user=agent, kind="mine", conversation_id=conversation.pk, since=NOON)
    erase(setup, conversation)
    for model in (PushDelivery, Notice, MailReminder):
        assert not model._default_manager.exists()
    assert PushSubscription.objects.exists()


def test_changes_of_an_erased_message_are_dropped(setup: Client, conversation: Conversation, channel: Channel) -> None:
    erase(setup, conversation)
    message_changes.receive(channel.page, "m_1", key="e:1", kind="edit", at=NOON + MINUTE, text=SECRET, number=9)
    assert Message.objects.get(mid="m_1").text == ""


def test_no_model_was_forgotten() -> None:
    """Whoever adds a model that hangs on a person decides what erasing does with it, then names it here."""
    known = {
        "tickets.AccessGrant",
        "tickets.Attachment",
        "tickets.ContactNote",
        "tickets.ContactTerms",
        "tickets.Conversation",
        "tickets.Draft",
        "tickets.MacroRun",
        "tickets.Erasure",
        "tickets.EventDelivery",
        "tickets.FieldValue",
        "tickets.Viewer",
        "tickets.Mention",
        "tickets.Message",
        "tickets.MessageTerms",
        "tickets.Moderation",
        "tickets.PageReaction",
        "tickets.ScheduledReply",
        "tickets.SenderAction",
        "tickets.ThreadControlRequest",
        "tickets.Ticket",
        "tickets.TicketChange",
        "tickets.TicketLink",  # numbers alone
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
