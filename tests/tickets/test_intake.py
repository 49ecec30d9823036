"""From Meta's POST to contact, conversation, ticket and message: whole requests, then the worker's drain."""

import itertools
import random
from datetime import timedelta

import pytest

from channels_im.models import WebhookDelivery
from tests import factories as make
from tests.factories import NOON, deliver, delivery, item, ms, text_item
from tickets.models import Attachment, Contact, Conversation, Message, Ticket

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def channel():
    return make.make_channel(department=make.make_department("Support"))


@pytest.fixture
def fb_page(channel):
    return channel.page


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True))


def texts() -> list[str]:
    return list(Message.objects.order_by("sent_at", "pk").values_list("text", flat=True))


# --- The plain way ----------------------------------------------------------------------------------------------------
def test_a_first_message_makes_contact_conversation_ticket_and_message(client, channel, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "Is my order on its way?", mid="m_1")))
    contact = Contact.objects.get()
    assert (contact.page, contact.psid, contact.profile_state) == (fb_page, "7001", "pending")
    conversation = Conversation.objects.get()
    assert (conversation.contact, conversation.channel, conversation.department) == (
        contact,
        channel,
        channel.department,
    )
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.status, ticket.department) == ("Is my order on its way?", "open", channel.department)
    assert (ticket.opened_at, ticket.last_message_at) == (NOON, NOON)
    message = Message.objects.get()
    assert (message.conversation, message.ticket, message.page) == (conversation, ticket, fb_page)
    assert (message.mid, message.direction, message.kind, message.source, message.state) == (
        "m_1",
        "in",
        "message",
        "customer",
        "received",
    )
    assert (message.text, message.sent_at, message.original_timestamp) == ("Is my order on its way?", NOON, "")
    assert states() == ["done"]


def test_the_conversation_counts_and_previews_what_came(client, fb_page):
    deliver(
        client,
        delivery(
            fb_page,
            text_item(fb_page, "7001", "First", NOON),
            text_item(fb_page, "7001", "Second\nline", NOON + MINUTE),
        ),
    )
    conversation = Conversation.objects.get()
    assert (conversation.message_count, conversation.unread_count) == (2, 2)
    assert (conversation.preview, conversation.preview_is_ours) == ("Second line", False)
    assert conversation.last_message_at == conversation.last_customer_message_at == NOON + MINUTE
    assert conversation.waiting_since == NOON
    assert conversation.current_ticket == Ticket.objects.get()


def test_the_same_person_on_two_pages_is_two_contacts(client, fb_page):
    other = make.make_channel().page
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")), delivery(other, text_item(other, "7001")))
    assert Contact.objects.count() == Conversation.objects.count() == 2


def test_entries_of_two_pages_in_one_delivery_go_to_their_own_channels(client, fb_page):
    other = make.make_channel().page
    both = delivery(fb_page, text_item(fb_page, "7001", "one"))
    both["entry"] += delivery(other, text_item(other, "7002", "two"))["entry"]
    deliver(client, both)
    assert {message.text: message.page for message in Message.objects.all()} == {"one": fb_page, "two": other}


