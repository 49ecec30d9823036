"""Expired links to files: a fresh one is requested a few times, then an agent can try again."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.test import Client
from pytest_django import Settings
from responses import RequestsMock
from time_machine import TimeMachineFixture

from tests import factories as make
from tests.channels_im.messenger.local_server import serve
from tests.factories import NOON, deliver, delivery, item
from tests.http import Response
from tests.matching import present
from tests.tickets.services.graph import error_answer
from tickets import tasks
from tickets.models import Attachment
from tickets.services.incoming import attachments as attachment_service

pytestmark = pytest.mark.django_db

MID = "m_file"
MESSAGE = f"https://graph.facebook.com/v27.0/{MID}"
PDF = b"%PDF-1.7\n" + b"x" * 500 + b"\n%%EOF\n"


class Host:
    """A content host on which only links with the right signature (`oh`) still work."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.server = serve(self._handle)

    def _handle(self, connection: socket.socket) -> None:
        path = connection.recv(65_536).split()[1].decode()
        self.asked.append(path)
        status, body = ("200 OK", PDF) if "oh=fresh" in path else ("403 URL signature expired", b"")
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def link(self, name: str, signature: str) -> str:
        return f"{self.server.url}/v/{name}?oh={signature}"


@pytest.fixture
def host(settings: Settings) -> Iterator[Host]:
    found = Host()
    settings.META_MEDIA_HOSTS = [f"127.0.0.1:{found.server.port}"]
    yield found
    found.server.stop()


@pytest.fixture
def graph() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def shows(graph: RequestsMock, *links: str, names: tuple[str, ...] = (), key: str = "file_url") -> None:
    """Let the Conversations API show the message with these links."""
    rows = [{"id": str(place), "file_url": link} for place, link in enumerate(links)]
    for row, name in zip(rows, names, strict=False):
        row["name"] = name
    sender = {"from": {"id": "7001"}, "created_time": "2026-11-20T12:00:00+0000"}
    graph.get(MESSAGE, json={"id": MID, **sender, "attachments": {"data": rows}})


def send(
    client: Client, *urls: str, kind: str = "file", mid: str | None = MID, picture: str = "", **page: Any
) -> list[Attachment]:
    """Let a customer send files under these links, and the worker fetch what it can; `picture` is that of an ad."""
    fb_page = make.make_channel(make.make_page(**page)).page
    attachments = [{"type": kind, "payload": {"url": url}} for url in urls]
    message: dict[str, Any] = {"attachments": attachments} | ({"mid": mid} if mid else {})
    if picture:
        message["referral"] = {"source": "ADS", "ads_context_data": {"photo_url": picture}}
    deliver(client, delivery(fb_page, item(fb_page, "7001", message=message)))
    tasks.fetch_files()
    return list(Attachment.objects.order_by("position"))


def test_a_dead_link_is_replaced_by_a_fresh_one(client: Client, host: Host, graph: RequestsMock) -> None:
    shows(graph, host.link("bill.pdf", "fresh"))
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.name, kept.size, kept.refreshes) == ("stored", "bill.pdf", len(PDF), 1)
    assert host.asked == ["/v/bill.pdf?oh=old", "/v/bill.pdf?oh=fresh"]
    assert len(graph.calls) == 1


def test_each_file_of_a_message_finds_its_own_link(client: Client, host: Host, graph: RequestsMock) -> None:
    links = [host.link(f"{name}.pdf", "fresh") for name in ("b", "a")]
    shows(graph, *links)
    first, second = send(client, host.link("a.pdf", "old"), host.link("b.pdf", "old"))
    assert (first.source_url, second.source_url) == (links[1], links[0])
    assert {first.state, second.state} == {"stored"}


def test_a_link_with_another_path_is_known_by_the_name_of_the_file_or_by_its_place(
    client: Client, host: Host, graph: RequestsMock
) -> None:
    links = [host.link(f"{number}/x", "fresh") for number in (1, 2, 3)]
    shows(graph, *links, names=("other.pdf", "a.pdf"))
    first, second, third = send(client, *(host.link(f"{name}.pdf", "old") for name in "abc"))
    assert first.source_url == links[1]  # by its name
    assert (second.source_url, third.source_url) == (links[1], links[2])  # by their places


