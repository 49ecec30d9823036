"""Setup → a channel → Message templates, against the sandbox."""

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from channels_im.models import Channel, MessageTemplate
from desk.models import AuditEntry, User
from tests.factories import make_channel, make_page, make_user
from tests.pages import html_of
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

LINK = ["pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement"]
SHIPPED = {"name": "order_shipped", "language": "en_US", "body": "Hi {{1}}", "examples": "Maria", "buttons": "Thanks"}


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def channel(process: SandboxProcess, settings: Settings) -> Channel:
    process.reset(template_review_s=0)
    settings.META_GRAPH_URL = process.url
    settings.META_APP_ID, settings.META_APP_SECRET = "100000000000001", "sandbox-app-secret"
    granted = process.grant("anna", [BERG_BIKES], scopes=[*LINK, "pages_utility_messaging"])
    return make_channel(make_page(BERG_BIKES, page_token=granted["pages"][0]["access_token"]))


def test_a_template_is_created_refreshed_and_deleted(setup: Client, channel: Channel, administrator: User) -> None:
    url = f"/admin/instant-messaging/messenger/{channel.pk}/templates/"
    assert "No template yet" in html_of(setup.get(url))
    refused = setup.post(f"{url}add/", SHIPPED | {"body": "Hi {{2}}"})
    assert refused.status_code == 422
    assert "without a gap" in html_of(refused)
    created = html_of(setup.post(f"{url}add/", SHIPPED, follow=True))
    assert "Being checked by Facebook" in created
    assert "Approved" in html_of(setup.post(url, follow=True))
    row = MessageTemplate.objects.get()
    assert (row.body, row.buttons, row.category) == ("Hi {{1}}", ["Thanks"], "UTILITY")
    again = setup.post(f"{url}add/", SHIPPED)
    assert "of this name in this language already" in html_of(again)
    setup.post(f"{url}{row.pk}/delete/")
    assert "No template yet" in html_of(setup.post(url, follow=True))
    sentences = AuditEntry.objects.filter(actor=administrator, sentence__contains="order_shipped").order_by("pk")
    assert [entry.sentence.rpartition(" ")[2] for entry in sentences] == ["created.", "deleted."]


def test_facebooks_library_is_a_start_and_a_missing_permission_is_said(
    setup: Client, channel: Channel, process: SandboxProcess
) -> None:
    url = f"/admin/instant-messaging/messenger/{channel.pk}/templates/"
    found = html_of(setup.get(f"{url}library/", {"q": "appointment"}))
    assert "appointment_reminder" in found
    assert "order_shipped" not in found
    form = html_of(setup.get(f"{url}add/", {"name": "appointment_reminder", "body": "Hello {{1}}"}))
    assert 'value="appointment_reminder"' in form
    process.act("revoke_permission", person="anna", scope="pages_utility_messaging")
    assert "META_UTILITY_MESSAGES=true" in html_of(setup.get(f"{url}library/"))
    assert "META_UTILITY_MESSAGES=true" in html_of(setup.post(url, follow=True))
    channel.page.refresh_from_db()
    assert channel.page.is_connected


def test_who_may_not_change_channels_cannot_create_templates(client: Client, channel: Channel) -> None:
    client.force_login(make_user("staff", is_staff=True))
    url = f"/admin/instant-messaging/messenger/{channel.pk}/templates/"
    assert {client.get(url).status_code, client.get(f"{url}add/").status_code} == {403}
