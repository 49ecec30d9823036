"""Name and picture of a customer: fetched after the message, missing without harm."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.test import Client
from pytest_django import Settings
from responses import RequestsMock
from time_machine import TimeMachineFixture

from channels_im.services.facebook import connection
from tests import factories as make
from tests.channels_im.messenger.local_server import serve
from tests.channels_im.messenger.media_answers import answer
from tests.factories import NOON, deliver, delivery, text_item
from tests.matching import present
from tickets import tasks
from tickets.models import Contact, Message
from tickets.services.incoming import profiles

pytestmark = pytest.mark.django_db

PROFILE = "https://graph.facebook.com/v27.0/7001"


@pytest.fixture
def graph() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def picture(settings: Settings) -> Iterator[str]:
    """The address of a picture on an allowed host."""
    server = serve(answer(make.png()))
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{server.port}"]
    yield server.url + "/picture.png"
    server.stop()


def arrive(client: Client, **page: Any) -> Contact:
    """Let a new customer write, and the worker fetch the profile."""
    fb_page = make.make_channel(make.make_page(**page)).page
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    tasks.fetch_profiles()
    return Contact.objects.get()


def test_name_and_picture_are_kept_as_our_own(client: Client, graph: RequestsMock, picture: str) -> None:
    graph.get(PROFILE, json={"first_name": "Lena", "last_name": "Berg", "profile_pic": picture})
    contact = arrive(client)
    assert (contact.name, contact.profile_state) == ("Lena Berg", "fetched")
    with contact.picture as file:
        assert file.read() == make.png()
    assert "picture" not in present(contact.picture.name)


def test_a_name_without_a_picture_is_enough(client: Client, graph: RequestsMock) -> None:
    graph.get(PROFILE, json={"name": "Lena"})
    contact = arrive(client)
    assert (contact.name, contact.profile_state, bool(contact.picture)) == ("Lena", "fetched", False)


def test_a_dead_picture_does_not_cost_the_name(client: Client, graph: RequestsMock, settings: Settings) -> None:
    server = serve(answer(b"", status="404 Not Found"))
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{server.port}"]
    graph.get(PROFILE, json={"name": "Lena", "profile_pic": server.url + "/x.png"})
    contact = arrive(client)
    server.stop()
    assert (contact.name, contact.profile_state, bool(contact.picture)) == ("Lena", "fetched", False)


def test_a_picture_that_is_no_image_is_left_out(client: Client, graph: RequestsMock, settings: Settings) -> None:
    server = serve(answer(b"<html><script>"))
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{server.port}"]
    graph.get(PROFILE, json={"name": "Lena", "profile_pic": server.url + "/x.png"})
    contact = arrive(client)
    server.stop()
    assert (contact.name, bool(contact.picture)) == ("Lena", False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (400, {"error": {"code": 100, "error_subcode": 2018218}}),
        (400, {"error": {"code": 100, "error_subcode": 2018247}}),
        (400, {"error": {"code": 100, "error_subcode": 33}}),
    ],
    ids=["empty object", "phone account", "no permission", "not visible"],
)
def test_a_refused_profile_is_not_asked_for_again_and_the_message_is_there(
    client: Client, graph: RequestsMock, status: int, body: dict[str, dict[str, int]]
) -> None:
    graph.get(PROFILE, json=body, status=status)
    contact = arrive(client)
    assert (contact.profile_state, contact.display_name) == ("refused", "Messenger user 7001")
    assert Message.objects.count() == 1
    tasks.fetch_profiles()
    assert len(graph.calls) == 1


def test_a_failure_that_may_pass_is_asked_again_later(
    client: Client, graph: RequestsMock, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    graph.get(PROFILE, json={"error": {"code": 2}}, status=500)
    contact = arrive(client)
    assert contact.profile_state == "pending"
    assert not profiles.is_due()
    graph.replace(responses.GET, PROFILE, json={"name": "Lena"})
    time_machine.move_to(present(contact.profile_retry_after) + timedelta(milliseconds=1))
    tasks.fetch_profiles()
    assert Contact.objects.get().name == "Lena"


def test_it_is_given_up_in_the_end(client: Client, graph: RequestsMock, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(NOON)
    graph.get(PROFILE, json={"error": {"code": 2}}, status=500)
    contact = arrive(client)
    while contact.profile_state == "pending":
        time_machine.move_to(present(contact.profile_retry_after) + timedelta(milliseconds=1))
        tasks.fetch_profiles()
        contact.refresh_from_db()
    assert contact.profile_state == "failed"


def test_a_dead_token_marks_the_page_and_the_profile_waits_for_its_healing(client: Client, graph: RequestsMock) -> None:
    graph.get(PROFILE, json={"error": {"code": 190, "error_subcode": 463}}, status=400)
    contact = arrive(client)
    assert contact.page.connection == "reauth_required"
    assert contact.page.reauth_reason == "token_expired"
    assert contact.profile_state == "pending"
    Contact.objects.update(profile_retry_after=None)
    assert not profiles.is_due()


def test_a_rate_limit_holds_all_profiles_of_the_page(
    client: Client, graph: RequestsMock, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    graph.get(PROFILE, json={"error": {"code": 80006}}, status=400)
    contact = arrive(client)
    assert present(contact.page.background_limited_until) > NOON
    assert contact.page.rate_limited_until is None  # replies go out
    Contact.objects.update(profile_retry_after=None)
    assert not profiles.is_due()


def test_a_limit_that_a_reply_met_holds_profiles_too(
    client: Client, graph: RequestsMock, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    graph.get(PROFILE, json={"error": {"code": 1}}, status=500)
    contact = arrive(client)
    Contact.objects.update(profile_retry_after=None)
    assert profiles.is_due()
    connection.limit_rate(contact.page, timedelta(minutes=1), for_replies=True)
    assert not profiles.is_due()


def test_an_erased_contact_is_not_asked_for(client: Client, graph: RequestsMock) -> None:
    fb_page = make.make_channel().page
    make.make_contact(fb_page, "7001", profile_state="pending", erased_at=NOON)
    assert not profiles.is_due()
