"""Libraries by others for Meta's APIs, used with the sandbox: they work as with Meta."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fbmessenger
import pyfacebook
import pytest
import requests
from fbmessenger.attachments import Image as ImageAttachment
from fbmessenger.elements import Text
from fbmessenger.sender_actions import SenderAction

with warnings.catch_warnings():
    # The generated classes of Meta's SDK have regular expressions in plain strings.
    warnings.simplefilter("ignore", SyntaxWarning)
    from facebook_business.adobjects.page import Page
    from facebook_business.adobjects.unifiedthread import UnifiedThread
    from facebook_business.adobjects.user import User
    from facebook_business.api import FacebookAdsApi
    from facebook_business.exceptions import FacebookRequestError
    from facebook_business.session import FacebookSession

from tests.sandbox.graph import REDIRECT, SCOPE, Person, answer_of
from tests.sandbox.process import APP_ID, APP_SECRET, BERG_BAKERY, BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver
from tests.sandbox.test_send import PNG

pytestmark = pytest.mark.processes
PDF = b"%PDF-1.4\n%%EOF\n"
FIELDS = ["messages", "message_echoes", "message_deliveries", "message_reads", "messaging_postbacks"]


# Meta's own SDK ------------------------------------------------------------------------------------------------


@pytest.fixture
def sdk(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FacebookAdsApi]:
    """Return a function that makes an API object of Meta's SDK for a token."""
    monkeypatch.setattr(FacebookSession, "GRAPH", sandbox.url)  # Meta's SDK has no setting for its address

    def api(token: str) -> FacebookAdsApi:
        session = FacebookSession(APP_ID, APP_SECRET, token, timeout=10)
        return FacebookAdsApi(session, api_version="v27.0")

    return api


def test_metas_sdk_lists_all_pages_by_cursor_with_their_tokens(
    sandbox: SandboxProcess, sdk: Callable[[str], FacebookAdsApi]
) -> None:
    user = User("me", api=sdk(sandbox.grant("mia")["user_token"]))
    pages = list(user.get_accounts(fields=["id", "name", "access_token"]))
    assert len(pages) == 30
    assert all(page["access_token"] for page in pages)


# The SDK's generated list of the fields of a message is empty, so it warns of each that Meta documents.
@pytest.mark.filterwarnings("ignore:messages does not allow field:UserWarning")
def test_metas_sdk_subscribes_sends_and_reads_the_conversation(
    sandbox: SandboxProcess, sdk: Callable[[str], FacebookAdsApi], receiver: Receiver
) -> None:
    user = User("me", api=sdk(sandbox.grant("anna", [BERG_BIKES])["user_token"]))
    (account,) = user.get_accounts(fields=["id", "access_token"])
    page = Page(account["id"], api=sdk(account["access_token"]))

    page.create_subscribed_app(params={"subscribed_fields": FIELDS})
    assert list(page.get_subscribed_apps()[0]["subscribed_fields"]) == FIELDS

    psid = sandbox.customer_writes("lena", BERG_BIKES, "Hi!")["psid"]
    sent = page.create_message(
        params={"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": {"text": "Grüße", "metadata": "7"}}
    )
    echo = receiver.wait(lambda: [item for item in receiver.items("message") if item["message"].get("is_echo")])[0]
    assert echo["message"]["mid"] == sent["message_id"]
    assert echo["message"]["metadata"] == "7"

    where = {"platform": UnifiedThread.Platform.messenger, "user_id": psid}
    (talk,) = page.get_conversations(fields=["id", "participants", "updated_time"], params=where)
    messages = talk.get_messages(fields=["message", "from", "created_time"])
    assert [row["message"] for row in messages] == ["Grüße", "Hi!"]

    page.delete_subscribed_apps()
    assert list(page.get_subscribed_apps()) == []


def test_metas_sdk_uploads_a_file_with_the_message(
    sandbox: SandboxProcess, sdk: Callable[[str], FacebookAdsApi], token: str, psid: str, tmp_path: Path
) -> None:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(PDF)
    params = {
        "recipient": {"id": psid},
        "messaging_type": "RESPONSE",
        "message": {"attachment": {"type": "file", "payload": {}}},
    }
    with path.open("rb") as file:
        answer = sdk(token).call("POST", (BERG_BIKES, "messages"), params=params, files={"filedata": file})
    assert answer.json()["recipient_id"] == psid
    (item,) = sandbox.sent(BERG_BIKES, psid)[0]["attachments"]
    assert item["name"] == "invoice.pdf"
    assert requests.get(item["cdn_url"], timeout=10).content == PDF


