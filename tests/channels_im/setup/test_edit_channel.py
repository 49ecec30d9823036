"""Edit Channel, the toggle, and Delete Channel."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from channels_im.models import Channel, ChannelAgent, ParkedDelivery, WebhookDelivery
from desk.models import AuditEntry, Department, User
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.channels_im.setup.files import picture, upload
from tests.factories import make_agent, make_channel, make_conversation, make_page, receive
from tests.history import changes
from tests.http import Response
from tests.matching import present
from tests.pages import html_of


def text(response: Response) -> str:
    return html_of(response)


def url(name: str, channel: Channel) -> str:
    return reverse(f"setup:messenger_{name}", args=[channel.pk])


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    page = make_page("1001", name="Berg Bikes", tasks=["MESSAGING", "MODERATE"])
    return make_channel(page, departments[0], name="Bikes")


def test_name_department_and_media_can_be_changed_and_the_icon_stays(
    setup: Client, channel: Channel, departments: list[Department], administrator: User
) -> None:
    icon = channel.icon.name
    fields = {"name": "Wheels", "department": departments[1].pk, "receive_audio_video": "on"}
    response = setup.post(url("edit", channel), fields, follow=True)
    channel.refresh_from_db()
    assert (channel.name, channel.department, channel.receive_audio_video) == ("Wheels", departments[1], True)
    assert channel.icon.name == icon
    assert "name from “Bikes” to “Wheels”" in text(response)
    assert "“Wheels”" in changes(administrator).get().sentence


def test_typing_and_seen_are_shown_to_customers_only_when_they_are_turned_on(
    setup: Client, channel: Channel, departments: list[Department]
) -> None:
    fields = {"name": "Bikes", "department": departments[0].pk}
    assert (channel.shows_typing, channel.shows_seen) == (False, False)
    response = setup.post(url("edit", channel), {**fields, "shows_typing": "on"}, follow=True)
    channel.refresh_from_db()
    assert (channel.shows_typing, channel.shows_seen) == (True, False)
    assert "showing customers that an agent is typing turned on" in text(response)
    assert "checked" in text(response).partition('name="shows_typing"')[2].partition(">")[0]
    setup.post(url("edit", channel), {**fields, "shows_seen": "on"})
    channel.refresh_from_db()
    assert (channel.shows_typing, channel.shows_seen) == (False, True)


def test_a_new_icon_replaces_the_old_file(
    setup: Client,
    channel: Channel,
    departments: list[Department],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    old = present(channel.icon.name)
    fields = {"name": "Bikes", "department": departments[0].pk, "icon": upload(picture("JPEG"), "new.jpg")}
    with django_capture_on_commit_callbacks(execute=True):
        setup.post(url("edit", channel), fields)
    channel.refresh_from_db()
    assert present(channel.icon.name).endswith(".jpg")
    assert not channel.icon.storage.exists(old)


def test_saving_nothing_new_leaves_no_history(
    setup: Client, channel: Channel, departments: list[Department], administrator: User
) -> None:
    response = setup.post(url("edit", channel), {"name": "Bikes", "department": departments[0].pk}, follow=True)
    assert "Nothing was changed." in text(response)
    assert not changes(administrator).exists()


def test_the_page_of_a_channel_cannot_be_changed_by_hand(
    setup: Client, channel: Channel, departments: list[Department]
) -> None:
    other = make_page("1002", tasks=["MESSAGING", "MODERATE"])
    setup.post(url("edit", channel), {"name": "Bikes", "department": departments[0].pk, "page": other.pk})
    channel.refresh_from_db()
    assert channel.page.page_id == "1001"


def test_agents_outside_a_new_department_lose_the_channel(
    setup: Client, channel: Channel, departments: list[Department]
) -> None:
    stays = make_agent("stays", channels=(channel,), departments=(departments[1],))
    make_agent("goes", channels=(channel,))
    setup.post(url("edit", channel), {"name": "Bikes", "department": departments[1].pk})
    assert [row.agent.user for row in ChannelAgent.objects.all()] == [stays]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_bad_name_is_refused_and_the_old_one_stays(
    setup: Client, channel: Channel, departments: list[Department], name: str
) -> None:
    setup.post(url("edit", channel), {"name": name, "department": departments[0].pk})
    channel.refresh_from_db()
    assert channel.name == "Bikes"


def test_a_long_name_is_not_cut_by_the_browser_but_refused_with_its_length(
    setup: Client, channel: Channel, departments: list[Department]
) -> None:
    assert "maxlength" not in text(setup.get(url("edit", channel)))
    page = text(setup.post(url("edit", channel), {"name": "x" * 300, "department": departments[0].pk}))
    assert "The name has 300 characters; at most 100 fit." in page


# --- The toggle
def test_the_toggle_asks_first_and_says_what_stops(setup: Client, channel: Channel) -> None:
    receive(make_conversation(channel))
    page = text(setup.get(url("deactivate", channel)))
    assert "What stops" in page
    assert "What stays" in page
    assert "1 conversation has an open ticket." in page
    channel.refresh_from_db()
    assert channel.is_active


def test_deactivating_and_activating_again_leaves_everything_as_it_was(
    setup: Client, channel: Channel, administrator: User
) -> None:
    conversation = make_conversation(channel)
    setup.post(url("deactivate", channel))
    off = Channel.objects.get(pk=channel.pk)
    assert not off.is_active
    assert off.deactivated_at
    setup.post(url("activate", channel))
    channel.refresh_from_db()
    assert channel.is_active
    assert channel.deactivated_at is None
    assert channel.conversations.get() == conversation
    lines = [entry.sentence for entry in changes(administrator).order_by("pk")]
    assert lines == ["Deactivated.", "Activated."]


def test_a_deactivated_channel_is_to_be_unsubscribed(setup: Client, channel: Channel) -> None:
    setup.post(url("deactivate", channel))
    channel.page.refresh_from_db()
    assert channel.page.subscription_due_at is not None


def test_deactivating_twice_says_so_and_is_logged_once(setup: Client, channel: Channel, administrator: User) -> None:
    setup.post(url("deactivate", channel))
    response = setup.post(url("deactivate", channel), follow=True)
    assert "was already deactivated" in text(response)
    assert changes(administrator).count() == 1


def test_activation_offers_to_process_what_arrived_meanwhile(setup: Client, channel: Channel) -> None:
    setup.post(url("deactivate", channel))
    delivery = WebhookDelivery.objects.create(body=b"{}", state="parked")
    ParkedDelivery.objects.create(delivery=delivery, page=channel.page)
    response = setup.post(url("activate", channel), follow=True)
    assert "1 delivery arrived while this channel was deactivated." in text(response)
    setup.post(url("take_in", channel))
    assert changes().latest("pk").sentence == "Imported 1 delivery that had waited."
    delivery.refresh_from_db()
    assert delivery.state == "pending"
    assert not ParkedDelivery.objects.exists()


# --- Delete Channel
def test_deleting_asks_with_yes_delete(setup: Client, channel: Channel) -> None:
    page = text(setup.get(url("delete", channel)))
    assert "Yes, Delete" in page
    assert Channel.objects.existing().exists()


def test_deleting_keeps_the_conversations_and_frees_the_page(
    setup: Client, channel: Channel, departments: list[Department], administrator: User
) -> None:
    conversation = make_conversation(channel)
    setup.post(url("delete", channel))
    channel.refresh_from_db()
    assert channel.is_deleted
    assert not channel.is_active
    assert channel.conversations.get() == conversation
    assert changes(administrator).get().action == AuditEntry.Action.DELETED
    make_channel(channel.page, departments[0])


@pytest.mark.parametrize("name", ["edit", "checks", "check_now", "take_in"])
def test_a_deleted_channel_has_no_pages_in_setup(setup: Client, channel: Channel, name: str) -> None:
    setup.post(url("delete", channel))
    assert setup.post(url(name, channel), {"name": "x"}).status_code in (404, 405)


@pytest.mark.parametrize("name", ["deactivate", "activate"])
def test_a_deleted_channel_cannot_be_turned_on_or_off(setup: Client, channel: Channel, name: str) -> None:
    setup.post(url("delete", channel))
    response = setup.post(url(name, channel), follow=True)
    assert "This channel has been deleted." in text(response)
    channel.refresh_from_db()
    assert not channel.is_active


def test_deleting_twice_is_said_and_done_once(setup: Client, channel: Channel, administrator: User) -> None:
    setup.post(url("delete", channel))
    response = setup.post(url("delete", channel), follow=True)
    assert "was already deleted" in text(response)
    assert changes(administrator).count() == 1


def test_a_dialog_is_the_same_page_without_its_frame(setup: Client, channel: Channel) -> None:
    fragment = text(setup.get(url("delete", channel), headers={"X-Requested-With": "fetch"}))
    assert "Yes, Delete" in fragment
    assert "<html" not in fragment


def test_the_list_of_channels_costs_no_query_each(
    setup: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        make_channel(department=Department.objects.create(name=f"D{number}"))
    with django_assert_max_num_queries(12):
        setup.get("/admin/instant-messaging/messenger/")


# --- What was typed
def test_what_was_typed_survives_a_reauthentication(
    setup: Client, meta: FakeMeta, channel: Channel, departments: list[Department]
) -> None:
    typed: dict[str, Any] = {"name": "Wheels", "department": departments[2].pk, "channel": channel.pk}
    meta.anna.pages = [("1001", "Berg Bikes", ["MESSAGING", "MODERATE"])]
    page = text(meta.log_in(setup, meta.anna, **typed))
    assert 'value="Wheels"' in page
    assert "It is not saved yet." in page
    channel.refresh_from_db()
    assert channel.name == "Bikes"


def test_a_reauthentication_with_nothing_typed_leaves_no_draft(
    setup: Client, meta: FakeMeta, channel: Channel, departments: list[Department]
) -> None:
    meta.anna.pages = [("1001", "Berg Bikes", ["MESSAGING", "MODERATE"])]
    typed: dict[str, Any] = {"name": "Bikes", "department": departments[0].pk, "channel": channel.pk}
    assert "It is not saved yet." not in text(meta.log_in(setup, meta.anna, **typed))


def test_a_box_that_was_unticked_stays_unticked_over_the_trip(
    setup: Client, meta: FakeMeta, channel: Channel, departments: list[Department]
) -> None:
    channel.receive_audio_video = True
    channel.save()
    meta.anna.pages = [("1001", "Berg Bikes", ["MESSAGING", "MODERATE"])]
    typed: dict[str, Any] = {"name": "Bikes", "department": departments[0].pk, "channel": channel.pk}
    page = text(meta.log_in(setup, meta.anna, **typed))
    assert "It is not saved yet." in page
    assert "checked" not in page.partition('name="receive_audio_video"')[2].partition(">")[0]
