"""The daily check in cases that the sandbox cannot play: odd answers, races, and which Pages are checked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine
from django_q.models import OrmQ
from time_machine import Traveller

from channels_im import tasks
from channels_im.models import FacebookAccount, Page
from channels_im.services.facebook import subscriptions
from tests.factories import NOON, make_channel, make_page
from tests.matching import present

pytestmark = pytest.mark.django_db

GRAPH = "https://graph.facebook.com/v27.0"
APP_ID = "100000000000001"
SCOPES = ["pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement"]
LATER = int((NOON + timedelta(days=50)).timestamp())


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def page() -> Page:
    return make_channel(make_page("1001")).page


def token(**changes: Any) -> dict[str, Any]:
    """Return the data of debug_token for a living token of page 1001; a change to None leaves the field out."""
    data = {
        "app_id": APP_ID,
        "type": "PAGE",
        "profile_id": "1001",
        "is_valid": True,
        "expires_at": 0,
        "scopes": SCOPES,
        "granular_scopes": [{"scope": scope, "target_ids": ["1001"]} for scope in SCOPES],
        **changes,
    }
    return {name: value for name, value in data.items() if value is not None}


def check(page: Page, debug: dict[str, Any], status: int = 200) -> list[str]:
    """Let Meta answer debug_token with `debug` and run the check of the page."""
    fields = ",".join(sorted(set(subscriptions.pages.SUBSCRIBED_FIELDS))).split(",")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as meta:
        meta.get(f"{GRAPH}/debug_token", json=debug, status=status)
        apps = f"{GRAPH}/{page.page_id}/subscribed_apps"
        meta.post(apps, json={"success": True})
        meta.delete(apps, json={"success": True})
        meta.get(apps, json={"data": [{"id": APP_ID, "subscribed_fields": fields}]})
        subscriptions.request_check(page.pk)
        subscriptions.drain_subscriptions()
        page.refresh_from_db()
        return [str(call.request.method) for call in meta.calls if "subscribed_apps" in str(call.request.url)]


@pytest.mark.slow
def test_a_living_token_with_everything_is_left_alone(page: Page) -> None:
    check(page, {"data": token()})

    assert page.is_connected
    assert page.subscription == "subscribed"
    assert page.checked_at == NOON


def test_a_permission_that_does_not_cover_this_page_is_missing(page: Page) -> None:
    granular = [
        {"scope": scope, "target_ids": ["1001"] if scope != "pages_messaging" else ["1002"]} for scope in SCOPES
    ]
    check(page, {"data": token(granular_scopes=granular)})

    assert page.reauth_reason == "permission_revoked"
    assert "pages_messaging" in page.subscription_error


def test_a_permission_without_a_list_of_pages_covers_all(page: Page) -> None:
    check(page, {"data": token(granular_scopes=[{"scope": scope} for scope in SCOPES])})

    assert page.is_connected


def test_an_answer_that_tells_of_no_permission_is_no_proof_that_all_are_gone(page: Page) -> None:
    check(page, {"data": token(scopes=None, granular_scopes=None)})

    assert page.is_connected


def test_the_token_of_another_page_gives_no_access_to_this_one(page: Page) -> None:
    check(page, {"data": token(profile_id="1002")})

    assert page.reauth_reason == "permission_revoked"


def test_a_token_of_another_app_is_the_settings_fault(page: Page) -> None:
    check(page, {"data": token(app_id="999")})

    assert page.is_connected
    assert "META_APP_ID" in page.trouble["app_refused"]["sentence"]
    assert present(page.subscription_due_at) > NOON


@pytest.mark.parametrize("code", [100, 101, 190])
def test_a_refusal_of_the_question_says_nothing_of_the_page(page: Page, code: int) -> None:
    check(page, {"error": {"code": code, "message": "no", "type": "OAuthException"}}, 400)

    assert page.is_connected
    assert "app_refused" in page.trouble


def test_a_dead_token_for_a_reason_that_is_none_of_the_tokens_marks_nothing(page: Page) -> None:
    check(page, {"data": token(is_valid=False, error={"code": 100, "message": "not this app's"})})

    assert page.is_connected
    assert "app_refused" in page.trouble


def test_an_end_that_is_over_counts_only_when_facebook_says_that_the_token_is_dead(page: Page) -> None:
    over = int((NOON - timedelta(days=1)).timestamp())
    check(page, {"data": token(expires_at=over)})
    assert page.is_connected

    check(page, {"data": token(expires_at=over, is_valid=False)})
    assert page.reauth_reason == "token_expired"


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": []}, {"data": {"is_valid": "yes"}}])
def test_an_answer_without_sense_says_nothing_and_is_asked_for_again(page: Page, answer: dict[str, Any]) -> None:
    check(page, answer)

    assert page.is_connected
    assert page.checked_at is None
    assert present(page.subscription_due_at) > NOON


def test_a_page_that_was_renewed_while_the_answer_was_under_way_is_not_marked(page: Page) -> None:
    subscriptions.request_check(page.pk)
    claimed = present(subscriptions._claim())
    Page.objects.filter(pk=page.pk).update(page_token=None)
    renewed = Page.objects.get(pk=page.pk)
    renewed.page_token = "page-token-new"
    renewed.save(update_fields=["page_token"])
    with responses.RequestsMock() as meta:
        dead = token(is_valid=False, error={"code": 190, "subcode": 460})
        meta.get(f"{GRAPH}/debug_token", json={"data": dead})
        subscriptions._check(claimed)

    page.refresh_from_db()
    assert page.is_connected


def test_ending_the_subscription_of_a_page_without_a_channel_never_marks_it() -> None:
    page = make_page("1001")
    with responses.RequestsMock() as meta:
        error = {"error": {"code": 190, "message": "dead", "type": "OAuthException"}}
        meta.delete(f"{GRAPH}/1001/subscribed_apps", json=error, status=400)
        subscriptions.request_check(page.pk)
        subscriptions.drain_subscriptions()

    page.refresh_from_db()
    assert page.is_connected
    assert page.subscription_due_at is not None


def test_a_deactivated_channel_of_a_dead_page_is_unsubscribed_and_marked(page: Page) -> None:
    page.channels.update(is_active=False)
    calls = check(page, {"data": token(is_valid=False, error={"code": 190, "subcode": 458})})

    assert calls == ["DELETE"]
    assert (page.reauth_reason, page.subscription) == ("app_removed", "unsubscribed")


def test_every_page_with_a_channel_and_every_login_is_asked_about(page: Page) -> None:
    gone = make_channel(make_page("1002"), is_active=False, deleted_at=NOON).page
    off = make_channel(make_page("1003"), is_active=False).page
    FacebookAccount.objects.create(facebook_user_id="5", name="Without a token")
    OrmQ.objects.all().delete()

    tasks.check_all()
    due = set(Page.objects.exclude(subscription_due_at=None))
    assert due == {page, off}
    assert gone not in due
    asked = [row.task["args"] for row in OrmQ.objects.all() if row.task["func"] == "channels_im.tasks.check_account"]
    assert {pk for (pk,) in asked} == set(
        FacebookAccount.objects.exclude(name="Without a token").values_list("pk", flat=True)
    )


# --- The login --------------------------------------------------------------------------------------------------------
@pytest.fixture
def account(page: Page) -> FacebookAccount:
    FacebookAccount.objects.update(expires_at=NOON + timedelta(days=3), last_warned_days=7)
    return FacebookAccount.objects.get()


def ask(account: FacebookAccount, debug: dict[str, Any], status: int = 200) -> bool:
    with responses.RequestsMock() as meta:
        meta.get(f"{GRAPH}/debug_token", json=debug, status=status)
        answered = tasks.check_account(account.pk)
    account.refresh_from_db()
    return answered


def test_a_later_end_takes_the_warnings_back(account: FacebookAccount) -> None:
    assert ask(account, {"data": token(type="USER", expires_at=LATER)})
    assert account.expires_at == datetime.fromtimestamp(LATER, UTC)
    assert account.last_warned_days is None


def test_an_expiry_that_stays_close_keeps_the_last_warning(account: FacebookAccount) -> None:
    ask(account, {"data": token(type="USER", expires_at=int((NOON + timedelta(days=2)).timestamp()))})
    assert account.last_warned_days == 7


def test_a_dead_login_has_ended_whatever_its_date_was(account: FacebookAccount) -> None:
    ask(account, {"data": token(type="USER", is_valid=False, error={"code": 190, "subcode": 460}, expires_at=LATER)})
    assert account.expires_at == NOON


@pytest.mark.parametrize(
    ("debug", "status"),
    [
        ({"error": {"code": 2, "message": "later"}}, 500),
        ({"error": {"code": 190, "message": "bad app token"}}, 400),
        ({"data": token(app_id="999")}, 200),
        ({"data": token(is_valid=False, error={"code": 100})}, 200),
    ],
    ids=["500", "app refused", "another app", "not about the token"],
)
def test_without_a_word_about_the_login_nothing_is_changed(
    account: FacebookAccount, debug: dict[str, Any], status: int
) -> None:
    assert not ask(account, debug, status)
    assert account.expires_at == NOON + timedelta(days=3)


def test_a_login_that_is_gone_is_no_error() -> None:
    assert tasks.check_account(424242) is False