def test_metas_sdk_blocks_a_person(
    sandbox: SandboxProcess, sdk: Callable[[str], FacebookAdsApi], token: str, psid: str
) -> None:
    page = Page(BERG_BIKES, api=sdk(token))
    page.create_moderate_conversation(params={"user_ids": [{"id": psid}], "actions": ["BLOCK_USER"]})
    assert next(row for row in sandbox.world()["conversations"] if row["psid"] == psid)["blocked"]


@pytest.mark.parametrize(
    ("action", "code", "subcode"),
    [("change_password", 190, 460), ("remove_app", 190, 458), ("expire_all_tokens", 190, 463)],
)
def test_metas_sdk_reads_code_and_subcode_of_a_dead_token(
    sandbox: SandboxProcess, sdk: Callable[[str], FacebookAdsApi], token: str, action: str, code: int, subcode: int
) -> None:
    sandbox.act(action, person="anna")
    with pytest.raises(FacebookRequestError) as caught:
        Page(BERG_BIKES, api=sdk(token)).api_get(fields=["name"])
    assert (caught.value.api_error_code(), caught.value.api_error_subcode()) == (code, subcode)
    assert caught.value.api_error_type() == "OAuthException"


def test_every_field_the_sandbox_knows_is_one_of_metas_sdk(sandbox: SandboxProcess) -> None:
    known = {value for name, value in vars(Page.SubscribedFields).items() if not name.startswith("_")}
    assert set(sandbox.control("GET", "config")["webhook_fields"]) <= known


# pyfacebook ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pyfacebook_api(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pyfacebook.GraphAPI]:
    """Return a function that makes pyfacebook's GraphAPI for the sandbox."""
    # oauthlib refuses http; the sandbox has no certificate.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")

    def api(**options: Any) -> pyfacebook.GraphAPI:
        return pyfacebook.GraphAPI(
            app_id=APP_ID,
            app_secret=APP_SECRET,
            version="v27.0",
            base_url=f"{sandbox.url}/",
            authorization_url=f"{sandbox.url}/v27.0/dialog/oauth",
            access_token_url=f"{sandbox.url}/v27.0/oauth/access_token",
            redirect_uri=REDIRECT,
            scope=SCOPE.split(","),
            timeout=10,
            **options,
        )

    return api


def test_pyfacebook_logs_in_lists_subscribes_sends_text_and_file_and_reads(
    sandbox: SandboxProcess, pyfacebook_api: Callable[..., pyfacebook.GraphAPI]
) -> None:
    api = pyfacebook_api(oauth_flow=True)
    address, state = api.get_authorization_url()
    person = Person(sandbox.url)
    person.address = address
    person.log_in("anna")
    back = person.step("done", [BERG_BIKES, BERG_BAKERY], SCOPE.split(",")).headers["Location"]
    assert f"state={state}" in back

    short = api.exchange_user_access_token(response=back.replace("http://", "https://"))
    long = api.exchange_long_lived_user_access_token()
    assert long["expires_in"] > short["expires_in"]
    api.access_token = long["access_token"]

    pages = api.get_connection("me", "accounts", limit=1)
    assert pages["data"][0]["id"] == BERG_BIKES
    everything = api.get_full_connections("me", "accounts", limit=1, count=10)
    assert [page["id"] for page in everything["data"]] == [BERG_BIKES, BERG_BAKERY]

    page_token = pages["data"][0]["access_token"]
    app_token = api.get_app_token()["access_token"]
    told = api.debug_token(input_token=page_token, access_token=app_token)["data"]
    assert (told["profile_id"], told["expires_at"], told["is_valid"]) == (BERG_BIKES, 0, True)

    page = pyfacebook_api(access_token=page_token)
    data = {"subscribed_fields": ",".join(FIELDS)}
    assert page.post_object(BERG_BIKES, "subscribed_apps", data=data) == {"success": True}
    psid = sandbox.customer_writes("joao", BERG_BIKES, "Olá")["psid"]
    data = {"recipient": json.dumps({"id": psid}), "message": json.dumps({"text": "Bom dia"})}
    text = page.post_object(BERG_BIKES, "messages", data=data)
    data["message"] = json.dumps({"attachment": {"type": "image", "payload": {}}})
    files = {"filedata": ("photo.png", io.BytesIO(PNG), "image/png")}
    image = page.post_object(BERG_BIKES, "messages", data=data, files=files)
    assert [row["mid"] for row in sandbox.sent(BERG_BIKES, psid)] == [text["message_id"], image["message_id"]]

    talks = page.get_connection(
        BERG_BIKES, "conversations", platform="messenger", fields="messages{message,attachments}"
    )
    newest = talks["data"][0]["messages"]["data"]
    assert newest[0]["attachments"]["data"][0]["mime_type"] == "image/png"
    assert newest[1]["message"] == "Bom dia"