def test_the_page_remembers_when_meta_last_wrote(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    fb_page.refresh_from_db()
    assert fb_page.last_event_at == WebhookDelivery.objects.get().received_at


def test_a_reply_to_keeps_the_mid_it_answers(client, fb_page):
    answer = item(fb_page, "7001", message={"mid": "m_2", "text": "yes", "reply_to": {"mid": "m_1"}})
    deliver(client, delivery(fb_page, answer))
    assert Message.objects.get().reply_to_mid == "m_1"


# --- Once, however often ----------------------------------------------------------------------------------------------
def test_the_same_event_five_times_is_one_message(client, fb_page):
    again = delivery(fb_page, text_item(fb_page, "7001", mid="m_1"))
    deliver(client, again, again, again)
    deliver(client, again)
    deliver(client, again)
    assert Message.objects.count() == 1
    assert Conversation.objects.get().unread_count == 1
    assert states() == ["done"] * 5


def test_the_same_message_without_a_mid_twice_is_one_message(client, fb_page):
    nameless = delivery(fb_page, item(fb_page, "7001", message={"text": "no id"}))
    deliver(client, nameless, nameless)
    message = Message.objects.get()
    assert message.text == "no id"
    assert message.mid.startswith("message:")


def test_two_messages_without_mid_of_the_same_text_at_other_times_are_two(client, fb_page):
    deliver(
        client,
        delivery(fb_page, item(fb_page, "7001", NOON, message={"text": "hm"})),
        delivery(fb_page, item(fb_page, "7001", NOON + SECOND, message={"text": "hm"})),
    )
    assert Message.objects.count() == 2


# --- Tickets ----------------------------------------------------------------------------------------------------------
def tickets_of(texts_and_times, client, fb_page, *, in_one: bool):
    """Deliver, and return the partition into tickets as a set of sets of texts."""
    deliveries = [delivery(fb_page, text_item(fb_page, "7001", text, at, f"m_{text}")) for text, at in texts_and_times]
    if in_one:
        deliver(client, *deliveries)
    else:
        for each in deliveries:
            deliver(client, each)
    parts: dict[int, set[str]] = {}
    for text, ticket in Message.objects.values_list("text", "ticket_id"):
        parts.setdefault(ticket, set()).add(text)
    return sorted(map(sorted, parts.values()))


HISTORY = [
    ("a", NOON),
    ("b", NOON + HOUR),
    ("c", NOON + 2 * HOUR + timedelta(milliseconds=1)),
    ("d", NOON + 5 * HOUR),
    ("e", NOON + 6 * HOUR),
]
PARTS = [["a", "b"], ["c"], ["d", "e"]]


def test_exactly_at_the_limit_is_the_same_ticket_and_a_millisecond_later_a_new_one(client, fb_page):
    assert tickets_of(HISTORY, client, fb_page, in_one=True) == PARTS
    assert Conversation.objects.get().current_ticket == Message.objects.get(text="e").ticket


def test_one_by_one_in_order_gives_the_same_tickets_as_in_one_batch(client, fb_page):
    assert tickets_of(HISTORY, client, fb_page, in_one=False) == PARTS


@pytest.mark.parametrize("seed", range(6))
def test_drained_together_the_order_of_arrival_does_not_matter(client, fb_page, seed):
    shuffled = random.Random(seed).sample(HISTORY, len(HISTORY))  # noqa: S311 - a shuffle, no secret
    assert tickets_of(shuffled, client, fb_page, in_one=True) == PARTS


def test_messages_of_the_same_millisecond_are_sorted_by_their_key_not_by_arrival(client, fb_page):
    for order in itertools.permutations("xyz"):
        Conversation.objects.all().delete()
        deliver(client, *(delivery(fb_page, text_item(fb_page, "7001", mid, NOON, f"m_{mid}")) for mid in order))
        assert list(Message.objects.order_by("pk").values_list("mid", flat=True)) == ["m_x", "m_y", "m_z"]


def test_the_departments_intermission_is_asked(client, fb_page, channel):
    from channels_im.models import ImPreferences

    ImPreferences.objects.update_or_create(department=channel.department, defaults={"threading_intermission": 1440})
    deliver(
        client,
        delivery(fb_page, text_item(fb_page, "7001", "a", NOON)),
        delivery(fb_page, text_item(fb_page, "7001", "b", NOON + timedelta(hours=24))),
    )
    assert Ticket.objects.count() == 1


def test_an_answer_of_ours_keeps_the_ticket_alive(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 50 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 110 * MINUTE)))
    assert Ticket.objects.count() == 1


@pytest.mark.parametrize("state", ["queued", "failed", "held"])
def test_an_answer_that_never_went_out_does_not_keep_the_ticket_alive(client, fb_page, state):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 50 * MINUTE, state=state)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 110 * MINUTE)))
    assert Ticket.objects.count() == 2


def close(ticket, at):
    Ticket.objects.filter(pk=ticket.pk).update(status="closed", closed_at=at)


def test_a_closed_ticket_is_reopened_within_the_limit(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 2 * MINUTE)))
    ticket = Ticket.objects.get()
    assert (ticket.status, ticket.closed_at) == ("open", None)


def test_a_late_message_from_before_the_closing_does_not_reopen(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + 2 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + MINUTE)))
    assert Ticket.objects.get().status == "closed"
    assert Ticket.objects.get().messages.count() == 2


def test_a_closed_ticket_stays_closed_when_the_silence_was_too_long(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    close(Ticket.objects.get(), NOON + MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + 61 * MINUTE)))
    assert list(Ticket.objects.order_by("opened_at").values_list("status", flat=True)) == ["closed", "open"]


