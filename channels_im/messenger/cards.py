"""Make the cards for events and attachments that are neither text nor a file. Pure; plain text only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from channels_im.messenger.event_types import (
    AccountLinking,
    AttachmentRef,
    Event,
    Feedback,
    MessageContent,
    OptIn,
    Order,
    PolicyEnforcement,
    Postback,
    Referral,
    ReferralInfo,
    ThreadControl,
    Unknown,
)

INBOX_APP_IDS = frozenset({"263902037430900", "26390203743090"})


@dataclass(frozen=True)
class Card:
    """A box in the conversation. All plain text; `url` is http(s), shown as a link and never fetched."""

    kind: str
    title: str
    text: str = ""
    url: str | None = None


def card_for(event: Event) -> Card | None:
    """Return the card for an event, or None for plain text, files, reactions, receipts and edits.

    A message with several links becomes one card: the first link, with the others as lines of its text.
    """
    for kind, make in _CARD_MAKERS.items():
        if isinstance(event, kind):
            return make(event)
    return None


def card_for_attachment(ref: AttachmentRef) -> Card | None:
    """Return the card for one attachment, or None when it is a file to download."""
    if ref.is_file:
        return None if ref.url else Card("unsupported", f"{ref.type.capitalize()} without a link")
    kind, title = _CARD_BY_TYPE.get(ref.type, ("unsupported", "Unsupported message"))
    if ref.type == "fallback" and not ref.url and not ref.title:
        return Card("unsupported", "Shared content that Messenger does not pass on")
    text = ref.text or ""
    if kind == "unsupported":
        text = text or f"Messenger sent content of the unknown type “{ref.type}”."
    return Card(kind, ref.title or title, text, ref.url)


def _message_card(event: MessageContent) -> Card | None:
    if event.is_deleted:
        return None
    cards = [card for card in map(card_for_attachment, event.attachments) if card]
    if cards:
        return _merged(cards)
    if event.referral:
        return _referral_card(event.referral)
    if event.is_unsupported or not (event.text or event.attachments):
        return Card("unsupported", "Unsupported message", "Open the Page inbox on Facebook to see it.")
    return None


def _merged(cards: list[Card]) -> Card:
    first, *others = cards
    lines = [first.text, *(" ".join(part for part in (c.title, c.text, c.url) if part) for c in others)]
    return Card(first.kind, first.title, "\n".join(line for line in lines if line), first.url)


def _referral_card(info: ReferralInfo) -> Card:
    is_ad = bool(info.ad_id) or (info.source or "").upper() == "ADS"
    if info.lead:
        return Card("referral", "Answers from a lead ad", "\n".join(f"{q}: {a}" for q, a in info.lead))
    lines = [
        f"Reference: {info.ref}" if info.ref else "",
        f"Ad {info.ad_id}" if info.ad_id else "",
        f"Product {info.product_id}" if info.product_id else "",
    ]
    title = "Came from an ad" if is_ad else "Asks about a product" if info.product_id else "Came through a link"
    if info.ad_title:
        title = f"{title}: {info.ad_title}"
    return Card("ad" if is_ad else "referral", title, "\n".join(line for line in lines if line), info.referer_uri)


def _postback_card(event: Postback) -> Card | None:
    if event.referral:
        return _referral_card(event.referral)
    return None


def _optin_card(event: OptIn) -> Card:
    text = "\n".join(part for part in (event.payload, event.ref) if part)
    return Card("opt_in", event.title or "Agreed to further messages", text)


def _linking_card(event: AccountLinking) -> Card:
    return Card("account_linking", "Account unlinked" if event.status == "unlinked" else "Account linked")


def _control_card(event: ThreadControl) -> Card:
    titles = {
        "pass": "Conversation passed to {new}",
        "take": "{new} took control of the conversation",
        "request": "{new} requested control of the conversation",
        "app_roles": "The roles of the connected apps changed",
    }
    title = titles[event.action].format(new=_app_name(event.new_owner_app_id))
    roles = "\n".join(f"App {app_id}: {', '.join(names)}" for app_id, names in event.roles)
    return Card("handover", title[0].upper() + title[1:], roles or event.metadata or "")


def _app_name(app_id: str | None) -> str:
    if app_id in INBOX_APP_IDS:
        return "the Page inbox"
    return f"app {app_id}" if app_id else "no app"


def _policy_card(event: PolicyEnforcement) -> Card:
    titles = {
        "block": "Facebook blocked this Page from sending",
        "unblock": "Facebook allows this Page to send again",
        "warning": "Facebook warned this Page",
    }
    return Card("policy", titles.get(event.action or "", "Facebook's policy notice"), event.reason or "")


def _feedback_card(event: Feedback) -> Card:
    lines = [event.rating or "", *(f"{question}: {answer}" for question, answer in event.answers)]
    return Card("feedback", "Feedback from the customer", "\n".join(line for line in lines if line))


def _order_card(event: Order) -> Card:
    return Card("order", "Order", "\n".join([*event.products, *([event.note] if event.note else [])]))


def _unknown_card(event: Unknown) -> Card:
    return Card("unknown", "Unknown event", f"Messenger sent an event of the unknown type “{event.kind}”.")


# Attachment type → kind and default title of its card.
_CARD_BY_TYPE = {
    "fallback": ("link", "Shared link"),
    "share": ("link", "Shared link"),
    "post": ("post", "Shared post"),
    "ig_post": ("post", "Shared Instagram post"),
    "reel": ("reel", "Shared reel"),
    "ig_reel": ("reel", "Shared Instagram reel"),
    "template": ("template", "Message with buttons or products"),
    "location": ("location", "Location"),
    "appointment_booking": ("booking", "Appointment"),
}

_CARD_MAKERS: dict[type[Event], Callable[[Any], Card | None]] = {
    MessageContent: _message_card,
    Postback: _postback_card,
    Referral: lambda event: _referral_card(event.referral),
    OptIn: _optin_card,
    AccountLinking: _linking_card,
    ThreadControl: _control_card,
    PolicyEnforcement: _policy_card,
    Feedback: _feedback_card,
    Order: _order_card,
    Unknown: _unknown_card,
}
