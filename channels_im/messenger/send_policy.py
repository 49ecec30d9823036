"""The policies under which a message may be sent: `messaging_type` and `tag` (Meta, "Send API"). Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SendPolicy:
    """A policy of Meta for a message: `messaging_type`, and `tag` only with MESSAGE_TAG."""

    messaging_type: str
    tag: str | None = None


# Within 24 hours of the customer's last message; for a reply by a person, within 7 days (Meta, "Human Agent").
RESPONSE = SendPolicy("RESPONSE")
HUMAN_AGENT = SendPolicy("MESSAGE_TAG", "HUMAN_AGENT")
# An approved template, inside and outside the window (Meta, "Send a utility message").
UTILITY = SendPolicy("UTILITY")
