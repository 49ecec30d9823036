"""From Meta's POST to contact, conversation, ticket and message: whole requests, then the worker's drain."""

import pytest

from channels_im.models import Channel, Page
from tests import factories as make


@pytest.fixture
def channel(db: None) -> Channel:
    return make.make_channel(department=make.make_department("Support"))


@pytest.fixture
def fb_page(channel: Channel) -> Page:
    return channel.page
