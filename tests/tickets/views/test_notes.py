"""Notes as agents write them: files, mentions, changing and deleting, and who is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from desk.models import AuditEntry, User
from tests.http import streamed
from tests.matching import present
from tickets.models import AccessGrant, Attachment, Conversation, EventDelivery, EventSubscription, Mention, Message
from tickets.services.conversation import access, mentions
from tickets.services.inbox import actions, counts, notifications
from tickets.services.people import deactivation

from . import world

As = Callable[[User], Client]


@pytest.fixture
def anna(desk: world.Desk) -> User:
    """A colleague who sees what alice sees."""
    anna = world.make_agent("anna", desk.sales)
    desk.shop.associations.create(agent=anna.agent)
    return anna


def add(client: Client, conversation: Conversation, text: str, status: int = 200, **fields: object) -> str:
    address = f"/inbox/{conversation.pk}/reply/"
    answer = client.post(address, {"kind": "note", "text": text, **fields}, headers={"HX-Request": "true"})
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def note_of(conversation: Conversation) -> Message:
    return conversation.messages.filter(kind="note").latest("pk")


def told(conversation: Conversation) -> list[str]:
    return sorted(Mention.objects.filter(conversation=conversation).values_list("reader__username", flat=True))


def test_a_note_has_files_which_go_to_nobody_else(alice: Client, conversation: Conversation) -> None:
    photo = SimpleUploadedFile("photo.png", world.png(), "image/png")
    pdf = SimpleUploadedFile("terms.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "application/pdf")
    page = add(alice, conversation, "", files=[photo, pdf])
    note = note_of(conversation)
    assert list(note.attachments.values_list("name", "state")) == [("photo.png", "stored"), ("terms.pdf", "stored")]
    assert note.state == "sent"
    assert not Message.objects.filter(state="queued").exists()
    assert "terms.pdf" in page
    file = note.attachments.get(name="photo.png")
    assert streamed(alice.get(f"/inbox/{conversation.pk}/files/{file.pk}/")) == world.png()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("run.exe", b"MZ\x90\x00", "run.exe"), ("empty.png", b"", "empty"), ("page.png", b"<html><script>", "page.png")],
)
def test_a_file_of_another_kind_is_refused_and_nothing_is_stored(
    alice: Client, conversation: Conversation, name: str, content: bytes, reason: str
) -> None:
    answer = add(alice, conversation, "Look", 422, files=[SimpleUploadedFile(name, content)])
    assert reason in answer
    assert not conversation.messages.filter(kind="note").exists()
    assert not Attachment.objects.exists()


def test_the_same_note_sent_twice_is_one(alice: Client, conversation: Conversation, anna: User) -> None:
    for _time in range(2):
        file = SimpleUploadedFile("photo.png", world.png())
        add(alice, conversation, "@Anna look", client_key="k" * 32, files=[file], mention=f"agent-{anna.pk}")
    assert conversation.messages.filter(kind="note").count() == 1
    assert Attachment.objects.count() == Mention.objects.count() == 1


@pytest.mark.slow
def test_a_mention_is_shown_by_the_present_name_and_to_oneself_stronger(
    alice: Client, conversation: Conversation, anna: User, as_user: As
) -> None:
    add(alice, conversation, "@Anna see https://x.example/?a=1&b=2 <b>", mention=f"agent-{anna.pk}")
    User.objects.filter(pk=anna.pk).update(first_name="Ana <i>", last_name="Ruiz")
    shown = alice.get(f"/inbox/{conversation.pk}/").content.decode()
    assert '<bdi class="mention">@Ana &lt;i&gt; Ruiz</bdi> see <a href="https://x.example/?a=1&amp;b=2"' in shown
    assert "&lt;b&gt;" in shown
    assert '<bdi class="mention mention--own">' in as_user(anna).get(f"/inbox/{conversation.pk}/").content.decode()
    anna.delete()
    assert '<bdi class="mention">@Anna</bdi>' in alice.get(f"/inbox/{conversation.pk}/").content.decode()
    assert note_of(conversation).text.startswith("@Anna see")
    assert "@<mark>Anna</mark> see" in alice.get("/inbox/list/?q=anna").content.decode()


def test_only_a_chosen_name_that_still_stands_in_the_text_is_a_mention(
    alice: Client, conversation: Conversation, anna: User
) -> None:
    add(alice, conversation, "@Anna, by the way")
    add(alice, conversation, "Nobody", mention=f"agent-{anna.pk}")
    assert told(conversation) == []


def test_a_department_is_all_its_agents_who_may_see_it(
    alice: Client, desk: world.Desk, conversation: Conversation, anna: User
) -> None:
    world.make_agent("stranger", desk.sales)
    inactive = world.make_agent("inactive", desk.sales)
    desk.shop.associations.create(agent=inactive.agent)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    add(alice, conversation, "@Sales who knows?", mention=f"department-{desk.sales.pk}")
    assert told(conversation) == ["anna"]  # not alice, who wrote it
    assert Mention.objects.get().department == desk.sales


def test_a_large_department_is_told_with_as_many_statements_as_a_small_one(
    alice: Client, desk: world.Desk, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            add(alice, conversation, "@Sales look", mention=f"department-{desk.sales.pk}")
        return len(captured.captured_queries)

    desk.shop.associations.create(agent=world.make_agent("first", desk.sales).agent)
    few = statements()
    for number in range(40):
        desk.shop.associations.create(agent=world.make_agent(f"agent{number}", desk.sales).agent)
    assert statements() <= few
    assert Mention.objects.count() == 1 + 41


def test_the_view_mentions_has_a_badge_until_the_conversation_is_opened(
    alice: Client, conversation: Conversation, anna: User, as_user: As
) -> None:
    reader = as_user(anna)
    badge = lambda: counts.counts(access.facts_for(anna))["mentions"]  # noqa: E731
    assert conversation.contact.name not in reader.get("/inbox/list/?view=mentions").content.decode()
    add(alice, conversation, "@Anna", mention=f"agent-{anna.pk}")
    add(alice, conversation, "@Anna again", mention=f"agent-{anna.pk}")
    assert badge() == 1
    assert conversation.contact.name in reader.get("/inbox/list/?view=mentions").content.decode()
    assert conversation.contact.name not in alice.get("/inbox/list/?view=mentions").content.decode()
    assert next(one.message for one in mentions.unseen_of(anna)) == note_of(conversation)
    reader.get(f"/inbox/{conversation.pk}/")
    assert badge() == 0
    assert not mentions.unseen_of(anna).exists()
    assert conversation.contact.name in reader.get("/inbox/list/?view=mentions").content.decode()


def test_who_is_mentioned_gets_a_notice(
    alice: Client, conversation: Conversation, anna: User, desk: world.Desk
) -> None:
    before = Message.objects.latest("pk").pk
    conversation.assignee = desk.alice
    conversation.save()
    add(alice, conversation, "@Anna look at this", mention=f"agent-{anna.pk}")
    notice = notifications.since(anna, access.facts_for(anna), before).messages
    assert [(one["name"], one["text"], one["is_mine"]) for one in notice] == [
        ("Alice mentioned you", "@Anna look at this", True)
    ]
    assert notifications.since(desk.alice, access.facts_for(desk.alice), before).messages == []


def test_ones_own_note_is_changed_and_its_mentions_with_it(
    alice: Client, conversation: Conversation, anna: User, as_user: As, desk: world.Desk
) -> None:
    twin = world.make_agent("twin", desk.sales)
    desk.shop.associations.create(agent=twin.agent)
    add(alice, conversation, "@Anna look", mention=f"agent-{anna.pk}")
    note = note_of(conversation)
    address = f"/inbox/{conversation.pk}/notes/{note.pk}/change/"
    assert as_user(anna).post(address, {"text": "mine"}, headers={"HX-Request": "true"}).status_code == 422
    alice.post(address, {"text": "So @Anna and @Twin", "mention": f"agent-{twin.pk}"})
    note.refresh_from_db()
    assert (note.text, told(conversation)) == ("So @Anna and @Twin", ["anna", "twin"])
    assert note.edited_at
    alice.post(address, {"text": "So @Twin"})
    assert told(conversation) == ["twin"]
    assert alice.post(address, {"text": " "}, headers={"HX-Request": "true"}).status_code == 422
    assert AuditEntry.objects.filter(sentence__contains=f"Note {note.pk} edited").count() == 2


def test_a_deleted_note_leaves_its_place_and_nothing_else(
    alice: Client,
    conversation: Conversation,
    anna: User,
    as_user: As,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    add(
        alice,
        conversation,
        "@Anna secret",
        mention=f"agent-{anna.pk}",
        files=[SimpleUploadedFile("photo.png", world.png())],
    )
    note = note_of(conversation)
    stored = Path(django_settings.MEDIA_ROOT) / present(note.attachments.get().file.name)
    assert stored.exists()
    address = f"/inbox/{conversation.pk}/notes/{note.pk}/delete/"
    assert as_user(anna).post(address, headers={"HX-Request": "true"}).status_code == 422
    with django_capture_on_commit_callbacks(execute=True):
        shown = alice.post(address, headers={"HX-Request": "true"}).content.decode()
    assert "secret" not in shown
    assert "deleted this note" in shown
    assert not stored.exists()
    assert (told(conversation), Attachment.objects.count()) == ([], 0)
    assert "deleted this note" not in alice.get("/inbox/list/?q=secret").content.decode()
    assert alice.post(address, headers={"HX-Request": "true"}).status_code == 422


def test_webhooks_carry_the_mentions(alice: Client, conversation: Conversation, anna: User) -> None:
    from tickets.api.payloads import bodies

    events = ["message.created", "message.updated"]
    EventSubscription.objects.create(name="CRM", url="https://crm.example/", secret="s", events=events)
    add(alice, conversation, "Hi @Anna", mention=f"agent-{anna.pk}")
    alice.post(f"/inbox/{conversation.pk}/notes/{note_of(conversation).pk}/change/", {"text": "Bye @Anna"})
    rows = list(EventDelivery.objects.order_by("pk"))
    assert [row.type for row in rows] == events
    span = f'"mentions":[{{"kind":"agent","id":{anna.agent.pk},"name":"Anna","start":4,"length":5,"notified":true}}]'
    assert all(span in present(body).decode() for body in bodies(rows).values())


def test_a_mention_of_somebody_who_is_deactivated_at_that_moment_is_refused_or_tells_nobody(
    alice: Client, desk: world.Desk, conversation: Conversation, anna: User
) -> None:
    deactivation.deactivate(desk.root, anna, None)
    reason = add(alice, conversation, "@Anna look", 422, mention=f"agent-{anna.pk}")
    assert "deactivated or deleted" in reason
    assert not conversation.messages.filter(kind="note").exists()
    add(alice, conversation, "@Nobody", 422, mention="agent-999999")


def test_a_closed_conversation_gives_no_access(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    actions.close(desk.alice, conversation)
    key = f"agent-{desk.charlie.pk}"
    assert "no open ticket" in add(alice, conversation, "@Charlie", 422, mention=key, access=key)
    assert not AccessGrant.objects.exists()


@pytest.mark.slow
def test_a_note_is_changed_and_deleted_on_the_page_of_its_ticket(alice: Client, conversation: Conversation) -> None:
    add(alice, conversation, "Call them")
    note, ticket = note_of(conversation), present(conversation.current_ticket_id)
    conversation.messages.update(ticket=ticket)
    page = f"/tickets/{ticket}/"
    address = f"/inbox/{conversation.pk}/notes/{note.pk}"
    assert f'action="{address}/change/"' in alice.get(page).content.decode()
    fields = {"text": "Write to them", "shown_ticket": ticket}
    changed = alice.post(f"{address}/change/", fields, follow=True)
    assert changed.redirect_chain == [(page, 302)]
    assert "Write to them</div>" in changed.content.decode()
    refused = alice.post(f"{address}/change/", {**fields, "text": " "}, follow=True)
    assert refused.redirect_chain == [(page, 302)]
    assert "The note is empty." in refused.content.decode()
    deleted = alice.post(f"{address}/delete/", fields, follow=True)
    assert deleted.redirect_chain == [(page, 302)]
    assert "deleted this note" in deleted.content.decode()


def test_without_scripts_a_choice_for_a_reply_returns_to_the_page_it_was_made_on(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    failed = {"kind": "message", "author": desk.alice, "state": "failed"}
    first, second = (world.say(conversation, text, at=timezone.now(), **failed) for text in ("One", "Two"))
    ticket = {"shown_ticket": conversation.current_ticket_id}
    answer = alice.post(f"/inbox/{conversation.pk}/messages/{first.pk}/cancel/", ticket)
    assert answer["Location"] == f"/tickets/{conversation.current_ticket_id}/"
    answer = alice.post(f"/inbox/{conversation.pk}/messages/{second.pk}/edit/", ticket)
    assert answer["Location"] == f"/inbox/{conversation.pk}/"  # the text is in its composer
