"""Decide from the messages Meta shows whether one that got no answer was sent. Pure.

Source: Meta, "Conversations API": details of the newest 20 messages only, times to the second, no `metadata`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels_im.messenger.graph_messages import NEWEST, GraphMessage

# The largest difference we allow between Meta's clock and ours.
CLOCK_SKEW = timedelta(minutes=2)


@dataclass(frozen=True)
class Arrived:
    """The message was sent: Meta shows it as `mid`, created at `at`."""

    mid: str
    at: datetime


@dataclass(frozen=True)
class NotSent:
    """The message was not sent: Meta shows all messages since the call, and it is not among them."""


@dataclass(frozen=True)
class CannotTell:
    """Nothing is proven. `is_final` says that another look-up cannot help; `reason` is a sentence, or ""."""

    is_final: bool
    reason: str


def look_up(
    messages: Sequence[GraphMessage],
    *,
    text: str,
    is_file: bool,
    called_at: datetime,
    known_mids: Collection[str],
) -> Arrived | NotSent | CannotTell:
    """Return whether the part that was sent to Meta at `called_at` is among `messages` (newest first, at most 20).

    `known_mids` are the messages that Desk has stored already: other replies of ours, and those of others. An unknown
    message of the Page that does not match ours proves nothing: it may be ours, changed by Meta, or one typed in the
    Page inbox whose echo has not arrived yet.
    """
    since = called_at - CLOCK_SKEW
    unknown = [
        message
        for message in messages
        if message.from_page and message.created_at >= since and message.mid not in known_mids
    ]
    matches = [message for message in unknown if is_alike(text, is_file, message.text, bool(message.attachments))]
    if matches:
        oldest = min(matches, key=lambda message: message.created_at)
        return Arrived(oldest.mid, oldest.created_at)
    if unknown:
        return CannotTell(False, "The Page has sent a message in this conversation that Desk does not know yet.")
    if len(messages) >= NEWEST and messages[-1].created_at >= since:
        return CannotTell(True, "There are too many newer messages: Facebook no longer shows it.")
    return NotSent()


def is_alike(text: str, is_file: bool, shown_text: str, shown_file: bool) -> bool:
    """Return whether what Meta shows can be this part: the same words, or a file without any."""
    if is_file:
        return shown_file and not shown_text
    return not shown_file and shown_text.split() == text.split()
