"""A Page that Meta lists without its token was ticked all the same: that is no loss of access."""

import pytest
from django.test import Client

from channels_im.models import Channel, Page
from channels_im.services.facebook import connection
from desk.models import Department
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.factories import make_channel, make_department


@pytest.fixture
def channel(setup: Client, meta: FakeMeta, departments: list[Department]) -> Channel:
    meta.log_in(setup, meta.anna)
    return make_channel(Page.objects.get(page_id="1001"), departments[0], name="Bikes")


def test_the_token_is_read_from_the_page_itself(setup: Client, meta: FakeMeta) -> None:
    meta.without_token = {"1001"}
    meta.log_in(setup, meta.anna)
    assert Page.objects.get(page_id="1001").page_token == "page-token-1001"
    assert ("GET", "1001") in meta.calls


def test_a_configured_page_keeps_its_token_and_its_connection(setup: Client, meta: FakeMeta, channel: Channel) -> None:
    meta.without_token, meta.keeps_tokens = {"1001"}, True
    Page.objects.update(subscription_due_at=None)
    response = meta.log_in(setup, meta.anna)
    page = Page.objects.get(page_id="1001")
    assert "Stops" not in response.content.decode()
    assert (page.is_connected, page.page_token) == (True, "page-token-1001")
    assert page.subscription_due_at is not None  # whether that token still works, the check asks


def test_a_page_that_never_had_a_token_is_not_shown_as_connected(setup: Client, meta: FakeMeta) -> None:
    make_department()
    meta.without_token, meta.keeps_tokens = {"1001"}, True
    meta.log_in(setup, meta.anna)
    assert Page.objects.get(page_id="1001").page_token is None
    assert Page.objects.get(page_id="1002").page_token == "page-token-1002"
    page = setup.get("/admin/instant-messaging/messenger/add/").content.decode()
    assert "Berg Bakery" in page


def test_a_lost_page_is_not_healed_by_a_login_that_brings_no_token(
    setup: Client, meta: FakeMeta, channel: Channel
) -> None:
    connection.require_reauth(channel.page, "token_expired", "check")
    meta.without_token, meta.keeps_tokens = {"1001"}, True
    meta.log_in(setup, meta.anna)
    page = Page.objects.get(page_id="1001")
    assert (page.is_connected, page.reauth_reason) == (False, "token_expired")
    meta.keeps_tokens = False
    meta.log_in(setup, meta.anna)
    assert Page.objects.get(page_id="1001").is_connected
