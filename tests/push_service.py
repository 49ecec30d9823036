"""A push service in place of those of browsers, and a browser's keys. It shares no code with Desk.

It takes what RFC 8030 says, checks who sends by the JWT of RFC 8292, and decrypts what came as the browser would.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF of at most one block, by its definition."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()[:length]


class BrowserKeys:
    """The keys that a browser makes for one subscription."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.secret = os.urandom(16)
        self.fields = {"p256dh": text_of(self.point), "auth": text_of(self.secret)}

    def decrypt(self, body: bytes) -> bytes:
        """Return what only this browser can read."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        shared = self.private.exchange(ec.ECDH(), public)
        secret = _derived(self.secret, shared, b"WebPush: info\0" + self.point + theirs, 32)
        key = _derived(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _derived(salt, secret, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(key).decrypt(nonce, sealed, None)
        assert plain.endswith(b"\x02")
        return plain[:-1]


def claims_of(authorization: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a VAPID header and the key of the sender, after checking the signature."""
    scheme, _space, rest = authorization.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    head, claims, signature = parts["t"].split(".")
    assert json.loads(bytes_of(head)) == {"typ": "JWT", "alg": "ES256"}
    raw = bytes_of(signature)
    assert len(raw) == 64
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes_of(parts["k"]))
    public.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    return json.loads(bytes_of(claims)), parts["k"]


class PushService:
    """Listens on a free port. `answers` are the next statuses (then 201); `got` are paths with decrypted messages."""

    def __init__(self) -> None:
        self.keys: dict[str, BrowserKeys] = {}
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[Any] = []
        self.refused: list[str] = []
        self.answers: list[int] = []
        self.retry_after = ""
        self.delay_s = 0.0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = service.take(self.path, self.headers, body)
                time.sleep(service.delay_s)
                try:
                    self.send_response(status)
                    if service.retry_after:
                        self.send_header("Retry-After", service.retry_after)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # Desk has gone

            def log_message(self, *_args: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def subscription(self, path: str) -> dict[str, str]:
        """Return what a browser that subscribes gives to its page."""
        self.keys[path] = BrowserKeys()
        return {"endpoint": f"http://{self.host}{path}", **self.keys[path].fields}

    def take(self, path: str, headers: Any, body: bytes) -> int:
        """Return the status for a message; keep it when it is taken."""
        status = self.answers.pop(0) if self.answers else 201
        try:
            claims, _key = claims_of(headers["Authorization"])
            assert claims["aud"] == f"http://{self.host}"
            assert time.time() < claims["exp"] <= time.time() + 24 * 3600
            assert claims["sub"].startswith(("mailto:", "https:"))
            assert headers["Content-Encoding"] == "aes128gcm"
            assert int(headers["TTL"]) > 0
            assert len(headers["Topic"]) <= 32
            assert len(body) <= 4096
            content = json.loads(self.keys[path].decrypt(body))
        except Exception as error:  # the test looks at it
            self.refused.append(repr(error))
            return 400
        self.headers.append(headers)
        if status == 201:
            self.got.append((path, content))
        return status

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
