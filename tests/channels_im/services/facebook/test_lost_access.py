"""Detect lost access by the daily check and by a reply, against the sandbox as a real process."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from channels_im import tasks
from channels_im.messenger import error_table
from channels_im.messenger.pages import SUBSCRIBED_FIELDS
from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.facebook import connection, grants, linking, subscriptions
from desk.models import User
from tests.factories import make_agent, make_conversation, receive
from tests.matching import present
from tests.sandbox.process import BERG_BAKERY, BERG_BIKES, SandboxProcess
from tickets.models import Message
from tickets.services.outgoing import outbox, replies

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

ANNA = {"person": "anna"}
BIKES = {"page": BERG_BIKES}

# What is done in the sandbox, the reason that follows, and whether the other Page of the same person stops too.
CAUSES = [
    pytest.param("expire_page_token", BIKES, "token_expired", False, id="the token expires"),
    pytest.param("revoke_permission", ANNA, "permission_revoked", True, id="a permission is revoked"),
    pytest.param("untick_page", ANNA | BIKES, "permission_revoked", False, id="the page is unticked elsewhere"),
    pytest.param("remove_app", ANNA | {"callback": "no"}, "app_removed", True, id="the app is removed"),
    pytest.param("expire_all_tokens", ANNA, "token_expired", True, id="the 60 days are over"),
    pytest.param("change_password", ANNA, "password_changed", True, id="the password is changed"),
    pytest.param("checkpoint", ANNA, "checkpoint", True, id="Facebook wants a confirmation"),
    pytest.param("unconfirmed", ANNA, "checkpoint", True, id="the person is not confirmed"),
    pytest.param("lose_role", ANNA | BIKES, "role_lost", False, id="the role on the page is lost"),
    pytest.param("log_out", ANNA, "token_expired", True, id="the person logs out everywhere"),
]


def check() -> None:
    """The daily check with all that it queues."""
    tasks.check_all()
    subscriptions.drain_subscriptions()
    for account in FacebookAccount.objects.all():
        tasks.check_account(account.pk)


def state(channel: Channel) -> tuple[str, str, str]:
    channel.page.refresh_from_db()
    return channel.page.connection, channel.page.reauth_reason, channel.page.reauth_detected_by


CONNECTED = ("connected", "", "")


@pytest.fixture
def reply(sandbox: SandboxProcess, bikes: Channel) -> Callable[..., Message]:
    """Send a reply to Lena of Berg Bikes; returns its row."""
    written = sandbox.customer_writes("lena", BERG_BIKES, "Is it open?")
    conversation = make_conversation(bikes, written["psid"])
    receive(conversation, "Is it open?", timezone.now(), mid=written["mid"])
    alice = make_agent("alice", channels=(bikes,))

    def send(text: str = "Yes") -> Message:
        (message,) = replies.queue_reply(alice, conversation, text=text)
        outbox.drain_outbox()
        message.refresh_from_db()
        return message

    return send


@pytest.mark.parametrize(("action", "target", "reason", "both"), CAUSES)
def test_the_daily_check_finds_it_with_its_reason(
    sandbox: SandboxProcess,
    bikes: Channel,
    bakery: Channel,
    action: str,
    target: dict[str, Any],
    reason: str,
    both: bool,
) -> None:
    sandbox.act(action, **target)
    check()

    assert state(bikes) == ("reauth_required", reason, "check")
    assert state(bakery) == (("reauth_required", reason, "check") if both else CONNECTED)


@pytest.mark.parametrize(("action", "target", "reason", "both"), CAUSES)
def test_a_reply_finds_it_with_its_reason(
    sandbox: SandboxProcess,
    bikes: Channel,
    bakery: Channel,
    reply: Callable[..., Message],
    action: str,
    target: dict[str, Any],
    reason: str,
    both: bool,
) -> None:
    sandbox.act(action, **target)
    message = reply()

    assert state(bikes) == ("reauth_required", reason, "send")
    assert message.state == "held"
    assert state(bakery) == CONNECTED


@pytest.mark.parametrize("scope", ["pages_manage_metadata", "pages_read_engagement", "pages_show_list"])
def test_the_check_finds_any_permission_that_is_gone_and_names_it(
    sandbox: SandboxProcess, bikes: Channel, scope: str
) -> None:
    sandbox.act("revoke_permission", person="anna", scope=scope)
    check()

    assert state(bikes)[1] == "permission_revoked"
    assert scope in bikes.page.subscription_error


def test_a_page_that_is_unticked_in_a_login_here_is_called_so(
    sandbox: SandboxProcess, bikes: Channel, bakery: Channel, administrator: User
) -> None:
    granted = sandbox.grant("anna", [BERG_BIKES])
    linking.save_grant(administrator, grants.read(granted["user_token"]))

    assert state(bakery) == ("reauth_required", "page_deselected", "login")
    assert state(bikes) == CONNECTED
    check()
    assert state(bakery)[1] == "page_deselected"


@pytest.mark.parametrize(("action", "target", "reason", "both"), [CAUSES[0], CAUSES[3], CAUSES[4], CAUSES[5]])
def test_administrators_are_notified_once_however_often_the_loss_is_found(
    sandbox: SandboxProcess,
    bikes: Channel,
    bakery: Channel,
    reply: Callable[..., Message],
    action: str,
    target: dict[str, Any],
    reason: str,
    both: bool,
) -> None:
    sandbox.act(action, **target)
    for _ in range(3):
        check()
        reply_refused(reply)
        connection.mail_administrators()
        tasks.warn_of_ending_logins()

    assert len(mail.outbox) == 1  # also when several pages are lost together


def reply_refused(reply: Callable[..., Message]) -> None:
    with pytest.raises(replies.ReplyError):
        reply()


@pytest.mark.parametrize(("action", "target", "reason", "both"), CAUSES)
def test_a_login_heals_it_and_the_next_check_agrees(
    sandbox: SandboxProcess,
    bikes: Channel,
    bakery: Channel,
    administrator: User,
    action: str,
    target: dict[str, Any],
    reason: str,
    both: bool,
) -> None:
    sandbox.act(action, **target)
    check()
    if action in ("checkpoint", "unconfirmed"):
        sandbox.act(action, person="anna", value="no")
    if action == "lose_role":
        sandbox.act("restore_role", **target)
    granted = sandbox.grant("anna", [BERG_BIKES, BERG_BAKERY])
    linking.save_grant(administrator, grants.read(granted["user_token"]))
    check()

    assert state(bikes) == CONNECTED
    assert state(bakery) == CONNECTED
    assert bikes.page.subscription_error == ""


def test_a_page_whose_token_works_again_waits_for_a_login_all_the_same(sandbox: SandboxProcess, bikes: Channel) -> None:
    sandbox.act("checkpoint", person="anna")
    check()
    sandbox.act("checkpoint", person="anna", value="no")
    check()

    assert state(bikes)[1] == "checkpoint"


def test_a_user_token_that_is_over_marks_no_page_whose_own_token_lives(
    sandbox: SandboxProcess, bikes: Channel, bakery: Channel
) -> None:
    sandbox.act("expire_user_token", person="anna")
    check()

    assert state(bikes) == CONNECTED
    assert present(FacebookAccount.objects.get().expires_at) <= timezone.now()


def test_the_check_writes_what_facebook_says_of_the_login(sandbox: SandboxProcess, bikes: Channel) -> None:
    FacebookAccount.objects.update(expires_at=None, data_access_expires_at=None)
    check()

    account = FacebookAccount.objects.get()
    assert 59 <= (present(account.expires_at) - timezone.now()).days <= 60
    assert 89 <= (present(account.data_access_expires_at) - timezone.now()).days <= 90


def test_data_access_that_is_over_is_a_warning_and_no_death(sandbox: SandboxProcess, bikes: Channel) -> None:
    sandbox.configure(data_access_s=-3600)
    sandbox.grant("anna", [BERG_BIKES, BERG_BAKERY])
    check()

    assert state(bikes) == CONNECTED
    assert "data access" in bikes.page.trouble["data_access"]["sentence"]
    sandbox.configure(data_access_s=7776000)
    sandbox.grant("anna", [BERG_BIKES, BERG_BAKERY])
    check()
    bikes.page.refresh_from_db()
    assert bikes.page.trouble == {}


@pytest.mark.parametrize("act", [("drop_fields", {"fields": "message_echoes"}), ("unsubscribe", {})])
def test_what_is_missing_of_the_subscription_is_set_again(
    sandbox: SandboxProcess, bikes: Channel, act: tuple[str, dict[str, str]]
) -> None:
    sandbox.act(act[0], page=BERG_BIKES, **act[1])
    check()

    page = next(page for page in sandbox.world()["pages"] if page["id"] == BERG_BIKES)
    assert set(SUBSCRIBED_FIELDS) <= set(page["subscribed_fields"])
    bikes.page.refresh_from_db()
    assert bikes.page.subscription == "subscribed"


def test_a_deactivated_channel_is_checked_and_not_subscribed(
    sandbox: SandboxProcess, bikes: Channel, bakery: Channel
) -> None:
    type(bikes).objects.filter(pk=bikes.pk).update(is_active=False)
    sandbox.act("change_password", person="anna")
    check()

    assert state(bikes) == ("reauth_required", "password_changed", "check")
    page = next(page for page in sandbox.world()["pages"] if page["id"] == BERG_BIKES)
    assert page["subscribed_fields"] == []


@pytest.mark.parametrize("endpoint", ["debug_token", "subscribed_apps", "any"])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "http_500"}, {"kind": "error", "code": 2, "status": 500}, {"kind": "rate_limit", "code": 4}],
    ids=["500", "code 2", "rate limit"],
)
def test_a_fault_that_passes_marks_nothing_and_is_tried_again(
    sandbox: SandboxProcess, bikes: Channel, bakery: Channel, fault: dict[str, Any], endpoint: str
) -> None:
    sandbox.fault(**fault, count=None, endpoint=endpoint)
    before = FacebookAccount.objects.get().expires_at
    check()

    assert state(bikes) == CONNECTED
    assert state(bakery) == CONNECTED
    assert bikes.page.subscription_due_at is not None
    assert FacebookAccount.objects.get().expires_at == before


def test_when_facebook_is_away_nothing_is_marked(sandbox: SandboxProcess, bikes: Channel, settings: Settings) -> None:
    settings.META_GRAPH_URL = "http://127.0.0.1:9"
    check()

    assert state(bikes) == CONNECTED
    assert bikes.page.subscription_due_at is not None


def test_a_wrong_app_secret_is_the_apps_trouble_and_not_the_pages(
    sandbox: SandboxProcess, bikes: Channel, settings: Settings
) -> None:
    settings.META_APP_SECRET = "another-secret"
    check()

    assert state(bikes) == CONNECTED
    assert "META_APP_SECRET" in bikes.page.trouble["app_refused"]["sentence"]
    assert present(FacebookAccount.objects.get().expires_at) > timezone.now()
    settings.META_APP_SECRET = "sandbox-app-secret"
    check()
    bikes.page.refresh_from_db()
    assert bikes.page.trouble == {}


def test_an_app_in_development_is_trouble_and_asks_nobody_to_log_in(
    sandbox: SandboxProcess, bikes: Channel, reply: Callable[..., Message]
) -> None:
    sandbox.act("app_mode", value="development")
    reply()

    assert state(bikes) == CONNECTED
    assert "not live" in bikes.page.trouble["app_misconfigured"]["sentence"]


def test_a_restricted_page_is_trouble_until_a_reply_arrives(
    sandbox: SandboxProcess, bikes: Channel, reply: Callable[..., Message]
) -> None:
    sandbox.act("restrict_page", page=BERG_BIKES)
    reply()
    assert state(bikes) == CONNECTED
    assert "restricted" in bikes.page.trouble["page_restricted"]["sentence"]

    sandbox.act("restrict_page", page=BERG_BIKES, value="no")
    assert reply("Now").state == "sent"
    bikes.page.refresh_from_db()
    assert bikes.page.trouble == {}


# Every row of Meta's table that is about one message, one person, a limit or a passing fault.
MESSAGE_LEVEL = [
    *((10, subcode) for subcode in (2018278, 2018065, 2534022, 2018108, 1893063, 2018336, 2018300)),
    *((200, subcode) for subcode in (1545041, 2018028, 2018021, 2018027)),
    *((100, subcode) for subcode in (None, 33, 2018001, 2018008, 2018294, 2018047, 2018074, 2018109, 2018014)),
    *((100, subcode) for subcode in (2018164, 2018034, 2534037, 2018218, 2018247)),
    *((613, subcode) for subcode in (None, 2018338, 1893016)),
    *((code, None) for code in error_table.BY_CODE),
    *((code, None) for code in (200, 551, 2018300, 2018321, 9000001)),
    *((1, 99), (1, 1357046), (2, 2018344), (9, 2018352), (4, 2018354), (551, 1545041), (424242, None)),
]


@pytest.mark.slow
def test_no_error_about_one_message_ever_marks_the_page(
    sandbox: SandboxProcess, bikes: Channel, reply: Callable[..., Message]
) -> None:
    marked = []
    for code, subcode in sorted(set(MESSAGE_LEVEL), key=str):
        Page.objects.update(rate_limited_until=None)
        Message.objects.filter(direction="out").delete()
        sandbox.clear_faults()
        sandbox.fault("error", None, endpoint="messages", code=code, **({"subcode": subcode} if subcode else {}))
        assert reply().state != "sent"
        if state(bikes) != CONNECTED:
            marked.append((code, subcode, bikes.page.reauth_reason))
            connection.mark_connected(bikes.page)

    assert marked == []


def test_pages_of_another_person_go_on(sandbox: SandboxProcess, bikes: Channel, administrator: User) -> None:
    omar = sandbox.grant("omar", ["101000000000003"])
    linking.link_with_long_token(administrator, omar["user_token"])
    sandbox.act("remove_app", person="anna", callback="no")
    check()

    assert Page.objects.get(page_id="101000000000003").is_connected
