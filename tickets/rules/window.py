"""The messaging window: when Meta lets a Page write to a person, and with which message tag. Pure.

Sources: Meta, "Send a message" (standard messaging, 24 hours), "Human Agent" (7 days, written by a person), and the
policy of 28 September 2026 on conversations that began with a click-to-Messenger ad (up to 7 days).
The pill, the composer, the queue, the sender and the API all use this one rule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from channels_im.messenger.send_policy import HUMAN_AGENT, RESPONSE, SendPolicy

RESPONSE_WINDOW = timedelta(hours=24)
HUMAN_AGENT_WINDOW = timedelta(days=7)
AD_WINDOW = timedelta(days=7)


class WindowState(StrEnum):
    """What may be sent now; the values are those of the API."""

    RESPONSE = "response"
    HUMAN_AGENT = "human_agent"
    CLOSED = "closed"


class WindowSource(StrEnum):
    """What opened the window in which ordinary replies are sent; the values are those of the API."""

    MESSAGE = "message"
    AD = "ad"


@dataclass(frozen=True)
class Window:
    """The window of one conversation at one moment.

    `closes_at` is the time from which a person can no longer reply; it is in the past when the window is closed.
    `response_until` is the end of the time in which ordinary replies are sent: 24 hours, or 7 days after an ad
    (`source`). Both are None when the customer never wrote.
    """

    state: WindowState
    closes_at: datetime | None = None
    response_until: datetime | None = None
    source: WindowSource = WindowSource.MESSAGE

    @property
    def is_open(self) -> bool:
        """Return whether a person may reply now."""
        return self.state is not WindowState.CLOSED

    @property
    def is_by_ad(self) -> bool:
        """Return whether an ad keeps the window open longer than the customer's last message does."""
        return self.source is WindowSource.AD


def window(
    last_customer_message_at: datetime | None,
    now: datetime,
    human_agent: bool,
    opened_by_ad_at: datetime | None = None,
) -> Window:
    """Return the window at `now` when the customer's last message (or postback) is of `last_customer_message_at`.

    Less than 24 hours: response. Less than 7 days and `human_agent` (Meta approved the feature for this app):
    human_agent. Otherwise closed, until the customer writes. At exactly 24 hours or 7 days the time is over.
    A customer who came by a click-to-Messenger ad at `opened_by_ad_at` and has written since: response for 7 days.
    """
    if last_customer_message_at is None:
        return Window(WindowState.CLOSED)
    response_until, source = last_customer_message_at + RESPONSE_WINDOW, WindowSource.MESSAGE
    if opened_by_ad_at is not None and opened_by_ad_at <= last_customer_message_at:
        ad_until = opened_by_ad_at + AD_WINDOW
        if ad_until > response_until:
            response_until, source = ad_until, WindowSource.AD
    closes_at = response_until
    if human_agent:
        closes_at = max(response_until, last_customer_message_at + HUMAN_AGENT_WINDOW)
    if now < response_until:
        state = WindowState.RESPONSE
    elif now < closes_at:
        state = WindowState.HUMAN_AGENT
    else:
        state = WindowState.CLOSED
    return Window(state, closes_at, response_until, source)


def policy(current: Window, author_is_human: bool) -> SendPolicy | None:
    """Return the policy under which a message is sent in this window, or None when it must not be sent.

    The HUMAN_AGENT tag is only for messages a person wrote, and only after the time of ordinary replies.
    """
    if current.state is WindowState.RESPONSE:
        return RESPONSE
    if current.state is WindowState.HUMAN_AGENT and author_is_human:
        return HUMAN_AGENT
    return None
