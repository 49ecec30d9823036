"""Make the cards for events and attachments that are neither text nor a file. Pure; plain text only."""

from collections.abc import Callable
from dataclasses import dataclass
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
from desk.sentences import counted, sentence
from desk.text import is_blank

INBOX_APP_IDS = frozenset({"263902037430900", "26390203743090"})
OUR_NAME = "Desk"  # English only: a name
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
    return (*cards[: limit - 1], Card(others[0].kind, sentence("%(count)s more", count=len(others)), text))


# --- Messages ---------------------------------------------------------------------------------------------------------
def _message_cards(event: MessageContent) -> list[Card]:
    if event.is_deleted:
        return []
    cards = [_answered_card(answered) for answered in event.answered]
    for ref in event.attachments:
        cards += cards_for_attachment(ref)
    if event.quick_replies:
        cards.append(Card("quick_replies", sentence("Quick replies"), choices=event.quick_replies))
    if event.referral:
        cards.append(_referral_card(event.referral))
    if event.hop_app_id:
        cards.append(
            Card(
                "lead",
                sentence("Summary of a lead ad"),
                sentence("The customer does not see this message in Messenger."),
            )
        )
    if event.commands:
        cards.append(Card("command", sentence("Chose a command"), lines(*event.commands)))
    has_file = any(ref.is_file and ref.url for ref in event.attachments)
    if event.is_unsupported or not (cards or has_file or not is_blank(event.text or "")):
        cards.append(
            Card("unsupported", sentence("Unsupported message"), sentence("Open the Page inbox on Facebook to see it."))
        )
    if event.quick_reply_payload:
        cards.append(Card("quick_reply", sentence("Tapped a quick reply"), payload=event.quick_reply_payload))
    return cards


def _answered_card(answered: AnsweredContent) -> Card:
    names = {
        "story": sentence("Replied to your story"),
        "ad": sentence("Replied to your ad"),
        "post": sentence("Replied to your post"),
    }
    kind = "story" if answered.kind == "story" else "answered"
    title = names.get(answered.kind, sentence("Replied to: %(kind)s", kind=label(answered.kind)))
    number = f"{label(answered.kind)} {answered.id}" if answered.id else None
    return Card(kind, title, lines(number, answered.details), answered.url)


def _referral_cards(event: Referral) -> tuple[Card, ...]:
    return (_referral_card(event.referral),)


def _referral_card(info: ReferralInfo) -> Card:
    source = (info.source or "").upper()
    is_ad = bool(info.ad_id) or source == "ADS"
    if info.lead:
        answers = (f"{question}: {answer}" for question, answer in info.lead)
        return Card("referral", sentence("Answers from a lead ad"), lines(*answers, info.details))
    text = lines(
        _with(sentence("Reference: %(value)s"), info.ref),
        _with(sentence("Ad %(value)s"), info.ad_id),
        _with(sentence("Product %(value)s"), info.product_id),
        _with(sentence("Post %(value)s"), None if link_of_id(info.post_id) else info.post_id),
        _with(sentence("Video: %(value)s"), info.video_url),
        info.details,
    )
    where = "ad" if is_ad else "product" if info.product_id else source
    title, title_of_ad = _SOURCES.get(where) or _SOURCES["link"]
    if info.ad_title:
        title = sentence(title_of_ad, ad=info.ad_title)
    url = info.referer_uri or link_of_id(info.post_id)
    return Card("ad" if is_ad else "referral", title, text, url, info.photo_url)


# Where a customer came from: the title without, and with the title of an ad.
_SOURCES = {
    "ad": (sentence("Came from an ad"), sentence("Came from an ad: %(ad)s")),
    "product": (sentence("Asks about a product"), sentence("Asks about a product: %(ad)s")),
    "link": (sentence("Came through a link"), sentence("Came through a link: %(ad)s")),
    "MESSENGER_CODE": (sentence("Came by a Messenger code"), sentence("Came by a Messenger code: %(ad)s")),
    "CUSTOMER_CHAT_PLUGIN": (
        sentence("Came from the chat on a website"),
        sentence("Came from the chat on a website: %(ad)s"),
    ),
    "DISCOVER_TAB": (
        sentence("Came from Messenger's Discover tab"),
        sentence("Came from Messenger's Discover tab: %(ad)s"),
    ),
}


def _with(line: str, value: str | None) -> str | None:
    """Return a line of the catalogues with its value, or None without one."""
    return sentence(line, value=value) if value else None


