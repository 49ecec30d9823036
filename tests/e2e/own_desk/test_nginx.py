"""deploy/nginx.conf in a real nginx before a real Desk: it stores no large body before Desk knows who sends it."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.e2e import data
from tests.e2e.processes import RunningDesk

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
CONFIGURATION = Path(__file__).parents[3] / "deploy/nginx.conf"
MIB = 1_048_576
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="no nginx was found: install nginx-light to test its settings"),
]


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """Start a web process that answers one request at a time."""
    desk = new_desk(DESK_WEB_THREADS="1")
    desk.start("web")
    return desk


@pytest.fixture(scope="module")
def port(desk: RunningDesk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run nginx with our settings, without TLS; yield its port."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    head, server = CONFIGURATION.read_text().split("server {", 1)
    server = server.rpartition("\nserver {")[2]
    server = re.sub(r"listen 443.*", f"listen 127.0.0.1:{port};", re.sub(r"\n *(?:listen \[|ssl_).*", "", server))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = f"""daemon off; pid {folder}/pid; error_log {folder}/errors;
        {"user root;" if Path("/root").owner() == "root" and Path(folder).owner() == "root" else ""}
        events {{}} http {{ access_log off; {places} {head.replace("127.0.0.1:8000", f"127.0.0.1:{desk.port}")}
        server {{ {server} }}"""
    (folder / "nginx.conf").write_text(text)
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    assert process.poll() is None, process.stderr and process.stderr.read()
    yield port
    process.terminate()
    process.wait(30)
    assert process.stderr is not None
    process.stderr.close()


class Upload:
    """A POST of which the test sends one part after another."""

    def __init__(self, port: int, path: str, size: int, *headers: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), 30)
        head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *headers, "", ""]
        self.connection.sendall("\r\n".join(head).encode())

    def send(self, content: bytes) -> None:
        """Send a part of the body."""
        self.connection.sendall(content)

    def answer(self) -> str:
        """Return the answer, once all of it or the end of the connection has arrived."""
        with closing(self.connection), self.connection.makefile("rb") as file:
            lines = []
            while line := file.readline().strip().decode():
                lines.append(line)
            length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")), 0)
            return "\n".join([*lines, file.read(length).decode()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/inbox/1/reply/", 100 * MIB),
        ("/api/v1/messages/", 100 * MIB),
        ("/api/v1/notes/", 2 * MIB),
        ("/admin/instant-messaging/messenger/add/", 19 * MIB),
        ("/admin/", 2 * MIB),
    ],
)
def test_a_stranger_is_refused_before_the_body_is_sent(port: int, path: str, size: int) -> None:
    upload = Upload(port, path, size)
    upload.send(b"x" * 1000)  # the rest never comes
    answer = upload.answer()
    assert answer.startswith("HTTP/1.1 401")
    assert "Log in before you send more than 1 MB" in answer


@pytest.mark.slow
def test_an_agent_on_a_slow_line_sends_a_large_body_and_keeps_nobody_waiting(desk: RunningDesk, port: int) -> None:
    key = desk.call(data.new_agent_token)
    body = b'{"text": "' + b"x" * 2 * MIB + b'"}'
    slow = Upload(port, "/api/v1/messages/", len(body), "Content-Type: application/json", f"Authorization: Token {key}")
    half = len(body) // 2
    slow.send(body[:half])
    page = Upload(port, "/accounts/login/", 0)
    assert page.answer().startswith("HTTP/1.1 403"), "Desk answers meanwhile: this form lacks its token"
    slow.send(body[half:])
    answer = slow.answer()
    assert answer.startswith("HTTP/1.1 400"), "Desk has read the request to its end, and misses a field"
    assert "This field is required." in answer
