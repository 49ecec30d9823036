"""A sandbox as a real process, and the Pages of Anna Berg linked from it as an administrator links them."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from channels_im.models import Channel, Page
from channels_im.services.facebook import linking, subscriptions
from desk.models import User
from tests.factories import make_admin, make_channel, make_department
from tests.sandbox.process import BERG_BAKERY, BERG_BIKES, SandboxProcess


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox as at first start, which plays Meta for this test."""
    process.reset()
    settings.META_GRAPH_URL = process.url
    settings.META_MEDIA_HOSTS = [process.url.removeprefix("http://")]
    settings.META_TIMEOUT_SECONDS = 2
    settings.DESK_RETRY_BASE_SECONDS = 0.05
    return process


@pytest.fixture
def administrator(db: None) -> User:
    administrator = make_admin()
    administrator.email = "admin@example.org"
    administrator.save()
    return administrator


@pytest.fixture
def channels(sandbox: SandboxProcess, administrator: User) -> dict[str, Channel]:
    """Channels of Anna's two Pages, by page id, subscribed and checked."""
    granted = sandbox.grant("anna", [BERG_BIKES, BERG_BAKERY])
    linking.link_with_long_token(administrator, granted["user_token"])
    made = {
        page_id: make_channel(Page.objects.get(page_id=page_id), make_department(), name=name)
        for page_id, name in ((BERG_BIKES, "Bikes"), (BERG_BAKERY, "Bakery"))
    }
    subscriptions.request_check(*(channel.page_id for channel in made.values()))
    subscriptions.drain_subscriptions()
    return made


@pytest.fixture
def bikes(channels: dict[str, Channel]) -> Channel:
    channels[BERG_BIKES].page.refresh_from_db()
    return channels[BERG_BIKES]


@pytest.fixture
def bakery(channels: dict[str, Channel]) -> Channel:
    channels[BERG_BAKERY].page.refresh_from_db()
    return channels[BERG_BAKERY]
