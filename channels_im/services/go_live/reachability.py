"""Call our own public address as Meta does: https, a valid certificate, and the webhook's answer to a challenge."""

import http.client
import logging
import secrets
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings

from channels_im.models import GoLiveStep
from channels_im.services.go_live import addresses
from desk import letters, public_url
from desk.safe_http import AddressError, Exchange, Problem, parse_url
from desk.sentences import sentence

logger = logging.getLogger(__name__)

State = GoLiveStep.State
TIMEOUT_S = 10.0
CERTIFICATE_LASTS = timedelta(days=14)
MAX_ANSWER_BYTES = 200
SEEN_FROM_OUTSIDE = sentence(
    "Open it from a phone that is not in your network: the browser must show Desk without a warning."
)


@dataclass(frozen=True)
class Finding:
    """What a check found: a state of GoLiveStep and a sentence for the administrator."""

    state: str
    detail: str


def check(now: datetime) -> tuple[Finding, Finding]:
    """Return what was found about the address, and about the webhook's answer. Only DESK_PUBLIC_URL is called."""
    url = settings.PUBLIC_URL
    if public_url.is_local(url):
        local = sentence(
            "DESK_PUBLIC_URL is %(url)s, which leads to this machine only, so Facebook cannot reach it and Desk does "
            "not call it.",
            url=url,
        )
        return Finding(State.TO_DO, local), Finding(State.TO_DO, sentence("Checked when Desk has a public address."))
    if not settings.HTTPS:
        insecure = sentence(
            "DESK_PUBLIC_URL is %(url)s. Facebook calls only addresses that begin with https://.", url=url
        )
        return Finding(State.TO_DO, insecure), Finding(State.TO_DO, sentence("Checked when the address is https."))
    try:
        return _call(now)
    except AddressError as error:
        return _not_called(error)
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message.rstrip(".")
        return _unusable(sentence("The certificate is not valid: %(why)s. Facebook refuses it.", why=why))
    except ssl.SSLError as error:
        logger.info("The public address answers no TLS: %s", error)
        return _unusable(
            sentence("No secure connection can be made: what answers at this port does not speak TLS as expected.")
        )
    except socket.gaierror:
        return _unusable(sentence("The name %(host)s does not exist in the DNS.", host=addresses.host()))
    except (OSError, http.client.HTTPException) as error:  # a time-out is an OSError
        logger.info("The public address could not be called: %s", type(error).__name__)
        unreachable = sentence(
            "Desk cannot reach %(url)s from its own machine. Some networks do not let a machine call its own public "
            "address. %(what_text)s",
            url=url,
            what_text=SEEN_FROM_OUTSIDE,
        )
        return Finding(State.UNKNOWN, unreachable), Finding(State.UNKNOWN, unreachable)


def _call(now: datetime) -> tuple[Finding, Finding]:
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.verify_token": settings.META_VERIFY_TOKEN, "hub.challenge": challenge}
    target = parse_url(f"{addresses.webhook()}?{urlencode(query)}")
    with Exchange(target, time.monotonic() + TIMEOUT_S) as exchange:
        answer = exchange.request("GET", {"Accept": "text/plain"})  # English only: a header
        body = answer.read(MAX_ANSWER_BYTES)
        certificate = _certificate(exchange.socket, now)
    return certificate, _answer(answer.status, body, challenge)


def _certificate(connected: socket.socket | None, now: datetime) -> Finding:
    """Return what is known of the certificate of a connection that was verified."""
    peer = connected.getpeercert() if isinstance(connected, ssl.SSLSocket) else None
    ends = str((peer or {}).get("notAfter", ""))
    if not ends:
        return Finding(State.TO_DO, sentence("The certificate names no date on which it ends."))
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), tz=UTC)
    if ends_at - now <= CERTIFICATE_LASTS:
        ending = sentence(
            "The certificate ends on %(day)s. Renew it: it should renew itself.", day=letters.day(ends_at)
        )
        return Finding(State.TO_DO, ending)
    return Finding(State.DONE, sentence("The certificate is valid until %(day)s.", day=letters.day(ends_at)))


def _answer(status: int, body: bytes, challenge: str) -> Finding:
    if not settings.META_VERIFY_TOKEN:
        return Finding(State.TO_DO, sentence("META_VERIFY_TOKEN is not set. Set it to any text."))
    if status == 200 and body.decode("ascii", "replace").strip() == challenge:
        return Finding(State.DONE, sentence("The webhook answered as Facebook expects."))
    if 300 <= status < 400:
        redirects = sentence("The address redirects (HTTP %(status)s). Facebook follows no redirect.", status=status)
        return Finding(State.TO_DO, redirects)
    if status == 403:
        refused = sentence(
            "It refused the verify token (HTTP 403). Another Desk, or an older process of this one, answers there."
        )
        return Finding(State.TO_DO, refused)
    if status == 200:
        return Finding(State.TO_DO, sentence("Something else than Desk's webhook answers there."))
    other = sentence("It answered HTTP %(status)s instead of the challenge.", status=status)
    return Finding(State.TO_DO, other)


def _not_called(error: AddressError) -> tuple[Finding, Finding]:
    if error.code == Problem.PRIVATE:
        private = sentence(
            "From here, %(host)s leads to a private address, so Desk cannot see it as Facebook does. %(what_text)s",
            host=addresses.host(),
            what_text=SEEN_FROM_OUTSIDE,
        )
        return Finding(State.UNKNOWN, private), Finding(State.UNKNOWN, private)
    return _unusable(str(error))


def _unusable(why: str) -> tuple[Finding, Finding]:
    return Finding(State.TO_DO, why), Finding(State.TO_DO, sentence("Checked when the address can be called."))
