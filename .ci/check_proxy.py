"""Look at Desk through its proxy: check_proxy.py CERTIFICATE CONVERSATION, as desk.example.com on this machine.

Logs in as alice over TLS, uploads 60 MB with a reply, and checks limits, headers, HTTP/2 and the live stream. Uses only
the standard library, and curl for HTTP/2. Exits with code 1 and a sentence.
"""

import http.client
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from http.cookies import SimpleCookie

HOST = "desk.example.com"
MEGABYTE = 1_000_000


class Browser:
    """A client with cookies of its own."""

    def __init__(self, certificate: str) -> None:
        self.context = ssl.create_default_context(cafile=certificate)
        self.cookies: dict[str, str] = {}

    def open(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPSConnection]:
        """Send a request; return the answer, which is not read yet, and its connection."""
        connection = http.client.HTTPSConnection("127.0.0.1", 443, timeout=60, context=self.context)
        connection.sock = self.context.wrap_socket(
            socket.create_connection(("127.0.0.1", 443), 60), server_hostname=HOST
        )
        sent = {
            "Host": HOST,
            "Referer": f"https://{HOST}/",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer, connection

    def read(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Send a request; return status and text of the answer."""
        answer, connection = self.open(method, path, body, **headers)
        try:
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()


def demand(condition: object, sentence: str) -> None:
    """Exit with the sentence unless the condition holds; else print it."""
    if not condition:
        sys.exit(f"NOT TRUE: {sentence}")
    print("true:", sentence, flush=True)


def multipart(fields: dict[str, str], files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    """Return body and content type of a form with files."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    for name, content in files:
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/pdf\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


def token(page: str) -> str:
    """Return the CSRF token of a page."""
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page) or re.search(r'"X-CSRFToken": ?"(\w+)"', page)
    return match[1] if match else ""


def check(certificate: str, conversation: str) -> None:
    """Check everything; `conversation` is the id of one that alice may answer."""
    browser = Browser(certificate)
    _status, page = browser.read("GET", "/accounts/login/")
    form = {"csrfmiddlewaretoken": token(page), "login": "alice", "password": "desk-demo"}
    body = urllib.parse.urlencode(form).encode()
    answer, connection = browser.open(
        "POST", "/accounts/login/", body, Content_Type="application/x-www-form-urlencoded"
    )
    connection.close()
    demand(answer.status == 302, "alice logs in over TLS")
    status, page = browser.read("GET", f"/inbox/{conversation}/")
    demand(status == 200, "the conversation is shown")

    # The stream first: what the reply below changes must arrive on it while it stays open.
    stream, stream_connection = browser.open("GET", "/live/")
    began = time.monotonic()
    first = stream.readline()
    demand(first and time.monotonic() - began < 5, f"the stream's first line arrives at once: {first!r}")

    pdf = b"%PDF-1.4\n" + b"0" * (20 * MEGABYTE - 9)
    fields = {"csrfmiddlewaretoken": token(page), "text": "", "client_key": "proxy-check-1"}
    body, content_type = multipart(fields, [(f"{n}.pdf", pdf) for n in range(3)])
    path = f"/inbox/{conversation}/reply/"
    status, text = browser.read("POST", path, body, Content_Type=content_type)
    demand(status == 302, f"60 MB are taken at the composer's path ({status} {text[:300]})")
    began = time.monotonic()
    lines = [stream.readline() for _ in range(4)]
    demand(any(b"data" in line for line in lines) and time.monotonic() - began < 10, "the stream tells of the reply")
    stream_connection.close()

    big = b"x" * (3 * MEGABYTE)
    for elsewhere in ("/accounts/login/", "/webhooks/messenger/", "/api/v1/notes/", "/healthz"):
        status, text = browser.read("POST", elsewhere, big, Content_Type="application/octet-stream")
        demand(status == 413 and "too large" in text, f"3 MB are refused at {elsewhere} with a sentence ({status})")
    body = b"x" * (106 * MEGABYTE)  # nginx's megabytes are of 1,048,576 bytes
    try:
        status, _text = browser.read("POST", path, body, Content_Type=content_type)
    except OSError:  # nginx may close before everything is sent
        status = 413
    demand(status == 413, "more than 100 MB are refused at the composer's path")

    address = f"https://{HOST}/healthz"
    command = [
        "curl",
        "-sS",
        "--http2",
        "--cacert",
        certificate,
        "--resolve",
        f"{HOST}:443:127.0.0.1",
        "-o",
        "/dev/null",
    ]
    done = subprocess.run([*command, "-w", "%{http_version} %{http_code}", address], capture_output=True, text=True)
    demand(done.stdout == "2 200", f"HTTP/2 is negotiated ({done.stdout} {done.stderr})")
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(90 * MEGABYTE)
        upload = [*command, "--data-binary", f"@{file.name}", "-w", "%{http_version} %{http_code}"]
        done = subprocess.run([*upload, f"https://{HOST}{path}"], capture_output=True, text=True)
    demand(done.stdout == "2 401", f"a stranger's 90 MB are refused over HTTP/2 ({done.stdout} {done.stderr})")
    done = subprocess.run(
        ["curl", "-sSk", "--resolve", "other.example:443:127.0.0.1", "https://other.example/"],
        capture_output=True,
        text=True,
    )
    demand(done.returncode != 0, "another host name gets no certificate")
    plain = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    plain.request("GET", "/inbox/", headers={"Host": HOST})
    redirect = plain.getresponse()
    location = redirect.headers["Location"]
    demand((redirect.status, location) == (301, f"https://{HOST}/inbox/"), "plain HTTP is redirected to HTTPS")

    # Ten wrong passwords from one address, each with another forged header: the limit counts the real one.
    for number in range(12):
        guesser = Browser(certificate)
        _status, page = guesser.read("GET", "/accounts/login/")
        form = {"csrfmiddlewaretoken": token(page), "login": "nobody", "password": f"wrong {number}"}
        body = urllib.parse.urlencode(form).encode()
        kind = "application/x-www-form-urlencoded"
        forged = f"198.51.100.{number}"
        status, text = guesser.read("POST", "/accounts/login/", body, Content_Type=kind, X_Forwarded_For=forged)
        if status == 429 or "Too many failed login attempts" in text:
            break
    else:
        sys.exit("NOT TRUE: a forged X-Forwarded-For does not hide the client from the limit of logins")
    print("true: a forged X-Forwarded-For does not hide the client from the limit of logins")


if __name__ == "__main__":
    check(sys.argv[1], sys.argv[2])