def test_pyfacebook_sees_a_cancelled_login_as_refused(
    sandbox: SandboxProcess, pyfacebook_api: Callable[..., pyfacebook.GraphAPI]
) -> None:
    api = pyfacebook_api(oauth_flow=True)
    person = Person(sandbox.url)
    person.address, _ = api.get_authorization_url()
    person.log_in("anna")
    back = person.step("cancel")
    assert answer_of(back)["error"] == "access_denied"
    with pytest.raises(Exception, match="access_denied"):
        api.exchange_user_access_token(response=back.headers["Location"].replace("http://", "https://"))


def test_pyfacebook_raises_metas_error_with_its_code(
    sandbox: SandboxProcess, pyfacebook_api: Callable[..., pyfacebook.GraphAPI], token: str
) -> None:
    sandbox.fault("rate_limit", code=80006, minutes=3)
    with pytest.raises(pyfacebook.FacebookError) as caught:
        pyfacebook_api(access_token=token, sleep_on_rate_limit=False).get_object(BERG_BIKES)
    assert caught.value.code == 80006


# fbmessenger ---------------------------------------------------------------------------------------------------


@pytest.fixture
def messenger(sandbox: SandboxProcess, token: str) -> fbmessenger.MessengerClient:
    """The client of fbmessenger for Berg Bikes."""
    client = fbmessenger.MessengerClient(token, app_secret=APP_SECRET)
    client.graph_url = f"{sandbox.url}/v27.0"
    return client


def test_fbmessenger_sends_reads_the_profile_and_types(
    sandbox: SandboxProcess, messenger: fbmessenger.MessengerClient, psid: str
) -> None:
    assert messenger.send_action(SenderAction("typing_on").to_dict(), psid) == {"recipient_id": psid}
    answer = messenger.send(Text("Hello from elsewhere").to_dict(), psid)
    assert sandbox.sent(BERG_BIKES, psid)[0]["mid"] == answer["message_id"]
    user = messenger.get_user_data(psid, fields=["first_name", "last_name", "profile_pic"])
    assert (user["first_name"], user["last_name"]) == ("Lena", "Fischer")


def test_fbmessenger_uploads_an_image_by_url_and_sends_it_by_id(
    sandbox: SandboxProcess, messenger: fbmessenger.MessengerClient, psid: str
) -> None:
    kept = requests.post(f"{sandbox.url}/_sandbox/files", files={"file": ("a.png", PNG, "image/png")}, timeout=10)
    uploaded = messenger.upload_attachment(ImageAttachment(url=kept.json()["url"], is_reusable=True))
    messenger.send(ImageAttachment(attachment_id=uploaded["attachment_id"]).to_dict(), psid)
    assert sandbox.sent(BERG_BIKES, psid)[0]["attachments"][0]["type"] == "image"


def test_fbmessenger_is_told_that_the_window_is_closed(
    sandbox: SandboxProcess, messenger: fbmessenger.MessengerClient, psid: str
) -> None:
    sandbox.configure(clock_offset_s=2 * 86400)
    assert messenger.send({"text": "late"}, psid)["error"]["error_subcode"] == 2018278
    assert "message_id" in messenger.send({"text": "late"}, psid, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")


def test_fbmessenger_understands_the_webhooks(sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    heard = []

    class Bot(fbmessenger.BaseMessenger):
        def message(self, message: dict[str, Any]) -> None:
            heard.append(("message", message["message"]["text"]))

        def postback(self, message: dict[str, Any]) -> None:
            heard.append(("postback", message["postback"]["payload"]))

        def delivery(self, message: dict[str, Any]) -> None:
            heard.append(("delivery", len(message["delivery"]["mids"])))

        def read(self, message: dict[str, Any]) -> None:
            heard.append(("read", message["read"]["watermark"] > 0))

    sandbox.customer_writes("lena", BERG_BIKES, "Hi 😊")
    sandbox.control("POST", "customers/lena/postbacks", {"page_id": BERG_BIKES, "payload": "GO"})
    client = fbmessenger.MessengerClient(token, app_secret=APP_SECRET)
    client.graph_url = f"{sandbox.url}/v27.0"
    client.send({"text": "Answer"}, sandbox.psid("lena", BERG_BIKES))
    receiver.wait_items("delivery")
    sandbox.customer_reads("lena", BERG_BIKES)
    receiver.wait_items("read")
    bot = Bot(token)
    for post in receiver.posts:
        bot.handle(json.loads(post.raw))
    assert heard == [("message", "Hi 😊"), ("postback", "GO"), ("message", "Answer"), ("delivery", 1), ("read", True)]
