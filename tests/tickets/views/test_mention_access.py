"""What a mention lets somebody read, and everything that it does not let them do."""

import io
import zipfile
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import User
from tests import factories
from tests.http import streamed
from tests.matching import present
from tests.tickets.api.conftest import client_of
from tickets.models import (
    AccessGrant,
    Attachment,
    Contact,
    Conversation,
    CustomField,
    Label,
    Macro,
    Mention,
    Message,
    ScheduledReply,
    Ticket,
)
from tickets.services.conversation import access, persons
from tickets.services.inbox import actions, counts, macro_runs, notes
from tickets.services.outgoing import replies
from tickets.services.people import deactivation
from tickets.views import live_rows

from . import world
from .test_access import sees

As = Callable[[User], Client]
PART = {"HX-Request": "true"}


@pytest.fixture
def charlie(desk: world.Desk, as_user: As) -> Client:
    return as_user(desk.charlie)


def mention(client: Client, conversation: Conversation, user: User, **fields: Any) -> Any:
    key = f"agent-{user.pk}"
    fields = {"kind": "note", "text": f"@{user} please", "mention": key, **fields}
    return client.post(f"/inbox/{conversation.pk}/reply/", fields, headers=PART)


def grant(client: Client, conversation: Conversation, user: User) -> Message:
    assert mention(client, conversation, user, access=f"agent-{user.pk}").status_code == 200
    return conversation.messages.filter(kind="note").latest("pk")