def _postback_cards(event: Postback) -> tuple[Card, ...]:
    tap = Card("postback", sentence("Tapped a button"), payload=event.payload)
    return (_referral_card(event.referral), tap) if event.referral else (tap,)


# --- Opt-in, opt-out, calls -------------------------------------------------------------------------------------------
def _optin_cards(event: OptIn) -> tuple[Card, ...]:
    status = (event.notification_status or "").upper()
    is_stop = event.is_opt_out or "STOP" in status or "OPT_OUT" in status
    if is_stop:
        title, title_of_topic = sentence("Stopped notifications"), sentence("Stopped notifications: %(topic)s")
    elif "RESUME" in status:
        title, title_of_topic = sentence("Resumed notifications"), sentence("Resumed notifications: %(topic)s")
    elif (event.type or "").lower() in _ONCE:
        title, title_of_topic = (
            sentence("Agreed to one notification"),
            sentence("Agreed to one notification: %(topic)s"),
        )
    else:
        title, title_of_topic = sentence("Agreed to notifications"), sentence("Agreed to notifications: %(topic)s")
    if event.title:
        title = sentence(title_of_topic, topic=event.title)
    until = _day(event.expires_ms)
    text = lines(
        _with(_STATUS, label((event.notification_status or "").lower())),
        _with(sentence("Permission: %(value)s"), label((event.status or "").lower())),
        _with(sentence("Frequency: %(value)s"), (event.frequency or "").lower()),
        _with(_VALID_UNTIL, until),
        event.payload,
        event.ref,
    )
    return (Card("opt_out" if is_stop else "opt_in", title, text),)


_ONCE = frozenset({"one_time_notif_req", "one_time_notification"})
_STATUS, _VALID_UNTIL = sentence("Status: %(value)s"), sentence("Valid until %(value)s")


def _day(ms: int | None) -> str | None:
    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%-d %B %Y %H:%M} UTC"


def _call_cards(event: Call) -> tuple[Card, ...]:
    status = event.status or ""
    words = _VIDEO_CALL if event.is_video else _AUDIO_CALL
    is_ours = (event.direction or "").startswith(("business", "out"))
    was_taken = bool(event.duration_s) or any(
        word in status for word in ("complete", "accept", "answered", "connected")
    )
    was_missed = any(word in status for word in _MISSED) or ("terminat" in status and not was_taken)
    if was_missed:
        title = words.not_taken if is_ours else words.missed
    elif was_taken:
        title = sentence(words.lasted, duration=_minutes(event.duration_s)) if event.duration_s else words.taken
    else:
        title = words.by_page if is_ours else words.by_customer
    note = (
        None
        if was_taken or is_ours
        else sentence("Calls cannot be taken in Desk. Answer here, or call back from the Page inbox.")
    )
    return (Card("call", title, lines(_with(_STATUS, status), note)),)


@dataclass(frozen=True)
class _CallTitles:
    """The titles of the cards of a call; `lasted` has its duration."""

    not_taken: str
    missed: str
    taken: str
    lasted: str
    by_page: str
    by_customer: str


_AUDIO_CALL = _CallTitles(
    not_taken=sentence("The customer did not take the call"),
    missed=sentence("Missed call"),
    taken=sentence("Call"),
    lasted=sentence("Call, %(duration)s"),
    by_page=sentence("The Page made a call"),
    by_customer=sentence("The customer made a call"),
)
_VIDEO_CALL = _CallTitles(
    not_taken=sentence("The customer did not take the video call"),
    missed=sentence("Missed video call"),
    taken=sentence("Video call"),
    lasted=sentence("Video call, %(duration)s"),
    by_page=sentence("The Page made a video call"),
    by_customer=sentence("The customer made a video call"),
)

_MISSED = ("miss", "no_answer", "unanswered", "not_answered", "reject", "declin", "timeout", "fail", "busy", "cancel")


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _permission_cards(event: CallPermission) -> tuple[Card, ...]:
    words = {"accept": sentence("Allows the Page to call"), "reject": sentence("Does not allow the Page to call")}
    title = next(
        (title for word, title in words.items() if word in (event.response or "")),
        sentence("Answered whether the Page may call"),
    )
    until = _day(event.expires_ms)
    return (Card("call", title, lines(event.response, _with(_VALID_UNTIL, until))),)


# --- Other events -----------------------------------------------------------------------------------------------------
def _linking_card(event: AccountLinking) -> Card:
    title = sentence("Account unlinked") if event.status == "unlinked" else sentence("Account linked")
    return Card("account_linking", title)


