"""Every URL of the workspace, requested by alice (of the channel), bob (of another one) and charlie (of none)."""

from collections.abc import Callable

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from desk.models import User
from tests.http import streamed
from tickets import urls
from tickets.models import Attachment, CannedReply, CannedReplyFile, Conversation, Macro, Message
from tickets.views.actions import ACTIONS
from tickets.views.compose import CHOICES

from . import world

HX = {"HX-Request": "true"}


@pytest.fixture
def scene(desk: world.Desk) -> tuple[Conversation, Attachment, Message]:
    conversation = world.make_conversation(desk.shop, "Rosa Diaz", unread_count=1)
    contact = conversation.contact
    contact.picture.save("rosa.png", ContentFile(world.png()))
    page = desk.shop.page
    page.picture.save("page.png", ContentFile(world.png()))
    incoming = world.say(conversation, "a private word")
    attachment = world.attach(incoming, "private.png")
    canned = CannedReply.objects.create(shortcut="map", title="Map", text="Our map")
    Macro.objects.create(name="Close", key="close", actions=[{"do": "close"}])
    picture = ContentFile(world.png(), name="map.png")
    CannedReplyFile.objects.create(reply=canned, kind="image", name="map.png", file=picture, size=picture.size)
    failed = world.say(conversation, "answer", author=desk.alice, state="failed", mid=None)
    return conversation, attachment, failed


def gets(scene: tuple[Conversation, Attachment, Message], desk: world.Desk) -> list[str]:
    conversation, attachment, _failed = scene
    base = f"/inbox/{conversation.pk}/"
    return [
        base,
        f"{base}menu/",
        f"{base}messages/",
        f"{base}messages/?before=x",
        f"{base}draft/",
        f"{base}onlookers/",
        f"{base}picture/",
        f"{base}stickers/",
        f"{base}templates/",
        f"{base}macros/",
        f"{base}mentions/?q=a",
        f"{base}macros/{Macro.objects.get().pk}/",
        f"{base}files/{attachment.pk}/",
        f"{base}canned-files/{CannedReplyFile.objects.get().pk}/",
        f"/contacts/{conversation.contact_id}/",
        f"/contacts/{conversation.contact_id}/same-person/",
        f"/inbox/pages/{desk.shop.page_id}/picture/",
        f"/inbox/channels/{desk.shop.pk}/icon/",
    ]


def posts(scene: tuple[Conversation, Attachment, Message]) -> list[str]:
    conversation, attachment, failed = scene
    base = f"/inbox/{conversation.pk}/"
    settle = [f"{base}messages/{failed.pk}/{choice}/" for choice in CHOICES]
    own = [f"{base}{name}/" for name in ("reply", "draft", "read", "onlookers", "export", "person", "typing")]
    own += [f"{base}files/{attachment.pk}/again/", f"{base}messages/{failed.pk}/react/"]
    own += [f"{base}notes/1/change/", f"{base}notes/1/delete/", f"{base}scheduled/1/cancel/"]
    own += [f"{base}macros/{Macro.objects.get().pk}/run/", f"{base}macros/runs/1/undo/"]
    person = [f"/contacts/{conversation.contact_id}/{name}/" for name in ("details", "notes", "separate", "export")]
    own += [*person, f"/contacts/{conversation.contact_id}/notes/1/"]
    return [*own, *settle, *(f"{base}{action}/" for action in ACTIONS)]


def test_the_tables_of_this_test_name_every_address(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk
) -> None:
    tried: set[str | None] = {"home", "inbox", "inbox_list", "inbox_rows", "inbox_me", "inbox_news", "inbox_find"}
    tried |= {"inbox_check_file"}  # keeps nothing and shows nothing; tests/tickets/views/test_compose.py
    tried |= {"inbox_bulk", "inbox_bulk_colleagues"}  # tests/tickets/views/test_bulk.py
    tried |= {"inbox_filters", "saved_views", "saved_view_sizes"}  # tests/tickets/views/test_saved_views.py
    tried |= {f"saved_view_{action}" for action in ("add", "change", "move", "delete")}
    tried |= {"inbox_bulk_labels"}  # tests/tickets/views/test_ticket_facts.py
    tried |= {"contacts"}  # tests/tickets/views/test_contacts.py
    tried |= {"inbox_bulk_macros", "inbox_bulk_macro_undo"}  # tests/tickets/views/test_macros.py
    tried |= {"scheduled_file"}  # tests/tickets/views/test_scheduled.py
    tried |= {"push_reply"}  # tests/tickets/services/notifications/test_replying.py
    tried |= {"tickets", "tickets_export", "ticket", "ticket_act", "conversation_tickets"}  # test_tickets.py
    tried |= {resolve(path.partition("?")[0]).url_name for path in gets(scene, desk) + posts(scene)}
    assert {pattern.name for pattern in urls.urlpatterns} == tried


