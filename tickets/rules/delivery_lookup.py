"""Was a message that got no answer sent? Decided from what Meta still shows of the conversation. Pure.

Source: Meta, "Conversations API": details of the newest 20 messages only, times to the second, no `metadata`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels_im.messenger.graph_messages import NEWEST, GraphMessage

# How far Meta's clock and ours may be apart.
CLOCK_SKEW = timedelta(minutes=2)


@dataclass(frozen=True)
class Arrived:
    """It was sent, and this is it."""

    mid: str
    at: datetime


@dataclass(frozen=True)
class NotSent:
    """Meta shows the whole time since the call, and it is not there."""


@dataclass(frozen=True)
class CannotTell:
    """Neither is proven. `for_good`: looking again will not help."""

    for_good: bool
    why: str


def look_up(
    messages: Sequence[GraphMessage],
    *,
    text: str,
    is_file: bool,
    called_at: datetime,
    known_mids: Collection[str],
) -> Arrived | NotSent | CannotTell:
    """Say whether the part that was given to Meta at `called_at` is among `messages` (newest first, at most 20).

    `known_mids` are the messages whose story is known: other replies of ours, and what others wrote. A message of the
    Page that nobody knows and that is not like ours proves nothing: it may be ours, changed by Meta, or one typed in
    the Page inbox whose echo is still under way.
    """
    since = called_at - CLOCK_SKEW
    unknown = [
        message
        for message in messages
        if message.from_page and message.created_at >= since and message.mid not in known_mids
    ]
    alike = [message for message in unknown if is_alike(text, is_file, message.text, bool(message.attachments))]
    if alike:
        oldest = min(alike, key=lambda message: message.created_at)
        return Arrived(oldest.mid, oldest.created_at)
    if unknown:
        return CannotTell(False, "The Page has sent something in this conversation that Desk does not know yet.")
    if len(messages) >= NEWEST and messages[-1].created_at >= since:
        return CannotTell(True, "Too much was said since: Facebook no longer shows that part of the conversation.")
    return NotSent()


def is_alike(text: str, is_file: bool, seen_text: str, seen_file: bool) -> bool:
    """Say whether what Meta shows can be this part: the same words, or a file without any."""
    if is_file:
        return seen_file and not seen_text
    return not seen_file and seen_text.split() == text.split()
