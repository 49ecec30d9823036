"""The whole package against the sandbox as a real process, which was written independently of it."""

import io
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from channels_im.messenger import conversations, files, media, oauth, pages, profile, send_api, send_policy, webhook
from channels_im.messenger.errors import ErrorKind, GraphError, GraphOutcomeUnknown, ReauthReason
from channels_im.messenger.events import Delivered, Echo, Event, MessageReceived, Reaction, Read, parse_delivery
from tests.channels_im.messenger import samples
from tests.sandbox.process import APP_ID, APP_SECRET, BERG_BAKERY, BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def _process(_receiver: Receiver) -> Iterator[SandboxProcess]:
    env = {
        "SANDBOX_WEBHOOK_URL": f"{_receiver.url}/webhooks/messenger/",
        "SANDBOX_APP_ID": APP_ID,
        "SANDBOX_APP_SECRET": APP_SECRET,
    }
    with SandboxProcess(env=env) as process:
        yield process


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    _receiver.forget()
    return _receiver


@pytest.fixture
def sandbox(_process: SandboxProcess, receiver: Receiver, settings: Settings) -> SandboxProcess:
    _process.reset(delivery_delay_ms=10, read_delay_ms=20)
    receiver.forget()
    settings.META_GRAPH_URL = _process.url
    settings.META_APP_ID = APP_ID
    settings.META_APP_SECRET = APP_SECRET
    settings.META_MEDIA_HOSTS = [urlsplit(_process.url).netloc]
    return _process


@pytest.fixture
def token(sandbox: SandboxProcess) -> str:
    """The page token of Berg Bikes, with our app subscribed."""
    user_token = sandbox.grant("anna", [BERG_BIKES])["user_token"]
    (page,) = pages.list_pages(user_token)
    assert page.access_token
    pages.subscribe(BERG_BIKES, page.access_token)
    return page.access_token


@pytest.fixture
def psid(sandbox: SandboxProcess, token: str, receiver: Receiver) -> str:
    return sandbox.customer_writes("lena", BERG_BIKES, "Grüße 👋")["psid"]


def received(receiver: Receiver, kind: type[Event], count: int = 1) -> list[Event]:
    """Wait for events of a kind; every delivery must pass our own signature check."""

    def look() -> list[Event]:
        events = []
        for post in list(receiver.posts):
            assert webhook.check_post(post.raw, dict(post.headers.items()), [APP_SECRET]).accepted
            events += [event for event in parse_delivery(post.raw) if isinstance(event, kind)]
        return events if len(events) >= count else []

    return receiver.wait(look)


@pytest.mark.slow
def test_pages_permissions_and_tokens_are_read(sandbox: SandboxProcess) -> None:
    granted = sandbox.grant("anna", [BERG_BIKES, BERG_BAKERY])
    user_token = granted["user_token"]
    assert {page.page_id for page in pages.list_pages(user_token)} == {BERG_BIKES, BERG_BAKERY}
    assert oauth.me(user_token)[0] == granted["asid"]
    assert oauth.permissions(user_token)["pages_messaging"] == "granted"
    found = oauth.debug_token(user_token)
    assert (found.is_ours, found.is_valid, found.type) == (True, True, "USER")
    assert found.covers(BERG_BIKES)
    assert not found.covers("999")
    assert oauth.exchange_long_lived(user_token).expires_in_s


def test_the_subscription_is_set_seen_and_ended(sandbox: SandboxProcess, token: str) -> None:
    assert pages.subscription(BERG_BIKES, token) == {*pages.SUBSCRIBED_FIELDS, *pages.OPTIONAL_FIELDS}
    pages.unsubscribe(BERG_BIKES, token)
    assert pages.subscription(BERG_BIKES, token) is None


def test_a_dead_page_token_is_unsubscribed_with_the_apps(sandbox: SandboxProcess, token: str) -> None:
    sandbox.act("change_password", person="anna")
    pages.unsubscribe(BERG_BIKES, token)
    (page,) = pages.list_pages(sandbox.grant("anna", [BERG_BIKES])["user_token"])
    assert pages.subscription(BERG_BIKES, page.access_token or "") is None


