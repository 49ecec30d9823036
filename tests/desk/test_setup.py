"""Setup itself: its first page, departments, agents, users, and what it does not show."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from channels_im.models import WebhookDelivery
from desk.models import Department, User
from tests.factories import (
    answer,
    make_admin,
    make_agent,
    make_channel,
    make_conversation,
    make_department,
    make_page,
    receive,
)
from tests.history import changes
from tests.http import Response
from tests.matching import present
from tests.pages import html_of


@pytest.fixture
def administrator(db: None) -> User:
    return make_admin(email="admin@example.com")


@pytest.fixture
def setup(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def text(response: Response) -> str:
    return html_of(response)


# --- The first page
def test_a_new_installation_sees_the_checklist(setup: Client, healthy: None) -> None:
    page = text(setup.get("/admin/"))
    assert "Your first steps" in page
    assert "Create department" in page


def test_a_step_that_is_done_is_ticked(setup: Client) -> None:
    make_department()
    page = text(setup.get("/admin/"))
    assert "Create department" not in page
    assert "Link Facebook" in page


def test_when_everything_works_there_is_one_quiet_line(setup: Client, healthy: None) -> None:
    channel = make_channel(make_page(last_event_at=timezone.now()))
    make_agent(channels=(channel,))
    page = text(setup.get("/admin/"))
    assert "All channels are working." in page
    assert "Your first steps" not in page


def test_the_channels_are_shown_with_what_happens_in_them(setup: Client) -> None:
    channel = make_channel(name="Berlin")
    receive(make_conversation(channel), at=timezone.now())
    page = text(setup.get("/admin/"))
    assert "Channels today" in page
    assert "Berlin" in page


def test_a_channel_without_agents_needs_attention_once_others_have_some(setup: Client) -> None:
    make_channel(name="Berlin")
    assert "has no agents" not in text(setup.get("/admin/"))  # the checklist asks for them
    make_agent("alice", channels=(make_channel(name="Hamburg"),))
    page = text(setup.get("/admin/"))
    assert "“Berlin” has no agents" in page
    assert "“Hamburg” has no agents" not in page


def test_problems_come_first(setup: Client) -> None:
    waiting = make_page(connection="reauth_required", reauth_reason="token_expired")
    make_channel(waiting, name="Berlin")
    ending = present(make_channel(name="Hamburg").page.facebook_account)
    ending.expires_at = timezone.now() + timedelta(days=9, hours=1)
    ending.save()
    make_channel(make_page(subscription="incomplete"), name="Bremen")
    WebhookDelivery.objects.create(body=b"{}", state="failed")
    conversation = make_conversation()
    receive(conversation)
    answer(conversation, state="failed", at=timezone.now())
    page = text(setup.get("/admin/"))
    for sentence in (
        "“Berlin” cannot send: the access token has expired.",
        f"The Facebook login of {ending} ends in 9 days.",
        "“Bremen” does not receive all events from Facebook.",
        "1 delivery from Facebook could not be processed.",
        "1 reply could not be sent in the last 7 days.",
    ):
        assert sentence in page


# --- Departments, agents, users
def test_a_department_can_be_added_renamed_and_deleted(setup: Client, administrator: User) -> None:
    setup.post(reverse("admin:desk_department_add"), {"name": "Sales"})
    department = Department.objects.get()
    setup.post(reverse("admin:desk_department_change", args=[department.pk]), {"name": "Service"})
    department.refresh_from_db()
    assert department.name == "Service"
    setup.post(reverse("admin:desk_department_delete", args=[department.pk]), {"post": "yes"})
    assert not Department.objects.exists()
    assert changes(administrator).count() == 3


def refused_department(setup: Client, department: Department) -> str:
    url = reverse("admin:desk_department_delete", args=[department.pk])
    page = text(setup.post(url, {"post": "yes"}))
    assert Department.objects.filter(pk=department.pk).exists()
    assert "This cannot be deleted now" in page
    return page


def test_a_department_with_a_channel_stays_with_a_sentence(setup: Client) -> None:
    channel = make_channel(name="Shop")
    make_department()
    assert "receives the messages of “Shop”" in refused_department(setup, channel.department)


def test_a_department_that_allows_a_channel_stays_with_a_sentence(setup: Client) -> None:
    channel, spare = make_channel(), make_department()
    make_channel(department=channel.department)
    assert "as many channels as departments" in refused_department(setup, spare)


def test_a_department_with_the_history_of_a_deleted_channel_stays(setup: Client) -> None:
    channel = make_channel()
    channel.is_active, channel.deleted_at = False, timezone.now()
    channel.save()
    assert "conversations of a deleted channel" in refused_department(setup, channel.department)


def test_a_department_with_transferred_conversations_stays(setup: Client) -> None:
    conversation, other = make_conversation(), make_department()
    conversation.department = other
    conversation.save()
    assert "has conversations and tickets" in refused_department(setup, other)


def test_deleting_many_departments_at_once_asks_the_same_rules(setup: Client) -> None:
    channel = make_channel(name="Shop")
    fields = {"action": "delete_selected", "_selected_action": [channel.department_id], "post": "yes"}
    page = text(setup.post(reverse("admin:desk_department_changelist"), fields))
    assert "receives the messages of “Shop”" in page
    assert Department.objects.exists()


def test_users_are_deactivated_and_never_deleted(setup: Client) -> None:
    user = make_agent("alice")
    assert setup.post(reverse("admin:desk_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403


def test_the_history_can_be_read_and_not_changed(setup: Client, administrator: User) -> None:
    setup.post(reverse("admin:desk_department_add"), {"name": "Sales"})
    entry = changes(administrator).get()
    page = text(setup.get(reverse("admin:desk_auditentry_changelist")))
    assert "Sales" in page
    assert date_format(timezone.localtime(entry.at), "j M Y, H:i") in page
    assert setup.post(reverse("admin:desk_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403


def test_no_library_shows_its_tables_in_setup() -> None:
    assert {model._meta.app_label for model in site._registry} <= {"admin", "auth", "desk", "channels_im", "tickets"}


def test_the_list_of_departments_opens(setup: Client) -> None:
    make_agent("alice", departments=(make_department(),))
    assert setup.get(reverse("admin:desk_department_changelist")).status_code == 200


def test_no_page_of_setup_has_a_script_or_style_of_its_own(setup: Client) -> None:
    make_channel()
    urls = ["/admin/", "/admin/people/", "/admin/people/invite/", "/admin/instant-messaging/messenger/"]
    for url in [*urls, "/admin/instant-messaging/messenger/add/", "/admin/instant-messaging/preferences/"]:
        page = text(setup.get(url))
        assert "<style" not in page, url
        assert " style=" not in page, url
        assert "onclick=" not in page, url
        assert not re.search(r"<script(?![^>]* src=)", page), url
