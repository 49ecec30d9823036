"""Our own public address, called as Meta calls it: a real TLS server on the loopback stands where the name leads."""

import datetime
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import GoLiveStep
from channels_im.services.go_live import reachability
from desk import safe_http

pytestmark = pytest.mark.machine_clock  # OpenSSL compares certificates with it

State = GoLiveStep.State
HOST = "desk.example.com"
PUBLIC_ADDRESS = "157.240.1.1"


def certificate(folder: Path, *, days: float, name: str = HOST) -> Path:
    """Return a file with a key and a certificate for `name`, its own authority, that ends in `days`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=100))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}-{days}.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


class Site:
    """What answers at the public address: `answer(query)` returns status and body; `asked` keeps the paths."""

    def __init__(self, pem: Path) -> None:
        self.asked: list[str] = []
        self.status, self.body = 200, ""
        self.headers: dict[str, str] = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                query = parse_qs(urlsplit(self.path).query)
                body = (site.body or query["hub.challenge"][0]).encode()
                self.send_response(site.status)
                for name, value in site.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Internet:
    """Leads HOST to a site on the loopback and trusts its certificate; counts what else is looked up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch, self._folder = monkeypatch, folder
        self.sites: list[Site] = []
        self.hosts: list[str] = []

    def put(
        self, *, days: float = 90, name: str = HOST, is_trusted: bool = True, address: str = PUBLIC_ADDRESS
    ) -> Site:
        pem = certificate(self._folder, days=days, name=name)
        site = Site(pem)
        self.sites.append(site)
        port = site.server.server_address[1]

        def look_up(host: str, port: int, **_options: Any) -> list[Any]:
            self.hosts.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        def connect(_address: object, timeout_s: float) -> socket.socket:
            raw = socket.socket()
            raw.settimeout(timeout_s)
            raw.connect(("127.0.0.1", port))
            return raw

        self._monkeypatch.setattr(socket, "getaddrinfo", look_up)
        self._monkeypatch.setattr(socket, "create_connection", connect)
        context = ssl.create_default_context()
        if is_trusted:
            context.load_verify_locations(pem)
        self._monkeypatch.setattr(safe_http, "tls_context", lambda: context)
        return site


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Iterator[Internet]:
    settings.PUBLIC_URL, settings.HTTPS = f"https://{HOST}", True
    made = Internet(monkeypatch, tmp_path)
    yield made
    monkeypatch.undo()
    for site in made.sites:
        site.close()


def states() -> tuple[str, str]:
    address, answers = reachability.check(timezone.now())
    return address.state, answers.state


def test_a_good_address_is_done_and_only_it_is_called(internet: Internet, settings: Settings) -> None:
    site = internet.put()
    address, answers = reachability.check(timezone.now())
    assert (address.state, answers.state) == (State.DONE, State.DONE)
    assert "valid until" in address.detail
    assert internet.hosts == [HOST]
    query = parse_qs(urlsplit(site.asked[0]).query)
    assert urlsplit(site.asked[0]).path == "/webhooks/messenger/"
    assert query["hub.verify_token"] == [settings.META_VERIFY_TOKEN]
    assert len(site.asked) == 1


@pytest.mark.parametrize(("days", "state"), [(13.9, State.TO_DO), (14.2, State.DONE)])
def test_a_certificate_must_last_longer_than_14_days(internet: Internet, days: float, state: str) -> None:
    internet.put(days=days)
    address, answers = reachability.check(timezone.now())
    assert address.state == state
    assert answers.state == State.DONE
    assert ("Renew it" in address.detail) is (state == State.TO_DO)


@pytest.mark.parametrize(
    "options", [{"days": -1.0}, {"is_trusted": False}, {"name": "other.example.com"}], ids=["ended", "unknown", "other"]
)
def test_a_certificate_that_is_not_valid_is_to_do(internet: Internet, options: dict[str, Any]) -> None:
    site = internet.put(**options)
    address, answers = reachability.check(timezone.now())
    assert (address.state, answers.state) == (State.TO_DO, State.TO_DO)
    assert "certificate is not valid" in address.detail
    assert site.asked == []


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (302, "x", "redirects (HTTP 302)"),
        (403, "The verify token is wrong.", "refused the verify token"),
        (200, "<html>Welcome</html>", "Something else"),
        (502, "Bad gateway", "HTTP 502"),
    ],
)
def test_an_address_where_desk_does_not_answer(internet: Internet, status: int, body: str, sentence: str) -> None:
    site = internet.put()
    site.status, site.body, site.headers = status, body, {"Location": "https://elsewhere.example/"}
    address, answers = reachability.check(timezone.now())
    assert address.state == State.DONE
    assert answers.state == State.TO_DO
    assert sentence in answers.detail
    assert internet.hosts == [HOST]  # no redirect is followed


def test_without_a_verify_token_nothing_is_accepted(internet: Internet, settings: Settings) -> None:
    settings.META_VERIFY_TOKEN = ""
    internet.put()
    assert states() == (State.DONE, State.TO_DO)


@pytest.mark.parametrize("address", ["10.0.0.4", "127.0.0.1", "169.254.169.254"])
def test_a_name_that_leads_to_a_private_address_is_not_called(internet: Internet, address: str) -> None:
    site = internet.put(address=address)
    found, _answers = reachability.check(timezone.now())
    assert states() == (State.UNKNOWN, State.UNKNOWN)
    assert "leads to a private address" in found.detail
    assert site.asked == []


def test_a_name_that_does_not_exist(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    address, _answers = reachability.check(timezone.now())
    assert (address.state, address.detail) == (State.TO_DO, "The name desk.example.com does not exist in the DNS.")


def test_an_address_that_cannot_be_reached_from_here(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    internet.put()

    def refuse(*_args: object, **_options: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    address, _answers = reachability.check(timezone.now())
    assert states() == (State.UNKNOWN, State.UNKNOWN)
    assert "cannot reach https://desk.example.com from its own machine" in address.detail


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://localhost:8000", "leads to this machine only"),
        ("https://localhost", "leads to this machine only"),
        ("https://desk.localhost", "leads to this machine only"),
        ("https://127.0.0.1:8443", "leads to this machine only"),
        ("https://[::1]", "leads to this machine only"),
        ("http://desk.example.com", "begin with https://"),
    ],
)
def test_a_local_or_plain_address_is_to_do_and_not_called(
    internet: Internet, settings: Settings, url: str, sentence: str
) -> None:
    settings.PUBLIC_URL, settings.HTTPS = url, url.startswith("https")
    address, _answers = reachability.check(timezone.now())
    assert states() == (State.TO_DO, State.TO_DO)
    assert sentence in address.detail
    assert internet.hosts == []
