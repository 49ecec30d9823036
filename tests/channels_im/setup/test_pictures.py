"""Pictures of Pages are copied, small and safe; icons and pictures are served to those who may see them."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image
from pytest_django import Settings

from channels_im.messenger.pages import PageInfo
from channels_im.models import ChannelDraft, Page
from channels_im.services.facebook import page_pictures
from desk.models import Department, User
from tests.channels_im.setup.files import huge_png, picture
from tests.factories import make_admin, make_channel, make_page
from tests.matching import present

FILES = {
    "/good.jpg": picture("JPEG", (720, 720)),
    "/page.html": b"<script>alert(1)</script>",
    "/bomb.png": huge_png(30_000, 30_000),
    "/wide.png": huge_png(5_000, 5),
    "/big.png": b"\x89PNG\r\n\x1a\n" + b"x" * (page_pictures.MAX_BYTES + 1),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = FILES.get(self.path)
        self.send_response(200 if content else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def host(settings: Settings) -> Iterator[str]:
    """A content host on the loopback, allowed by name and port."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    settings.META_MEDIA_HOSTS = [address]
    yield f"http://{address}"
    server.shutdown()
    server.server_close()


def info(page_id: str, url: str) -> PageInfo:
    return PageInfo(page_id, "Page", "token", ("MESSAGING",), url)


def test_a_picture_is_kept_as_a_small_png(host: str, db: None) -> None:
    page = make_page("1001")
    page_pictures.keep(page, page_pictures.fetch([info("1001", f"{host}/good.jpg")])["1001"])
    page = Page.objects.get()
    kept = Image.open(io.BytesIO(page.picture.read()))
    page.picture.close()
    assert (kept.format, kept.size) == ("PNG", (128, 128))


@pytest.mark.parametrize("path", ["/page.html", "/bomb.png", "/wide.png", "/big.png", "/missing.png"])
def test_a_picture_that_cannot_be_had_is_left_out(host: str, path: str) -> None:
    assert page_pictures.fetch([info("1001", host + path)]) == {}


def test_other_hosts_are_not_asked(host: str, settings: Settings) -> None:
    settings.META_MEDIA_HOSTS = [".fbcdn.net"]
    assert page_pictures.fetch([info("1001", f"{host}/good.jpg")]) == {}


def test_the_same_picture_is_written_once(host: str, db: None) -> None:
    page = make_page("1001")
    for _ in range(2):
        page_pictures.keep(page, page_pictures.fetch([info("1001", f"{host}/good.jpg")])["1001"])
    assert page.picture.storage.listdir("pages")[1] == [present(page.picture.name).rpartition("/")[2]]


def test_an_icon_is_served_as_a_picture_that_runs_nothing(setup: Client, departments: list[Department]) -> None:
    channel = make_channel(department=departments[0])
    response = setup.get(f"/admin/instant-messaging/icons/{channel.pk}/")
    assert response["Content-Type"] == "image/png"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"


def test_the_icon_of_a_draft_is_only_for_who_chose_it(setup: Client, client: Client, administrator: User) -> None:
    draft = ChannelDraft.objects.create(user=administrator, icon=ContentFile(picture(), name="x.png"))
    url = f"/admin/instant-messaging/icons/draft/{draft.pk}/"
    assert setup.get(url).status_code == 200
    client.force_login(make_admin("bea"))
    assert client.get(url).status_code == 404


def test_a_picture_that_is_gone_is_not_found(setup: Client, departments: list[Department]) -> None:
    page = make_page("1001", picture="pages/gone.png")
    assert setup.get(f"/admin/instant-messaging/pictures/{page.pk}/").status_code == 404
