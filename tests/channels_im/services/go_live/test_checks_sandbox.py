"""The checks of *Go live* against the sandbox, a process of its own, in every state that Meta can be in."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from channels_im import tasks
from channels_im.messenger import pages, scopes
from channels_im.models import FacebookAccount, GoLiveStep, Page
from channels_im.services.facebook import check_requests, linking
from channels_im.services.go_live import catalogue, policy
from desk.models import User
from tests.factories import make_admin, make_channel
from tests.sandbox.process import BERG_BIKES, SandboxProcess

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

URL = "/admin/instant-messaging/messenger/go-live/"
DESK = "http://localhost:8000"
State = GoLiveStep.State


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(process: SandboxProcess, settings: Settings) -> SandboxProcess:
    process.reset(webhook_url=f"{DESK}/webhooks/messenger/", deauthorize_url=f"{DESK}/meta/deauthorize/")
    settings.META_GRAPH_URL = process.url
    settings.META_TIMEOUT_SECONDS = 1.0
    settings.PUBLIC_URL = DESK
    return process


@pytest.fixture
def administrator() -> User:
    return make_admin()


def check(administrator: User) -> dict[str, GoLiveStep]:
    """Press *Check now*, let the worker work, and return what is known of each step."""
    client = Client()
    client.force_login(administrator)
    assert client.post(f"{URL}check-now/").status_code == 302
    tasks.check_going_live()
    return GoLiveStep.objects.in_bulk()


def link(sandbox: SandboxProcess, administrator: User, **options: object) -> FacebookAccount:
    granted = sandbox.grant("anna", [BERG_BIKES], **options)
    return linking.link_with_long_token(administrator, granted["user_token"]).account


@pytest.mark.slow
def test_a_new_installation_knows_what_is_missing(sandbox: SandboxProcess, administrator: User) -> None:
    found = check(administrator)
    assert found.keys() == {step.key for step in catalogue.steps() if step.is_checked} - {"test"}
    assert {key: row.state for key, row in found.items() if not key.startswith("access:")} == {
        "address": State.TO_DO,
        "answers": State.TO_DO,
        "app": State.DONE,
        "domains": State.DONE,
        "policy": State.UNKNOWN,
        "redirect": State.UNKNOWN,
        "deauthorize": State.DONE,
        "webhook": State.DONE,
        "granted": State.TO_DO,
        "page": State.TO_DO,
        "mode": State.UNKNOWN,
    }
    assert "leads to this machine only" in found["address"].detail
    assert found["granted"].detail == "Nobody has linked Facebook yet."
    assert {found[f"access:{scope}"].state for scope in scopes.SCOPES} == {State.UNKNOWN}


def test_a_linked_page_with_its_channel_is_done(sandbox: SandboxProcess, administrator: User) -> None:
    account = link(sandbox, administrator)
    channel = make_channel(account.pages.get(page_id=BERG_BIKES))
    assert check(administrator)["page"].state == State.TO_DO  # Desk does not know yet whether events arrive
    check_requests.request_check(channel.page_id)
    tasks.drain_subscriptions()
    found = check(administrator)
    assert {found[key].state for key in ("granted", "page", "redirect")} == {State.DONE}
    assert found["granted"].detail == "The login granted all permissions that Desk cannot do without."
    assert "Berg Bikes" in found["page"].detail


def test_a_login_that_lacks_a_permission_is_named(sandbox: SandboxProcess, administrator: User) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 12, 5, tzinfo=UTC)):
        link(sandbox, administrator)
    sandbox.grant("anna", [BERG_BIKES], declined=["pages_messaging"])
    row = check(administrator)["granted"]
    sentence = "The login of 20 November 2026, 12:05 UTC lacks pages_messaging."
    assert (row.state, row.detail) == (State.TO_DO, sentence)


def test_a_login_without_the_optional_permission_is_enough(sandbox: SandboxProcess, administrator: User) -> None:
    link(sandbox, administrator, declined=["business_management"])
    row = check(administrator)["granted"]
    assert row.state == State.DONE
    assert "did not grant business_management" in row.detail


def test_a_dead_login_is_named(sandbox: SandboxProcess, administrator: User) -> None:
    link(sandbox, administrator)
    sandbox.act("change_password", person="anna")
    row = check(administrator)["granted"]
    assert row.state == State.TO_DO
    assert row.detail.endswith("is no longer valid.")


@pytest.mark.parametrize(("name", "value"), [("META_APP_ID", "123"), ("META_APP_SECRET", "wrong")])
def test_a_wrong_app_stops_the_rest(
    sandbox: SandboxProcess, administrator: User, settings: Settings, name: str, value: str
) -> None:
    setattr(settings, name, value)
    found = check(administrator)
    assert found["app"].state == State.TO_DO
    assert "do not belong together" in found["app"].detail
    for key in ("domains", "policy", "deauthorize", "webhook", "granted", "access:pages_messaging"):
        assert (found[key].state, found[key].detail) == (
            State.TO_DO,
            "Checked when Facebook accepts the app id and secret.",
        )
    assert [call["path"] for call in sandbox.calls()][-1].endswith("oauth/access_token")


def test_an_app_that_is_not_set_is_not_asked_about(
    sandbox: SandboxProcess, administrator: User, settings: Settings
) -> None:
    settings.META_APP_ID = settings.META_APP_SECRET = ""
    row = check(administrator)["app"]
    assert (row.state, row.detail) == (State.TO_DO, "META_APP_ID and META_APP_SECRET are not set.")
    assert sandbox.calls() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"webhook_url": "https://old.example.com/hook"},
            "Facebook calls https://old.example.com/hook, not this Desk.",
        ),
        ({"webhook_active": False}, "Facebook has switched the webhook off."),
        ({"webhook_fields": list(pages.SUBSCRIBED_FIELDS[2:])}, "These fields are missing: messages, message_echoes."),
    ],
)
def test_a_webhook_that_does_not_bring_everything_is_to_do(
    sandbox: SandboxProcess, administrator: User, changes: dict[str, object], sentence: str
) -> None:
    sandbox.configure(**changes)
    row = check(administrator)["webhook"]
    assert row.state == State.TO_DO
    assert row.detail.startswith(sentence)


@pytest.mark.parametrize(
    ("domains", "state"),
    [
        (["example.com"], State.DONE),
        (["desk.example.com", "other.example"], State.DONE),
        (["ample.com"], State.TO_DO),
        (["other.example"], State.TO_DO),
        ([], State.UNKNOWN),
    ],
)
def test_app_domains(
    sandbox: SandboxProcess, administrator: User, settings: Settings, domains: list[str], state: str
) -> None:
    settings.PUBLIC_URL = "http://desk.example.com"
    sandbox.configure(app_domains=domains)
    assert check(administrator)["domains"].state == state


def test_the_address_of_the_privacy_policy(sandbox: SandboxProcess, administrator: User) -> None:
    sandbox.configure(privacy_policy_url=f"{DESK}/privacy/")
    row = check(administrator)["policy"]
    assert row.state == State.TO_DO
    assert "not published a privacy policy there yet" in row.detail
    policy.save(administrator, contact="privacy@example.com", text="We keep it.")
    sandbox.configure(privacy_policy_url="http://example.com/policy")
    assert "begins with https://" in check(administrator)["policy"].detail
    sandbox.configure(privacy_policy_url="https://example.com/policy")
    assert check(administrator)["policy"].state == State.DONE


def test_another_deauthorize_address(sandbox: SandboxProcess, administrator: User) -> None:
    sandbox.configure(deauthorize_url="https://old.example.com/gone/")
    row = check(administrator)["deauthorize"]
    assert (row.state, row.detail) == (State.TO_DO, "The app names https://old.example.com/gone/.")


def test_what_facebook_lists_as_approved_is_done_and_the_rest_cannot_be_checked(
    sandbox: SandboxProcess, administrator: User
) -> None:
    sandbox.configure(approved_permissions=["pages_messaging", "email"])
    found = check(administrator)
    assert found["access:pages_messaging"].state == State.DONE
    assert found["access:pages_show_list"].state == State.UNKNOWN
    assert f"access:{scopes.HUMAN_AGENT_FEATURE}" not in found


def test_a_refused_reply_tells_that_the_app_is_not_live(sandbox: SandboxProcess, administrator: User) -> None:
    account = link(sandbox, administrator)
    page = account.pages.get(page_id=BERG_BIKES)
    make_channel(page)
    Page.objects.filter(pk=page.pk).update(trouble={"app_misconfigured": {"sentence": "The app is not live."}})
    row = check(administrator)["mode"]
    assert (row.state, row.detail) == (State.TO_DO, "A call for Berg Bikes was refused. The app is not live.")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http_500", "timeout_before", "rate_limit"])
def test_facebook_that_does_not_answer_leaves_the_steps_to_do(
    sandbox: SandboxProcess, administrator: User, kind: str
) -> None:
    sandbox.fault(kind, count=None, endpoint="app", hold_s=2)
    found = check(administrator)
    assert found["app"].state == State.DONE  # the token endpoint works
    for key in ("domains", "policy", "deauthorize", "webhook", "access:pages_messaging"):
        assert found[key].state == State.TO_DO, key
        assert "Facebook gave no usable answer" in found[key].detail
    sandbox.clear_faults()
    assert check(administrator)["webhook"].state == State.DONE


def test_facebook_that_refuses_to_tell_leaves_them_to_the_administrator(
    sandbox: SandboxProcess, administrator: User
) -> None:
    sandbox.fault("error", count=None, endpoint="app", code=100)
    found = check(administrator)
    for key in ("domains", "webhook", "access:pages_messaging"):
        assert (found[key].state, found[key].detail) == (State.UNKNOWN, "Facebook refused to tell this (error 100).")


def test_an_app_that_cannot_be_asked_is_not_called_wrong(sandbox: SandboxProcess, administrator: User) -> None:
    sandbox.fault("http_500", count=None, endpoint="oauth")
    row = check(administrator)["app"]
    assert row.state == State.TO_DO
    assert "Facebook gave no usable answer" in row.detail


def test_no_secret_and_no_name_of_a_person_is_stored_with_the_findings(
    sandbox: SandboxProcess, administrator: User, settings: Settings
) -> None:
    account = link(sandbox, administrator)
    for is_refused in (False, True):
        if is_refused:
            sandbox.fault("error", count=None, code=190)
        details = " ".join(row.detail for row in check(administrator).values())
        assert settings.META_APP_SECRET not in details
        assert (account.user_token or "-") not in details
        assert account.name not in details
    sandbox.clear_faults()
