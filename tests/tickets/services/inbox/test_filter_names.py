"""The names in the filters of a list: as many users, with as many channels, as share the prepared queries."""

import pytest

from channels_im.models import Channel
from desk.models import Department, User
from tests import factories as make
from tickets.models import Conversation, Label
from tickets.services.conversation import access
from tickets.services.inbox import filter_names, labels

pytestmark = pytest.mark.django_db


@pytest.fixture
def users() -> list[User]:
    departments = [Department.objects.create(name=name) for name in ("Sales", "Care", "Parts")]
    channels = [make.make_channel(make.make_page(), departments[at % 3], name=f"Channel {at % 4}") for at in range(7)]
    for at, department in enumerate([None, *departments]):
        Label.objects.create(name=f"Label {at}", key=f"label {at}", department=department)
    Channel.objects.filter(pk=channels[3].pk).update(is_active=False, deleted_at=make.NOON)
    users = [make.make_agent(f"agent{at}", channels=tuple(channels[at : at + at])) for at in range(4)]
    users += [make.make_admin(), make.make_user("nobody")]
    users[2].agent.departments.add(departments[2])
    given = [make.make_conversation(channel) for channel in channels]
    Conversation.objects.filter(pk=given[6].pk).update(assignee=users[0])
    Conversation.objects.filter(pk=given[1].pk).update(department=departments[2], transferred_at=make.NOON)
    return users


def test_each_user_gets_the_names_that_they_may_see(users: list[User]) -> None:
    seen = set()
    for user in [*users, *reversed(users)]:
        facts = access.facts_for(user)
        channels = access.channels_for(user, facts).order_by("name").select_related("department")
        expected = [(one.pk, one.name, one.department.name, one.is_deleted) for one in channels]
        found = [
            (pk, name, department, bool(deleted)) for pk, name, department, deleted in filter_names.channels(facts)
        ]
        assert sorted(found) == sorted(expected)
        assert [name for _pk, name, *_rest in found] == [name for _pk, name, *_rest in expected]
        assert filter_names.labels(facts) == list(labels.seen_by(facts).values_list("pk", "name"))
        assert filter_names.departments(facts) == list(Department.objects.order_by("name").values_list("pk", "name"))
        seen.add(len(found))
    assert len(seen) >= 4  # the users see different numbers of channels
