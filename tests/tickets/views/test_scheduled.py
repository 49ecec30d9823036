"""Send later from the pages: the menu, the item in the thread, edit, send now, cancel; and the menu's other ways."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from channels_im.models import MessageTemplate
from desk.models import User
from tests.http import Response, streamed
from tests.matching import search
from tests.pages import html_of
from tickets.models import Conversation, Draft, Message, ScheduledReply
from tickets.services.outgoing import scheduled_sending

from . import world
from .replies import HX, send

NOW = datetime(2026, 10, 23, 10, 0, tzinfo=UTC)  # a Friday; in Berlin the clocks go back on Sunday


@pytest.fixture(autouse=True)
def _stopped() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def conversation(desk: world.Desk, alice: Client) -> Conversation:
    alice.cookies["desk_zone"] = "Europe/Berlin"
    conversation = world.make_conversation(desk.shop, at=NOW - timedelta(hours=1))
    world.say(conversation, at=NOW - timedelta(hours=1))
    return conversation


def out(conversation: Conversation) -> list[Message]:
    """Return the replies, without the lines of Desk."""
    return list(conversation.messages.filter(direction="out", kind="message").order_by("pk"))


def later(client: Client, conversation: Conversation, choice: str = "tomorrow", **fields: Any) -> Response:
    return send(client, conversation, **{"text": "Good morning", "later": choice, **fields})


def act(client: Client, conversation: Conversation, choice: str, pk: int | None = None) -> Response:
    pk = pk or ScheduledReply.objects.get().pk
    return client.post(f"/inbox/{conversation.pk}/scheduled/{pk}/{choice}/", headers=HX)


@pytest.mark.parametrize(
    ("choice", "at", "expected", "words"),
    [
        ("hour", "", "2026-10-23T11:00", "today, 13:00"),
        ("evening", "", "2026-10-23T16:00", "today, 18:00"),
        ("tomorrow", "", "2026-10-24T07:00", "tomorrow, 09:00"),
        ("monday", "", "2026-10-26T08:00", "Monday, 09:00"),
        ("last", "", "2026-10-30T08:55", "Friday 30 October 2026, 09:55"),
        ("time", "2026-10-25T02:30", "2026-10-25T00:30", "Sunday, 02:30"),
        ("", "2026-10-25T02:30", "2026-10-25T00:30", "Sunday, 02:30"),  # Enter in the field, without scripts
    ],
)
def test_each_choice_of_the_menu(
    alice: Client, conversation: Conversation, choice: str, at: str, expected: str, words: str
) -> None:
    page = html_of(later(alice, conversation, choice, later_at=at))
    assert f"{ScheduledReply.objects.get().due_at:%Y-%m-%dT%H:%M}" == expected
    assert f"<strong>Scheduled for {words}</strong> by Alice" in page
    assert out(conversation) == []
    assert "Scheduled" in html_of(alice.get("/inbox/"))


@pytest.mark.parametrize(
    ("choice", "at", "sentence"),
    [
        ("never", "", "Choose when to send"),
        ("time", "", "Choose a day and a time"),
        ("time", "9999-12-31T23:59", "still to come"),
        ("time", "2026-10-23T11:59", "still to come"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    alice: Client, conversation: Conversation, choice: str, at: str, sentence: str
) -> None:
    response = later(alice, conversation, choice, later_at=at)
    assert response.status_code == 422
    assert sentence in html_of(response)
    assert not ScheduledReply.objects.exists()


def test_after_the_window_closes_it_is_refused_with_the_latest_time_in_the_agents_zone(
    alice: Client, conversation: Conversation
) -> None:
    response = later(alice, conversation, "time", later_at="2026-10-30T10:00")
    page = html_of(response)
    assert response.status_code == 422
    assert "closes on Friday 30 October 2026, 10:00" in page
    assert "The latest time to which you can schedule a reply is Friday 30 October 2026, 09:55." in page
    assert 'name="later" value="last"' in page
    assert later(alice, conversation, "last").status_code == 200


def test_what_waited_for_the_connection_means_the_time_at_which_it_was_chosen(
    alice: Client, conversation: Conversation
) -> None:
    assert later(alice, conversation, "hour", later_age="1200").status_code == 200
    assert f"{ScheduledReply.objects.get().due_at:%H:%M}" == "10:40"
    response = later(alice, conversation, "hour", later_age="10800")  # that was two hours ago
    assert (response.status_code, ScheduledReply.objects.count(), out(conversation)) == (422, 1, [])
    assert "This time is over" in html_of(response)
    assert later(alice, conversation, "hour", later_age="9" * 18).status_code == 422


@pytest.mark.parametrize(("age", "until"), [("1200", "12:40"), ("86400", None)])
def test_a_snooze_that_waited_with_its_reply_ends_when_it_was_to_end(
    alice: Client, conversation: Conversation, age: str, until: str | None
) -> None:
    assert send(alice, conversation, text="Good morning", snooze="later", later_age=age).status_code == 200
    conversation.refresh_from_db()
    assert (f"{conversation.snoozed_until:%H:%M}" if conversation.snoozed_until else None) == until
    assert [row.text for row in out(conversation)] == ["Good morning"]


def test_a_request_that_is_repeated_after_its_time_is_known(alice: Client, conversation: Conversation) -> None:
    assert later(alice, conversation, "evening", client_key="once").status_code == 200
    with time_machine.travel(NOW + timedelta(hours=7), tick=False):  # 19:00 there
        scheduled_sending.send_due()
        again = later(alice, conversation, "evening", client_key="once")
        assert again.status_code == 200
        assert [row.text for row in out(conversation)] == ["Good morning"]
        assert ScheduledReply.objects.count() == 1


def test_sent_at_once_after_the_answer_was_lost_it_is_not_scheduled_any_more(
    alice: Client, conversation: Conversation
) -> None:
    later(alice, conversation, client_key="other")
    later(alice, conversation, client_key="once", files=SimpleUploadedFile("offer.pdf", b"%PDF-1.4\n"))
    file = ScheduledReply.objects.get(client_key="once").files.get()
    fields = {"text": "Good morning", "client_key": "once", "scheduled_file": str(file.pk)}
    assert send(alice, conversation, **fields).status_code == 200
    assert [row.text for row in out(conversation)] == ["Good morning", ""]
    with out(conversation)[1].attachments.get().file.open() as content:
        assert content.read() == b"%PDF-1.4\n"
    assert [row.client_key for row in ScheduledReply.objects.all()] == ["other"]


def test_words_that_are_a_part_of_what_is_typed_are_taken_back_too(alice: Client, conversation: Conversation) -> None:
    later(alice, conversation, text="Yes")
    Draft.objects.create(user=User.objects.get(username="alice"), conversation=conversation, text="Yesterday it left")
    act(alice, conversation, "edit")
    assert Draft.objects.get().text == "Yesterday it left\n\nYes"


def test_taken_back_into_the_composer_nothing_is_lost(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    quoted = world.say(conversation, "Which one?")
    file = SimpleUploadedFile("offer.png", world.png())
    later(alice, conversation, reply_to_mid=quoted.mid, files=[file], cancel_if_customer_writes="yes")
    row = ScheduledReply.objects.get()
    Draft.objects.create(conversation=conversation, user=desk.alice, text="Half a sentence")
    page = html_of(act(alice, conversation, "edit"))
    assert "Taken back by Alice to edit" in page
    assert Draft.objects.get().text == "Half a sentence\n\nGood morning"
    facts = json.loads(unescape(search(r'data-scheduled="([^"]*)"', page)[1]))
    assert (facts["id"], facts["mid"], [one["name"] for one in facts["files"]]) == (row.pk, quoted.mid, ["offer.png"])
    assert streamed(alice.get(facts["files"][0]["url"])) == world.png()
    again = html_of(act(alice, conversation, "edit"))  # the page was loaded again meanwhile
    assert "Taken back" in again
    assert Draft.objects.get().text.count("Good morning") == 1
    kept = facts["files"][0]["id"]
    send(alice, conversation, text="Good evening", scheduled=row.pk, scheduled_file=kept, client_key="k2")
    send(alice, conversation, text="Good evening", scheduled=row.pk, scheduled_file=kept, client_key="k2")
    assert [(m.text, [a.name for a in m.attachments.all()]) for m in out(conversation)] == [
        ("Good evening", []),
        ("", ["offer.png"]),
    ]
    assert not ScheduledReply.objects.exists()


def test_a_text_alone_moves_to_the_draft(alice: Client, conversation: Conversation) -> None:
    later(alice, conversation)
    act(alice, conversation, "edit")
    assert (Draft.objects.get().text, ScheduledReply.objects.exists()) == ("Good morning", False)


def test_a_colleague_sends_it_now_in_their_own_name_and_cancels(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    root = as_user(desk.root)
    later(alice, conversation)
    assert act(root, conversation, "send").status_code == 200
    [message] = out(conversation)
    assert (message.text, message.author) == ("Good morning", desk.root)
    row = ScheduledReply.objects.get()
    response = act(alice, conversation, "send", row.pk)
    assert response.status_code == 422
    assert "sent or cancelled meanwhile" in html_of(response)
    later(alice, conversation, client_key="k2")
    pk = ScheduledReply.objects.get(state="scheduled").pk
    assert "root cancelled a scheduled reply" in html_of(act(root, conversation, "cancel", pk)).lower()


def test_strangers_see_and_change_nothing(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    later(alice, conversation, files=[SimpleUploadedFile("offer.png", world.png())])
    bob, row = as_user(desk.bob), ScheduledReply.objects.get()
    for choice in ("send", "edit", "cancel"):
        assert act(bob, conversation, choice).status_code == 404
        assert alice.get(f"/inbox/{conversation.pk}/scheduled/{row.pk}/{choice}/").status_code == 405
    file = row.files.get()
    assert bob.get(f"/inbox/{conversation.pk}/scheduled-files/{file.pk}/").status_code == 404
    other = world.make_conversation(desk.service, at=NOW)
    assert act(bob, other, "cancel", row.pk).status_code == 422
    assert bob.get(f"/inbox/{other.pk}/scheduled-files/{file.pk}/").status_code == 404
    send(bob, other, text="Mine", scheduled=row.pk, scheduled_file=file.pk)
    assert (ScheduledReply.objects.get().state, out(other)) == ("scheduled", [])


def test_what_was_not_sent_is_shown_with_its_reason(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    later(alice, conversation, "hour")
    User.objects.filter(pk=desk.alice.pk).update(is_active=False)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        scheduled_sending.send_due()
        User.objects.filter(pk=desk.alice.pk).update(is_active=True)
        page = html_of(alice.get(f"/inbox/{conversation.pk}/"))
        assert "Alice was deactivated. Nothing is sent in their name." in page
        assert "A scheduled reply was not sent" in html_of(alice.get("/inbox/"))
        act(alice, conversation, "cancel")
    assert not ScheduledReply.objects.exists()


@pytest.mark.parametrize(("choice", "until"), [("reply", None), ("tomorrow", "2026-10-24T07:00")])
def test_send_and_snooze(alice: Client, conversation: Conversation, choice: str, until: str | None) -> None:
    send(alice, conversation, text="I ask the workshop", snooze=choice)
    conversation.refresh_from_db()
    stored = conversation.snoozed_until
    assert (conversation.is_snoozed, stored and f"{stored:%Y-%m-%dT%H:%M}") == (True, until)
    assert len(out(conversation)) == 1


def test_a_snooze_that_is_refused_does_not_take_back_the_reply(alice: Client, conversation: Conversation) -> None:
    assert send(alice, conversation, text="Done", close="yes", snooze="reply").status_code == 200
    conversation.refresh_from_db()
    assert (len(out(conversation)), conversation.is_snoozed) == (1, False)


THUMB = "369239263222822"


def test_a_sticker_is_sent_later_and_the_draft_stays(alice: Client, conversation: Conversation) -> None:
    Draft.objects.create(conversation=conversation, user=User.objects.get(username="alice"), text="Half")
    page = html_of(later(alice, conversation, "hour", text="", sticker_id=THUMB, cancel_if_customer_writes="yes"))
    assert "👍 Thumbs up" in page
    assert "Scheduled for today, 13:00" in page
    assert "data-edit-scheduled" not in page
    row = ScheduledReply.objects.get()
    assert (row.sent_as, row.cancel_if_customer_writes, out(conversation)) == ({"sticker_id": THUMB}, True, [])
    assert Draft.objects.get().text == "Half"
    assert act(alice, conversation, "edit").status_code == 422
    response = alice.post(
        f"/inbox/{conversation.pk}/scheduled/{row.pk}/time/", {f"later_at_{row.pk}": "2026-10-23T20:00"}, headers=HX
    )
    assert "Scheduled for today, 20:00" in html_of(response)
    for wrong in ("", "2026-10-25T20:00", "never"):
        address = f"/inbox/{conversation.pk}/scheduled/{row.pk}/time/"
        assert alice.post(address, {f"later_at_{row.pk}": wrong}, headers=HX).status_code == 422
    row.refresh_from_db()
    assert f"{row.due_at:%Y-%m-%dT%H:%M}" == "2026-10-23T18:00"
    assert act(alice, conversation, "send").status_code == 200
    assert [one.sent_as for one in out(conversation)] == [{"sticker_id": THUMB}]


def test_the_picker_and_the_dialog_offer_only_times_that_are_possible(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    picker = html_of(alice.get(f"/inbox/{conversation.pk}/stickers/"))
    assert re.findall(r'<option value="(\w*)"', picker) == ["", "hour", "evening", "tomorrow", "last", "time"]
    MessageTemplate.objects.create(
        page=desk.shop.page, name="left", language="de", body="It left", state=MessageTemplate.State.APPROVED
    )
    dialog = html_of(alice.get(f"/inbox/{conversation.pk}/templates/"))
    assert re.findall(r'<option value="(\w*)"', dialog) == ["", "hour", "evening", "tomorrow", "monday", "time"]
    pk = MessageTemplate.objects.get().pk
    far = later(alice, conversation, "time", text="", template=pk, later_at="2026-12-24T09:00")
    assert (far.status_code, "It left" in html_of(far)) == (200, True)
    late = later(alice, conversation, "monday", text="", sticker_id=THUMB)
    assert (late.status_code, "Facebook accepts stickers only" in html_of(late)) == (422, True)
