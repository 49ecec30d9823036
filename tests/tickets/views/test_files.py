"""Files as they are served: headers that stop anything in them from running, ranges for players."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from channels_im.models import ChannelAgent
from desk.models import User
from tests.http import Response, streamed
from tests.matching import present

from . import world

CONTENT = bytes(range(256)) * 40  # 10,240 bytes


@pytest.fixture
def serve(desk: world.Desk, as_user: Callable[[User], Client]) -> Callable[..., Response]:
    """Get a stored attachment made with these fields."""
    conversation = world.make_conversation(desk.shop)
    client = as_user(desk.alice)

    def get(
        name: str = "photo.png",
        content: bytes = CONTENT,
        query: str = "",
        headers: dict[str, str] | None = None,
        method: str = "get",
        **fields: Any,
    ) -> Response:
        attachment = world.attach(world.say(conversation, ""), name, content, **fields)
        return getattr(client, method)(f"/inbox/{conversation.pk}/files/{attachment.pk}/{query}", headers=headers)

    return get


def body(response: Response) -> bytes:
    return streamed(response)


def test_an_image_is_shown_under_headers_that_let_nothing_run(serve: Callable[..., Response]) -> None:
    response = serve()
    assert body(response) == CONTENT
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith("inline")
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response.headers["Cache-Control"].startswith("private")
    assert response.headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/javascript", "", "text/xml"])
def test_what_a_browser_might_run_is_only_offered_for_download(
    serve: Callable[..., Response], content_type: str
) -> None:
    response = serve("page.html", content_type=content_type, kind="document")
    body(response)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ['a"; filename=evil.exe', "naïve ☃.png", "x\r\nSet-Cookie: a=b.png"])
def test_a_strange_name_stays_inside_its_header(serve: Callable[..., Response], name: str) -> None:
    response = serve(name)
    body(response)
    assert "Set-Cookie" not in response.headers
    assert "\r" not in response.headers["Content-Disposition"]


def test_download_offers_to_save(serve: Callable[..., Response]) -> None:
    response = serve(query="?download")
    body(response)
    assert response.headers["Content-Disposition"] == 'attachment; filename="photo.png"'


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, 10239),
        ("bytes=-10", 10230, 10239),
        ("bytes=10239-99999", 10239, 10239),
    ],
)
def test_a_player_gets_the_range_it_asks_for(
    serve: Callable[..., Response], wanted: str, first: int, last: int
) -> None:
    response = serve(headers={"Range": wanted})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/10240"
    assert body(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(serve: Callable[..., Response], wanted: str) -> None:
    response = serve(headers={"Range": wanted})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "", "bytes=٣-٤"])
def test_what_is_no_range_gives_the_whole_file(serve: Callable[..., Response], wanted: str) -> None:
    response = serve(headers={"Range": wanted})
    assert response.status_code == 200
    assert body(response) == CONTENT


def test_a_browser_asks_again_after_a_minute_and_gets_nothing_twice(serve: Callable[..., Response]) -> None:
    first = serve(name="same.png")
    body(first)
    assert first.headers["Cache-Control"] == "private, max-age=60"
    assert first.headers["ETag"].startswith('"')


def test_a_user_who_lost_the_permission_gets_nothing_for_a_known_version(
    desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation = world.make_conversation(desk.shop)
    attachment = world.attach(world.say(conversation, ""), "photo.png", CONTENT)
    url = f"/inbox/{conversation.pk}/files/{attachment.pk}/"
    client = as_user(desk.alice)
    first = client.get(url)
    body(first)
    known = {"If-None-Match": first.headers["ETag"]}
    again = client.get(url, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    for header in ("ETag", "Content-Security-Policy", "Content-Disposition", "X-Content-Type-Options"):
        assert again.headers[header] == first.headers[header]  # a browser takes over what a 304 says
    part = client.get(url, headers={"Range": "bytes=0-9", "If-Range": first.headers["ETag"]})
    assert (part.status_code, body(part)) == (206, CONTENT[:10])
    whole = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"another version"'})
    assert (whole.status_code, body(whole)) == (200, CONTENT)
    ChannelAgent.objects.all().delete()
    assert client.get(url, headers=known).status_code == 404


def test_head_tells_the_size_without_the_file(serve: Callable[..., Response]) -> None:
    response = serve(method="head")
    assert response.headers["Content-Length"] == "10240"
    assert response.content == b""


@pytest.mark.parametrize("state", ["pending", "refused", "failed"])
def test_a_file_that_is_not_stored_is_not_there(serve: Callable[..., Response], state: str) -> None:
    assert serve(state=state).status_code == 404


def test_a_file_that_vanished_from_the_storage_is_not_found(
    desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    conversation = world.make_conversation(desk.shop)
    attachment = world.attach(world.say(conversation, ""))
    attachment.file.storage.delete(present(attachment.file.name))
    assert as_user(desk.alice).get(f"/inbox/{conversation.pk}/files/{attachment.pk}/").status_code == 404


def test_a_contact_without_a_picture_has_none(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    conversation = world.make_conversation(desk.shop)
    assert as_user(desk.alice).get(f"/inbox/{conversation.pk}/picture/").status_code == 404


def test_under_asgi_a_file_is_streamed_without_holding_up_the_loop(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    attachment = world.attach(world.say(conversation, ""), content=CONTENT)

    async def fetch() -> bytes:
        client = AsyncClient()
        await client.aforce_login(desk.alice)
        path = f"/inbox/{conversation.pk}/files/{attachment.pk}/"
        response = await client.get(path, headers={"Range": "bytes=1-3"})
        assert response.status_code == 206
        streaming: Any = response
        return b"".join([block async for block in streaming.streaming_content])

    assert async_to_sync(fetch)() == CONTENT[1:4]
