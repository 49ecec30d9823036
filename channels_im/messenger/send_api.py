"""Call the Send API: one part (a text or a file) per call. Source: Meta, "Send API" and "Saving assets".

The Send API has no idempotency key. After GraphOutcomeUnknown, the echo shows whether the message was sent: it repeats
`metadata`.
"""

import json
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node
from channels_im.messenger.errors import GraphOutcomeUnknown
from channels_im.messenger.send_policy import SendPolicy
from channels_im.messenger.values import as_account_id, as_id

# Meta processes a file before it answers; its own limit for fetching one is 10 s, for videos 75 s.
UPLOAD_TIMEOUT_FACTOR = 4


@dataclass(frozen=True)
class SendResult:
    """The answer of Meta: the message's `mid`, and the PSID of the recipient (None when Meta does not repeat it)."""

    mid: str
    recipient_id: str | None


@sensitive_variables("token")
def send_text(
    token: str,
    page_id: str,
    psid: str,
    text: str,
    *,
    policy: SendPolicy,
    metadata: str,
    reply_to_mid: str | None = None,
) -> SendResult:
    """Send `text` as the Page; Meta accepts fewer than 2000 characters. Raises the errors of GraphClient."""
    body = {**_envelope(psid, policy, reply_to_mid), "message": {"text": text, "metadata": metadata}}
    return _result(GraphClient(token).post(f"{node(page_id)}/messages", json=body))


@sensitive_variables("token")
def send_sticker(
    token: str,
    page_id: str,
    psid: str,
    sticker_id: str,
    *,
    policy: SendPolicy,
    metadata: str,
    reply_to_mid: str | None = None,
) -> SendResult:
    """Send a sticker by Meta's id of it, only inside the standard window. Raises the errors of GraphClient.

    Source: Meta, Messenger Platform changelog of 1 June 2026 (`message.sticker_id`).
    """
    message = {"sticker_id": sticker_id, "metadata": metadata}
    body = {**_envelope(psid, policy, reply_to_mid), "message": message}
    return _result(GraphClient(token).post(f"{node(page_id)}/messages", json=body))


@sensitive_variables("token")
def send_template(
    token: str,
    page_id: str,
    psid: str,
    name: str,
    language: str,
    parameters: list[dict[str, Any]],
    *,
    policy: SendPolicy,
    metadata: str,
    reply_to_mid: str | None = None,
) -> SendResult:
    """Send an approved template of the Page with the values of its placeholders. Raises the errors of GraphClient.

    Source: Meta, "Send a utility message" (13 March 2026).
    """
    template: dict[str, Any] = {"name": name, "language": {"code": language}}
    if parameters:
        template["components"] = [{"type": "body", "parameters": parameters}]
    message = {"template": template, "metadata": metadata}
    body = {**_envelope(psid, policy, reply_to_mid), "message": message}
    return _result(GraphClient(token).post(f"{node(page_id)}/messages", json=body))


@sensitive_variables("token")
def send_file(
    token: str,
    page_id: str,
    psid: str,
    *,
    file: IO[bytes],
    filename: str,
    content_type: str,
    attachment_type: str,
    policy: SendPolicy,
    metadata: str,
    reply_to_mid: str | None = None,
) -> SendResult:
    """Upload and send one file; `attachment_type` is image, video, audio or file. Raises the errors of GraphClient.

    `file` is read from its beginning. The answer may take four times META_TIMEOUT_SECONDS.
    """
    message = {"attachment": {"type": attachment_type, "payload": {}}, "metadata": metadata}
    form = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in {**_envelope(psid, policy, reply_to_mid), "message": message}.items()
    }
    file.seek(0)
    client = GraphClient(token, timeout_s=settings.META_TIMEOUT_SECONDS * UPLOAD_TIMEOUT_FACTOR)
    upload = {"filedata": (filename, file, content_type)}
    return _result(client.post(f"{node(page_id)}/messages", data=form, files=upload))


@sensitive_variables("token")
def sender_action(
    token: str,
    page_id: str,
    psid: str,
    action: str,
    payload: dict[str, Any] | None = None,
    *,
    timeout_s: float | None = None,
) -> None:
    """Send typing_on, typing_off or mark_seen; react (any emoji) and unreact take `payload` {message_id, reaction}.

    Source: Meta, "Sender Actions". `timeout_s` None: META_TIMEOUT_SECONDS. Raises the errors of GraphClient.
    """
    body: dict[str, Any] = {"recipient": {"id": psid}, "sender_action": action}
    if payload is not None:
        body["payload"] = payload
    GraphClient(token, timeout_s=timeout_s).post(f"{node(page_id)}/messages", json=body)


def _envelope(psid: str, policy: SendPolicy, reply_to_mid: str | None) -> dict[str, Any]:
    envelope: dict[str, Any] = {"recipient": {"id": psid}, "messaging_type": policy.messaging_type}
    if policy.tag:
        envelope["tag"] = policy.tag
    # Meta documents reply_to only with RESPONSE; a late reply without its quote is better than a refused one.
    if reply_to_mid and policy.messaging_type == "RESPONSE":
        envelope["reply_to"] = {"mid": reply_to_mid}
    return envelope


def _result(answer: dict[str, Any]) -> SendResult:
    mid = as_id(answer.get("message_id"))
    if mid is None:
        raise GraphOutcomeUnknown(  # English only: for the log
            "The Send API answered without a message id", http_status=200
        )
    return SendResult(mid, as_account_id(answer.get("recipient_id")))
