"""Web Push: encrypt a message for a browser (RFC 8291), identify Desk to the push service (RFC 8292), and send it.

Makes no query. The libraries for this bring an HTTP client of their own, which would not go through desk.safe_http:
who subscribes chooses the address that Desk calls. What remains of them is these few steps with `cryptography`.
"""

import base64
import binascii
import http.client
import json
import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from desk.safe_http import AddressError, Exchange, parse_url
from desk.sentences import counted, sentence

TIMEOUT_S = 10.0
#: Bytes of a message: push services take at least 4096 of the encrypted body.
MAX_BYTES = 3800
RECORD_SIZE = 4096
TOKEN_LASTS_S = 12 * 3600  # at most 24 hours (RFC 8292)
MAX_RETRY_AFTER_S = 24 * 3600.0
_CURVE = ec.SECP256R1()


class KeyProblem(ValueError):
    """A key of a subscription, or of Desk, that is none."""


# --- Keys -------------------------------------------------------------------------------------------------------------
def encode(data: bytes) -> str:
    """Return bytes as base64url without padding, the form of all keys here."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64url, with or without padding. Raises KeyProblem."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyProblem(str(error)) from None


def make_key() -> tuple[str, str]:
    """Return a new private key (32 bytes) and its public key (65 bytes, uncompressed), both as base64url."""
    private = ec.generate_private_key(_CURVE)
    number = private.private_numbers().private_value
    return encode(number.to_bytes(32, "big")), encode(_point(private.public_key()))


def _private(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int.from_bytes(decode(text), "big"), _CURVE)
    except ValueError as error:
        raise KeyProblem(str(error)) from None


def _public(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError as error:
        raise KeyProblem(str(error)) from None


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def check_keys(p256dh: str, auth: str) -> None:
    """Raise KeyProblem unless these are a public key on the curve and a secret of 16 bytes, as a browser makes them."""
    point, secret = decode(p256dh), decode(auth)
    if len(point) != 65 or len(secret) != 16:
        raise KeyProblem("wrong length")  # English only: not shown
    _public(point)


# --- The message (RFC 8291, RFC 8188) ---------------------------------------------------------------------------------
def encrypt(
    plain: bytes, p256dh: str, auth: str, *, salt: bytes | None = None, private_key: str | None = None
) -> bytes:
    """Return the body for the push service: only the browser with these keys can read it. Raises KeyProblem.

    `plain` has at most MAX_BYTES. `salt` (16 bytes) and `private_key` are new for each message, unless a test sets
    them.
    """
    if len(plain) > MAX_BYTES:
        raise ValueError("the message is too long")  # English only: for the log
    receiver = decode(p256dh)
    sender = _private(private_key) if private_key else ec.generate_private_key(_CURVE)
    ours, salt = _point(sender.public_key()), salt or os.urandom(16)
    shared = sender.exchange(ec.ECDH(), _public(receiver))
    secret = _hkdf(shared, salt=decode(auth), info=b"WebPush: info\0" + receiver + ours, length=32)
    key = _hkdf(secret, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _hkdf(secret, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, plain + b"\x02", None)  # 2: the last record


def _hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


# --- Who sends (RFC 8292) ---------------------------------------------------------------------------------------------
def authorization(endpoint: str, private_key: str, public_key: str, subject: str, now: float | None = None) -> str:
    """Return the Authorization header that says for this push service who sends; `subject` is https: or mailto:."""
    parts = urlsplit(endpoint)
    expires = int(time.time() if now is None else now) + TOKEN_LASTS_S
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": expires, "sub": subject}
    signed = ".".join(encode(_json(each)) for each in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = utils.decode_dss_signature(_private(private_key).sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    return f"vapid t={token}, k={public_key}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# --- The call ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PushResult:
    """What a push service answered: the status, or None without an answer; `reason` is "" when it took the message."""

    status: int | None
    reason: str = ""
    retry_after_s: float = 0.0

    @property
    def is_accepted(self) -> bool:
        return not self.reason

    @property
    def is_gone(self) -> bool:
        """Whether the subscription no longer exists and will not come back."""
        return self.status in (http.client.NOT_FOUND, http.client.GONE)

    @property
    def may_pass(self) -> bool:
        """Whether the same message may be taken later: no answer, too many calls, or an error of the service."""
        return self.status is None or self.status == http.client.TOO_MANY_REQUESTS or self.status >= 500


@dataclass(frozen=True)
class PushCall:
    """Everything a thread needs to send one message to one browser. `topic` replaces what waits there unread."""

    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    private_key: str = field(repr=False)
    public_key: str
    subject: str
    plain: bytes = field(repr=False)
    topic: str
    ttl_s: int
    urgency: str = "normal"
    listed_hosts: Sequence[str] = ()

    def make(self) -> PushResult:
        """Send the message and return the result. Errors of the network and the service are results."""
        try:
            return self._send(time.monotonic() + TIMEOUT_S)
        except KeyProblem:
            return PushResult(http.client.GONE, sentence("The keys of the browser are not valid."))
        except AddressError as refused:
            return PushResult(http.client.GONE, str(refused))
        except ssl.SSLCertVerificationError:
            return PushResult(None, sentence("The certificate of the host is not valid."))
        except TimeoutError:
            late = counted(
                "No answer within %(count)s second.", "No answer within %(count)s seconds.", round(TIMEOUT_S)
            )
            return PushResult(None, late)
        except (OSError, http.client.HTTPException, ValueError):
            return PushResult(None, sentence("The address could not be reached, or the connection was closed."))

    def _send(self, deadline: float) -> PushResult:
        body = encrypt(self.plain, self.p256dh, self.auth)
        headers = {  # English only: HTTP
            "Authorization": authorization(self.endpoint, self.private_key, self.public_key, self.subject),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(body)),
            "TTL": str(self.ttl_s),
            "Topic": self.topic,
            "Urgency": self.urgency,
        }
        with Exchange(parse_url(self.endpoint, self.listed_hosts), deadline) as exchange:
            answer = exchange.request("POST", headers, body)
            if 200 <= answer.status < 300:
                return PushResult(answer.status)
            reason = sentence("The address answered %(status)s.", status=answer.status)
            return PushResult(answer.status, reason, _seconds(answer.getheader("Retry-After") or ""))


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After header, which is a number or a date; 0 when it is neither."""
    if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 10:
        return min(float(retry_after), MAX_RETRY_AFTER_S)
    try:
        return min(max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0), MAX_RETRY_AFTER_S)
    except (TypeError, ValueError, OverflowError):
        return 0.0