def test_a_message_arrives_with_text_and_profile(
    sandbox: SandboxProcess, receiver: Receiver, token: str, psid: str
) -> None:
    (event,) = received(receiver, MessageReceived)
    assert isinstance(event, MessageReceived)
    assert (event.page_id, event.psid, event.text) == (BERG_BIKES, psid, "Grüße 👋")
    found = profile.fetch_profile(psid, token)
    assert found.name
    assert found.picture_url
    picture = media.fetch(found.picture_url)
    assert files.check_incoming(picture.file, picture.filename).kind == "image"
    picture.close()


def test_a_file_arrives_and_is_fetched(sandbox: SandboxProcess, receiver: Receiver, token: str) -> None:
    sandbox.customer_sends_file("lena", BERG_BIKES, "Rechnung.pdf", samples.PDF, "application/pdf")
    (event,) = received(receiver, MessageReceived)
    assert isinstance(event, MessageReceived)
    (ref,) = event.attachments
    assert ref.is_file
    assert ref.url
    found = media.fetch(ref.url)
    assert (found.file.read(), found.filename) == (samples.PDF, "Rechnung.pdf")
    found.close()


def test_an_expired_file_gets_a_fresh_address(sandbox: SandboxProcess, receiver: Receiver, token: str) -> None:
    sandbox.configure(cdn_life_s=-1)
    sandbox.customer_sends_file("lena", BERG_BIKES, "photo.png", samples.PNG, "image/png")
    (event,) = received(receiver, MessageReceived)
    assert isinstance(event, MessageReceived)
    assert event.mid
    with pytest.raises(media.MediaError) as caught:
        media.fetch(event.attachments[0].url or "")
    assert caught.value.expired
    sandbox.configure(cdn_life_s=3600)
    message = conversations.read_message(event.mid, BERG_BIKES, token)
    assert message is not None
    media.fetch(message.attachments[0].url).close()


def test_an_answer_goes_out_and_comes_back_as_echo_with_its_receipts(
    sandbox: SandboxProcess, receiver: Receiver, token: str, psid: str
) -> None:
    sent = send_api.send_text(token, BERG_BIKES, psid, "Hello", policy=send_policy.RESPONSE, metadata="desk:5")
    (echo,) = received(receiver, Echo)
    assert isinstance(echo, Echo)
    assert (echo.mid, echo.metadata, echo.app_id, echo.psid) == (sent.mid, "desk:5", APP_ID, psid)
    sandbox.customer_reads("lena", BERG_BIKES)
    received(receiver, Delivered)
    (read, *_) = received(receiver, Read)
    assert isinstance(read, Read)
    assert read.psid == psid
    newest = conversations.recent_messages(BERG_BIKES, psid, token)
    assert {(message.mid, message.from_page, message.text) for message in newest} >= {(sent.mid, True, "Hello")}


@pytest.mark.parametrize(
    ("name", "data"), [("bill.pdf", samples.PDF), ("photo.jpg", samples.JPEG), ("Grüße.png", samples.PNG)]
)
def test_a_file_goes_out(
    sandbox: SandboxProcess, receiver: Receiver, token: str, psid: str, name: str, data: bytes
) -> None:
    file = io.BytesIO(data)
    checked = files.check_outgoing(file, name)
    sent = send_api.send_file(
        token,
        BERG_BIKES,
        psid,
        file=file,
        filename=checked.name,
        content_type=checked.content_type,
        attachment_type=checked.attachment_type,
        policy=send_policy.RESPONSE,
        metadata="desk:6",
    )
    (echo,) = received(receiver, Echo)
    assert isinstance(echo, Echo)
    assert (echo.mid, echo.metadata, echo.attachments[0].type) == (sent.mid, "desk:6", checked.attachment_type)


def test_a_reaction_of_the_customer_arrives(sandbox: SandboxProcess, receiver: Receiver, token: str, psid: str) -> None:
    sent = send_api.send_text(token, BERG_BIKES, psid, "Friday?", policy=send_policy.RESPONSE, metadata="desk:7")
    sandbox.customer_reacts("lena", sent.mid, "like")
    (event,) = received(receiver, Reaction)
    assert isinstance(event, Reaction)
    assert (event.mid, event.action, event.psid) == (sent.mid, "react", psid)


def test_signs_are_sent(sandbox: SandboxProcess, token: str, psid: str) -> None:
    for action in ("typing_on", "typing_off", "mark_seen"):
        send_api.sender_action(token, BERG_BIKES, psid, action)