@pytest.mark.slow
def test_who_may_see_the_conversation_gets_everything_of_it(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    for user in (desk.alice, desk.root):
        for path in gets(scene, desk):
            response = as_user(user).get(path, headers=HX)
            assert response.status_code == 200, path
            b"".join(response)  # a file is closed when it was sent


@pytest.mark.slow
def test_a_stranger_cannot_tell_the_conversation_from_none(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    for user in (desk.bob, desk.charlie):
        client = as_user(user)
        for path in gets(scene, desk):
            assert client.get(path, headers=HX).status_code == 404, path
        for path in posts(scene):
            assert client.post(path, {"text": "x"}, headers=HX).status_code == 404, path
    conversation = Conversation.objects.get()
    assert (conversation.unread_count, conversation.assignee) == (1, None)
    assert conversation.messages.count() == 2


@pytest.mark.slow
def test_a_stranger_finds_nothing_of_it_in_the_lists(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation = scene[0]
    for user in (desk.bob, desk.charlie):
        for path in (
            "/inbox/",
            "/inbox/list/",
            f"/inbox/rows/?id={conversation.pk}",
            "/inbox/?q=private",
            "/inbox/find/?q=private",
            "/inbox/find/?q=Rosa",
            "/inbox/news/?since=0",
        ):
            html = as_user(user).get(path).content.decode()
            assert "Rosa" not in html, path
            assert f"row-{conversation.pk}" not in html, path


def test_a_visitor_is_sent_to_the_login(scene: tuple[Conversation, Attachment, Message], desk: world.Desk) -> None:
    for path in [
        *gets(scene, desk),
        "/inbox/",
        "/inbox/list/",
        "/inbox/rows/",
        "/inbox/news/",
        "/inbox/find/",
        "/",
        "/inbox/views/",
    ]:
        response = Client().get(path)
        assert response.status_code == 302, path
        assert response["Location"].startswith("/accounts/login/?next="), path
    for path in [*posts(scene), "/inbox/me/", "/inbox/files/"]:
        assert Client().post(path).status_code == 302, path


def test_a_part_asked_for_after_the_session_ended_says_so(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk
) -> None:
    response = Client().get("/inbox/rows/", headers=HX)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/accounts/login/"


def test_an_agent_loses_sight_of_a_conversation_that_is_transferred_away(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation = world.make_conversation(desk.service, assignee=desk.alice)
    client = as_user(desk.alice)
    response = client.post(f"/inbox/{conversation.pk}/transfer/", {"department": desk.support.pk}, headers=HX)
    assert response.status_code == 422  # it is there already
    response = client.post(f"/inbox/{conversation.pk}/assign/", {"assignee": desk.bob.pk}, headers=HX)
    assert (response.status_code, response.headers["X-Gone"]) == (204, "yes")
    assert client.get(f"/inbox/{conversation.pk}/").status_code == 404


def test_only_posts_change_anything(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    client = as_user(desk.alice)
    for path in posts(scene):
        if not path.endswith(("/draft/", "/onlookers/")):
            assert client.get(path).status_code == 405, path


def test_a_post_without_the_token_is_refused(scene: tuple[Conversation, Attachment, Message], desk: world.Desk) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(desk.alice)
    for path in posts(scene):
        assert client.post(path, {"text": "x"}).status_code == 403, path


def test_a_file_is_served_only_under_its_own_conversation(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    _conversation, attachment, _failed = scene
    other = world.make_conversation(desk.service)
    assert as_user(desk.bob).get(f"/inbox/{other.pk}/files/{attachment.pk}/").status_code == 404


@pytest.mark.parametrize("number", [0, 10**15, 10**30])
def test_numbers_of_nothing_are_not_found(desk: world.Desk, as_user: Callable[[User], Client], number: int) -> None:
    client = as_user(desk.root)
    for path in (f"/inbox/{number}/", f"/inbox/channels/{number}/icon/", f"/inbox/pages/{number}/picture/"):
        assert client.get(path).status_code == 404


def test_files_and_pictures_of_a_deleted_channel_stay_with_who_saw_them(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation, attachment, _failed = scene
    desk.shop.is_active, desk.shop.deleted_at = False, timezone.now()
    desk.shop.save()
    paths = [f"/inbox/{conversation.pk}/files/{attachment.pk}/", f"/inbox/{conversation.pk}/picture/"]
    for path in paths:
        for user in (desk.alice, desk.root):
            response = as_user(user).get(path)
            assert (response.status_code, response.headers["X-Content-Type-Options"]) == (200, "nosniff")
            streamed(response)
        for user in (desk.bob, desk.charlie):
            assert as_user(user).get(path).status_code == 404
        assert Client().get(path).status_code == 302
        assert Client().get(path, headers={"Range": "bytes=0-1"}).status_code == 302


def test_files_follow_a_conversation_that_is_assigned_or_transferred(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation, attachment, _failed = scene
    paths = [f"/inbox/{conversation.pk}/files/{attachment.pk}/", f"/inbox/{conversation.pk}/picture/"]

    def sees(user: User) -> list[int]:
        answers = [as_user(user).get(path, headers={"Range": "bytes=0-0"}) for path in paths]
        assert all(b"".join(answer) for answer in answers)
        return [answer.status_code for answer in answers]

    Conversation.objects.filter(pk=conversation.pk).update(assignee=desk.charlie)
    assert (sees(desk.charlie), sees(desk.bob)) == ([206, 206], [404, 404])
    transferred = {"assignee": None, "department": desk.support, "transferred_at": timezone.now()}
    Conversation.objects.filter(pk=conversation.pk).update(**transferred)
    assert (sees(desk.charlie), sees(desk.bob)) == ([404, 404], [206, 206])


def test_who_was_deactivated_gets_no_file(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation, attachment, _failed = scene
    client = as_user(desk.alice)
    desk.alice.is_active = False
    desk.alice.save()
    assert client.get(f"/inbox/{conversation.pk}/files/{attachment.pk}/").status_code == 302


def test_nothing_is_served_by_its_path(
    scene: tuple[Conversation, Attachment, Message], desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    attachment = scene[1]
    for path in (f"/media/{attachment.file.name}", f"/static/{attachment.file.name}", f"/{attachment.file.name}"):
        assert as_user(desk.root).get(path).status_code == 404
