"""Decide from the messages Meta shows whether one that got no answer was sent. Pure.

Source: Meta, "Conversations API": details of the newest 20 messages only, times to the second, no `metadata`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels_im.messenger.graph_messages import NEWEST, GraphMessage
from desk.sentences import sentence

# The largest difference we allow between Meta's clock and ours.
CLOCK_SKEW = timedelta(minutes=2)
SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)


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
        return CannotTell(
            False, sentence("The Page has sent a message in this conversation that Desk does not know yet.")
        )
    if len(messages) >= NEWEST and messages[-1].created_at >= since:
        return CannotTell(True, sentence("There are too many newer messages: Facebook no longer shows it."))
    return NotSent()


def place_in_second(
    messages: Sequence[GraphMessage], found: Arrived, times: Mapping[str, datetime], called_at: datetime
) -> datetime:
    """Return the time of a message of which Meta shows the second only, so that it stands in Meta's order.

    `messages` are those that Meta shows, newest first, with the one that was `found`; `times` are the exact times of
    those that Desk has, by mid. The message was not sent before the call, nor before the next older one, nor after the
    next newer one, as far as its second allows.
    """
    position = [message.mid for message in messages].index(found.mid)
    earliest, latest = found.at, found.at + SECOND - MILLISECOND
    lower = max(earliest, called_at.replace(microsecond=called_at.microsecond // 1000 * 1000))
    older = next((times[message.mid] for message in messages[position + 1 :] if message.mid in times), None)
    newer = next((times[message.mid] for message in reversed(messages[:position]) if message.mid in times), None)
    if older is not None:
        lower = max(lower, older + MILLISECOND)
    if newer is not None:
        lower = min(lower, newer - MILLISECOND)
    return min(max(lower, earliest), latest)


def is_alike(text: str, is_file: bool, shown_text: str, shown_file: bool) -> bool:
    """Return whether what Meta shows can be this part: the same words, or a file without any."""
    if is_file:
        return shown_file and not shown_text
    return not shown_file and shown_text.split() == text.split()