def _control_card(event: ThreadControl, own_app_id: str) -> Card:
    text = lines(
        _before(event.previous_owner_app_id, own_app_id),
        *(_roles(app_id, own_app_id, ", ".join(names)) for app_id, names in event.roles),
        event.metadata,
    )
    return Card("handover", _control_title(event, own_app_id), text)


def _control_title(event: ThreadControl, own_app_id: str) -> str:
    if event.action == "app_roles":
        return sentence("The roles of the connected apps changed")
    return sentence(
        _CONTROL_TITLES[event.action][_which(event.new_owner_app_id, own_app_id)], app=event.new_owner_app_id
    )


def _before(app_id: str | None, own_app_id: str) -> str | None:
    return sentence(_BEFORE[_which(app_id, own_app_id)], app=app_id) if app_id else None


def _roles(app_id: str, own_app_id: str, names: str) -> str:
    return sentence(_ROLES[_which(app_id, own_app_id)], app=app_id, names=names)


def _which(app_id: str | None, own_app_id: str) -> str:
    """Return which of the sentences about an app is right. An app that Meta does not name is another app."""
    if app_id in INBOX_APP_IDS:
        return "inbox"
    if app_id and app_id == own_app_id:
        return "own"
    return "app" if app_id else "other"


_CONTROL_TITLES = {
    "pass": {
        "inbox": sentence("Conversation passed to the Page inbox"),
        "own": sentence("Conversation passed to Desk"),
        "app": sentence("Conversation passed to app %(app)s"),
        "other": sentence("Conversation passed to another app"),
    },
    "take": {
        "inbox": sentence("The Page inbox took control of the conversation"),
        "own": sentence("Desk took control of the conversation"),
        "app": sentence("App %(app)s took control of the conversation"),
        "other": sentence("Another app took control of the conversation"),
    },
    "request": {
        "inbox": sentence("The Page inbox requested control of the conversation"),
        "own": sentence("Desk requested control of the conversation"),
        "app": sentence("App %(app)s requested control of the conversation"),
        "other": sentence("Another app requested control of the conversation"),
    },
}
_BEFORE = {
    "inbox": sentence("Before: the Page inbox"),
    "own": sentence("Before: Desk"),
    "app": sentence("Before: app %(app)s"),
}
_ROLES = {
    "inbox": sentence("The Page inbox: %(names)s"),
    "own": sentence("Desk: %(names)s"),
    "app": sentence("App %(app)s: %(names)s"),
    "other": sentence("Another app: %(names)s"),
}


def app_name(app_id: str | None, own_app_id: str = "") -> str:
    """Return the name of an app in the middle of a sentence. An app that Meta does not name is another app."""
    return {
        "inbox": sentence("the Page inbox"),
        "own": OUR_NAME,
        "app": sentence("app %(app)s", app=app_id),
        "other": sentence("another app"),
    }[_which(app_id, own_app_id)]


def _policy_card(event: PolicyEnforcement) -> Card:
    titles = {
        "block": sentence("Facebook blocked this Page from sending"),
        "unblock": sentence("Facebook allows this Page to send again"),
        "warning": sentence("Facebook warned this Page"),
    }
    return Card("policy", titles.get(event.action or "", sentence("Facebook's policy notice")), event.reason or "")


def _feedback_card(event: Feedback) -> Card:
    answers = (f"{question}: {answer}" for question, answer in event.answers)
    return Card("feedback", sentence("Feedback from the customer"), lines(event.rating, *answers))


def _order_card(event: Order) -> Card:
    return Card("order", sentence("Order"), lines(*event.products, event.note))


def _not_recovered_card(event: NotRecovered) -> Card:
    first, last = (_day(ms) for ms in (event.first_ms, event.last_ms))
    why = sentence("Facebook shows Desk only the newest 20 messages of a conversation: read them in the Page inbox.")
    span = f"{event.first_ms}-{event.last_ms}"
    if event.count == 1:
        when = sentence("Written %(first)s.", first=first)
    else:
        when = sentence("Written between %(first)s and %(last)s.", first=first, last=last)
    what = (
        counted("%(count)s message could not be imported", "%(count)s messages could not be imported", event.count)
        if event.is_import
        else counted(
            "%(count)s message could not be recovered", "%(count)s messages could not be recovered", event.count
        )
    )
    return Card("not_recovered", what, f"{when} {why}", payload=span)


def _unknown_card(event: Unknown) -> Card:
    text = sentence("Messenger sent an event of the unknown type “%(kind)s”.", kind=event.kind)
    return Card("unknown", sentence("Unknown event"), lines(text, describe(event.raw.get(event.kind))))


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
