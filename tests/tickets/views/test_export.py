"""Export a conversation as a ZIP: every message, readable without Desk, and nothing in it that runs."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from desk.models import User
from tests.history import changes
from tests.http import streamed
from tests.matching import present
from tests.pages import one_line
from tickets.models import Attachment, Conversation, Message
from tickets.services.privacy import export

from . import world
from .world import NOON

MINUTE = timedelta(minutes=1)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    return world.make_conversation(desk.shop, "Rosa Diaz")


def download(client: Client, conversation: Conversation, **fields: Any) -> zipfile.ZipFile:
    response = client.post(f"/inbox/{conversation.pk}/export/", fields)
    assert response.status_code == 200
    return zipfile.ZipFile(io.BytesIO(streamed(response)))


def page_of(archive: zipfile.ZipFile) -> str:
    return one_line(archive.read("conversation.html").decode())


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_message_is_on_the_page(desk: world.Desk, alice: Client, conversation: Conversation) -> None:
    first = world.say(conversation, "Is it open?", mid="m_1", edited_at=NOON + MINUTE)
    first.reactions = [{"by": "customer", "emoji": "👍", "at": NOON.isoformat()}]
    first.save()
    read: dict[str, Any] = {"state": "read", "read_at": NOON + 3 * MINUTE, "reply_to_mid": "m_1"}
    world.say(conversation, "Until six.", at=NOON + 2 * MINUTE, author=desk.alice, **read)
    world.say(conversation, "gone", at=NOON + 4 * MINUTE, withdrawn_at=NOON + 5 * MINUTE)
    card = {"kind": "referral", "title": "Came through a link", "text": "Reference: spring", "url": None}
    world.say(conversation, "", at=NOON + 6 * MINUTE, kind="event", ticket=None, card=card)
    refused: dict[str, Any] = {"state": "refused", "reason": "“v.mov” has 60 MB.", "kind": "video", "size": 62_914_560}
    world.attach(world.say(conversation, "", at=NOON + 7 * MINUTE), "v.mov", **refused)
    failed: dict[str, Any] = {"state": "failed", "mid": None, "reason": "The window is closed."}
    world.say(conversation, "too late", at=NOON + 8 * MINUTE, author=desk.alice, **failed)
    page = page_of(download(alice, conversation))
    for words in (
        "Conversation with <bdi>Rosa Diaz</bdi>",
        f"Ticket #{conversation.current_ticket_id} opened",
        "Is it open?",
        "👍 the customer",
        "edited 2026-03-04 12:01:00 +00:00",
        "In reply to",
        "Read 2026-03-04 12:03:00 +00:00",
        "Unsent 2026-03-04 12:05:00 +00:00",
        "Came through a link",
        "Reference: spring",
        "v.mov",
        "60.0\xa0MB",
        "“v.mov” has 60 MB.",
        "Not sent — The window is closed.",
        "Wednesday 4 March 2026",
    ):
        assert words in page


def test_times_are_those_of_the_readers_zone_and_say_so(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "Hello")
    alice.cookies["desk_zone"] = "America/New_York"
    page = page_of(download(alice, conversation))
    assert "2026-03-04 07:00:00 -05:00" in page
    assert "America/New_York" in page


def test_internal_notes_are_in_it_only_when_asked_for(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    note: dict[str, Any] = {"kind": "note", "author": desk.alice, "mid": None}
    world.attach(world.say(conversation, "a difficult person", **note), "memo.png")
    without, with_notes = download(alice, conversation), download(alice, conversation, notes="yes")
    assert "a difficult person" not in page_of(without)
    assert "left out" in page_of(without)
    assert without.namelist() == ["conversation.html"]
    assert "a difficult person" in page_of(with_notes)
    assert "Internal note" in page_of(with_notes)
    assert len(with_notes.namelist()) == 2


def test_the_files_are_beside_the_page_under_names_that_lead_nowhere_else(
    alice: Client, conversation: Conversation
) -> None:
    picture = world.png(30, 20)
    names = ["../../etc/passwd", "..\\..\\evil.exe", "photo.png", "photo.png", "/abs.png", "naïve ☃ ?&#.png", ""]
    for place, name in enumerate(names):
        attachment = world.attach(world.say(conversation, "", at=NOON + place * MINUTE), "x.png", picture)
        Attachment.objects.filter(pk=attachment.pk).update(name=name)
    archive = download(alice, conversation)
    paths = [name for name in archive.namelist() if name != "conversation.html"]
    assert len(paths) == len(set(paths)) == len(names)
    for path in paths:
        assert path.startswith("files/")
        assert path.count("/") == 1
        assert ".." not in path.split("/")
        assert "\\" not in path
        assert archive.read(path) == picture
        with Image.open(archive.open(path)) as image:
            assert image.size == (30, 20)
    shown = [unquote(attributes["src"]) for tag, attributes in Tags(page_of(archive)).found if tag == "img"]
    assert sorted(shown) == sorted(paths)


def test_nothing_that_a_customer_wrote_runs(desk: world.Desk, alice: Client) -> None:
    conversation = world.make_conversation(desk.shop, f'{HOSTILE}"><img src=x onerror=alert(1)>')
    card = {"kind": "link", "title": HOSTILE, "text": HOSTILE, "url": "javascript:alert(1)"}
    message = world.say(conversation, f"{HOSTILE} javascript:alert(1)", card=card)
    message.reactions = [{"by": "customer", "emoji": HOSTILE, "at": ""}]
    message.save()
    refused = world.attach(message, "a", state="refused", reason=HOSTILE)
    Attachment.objects.filter(pk=refused.pk).update(name=HOSTILE)
    ticket = present(conversation.current_ticket)
    ticket.subject = HOSTILE
    ticket.save()
    page = page_of(download(alice, conversation))
    tags = Tags(page)
    assert not [tag for tag, _ in tags.found if tag in ("script", "iframe", "object", "form")]
    for _tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on")]
        assert not [value for value in attributes.values() if value and value.strip().startswith("javascript:")]
    policies = [a["content"] for tag, a in tags.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert "script-src 'none'" in policies[0]


def test_the_page_needs_nothing_from_elsewhere(alice: Client, conversation: Conversation) -> None:
    world.attach(world.say(conversation, "look at https://example.org/x.png"))
    for tag, attributes in Tags(page_of(download(alice, conversation))).found:
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else "") or ""
        assert not address.startswith(("http", "//", "/")), (tag, attributes)


def test_a_file_that_is_missing_in_the_storage_is_reported_and_stops_nothing(
    alice: Client, conversation: Conversation
) -> None:
    lost = world.attach(world.say(conversation, ""), "lost.png")
    kept = world.attach(world.say(conversation, "", at=NOON + MINUTE), "kept.png")
    lost.file.storage.delete(present(lost.file.name))
    archive = download(alice, conversation)
    assert archive.namelist() == ["conversation.html", f"files/{kept.pk}-kept.png"]
    assert "missing from Desk" in page_of(archive)


def test_the_history_of_a_deleted_channel_can_be_exported(
    desk: world.Desk, alice: Client, conversation: Conversation
) -> None:
    world.attach(world.say(conversation, "long ago"))
    desk.shop.is_active, desk.shop.deleted_at = False, timezone.now()
    desk.shop.save()
    archive = download(alice, conversation)
    assert "long ago" in page_of(archive)
    assert len(archive.namelist()) == 2


def test_only_who_sees_the_conversation_can_export_it_and_it_is_written_down(
    desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation, client: Client
) -> None:
    path = f"/inbox/{conversation.pk}/export/"
    for user in (desk.bob, desk.charlie):
        assert as_user(user).post(path).status_code == 404
    assert client.post(path).status_code == 302
    assert as_user(desk.alice).get(path).status_code == 405
    assert not changes().exists()
    for user in (desk.alice, desk.root):
        download(as_user(user), conversation, notes="yes")
    lines = changes().order_by("pk").values_list("actor__username", "sentence")
    assert list(lines) == [(name, "Exported with internal notes.") for name in ("alice", "root")]


def test_the_answer_is_a_download_with_its_size_and_is_kept_by_nobody(desk: world.Desk, alice: Client) -> None:
    conversation = world.make_conversation(desk.shop, 'Rosa "; filename=evil.exe\r\nX: y')
    response = alice.post(f"/inbox/{conversation.pk}/export/")
    assert len(streamed(response)) == int(response.headers["Content-Length"])
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "X" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


def make_long(conversation: Conversation, count: int) -> None:
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            ticket=conversation.current_ticket,
            page=conversation.channel.page,
            mid=f"m_long_{number}",
            direction="in",
            source="customer",
            state="received",
            text=f"message number {number}",
            sent_at=NOON + timedelta(seconds=number // 3),  # several of the same second: none is lost between pieces
        )
        for number in range(count)
    )


def test_a_long_thread_is_complete_and_in_order(
    desk: world.Desk, alice: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK_SIZE", 7)  # a limit, lowered: a hundred messages are many pieces
    make_long(conversation, 100)
    page = page_of(download(alice, conversation))
    places = [page.index(f"message number {number}<") for number in range(100)]
    assert places == sorted(places)
    assert page.count("opened </h3>") == 1


@pytest.mark.slow
def test_queries_grow_only_by_the_piece(
    alice: Client, conversation: Conversation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_long(conversation, 2 * export.CHUNK_SIZE)
    for message in conversation.messages.all()[:50]:
        world.attach(message, state="refused", reason="no")
    with django_assert_max_num_queries(35):
        download(alice, conversation)


def test_the_memory_does_not_grow_with_the_files(desk: world.Desk, alice: Client, conversation: Conversation) -> None:
    for number in range(12):
        world.attach(world.say(conversation, "", at=NOON + number * MINUTE), f"{number}.png", bytes(1_048_576))
    tracemalloc.start()
    try:
        file = export.export(desk.alice, conversation, with_notes=False)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.seek(0, 2) > 12 * 1_048_576
    file.close()
    assert peak < 8 * 1_048_576


@pytest.mark.parametrize(
    ("language", "html", "month"),
    [("", '<html lang="en" dir="ltr">', "March"), ("de", '<html lang="de" dir="ltr">', "März"),
     ("ar", '<html lang="ar" dir="rtl">', "مارس")],
)  # fmt: skip
def test_the_page_is_in_the_language_of_who_exports(
    desk: world.Desk, alice: Client, conversation: Conversation, language: str, html: str, month: str
) -> None:
    User.objects.filter(pk=desk.alice.pk).update(language=language)
    world.say(conversation, "Is it open?")
    page = page_of(download(alice, conversation))
    assert html in page
    assert month in page.partition('class="day"')[2]
    assert changes(desk.alice).latest("pk").sentence == "Exported without internal notes."


@pytest.mark.parametrize("kind", ["template", "reel", "location", "order"])
def test_a_card_that_people_wrote_stays_as_it_is_for_readers_of_other_languages(
    desk: world.Desk, alice: Client, conversation: Conversation, kind: str
) -> None:
    """These are like sentences of Desk with values: "From %(value)s", "Added %(date)s."."""
    User.objects.filter(pk=desk.alice.pk).update(language="de")
    card = {"kind": kind, "title": "From Berlin with love", "text": "Added 5 mirrors.\nTo the sea", "url": None}
    world.say(conversation, "", card=card)
    world.say(conversation, "", card=card, kind="event", ticket=None, source="system")
    exported = page_of(download(alice, conversation))
    inbox = one_line(alice.get(f"/inbox/{conversation.pk}/").content.decode())
    for words in ("From Berlin with love", "Added 5 mirrors.", "To the sea"):
        assert exported.count(words) == 2
        assert inbox.count(words) >= 2
