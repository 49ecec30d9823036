"""Deactivate: who takes the open conversations, what ends, who may not be deactivated; and activate again."""

import re

from django.test import Client

from channels_im.models import Channel
from desk.models import AuditEntry, Invitation, User
from tests.factories import (
    make_admin,
    make_agent,
    make_channel,
    make_conversation,
    make_department,
    make_token,
    make_user,
    receive,
)
from tests.http import Response
from tests.pages import html_of
from tickets.models import Conversation, Message
from tickets.services.inbox import actions

from .conftest import client_of


def post(client: Client, user: User, successor: object = "nobody") -> Response:
    return client.post(f"/admin/people/{user.pk}/deactivate/", {"successor": str(successor)}, follow=True)


def open_conversation(channel: Channel, user: User) -> Conversation:
    conversation = make_conversation(channel)
    receive(conversation)
    conversation = Conversation.objects.get(pk=conversation.pk)
    actions.assign(user, conversation, user)
    return conversation


def test_a_colleague_takes_the_open_conversations(setup: Client) -> None:
    channel = make_channel()
    alice, bob = make_agent("alice", channels=(channel,)), make_agent("bob", channels=(channel,))
    stranger = make_agent("stranger", departments=(make_department(),))
    first, second, closed = (open_conversation(channel, alice) for _ in range(3))
    actions.close(alice, closed)
    page = html_of(setup.get(f"/admin/people/{alice.pk}/deactivate/"))
    assert "Who takes the 2 open conversations?" in page
    assert f'<option value="{bob.pk}">bob</option>' in page
    assert f'value="{stranger.pk}"' not in page
    assert re.search(r'<a class="button" href="[^"]+" data-close autofocus>Cancel</a>', page)
    assert '<button class="button button--destroy">Deactivate</button>' in page
    answer = post(setup, alice, bob.pk)
    assert "Alice is deactivated. Open conversations: 2 assigned to bob." in html_of(answer)
    for conversation in (first, second):
        conversation.refresh_from_db()
        assert conversation.assignee == bob
        assert conversation.current_ticket
        assert conversation.current_ticket.assignee == bob
    closed.refresh_from_db()
    assert closed.assignee == alice
    event = Message.objects.filter(conversation=first, kind=Message.Kind.EVENT).latest("pk")
    assert event.card
    assert event.card["title"] == "admin assigned this conversation to bob"
    assert AuditEntry.objects.filter(sentence="Deactivated. Open conversations: 2 assigned to bob.").exists()


def test_nobody_takes_them(setup: Client) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    conversation = open_conversation(channel, alice)
    unanswered = post(setup, alice, "")
    assert unanswered.status_code == 422
    assert "Choose who takes the open conversations." in html_of(unanswered)
    assert User.objects.get(pk=alice.pk).is_active
    post(setup, alice)
    conversation.refresh_from_db()
    assert conversation.assignee is None
    assert not User.objects.get(pk=alice.pk).is_active


def test_a_conversation_of_a_deleted_channel_stays_as_it_is(setup: Client) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    conversation = open_conversation(channel, alice)
    Channel.objects.filter(pk=channel.pk).update(is_active=False, deleted_at=conversation.last_message_at)
    assert "They have no open conversations." in html_of(setup.get(f"/admin/people/{alice.pk}/deactivate/"))
    post(setup, alice)
    conversation.refresh_from_db()
    assert conversation.assignee == alice
    assert not User.objects.get(pk=alice.pk).is_active


def test_sessions_and_tokens_end(setup: Client) -> None:
    alice = make_agent("alice")
    key = make_token(alice)
    client = Client()
    client.post("/accounts/login/", {"login": "alice", "password": "desk-demo"})
    assert client.get("/inbox/").status_code == 200
    post(setup, alice)
    assert client.get("/inbox/").status_code == 302
    headers = {"Authorization": f"Bearer {key}"}
    assert Client().get("/api/v1/conversations/", headers=headers).status_code == 401


def test_a_person_is_activated_again(setup: Client) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    post(setup, alice)
    assert "Activate</button>" in html_of(setup.get(f"/admin/people/{alice.pk}/"))
    setup.post(f"/admin/people/{alice.pk}/activate/")
    assert Client().login(username="alice", password="desk-demo")
    assert list(User.objects.get(pk=alice.pk).agent.channels.all()) == [channel]
    assert AuditEntry.objects.filter(sentence="Activated again.", object_id=str(alice.pk)).count() == 1


def test_who_was_invited_is_not_activated_without_a_password(setup: Client) -> None:
    mia = make_user("mia", is_active=False)
    Invitation.objects.create(user=mia, digest="x")
    assert setup.post(f"/admin/people/{mia.pk}/activate/").status_code == 403
    assert not User.objects.get(pk=mia.pk).is_active


def test_nobody_deactivates_themselves_or_the_last_administrator(
    setup: Client, administrator: User, manager: User
) -> None:
    assert "You cannot deactivate yourself." in html_of(post(setup, administrator))
    page = html_of(setup.get(f"/admin/people/{administrator.pk}/deactivate/"))
    assert "You cannot deactivate yourself." in page
    assert "button--destroy" not in page
    assert post(client_of(manager), administrator).status_code == 403
    other = make_user("other", is_superuser=True)  # a superuser, but not of the staff: no administrator
    other.is_staff = True
    assert User.objects.get(pk=administrator.pk).is_active
    second = make_admin("second")
    post(setup, second)
    assert not User.objects.get(pk=second.pk).is_active


def test_agents_deactivate_nobody(db: None, manager: User) -> None:
    alice, bob = make_agent("alice"), make_agent("bob")
    for address in ("deactivate", "activate"):
        assert client_of(alice).post(f"/admin/people/{bob.pk}/{address}/").status_code == 403
        assert Client().post(f"/admin/people/{bob.pk}/{address}/").status_code == 302
    assert User.objects.get(pk=bob.pk).is_active
    post(client_of(manager), bob)
    assert not User.objects.get(pk=bob.pk).is_active