def test_the_picture_of_an_ad_takes_no_ones_place(client: Client, host: Host, graph: RequestsMock) -> None:
    fresh = host.link("1/x", "fresh")
    shows(graph, fresh)
    kept, picture = send(client, host.link("a.pdf", "old"), picture=host.link("ad.png", "old"))
    assert (kept.state, kept.source_url) == ("stored", fresh)
    assert (picture.state, picture.reason) == ("failed", attachment_service.LINK_EXPIRED)


@pytest.mark.parametrize("links", [(), ("fresh", "fresh"), ("old",)], ids=["none", "two for one", "the same"])
def test_without_a_link_that_can_be_this_files_it_is_given_up(
    client: Client, host: Host, graph: RequestsMock, links: tuple[str, ...]
) -> None:
    shows(graph, *(host.link(f"{'bill' if sign == 'old' else place}.pdf", sign) for place, sign in enumerate(links)))
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.reason) == ("failed", attachment_service.LINK_EXPIRED)


@pytest.mark.parametrize(("code", "subcode"), [(100, 9000001), (100, 33), (803, None)])
def test_a_message_that_meta_does_not_show_any_more_ends_as_a_card(
    client: Client, host: Host, graph: RequestsMock, code: int, subcode: int | None
) -> None:
    graph.get(MESSAGE, status=400, body=error_answer(code, subcode)[2])
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.reason, kept.name) == ("failed", attachment_service.LINK_EXPIRED, "bill.pdf")


def test_a_message_without_a_mid_is_not_asked_for(client: Client, host: Host, graph: RequestsMock) -> None:
    [kept] = send(client, host.link("bill.pdf", "old"), mid=None)
    assert (kept.state, kept.reason) == ("failed", attachment_service.LINK_EXPIRED)
    assert len(graph.calls) == 0


def test_trouble_that_passes_is_waited_for(
    client: Client, host: Host, graph: RequestsMock, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    graph.get(MESSAGE, status=500, body=error_answer(2)[2])
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.refreshes) == ("pending", 0)
    graph.reset()
    shows(graph, host.link("bill.pdf", "fresh"))
    time_machine.move_to(present(kept.retry_after) + timedelta(milliseconds=1))
    tasks.fetch_files()
    kept.refresh_from_db()
    assert kept.state == "stored"


def test_a_limit_of_the_rate_is_kept_by_the_page_and_the_file_waits(
    client: Client, host: Host, graph: RequestsMock, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    graph.get(MESSAGE, status=400, body=error_answer(613)[2])
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert kept.state == "pending"
    kept.message.page.refresh_from_db()
    assert present(kept.message.page.background_limited_until) > NOON
    assert kept.message.page.rate_limited_until is None


def test_a_token_that_is_dead_marks_the_page_and_says_what_to_do(
    client: Client, host: Host, graph: RequestsMock
) -> None:
    graph.get(MESSAGE, status=400, body=error_answer(190, 463)[2])
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.reason) == ("failed", attachment_service.NOT_CONNECTED)
    kept.message.page.refresh_from_db()
    assert kept.message.page.reauth_reason == "token_expired"


def test_a_page_that_is_not_connected_is_not_asked(client: Client, host: Host, graph: RequestsMock) -> None:
    lost = {"connection": "reauth_required", "reauth_reason": "token_expired"}
    [kept] = send(client, host.link("bill.pdf", "old"), **lost)
    assert (kept.state, kept.reason) == ("failed", attachment_service.NOT_CONNECTED)
    assert len(graph.calls) == 0