def test_a_late_message_joins_the_ticket_before_it_and_moves_nothing(client, fb_page):
    first, second = ("a", NOON), ("b", NOON + 2 * HOUR)
    assert tickets_of([first, second], client, fb_page, in_one=True) == [["a"], ["b"]]
    current = Conversation.objects.get().current_ticket
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + HOUR, "m_late")))
    assert Message.objects.get(text="late").ticket == Message.objects.get(text="a").ticket
    conversation = Conversation.objects.get()
    assert (conversation.current_ticket, conversation.preview) == (current, "b")
    assert conversation.last_message_at == conversation.last_customer_message_at == NOON + 2 * HOUR


def test_a_late_first_message_joins_the_ticket_after_it_which_then_began_earlier(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "b", NOON + HOUR)))
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    assert Ticket.objects.get().opened_at == NOON
    assert Conversation.objects.get().waiting_since == NOON


def test_a_late_message_that_was_answered_already_does_not_make_the_customer_wait(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a", NOON)))
    make.answer(Conversation.objects.get(), at=NOON + 5 * MINUTE)
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "late", NOON + MINUTE)))
    assert Conversation.objects.get().waiting_since is None


# --- Odd times and people ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "timestamp", [ms(NOON) // 1000, str(ms(NOON)), str(ms(NOON) // 1000), float(ms(NOON))], ids=str
)
def test_timestamps_in_seconds_or_as_text_are_understood(client, fb_page, timestamp):
    odd = text_item(fb_page, "7001") | {"timestamp": timestamp}
    deliver(client, delivery(fb_page, odd))
    assert Message.objects.get().sent_at == NOON


@pytest.mark.parametrize("timestamp", [None, "yesterday", -5, 0, 10**30, [], {"a": 1}], ids=str)
def test_an_absent_or_absurd_timestamp_becomes_the_time_of_receipt_and_is_kept(client, fb_page, timestamp):
    odd = text_item(fb_page, "7001") | {"timestamp": timestamp}
    deliver(client, delivery(fb_page, odd))
    message = Message.objects.get()
    assert message.sent_at == WebhookDelivery.objects.get().received_at
    assert message.original_timestamp == ("" if timestamp is None else str(timestamp))


def test_a_missing_timestamp_becomes_the_time_of_receipt(client, fb_page):
    odd = text_item(fb_page, "7001")
    del odd["timestamp"]
    deliver(client, delivery(fb_page, odd))
    assert Message.objects.get().sent_at == WebhookDelivery.objects.get().received_at


def test_five_minutes_ahead_is_believed_and_more_is_not(client, fb_page, time_machine):
    time_machine.move_to(NOON, tick=False)
    ahead, too_far = NOON + 5 * MINUTE, NOON + 5 * MINUTE + timedelta(milliseconds=1)
    deliver(client, delivery(fb_page, text_item(fb_page, "1", at=ahead), text_item(fb_page, "2", at=too_far)))
    assert Message.objects.get(conversation__contact__psid="1").sent_at == ahead
    message = Message.objects.get(conversation__contact__psid="2")
    assert (message.sent_at, message.original_timestamp) == (NOON, str(ms(too_far)))


@pytest.mark.parametrize("sender", [None, {}, {"id": ""}, {"user_ref": "abc"}, "7001"], ids=str)
def test_a_message_without_sender_fails_with_a_reason_and_stops_no_neighbour(client, fb_page, sender):
    orphan = text_item(fb_page, "7001", "orphan") | {"sender": sender}
    deliver(client, delivery(fb_page, orphan, text_item(fb_page, "7002", "fine")))
    assert texts() == ["fine"]
    failed = WebhookDelivery.objects.get()
    assert failed.state == "failed"
    assert "names no sender" in failed.error


def test_a_number_as_sender_is_the_same_person_as_its_text(client, fb_page):
    number = text_item(fb_page, "7001", "as number") | {"sender": {"id": 7001}}
    deliver(client, delivery(fb_page, number), delivery(fb_page, text_item(fb_page, "7001", "as text")))
    assert Contact.objects.get().psid == "7001"


def test_nul_and_half_surrogates_are_made_storable(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "a\0b \ud800 c")))
    assert texts() == ["ab \ufffd c"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"object":"page","entry":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deep"),
        (b'{"object":"page"}', "entry"),
    ],
    ids=["text", "list", "deep", "deep entry", "no entry"],
)
def test_a_delivery_without_sense_is_failed_at_once_with_the_reason(client, fb_page, body, reason):
    deliver(client, body)
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.attempts) == ("failed", 1)
    assert reason in kept.error


