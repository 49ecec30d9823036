"""The one statement about a user's rights decides as Django does: superusers, groups, inactive users, other apps."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from channels_im.models import Channel
from desk.models import User
from tests.factories import make_agent, make_channel, make_department, make_user
from tickets.models import Conversation
from tickets.services.conversation import access

pytestmark = pytest.mark.django_db

SEES_ALL, LEADS = access.SEES_ALL, access.LEADS


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def group_with(*names: str) -> Group:
    group = Group.objects.create(name=f"{names} {Group.objects.count()}")
    group.permissions.set(map(permission, names))
    return group


def namesakes() -> list[Permission]:
    """Return permissions with the codenames of both rights, but of models of other apps."""
    other = ContentType.objects.get_for_model(Channel)
    tickets = ContentType.objects.get_for_model(Conversation)
    return [
        Permission.objects.create(codename=SEES_ALL.split(".")[1], content_type=other, name="of another app"),
        Permission.objects.create(codename=LEADS.split(".")[1], content_type=other, name="of another app"),
        Permission.objects.create(codename=LEADS.split(".")[1], content_type=tickets, name="of another app"),
    ]


def people() -> list[User]:
    department, channel = make_department(), make_channel()
    users = [make_user("superuser", is_superuser=True), make_user("nobody")]
    for is_active in (True, False):
        for is_agent in (True, False):
            for own, groups in (
                ([], []),
                ([permission(SEES_ALL)], []),
                ([permission(LEADS)], []),
                ([], [group_with(SEES_ALL)]),
                ([], [group_with(), group_with(LEADS)]),
                ([permission(SEES_ALL), permission(LEADS)], [group_with(SEES_ALL, LEADS)]),
            ):
                name = f"person {len(users)}"
                user = make_agent(channels=(channel,), departments=(department,)) if is_agent else make_user(name)
                user.user_permissions.set(own)
                user.groups.set(groups)
                User.objects.filter(pk=user.pk).update(is_active=is_active)
                users.append(user)
    with_namesakes = make_agent()
    with_namesakes.user_permissions.set(namesakes())
    gone = make_user("gone", is_superuser=True)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    return [*users, with_namesakes, gone]


def test_the_rights_are_those_that_django_finds() -> None:
    users = [User.objects.get(pk=user.pk) for user in people()]
    together = access.facts_for_users([user.pk for user in users])
    for user in users:
        facts = access.facts_for(user)
        assert facts == together.get(user.pk, access.NOBODY)
        assert (facts == access.NOBODY) is not user.is_active
        assert facts.sees_all is user.has_perm(SEES_ALL)
        assert facts.leads is (user.has_perm(LEADS) and not facts.sees_all)
        is_agent = hasattr(user, "agent") and user.is_active and not facts.sees_all
        assert facts.channel_ids == (set(user.agent.channels.values_list("pk", flat=True)) if is_agent else set())
        assert facts.department_ids == (set(user.agent.departments.values_list("pk", flat=True)) if is_agent else set())
    assert sum(facts.sees_all for facts in together.values()) == 7
    assert sum(facts.leads for facts in together.values()) == 4


def test_who_was_deactivated_in_another_process_sees_nothing() -> None:
    user = make_agent(channels=(make_channel(),))
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert user.is_active  # as it was read before
    assert access.facts_for(user) == access.NOBODY


def test_it_is_one_query_however_many_users_there_are() -> None:
    users = [make_agent(channels=(make_channel(),)) for _ in range(5)]
    with CaptureQueriesContext(connection) as asked:
        assert len(access.facts_for_users([user.pk for user in users] * 2)) == 5
        assert access.facts_for_users([]) == {}
        assert access.facts_for(AnonymousUser()) == access.NOBODY
        assert access.facts_for_users([-1, 2**40]) == {}
    assert len(asked) == 2
