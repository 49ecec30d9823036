"""Under which policy a message may be sent: Meta's `messaging_type` and `tag` (Meta, "Send API"). Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SendPolicy:
    """Under which of Meta's rules a message goes out: `messaging_type`, and `tag` only with MESSAGE_TAG."""

    messaging_type: str
    tag: str | None = None


# Inside 24 hours of the customer's last message, and up to 7 days for a person's answer (Meta, "Human Agent").
RESPONSE = SendPolicy("RESPONSE")
HUMAN_AGENT = SendPolicy("MESSAGE_TAG", "HUMAN_AGENT")
