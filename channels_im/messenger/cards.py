"""Make the cards for events and attachments that are neither text nor a file. Pure; plain text only."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from channels_im.messenger.attachment_cards import cards_for_attachment
from channels_im.messenger.card_types import Card, lines
from channels_im.messenger.descriptions import describe, label
from channels_im.messenger.event_types import (
    AccountLinking,
    AnsweredContent,
    Call,
    CallPermission,
    Event,
    Feedback,
    MessageContent,
    NotRecovered,
    OptIn,
    Order,
    PolicyEnforcement,
    Postback,
    Referral,
    ReferralInfo,
    ThreadControl,
    Unknown,
)
from channels_im.messenger.links import link_of_id
from desk.text import is_blank

INBOX_APP_IDS = frozenset({"263902037430900", "26390203743090"})
OUR_NAME = "Desk"
MAX_CARDS = 30  # of one message; the content of the others is text on the last one


def cards_for(event: Event, *, own_app_id: str = "") -> tuple[Card, ...]:
    """Return the cards of an event; none for plain text, files, reactions, receipts and edits.

    A message has a card for each thing that is neither text nor a file: what it answers, each link, where the customer
    came from. `own_app_id` is the id of our app, which has a name in these cards.
    """
    if isinstance(event, MessageContent):
        return _at_most(MAX_CARDS, _message_cards(event))
    if isinstance(event, ThreadControl):
        return (_control_card(event, own_app_id),)
    for kind, make in _CARD_MAKERS.items():
        if isinstance(event, kind):
            return tuple(make(event))
    return ()


def _at_most(limit: int, cards: list[Card]) -> tuple[Card, ...]:
    if len(cards) <= limit:
        return tuple(cards)
    others = cards[limit - 1 :]
    text = lines(*(" ".join(part for part in (c.title, c.text, c.url) if part) for c in others))
    return (*cards[: limit - 1], Card(others[0].kind, f"{len(others)} more", text))


# --- Messages ---------------------------------------------------------------------------------------------------------
def _message_cards(event: MessageContent) -> list[Card]:
    if event.is_deleted:
        return []
    cards = [_answered_card(answered) for answered in event.answered]
    for ref in event.attachments:
        cards += cards_for_attachment(ref)
    if event.quick_replies:
        cards.append(Card("quick_replies", "Quick replies", choices=event.quick_replies))
    if event.referral:
        cards.append(_referral_card(event.referral))
    if event.hop_app_id:
        cards.append(Card("lead", "Summary of a lead ad", "The customer does not see this message in Messenger."))
    if event.commands:
        cards.append(Card("command", "Chose a command", lines(*event.commands)))
    has_file = any(ref.is_file and ref.url for ref in event.attachments)
    if event.is_unsupported or not (cards or has_file or not is_blank(event.text or "")):
        cards.append(Card("unsupported", "Unsupported message", "Open the Page inbox on Facebook to see it."))
    if event.quick_reply_payload:
        cards.append(Card("quick_reply", "Tapped a quick reply", payload=event.quick_reply_payload))
    return cards


def _answered_card(answered: AnsweredContent) -> Card:
    names = {"story": "Replied to your story", "ad": "Replied to your ad", "post": "Replied to your post"}
    kind = "story" if answered.kind == "story" else "answered"
    title = names.get(answered.kind, f"Replied to: {label(answered.kind)}")
    number = f"{label(answered.kind)} {answered.id}" if answered.id else None
    return Card(kind, title, lines(number, answered.details), answered.url)


def _referral_cards(event: Referral) -> tuple[Card, ...]:
    return (_referral_card(event.referral),)


def _referral_card(info: ReferralInfo) -> Card:
    source = (info.source or "").upper()
    is_ad = bool(info.ad_id) or source == "ADS"
    if info.lead:
        answers = (f"{question}: {answer}" for question, answer in info.lead)
        return Card("referral", "Answers from a lead ad", lines(*answers, info.details))
    text = lines(
        f"Reference: {info.ref}" if info.ref else None,
        f"Ad {info.ad_id}" if info.ad_id else None,
        f"Product {info.product_id}" if info.product_id else None,
        f"Post {info.post_id}" if info.post_id and not link_of_id(info.post_id) else None,
        f"Video: {info.video_url}" if info.video_url else None,
        info.details,
    )
    title = "Came from an ad" if is_ad else "Asks about a product" if info.product_id else ""
    title = title or _SOURCES.get(source, "Came through a link")
    if info.ad_title:
        title = f"{title}: {info.ad_title}"
    url = info.referer_uri or link_of_id(info.post_id)
    return Card("ad" if is_ad else "referral", title, text, url, info.photo_url)


_SOURCES = {
    "MESSENGER_CODE": "Came by a Messenger code",
    "CUSTOMER_CHAT_PLUGIN": "Came from the chat on a website",
    "DISCOVER_TAB": "Came from Messenger's Discover tab",
}


def _postback_cards(event: Postback) -> tuple[Card, ...]:
    tap = Card("postback", "Tapped a button", payload=event.payload)
    return (_referral_card(event.referral), tap) if event.referral else (tap,)


# --- Opt-in, opt-out, calls -------------------------------------------------------------------------------------------
def _optin_cards(event: OptIn) -> tuple[Card, ...]:
    status = (event.notification_status or "").upper()
    is_stop = event.is_opt_out or "STOP" in status or "OPT_OUT" in status
    if is_stop:
        title = "Stopped notifications"
    elif "RESUME" in status:
        title = "Resumed notifications"
    elif (event.type or "").lower() in _ONCE:
        title = "Agreed to one notification"
    else:
        title = "Agreed to notifications"
    if event.title:
        title = f"{title}: {event.title}"
    until = _day(event.expires_ms)
    text = lines(
        f"Status: {label(event.notification_status.lower())}" if event.notification_status else None,
        f"Permission: {label(event.status.lower())}" if event.status else None,
        f"Frequency: {event.frequency.lower()}" if event.frequency else None,
        f"Valid until {until}" if until else None,
        event.payload,
        event.ref,
    )
    return (Card("opt_out" if is_stop else "opt_in", title, text),)


_ONCE = frozenset({"one_time_notif_req", "one_time_notification"})


def _day(ms: int | None) -> str | None:
    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%-d %B %Y %H:%M} UTC"


def _call_cards(event: Call) -> tuple[Card, ...]:
    status = event.status or ""
    noun = "video call" if event.is_video else "call"
    is_ours = (event.direction or "").startswith(("business", "out"))
    was_taken = bool(event.duration_s) or any(
        word in status for word in ("complete", "accept", "answered", "connected")
    )
    was_missed = any(word in status for word in _MISSED) or ("terminat" in status and not was_taken)
    if was_missed:
        title = f"The customer did not take the {noun}" if is_ours else f"Missed {noun}"
    elif was_taken:
        title = noun.capitalize() if not event.duration_s else f"{noun.capitalize()}, {_minutes(event.duration_s)}"
    else:
        title = f"The Page made a {noun}" if is_ours else f"The customer made a {noun}"
    note = (
        None
        if was_taken or is_ours
        else "Calls cannot be taken in Desk. Answer here, or call back from the Page inbox."
    )
    return (Card("call", title, lines(f"Status: {status}" if status else None, note)),)


_MISSED = ("miss", "no_answer", "unanswered", "not_answered", "reject", "declin", "timeout", "fail", "busy", "cancel")


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _permission_cards(event: CallPermission) -> tuple[Card, ...]:
    words = {"accept": "Allows the Page to call", "reject": "Does not allow the Page to call"}
    title = next(
        (title for word, title in words.items() if word in (event.response or "")), "Answered whether the Page may call"
    )
    until = _day(event.expires_ms)
    return (Card("call", title, lines(event.response, f"Valid until {until}" if until else None)),)


# --- Other events -----------------------------------------------------------------------------------------------------
def _linking_card(event: AccountLinking) -> Card:
    return Card("account_linking", "Account unlinked" if event.status == "unlinked" else "Account linked")


def _control_card(event: ThreadControl, own_app_id: str) -> Card:
    titles = {
        "pass": "Conversation passed to {new}",
        "take": "{new} took control of the conversation",
        "request": "{new} requested control of the conversation",
        "app_roles": "The roles of the connected apps changed",
    }
    title = titles[event.action].format(new=app_name(event.new_owner_app_id, own_app_id))
    previous = event.previous_owner_app_id
    text = lines(
        f"Before: {app_name(previous, own_app_id)}" if previous else None,
        *(f"{app_name(app_id, own_app_id).capitalize()}: {', '.join(names)}" for app_id, names in event.roles),
        event.metadata,
    )
    return Card("handover", title[0].upper() + title[1:], text)


def app_name(app_id: str | None, own_app_id: str = "") -> str:
    """Return the name of an app in the middle of a sentence. An app that Meta does not name is another app."""
    if app_id in INBOX_APP_IDS:
        return "the Page inbox"
    if app_id and app_id == own_app_id:
        return OUR_NAME
    return f"app {app_id}" if app_id else "another app"


def _policy_card(event: PolicyEnforcement) -> Card:
    titles = {
        "block": "Facebook blocked this Page from sending",
        "unblock": "Facebook allows this Page to send again",
        "warning": "Facebook warned this Page",
    }
    return Card("policy", titles.get(event.action or "", "Facebook's policy notice"), event.reason or "")


def _feedback_card(event: Feedback) -> Card:
    answers = (f"{question}: {answer}" for question, answer in event.answers)
    return Card("feedback", "Feedback from the customer", lines(event.rating, *answers))


def _order_card(event: Order) -> Card:
    return Card("order", "Order", lines(*event.products, event.note))


def _not_recovered_card(event: NotRecovered) -> Card:
    first, last = (_day(ms) for ms in (event.first_ms, event.last_ms))
    when = f"Written {first}." if event.count == 1 else f"Written between {first} and {last}."
    why = "Facebook shows Desk only the newest 20 messages of a conversation: read them in the Page inbox."
    noun = "message" if event.count == 1 else "messages"
    span = f"{event.first_ms}-{event.last_ms}"
    done = "imported" if event.is_import else "recovered"
    return Card("not_recovered", f"{event.count} {noun} could not be {done}", f"{when} {why}", payload=span)


def _unknown_card(event: Unknown) -> Card:
    sentence = f"Messenger sent an event of the unknown type “{event.kind}”."
    return Card("unknown", "Unknown event", lines(sentence, describe(event.raw.get(event.kind))))


_CARD_MAKERS: dict[type[Event], Callable[[Any], tuple[Card, ...]]] = {
    Postback: _postback_cards,
    Referral: _referral_cards,
    OptIn: _optin_cards,
    Call: _call_cards,
    CallPermission: _permission_cards,
    AccountLinking: lambda event: (_linking_card(event),),
    PolicyEnforcement: lambda event: (_policy_card(event),),
    Feedback: lambda event: (_feedback_card(event),),
    Order: lambda event: (_order_card(event),),
    NotRecovered: lambda event: (_not_recovered_card(event),),
    Unknown: lambda event: (_unknown_card(event),),
}
