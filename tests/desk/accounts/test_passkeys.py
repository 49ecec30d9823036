"""Passkeys that no browser sends: they are not correct, for the page and for the log."""

import base64
import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from desk.accounts import passkey_forms
from tests.factories import PASSWORD, make_agent
from tests.pages import html_of

pytestmark = pytest.mark.django_db
ADD, LOGIN = "/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/login/"


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def credential(**response: Any) -> str:
    return json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response})


NO_DATA = bytes.fromhex("a363666d74646e6f6e656761747453746d74a0686175746844617461") + b"\x40"  # authData is empty
CREDENTIALS = [
    "", "null", "[]", "5", '"x"', "{}", "{", "[" * 2000, "9" * 5000, "1e400", "NaN",
    '{"id": 1}', '{"id": null, "response": null}', '{"id": "AAA=", "rawId": "!!", "type": "x"}', '{"id": "é"}',
    '{"id": "\\u0000"}', '{"id": "\\ud800"}', '{"id": "' + "A" * passkey_forms.MAX_CREDENTIAL + '"}',
    credential(), credential(clientDataJSON=5, attestationObject=[]), credential(clientDataJSON="AAAA"),
    credential(clientDataJSON="AAAA", attestationObject="AAAA"),
    credential(clientDataJSON=part(b"{}"), attestationObject=part(b"\xa0")),
    credential(clientDataJSON=part(b"null"), attestationObject=part(b"\xa0")),
    credential(clientDataJSON=part(b"{}"), attestationObject=part(NO_DATA)),
    credential(clientDataJSON=part(b"{}"), attestationObject=part(b"\x81" * 5000)),
    credential(clientDataJSON=part(b"{}"), authenticatorData="AA", signature="AA", userHandle=None),
    credential(clientDataJSON=part(b"{}"), authenticatorData="AA", signature="AA", userHandle=part(b"e")),
    credential(clientDataJSON=part(b"{}"), authenticatorData=part(b"\0" * 37), signature="AA", userHandle=part(b"\0")),
    credential(clientDataJSON=part(b"{}"), authenticatorData=part(b"\0" * 37), signature="AA", userHandle="9" * 40),
]  # fmt: skip


@pytest.mark.parametrize("value", CREDENTIALS, ids=lambda value: value[:40])
def test_a_credential_that_no_browser_sends_is_not_correct(
    client: Client, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_agent("alice")
    client.get(LOGIN, headers={"X-Requested-With": "XMLHttpRequest"})  # the challenge
    answer = client.post(LOGIN, {"credential": value})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    client.get(ADD)
    answer = client.post(ADD, {"credential": value, "name": "Key"})
    assert answer.status_code == 200
    assert 'name="credential"' in html_of(answer)
    assert not Authenticator.objects.exists()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_passkey_that_is_refused_says_why_and_keeps_its_name(client: Client) -> None:
    make_agent("alice")
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    client.get(ADD)
    name = "x" * (passkey_forms.MAX_NAME + 1)
    page = html_of(client.post(ADD, {"name": name, "credential": credential()}))
    assert "at most 100 characters (it has 101)" in page
    assert f'value="{name}"' in page
    assert 'maxlength="100"' in page
    assert page.count("The browser did not use a passkey") == 2  # shown, and ready for the script
