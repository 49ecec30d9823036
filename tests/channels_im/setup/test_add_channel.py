"""Add Channel: what is accepted, what is refused with a sentence, and what is kept of a form that was not saved."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from channels_im.models import Channel, ChannelDraft, Page
from desk.models import Department, User
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.channels_im.setup.files import noise_png, picture, upload
from tests.factories import make_channel, make_page, make_user
from tests.history import changes
from tests.http import Response
from tests.matching import present
from tests.pages import html_of

URL = "/admin/instant-messaging/messenger/add/"
TASKS = ["MESSAGING", "MODERATE"]


@pytest.fixture
def berg(db: None) -> Page:
    return make_page("1001", name="Berg Bikes", tasks=TASKS)


def form(page: Page, department: Department, /, **changes: Any) -> dict[str, Any]:
    return {"icon": upload(), "name": "Shop", "page": page.pk, "department": department.pk} | changes


def text(response: Response) -> str:
    return html_of(response)


def test_a_channel_is_created_and_its_page_is_to_be_subscribed(
    setup: Client, departments: list[Department], berg: Page, administrator: User
) -> None:
    response = setup.post(URL, form(berg, departments[1], receive_audio_video="on"), follow=True)
    channel = Channel.objects.get()
    assert (channel.name, channel.page, channel.department) == ("Shop", berg, departments[1])
    assert channel.is_active
    assert channel.receive_audio_video
    assert "icon" not in present(channel.icon.name).rpartition("/")[2]
    berg.refresh_from_db()
    assert berg.subscription_due_at is not None
    assert response.redirect_chain[-1][0] == reverse("setup:messenger_edit", args=[channel.pk])
    assert "has been created" in text(response)
    assert "Desk is asking Facebook whether it accepts" in text(response)


def test_creating_a_channel_stands_in_the_history(
    setup: Client, departments: list[Department], berg: Page, administrator: User
) -> None:
    setup.post(URL, form(berg, departments[0]))
    entry = changes(administrator).get()
    assert entry.object_name == "Shop"
    assert "Berg Bikes" in entry.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "Give the channel a name."),
        ({"name": "  \t "}, "Give the channel a name."),
        ({"name": "x" * 300}, "The name has 300 characters; at most 100 fit."),
        ({"icon": ""}, "Choose an icon"),
        ({"icon": upload(b"")}, "This file is empty."),
        ({"icon": upload(noise_png(1_048_577))}, "the limit is 1 MB"),
        ({"icon": upload(picture("GIF"), "icon.png")}, "not a JPEG or PNG picture"),
        ({"page": ""}, "Select a Facebook Page."),
        ({"page": "99999"}, "not among your linked Pages"),
        ({"page": "1 OR 1=1"}, "not among your linked Pages"),
        ({"department": "99999"}, "no longer exists"),
        ({"department": ""}, "Select the department"),
    ],
    ids=str.split(
        "no-name blank-name long-name no-icon empty-icon big-icon gif no-page unknown-page odd-page gone none"
    ),
)
def test_an_error_is_shown_beside_its_field_and_nothing_is_saved(
    setup: Client, departments: list[Department], berg: Page, changes: dict[str, Any], says: str
) -> None:
    response = setup.post(URL, form(berg, departments[0], **changes))
    assert response.status_code == 200
    assert says in text(response)
    assert not Channel.objects.exists()


def test_a_name_of_one_hundred_characters_fits(setup: Client, departments: list[Department], berg: Page) -> None:
    setup.post(URL, form(berg, departments[0], name="ü" * 100))
    assert Channel.objects.get().name == "ü" * 100


def test_a_good_icon_is_kept_when_something_else_is_wrong(
    setup: Client, departments: list[Department], berg: Page
) -> None:
    response = setup.post(URL, form(berg, departments[0], name=""))
    assert "Kept: icon.png" in text(response)
    again = form(berg, departments[0])
    del again["icon"]
    setup.post(URL, again)
    assert Channel.objects.get().icon
    assert not ChannelDraft.objects.exists()


def test_there_are_at_most_as_many_channels_as_departments(
    setup: Client, departments: list[Department], berg: Page
) -> None:
    for department in departments:
        make_channel(department=department)
    response = setup.post(URL, form(berg, departments[0]))
    assert response.status_code == 200
    assert "3 of 3 possible channels" in text(response)
    assert Channel.objects.count() == 3


def test_at_the_limit_the_list_explains_and_offers_departments(setup: Client, departments: list[Department]) -> None:
    for department in departments:
        make_channel(department=department)
    page = text(setup.get("/admin/instant-messaging/messenger/"))
    assert "One more department allows one more channel." in page
    assert "disabled" in page
    assert "/admin/desk/department/" in page


def test_at_the_limit_the_page_shows_the_reason_and_no_form(setup: Client, departments: list[Department]) -> None:
    for department in departments:
        make_channel(department=department)
    page = text(setup.get(URL))
    assert "3 of 3 possible channels" in page
    assert 'name="name"' not in page


def test_a_deleted_channel_does_not_count_and_frees_its_page(
    setup: Client, departments: list[Department], berg: Page
) -> None:
    Department.objects.exclude(pk=departments[0].pk).delete()
    old = make_channel(berg, departments[0])
    setup.post(reverse("setup:messenger_delete", args=[old.pk]))
    setup.post(URL, form(berg, departments[0]))
    assert Channel.objects.existing().get().page == berg


def test_without_a_department_there_is_a_sentence(setup: Client) -> None:
    page = text(setup.get(URL))
    assert "Create a department first." in page


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tasks": ["ANALYZE"]}, "message from this Page. Ask a Page admin for Messages access."),
        ({"tasks": TASKS, "page_token": None}, "Facebook gave no access"),
        (
            {"tasks": TASKS, "connection": "reauth_required", "reauth_reason": "password_changed"},
            "Must be re-authenticated: the Facebook password was changed.",
        ),
    ],
    ids=["no-task", "no-token", "must-be-reauthenticated"],
)
def test_a_page_that_cannot_be_used_is_greyed_with_the_reason_and_refused(
    setup: Client, departments: list[Department], fields: dict[str, Any], reason: str
) -> None:
    page = make_page(**fields)
    shown = text(setup.get(URL))
    assert reason in shown
    assert f'value="{page.pk}" disabled' in shown
    response = setup.post(URL, form(page, departments[0]))
    assert reason in text(response)
    assert not Channel.objects.exists()


def test_a_page_with_a_channel_is_greyed_with_its_name_and_refused(
    setup: Client, departments: list[Department], berg: Page
) -> None:
    make_channel(berg, departments[0], name="The first")
    assert "Used by the channel “The first”." in text(setup.get(URL))
    response = setup.post(URL, form(berg, departments[1]))
    assert "Used by the channel “The first”." in text(response)
    assert Channel.objects.count() == 1


def test_a_page_that_a_colleague_linked_is_not_for_another_administrator(
    client: Client, departments: list[Department], berg: Page
) -> None:
    owner = make_user("owner")
    account = present(berg.facebook_account)
    account.linked_by = owner
    account.save()
    colleague = make_user("colleague", is_staff=True)
    give(colleague, "add_channel")
    client.force_login(colleague)
    assert "Linked by owner." in text(client.get(URL))
    response = client.post(URL, form(berg, departments[0]))
    assert "Linked by owner." in text(response)
    assert not Channel.objects.exists()


def test_a_department_deleted_in_between_is_said(setup: Client, departments: list[Department], berg: Page) -> None:
    gone = departments[2].pk
    departments[2].delete()
    response = setup.post(URL, form(berg, departments[0], department=gone))
    assert "no longer exists" in text(response)


def test_sending_the_same_form_twice_makes_one_channel(
    setup: Client, departments: list[Department], berg: Page
) -> None:
    setup.post(URL, form(berg, departments[0]))
    response = setup.post(URL, form(berg, departments[0]))
    assert response.status_code == 200
    assert Channel.objects.count() == 1


def test_what_was_typed_can_be_thrown_away(setup: Client, departments: list[Department], berg: Page) -> None:
    setup.post(URL, form(berg, departments[0], name=""))
    assert "Your earlier input is shown." in text(setup.get(URL))
    setup.post("/admin/instant-messaging/messenger/add/start-again/")
    assert "Your earlier input is shown." not in text(setup.get(URL))


def test_no_page_yet_offers_to_link_facebook(setup: Client, departments: list[Department]) -> None:
    Page.objects.all().delete()
    assert "Link Facebook" in text(setup.get(URL))


def test_the_pages_of_a_long_list_cost_no_query_each(
    setup: Client, departments: list[Department], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        make_page(f"5{number:05}", tasks=TASKS)
    with django_assert_max_num_queries(16):
        setup.get(URL)


def give(user: User, *codenames: str) -> None:
    from django.contrib.auth.models import Permission

    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


@pytest.mark.parametrize("value", ["²", "9" * 40, "-1", "1\0", "<b>"])
def test_odd_values_posted_by_hand_are_refused_and_never_crash(
    setup: Client, departments: list[Department], berg: Page, meta: FakeMeta, value: str
) -> None:
    fields = form(berg, departments[0], name=value, page=value, department=value)
    assert setup.post(URL, fields).status_code == 200
    link = setup.post("/admin/instant-messaging/messenger/link/", {"channel": value, "name": f"x{value}"})
    assert link.status_code in (302, 404)
    assert setup.get(URL).status_code == 200
    assert not Channel.objects.exists()
