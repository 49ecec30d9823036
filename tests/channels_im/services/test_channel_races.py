"""Two administrators at the same moment: real threads, real transactions, on either database."""

import threading
from collections.abc import Callable

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from pytest_django import Settings

from channels_im.models import Channel, Page
from channels_im.services import channels
from channels_im.services.channels import ChannelError
from desk.models import Department, User
from tests.channels_im.setup.files import picture
from tests.factories import make_admin, make_department, make_page

TASKS = ["MESSAGING", "MODERATE"]


def at_once(*acts: Callable[[], Channel]) -> list[Channel | ChannelError]:
    """Run the acts in threads that start together; return what each returned or raised."""
    gate = threading.Barrier(len(acts))
    outcomes: dict[int, Channel | ChannelError] = {}

    def run(number: int, act: Callable[[], Channel]) -> None:
        gate.wait(timeout=10)
        try:
            outcomes[number] = act()
        except ChannelError as refusal:
            outcomes[number] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return [outcomes[number] for number in range(len(acts))]


def creating(user: User, page: Page, department: Department) -> Callable[[], Channel]:
    icon = ContentFile(picture(), name="icon.png")
    return lambda: channels.create_channel(user, name=page.name, icon=icon, page=page, department=department)


@pytest.mark.django_db(transaction=True)
def test_the_last_allowed_channel_is_created_once() -> None:
    department = make_department()
    users = [make_admin(f"admin{number}") for number in range(4)]
    acts = [creating(user, make_page(tasks=TASKS), department) for user in users]
    outcomes = at_once(*acts)
    assert Channel.objects.existing().count() == 1
    refused = [str(outcome) for outcome in outcomes if isinstance(outcome, ChannelError)]
    assert len(refused) == 3
    assert all("as many channels as departments" in sentence for sentence in refused)


@pytest.mark.django_db(transaction=True)
def test_a_page_gets_one_channel_though_there_is_room_for_more() -> None:
    departments = [make_department() for _ in range(4)]
    page = make_page(tasks=TASKS)
    user = make_admin()
    outcomes = at_once(*(creating(user, page, department) for department in departments))
    assert Channel.objects.existing().count() == 1
    assert sum("cannot be chosen" in str(outcome) for outcome in outcomes) == 3


@pytest.mark.django_db(transaction=True)
def test_no_icon_of_a_refused_channel_is_left_behind(settings: Settings) -> None:
    department = make_department()
    user = make_admin()
    at_once(*(creating(user, make_page(tasks=TASKS), department) for _ in range(3)))
    assert len(list((settings.MEDIA_ROOT / "channel-icons").iterdir())) == 1
