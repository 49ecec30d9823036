"""What deletes is confirmed: in red, with the focus on Cancel, and with the reason when it cannot be done."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from desk.models import User
from tests.factories import make_admin, make_agent, make_channel, make_contact, make_department, make_page
from tests.pages import html_of
from tickets.models import CannedReply, EventSubscription

pytestmark = pytest.mark.django_db


@pytest.fixture
def setup() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def assert_cancel_has_the_focus(response: Any) -> None:
    page = html_of(response)
    assert re.search(r'<button class="button button--destroy">\s*\w', page)
    assert re.search(r'<a class="button" href="[^"]+" data-close autofocus>Cancel</a>', page)
    assert page.count("autofocus") == 1


def test_every_page_that_deletes_has_the_focus_on_cancel(setup: Client) -> None:
    department, channel = make_department(), make_channel()
    webhook = EventSubscription.objects.create(name="CRM", url="https://crm.example/", events=["message.created"])
    for url in (
        f"/admin/desk/department/{department.pk}/delete/",
        f"/admin/instant-messaging/messenger/{channel.pk}/delete/",
        f"/admin/programs/events/{webhook.pk}/delete/",
    ):
        assert_cancel_has_the_focus(setup.get(url))
    selected = {"action": "delete_selected", "_selected_action": [department.pk]}
    assert_cancel_has_the_focus(setup.post("/admin/desk/department/", selected))


def test_a_confirmation_names_no_rows_that_only_link(setup: Client) -> None:
    department = make_department()
    make_agent("alice", departments=(department,))
    page = html_of(setup.get(f"/admin/desk/department/{department.pk}/delete/"))
    assert " object (" not in page
    assert "relationship" not in page


def test_what_is_needed_says_why(setup: Client) -> None:
    channel = make_channel()
    page = html_of(setup.get(f"/admin/desk/department/{channel.department_id}/delete/"))
    assert "This cannot be deleted now" in page
    assert "button--destroy" not in page
    assert " object (" not in page


def test_enter_in_the_name_of_a_customer_erases_nobody(setup: Client) -> None:
    contact = make_contact(make_page(), name="Clara")
    page = html_of(setup.get(f"/admin/tickets/contact/{contact.pk}/erase/"))
    first_button = re.search(r"<button[^>]*>", page[page.index('class="confirm"') :])
    assert first_button
    assert first_button[0] == "<button disabled hidden>"


def test_a_deletion_that_reaches_what_somebody_may_not_delete_names_it() -> None:
    bob, department = make_agent("bob"), make_department()
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.user_permissions.set(Permission.objects.filter(codename__in=["view_department", "delete_department"]))
    CannedReply.objects.create(shortcut="hello", title="Hello", text="Hello!", department=department)
    client = Client()
    client.force_login(User.objects.get(pk=bob.pk))
    page = html_of(client.get(f"/admin/desk/department/{department.pk}/delete/"))
    assert "This would also delete canned reply, which your account may not delete." in page
    assert "button--destroy" not in page