def test_a_person_is_blocked_and_unblocked(sandbox: SandboxProcess, token: str, psid: str) -> None:
    pages.block_user(BERG_BIKES, psid, token)
    pages.unblock_user(BERG_BIKES, psid, token)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("change_password", ReauthReason.PASSWORD_CHANGED),
        ("remove_app", ReauthReason.APP_REMOVED),
        ("expire_all_tokens", ReauthReason.TOKEN_EXPIRED),
        ("expire_page_token", ReauthReason.TOKEN_EXPIRED),
        ("log_out", ReauthReason.TOKEN_EXPIRED),
        ("checkpoint", ReauthReason.CHECKPOINT),
        ("unconfirmed", ReauthReason.CHECKPOINT),
        ("lose_role", ReauthReason.ROLE_LOST),
        ("untick_page", ReauthReason.PERMISSION_REVOKED),
    ],
)
def test_a_token_that_dies_names_its_reason(
    sandbox: SandboxProcess, token: str, psid: str, action: str, reason: ReauthReason
) -> None:
    sandbox.act(action, person="anna", page=BERG_BIKES)
    refused = refusal(token, psid)
    assert refused.verdict.reason is reason
    found = oauth.debug_token(token)
    assert found.verdict is not None
    assert found.verdict.reason is reason


def test_a_revoked_permission_is_named_by_debug_token(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.act("revoke_permission", person="anna", scope="pages_messaging")
    assert refusal(token, psid).verdict.reason is ReauthReason.PERMISSION_REVOKED
    assert oauth.debug_token(token).missing_scopes(BERG_BIKES) == ("pages_messaging",)


@pytest.mark.parametrize(
    ("action", "params", "kind"),
    [
        ("restrict_page", {"page": BERG_BIKES}, ErrorKind.PAGE_RESTRICTED),
        ("availability", {"customer": "lena", "value": "deactivated"}, ErrorKind.RECIPIENT_UNAVAILABLE),
        ("app_mode", {"value": "development"}, ErrorKind.APP_MISCONFIGURED),
    ],
)
def test_what_is_no_matter_of_the_token_asks_for_no_login(
    sandbox: SandboxProcess, token: str, psid: str, action: str, params: dict[str, str], kind: ErrorKind
) -> None:
    sandbox.act(action, **params)
    assert refusal(token, psid).verdict.kind is kind


def test_a_closed_window_is_an_error_and_the_tag_opens_it(sandbox: SandboxProcess, token: str) -> None:
    yesterday_ms = (int(time.time()) - 25 * 3600) * 1000
    psid = sandbox.customer_writes("lena", BERG_BIKES, "old", timestamp=yesterday_ms)["psid"]
    assert refusal(token, psid).verdict.kind is ErrorKind.WINDOW_CLOSED
    send_api.send_text(token, BERG_BIKES, psid, "late", policy=send_policy.HUMAN_AGENT, metadata="desk:5")


def test_a_rate_limit_says_how_long_to_wait(sandbox: SandboxProcess, token: str, psid: str) -> None:
    sandbox.fault("rate_limit", code=80006, minutes=3, endpoint="messages")
    refused = refusal(token, psid)
    assert (refused.verdict.kind, refused.retry_after_s) == (ErrorKind.RATE_LIMITED, 180)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "went_out"), [("http_500", 0), ("timeout_before", 0), ("timeout_after", 1)])
def test_a_lost_answer_leaves_the_outcome_unknown_and_the_conversation_settles_it(
    sandbox: SandboxProcess, settings: Settings, token: str, psid: str, fault: str, went_out: int
) -> None:
    settings.META_TIMEOUT_SECONDS = 0.5
    sandbox.fault(fault, endpoint="messages")
    assert isinstance(refusal(token, psid), GraphOutcomeUnknown)
    newest = conversations.recent_messages(BERG_BIKES, psid, token)
    assert sum(message.from_page for message in newest) == went_out


def refusal(token: str, psid: str) -> GraphError:
    """Send a text, which must fail, and return the error."""
    with pytest.raises(GraphError) as caught:
        send_api.send_text(token, BERG_BIKES, psid, "Hello", policy=send_policy.RESPONSE, metadata="desk:5")
    assert token not in str(caught.value) + repr(caught.value)
    return caught.value
