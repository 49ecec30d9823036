"""What happens in each channel now."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.factories import answer, make_agent, make_channel, make_conversation, receive
from tickets.models import Message
from tickets.services.inbox import overview

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def test_messages_agents_and_waiting_are_counted_by_channel(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    shop, quiet = make_channel(name="Shop"), make_channel(name="Quiet")
    online, away = make_agent("online", channels=(shop,)), make_agent("away", channels=(shop, quiet))
    online.agent.presence, away.agent.presence = "online", "away"
    online.agent.save()
    away.agent.save()
    gone = make_agent("gone", channels=(shop,))
    gone.is_active = False
    gone.save()
    with time_machine.travel(NOW, tick=False), timezone.override("Europe/Berlin"):
        receive(make_conversation(shop), at=datetime(2026, 11, 18, 23, 30, tzinfo=UTC))  # the 19th in Berlin
        receive(make_conversation(shop), at=datetime(2026, 11, 18, 22, 30, tzinfo=UTC))  # the 18th
        answered = make_conversation(shop)
        receive(answered, at=NOW - timedelta(minutes=20))
        answer(answered, at=NOW - timedelta(minutes=10))
        answer(answered, "Look at this", kind=Message.Kind.NOTE, at=NOW - timedelta(minutes=5))
        with django_assert_num_queries(3):
            of_shop, of_quiet = overview.of_channels([shop, quiet])
    assert (of_shop.today, of_shop.yesterday, of_shop.online, of_shop.agents) == (2, 1, 1, 2)
    assert (of_shop.waiting, of_shop.longest_wait) == (2, NOW - datetime(2026, 11, 18, 22, 30, tzinfo=UTC))
    assert (of_quiet.today, of_quiet.online, of_quiet.agents, of_quiet.longest_wait) == (0, 0, 1, None)
