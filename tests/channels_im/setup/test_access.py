"""Who reaches Setup: strangers are asked to log in, agents are refused, staff need the permission of each page."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from channels_im.models import Channel, FacebookAccount, WebhookDelivery
from desk.models import Department, User
from tests.channels_im.setup.fake_meta import CALLBACK, FakeMeta
from tests.factories import make_agent, make_channel, make_user
from tests.pages import html_of


@pytest.fixture
def urls(departments: list[Department]) -> list[str]:
    channel = make_channel(department=departments[0])
    agent = make_agent("alice", channels=(channel,)).agent
    delivery = WebhookDelivery.objects.create(body=b"{}")
    plain = "instant_messaging messenger messenger_add messenger_start_again link_start link_decide preferences health "
    plain += "health_check_all journal journal_replay_failed go_live go_live_check_now go_live_tick go_live_hide "
    plain += "privacy_policy_edit"
    of_channel = "messenger_edit messenger_checks messenger_check_now messenger_deactivate messenger_activate "
    of_channel += "messenger_delete messenger_take_in channel_icon"
    return [
        *(reverse(f"setup:{name}") for name in plain.split()),
        *(reverse(f"setup:{name}", args=[channel.pk]) for name in of_channel.split()),
        reverse("setup:associate", args=[departments[0].pk, agent.pk]),
        reverse("setup:journal_entry", args=[delivery.pk]),
        reverse("setup:journal_replay", args=[delivery.pk]),
        reverse("setup:page_picture", args=[channel.page_id]),
        reverse("admin:desk_department_changelist"),
        reverse("admin:index"),
        "/accounts/facebook/login/",
    ]


def grant(user: User, *codenames: str) -> User:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    return user


def test_a_stranger_is_sent_to_the_login(urls: list[str], client: Client) -> None:
    for url in urls:
        for response in (client.get(url), client.post(url)):
            assert response.status_code == 302, url
            assert "/login/" in response["Location"], url


def test_an_agent_is_refused(urls: list[str]) -> None:
    agent = Client()
    agent.force_login(make_agent("mallory"))
    for url in urls:
        for response in (agent.get(url), agent.post(url)):
            assert response.status_code == 403, url
    assert Channel.objects.existing().filter(is_active=True).exists()


@pytest.mark.slow
def test_staff_without_a_permission_is_refused(urls: list[str]) -> None:
    staff = Client()
    staff.force_login(make_user("staff", is_staff=True))
    for url in urls:
        if url != "/admin/":
            assert staff.get(url).status_code == 403, url
            assert staff.post(url).status_code == 403, url


def test_a_deactivated_administrator_is_out(urls: list[str], setup: Client, administrator: User) -> None:
    administrator.is_active = False
    administrator.save()
    assert all(setup.get(url).status_code == 302 for url in urls)


def test_who_may_only_look_sees_no_button_and_changes_nothing(urls: list[str], departments: list[Department]) -> None:
    viewer = Client()
    viewer.force_login(grant(make_user("viewer", is_staff=True), "view_channel"))
    channel = Channel.objects.get()
    page = html_of(viewer.get(reverse("setup:messenger_edit", args=[channel.pk])))
    assert "Re-authenticate" not in page
    assert ">Save<" not in page
    viewer.post(reverse("setup:messenger_edit", args=[channel.pk]), {"name": "x", "department": departments[0].pk})
    assert viewer.post(reverse("setup:messenger_delete", args=[channel.pk])).status_code == 403
    assert viewer.post(reverse("setup:messenger_deactivate", args=[channel.pk])).status_code == 403
    assert viewer.get(reverse("setup:messenger_add")).status_code == 403
    assert viewer.post(reverse("setup:link_start")).status_code == 403
    channel.refresh_from_db()
    assert channel.name != "x"
    assert channel.is_active


def test_every_change_needs_the_token_against_forgery(urls: list[str], administrator: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(administrator)
    channel = Channel.objects.get()
    for name in ("messenger_deactivate", "messenger_delete", "messenger_edit"):
        assert careful.post(reverse(f"setup:{name}", args=[channel.pk])).status_code == 403
    assert careful.post(reverse("setup:link_start")).status_code == 403


@pytest.mark.slow
def test_looking_changes_nothing(urls: list[str], setup: Client) -> None:
    for url in urls:
        setup.get(url)
    channel = Channel.objects.get()
    assert channel.is_active
    assert not channel.is_deleted


def test_an_agent_cannot_finish_a_login_that_was_begun(meta: FakeMeta, departments: list[Department]) -> None:
    agent = Client()
    agent.force_login(make_agent("mallory"))
    response = agent.get(CALLBACK, {"code": meta.code(meta.anna), "state": "any"})
    assert response.status_code == 403
    assert not FacebookAccount.objects.exists()


def test_a_stranger_at_the_callback_is_sent_to_the_login(meta: FakeMeta, client: Client, db: None) -> None:
    response = client.get(CALLBACK, {"code": meta.code(meta.anna), "state": "any"})
    assert response.status_code == 302
    assert "/accounts/login/" in response["Location"]


def test_losing_the_permission_during_the_trip_stops_the_link(
    meta: FakeMeta, setup: Client, administrator: User
) -> None:
    state = meta.start(setup)
    administrator.is_superuser = False
    administrator.save()
    response = setup.get(CALLBACK, {"code": meta.code(meta.anna), "state": state})
    assert response.status_code == 403
    assert not FacebookAccount.objects.exists()


@pytest.mark.parametrize(
    "url", ["/accounts/3rdparty/", "/accounts/3rdparty/signup/", "/accounts/facebook/login/token/"]
)
def test_the_other_pages_of_the_login_library_are_closed(setup: Client, url: str) -> None:
    assert setup.get(url).status_code == 404
    assert setup.post(url).status_code == 404


def test_facebook_is_no_way_to_log_in(setup: Client) -> None:
    response = setup.post("/accounts/facebook/login/", {"process": "login"})
    assert response["Location"] == reverse("setup:messenger_add")