def test_links_that_are_dead_again_and_again_are_asked_for_a_bounded_number_of_times(
    client: Client, host: Host, graph: RequestsMock
) -> None:
    for number in range(20):
        shows(graph, host.link("bill.pdf", f"dead{number}"))
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert (kept.state, kept.reason, kept.refreshes) == (
        "failed",
        attachment_service.LINK_EXPIRED,
        attachment_service.MAX_REFRESHES,
    )
    assert len(graph.calls) == attachment_service.MAX_REFRESHES
    assert len(host.asked) == attachment_service.MAX_REFRESHES + 1


def test_a_fresh_link_to_another_host_is_not_followed(client: Client, host: Host, graph: RequestsMock) -> None:
    shows(graph, "https://evil.example/v/bill.pdf?oh=fresh")
    [kept] = send(client, host.link("bill.pdf", "old"))
    assert kept.state == "failed"
    assert host.asked == ["/v/bill.pdf?oh=old"]


# --- By hand ----------------------------------------------------------------------------------------------------------
def again(client: Client, attachment: Attachment, **headers: Any) -> Response:
    path = f"/inbox/{attachment.message.conversation_id}/files/{attachment.pk}/again/"
    return client.post(path, headers={"HX-Request": "true", **headers})


@pytest.fixture
def given_up(client: Client, host: Host, graph: RequestsMock) -> Attachment:
    """A file that was given up, and its agent logged in."""
    graph.get(MESSAGE, status=400, body=error_answer(100, 9000001)[2])
    [attachment] = send(client, host.link("bill.pdf", "old"))
    graph.reset()
    client.force_login(make.make_agent("alice", channels=(attachment.message.conversation.channel,)))
    return attachment


def test_an_agent_tries_again_and_gets_the_file(
    client: Client, host: Host, graph: RequestsMock, given_up: Attachment
) -> None:
    page = client.get(f"/inbox/{given_up.message.conversation_id}/").content.decode()
    assert f"/files/{given_up.pk}/again/" in page
    assert "Look in the Page inbox" in page
    shows(graph, host.link("bill.pdf", "fresh"))
    response = again(client, given_up)
    assert response.status_code == 200
    assert "again/" not in response.content.decode()
    assert attachment_service.is_due()
    tasks.fetch_files()
    given_up.refresh_from_db()
    assert given_up.state == "stored"
    assert again(client, given_up).status_code == 422


def test_pressing_twice_fetches_once(client: Client, host: Host, graph: RequestsMock, given_up: Attachment) -> None:
    assert [again(client, given_up).status_code for _ in range(2)] == [200, 422]
    assert Attachment.objects.get().state == "pending"


def test_a_browser_without_scripts_comes_back_to_the_conversation(
    client: Client, host: Host, given_up: Attachment
) -> None:
    path = f"/inbox/{given_up.message.conversation_id}/"
    assert client.post(f"{path}files/{given_up.pk}/again/")["Location"] == path
    assert "cannot be fetched again" in client.post(f"{path}files/{given_up.pk}/again/", follow=True).content.decode()


def test_what_was_refused_for_its_type_or_by_a_deactivated_channel_is_not_offered_again(
    client: Client, host: Host, given_up: Attachment
) -> None:
    Attachment.objects.update(state="refused", reason="“bill.pdf” has 60 MB.")
    assert again(client, given_up).status_code == 422
    Attachment.objects.update(state="failed")
    channel = given_up.message.conversation.channel
    channel.is_active = False
    channel.save()
    assert again(client, given_up).status_code == 422
    page = client.get(f"/inbox/{given_up.message.conversation_id}/").content.decode()
    assert f"/files/{given_up.pk}/again/" not in page


def test_a_video_from_before_the_channel_received_them_can_be_had_afterwards(
    client: Client, host: Host, graph: RequestsMock
) -> None:
    [kept] = send(client, host.link("clip.mp4", "old"), kind="video")
    channel = kept.message.conversation.channel
    client.force_login(make.make_agent("alice", channels=(channel,)))
    assert (kept.state, kept.reason) == ("refused", attachment_service.NOT_RECEIVED)
    assert again(client, kept).status_code == 422
    channel.receive_audio_video = True
    channel.save()
    assert again(client, kept).status_code == 200
