"""A worker that is killed while a program is being told: the program is told again, of the same event."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.stage import Desk
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes
ADD = """
from desk.models import User
from tickets.models import EventSubscription, EventType
from tickets.services import event_subscriptions
admin = User.objects.create_superuser("admin")
made = event_subscriptions.create(admin, name="CRM", url="{url}", events=EventType.values)
event_subscriptions.send_test(admin, made)
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.stop()


def test_a_worker_killed_while_telling_tells_again_with_the_same_id(new_desk: Callable[..., Desk], receiver: Receiver):
    desk = new_desk(
        DESK_EVENT_HOSTS=receiver.url.removeprefix("http://"), DESK_CLAIM_SECONDS="2", DESK_SWEEP_SECONDS="0.5"
    )
    receiver.delay_s = 30  # the answer comes when nobody waits for it any more
    desk.start("worker")
    desk.manage("shell", "-c", ADD.format(url=receiver.url))
    desk.wait_for(lambda: receiver.posts, "the program is told")

    desk.processes.kill("worker")
    told_before = len(receiver.posts)
    receiver.delay_s = 0
    desk.start("worker")

    desk.wait_for(lambda: len(receiver.posts) > told_before, "it is told again")
    assert len({post.headers["Desk-Event-Id"] for post in receiver.posts}) == 1
    assert len({post.raw for post in receiver.posts}) == 1
