"""Replies, notes and drafts, by whole requests."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from desk.models import User
from tests.matching import present, search
from tests.pages import html_of
from tickets.models import Conversation, Draft

from . import world
from .replies import HX, out, send


def test_a_reply_is_queued_and_shown_at_once(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    response = send(alice, conversation, text="Good morning", client_key="k1")
    assert response.status_code == 200
    (message,) = out(conversation)
    assert (message.text, message.state, message.author) == ("Good morning", "queued", desk.alice)
    assert f'data-key="message-{message.pk}"' in html_of(response)


def test_text_and_files_go_together_in_order(alice: Client, conversation: Conversation) -> None:
    files = [SimpleUploadedFile("a.png", world.png()), SimpleUploadedFile("b.png", world.png())]
    send(alice, conversation, text="Look", files=files)
    assert [(m.text, [a.name for a in m.attachments.all()]) for m in out(conversation)] == [
        ("Look", []),
        ("", ["a.png"]),
        ("", ["b.png"]),
    ]


def test_a_double_click_is_one_message(alice: Client, conversation: Conversation) -> None:
    first = send(alice, conversation, text="Once", client_key="same")
    second = send(alice, conversation, text="Once", client_key="same")
    assert first.status_code == second.status_code == 200
    assert len(out(conversation)) == 1


def test_the_page_brings_a_key_of_its_own_each_time(alice: Client, conversation: Conversation) -> None:
    found = [
        search(r'name="client_key" value="(\w{20,})"', html_of(alice.get(f"/inbox/{conversation.pk}/")))[1]
        for _ in range(2)
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b", "\x00"])
def test_nothing_is_not_sent(alice: Client, conversation: Conversation, text: str) -> None:
    response = send(alice, conversation, text=text)
    assert response.status_code == 422
    assert "nothing to send" in html_of(response)
    assert out(conversation) == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("a" * 1600, 200),
        ("a" * 1601, 422),
        ("😀" * 1600, 200),
        ("😀" * 1601, 422),
        ("e\u0301" * 800, 200),  # an e and its accent are two
        ("e\u0301" * 800 + "e", 422),
        ("👩🏽‍❤️‍💋‍👨🏿" * 160, 200),  # ten code points each
        ("👩🏽‍❤️‍💋‍👨🏿" * 160 + "!", 422),
        ("a" * 1600 + "\r\n ", 200),
        ("a\r\n" * 800, 200),  # the last line end is at the edge
    ],
)
def test_the_limit_counts_code_points(alice: Client, conversation: Conversation, text: str, status: int) -> None:
    assert send(alice, conversation, text=text).status_code == status


def test_a_refused_file_refuses_the_reply_and_names_it(alice: Client, conversation: Conversation) -> None:
    response = send(alice, conversation, text="See", files=[SimpleUploadedFile("evil.png", b"MZ not a picture")])
    assert response.status_code == 422
    assert "evil.png" in html_of(response)
    assert out(conversation) == []


@pytest.mark.parametrize(
    ("name", "head", "size", "words"),
    [
        ("photo.jpg", b"%PDF-1.7", 5_000_000, "“photo.jpg” is a PDF document by its content"),
        ("photo.png", b"MZ", 2, "not a kind of file that can be sent"),
        ("paper.pdf", b"%PDF-1.7", 21 * 1_048_576, "may have at most 20 MB"),
        ("paper.pdf", b"%PDF-1.7", 20 * 1_048_576, None),
        ("photo.png", world.png(), len(world.png()), None),
    ],
)
def test_a_file_is_judged_by_its_first_bytes_when_it_is_chosen(
    alice: Client, name: str, head: bytes, size: int, words: str | None
) -> None:
    fields = {"head": SimpleUploadedFile("head", head), "name": name, "size": size}
    response = alice.post("/inbox/files/", fields, headers=HX)
    assert response.status_code == (422 if words else 204)
    assert (words or "") in html_of(response)
    assert not words or response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("size", ["", "-1", "²", "9" * 40, "x"])
def test_a_file_without_a_size_cannot_be_judged(alice: Client, size: str) -> None:
    fields = {"head": SimpleUploadedFile("head", b"%PDF-1.7"), "name": "a.pdf", "size": size}
    assert alice.post("/inbox/files/", fields, headers=HX).status_code == 400
    assert alice.post("/inbox/files/", {"name": "a.pdf", "size": "5"}, headers=HX).status_code == 400


def test_a_reason_is_text_even_when_the_file_is_named_after_html(alice: Client, conversation: Conversation) -> None:
    response = send(alice, conversation, files=[SimpleUploadedFile("<img src=x onerror=alert(1)>.png", b"x")])
    assert response.status_code == 422
    assert "<img" not in html_of(response)


def test_without_scripts_a_refusal_shows_the_page_with_everything_typed(
    alice: Client, conversation: Conversation
) -> None:
    response = alice.post(f"/inbox/{conversation.pk}/reply/", {"text": "b" * 1700})
    html = html_of(response)
    assert response.status_code == 422
    assert "b" * 1700 in html
    assert "at most 1,600" in html
    assert "b" * 1700 in html_of(alice.get(f"/inbox/{conversation.pk}/"))


def test_without_scripts_a_reply_leads_back_to_the_conversation(alice: Client, conversation: Conversation) -> None:
    response = alice.post(f"/inbox/{conversation.pk}/reply/", {"text": "Hi"})
    assert (response.status_code, response["Location"]) == (
        302,
        f"/inbox/{conversation.pk}/?replied=1",
    )  # which asks whose it is


def stop_channel_deleted(conversation: Conversation) -> None:
    conversation.channel.is_active = False
    conversation.channel.deleted_at = timezone.now()
    conversation.channel.save()


def stop_channel_inactive(conversation: Conversation) -> None:
    conversation.channel.is_active = False
    conversation.channel.save()


def stop_reauth(conversation: Conversation) -> None:
    page = conversation.channel.page
    page.connection, page.reauth_reason = "reauth_required", "token_expired"
    page.save()


def stop_blocked(conversation: Conversation) -> None:
    conversation.contact.blocked_at = timezone.now()
    conversation.contact.save()


def stop_window(conversation: Conversation) -> None:
    conversation.last_customer_message_at = timezone.now() - timedelta(days=7)
    conversation.save()


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (stop_channel_deleted, "channel was deleted"),
        (stop_channel_inactive, "channel is deactivated"),
        (stop_reauth, "The access token has expired"),
        (stop_blocked, "customer is blocked"),
        (stop_window, "messaging window closed on"),
    ],
)
def test_a_stale_page_cannot_send_and_a_fresh_one_says_why(
    alice: Client, conversation: Conversation, stop: Callable[[Conversation], None], words: str
) -> None:
    stop(conversation)
    response = send(alice, conversation, text="Too late")
    assert response.status_code == 422
    assert words in html_of(response)
    assert out(conversation) == []
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    gate = html[html.index('id="gate"') : html.index('id="composer"')]
    assert words in gate
    assert "data-gated" in html


def test_a_stale_page_says_that_the_conversation_went_to_others(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    """The conversation was alice's by assignment in bob's channel; then it was transferred away."""
    other = world.make_conversation(desk.service, at=timezone.now(), assignee=desk.alice)
    assert send(alice, other, text="One").status_code == 200
    other.assignee = None
    other.save()
    assert send(alice, other, text="Two").status_code == 404
    assert alice.post(f"/inbox/{other.pk}/draft/", {"text": "Two"}).status_code == 404
    assert [message.text for message in out(other)] == ["One"]


# --- Held until they write --------------------------------------------------------------------------------------------
def test_a_closed_window_offers_to_hold_a_reply_and_the_thread_shows_it(
    alice: Client, conversation: Conversation
) -> None:
    stop_window(conversation)
    html = html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert "data-write-held" in html
    assert "data-waits" in html
    response = send(alice, conversation, text="Still there?", hold="yes")
    assert response.status_code == 200
    (message,) = out(conversation)
    assert (message.state, message.waits_for_customer) == ("held", True)
    html = html_of(response)
    assert "Held until the customer writes" in html
    choices = set(re.findall(rf"/messages/{message.pk}/([a-z-]+)/", html))
    assert choices == {"edit", "cancel"}


@pytest.mark.parametrize("stop", [stop_channel_deleted, stop_channel_inactive, stop_reauth, stop_blocked])
def test_nothing_is_held_for_what_the_customer_cannot_heal(
    alice: Client, conversation: Conversation, stop: Callable[[Conversation], None]
) -> None:
    stop(conversation)
    assert "data-write-held" not in html_of(alice.get(f"/inbox/{conversation.pk}/"))
    assert send(alice, conversation, text="Wait", hold="yes").status_code == 422
    assert out(conversation) == []


def test_a_held_reply_is_cancelled_or_edited(alice: Client, conversation: Conversation, desk: world.Desk) -> None:
    stop_window(conversation)
    send(alice, conversation, text="One", hold="yes")
    send(alice, conversation, text="Two", hold="yes")
    one, two = out(conversation)
    assert alice.post(f"/inbox/{conversation.pk}/messages/{one.pk}/cancel/", headers=HX).status_code == 200
    assert not Draft.objects.exists()
    alice.post(f"/inbox/{conversation.pk}/messages/{two.pk}/edit/", headers=HX)
    assert Draft.objects.get().text == "Two"
    conversation.refresh_from_db()
    assert not conversation.holds_reply
    assert alice.post(f"/inbox/{conversation.pk}/messages/{two.pk}/cancel/", headers=HX).status_code == 404


def test_a_stranger_cannot_cancel_it(
    alice: Client, conversation: Conversation, desk: world.Desk, as_user: Callable[[User], Client]
) -> None:
    stop_window(conversation)
    send(alice, conversation, text="One", hold="yes")
    (one,) = out(conversation)
    for choice in ("cancel", "edit", "wait", "release"):
        response = as_user(desk.bob).post(f"/inbox/{conversation.pk}/messages/{one.pk}/{choice}/", headers=HX)
        assert response.status_code == 404
    assert out(conversation) == [one]


def test_send_and_close_does_both_and_a_refused_reply_closes_nothing(alice: Client, conversation: Conversation) -> None:
    stop_blocked(conversation)
    assert send(alice, conversation, text="Bye", close="yes").status_code == 422
    present(conversation.current_ticket).refresh_from_db()
    assert present(conversation.current_ticket).status == "open"
    conversation.contact.blocked_at = None
    conversation.contact.save()
    assert send(alice, conversation, text="Bye", close="yes").status_code == 200
    conversation.refresh_from_db()
    assert present(conversation.current_ticket).status == "closed"


def test_a_changed_text_under_the_key_of_one_that_arrived_is_not_lost(
    alice: Client, conversation: Conversation
) -> None:
    assert send(alice, conversation, text="First try", client_key="k").status_code == 200
    response = send(alice, conversation, text="First try, better", client_key="k")
    assert response.status_code == 422
    assert "First try" in html_of(response)
    assert [message.text for message in out(conversation)] == ["First try"]


def test_a_reply_quotes_a_message_of_this_conversation_only(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    own = conversation.messages.get()
    assert send(alice, conversation, text="Yes", reply_to_mid=own.mid).status_code == 200
    assert out(conversation)[0].reply_to_mid == own.mid
    foreign = world.say(world.make_conversation(desk.shop), "other")
    assert send(alice, conversation, text="Yes", reply_to_mid=foreign.mid).status_code == 422


def test_a_note_is_kept_for_colleagues_and_goes_nowhere(alice: Client, conversation: Conversation) -> None:
    response = send(alice, conversation, text="Careful with this one", kind="note", client_key="n1")
    send(alice, conversation, text="Careful with this one", kind="note", client_key="n1")
    assert response.status_code == 200
    (note,) = out(conversation)
    assert (note.kind, note.state) == ("note", "sent")
    assert "only colleagues see this" in html_of(response)


def test_a_note_can_be_written_when_no_reply_can(alice: Client, conversation: Conversation) -> None:
    stop_window(conversation)
    assert send(alice, conversation, text="They asked again", kind="note").status_code == 200


def test_reading_marks_read_up_to_what_was_seen(alice: Client, conversation: Conversation) -> None:
    seen = conversation.messages.get()
    conversation.unread_count = 2
    conversation.save()
    world.say(conversation, "one more", at=timezone.now() + timedelta(seconds=1))
    alice.post(f"/inbox/{conversation.pk}/read/", {"upto": f"{seen.sent_at.isoformat()}_{seen.pk}"}, headers=HX)
    conversation.refresh_from_db()
    assert conversation.unread_count == 1
    alice.post(f"/inbox/{conversation.pk}/read/", headers=HX)
    conversation.refresh_from_db()
    assert conversation.unread_count == 0


def test_getting_a_page_changes_nothing(alice: Client, conversation: Conversation) -> None:
    conversation.unread_count = 2
    conversation.save()
    alice.get(f"/inbox/{conversation.pk}/")
    conversation.refresh_from_db()
    assert conversation.unread_count == 2


def test_it_can_be_marked_unread_again(alice: Client, conversation: Conversation) -> None:
    alice.post(f"/inbox/{conversation.pk}/read/", {"unread": "1"}, headers=HX)
    conversation.refresh_from_db()
    assert conversation.unread_count == 1


def test_a_reply_goes_out_only_under_the_name_of_its_writer(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    for kind in ("reply", "note"):
        assert send(alice, conversation, text="Bob's", kind=kind, writer=desk.bob.pk).status_code == 403
    assert out(conversation) == []
    assert send(alice, conversation, text="Hers", writer=desk.alice.pk).status_code == 200
