"""Make one webhook call: check its address, sign it, and return its result.

Makes no query: calls run in threads.
"""

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

from desk.safe_http import AddressError, Exchange, Problem, Target, parse_url
from desk.sentences import counted, sentence

TIMEOUT_S = 10.0
SENTENCES = {
    Problem.MALFORMED: sentence("The address is malformed. Write it as https://example.com/path."),
    Problem.USER_NAME: sentence(
        "The address contains a user name. Leave it out: the signature proves that Desk sent the event."
    ),
    Problem.NOT_HTTPS: sentence("Only https addresses are allowed. DESK_EVENT_HOSTS can allow this host by http."),
    Problem.PRIVATE: sentence("The address leads to a private network. Only DESK_EVENT_HOSTS can allow this host."),
}


@dataclass(frozen=True)
class CallResult:
    """The result of a call: the HTTP status, or None without an answer; `reason` is "" when it was accepted (2xx)."""

    status: int | None
    reason: str

    @property
    def is_accepted(self) -> bool:
        """Return whether the receiver answered 2xx."""
        return not self.reason

    @property
    def is_gone(self) -> bool:
        """Return whether the receiver answered 410: it no longer exists and will not come back."""
        return self.status == http.client.GONE


def webhook_target(url: str) -> Target:
    """Return the target of `url`, without a DNS look-up. Raises AddressError.

    https is allowed to any public host; http and private addresses only to hosts listed in DESK_EVENT_HOSTS.
    """
    if not url.isascii():
        raise AddressError(Problem.MALFORMED)
    return parse_url(url, settings.DESK_EVENT_HOSTS)


def sentence_for(error: AddressError) -> str:
    """Return the sentence that administrators read about a refused address."""
    return SENTENCES[Problem(error.code)]


def signature(secrets: Iterable[str], body: bytes, at: int) -> str:
    """Return the value of Desk-Signature for `body` sent at `at` (Unix seconds): one v1 for each secret."""
    signed = str(at).encode() + b"." + body
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


@dataclass(frozen=True)
class WebhookCall:
    """Everything a thread needs to send one event to a webhook."""

    url: str
    event_id: str
    event_type: str
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def make(self) -> CallResult:
        """Send the event and return the result. Errors of the network and the receiver are results, not exceptions."""
        try:
            return self._send(time.monotonic() + TIMEOUT_S)
        except AddressError as refused:
            return CallResult(None, sentence_for(refused))
        except ssl.SSLCertVerificationError:
            return CallResult(None, sentence("The certificate of the host is not valid."))
        except TimeoutError:
            late = counted(
                "No answer within %(count)s second.", "No answer within %(count)s seconds.", round(TIMEOUT_S)
            )
            return CallResult(None, late)
        except (OSError, http.client.HTTPException, ValueError):
            return CallResult(None, sentence("The address could not be reached, or the connection was closed."))

    def _send(self, deadline: float) -> CallResult:
        headers = {  # English only: HTTP
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Desk-Event-Id": self.event_id,
            "Desk-Event-Type": self.event_type,
            "Desk-Signature": signature(self.secrets, self.body, int(time.time())),
        }
        with Exchange(webhook_target(self.url), deadline) as exchange:
            answer = exchange.request("POST", headers, self.body)
            if not 200 <= answer.status < 300:
                return CallResult(answer.status, _reason_for(answer.status))
            return CallResult(answer.status, "")


def _reason_for(status: int) -> str:
    if 300 <= status < 400:
        return sentence("The address answered %(status)s; Desk follows no redirects.", status=status)
    return sentence("The address answered %(status)s.", status=status)