# --- Pages and channels -----------------------------------------------------------------------------------------------
def test_events_of_an_unknown_page_are_ignored_with_the_reason(client, fb_page):
    deliver(client, {"object": "page", "entry": [{"id": "999", "messaging": [text_item(fb_page, "7001")]}]})
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.error) == ("ignored", "No channel belongs to the Page 999.")
    assert Message.objects.count() == 0


def test_a_page_without_channel_is_ignored_and_its_unsubscription_is_queued(client):
    fb_page = make.make_page()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    assert states() == ["ignored"]
    fb_page.refresh_from_db()
    assert fb_page.subscription_due_at is not None


def test_a_page_whose_channel_was_deleted_is_ignored(client, fb_page, channel):
    channel.is_active, channel.deleted_at = False, NOON
    channel.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001")))
    assert states() == ["ignored"]


def test_while_the_channel_is_off_deliveries_are_parked_and_taken_in_later(client, fb_page, channel):
    from channels_im.services import journal

    channel.is_active = False
    channel.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "while off")))
    assert states() == ["parked"]
    assert Message.objects.count() == 0
    channel.is_active = True
    channel.save()
    assert journal.take_in_parked(fb_page) == 1
    deliver(client)
    assert texts() == ["while off"]
    assert states() == ["done"]


def test_one_parked_page_does_not_park_its_neighbour(client, fb_page, channel):
    other = make.make_channel(is_active=False).page
    both = delivery(fb_page, text_item(fb_page, "7001", "on"))
    both["entry"] += delivery(other, text_item(other, "7002", "off"))["entry"]
    deliver(client, both)
    assert texts() == ["on"]
    parked = WebhookDelivery.objects.get()
    assert parked.state == "parked"
    assert [each.page for each in parked.parked_for.all()] == [other]


def test_a_page_that_must_be_reauthenticated_still_takes_in(client, fb_page):
    fb_page.connection, fb_page.reauth_reason = "reauth_required", "token_expired"
    fb_page.save()
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "still here")))
    assert texts() == ["still here"]


# --- What kind of thing it is -----------------------------------------------------------------------------------------
def test_a_postback_counts_as_a_message(client, fb_page):
    tap = item(fb_page, "7001", postback={"mid": "m_p", "title": "Get Started", "payload": "START"})
    deliver(client, delivery(fb_page, tap))
    message = Message.objects.get()
    assert (message.kind, message.text, message.mid) == ("message", "Get Started", "m_p")
    assert Ticket.objects.get().subject == "Get Started"
    assert Conversation.objects.get().last_customer_message_at == NOON


def test_a_postback_in_standby_without_payload_and_title_is_still_shown(client, fb_page):
    deliver(client, delivery(fb_page, item(fb_page, "7001", postback={"mid": "m_p"}), standby=True))
    message = Message.objects.get()
    assert (message.card["kind"], message.is_standby) == ("postback", True)


def test_standby_messages_make_tickets_and_unread_counts_as_usual(client, fb_page):
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", "over there"), standby=True))
    assert Message.objects.get().is_standby
    assert Ticket.objects.count() == Conversation.objects.get().unread_count == 1