def test_the_writer_is_told_before_that_somebody_is_not_notified(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    answer = mention(alice, conversation, desk.charlie)
    assert answer.status_code == 422
    assert "Charlie may not see this conversation" in answer.content.decode()
    assert mention(alice, conversation, desk.charlie, told=f"agent-{desk.charlie.pk}").status_code == 200
    assert not Mention.objects.exists()
    assert not sees(desk.charlie, conversation)
    choices = alice.get(f"/inbox/{conversation.pk}/mentions/?q=char").json()
    assert choices["may_give"]
    assert [(one["label"], one["sees"]) for one in choices["choices"]] == [("Charlie", False)]


def test_exactly_this_conversation_can_be_read_and_noted(
    alice: Client, desk: world.Desk, conversation: Conversation, charlie: Client
) -> None:
    other = world.make_conversation(desk.shop, "Somebody Else")
    world.say(other, "Secret")
    file = world.attach(world.say(conversation, "", mid="m_file"))
    foreign = world.attach(world.say(other, "", mid="m_other_file"))
    grant(alice, conversation, desk.charlie)
    assert sees(desk.charlie, conversation)
    assert not sees(desk.charlie, other)
    page = charlie.get(f"/inbox/{conversation.pk}/")
    assert page.status_code == 200
    assert "until the ticket closes, but not" in page.content.decode()
    assert "Somebody Else" not in page.content.decode()
    assert streamed(charlie.get(f"/inbox/{conversation.pk}/files/{file.pk}/")) == world.png()
    assert charlie.get(f"/inbox/{conversation.pk}/files/{foreign.pk}/").status_code == 404
    assert charlie.get(f"/inbox/{other.pk}/").status_code == 404
    assert charlie.get(f"/inbox/{other.pk}/files/{foreign.pk}/").status_code == 404
    assert "Somebody Else" not in charlie.get("/inbox/list/?q=secret").content.decode()
    assert charlie.post(f"/inbox/{conversation.pk}/reply/", {"kind": "note", "text": "Read it"}).status_code == 302
    assert conversation.messages.filter(kind="note", author=desk.charlie).count() == 1
    facts = access.facts_for(desk.charlie)
    assert counts.counts(facts)["all"] == 1


@pytest.mark.slow
def test_nothing_else_can_be_done(alice: Client, desk: world.Desk, conversation: Conversation, charlie: Client) -> None:
    grant(alice, conversation, desk.charlie)
    Conversation.objects.filter(pk=conversation.pk).update(unread_count=2)
    conversation.refresh_from_db()
    customers = conversation.messages.filter(direction="in").latest("pk")
    held = world.say(conversation, "Held", author=desk.alice, state="held", mid=None)
    now = timezone.now()
    macro = Macro.objects.create(name="Done", key="done", actions=[{"do": "close"}])
    later = ScheduledReply.objects.create(
        conversation=conversation, author=desk.alice, text="Later", send_at=now, due_at=now, client_key="later"
    )
    number = present(conversation.current_ticket_id)
    before = Conversation.objects.filter(pk=conversation.pk).values().get()
    count = Message.objects.count()
    base = f"/inbox/{conversation.pk}"
    key = f"agent-{desk.bob.pk}"
    tries: list[tuple[str, dict[str, Any]]] = [
        (f"{base}/reply/", {"text": "Hello"}),
        (f"{base}/reply/", {"text": "Hello", "close": "yes", "hold": "yes"}),
        (f"{base}/reply/", {"kind": "note", "text": "@Bob", "mention": key, "access": key}),
        *((f"{base}/{name}/", {}) for name in ("take", "close", "reopen", "block", "unblock", "tell-meta", "wake")),
        (f"{base}/assign/", {"assignee": desk.charlie.pk}),
        (f"{base}/transfer/", {"to": f"department-{desk.support.pk}"}),
        (f"{base}/snooze/", {"until": "later"}),
        (f"{base}/priority/", {"priority": "urgent"}),
        (f"{base}/subject/", {"subject": "Mine"}),
        (f"{base}/end-access/", {"reader": desk.charlie.pk}),
        (f"{base}/read/", {"unread": "1"}),
        (f"{base}/export/", {"notes": "yes"}),
        (f"{base}/person/", {"email": "x@example.com"}),
        (f"{base}/messages/{customers.pk}/react/", {"emoji": "👍"}),
        (f"{base}/reply/", {"text": "Hello", "later": "hour"}),
        (f"{base}/macros/{macro.pk}/run/", {}),
        *((f"{base}/scheduled/{later.pk}/{choice}/", {}) for choice in ("send", "edit", "cancel")),
        (f"{base}/tickets/split/", {"message": held.pk}),
        (f"{base}/tickets/merge/", {"merged": number}),
        *(
            (f"/tickets/{number}/{name}/", {"subject": "Mine"})
            for name in ("facts", "close", "merge", "link", "unlink")
        ),
        *((f"{base}/messages/{held.pk}/{choice}/", {}) for choice in ("release", "resend", "cancel", "edit")),
    ]
    for address, fields in tries:
        assert charlie.post(address, fields, headers=PART).status_code == 422, address
    charlie.post(f"{base}/read/", {})
    bulk = charlie.post("/inbox/bulk/", {"do": "close", "id": conversation.pk}, headers=PART)
    assert bulk.status_code == 200
    charlie.post("/inbox/bulk/", {"do": "read", "id": conversation.pk}, headers=PART)
    assert Conversation.objects.filter(pk=conversation.pk).values().get() == before
    assert Message.objects.count() == count
    assert Message.objects.get(pk=held.pk).state == "held"
    assert Contact.objects.get(pk=conversation.contact_id).email == ""
    assert AccessGrant.objects.count() == 1
    assert ScheduledReply.objects.get().state == ScheduledReply.State.SCHEDULED
    assert Ticket.objects.get(pk=number).subject == ""
    assert not replies.may_send(desk.charlie, conversation).allowed


@pytest.mark.slow
def test_pages_offer_a_reader_nothing_that_would_be_refused(
    alice: Client, desk: world.Desk, conversation: Conversation, charlie: Client
) -> None:
    grant(alice, conversation, desk.charlie)
    number = present(conversation.current_ticket_id)
    Label.objects.create(name="spam", key="spam")
    present(conversation.current_ticket).labels.add(Label.objects.create(name="refund", key="refund"))
    for of in CustomField.Of.values:
        CustomField.objects.create(of=of, kind="text", name=f"Plan of the {of}", key=f"plan_{of}")
    pages = {
        f"/inbox/{conversation.pk}/": [f"/inbox/{conversation.pk}/field/", f"/inbox/{conversation.pk}/person/"],
        f"/tickets/{number}/": [
            f"/tickets/{number}/{name}/" for name in ("close", "facts", "add-label", "remove-label", "link")
        ],
        f"/contacts/{conversation.contact_id}/": [
            f"/contacts/{conversation.contact_id}/{name}" for name in ("same-person/", "export/")
        ],
    }
    for address, actions_of in pages.items():
        own, reader = alice.get(address).content.decode(), charlie.get(address).content.decode()
        assert [action for action in actions_of if action not in own] == [], address
        assert [action for action in actions_of if action in reader] == [], address
    contact = charlie.get(f"/contacts/{conversation.contact_id}/").content.decode()
    assert contact.count("readonly") == 3, "the details can be read"
    assert "Save" not in contact.partition('id="contact-about"')[2].partition("</form>")[0]
    assert "refund" in charlie.get(f"/tickets/{number}/").content.decode()
    assert "Plan of the ticket" in charlie.get(f"/inbox/{conversation.pk}/").content.decode()


def test_who_was_an_agent_and_now_only_reads_cannot_undo_their_macro(
    alice: Client, desk: world.Desk, conversation: Conversation, charlie: Client
) -> None:
    association = ChannelAgent.objects.create(channel=desk.shop, agent=desk.charlie.agent)
    macro = Macro.objects.create(name="Urgent", key="urgent", actions=[{"do": "priority", "value": "urgent"}])
    run = macro_runs.run(desk.charlie, conversation, macro, ZoneInfo("UTC"))
    association.delete()
    grant(alice, conversation, desk.charlie)
    charlie.post(f"/inbox/{conversation.pk}/macros/runs/{run.pk}/undo/", headers=PART)
    assert Ticket.objects.get(pk=present(conversation.current_ticket_id)).priority == "urgent"
    run.refresh_from_db()
    assert run.undone_at is None


def _close(desk: world.Desk, conversation: Conversation, note: Message) -> None:
    actions.close(desk.alice, conversation)


def _delete(desk: world.Desk, conversation: Conversation, note: Message) -> None:
    notes.delete_note(desk.alice, note)


def _edit(desk: world.Desk, conversation: Conversation, note: Message) -> None:
    notes.edit_note(desk.alice, note, "Never mind")


def _by_hand(desk: world.Desk, conversation: Conversation, note: Message) -> None:
    notes.end_access(desk.alice, conversation, desk.charlie)


def _deactivate(desk: world.Desk, conversation: Conversation, note: Message) -> None:
    deactivation.deactivate(desk.root, desk.charlie, None)
    deactivation.reactivate(desk.root, desk.charlie)


@pytest.mark.parametrize("end", [_close, _delete, _edit, _by_hand, _deactivate])
def test_access_ends_and_does_not_come_back(
    alice: Client,
    desk: world.Desk,
    conversation: Conversation,
    as_user: As,
    end: Callable[[world.Desk, Conversation, Message], None],
) -> None:
    note = grant(alice, conversation, desk.charlie)
    reader = live_rows.reader_of(access.facts_for(desk.charlie), {}, "en")
    conversation.refresh_from_db()
    end(desk, conversation, note)
    conversation.refresh_from_db()
    charlie = User.objects.get(pk=desk.charlie.pk)
    actions.close(desk.alice, conversation)
    actions.reopen(desk.alice, conversation)
    conversation.refresh_from_db()
    assert not sees(charlie, conversation)
    client = as_user(charlie)
    assert client.get(f"/inbox/{conversation.pk}/").status_code == 404
    assert client.get(f"/inbox/{conversation.pk}/mentions/").status_code == 404
    assert client.post(f"/inbox/{conversation.pk}/reply/", {"kind": "note", "text": "Still here"}).status_code == 404
    assert counts.counts(access.facts_for(charlie))["mentions"] == 0
    # A stream that was opened before gets nothing either.
    event = {"kind": "conversation", **access.ids_of(conversation)}
    assert live_rows.read([event], {reader}) == {}


def test_an_open_ticket_from_before_does_not_keep_access_after_a_newer_one_closes(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    grant(alice, conversation, desk.charlie)
    conversation.refresh_from_db()
    newer = Ticket.objects.create(
        conversation=conversation, department=desk.sales, opened_at=world.ago(seconds=1), last_message_at=world.ago()
    )
    conversation.current_ticket = newer
    conversation.save()
    assert sees(desk.charlie, conversation)  # the customer wrote again: the work goes on
    actions.close(desk.alice, conversation)
    assert not sees(desk.charlie, conversation)


def test_a_deleted_note_does_not_end_the_access_of_another(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    first = grant(alice, conversation, desk.charlie)
    AccessGrant.objects.all().delete()
    second = grant(alice, conversation, desk.charlie)
    assert first != second
    conversation.refresh_from_db()
    first.conversation = conversation
    notes.delete_note(desk.alice, first)
    assert sees(desk.charlie, conversation)


def test_the_api_holds_the_same_line(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    from rest_framework.test import APIClient

    other = world.make_conversation(desk.shop, "Somebody Else")
    file = world.attach(world.say(conversation, "", mid="m_file"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {factories.make_token(desk.charlie)}")
    assert client.get(f"/api/v1/conversations/{conversation.pk}/").status_code == 404
    grant(alice, conversation, desk.charlie)
    for name in ("conversations", "messages", "tickets", "contacts", "mentions"):
        rows = client.get(f"/api/v1/{name}/").json()["results"]
        assert rows, name
    assert [row["id"] for row in client.get("/api/v1/conversations/").json()["results"]] == [conversation.pk]
    assert client.get(f"/api/v1/conversations/{other.pk}/").status_code == 404
    assert streamed(client.get(f"/api/v1/attachments/{file.pk}/content/")) == world.png()
    before = Conversation.objects.filter(pk=conversation.pk).values().get()
    base = f"/api/v1/conversations/{conversation.pk}"
    for name in ("take", "close", "reopen", "block", "unblock", "wake", "unread", "take_control", "export"):
        assert client.post(f"{base}/{name}/", {}, format="json").status_code == 409, name
    assert client.post(f"{base}/assign/", {"assignee": "charlie"}, format="json").status_code == 409
    assert client.post(f"{base}/snooze/", {"until": None}, format="json").status_code in (400, 409)
    reply = client.post("/api/v1/messages/", {"conversation": conversation.pk, "text": "Hi"}, format="json")
    assert (reply.status_code, reply.json()["code"]) == (409, "not_associated")
    ticket = f"/api/v1/tickets/{conversation.current_ticket_id}/"
    assert client.patch(ticket, {"priority": "urgent"}, format="json").status_code == 409
    contact = f"/api/v1/contacts/{conversation.contact_id}/"
    assert client.patch(contact, {"email": "x@example.com"}, format="json").status_code == 409
    assert Conversation.objects.filter(pk=conversation.pk).values().get() == before
    note = client.post("/api/v1/notes/", {"conversation": conversation.pk, "text": "Read it"}, format="json")
    assert note.status_code == 201
    assert Attachment.objects.count() == 1


def test_a_pushed_row_says_that_it_is_in_mentions_and_is_news(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    note = grant(alice, conversation, desk.charlie)
    conversation.refresh_from_db()
    one = live_rows.Reader(access.facts_for(desk.charlie), ZoneInfo("UTC"))
    event = {"kind": "conversation", **access.ids_of(conversation)}
    row, badges = live_rows.read([event], {one})[one]
    assert "mentions" in row["views"]
    assert (row["news"]["id"], row["news"]["is_mention"]) == (note.pk, True)
    assert badges["views"]["mentions"] == "1"
    writer = live_rows.Reader(access.facts_for(desk.alice), ZoneInfo("UTC"))
    row, _badges = live_rows.read([event], {writer})[writer]
    assert "mentions" not in row["views"]
    assert not (row["news"] or {}).get("is_mention")


@pytest.mark.slow
def test_who_is_mentioned_does_not_change_or_export_the_person(
    alice: Client, charlie: Client, desk: world.Desk, conversation: Conversation
) -> None:
    other = world.make_conversation(desk.service, "Rosa on Service")
    grant(alice, conversation, desk.charlie)
    base = f"/contacts/{conversation.contact_id}/"
    assert charlie.get(base).status_code == 200
    for path, fields in (("details/", {"email": "x@example.com"}), ("export/", {"notes": "yes"}), ("separate/", {})):
        answer = charlie.post(base + path, fields)
        assert (answer.status_code, "Only its agents can change it." in answer.content.decode()) == (422, True), path
    conversation.contact.refresh_from_db()
    assert conversation.contact.email == ""
    ChannelAgent.objects.create(channel=desk.service, agent=desk.charlie.agent)
    persons.merge(desk.root, conversation.contact, other.contact)
    assert charlie.post(base + "separate/", {"member": other.contact_id}).status_code == 422
    with zipfile.ZipFile(io.BytesIO(streamed(charlie.post(f"/contacts/{other.contact_id}/export/")))) as archive:
        assert {name.split("-")[0] for name in archive.namelist() if "/" in name} == {str(other.pk)}
    assert charlie.post(base + "export/").status_code == 422


def test_the_api_refuses_the_same(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    other = world.make_conversation(desk.service, "Rosa on Service")
    grant(alice, conversation, desk.charlie)
    ChannelAgent.objects.create(channel=desk.service, agent=desk.charlie.agent)
    client = client_of(desk.charlie)
    base = f"/api/v1/contacts/{conversation.contact_id}/"
    assert client.get(base).status_code == 200
    for path, body in (("export/", {}), ("merge/", {"contact": other.contact_id}), ("separate/", {})):
        answer = client.post(base + path, body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_associated"), path
    assert not Contact.objects.filter(person__isnull=False).exists()
