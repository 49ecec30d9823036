"""Whatever changes the rights of a user or ends a session is announced to open live streams, in its transaction."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from channels_im.services import preferences
from desk.live import access_changes, publish
from desk.models import LiveEvent, User
from tests.factories import make_admin, make_agent, make_channel, make_user
from tickets.views import live_rows

pytestmark = pytest.mark.django_db

Event = dict[str, Any]


@pytest.fixture
def alice() -> User:
    return make_agent("alice")


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Return the list of what is announced from now on."""
    announced: list[Event] = []
    monkeypatch.setattr(publish, "_write", announced.extend)
    return announced


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


SEES_ALL = "view_conversation"


def by_own_permission(user: User) -> None:
    user.user_permissions.remove(Permission.objects.get(codename=SEES_ALL))


def by_leaving_the_group(user: User) -> None:
    user.groups.clear()


def by_the_groups_users(_user: User) -> None:
    Group.objects.get().user_set.clear()


def by_the_groups_permissions(_user: User) -> None:
    Group.objects.get().permissions.clear()


def by_the_permissions_groups(_user: User) -> None:
    Permission.objects.get(codename=SEES_ALL).group_set.clear()


def by_deleting_the_group(_user: User) -> None:
    Group.objects.get().delete()


def by_being_no_superuser(user: User) -> None:
    user.is_superuser = False
    user.save()


@pytest.mark.parametrize(
    "change",
    [
        by_own_permission,
        by_leaving_the_group,
        by_the_groups_users,
        by_the_groups_permissions,
        by_the_permissions_groups,
        by_deleting_the_group,
        by_being_no_superuser,
    ],
)
def test_every_way_to_lose_a_right_is_announced(change: Callable[[User], object], announced: list[Event]) -> None:
    user = make_user("vera", is_superuser=change is by_being_no_superuser)
    right = Permission.objects.get(codename=SEES_ALL)
    if change is by_own_permission:
        user.user_permissions.add(right)
    elif change is not by_being_no_superuser:
        group = Group.objects.create(name="Observers")
        group.permissions.add(right)
        user.groups.add(group)
    announced.clear()
    change(user)
    assert any(each["kind"] == "access" and access_changes.concerns(each, user.pk, "") for each in announced)
    assert live_rows.facts_of(User.objects.get(pk=user.pk)).sees_all is False


def test_a_change_that_is_rolled_back_is_not_announced(alice: User) -> None:
    def fail() -> None:
        with transaction.atomic():
            alice.is_active = False
            alice.save()
            raise ValueError("no")

    if connection.vendor == "postgresql":
        pytest.skip("NOTIFY belongs to the transaction by itself")
    LiveEvent.objects.all().delete()
    with pytest.raises(ValueError, match="no"):
        fail()
    assert not LiveEvent.objects.exists()


def test_an_announcement_does_not_reveal_the_session_key(alice: User, announced: list[Event]) -> None:
    client = logged_in(alice)
    key = client.cookies["sessionid"].value
    announced.clear()
    client.logout()
    assert announced == [{"kind": "access", "session": access_changes.fingerprint(key)}]
    assert key not in json.dumps(announced)


def test_sessions_that_have_expired_are_deleted_without_announcements(alice: User, announced: list[Event]) -> None:
    logged_in(alice)
    Session.objects.update(expire_date=timezone.now())
    announced.clear()
    Session.objects.all().delete()
    assert announced == []


def test_a_login_does_not_concern_the_users_other_pages(alice: User, announced: list[Event]) -> None:
    logged_in(alice)
    assert not any(access_changes.concerns(each, alice.pk, "another session") for each in announced)


def test_an_announcement_about_very_many_people_fits_into_one_of_postgresql(announced: list[Event]) -> None:
    announced.clear()
    access_changes.announce_users(range(2**62, 2**62 + access_changes.MAX_USERS))
    access_changes.announce_users(range(10_000))
    assert all(len(json.dumps(each)) < 7_900 for each in announced)
    assert access_changes.concerns(announced[1], 9_999, "")


def test_channels_added_in_preferences_are_announced_to_the_agents_pages(alice: User, announced: list[Event]) -> None:
    shop = make_channel()
    alice.agent.departments.add(shop.department)
    admin = make_admin()
    announced.clear()
    preferences.associate(admin, alice.agent, shop.department, [shop])
    assert any(each["kind"] == "access" and access_changes.concerns(each, alice.pk, "") for each in announced)
