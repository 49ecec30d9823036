"""Deauthorize and data deletion as whole requests: what Meta signed is carried out once, everything else is refused."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from time_machine import Traveller

from channels_im.models import Channel, DataRequest, FacebookAccount, Page, PendingLink
from channels_im.services.facebook import connection
from desk import audit_log
from desk.models import User
from tests import database_faults
from tests.channels_im.webhook.callbacks import ANNA, BOTH, DEAUTHORIZE, DELETION, encode, post, signed
from tests.factories import NOON, make_admin, make_channel, make_conversation, make_page, receive
from tests.history import changes
from tickets.models import Message

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def administrator() -> User:
    administrator = make_admin()
    administrator.email = "admin@example.org"
    administrator.save()
    return administrator


@pytest.fixture
def account(administrator: User) -> FacebookAccount:
    social = SocialAccount.objects.create(
        user=administrator, provider="facebook", uid=ANNA, extra_data={"id": ANNA, "name": "Anna Berg"}
    )
    return FacebookAccount.objects.create(
        facebook_user_id=ANNA,
        name="Anna Berg",
        social_account=social,
        linked_by=administrator,
        user_token="user-token-anna",
        expires_at=NOON + timedelta(days=40),
        scopes=["pages_messaging"],
        linked_at=NOON - timedelta(days=20),
    )


@pytest.fixture
def channel(account: FacebookAccount) -> Channel:
    return make_channel(make_page(name="Berg Bikes", facebook_account=account), name="Bikes")


# --- Refused ----------------------------------------------------------------------------------------------------------
now = int(NOON.timestamp())
REFUSED = {
    "another secret": signed("wrong"),
    "no secret": signed(""),
    "another algorithm": signed(algorithm="HMAC-SHA1"),
    "no algorithm": signed(algorithm=None),
    "signed with another digest": signed(digest=hashlib.sha1),
    "older than an hour": signed(issued_at=now - 3601),
    "from the future": signed(issued_at=now + 301),
    "without a time": signed(issued_at=None),
    "a time in words": signed(issued_at="yesterday"),
    "a time beyond every calendar": signed(issued_at=10**30),
    "without a user": signed(user_id=None),
    "an empty user": signed(user_id=""),
    "a user who is a list": signed(user_id=["1"]),
    "a user of 65 characters": signed(user_id="9" * 65),
    "a user with a zero byte": signed(user_id="21\x0084"),
    "a payload that is a list": f"{encode(hmac.new(b'sandbox-app-secret', b'W10', hashlib.sha256).digest())}.W10",
    "no dot": signed().replace(".", ""),
    "only a dot": ".",
    "no base64": "ä.ö",
    "unsigned": "." + signed().partition(".")[2],
    "a changed payload": signed().partition(".")[0] + "." + signed(user_id="999").partition(".")[2],
    "empty": "",
    "17,000 characters": "a" * 17_000,
}


@BOTH
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_what_meta_did_not_just_sign_is_refused_with_a_sentence_and_changes_nothing(
    path: str, text: str, account: FacebookAccount, channel: Channel
) -> None:
    response = post(path, text)

    assert response.status_code == 400
    assert response.content.decode().endswith(".")
    assert response["Content-Type"].startswith("text/plain")
    assert not DataRequest.objects.exists()
    channel.page.refresh_from_db()
    assert (channel.page.is_connected, channel.page.page_token is None) == (True, False)


@BOTH
@pytest.mark.parametrize("issued", [now - 3600, now + 300])
def test_the_limits_of_time_are_still_taken(path: str, issued: int) -> None:
    assert post(path, signed(issued_at=issued)).status_code == 200


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"other=1"),
        ("application/x-www-form-urlencoded", b"\xff\xfe&=&&&=%zz"),
        ("application/json", json.dumps({"signed_request": signed()}).encode()),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
    ],
)
def test_a_body_that_is_no_form_with_a_signed_request_is_refused(path: str, body: tuple[str, bytes]) -> None:
    response = Client().post(path, body[1], content_type=body[0])

    assert response.status_code == 400
    assert not DataRequest.objects.exists()


@BOTH
def test_a_form_in_parts_is_a_form_too(path: str) -> None:
    assert Client().post(path, {"signed_request": signed()}).status_code == 200


@BOTH
def test_a_body_that_is_too_large_is_refused_before_it_is_read(path: str) -> None:
    assert post(path, more="x" * 40_000).status_code == 413


@BOTH
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head"])
def test_only_post_is_taken(path: str, method: str) -> None:
    assert getattr(Client(), method)(path).status_code == 405


@BOTH
def test_the_secret_before_the_rotation_still_counts(path: str, settings: Settings) -> None:
    settings.META_APP_SECRET, settings.META_APP_SECRET_PREVIOUS = "new-secret", "sandbox-app-secret"

    assert post(path).status_code == 200


@BOTH
def test_without_an_app_secret_everything_is_refused(path: str, settings: Settings) -> None:
    settings.META_APP_SECRET = settings.META_APP_SECRET_PREVIOUS = ""

    assert post(path, signed("")).status_code == 400


@BOTH
def test_while_the_database_is_away_meta_is_asked_to_come_again(path: str) -> None:
    with database_faults.failing():
        assert post(path).status_code == 503


# --- Carried out ------------------------------------------------------------------------------------------------------
@BOTH
def test_the_answer_has_a_code_and_an_address_where_everybody_can_read_the_state(
    path: str, account: FacebookAccount, channel: Channel, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://desk.example.org"
    answer = post(path).json()

    assert answer["confirmation_code"].isalnum()
    assert answer["url"] == f"https://desk.example.org/meta/data-deletion/{answer['confirmation_code']}/"
    page = Client().get(urlsplit(answer["url"]).path)
    assert page.status_code == 200
    assert "Completed on 20 November 2026" in page.content.decode()
    assert "noindex" in page["X-Robots-Tag"]


@BOTH
def test_every_page_of_the_person_waits_for_the_same_account_and_loses_its_token(
    path: str, account: FacebookAccount, channel: Channel
) -> None:
    other = make_channel(make_page(facebook_account=account))
    stranger = make_channel()
    post(path)

    for page in (channel.page, other.page):
        page.refresh_from_db()
        assert (page.reauth_reason, page.reauth_detected_by, page.page_token) == ("app_removed", "callback", None)
    stranger.page.refresh_from_db()
    assert stranger.page.is_connected
    assert stranger.page.page_token
    account.refresh_from_db()
    assert (account.user_token, account.expires_at, account.app_removed_at) == (None, None, NOON)


@BOTH
def test_a_page_without_a_channel_loses_its_token_and_nobody_is_mailed_about_it(
    path: str, account: FacebookAccount
) -> None:
    page = make_page(facebook_account=account)
    post(path)
    connection.mail_administrators()

    assert not mail.outbox
    page.refresh_from_db()
    assert page.page_token is None


@BOTH
def test_administrators_get_one_e_mail(path: str, account: FacebookAccount, channel: Channel) -> None:
    post(path)
    post(path, signed(issued_at=now - 5))
    connection.mail_administrators()

    assert [message.to for message in mail.outbox] == [["admin@example.org"]]
    assert "removed" in mail.outbox[0].body


@BOTH
def test_what_customers_wrote_stays(path: str, account: FacebookAccount, channel: Channel) -> None:
    receive(make_conversation(channel), "Do you repair tandems?")
    post(path)

    assert Message.objects.filter(text="Do you repair tandems?").exists()


@BOTH
def test_a_login_that_waits_for_a_decision_is_forgotten(path: str, administrator: User) -> None:
    PendingLink.objects.create(user=administrator, facebook_user_id=ANNA, name="Anna Berg", user_token="pending-token")
    post(path)

    assert not PendingLink.objects.exists()


@BOTH
def test_the_history_says_what_facebook_reported(path: str, account: FacebookAccount, channel: Channel) -> None:
    code = post(path).json()["confirmation_code"]

    assert code in audit_log.entries_of(account)[0].sentence
    assert "re-authenticated" in audit_log.entries_of(channel)[0].sentence
    for entry in (audit_log.entries_of(account)[0], audit_log.entries_of(channel)[0]):
        assert (entry.actor, entry.actor_kind, entry.actor_name) == (None, "facebook", "Facebook")


def test_a_removed_app_keeps_the_name_for_the_same_account_must_come_back(
    account: FacebookAccount, channel: Channel
) -> None:
    post(DEAUTHORIZE)

    account.refresh_from_db()
    assert account.name == "Anna Berg"


def test_deletion_leaves_nothing_that_says_who_the_person_is(
    account: FacebookAccount, channel: Channel, administrator: User
) -> None:
    audit_log.record(administrator, account, audit_log.CHANGE, "Linked with 2 Pages.")
    audit_log.record(
        administrator, channel, audit_log.CHANGE, "Re-authenticated with the Facebook account of Anna Berg."
    )
    post(DELETION)

    account.refresh_from_db()
    assert (account.name, account.user_token, account.scopes, account.social_account) == ("", None, [], None)
    assert not SocialAccount.objects.exists()
    assert not [e for e in changes() if "Anna" in f"{e.object_name} {e.sentence}"]
    assert "Facebook user 218471" in audit_log.entries_of(channel)[1].sentence


def test_the_status_page_names_nobody(account: FacebookAccount, channel: Channel) -> None:
    page = Client().get(urlsplit(post(DELETION).json()["url"]).path).content.decode()

    for secret in ("Anna", "Berg", ANNA, "user-token", "admin"):
        assert secret not in page
    assert "customers" in page


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_the_status_page_is_in_the_language_of_the_browser(language: str) -> None:
    page = Client().get(f"{DELETION}{'0' * 32}/", headers={"Accept-Language": language})

    assert f'<html lang="{language}"' in page.content.decode()


@BOTH
def test_a_person_we_never_knew_gets_a_proper_answer(path: str) -> None:
    answer = post(path, signed(user_id="404404")).json()

    page = Client().get(urlsplit(answer["url"]).path).content.decode()
    assert "keeps nothing about this Facebook account" in page


def test_a_number_as_user_id_is_the_same_person(account: FacebookAccount, channel: Channel) -> None:
    post(DEAUTHORIZE, signed(user_id=int(ANNA)))

    channel.page.refresh_from_db()
    assert channel.page.reauth_reason == "app_removed"


@pytest.mark.parametrize("code", ["0" * 32, "nothing", "a" * 300])
def test_a_code_nobody_got_is_not_found(code: str) -> None:
    page = Client().get(f"{DELETION}{code}/")

    assert page.status_code == 404
    assert "no request with this confirmation code" in page.content.decode()


# --- Again ------------------------------------------------------------------------------------------------------------
@BOTH
def test_a_request_that_meta_repeats_gets_the_same_code(
    path: str, account: FacebookAccount, channel: Channel, clock: Traveller
) -> None:
    first = post(path).json()
    clock.shift(60)

    lines = changes().count()
    assert post(path).json() == first
    assert (DataRequest.objects.count(), changes().count()) == (1, lines)


@BOTH
def test_a_request_that_is_replayed_after_the_person_linked_again_disconnects_nothing(
    path: str, account: FacebookAccount, channel: Channel, clock: Traveller
) -> None:
    post(path)
    clock.shift(600)
    link_again(account, channel.page)
    assert post(path).status_code == 200

    channel.page.refresh_from_db()
    assert (channel.page.is_connected, channel.page.page_token) == (True, "page-token-new")


@BOTH
def test_a_request_that_comes_late_does_not_undo_a_later_login(
    path: str, account: FacebookAccount, channel: Channel, clock: Traveller
) -> None:
    clock.shift(600)
    link_again(account, channel.page)
    answer = post(path).json()

    channel.page.refresh_from_db()
    account.refresh_from_db()
    assert (channel.page.is_connected, account.user_token) == (True, "user-token-new")
    assert channel.page.subscription_due_at is not None  # Meta is asked what the tokens are worth
    assert "linked again" in Client().get(urlsplit(answer["url"]).path).content.decode()


def link_again(account: FacebookAccount, page: Page) -> None:
    """What linking.save_grant leaves behind."""
    account.refresh_from_db()
    account.user_token, account.linked_at, account.app_removed_at = "user-token-new", timezone.now(), None
    account.save()
    connection.mark_connected(page)
    page.page_token = "page-token-new"
    page.save(update_fields=["page_token"])


def test_the_two_kinds_are_two_requests(account: FacebookAccount, channel: Channel) -> None:
    codes = {post(path).json()["confirmation_code"] for path in (DEAUTHORIZE, DELETION)}

    assert len(codes) == 2
    assert set(DataRequest.objects.values_list("kind", "state")) == {
        ("deauthorize", "completed"),
        ("deletion", "completed"),
    }


def test_no_token_is_left_in_any_row(account: FacebookAccount, channel: Channel) -> None:
    post(DELETION)

    assert not Page.objects.exclude(page_token=None).exists()
    assert not FacebookAccount.objects.exclude(user_token=None).exists()