EVENT_KINDS = {
    "referral": {"referral": {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD"}},
    "optin": {"optin": {"type": "notification_messages", "payload": "x", "title": "News"}},
    "account_linking": {"account_linking": {"status": "linked"}},
    "policy": {"policy_enforcement": {"action": "warning", "reason": "spam"}},
    "feedback": {"response_feedback": {"feedback": "Good response", "mid": "m_1"}},
    "game": {"game_play": {"game_id": "1"}},
    "brand_new": {"hologram": {"shape": "cat"}},
}


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_other_kinds_are_shown_as_a_card_and_open_no_ticket(client, fb_page, kind):
    event = delivery(fb_page, item(fb_page, "7001", **EVENT_KINDS[kind]))
    deliver(client, event, event)
    message = Message.objects.get()
    assert (message.kind, message.ticket) == ("event", None)
    assert message.card["title"]
    conversation = Conversation.objects.get()
    assert (conversation.unread_count, conversation.last_customer_message_at) == (0, None)
    assert states() == ["done", "done"]


def test_a_referral_does_not_keep_the_ticket_alive(client, fb_page):
    deliver(
        client,
        delivery(
            fb_page,
            text_item(fb_page, "7001", "a", NOON),
            item(fb_page, "7001", NOON + 59 * MINUTE, referral={"ref": "x", "source": "SHORTLINK"}),
            text_item(fb_page, "7001", "b", NOON + 61 * MINUTE),
        ),
    )
    assert Ticket.objects.count() == 2


def test_policy_enforcement_without_sender_is_kept_with_the_page(client, fb_page):
    block = {"recipient": {"id": fb_page.page_id}, "timestamp": ms(NOON), "policy_enforcement": {"action": "block"}}
    deliver(client, delivery(fb_page, block))
    fb_page.refresh_from_db()
    assert fb_page.trouble["policy"]["action"] == "block"


def test_an_attachment_of_an_unknown_type_is_a_message_with_a_card(client, fb_page):
    deliver(
        client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": [{"type": "hologram"}]}))
    )
    message = Message.objects.get()
    assert (message.kind, message.card["kind"]) == ("message", "unsupported")
    assert Ticket.objects.get().subject == message.card["title"]


def test_a_shared_link_is_a_card_and_never_a_file(client, fb_page):
    fallback = {"type": "fallback", "payload": {"url": "http://169.254.169.254/", "title": "Look"}}
    deliver(client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": [fallback]})))
    assert Message.objects.get().card["url"] == "http://169.254.169.254/"
    assert Attachment.objects.count() == 0


def test_files_wait_to_be_fetched_in_their_order(client, fb_page):
    files = [
        {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/v/cat.jpg?oh=1"}},
        {"type": "file", "payload": {"url": "https://cdn.fbsbx.com/v/bill%20May.pdf?oh=1"}},
        {
            "type": "sticker",
            "payload": {"url": "https://scontent.xx.fbcdn.net/v/thumb.png", "sticker_id": 369239263222822},
        },
    ]
    deliver(
        client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "text": "see", "attachments": files}))
    )
    assert list(Attachment.objects.values_list("position", "kind", "name", "state")) == [
        (0, "image", "cat.jpg", "pending"),
        (1, "document", "bill May.pdf", "pending"),
        (2, "sticker", "thumb.png", "pending"),
    ]


@pytest.mark.parametrize(("receives", "state"), [(False, "refused"), (True, "pending")])
def test_audio_and_video_are_taken_only_by_channels_that_receive_them(client, fb_page, channel, receives, state):
    channel.receive_audio_video = receives
    channel.save()
    files = [{"type": kind, "payload": {"url": f"https://cdn.fbsbx.com/v/{kind}.mp4"}} for kind in ("audio", "video")]
    deliver(client, delivery(fb_page, item(fb_page, "7001", message={"mid": "m_1", "attachments": files})))
    assert set(Attachment.objects.values_list("state", flat=True)) == {state}
    assert all(bool(each.reason) != receives for each in Attachment.objects.all())
    preview = Conversation.objects.get().preview
    assert "Audio" in preview
    assert "Video" in preview


# --- Thread control ---------------------------------------------------------------------------------------------------
def control(fb_page, kind, owner, at=NOON):
    return delivery(
        fb_page, item(fb_page, "7001", at, **{kind: {"new_owner_app_id": owner, "previous_owner_app_id": "1"}})
    )


def test_thread_control_says_which_other_app_holds_the_thread(client, fb_page, settings):
    deliver(client, control(fb_page, "pass_thread_control", "222"))
    assert Conversation.objects.get().thread_owner_app_id == "222"
    deliver(client, control(fb_page, "take_thread_control", settings.META_APP_ID, NOON + MINUTE))
    assert Conversation.objects.get().thread_owner_app_id == ""


def test_an_older_thread_control_that_comes_late_changes_nothing(client, fb_page):
    deliver(client, control(fb_page, "pass_thread_control", "222", NOON + MINUTE))
    deliver(client, control(fb_page, "pass_thread_control", "111", NOON))
    assert Conversation.objects.get().thread_owner_app_id == "222"


def test_a_message_outside_standby_shows_that_the_thread_is_ours_again(client, fb_page):
    deliver(client, control(fb_page, "pass_thread_control", "222"))
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", at=NOON + MINUTE), standby=True))
    assert Conversation.objects.get().thread_owner_app_id == "222"
    deliver(client, delivery(fb_page, text_item(fb_page, "7001", at=NOON + 2 * MINUTE)))
    assert Conversation.objects.get().thread_owner_app_id == ""
